//! What an SMTP reply (RFC 5321 §4.2) and its enhanced status (RFC 3463) mean for a notice.

/// Whose matter a refusal is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The mail's, and it heals: a full mailbox, greylisting.
    Later,
    /// The server's or the login's: any other mail would meet the same.
    Down,
    /// The mail's, for good.
    Never,
}

/// The meaning of a reply of 4xx or 5xx. The basic code decides; the enhanced status, `5.1.1` at the beginning of the
/// text, tells a server's trouble from a mail's, and what the server calls permanent though it heals.
pub fn refused(code: u16, text: &str) -> Refused {
    let (subject, detail) = enhanced(text).unwrap_or((0, 0));
    match (code, subject, detail) {
        // Closing; no mail here; authentication wanted, too weak, failed, or in vain without TLS (RFC 4954 §6).
        (421 | 454 | 521 | 530 | 534 | 535 | 538, ..) => Refused::Down,
        // The system is full, takes nothing now or is set up wrongly; it has no route; it wants TLS or another login.
        (_, 3, 1 | 2 | 5) | (400..=499, 4, _) | (_, 7, 8..=13) => Refused::Down,
        // Our sender's address, or what it may do from here: SPF, reverse DNS, rights of the login (RFC 7372; Exchange).
        (_, 1, 7 | 8) | (_, 2, 252) | (_, 7, 23..=27 | 57 | 60) => Refused::Down,
        // Exchange Online has had too much of our address for now.
        (400..=499, 7, 500..=599) => Refused::Down,
        // A full or sleeping mailbox, which RFC 3463 §3.3 calls persistent and transient at once.
        (500.., 2, 1 | 2) => Refused::Later,
        (500.., ..) => Refused::Never,
        _ => Refused::Later,
    }
}

/// Subject and detail of `class.subject.detail`.
fn enhanced(text: &str) -> Option<(u16, u16)> {
    let mut parts = text.split_whitespace().next()?.split('.');
    let class = parts.next()?;
    let (subject, detail) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (matches!(class, "4" | "5") && parts.next().is_none()).then_some((subject, detail))
}

#[cfg(test)]
mod tests {
    use super::{Refused::*, refused};

    #[test]
    fn each_reply_has_its_meaning() {
        for (code, text, meaning) in [
            (421, "4.3.2 shutting down", Down),
            (421, "", Down),
            (450, "4.2.0 mailbox busy", Later),
            (450, "4.7.1 greylisted", Later),
            (451, "4.3.0 try later", Later),
            (451, "4.4.1 no route to the next host", Down),
            (452, "4.3.1 system storage", Down),
            (452, "4.2.2 mailbox full", Later),
            (454, "4.7.0 TLS not available", Down),
            (521, "does not take mail", Down),
            (530, "5.7.0 authentication required", Down),
            (535, "5.7.8 credentials invalid", Down),
            (550, "5.7.8 log in first", Down),
            (550, "5.1.1 no such user", Never),
            (550, "no such user", Never),
            (550, "5.7.1 relay denied", Never),
            (550, "5.2.1 mailbox disabled for now", Later),
            (552, "5.2.2 mailbox full", Later),
            (552, "5.3.4 too big", Never),
            (552, "5.2.3.4 no status", Never),
            (553, "5.1.3 bad address", Never),
            (553, "5.1.7 bad sender", Down),
            (501, "5.1.8 the sender's domain does not exist", Down),
            (550, "5.1.10 the recipient's domain takes no mail", Never),
            (450, "4.7.0 greylisted", Later),
            (451, "4.7.500 server busy", Down),
            (550, "5.7.0 refused", Never),
            (550, "5.7.10 encryption needed", Down),
            (550, "5.7.23 SPF says no", Down),
            (550, "5.7.25 no reverse DNS", Down),
            (554, "5.2.252 SendAsDenied", Down),
            (550, "5.7.60 may not send as this sender", Down),
            (554, "5.3.5 the system is set up wrongly", Down),
            (554, "5.3.2 system not accepting messages", Down),
            (554, "5.2.x", Never),
            (554, "", Never),
        ] {
            assert_eq!(refused(code, text), meaning, "{code} {text}");
        }
    }
}
