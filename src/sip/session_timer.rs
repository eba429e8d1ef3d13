//! Session timers: both ends agree how long a session lasts without a refresh, and who refreshes it (RFC 4028).
//!
//! Ringpost has a session with each of its peers, so each leg has a timer of its own. Times are in seconds.

use std::time::Duration;

use super::{
    message::Message,
    name::Name,
    text::{number, param, trim},
};

/// The least that RFC 4028 §5 lets a session last.
pub const FLOOR: u32 = 90;

/// What Ringpost asks for and puts up with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// How long a session lasts where the peer leaves it to us; `None`: no timer unless the peer asks for one.
    pub expires: Option<u32>,
    /// The shortest session that is taken.
    pub least: u32,
}

/// What was agreed with a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Session {
    /// How long it lasts without a refresh.
    pub interval: u32,
    /// Whether we refresh it.
    pub ours: bool,
}

impl Session {
    /// When we refresh it after the last refresh (§7.2: half of the interval); `None` where the peer does.
    pub fn refresh_after(self) -> Option<Duration> {
        self.ours.then(|| Duration::from_secs(u64::from(self.interval / 2)))
    }

    /// When it ends after the last refresh: a BYE has to come before the end itself (§10).
    pub fn ends_after(self) -> Duration {
        Duration::from_secs(u64::from(self.interval - (self.interval / 3).min(32)))
    }
}

/// Whether the request asks for a session that is shorter than ours may be: 422 with Min-SE (§9). A peer that does not
/// know session timers cannot learn from a 422: a proxy has asked, and is not told.
pub fn is_too_short(request: &Message, terms: Terms) -> bool {
    asked(request).is_some_and(|(interval, _)| interval < terms.least) && supports(request)
}

/// What we answer to a request with: the session, and the lines of the 2xx, line ends included. `None`: no timer.
pub fn answer(request: &Message, terms: Terms) -> Option<(Session, Vec<u8>)> {
    let knows = supports(request);
    let (interval, refresher) = match asked(request) {
        Some((interval, refresher)) => (interval, refresher),
        None => (terms.expires?.max(least_of(request)), None),
    };
    let interval = interval.max(FLOOR);
    // §9, table 2: without timer in Supported the peer cannot refresh.
    let ours = !knows || refresher == Some(Refresher::Uas);
    let who = if ours { "uas" } else { "uac" };
    let mut lines = format!("Session-Expires: {interval};refresher={who}\r\n").into_bytes();
    if knows {
        lines.extend_from_slice(b"Require: timer\r\n");
    }
    Some((Session { interval, ours }, lines))
}

/// The session that a 2xx to our own request names.
pub fn agreed(response: &Message) -> Option<Session> {
    let (interval, refresher) = asked(response)?;
    // §7.2: where the peer does not say who, it is we.
    Some(Session { interval: interval.max(FLOOR), ours: refresher != Some(Refresher::Uas) })
}

/// The lines of our own INVITE, line ends included.
pub fn offer(terms: Terms) -> Vec<u8> {
    let asked =
        terms.expires.map(|expires| format!("Session-Expires: {expires}\r\nMin-SE: {}\r\n", terms.least));
    asked.unwrap_or_default().into_bytes()
}

/// The lines of our own refresh; we go on refreshing.
pub fn refresh(session: Session, terms: Terms) -> Vec<u8> {
    let Session { interval, .. } = session;
    format!("Supported: timer\r\nSession-Expires: {interval};refresher=uac\r\nMin-SE: {}\r\n", terms.least)
        .into()
}

/// What a 422 wants at least (§7.3).
pub fn least_of(message: &Message) -> u32 {
    message.first(Name::MinSe).and_then(before_params).unwrap_or(FLOOR).max(FLOOR)
}

