//! What becomes of a notice between "taken" and "told": its key, its status, and the next step after each try.

mod key;
mod retry_after;

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{notify::Notice, settings};

pub use key::Key;
pub use retry_after::retry_after;

/// How long UM may stay silent before the user gets our own mail instead, where that is allowed.
pub const UM_PATIENCE: Duration = Duration::from_secs(600);

/// One notice on its way.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Item {
    /// What is told.
    pub notice: Notice,
    /// How.
    pub way: Way,
    /// When it was taken: the `Date:` of a mail, the same for every try.
    pub posted: Timestamp,
}

/// How a notice reaches its user. Further channels are further variants.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// SIP INFO to the user's UM.
    Um {
        /// The dial plan, a name of `[um.plan.NAME]`.
        plan: String,
        /// `EUM:user@domain;phone-context=plan` (R13).
        eum_proxy_address: String,
        /// The user's `mail_if_um_refuses`.
        mail_if_refused: bool,
    },
    /// A mail of ours to `notice.mail`.
    Mail,
}

impl Way {
    /// The channel that carries it.
    pub fn channel(&self) -> ChannelName {
        match self {
            Self::Um { .. } => ChannelName::Um,
            Self::Mail => ChannelName::Mail,
        }
    }
}

/// The channels, as names in the store, in logs and in metrics.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelName {
    /// SIP INFO.
    Um,
    /// SMTP or Maildir.
    Mail,
}

impl ChannelName {
    /// Every channel.
    pub const ALL: [Self; 2] = [Self::Um, Self::Mail];

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Um => "um",
            Self::Mail => "mail",
        }
    }
}

/// Where an item stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Taken, never tried.
    Queued,
    /// A try is under way. After a crash nobody knows how it ended, so it goes again with the same Message-ID.
    Sending,
    /// Tried and to be tried again.
    Delayed,
    /// Told.
    Delivered,
    /// Given up, kept for a person to look at and send again.
    Dead,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Sending, Self::Delayed, Self::Delivered, Self::Dead];

    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

/// No status has this name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a status is one of queued, sending, delayed, delivered, dead")]
pub struct UnknownStatus;

/// How one try ended, as the channel sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// The other side has taken it.
    Delivered,
    /// Not now.
    Later {
        /// Why, one clean line without secrets.
        reason: String,
        /// The other side asked to be left alone for so long.
        not_before: Option<Duration>,
    },
    /// Not ever by this channel.
    Never {
        /// Why, one clean line without secrets.
        reason: String,
    },
}

/// How much an item has been through. `waited` is the sum of the pauses between tries and no difference of clock
/// readings, so that a clock that jumps gives nothing up (ROBUSTNESS T34).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Effort {
    /// Tries that have ended.
    pub tries: u32,
    /// The pauses between them.
    pub waited: Duration,
}

/// What happens next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Nothing: it is told.
    Done,
    /// Another try.
    Again {
        /// After so long.
        wait: Duration,
        /// What the item has been through by then.
        effort: Effort,
        /// Why.
        reason: String,
    },
    /// UM does not tell, so a mail does: the same item, from its beginning, by mail.
    MailInstead {
        /// Why.
        reason: String,
    },
    /// A dead letter.
    GiveUp {
        /// Why.
        reason: String,
    },
}

/// The step after a try. `jitter` in 0..1 is fresh for each call and spreads the tries of many items over the
/// second half of the pause, so that a server that comes back is not stormed.
pub fn after(
    item: &Item,
    effort: Effort,
    delivery: Delivery,
    schedule: &settings::Outbox,
    jitter: f64,
) -> Step {
    let may_mail = may_mail(item);
    let (reason, not_before) = match delivery {
        Delivery::Delivered => return Step::Done,
        Delivery::Never { reason } if may_mail => return Step::MailInstead { reason },
        Delivery::Never { reason } => return Step::GiveUp { reason },
        Delivery::Later { reason, not_before } => (reason, not_before),
    };
    let pause = pause(effort.tries, schedule).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
    let wait = pause.max(not_before.unwrap_or_default());
    let patience = if may_mail { UM_PATIENCE.min(schedule.give_up_after) } else { schedule.give_up_after };
    let waited = effort.waited.saturating_add(wait);
    if waited <= patience {
        return Step::Again {
            wait,
            effort: Effort { tries: effort.tries.saturating_add(1), waited },
            reason,
        };
    }
    if may_mail { Step::MailInstead { reason } } else { Step::GiveUp { reason } }
}

/// The full pause after so many earlier tries: doubles, up to the ceiling.
fn pause(tries: u32, schedule: &settings::Outbox) -> Duration {
    let doubled = schedule.first_retry.saturating_mul(2_u32.saturating_pow(tries.min(31)));
    // The floor keeps a schedule of zeros from trying without a pause and for ever.
    doubled.min(schedule.longest_retry).max(Duration::from_millis(10))
}

fn may_mail(item: &Item) -> bool {
    match &item.way {
        Way::Um { mail_if_refused, .. } => *mail_if_refused && item.notice.mail.is_some(),
        Way::Mail => false,
    }
}

#[cfg(test)]
mod tests;
