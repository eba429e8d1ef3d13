//! Answers the challenge of a trunk, once, and for nobody but the realm that the site names (RFC 3261 §22; T14).

use bytes::Bytes;

use super::{
    build::Draft,
    digest::{Asked, Challenge},
    message::Message,
    name::Name,
};
use crate::settings::{Transport, TrunkLogin};

/// How often one request was challenged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tries(u8);

impl Tries {
    /// Two proxies and a nonce that went stale: more is no honest peer.
    const MOST: u8 = 3;
}

/// Why a challenge gets no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unanswered {
    /// The site names no login for this peer.
    #[error("the trunk has no login")]
    NoLogin,
    /// It asks for another realm: somebody may be after the password.
    #[error("it is for a realm that is not the trunk's")]
    Foreign,
    /// Its algorithm or quality of protection is not known here, or it is no challenge.
    #[error("it cannot be read")]
    Unreadable,
    /// The credentials were sent already, and not taken.
    #[error("the peer does not take the login")]
    Refused,
}

/// The header that answers a 401 or 407 to `request`: its name and value. `cnonce` is fresh and random, of token characters.
///
/// # Errors
/// Why nothing is answered.
pub fn credentials(
    login: Option<&TrunkLogin>,
    response: &Message,
    request: &Message,
    tries: &mut Tries,
    cnonce: &str,
) -> Result<(&'static str, Vec<u8>), Unanswered> {
    let login = login.ok_or(Unanswered::NoLogin)?;
    let challenges = Challenge::of(response);
    let own = challenges.iter().find(|one| one.realm.eq_ignore_ascii_case(login.realm.as_bytes()));
    let challenge = match own {
        Some(challenge) => challenge,
        None if challenges.is_empty() => return Err(Unanswered::Unreadable),
        None => return Err(Unanswered::Foreign),
    };
    let proxy = response.code() == Some(407);
    let name = if proxy { "Proxy-Authorization" } else { "Authorization" };
    let answered = request.count(if proxy { Name::ProxyAuthorization } else { Name::Authorization }) > 0;
    if tries.0 >= Tries::MOST || (answered && !challenge.stale) {
        return Err(Unanswered::Refused);
    }
    tries.0 += 1;
    let body = request.body();
    let asked = Asked { method: request.method_name(), uri: request.uri(), body: &body };
    // A nonce is used for one request only, so its count is always 1.
    Ok((name, challenge.answer(&login.login, &asked, 1, cnonce)))
}

