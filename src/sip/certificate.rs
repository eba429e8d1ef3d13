//! Whether a certificate speaks for a name (RFC 5922 §7, RFC 9525 §6.3), and when it is good. The time comes in, in seconds
//! since 1970.

use std::net::IpAddr;

use super::uri::Uri;

/// The name that a `sip:` URI in a certificate stands for, in lower case; `None` where it is none of a domain
/// (RFC 5922 §7.1).
pub fn domain_of(uri: &str) -> Option<String> {
    let uri = Uri::read(uri.as_bytes()).filter(|uri| uri.is_sip() && uri.user.is_none())?;
    std::str::from_utf8(uri.host).ok().and_then(plain)
}

/// A DNS name of a certificate in lower case; `None` where an octet in it belongs into no name, such as NUL.
pub fn plain(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-._*:[]".contains(&octet);
    (!name.is_empty() && name.bytes().all(fits)).then(|| name.to_ascii_lowercase())
}

/// Whether one of a certificate's names is `wanted`. With `wildcards`, one is a whole first label, stands for one label,
/// and has two more behind it (RFC 9525); without, it stands for nothing (RFC 5922 §7.2). An address has to be there to the
/// letter.
pub fn speaks_for(names: &[String], wanted: &str, wildcards: bool) -> bool {
    let wanted = wanted.strip_suffix('.').unwrap_or(wanted);
    let wildcards = wildcards && wanted.parse::<IpAddr>().is_err();
    names.iter().any(|name| {
        name.eq_ignore_ascii_case(wanted)
            || (wildcards
                && name.strip_prefix("*.").is_some_and(|rest| {
                    let parent = wanted.split_once('.').filter(|(label, _)| !label.is_empty());
                    rest.contains('.')
                        && !rest.contains('*')
                        && parent.is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest))
                }))
    })
}

/// When a certificate is good; both seconds belong to it (RFC 5280 §4.1.2.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// `notBefore`.
    pub begin: i64,
    /// `notAfter`.
    pub end: i64,
}

impl Validity {
    /// Whether it is good now.
    pub fn holds(&self, now: i64) -> bool {
        (self.begin..=self.end).contains(&now)
    }

    /// Whether it ends within so many seconds, or has ended.
    pub fn ends_within(&self, seconds: i64, now: i64) -> bool {
        self.end.saturating_sub(now) < seconds
    }

    /// Whole days until it ends; below zero when it has ended.
    pub fn days(&self, now: i64) -> i64 {
        self.end.saturating_sub(now).div_euclid(DAY)
    }

    /// When what [`holds`](Self::holds) says changes next.
    pub fn turns(&self, now: i64) -> Option<i64> {
        [self.begin, self.end.saturating_add(1)].into_iter().find(|turn| *turn > now)
    }
}

const DAY: i64 = 86_400;

/// What is said once a day.
#[derive(Clone, Copy, Debug, Default)]
pub struct Daily(Option<i64>);

impl Daily {
    /// Whether it is time to say it again; it counts as said then. A clock that was set back does not silence it.
    pub fn is_due(&mut self, now: i64) -> bool {
        let due = self.0.is_none_or(|last| !(0..DAY).contains(&now.saturating_sub(last)));
        if due {
            self.0 = Some(now);
        }
        due
    }
}

