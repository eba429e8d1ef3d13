//! Was a call that a PBX tells of one of ours too? Then what became of it is decided here, and its notice comes from here.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ringpost::rcc::view::Seen;

use super::Rcc;

/// How far apart the two may see the same thing happen.
const SLACK: Duration = Duration::from_secs(3);
/// How long before the PBX rang its telephone a call may have come here that is the same.
const EARLIER: Duration = Duration::from_secs(120);
/// How long a call is remembered that is over.
const KEPT: Duration = Duration::from_secs(60);

/// Calls that came in and ended a moment ago, in the order of their ends.
#[derive(Default)]
pub(super) struct Past(Mutex<VecDeque<One>>);

struct One {
    user: Arc<str>,
    caller: Option<Arc<str>>,
    ended: Instant,
    /// The gateway that has told of it; `None`: it was ours.
    by: Option<Box<str>>,
}

impl Past {
    /// A call of a user is over.
    pub fn ended(&self, user: &Arc<str>, caller: Option<Arc<str>>, by: Option<&str>) {
        let mut past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = Instant::now();
        while past.front().is_some_and(|first| ended.duration_since(first.ended) > KEPT) {
            past.pop_front();
        }
        past.push_back(One { user: Arc::clone(user), caller, ended, by: by.map(Into::into) });
    }

    fn has(&self, user: &str, caller: Option<&str>, since: Instant, by: &str) -> bool {
        let past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        past.iter().any(|one| {
            let other = one.by.as_deref() != Some(by);
            other
                && *one.user == *user
                && one.ended + SLACK >= since
                && is_same(one.caller.as_deref(), caller)
        })
    }
}

impl Rcc {
    /// Whether a call of `caller` that rang at a user's telephone since `began`, as a gateway says, is told of already: it was
    /// one of ours, or another gateway sees the same telephone. It is noted as told of from now on.
    pub(super) fn is_told_of(
        &self,
        user: &Arc<str>,
        caller: Option<&str>,
        began: Instant,
        gateway: &str,
    ) -> bool {
        let is_ours = |live: &super::Live| {
            let rings = live.look.state == Seen::Rings;
            live.call.is_some()
                && live.look.incoming
                && (rings || live.since + EARLIER >= began)
                && is_same(live.look.other.as_deref(), caller)
        };
        if self.calls_of(user).iter().any(is_ours) || self.past.has(user, caller, began, gateway) {
            return true;
        }
        self.past.ended(user, caller.map(Into::into), Some(gateway));
        false
    }
}

impl Rcc {
    /// Whether a call that a gateway tells of now is one that comes or goes through Ringpost as well.
    pub(super) fn carries(&self, user: &str, incoming: bool, other: Option<&str>) -> bool {
        self.calls_of(user).iter().any(|live| {
            live.call.is_some()
                && live.look.incoming == incoming
                && is_same(live.look.other.as_deref(), other)
        })
    }
}

/// Whether two callers are one, as far as is known: of numbers one may be written with its country or exchange.
fn is_same(one: Option<&str>, other: Option<&str>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return true };
    let bare =
        |text: &str| ringpost::rcc::line::Device::of(text).number.trim_start_matches(['+', '0']).to_owned();
    let (one, other) = (bare(one), bare(other));
    if one == other {
        return true;
    }
    let is_number = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    let (short, long) = if one.len() < other.len() { (&one, &other) } else { (&other, &one) };
    !short.is_empty() && is_number(short) && is_number(long) && long.ends_with(short.as_str())
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn callers_are_compared_by_what_both_know() {
        for (one, other, same) in [
            ("+4544890101", "tel:+4544890101", true),
            ("+4544890101", "44890101", true),
            ("+4544890101", "0044890101", true),
            ("+4544890101", "+4544890102", false),
            ("sip:ada@x.test", "sip:ben@x.test", false),
            ("1002", "+4544891002", true),
            ("tel:1002", "1002", true),
            ("sip:da@x.test", "sip:ada@x.test", false),
            ("sip:ada@x.test", "sip:ada@x.test:5060", true),
            // The operator is not everybody.
            ("0", "+4544890101", false),
            ("0", "0", true),
            ("sip:@x.test", "+4544890101", false),
        ] {
            assert_eq!(is_same(Some(one), Some(other)), same, "{one} {other}");
            assert_eq!(is_same(Some(other), Some(one)), same, "{other} {one}");
        }
        // Who hides the number may be anybody.
        assert!(is_same(None, Some("+4544890101")) && is_same(None, None));
    }
}
