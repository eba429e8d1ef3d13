//! One registration of ours at a provider, as a machine: an answer in, the next step out (RFC 3261 §10.2).

use std::time::Duration;

use super::{
    challenge::{self, Tries},
    message::Message,
    name::Name,
    text::{number, param, trim},
    uri::{NameAddr, Uri},
};
use crate::settings::TrunkLogin;

/// No registration lasts longer, whatever the provider says.
const LONGEST: u32 = 24 * 60 * 60;
/// Failures wait no longer than this for the next try (RFC 5626 §4.5), a Retry-After no longer than an hour.
const CEILING: Duration = Duration::from_secs(30 * 60);
const LONGEST_PENALTY: u32 = 3_600;

/// The state of one registration.
#[derive(Clone, Debug)]
pub struct Registration {
    /// What is asked for, in seconds: the site's wish, or the provider's minimum where that is longer.
    pub expires: u32,
    first_retry: Duration,
    tries: Tries,
    raised: bool,
    failures: u32,
}

/// What to do next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next {
    /// Send REGISTER again at once, with the next CSeq number and this header, if any.
    Again(Option<(&'static str, Vec<u8>)>),
    /// It is registered; refresh after that time.
    Refresh(Duration),
    /// It failed; try again after that time.
    Retry(Duration, String),
}

impl Registration {
    /// A registration that was never tried; `first_retry` is how long the first failure waits, which doubles.
    pub fn new(expires: Duration, first_retry: Duration) -> Self {
        let expires = u32::try_from(expires.as_secs()).unwrap_or(LONGEST).min(LONGEST);
        Self { expires, first_retry, tries: Tries::default(), raised: false, failures: 0 }
    }

    /// The answer to a REGISTER with `contact` as its user part: the code, with the message where one came. `sent` is the
    /// request, `random` any number.
    pub fn on(
        &mut self,
        (code, answer): (u16, Option<&Message>),
        (sent, contact): (&Message, &str),
        login: Option<&TrunkLogin>,
        random: u32,
    ) -> Next {
        let next = match (code, answer) {
            (200..300, Some(answer)) => {
                let granted = granted(answer, contact).unwrap_or(self.expires).min(LONGEST);
                if granted == 0 {
                    self.fail("the provider granted no time", None, random)
                } else {
                    self.failures = 0;
                    Next::Refresh(refresh(granted, random))
                }
            }
            (401 | 407, Some(answer)) => {
                let cnonce = format!("{random:08x}{:08x}", random.rotate_left(13) ^ sent.raw().len() as u32);
                match challenge::credentials(login, answer, sent, &mut self.tries, &cnonce) {
                    Ok(header) => return Next::Again(Some(header)),
                    Err(why) => self.fail(&format!("{code}: {why}"), None, random),
                }
            }
            (423, Some(answer)) => match min_expires(answer).filter(|least| *least <= LONGEST) {
                Some(least) if least > self.expires && !self.raised => {
                    (self.expires, self.raised) = (least, true);
                    return Next::Again(None);
                }
                _ => self.fail("423: the provider wants longer registrations than it says", None, random),
            },
            (code, answer) => {
                let after = answer.and_then(|answer| answer.first(Name::RetryAfter)).and_then(leading_number);
                self.fail(&format!("{code}"), after, random)
            }
        };
        (self.tries, self.raised) = (Tries::default(), false);
        next
    }

    fn fail(&mut self, why: &str, retry_after: Option<u32>, random: u32) -> Next {
        let doubled = self.first_retry.saturating_mul(1 << self.failures.min(16)).min(CEILING);
        self.failures += 1;
        // RFC 5626 §4.5: between half of it and all, so that a crowd does not come back as one.
        let half = doubled / 2;
        let wait = half + half.mul_f64(f64::from(random) / f64::from(u32::MAX));
        let asked = Duration::from_secs(u64::from(retry_after.unwrap_or(0).min(LONGEST_PENALTY)));
        Next::Retry(wait.max(asked), why.to_owned())
    }
}

/// When a registration of so many seconds is refreshed: half-way through a short one, ten minutes before the end of a
/// long one, and up to a tenth earlier.
fn refresh(granted: u32, random: u32) -> Duration {
    let latest = if granted > 1_200 { granted - 600 } else { granted.div_ceil(2) };
    let latest = Duration::from_secs(u64::from(latest));
    latest - latest.mul_f64(f64::from(random) / f64::from(u32::MAX) / 10.0)
}

/// What our contact got: its `expires`, else the Expires of the answer.
fn granted(answer: &Message, contact: &str) -> Option<u32> {
    let ours = |value: &&[u8]| {
        let address = NameAddr::read(value);
        address.is_some_and(|address| {
            Uri::read(address.uri).and_then(|uri| uri.user) == Some(contact.as_bytes())
        })
    };
    let own = answer.list(Name::Contact).find(ours).and_then(NameAddr::read);
    own.and_then(|own| param(own.params, "expires").and_then(number))
        .or_else(|| answer.first(Name::Expires).and_then(number))
}

fn min_expires(answer: &Message) -> Option<u32> {
    let named =
        |field: &&super::message::Field| answer.written_name(field).eq_ignore_ascii_case(b"Min-Expires");
    answer.fields().find(named).and_then(|field| number(answer.value(field)))
}

/// The number that a value begins with: `18 (busy);duration=3`.
fn leading_number(value: &[u8]) -> Option<u32> {
    let value = trim(value);
    number(&value[..value.iter().position(|o| !o.is_ascii_digit()).unwrap_or(value.len())])
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{settings::Secret, sip::digest::Login};

    fn read(text: &str) -> Message {
        Message::read(Bytes::from(text.replace('\n', "\r\n"))).expect("a message")
    }

    fn sent(more: &str) -> Message {
        read(&format!("REGISTER sip:p.test SIP/2.0\nCall-ID: c\nCSeq: 1 REGISTER\n{more}\n"))
    }

    fn answer(registration: &mut Registration, code: u16, lines: &str, request: &str) -> Next {
        let login = Login { user: "u".into(), password: Secret("p".into()) };
        let login = TrunkLogin { login, realm: "p.test".into() };
        let answer = read(&format!("SIP/2.0 {code} X\n{lines}\n"));
        registration.on((code, Some(&answer)), (&sent(request), "+4930"), Some(&login), u32::MAX)
    }

    fn new() -> Registration {
        Registration::new(Duration::from_secs(3_600), Duration::from_secs(30))
    }

    #[test]
    fn a_registration_is_refreshed_well_before_it_ends() {
        for (lines, seconds) in [
            ("Contact: <sip:+4930@192.0.2.1>;expires=3600\n", 2_700),
            ("Contact: <sip:+4930@192.0.2.1>;expires=60\n", 27),
            ("Contact: <sip:other@h>;expires=60, <sip:+4930@192.0.2.1>;expires=1000\nExpires: 90\n", 450),
            ("Contact: <sip:+4930@192.0.2.1>\nExpires: 120\n", 54),
            ("Contact: <sip:other@h>;expires=60\nExpires: 120\n", 54),
            ("", 2_700),
            ("Contact: <sip:+4930@h>;expires=4294967295\n", 77_220),
            ("Contact: <sip:+4930@h>;expires=1\n", 0),
        ] {
            let Next::Refresh(after) = answer(&mut new(), 200, lines, "") else { panic!("{lines}") };
            assert_eq!(after.as_secs(), seconds, "{lines}");
        }
    }

    #[test]
    fn a_challenge_is_answered_and_a_minimum_obeyed_once() {
        let own = "WWW-Authenticate: Digest realm=\"p.test\", nonce=\"n\"\n";
        let mut registration = new();
        let Next::Again(Some((name, value))) = answer(&mut registration, 401, own, "") else {
            panic!("an answer")
        };
        assert!(name == "Authorization" && value.starts_with(b"Digest username=\"u\""));
        let refused = answer(&mut registration, 401, own, "Authorization: Digest x\n");
        assert!(
            matches!(&refused, Next::Retry(_, why) if why.contains("does not take the login")),
            "{refused:?}"
        );
        let foreign = answer(&mut new(), 401, &own.replace("p.test", "evil.test"), "");
        assert!(matches!(foreign, Next::Retry(..)), "T14: {foreign:?}");
        let mut registration = Registration::new(Duration::from_secs(60), Duration::from_secs(30));
        assert_eq!(answer(&mut registration, 423, "Min-Expires: 1800\n", ""), Next::Again(None));
        assert_eq!(registration.expires, 1_800);
        assert!(matches!(answer(&mut registration, 423, "Min-Expires: 3600\n", ""), Next::Retry(..)));
        for silly in ["", "Min-Expires: 60\n", "Min-Expires: 99999999\n"] {
            let mut registration = Registration::new(Duration::from_secs(60), Duration::from_secs(30));
            assert!(matches!(answer(&mut registration, 423, silly, ""), Next::Retry(..)), "{silly}");
        }
    }

    #[test]
    fn failures_wait_longer_and_longer_until_one_succeeds() {
        let mut registration = new();
        let mut waits = vec![];
        for _ in 0..8 {
            let Next::Retry(after, _) = answer(&mut registration, 403, "", "") else { panic!("it failed") };
            waits.push(after.as_secs());
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1_800, 1_800]);
        assert!(matches!(answer(&mut registration, 200, "", ""), Next::Refresh(_)));
        let silent = registration.on((408, None), (&sent(""), "x"), None, 0);
        assert_eq!(silent, Next::Retry(Duration::from_secs(15), "408".into()));
        let busy = answer(&mut registration, 503, "Retry-After: 300 (full);duration=9\n", "");
        assert_eq!(busy, Next::Retry(Duration::from_secs(300), "503".into()));
        let spiteful = answer(&mut registration, 503, "Retry-After: 4000000000\n", "");
        assert_eq!(spiteful, Next::Retry(Duration::from_secs(3_600), "503".into()));
        let none = answer(&mut new(), 200, "Contact: <sip:+4930@h>;expires=0\n", "");
        assert!(matches!(none, Next::Retry(..)));
    }
}
