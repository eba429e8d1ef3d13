//! What crosses from one leg to the other, and what does not: the back-to-back user agent's header policy.
//!
//! A header that is not named here crosses octet for octet. The tables name those that belong to one hop, one dialog or
//! one transaction, and those that Ringpost writes itself.

use bytes::Bytes;

use super::{
    build::Draft,
    message::{Field, Message},
    name::{Method, Name},
    text::{is_space, split_commas, trim},
};

/// The methods that Ringpost takes, for Allow.
pub const ALLOW: &[u8] = b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, MESSAGE, REFER, PRACK";

/// The same where Ringpost serves events.
pub const ALLOW_WITH_EVENTS: &[u8] =
    b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, MESSAGE, REFER, PRACK, SUBSCRIBE, NOTIFY, PUBLISH";

/// The extensions that Ringpost has on each of its legs, for Supported.
pub const SUPPORTED: &[u8] = b"timer, norefersub, replaces, 100rel";

/// The same for an INVITE without an offer, where several devices ring or the caller does not know 100rel: a reliable
/// provisional response would bring an offer, and its PRACK would owe an answer that nobody has yet (RFC 3262 §5).
pub const SUPPORTED_WITHOUT_OFFER: &[u8] = b"timer, norefersub, replaces";

/// Headers of one hop, dialog or transaction that no [`Name`] stands for, in lower case.
const STAYS: [&str; 16] = [
    "join",                // RFC 3911: names a dialog of the other leg
    "target-dialog",       //
    "authentication-info", // a challenge is between two neighbours
    "unsupported",
    "min-expires",
    "timestamp",
    "service-route",
    "proxy-require",
    "max-breadth",
    "x-ringpost-call", // Ringpost to its own UM, see call/wire.rs
    "identity",        // RFC 8224: signed over headers that change here
    "identity-info",
    "p-preferred-identity", // RFC 3325 §9.2: for the first proxy alone
    "p-charging-vector",    // RFC 7315: these name hosts of one network
    "p-charging-function-addresses",
    "p-access-network-info",
];

/// What of a message may cross.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Passport {
    /// Identities (P-Asserted-Identity, Remote-Party-ID) cross: the trunk is trusted and the caller did not ask for
    /// `Privacy: id` (RFC 3325 §7).
    pub identity: bool,
    /// Diversions cross: towards devices yes, towards UM no, which must find exactly one (PROTOCOLS §2).
    pub diversion: bool,
    /// User-Agent and Server cross: not where the site has a word of its own to say there.
    pub software: bool,
}

/// Whether a field crosses to the other leg.
pub fn crosses(message: &Message, field: &Field, passport: Passport) -> bool {
    match field.name {
        Name::Via
        | Name::From
        | Name::To
        | Name::CallId
        | Name::CSeq
        | Name::Contact
        | Name::MaxForwards
        | Name::ContentLength
        | Name::Route
        | Name::RecordRoute
        | Name::Require
        | Name::ProxyRequire
        | Name::Supported
        | Name::Allow
        | Name::Loop
        | Name::Authorization
        | Name::ProxyAuthorization
        | Name::WwwAuthenticate
        | Name::ProxyAuthenticate
        | Name::Expires
        | Name::Path
        | Name::RetryAfter
        | Name::SessionExpires
        | Name::MinSe
        | Name::Replaces
        | Name::ReferTo
        | Name::RSeq
        | Name::RAck => false,
        Name::PAssertedIdentity | Name::RemotePartyId => passport.identity,
        Name::Diversion => passport.diversion,
        Name::UserAgent | Name::Server => passport.software,
        Name::ContentType
        | Name::ContentEncoding
        | Name::Reason
        | Name::HistoryInfo
        | Name::Privacy
        | Name::Date
        | Name::Subject => true,
        Name::Other => {
            let name = message.written_name(field);
            if name.eq_ignore_ascii_case(b"warning") {
                return !warns_by_address(message.value(field));
            }
            !STAYS.iter().any(|stays| name.eq_ignore_ascii_case(stays.as_bytes()))
        }
    }
}

/// Whether a Warning names its agent by an address, which the other side must not see; a pseudonym may cross
/// (RFC 3261 §20.43).
fn warns_by_address(value: &[u8]) -> bool {
    super::text::split_commas(value).any(|warning| {
        let agent = trim(warning).split(|o| *o == b' ').nth(1).unwrap_or(b"");
        let host = agent.strip_prefix(b"[").unwrap_or(agent);
        host.contains(&b':') || host.contains(&b'.')
    })
}