/// Whether the request only keeps the session alive: it has no offer and says nothing new of its sender.
pub fn is_mere_refresh(request: &Message) -> bool {
    request.count(Name::SessionExpires) > 0
        && !request.has_body()
        && request.count(Name::PAssertedIdentity) + request.count(Name::RemotePartyId) == 0
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Refresher {
    Uac,
    Uas,
}

fn asked(message: &Message) -> Option<(u32, Option<Refresher>)> {
    let value = message.first(Name::SessionExpires)?;
    let refresher = param(value, "refresher").and_then(|who| match who {
        who if who.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
        who if who.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
        _ => None,
    });
    Some((before_params(value)?, refresher))
}

fn before_params(value: &[u8]) -> Option<u32> {
    number(trim(value.split(|o| *o == b';').next()?))
}

fn supports(message: &Message) -> bool {
    let mut tags = message.list(Name::Supported).chain(message.list(Name::Require));
    tags.any(|tag| tag.eq_ignore_ascii_case(b"timer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(start: &str, headers: &str) -> Message {
        Message::read(format!("{start}\r\n{headers}\r\n\r\n").into()).expect("a message")
    }

    const OFF: Terms = Terms { expires: None, least: 90 };
    const ON: Terms = Terms { expires: Some(1_800), least: 120 };

    #[test]
    fn an_invite_is_answered_as_rfc_4028_table_2_says() {
        let timer = "Supported: 100rel, timer\r\n";
        /// The interval, whether it is ours, and whether the caller has to know timers.
        type Answered = Option<(u32, bool, bool)>;
        let rows: [(String, Terms, Answered); 10] = [
            ("Subject: x".into(), OFF, None),
            ("Supported: timer".into(), OFF, None),
            (format!("{timer}Session-Expires: 600"), OFF, Some((600, false, true))),
            (format!("{timer}x: 600 ;refresher=UAS"), OFF, Some((600, true, true))),
            (format!("{timer}Session-Expires: 600;refresher=uac"), OFF, Some((600, false, true))),
            // A proxy asked, the caller knows nothing of it: we refresh, and nothing is required.
            ("Session-Expires: 600".into(), OFF, Some((600, true, false))),
            ("Session-Expires: 30".into(), OFF, Some((90, true, false))),
            ("Subject: x".into(), ON, Some((1_800, true, false))),
            (format!("{timer}Min-SE: 3600"), ON, Some((3_600, false, true))),
            (format!("{timer}Session-Expires: soon"), OFF, None),
        ];
        for (headers, terms, expected) in rows {
            let answered = answer(&message("INVITE sip:a@h SIP/2.0", &headers), terms);
            let seen = answered.map(|(session, lines)| {
                let lines = String::from_utf8(lines).expect("text");
                let who = if session.ours { "uas" } else { "uac" };
                assert!(
                    lines.starts_with(&format!("Session-Expires: {};refresher={who}\r\n", session.interval))
                );
                (session.interval, session.ours, lines.ends_with("Require: timer\r\n"))
            });
            assert_eq!(seen, expected, "{headers}");
        }
    }

    #[test]
    fn too_short_a_session_is_told_only_to_who_understands() {
        let rows = [
            ("Supported: timer\r\nSession-Expires: 119", true),
            ("Supported: timer\r\nSession-Expires: 120", false),
            ("Session-Expires: 30", false),
            ("Supported: timer", false),
        ];
        for (headers, short) in rows {
            assert_eq!(is_too_short(&message("INVITE sip:a@h SIP/2.0", headers), ON), short, "{headers}");
        }
    }

    #[test]
    fn the_answer_names_the_refresher_of_our_own_invite() {
        let rows = [
            ("Session-Expires: 600;refresher=uac", Some((600, true))),
            ("Session-Expires: 600;refresher=uas", Some((600, false))),
            ("Session-Expires: 600", Some((600, true))),
            ("Subject: x", None),
        ];
        for (headers, expected) in rows {
            let session = agreed(&message("SIP/2.0 200 OK", headers));
            assert_eq!(session.map(|s| (s.interval, s.ours)), expected, "{headers}");
        }
        assert_eq!(offer(ON), b"Session-Expires: 1800\r\nMin-SE: 120\r\n");
        assert_eq!(offer(OFF), b"");
        assert_eq!(least_of(&message("SIP/2.0 422 x", "Min-SE: 300;x=y")), 300);
    }

    #[test]
    fn a_session_is_refreshed_at_half_time_and_ended_before_its_end() {
        let seconds = Duration::from_secs;
        let rows = [(90, 45, 60), (1_800, 900, 1_768), (96, 48, 64)];
        for (interval, refresh, end) in rows {
            let session = Session { interval, ours: true };
            assert_eq!(
                (session.refresh_after(), session.ends_after()),
                (Some(seconds(refresh)), seconds(end))
            );
            assert_eq!(Session { interval, ours: false }.refresh_after(), None);
        }
    }
}