/// The request once more, with credentials: the same dialog identifiers, the next CSeq number, a new branch (§22.2).
pub fn again(
    request: &Message,
    sequence: u32,
    (transport, sent_by, branch): (Transport, &[u8], &[&[u8]]),
    (name, value): (&str, &[u8]),
) -> Bytes {
    let mut draft = Draft::request(request.method_name(), request.uri());
    draft.via(transport, sent_by, branch);
    for field in request.fields() {
        let replaced = match field.name {
            Name::Via | Name::CSeq | Name::ContentLength => true,
            Name::Authorization => name == "Authorization",
            Name::ProxyAuthorization => name == "Proxy-Authorization",
            _ => false,
        };
        if !replaced {
            draft.lines(request.written(field));
        }
    }
    draft.header("CSeq", &[sequence.to_string().as_bytes(), b" ", request.method_name()]);
    draft.header(name, &[value]);
    draft.body(&request.body())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{settings::Secret, sip::digest::Login};

    fn login() -> TrunkLogin {
        let login = Login { user: "bob".into(), password: Secret("zanzibar".into()) };
        TrunkLogin { login, realm: "biloxi.com".into() }
    }

    fn read(text: &str) -> Message {
        Message::read(Bytes::from(text.replace('\n', "\r\n"))).expect("a message")
    }

    fn invite(more: &str) -> Message {
        read(&format!(
            "INVITE sip:bob@biloxi.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@h>;tag=1\nTo: <sip:bob@biloxi.com>\n\
             Call-ID: c\nCSeq: 1 INVITE\n{more}X-Other: y\nContent-Length: 4\n\nbody"
        ))
    }

    fn challenge(code: u16, lines: &str) -> Message {
        read(&format!("SIP/2.0 {code} No\n{lines}\n\n"))
    }

    #[test]
    fn only_the_realm_of_the_site_gets_an_answer_and_only_once() {
        let digest = |realm: &str, more: &str| format!("Digest realm=\"{realm}\", nonce=\"dcd9\"{more}");
        let www = |value: &str| format!("WWW-Authenticate: {value}");
        let proxy = |value: &str| format!("Proxy-Authenticate: {value}");
        let (own, stale) = (digest("biloxi.com", ""), digest("biloxi.com", ", stale=TRUE"));
        let foreign = digest("evil.example", "");
        let authorized = "Authorization: Digest x\n";
        use Unanswered::{Foreign, Refused, Unreadable};
        for (what, code, lines, sent, expected) in [
            ("a 401", 401, www(&own), "", Ok("Authorization")),
            ("a 407", 407, proxy(&own), "", Ok("Proxy-Authorization")),
            ("a 407 behind a 401", 407, proxy(&own), authorized, Ok("Proxy-Authorization")),
            ("two realms", 401, format!("{}\n{}", www(&foreign), www(&own)), "", Ok("Authorization")),
            ("stale", 401, www(&stale), authorized, Ok("Authorization")),
            ("a wrong password", 401, www(&own), authorized, Err(Refused)),
            ("another realm", 401, www(&foreign), "", Err(Foreign)),
            ("another realm that calls us stale", 407, proxy(&digest("x", ", stale=true")), "", Err(Foreign)),
            ("a realm that contains ours", 401, www(&digest("biloxi.com.evil", "")), "", Err(Foreign)),
            ("the wrong header for the code", 401, proxy(&own), "", Err(Unreadable)),
            ("Basic", 401, www("Basic realm=\"biloxi.com\""), "", Err(Unreadable)),
            ("nothing", 401, String::from("X: y"), "", Err(Unreadable)),
        ] {
            let mut tries = Tries::default();
            let answer =
                credentials(Some(&login()), &challenge(code, &lines), &invite(sent), &mut tries, "0a4f113b");
            assert_eq!(answer.as_ref().map(|(name, _)| *name).map_err(|why| *why), expected, "{what}");
        }
        let stale = challenge(401, &www(&stale));
        let mut tries = Tries::default();
        let mut answers =
            (0..5).map(|_| credentials(Some(&login()), &stale, &invite(authorized), &mut tries, "x").is_ok());
        assert!(answers.by_ref().take(3).all(|answered| answered));
        assert!(!answers.any(|answered| answered), "a peer that calls every nonce stale gets three answers");
        let none = credentials(None, &challenge(401, &www(&own)), &invite(""), &mut Tries::default(), "x");
        assert_eq!(none.err(), Some(Unanswered::NoLogin));
    }

    #[test]
    fn the_request_comes_again_with_the_same_identifiers() {
        let branch: [&[u8]; 2] = [b"z9hG4bK", b"2"];
        let text = |request: &Message, name: &str| {
            let again = again(request, 2, (Transport::Udp, b"me:5060", &branch), (name, b"Digest y"));
            String::from_utf8(again.to_vec()).expect("text")
        };
        let first = text(&invite(""), "Authorization");
        assert!(first.starts_with(
            "INVITE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP me:5060;branch=z9hG4bK2;rport\r\nFrom: <sip:a@h>;tag=1\r\n"
        ));
        assert!(first.ends_with(
            "Call-ID: c\r\nX-Other: y\r\nCSeq: 2 INVITE\r\nAuthorization: Digest y\r\nContent-Length: 4\r\n\r\nbody"
        ));
        assert_eq!(first.matches("Via:").count(), 1);
        let both = text(&invite("Authorization: Digest old\n"), "Proxy-Authorization");
        assert!(
            both.contains("Authorization: Digest old\r\n") && both.contains("Proxy-Authorization: Digest y")
        );
        assert!(!text(&invite("Authorization: Digest old\n"), "Authorization").contains("old"));
    }
}