/// Copies every field that crosses.
pub fn copy_crossing(draft: &mut Draft, message: &Message, passport: Passport) {
    for field in message.fields().filter(|field| crosses(message, field, passport)) {
        draft.lines(message.written(field));
    }
}

/// Whether the caller asks that nobody learns who called (RFC 3323 §4.2, RFC 3325 §9.3).
pub fn is_private(message: &Message) -> bool {
    message.values(Name::Privacy).flat_map(|value| value.split(|o| *o == b';' || *o == b',')).any(|word| {
        [&b"id"[..], b"user", b"full"].iter().any(|private| trim(word).eq_ignore_ascii_case(private))
    })
}

/// The option tags of Require and Proxy-Require that Ringpost does not support: a 420 (RFC 3261 §8.2.2.3).
pub fn required(message: &Message) -> Vec<u8> {
    let own = |tag: &&[u8]| !SUPPORTED.split(|o| *o == b',').any(|one| trim(one).eq_ignore_ascii_case(tag));
    let tags = message.list(Name::Require).filter(own).chain(message.list(Name::ProxyRequire));
    tags.collect::<Vec<_>>().join(&b", "[..])
}

/// Whether the body of an INVITE is one that devices can be offered: SDP, or a multipart that may hold it, or nothing.
pub fn takes_body(invite: &Message) -> bool {
    let Some(kind) = invite.first(Name::ContentType).filter(|_| invite.has_body()) else { return true };
    let kind = trim(kind.split(|o| *o == b';').next().unwrap_or(b""));
    let squeezed: Vec<u8> = kind.iter().copied().filter(|o| !is_space(*o)).collect();
    squeezed.eq_ignore_ascii_case(b"application/sdp")
        || squeezed.get(..10).is_some_and(|head| head.eq_ignore_ascii_case(b"multipart/"))
}

/// Whether a Reason says that the call was answered elsewhere: cause 200 of protocol SIP, Q.850's 26, or the text in any
/// case and spacing (PROTOCOLS §6).
pub fn answered_elsewhere(message: &Message) -> bool {
    message.values(Name::Reason).flat_map(split_commas).any(|reason| {
        let protocol = trim(reason.split(|o| *o == b';').next().unwrap_or(b""));
        let cause = super::text::param(reason, "cause").unwrap_or(b"");
        let text: Vec<u8> = super::text::param(reason, "text")
            .unwrap_or(b"")
            .iter()
            .filter(|o| o.is_ascii_alphanumeric())
            .map(u8::to_ascii_lowercase)
            .collect();
        (protocol.eq_ignore_ascii_case(b"SIP") && cause == b"200")
            || (protocol.eq_ignore_ascii_case(b"Q.850") && cause == b"26")
            || matches!(&text[..], b"callcompletedelsewhere" | b"answeredelsewhere")
    })
}

/// Whether a Reason says that the call is spam: unwanted (607, RFC 8197), rejected by an analysis (608, RFC 8688), or with an
/// identity that its signature does not bear out (STIR 438, RFC 8224 §6.2.2).
pub fn rejected_as_spam(message: &Message) -> bool {
    message.values(Name::Reason).flat_map(split_commas).any(|reason| {
        let protocol = trim(reason.split(|o| *o == b';').next().unwrap_or(b""));
        let cause = super::text::param(reason, "cause").unwrap_or(b"");
        (protocol.eq_ignore_ascii_case(b"SIP") && matches!(cause, b"607" | b"608"))
            || (protocol.eq_ignore_ascii_case(b"STIR") && cause == b"438")
    })
}

