//! `Retry-After` of HTTP (RFC 9110 §10.2.3).

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};

/// A server that asks for more is asked again sooner, so that a slip there buries no notice.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long the server wants to be left alone: seconds, or a date seen from `now`. `None`: it says nothing sensible.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let asked = match value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are more seconds than are obeyed.
        true if !value.is_empty() => Duration::from_secs(value.parse().unwrap_or(u64::MAX)),
        _ => {
            let at = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
            Duration::try_from(at.duration_since(now)).unwrap_or_default()
        }
    };
    Some(asked.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_nonsense_is_not() {
        let now = "1994-11-06T08:49:00Z".parse().expect("a timestamp");
        for (value, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("999999999999999999999999", Some(3600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            ("Sat, 06 Nov 2094 08:49:37 GMT", Some(3600)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon\u{e9}", None),
        ] {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value:?}");
        }
    }
}
