//! What becomes of a notice between "taken" and "told": its key, its status, and the next step after each try.

mod breaker;
mod destination;
mod gathered;
mod key;
mod reply;
mod retry_after;
pub mod room;
mod talked;
mod way;
mod wish;

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{notify::Notice, settings};

pub use breaker::{Breaker, OF_A_DESTINATION, OF_A_SERVER, Turn};
pub use destination::{Towards, share};
pub use gathered::gathered;
pub use key::Key;
pub use reply::{Refused, refused};
pub use retry_after::retry_after;
pub use talked::{AfterTalk, after_talk};
pub use way::{Chain, ChannelName, Entries, Way};
pub use wish::{Fate, Gather, Hold, Returned, Wait, Wish};

/// One notice on its way.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Item {
    /// What is told.
    pub notice: Notice,
    /// How.
    pub way: Way,
    /// When it was taken: the `Date:` of a mail, the same for every try.
    pub posted: Timestamp,
    /// What its user wants of it besides.
    #[serde(default, skip_serializing_if = "Wish::is_none")]
    pub wish: Wish,
}

impl Item {
    /// A notice that goes at once.
    pub fn new(notice: Notice, way: Way, posted: Timestamp) -> Self {
        Self { notice, way, posted, wish: Wish::default() }
    }

    /// The same, but not before `until`; `why` is for an admin: `quiet hours`.
    #[must_use]
    pub fn held(mut self, until: Timestamp, why: &str) -> Self {
        self.wish.hold = Some(Hold { until, why: why.to_owned() });
        self
    }
}

/// The items that tell a notice: one for each entry of the user's channels.
pub fn items(notice: &Notice, entries: &[Chain], posted: Timestamp, wish: &Wish) -> Vec<Item> {
    let item = |chain| Item { wish: wish.clone(), ..Item::new(notice.clone(), Way::by(chain), posted) };
    entries.iter().map(item).collect()
}

/// Where an item stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Taken, never tried.
    Queued,
    /// A try is under way. After a crash nobody knows how it ended, so it goes again with the same Message-ID.
    Sending,
    /// Tried and to be tried again, or held until its time comes.
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
    /// Not now, and not for any other notice either: the server cannot be reached, refuses the login or asks for rest.
    Down {
        /// Why, one clean line without secrets.
        reason: String,
        /// The other side asked to be left alone for so long.
        not_before: Option<Duration>,
    },
    /// Nobody knows: the server was asked and has not answered, nor may it answer others.
    Lost {
        /// Why, one clean line without secrets.
        reason: String,
        /// How long the server may still be at it: this notice waits, so that the next try finds what the first has done.
        wait: Duration,
    },
    /// Not ever by this channel.
    Never {
        /// Why, one clean line without secrets.
        reason: String,
    },
    /// As that says; but the notice may be there all the same, or a part of it.
    Unsure(Box<Self>),
}

impl Delivery {
    /// What it says, and whether the notice may be there though nobody has said so.
    pub fn parted(self) -> (Self, bool) {
        match self {
            Self::Unsure(said) => (said.parted().0, true),
            Self::Lost { .. } => (self, true),
            Self::Delivered | Self::Later { .. } | Self::Down { .. } | Self::Never { .. } => (self, false),
        }
    }
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
    /// This channel does not tell, so these ways do, from their beginning; the first one takes the item's place.
    NextChannel {
        /// At least one.
        ways: Vec<Way>,
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
    let (reason, not_before) = match delivery {
        Delivery::Delivered => return Step::Done,
        Delivery::Never { reason } => return no_more(item, reason),
        Delivery::Later { reason, not_before } | Delivery::Down { reason, not_before } => {
            (reason, not_before)
        }
        Delivery::Lost { reason, wait } => (reason, Some(wait)),
        Delivery::Unsure(said) => return after(item, effort, *said, schedule, jitter),
    };
    let pause = pause(effort.tries, schedule).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
    let wait = pause.max(not_before.unwrap_or_default());
    let waited = effort.waited.saturating_add(wait);
    if waited > patience(item.way.has_next(), schedule) {
        return no_more(item, reason);
    }
    Step::Again { wait, effort: Effort { tries: effort.tries.saturating_add(1), waited }, reason }
}

/// The step of an item that was due, but was held back for so long because its channel is down.
pub fn after_rest(
    item: &Item,
    effort: Effort,
    held: Duration,
    reason: String,
    schedule: &settings::Outbox,
) -> Step {
    let waited = effort.waited.saturating_add(held);
    if waited > patience(item.way.has_next(), schedule) {
        return no_more(item, reason);
    }
    Step::Again { wait: Duration::ZERO, effort: Effort { waited, ..effort }, reason }
}

/// How much longer the item may wait for its channel, after it has waited for so long.
pub fn left(has_next: bool, waited: Duration, schedule: &settings::Outbox) -> Duration {
    patience(has_next, schedule).saturating_sub(waited)
}

/// How long the item's channel may fail to tell.
fn patience(has_next: bool, schedule: &settings::Outbox) -> Duration {
    let next = has_next.then_some(schedule.patience);
    next.unwrap_or(schedule.give_up_after).min(schedule.give_up_after)
}

fn no_more(item: &Item, reason: String) -> Step {
    if item.way.has_next() {
        return Step::NextChannel { ways: item.way.next(), reason };
    }
    Step::GiveUp { reason }
}

/// The full pause after so many earlier tries: doubles, up to the ceiling.
fn pause(tries: u32, schedule: &settings::Outbox) -> Duration {
    let doubled = schedule.first_retry.saturating_mul(2_u32.saturating_pow(tries.min(31)));
    // The floor keeps a schedule of zeros from trying without a pause and for ever.
    doubled.min(schedule.longest_retry).max(Duration::from_millis(10))
}

#[cfg(test)]
mod tests;