/// Starts the request that carries `inside`, a request of the peer leg's dialog, in this one; `draft` has the dialog's
/// own headers already. An offer in a PRACK is carried by an UPDATE.
pub fn inside(mut draft: Draft, inside: &Message, contact: &[u8], passport: Passport) -> Bytes {
    if matches!(inside.method(), Some(Method::Invite | Method::Update | Method::Prack)) {
        draft.header("Contact", &[contact]).header("Allow", &[ALLOW]);
    }
    if inside.method() == Some(Method::Invite) {
        draft.header("Supported", &[if inside.has_body() { SUPPORTED } else { SUPPORTED_WITHOUT_OFFER }]);
    }
    let passport = Passport { identity: passport.identity && !is_private(inside), ..passport };
    copy_crossing(&mut draft, inside, passport);
    draft.body(&inside.body())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: &str) -> Message {
        let text = format!("INVITE sip:a@h SIP/2.0\r\n{headers}\r\n\r\n");
        Message::read(Bytes::from(text)).expect("a request")
    }

    #[test]
    fn each_header_crosses_or_stays() {
        let trusted = Passport { identity: true, diversion: true, software: true };
        let to_um = Passport { identity: false, diversion: false, software: true };
        let rows = [
            ("Via: SIP/2.0/UDP h", false, false),
            ("v: SIP/2.0/UDP h", false, false),
            ("Route: <sip:r;lr>", false, false),
            ("Supported: timer", false, false),
            ("Session-Expires: 1800", false, false),
            ("PROXY-AUTHENTICATE: Digest x", false, false),
            ("P-Asserted-Identity: <sip:a@h>", true, false),
            ("Diversion: <sip:b@h>", true, false),
            ("Subject: lunch", true, true),
            ("s: lunch", true, true),
            ("X-Vendor-Thing: \u{fc}", true, true),
            ("Alert-Info: <http://x>", true, true),
            ("User-Agent: pbx", true, true),
        ];
        for (line, device, um) in rows {
            let message = message(line);
            let field = message.fields().next().expect("one field");
            assert_eq!(crosses(&message, field, trusted), device, "{line}");
            assert_eq!(crosses(&message, field, to_um), um, "{line}");
        }
    }

    #[test]
    fn a_request_inside_the_dialog_carries_an_identity_only_from_whom_it_is_believed() {
        let asserted = "P-Asserted-Identity: <sip:boss@lab.test>";
        let private = "P-Asserted-Identity: <sip:boss@lab.test>\r\nPrivacy: id";
        for (lines, trusted, crosses) in
            [(asserted, true, true), (asserted, false, false), (private, true, false)]
        {
            let passport = Passport { identity: trusted, diversion: true, software: true };
            let passed =
                inside(Draft::request(b"INVITE", b"sip:a@h"), &message(lines), b"<sip:me@h>", passport);
            let passed = Message::read(passed).expect("a request");
            assert_eq!(passed.count(Name::PAssertedIdentity) == 1, crosses, "{lines} {trusted}");
        }
    }

    #[test]
    fn completed_elsewhere_in_every_spelling() {
        let rows = [
            ("Reason: SIP;cause=200;text=\"Call completed elsewhere\"", true),
            ("Reason: sip ; cause=200", true),
            ("Reason: Q.850;cause=26", true),
            ("Reason: Q.850;cause=16, SIP;cause=200", true),
            ("Reason: X;text=\"call  COMPLETED elsewhere\"", true),
            ("Reason: Q.850;cause=16;text=\"Terminated\"", false),
            ("Reason: SIP;cause=600;text=\"Busy Everywhere\"", false),
            ("Subject: SIP;cause=200", false),
        ];
        for (line, elsewhere) in rows {
            assert_eq!(answered_elsewhere(&message(line)), elsewhere, "{line}");
        }
    }

    #[test]
    fn rejected_as_spam_by_its_causes() {
        for (line, spam) in [
            ("Reason: SIP;cause=607;text=\"Unwanted\"", true),
            ("Reason: Q.850;cause=21, sip ;cause=608", true),
            ("Reason: STIR ;cause=438 ;text=\"Invalid Identity Header\"", true),
            ("Reason: STIR;cause=436", false),
            ("Reason: SIP;cause=603", false),
            ("Reason: Q.850;cause=607", false),
            ("Subject: SIP;cause=608", false),
        ] {
            assert_eq!(rejected_as_spam(&message(line)), spam, "{line}");
        }
    }

    #[test]
    fn bodies_and_privacy() {
        for (kind, taken) in [
            ("application/sdp", true),
            ("Application / SDP;x=1", true),
            ("multipart/mixed;b=1", true),
            ("text/plain", false),
        ] {
            let text = format!("INVITE sip:a@h SIP/2.0\r\nc: {kind}\r\n\r\nbody");
            assert_eq!(takes_body(&Message::read(Bytes::from(text)).expect("a request")), taken, "{kind}");
        }
        for (line, private) in [("Privacy: id", true), ("Privacy: header;ID", true), ("Privacy: none", false)]
        {
            assert_eq!(is_private(&message(line)), private, "{line}");
        }
        assert_eq!(required(&message("Require: a,b\r\nProxy-Require: c")), b"a, b, c");
    }
}