/// Which of our own certificates is shown to who asks for that name: one that speaks for it, else the first; of several, one
/// that is good now.
pub fn choose<'i>(
    own: impl Iterator<Item = (&'i [String], Validity)> + Clone,
    asked: Option<&str>,
    now: i64,
) -> Option<usize> {
    let named = || {
        let own = own.clone().enumerate();
        own.filter(|(_, (names, _))| asked.is_some_and(|name| speaks_for(names, name, true)))
    };
    let good = |(_, (_, validity)): &(usize, (_, Validity))| validity.holds(now);
    let chosen = named().find(good).or_else(|| named().next());
    chosen.or_else(|| own.clone().enumerate().find(good)).or_else(|| own.enumerate().next()).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R87, the rules behind T21.
    #[test]
    fn a_name_is_spoken_for_or_not() {
        for (name, wanted, expected) in [
            ("pbx.example.com", "PBX.example.com", true),
            ("pbx.example.com", "pbx.example.com.", true),
            ("pbx.example.com", "example.com", false),
            ("*.example.com", "pbx.example.com", true),
            ("*.example.com", "a.pbx.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.com", "example.com", false),
            ("p*.example.com", "pbx.example.com", false),
            ("*.*.com", "a.*.com", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("*.0.2.1", "192.0.2.1", false),
            ("2001:db8::1", "2001:db8::1", true),
        ] {
            assert_eq!(speaks_for(&[name.to_owned()], wanted, true), expected, "{name} for {wanted}");
            let strictly = expected && !name.starts_with('*');
            assert_eq!(speaks_for(&[name.to_owned()], wanted, false), strictly, "{name} for {wanted}");
        }
        assert!(!speaks_for(&[], "pbx.example.com", true));
    }

    /// R41: the end is told ahead, once a day.
    #[test]
    fn a_certificate_is_good_from_its_first_second_to_its_last() {
        let validity = Validity { begin: 1_000, end: 1_000 + 40 * DAY };
        for (now, good, soon, days, turns) in [
            (0, false, false, 40, Some(1_000)),
            (1_000, true, false, 40, Some(1_001 + 40 * DAY)),
            (1_000 + 10 * DAY, true, false, 30, Some(1_001 + 40 * DAY)),
            (1_001 + 10 * DAY, true, true, 29, Some(1_001 + 40 * DAY)),
            (1_000 + 40 * DAY, true, true, 0, Some(1_001 + 40 * DAY)),
            (1_001 + 40 * DAY, false, true, -1, None),
        ] {
            assert_eq!(validity.holds(now), good, "{now}");
            assert_eq!(validity.ends_within(30 * DAY, now), soon, "{now}");
            assert_eq!((validity.days(now), validity.turns(now)), (days, turns), "{now}");
        }
        let forever = Validity { begin: i64::MIN, end: i64::MAX };
        assert!(forever.holds(0) && !forever.ends_within(30 * DAY, i64::MIN));
    }

    #[test]
    fn what_is_said_daily_is_said_once_a_day_whatever_the_clock_does() {
        let mut daily = Daily::default();
        let said = [0, 5, DAY - 1, DAY, DAY + 5, 3 * DAY, 3 * DAY + 1, 2 * DAY, 2 * DAY + 1]
            .map(|now| daily.is_due(now));
        assert_eq!(said, [true, false, false, true, false, true, false, true, false]);
    }

    #[test]
    fn the_certificate_of_the_name_is_shown_and_of_several_one_that_is_good_now() {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (old, new) = (Validity { begin: 0, end: 99 }, Validity { begin: 50, end: 200 });
        let own = [
            (of(&["a.corp.test"]), old),
            (of(&["a.corp.test", "b.corp.test"]), new),
            (of(&["*.web.test"]), new),
        ];
        let all = own.iter().map(|(names, validity)| (&names[..], *validity));
        for (asked, now, expected) in [
            (Some("a.corp.test"), 10, 0),
            (Some("a.corp.test"), 60, 0),
            (Some("A.corp.test"), 100, 1),
            (Some("a.corp.test"), 300, 0),
            (Some("b.corp.test"), 10, 1),
            (Some("x.web.test"), 60, 2),
            (Some("x.y.web.test"), 60, 0),
            (Some("other.test"), 100, 1),
            (None, 10, 0),
            (None, 300, 0),
        ] {
            assert_eq!(choose(all.clone(), asked, now), Some(expected), "{asked:?} at {now}");
        }
        assert_eq!(choose(std::iter::empty(), None, 0), None);
    }

    #[test]
    fn what_is_no_name_of_a_domain() {
        assert_eq!(plain("Pbx.Example.com."), Some("pbx.example.com".to_owned()));
        for bad in ["", ".", "pbx.example.com\0.evil.test", "a b", "ü"] {
            assert_eq!(plain(bad), None, "{bad:?}");
        }
        assert_eq!(domain_of("sip:Example.com"), Some("example.com".to_owned()));
        for bad in ["sip:me@example.com", "http://example.com", "example.com", "sip:\0"] {
            assert_eq!(domain_of(bad), None, "{bad:?}");
        }
    }
}
