//! What a watcher may see of a user (R18, R58): two watchers, two bodies.

use serde::{Deserialize, Serialize};

use super::state::{Call, Presence, Rich, Telephony};

/// From nothing to all.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Refused: 403.
    #[default]
    Block,
    /// Taken, and always told that nobody is there.
    Polite,
    /// Told the states, and neither subjects nor who calls.
    Reduced,
    /// Told all.
    Full,
}

impl Access {
    /// All, in their order.
    pub const ALL: [Self; 4] = [Self::Block, Self::Polite, Self::Reduced, Self::Full];

    /// As it is written in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Polite => "polite",
            Self::Reduced => "reduced",
            Self::Full => "full",
        }
    }

    /// What that watcher sees; `None`: nothing.
    pub fn sight(self) -> Option<Sight> {
        match self {
            Self::Block => None,
            Self::Polite => Some(Sight::Polite),
            Self::Reduced => Some(Sight::Reduced),
            Self::Full => Some(Sight::Full),
        }
    }
}

/// The bodies that there are of one state.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// See [`Access::Polite`].
    Polite,
    /// See [`Access::Reduced`].
    Reduced,
    /// See [`Access::Full`].
    Full,
}

impl Presence {
    /// What is left of it for a watcher.
    pub fn seen(&self, sight: Sight) -> Self {
        match sight {
            Sight::Polite => Self::nobody(),
            Sight::Full => self.clone(),
            Sight::Reduced => Self {
                telephony: match &self.telephony {
                    Telephony::ForwardedToNumber(_) => Telephony::ForwardedToNumber("".into()),
                    other => other.clone(),
                },
                telephony_by: None,
                rich: Rich { subject: None, location: None, ..self.rich.clone() },
                calls: self.calls.iter().map(unnamed).collect(),
                open: self.open,
                apart: self.apart,
            },
        }
    }
}

/// A call without who is at its other end, and without what it could be picked up by.
fn unnamed(call: &Call) -> Call {
    let nothing = || "".into();
    Call { dialog: (nothing(), nothing(), nothing()), remote: nothing(), name: None, ..call.clone() }
}
