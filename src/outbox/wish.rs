//! What a user wants of a notice beside its being told: not before some time, together with others, and not at all where
//! the two have talked meanwhile.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The wish. None of it by default: the notice goes at once, alone, whatever happens.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Wish {
    /// It does not go before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// It is told together with others of its user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gather: Option<Gather>,
    /// What becomes of it when the two have talked meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returned: Option<Returned>,
}

/// From when a notice may go.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Hold {
    /// From then on.
    pub until: Timestamp,
    /// Why, in a word or two for an admin: `quiet hours`.
    pub why: String,
}

/// When missed calls that have gathered are told.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Gather {
    /// As soon as there are so many.
    pub calls: u32,
    /// So long after the first of them.
    pub within: Duration,
}

/// What becomes of a notice that is not told yet when its user has talked with the caller.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Returned {
    /// What.
    pub fate: Fate,
    /// The callers' numbers as they are compared, in the order of the notice's calls; `None`: not known.
    pub numbers: Vec<Option<String>>,
}

/// `returned` of a user, but for `keep`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is not told.
    Drop,
    /// It says that they have talked, and when.
    Mark,
}

/// How long a notice waits, seen from some moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wait {
    /// At least so long.
    pub hold: Duration,
    /// So long for others, which are so many with it.
    pub gather: Option<(Duration, u32)>,
}

impl Wish {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a notice with it waits before its first try.
    pub fn waits(&self) -> bool {
        self.hold.is_some() || self.gather.is_some()
    }

    /// The same without any wait.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { hold: None, gather: None, ..self }
    }

    /// How long a notice that was posted then waits from `now` on. Never longer than was asked for when it was posted: a
    /// clock that was set back meanwhile holds nothing for ever (ROBUSTNESS T34).
    pub fn wait(&self, posted: Timestamp, now: Timestamp) -> Wait {
        let left = |asked: Duration| {
            let gone = Duration::try_from(now.duration_since(posted)).unwrap_or_default();
            asked.saturating_sub(gone)
        };
        let asked = |hold: &Hold| Duration::try_from(hold.until.duration_since(posted)).unwrap_or_default();
        Wait {
            hold: self.hold.as_ref().map_or(Duration::ZERO, |hold| left(asked(hold))),
            gather: self.gather.map(|gather| (left(gather.within), gather.calls)),
        }
    }

    /// Until when a notice that was posted then waits at the longest, and why, for an admin; `None`: it goes at once.
    pub fn reason(&self, posted: Timestamp) -> Option<(Timestamp, String)> {
        let gathered = self.gather.map(|gather| {
            let within = SignedDuration::try_from(gather.within).unwrap_or(SignedDuration::MAX);
            posted.saturating_add(within).unwrap_or(Timestamp::MAX)
        });
        match (&self.hold, gathered) {
            (Some(hold), gathered) if gathered.is_none_or(|end| end <= hold.until) => {
                Some((hold.until, format!("{} until {}", hold.why, seconds(hold.until))))
            }
            (_, Some(end)) => Some((end, format!("gathers calls until {} at the latest", seconds(end)))),
            (_, None) => None,
        }
    }
}

fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_750_000_000 + hour * 3600).expect("a timestamp")
    }

    fn held(until: i64) -> Wish {
        Wish { hold: Some(Hold { until: at(until), why: "quiet hours".into() }), ..Wish::default() }
    }

    #[test]
    fn no_wait_is_longer_than_was_asked_whatever_the_clock_does() {
        for (until, now, hours) in [
            (8, 0, 8),
            (8, 3, 5),
            (8, 8, 0),
            (8, 9, 0),
            // Set back by a year meanwhile, or ahead by one.
            (8, -8_760, 8),
            (8, 8_760, 0),
            // Over before it was posted.
            (-1, 0, 0),
        ] {
            assert_eq!(held(until).wait(at(0), at(now)).hold, hours * HOUR, "{until} {now}");
        }
        let gather = Gather { calls: 5, within: HOUR };
        let wish = Wish { gather: Some(gather), ..Wish::default() };
        for (now, left) in [(0, HOUR), (1, Duration::ZERO), (-5, HOUR)] {
            assert_eq!(wish.wait(at(0), at(now)).gather, Some((left, 5)), "{now}");
        }
    }

    #[test]
    fn an_admin_reads_what_a_notice_waits_for() {
        let gather = Some(Gather { calls: 5, within: HOUR });
        for (wish, due, said) in [
            (Wish::default(), None, ""),
            (held(8), Some(at(8)), "quiet hours until 2025-06-15T23:06:40Z"),
            (Wish { gather, ..held(8) }, Some(at(8)), "quiet hours until 2025-06-15T23:06:40Z"),
            (
                Wish { gather, ..Wish::default() },
                Some(at(1)),
                "gathers calls until 2025-06-15T16:06:40Z at the latest",
            ),
        ] {
            let reason = wish.reason(at(0));
            assert_eq!(reason, due.map(|due| (due, said.to_owned())));
        }
    }

    #[test]
    fn what_is_not_wished_is_not_written() {
        assert_eq!(serde_json::to_string(&Wish::default()).expect("text"), "{}");
        assert_eq!(serde_json::from_str::<Wish>("{}").expect("a wish"), Wish::default());
        let wish = Wish {
            gather: Some(Gather { calls: 5, within: HOUR }),
            returned: Some(Returned { fate: Fate::Mark, numbers: vec![Some("+4930".into()), None] }),
            ..held(8)
        };
        let text = serde_json::to_string(&wish).expect("text");
        assert_eq!(serde_json::from_str::<Wish>(&text).expect("a wish"), wish);
    }
}
