//! Is a call that a telephone at a PBX has missed the same as one that was seen elsewhere: by Ringpost, which carried it, or by
//! another PBX's gateway? Then it is told of there. A call that is told of twice is as wrong as one that is told of by nobody.
//!
//! Neither side knows the other one's name of a call (`callID` is the gateway's own, Call-ID is each leg's), so what counts is
//! who called and when the user's telephones rang:
//!
//! | callers | times | the same |
//! |---|---|---|
//! | both known, one number | one rang while the other one did | yes |
//! | | the other was answered, or over, before the PBX rang | no |
//! | both known, two numbers | | no |
//! | one is hidden or not known | both began to ring within [`BEGINS`] | yes |
//! | | the other one began when the PBX stopped, within [`BEGINS`]: the PBX has sent it on | yes |
//! | | both rang, and stopped within [`ENDS`]: the caller gave up, or the call was answered | yes |
//! | | the other one rang meanwhile and rings yet | wait for [`ENDS`] |
//! | | anything else: two callers who hide | no |

use super::line::Device;

/// How far apart the two may see one call begin, in milliseconds: a telephone on a mobile network rings later than a desk phone.
pub const BEGINS: u64 = 3_000;
/// And how far apart its end.
pub const ENDS: u64 = 1_000;

/// A call of a user, as one side has seen it; times in milliseconds of one clock.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sight {
    /// The caller's number or URI; `None`: hidden, or not known.
    pub caller: Option<String>,
    /// When telephones of the user began to ring, in order.
    pub rang: Vec<u64>,
    /// When one of them answered.
    pub answered: Option<u64>,
    /// When it was over; `None`: it is not.
    pub ended: Option<u64>,
}

/// Whether two are one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Same {
    /// They are.
    Yes,
    /// They are not.
    No,
    /// The next [`ENDS`] will tell.
    Open,
}

impl Sight {
    fn began(&self) -> u64 {
        self.rang.first().copied().unwrap_or(0)
    }

    /// When nobody rang any more.
    fn stopped(&self) -> Option<u64> {
        self.answered.into_iter().chain(self.ended).min()
    }
}

/// Whether the call that was missed at a PBX is the other one; `now` is not before its end.
pub fn same_call(missed: &Sight, other: &Sight, now: u64) -> Same {
    let (began, ended) = (missed.began(), missed.stopped().unwrap_or(now));
    let stopped = other.stopped();
    let meanwhile =
        other.began() <= ended + BEGINS && stopped.is_none_or(|stopped| stopped + BEGINS >= began);
    if !meanwhile {
        return Same::No;
    }
    if let (Some(one), Some(two)) = (&missed.caller, &other.caller) {
        return if same_caller(one, two) { Same::Yes } else { Same::No };
    }
    let together = other.rang.iter().any(|rang| rang.abs_diff(began) <= BEGINS);
    let sent_on = other.began().abs_diff(ended) <= BEGINS;
    match stopped {
        _ if together || sent_on => Same::Yes,
        Some(stopped) if stopped >= began && stopped.abs_diff(ended) <= ENDS => Same::Yes,
        None if now < ended + ENDS => Same::Open,
        Some(_) | None => Same::No,
    }
}

/// Whether two callers are one, as far as is known: of numbers one may be written with its country or exchange.
pub fn same_caller(one: &str, other: &str) -> bool {
    let bare = |text: &str| Device::of(text).number.trim_start_matches(['+', '0']).to_owned();
    let (one, other) = (bare(one), bare(other));
    if one == other {
        return true;
    }
    let is_number = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    let (short, long) = if one.len() < other.len() { (&one, &other) } else { (&other, &one) };
    !short.is_empty() && is_number(short) && is_number(long) && long.ends_with(short.as_str())
}
