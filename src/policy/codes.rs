//! Feature codes: what a user dials to change the own policy, and what is kept of it.

use serde::{Deserialize, Serialize};

use crate::settings::{Feature, FeatureCodes, Policy, Quiet, To};

/// What a user has changed; what is `None` is as the site file says. Kept in the store.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Changes {
    /// `do_not_disturb`.
    pub do_not_disturb: Option<bool>,
    /// `forward_always`; off is `Some(None)`.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub always: Option<Option<To>>,
    /// `forward_busy`.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub busy: Option<Option<To>>,
    /// `forward_no_answer`.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub no_answer: Option<Option<To>>,
    /// Whether missed calls are told; `None`: as the site says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notices: Option<bool>,
}

/// `null` is a value here: switched off.
fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<To>>, D::Error> {
    Option::<To>::deserialize(from).map(Some)
}

/// A feature code as it was dialled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    feature: Feature,
    /// Where to, for those that forward.
    to: Option<To>,
}

/// Why a code is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wrong {
    /// A number is missing: 484.
    Incomplete,
    /// A number follows a code that takes none: 404.
    TooMuch,
}

impl FeatureCodes {
    /// The feature that was dialled and the number after its code; `*72*5551#` is as good as `*725551`. The longest code
    /// wins. `None`: no code.
    pub fn read<'d>(&self, dialled: &'d str) -> Option<(Feature, &'d str)> {
        let known = self.0.iter().filter_map(|(code, feature)| {
            let rest = dialled.strip_prefix(code.as_str())?;
            Some((code.len(), *feature, rest))
        });
        let (_, feature, rest) = known.max_by_key(|(length, ..)| *length)?;
        let rest = rest.strip_suffix('#').unwrap_or(rest);
        Some((feature, rest.strip_prefix('*').unwrap_or(rest)))
    }
}

impl Change {
    /// What a code and the number after it ask for; `is_voicemail` tells the numbers of voice mail (R115).
    ///
    /// # Errors
    /// A number is missing or too much.
    pub fn of(
        feature: Feature,
        number: &str,
        is_voicemail: impl FnOnce(&str) -> bool,
    ) -> Result<Self, Wrong> {
        let forwards =
            matches!(feature, Feature::ForwardAlways | Feature::ForwardBusy | Feature::ForwardNoAnswer);
        let to = match (forwards, number) {
            (true, "") => return Err(Wrong::Incomplete),
            (true, number) if is_voicemail(number) => Some(To::Um),
            (true, number) => Some(To::Number(number.to_owned())),
            (false, "") => None,
            (false, _) => return Err(Wrong::TooMuch),
        };
        Ok(Self { feature, to })
    }

    /// Where calls would go.
    pub fn target(&self) -> Option<&To> {
        self.to.as_ref()
    }
}

impl Changes {
    /// With one change more.
    #[must_use]
    pub fn with(mut self, Change { feature, to }: Change) -> Self {
        match feature {
            Feature::ForwardAlways | Feature::ForwardAlwaysOff => self.always = Some(to),
            Feature::ForwardBusy | Feature::ForwardBusyOff => self.busy = Some(to),
            Feature::ForwardNoAnswer | Feature::ForwardNoAnswerOff => self.no_answer = Some(to),
            Feature::DoNotDisturb => self.do_not_disturb = Some(true),
            Feature::DoNotDisturbOff => self.do_not_disturb = Some(false),
            Feature::Reset => return Self::default(),
        }
        self
    }

    /// The site's policy with these changes.
    pub fn over(&self, site: &Policy) -> Policy {
        let mut policy = site.clone();
        match self.do_not_disturb {
            Some(true) => policy.do_not_disturb = policy.do_not_disturb.or(Some(Quiet::Um)),
            Some(false) => policy.do_not_disturb = None,
            None => {}
        }
        let forwards = [
            (&mut policy.always, &self.always),
            (&mut policy.busy, &self.busy),
            (&mut policy.no_answer, &self.no_answer),
        ];
        for (setting, change) in forwards {
            if let Some(change) = change {
                *setting = change.clone();
            }
        }
        policy
    }
}
