//! Challenges and credentials: what we answer to any challenge can be read as it was meant, and nothing that was not made
//! with the password passes.

use ringpost::{
    settings::Secret,
    sip::{
        Message, Name,
        build::Draft,
        digest::{
            Algorithm, Asked, Challenge, Count, Credentials, Doorkeeper, Login, Passed, Secrets, Window,
        },
    },
};

use super::Dice;

const URI: &[u8] = b"sip:corp.test";
/// Seconds.
const NOW: u64 = 1_800_000_000;

/// The first octet says what the others are: a challenge, credentials, or what comes of nonces in which order.
pub fn survives(octets: &[u8]) {
    let mut dice = Dice(octets);
    match dice.octet() % 4 {
        0 => challenged(dice.0),
        1 => claimed(dice.0),
        2 => proven(dice.0),
        _ => replayed(dice),
    }
}

/// A peer challenges us with this header.
fn challenged(value: &[u8]) {
    let Some(response) = carried("WWW-Authenticate", value) else { return };
    let login = Login { user: "bob".into(), password: Secret("zanzibar".into()) };
    let asked = Asked { method: b"REGISTER", uri: URI, body: b"" };
    for challenge in Challenge::of(&response) {
        let answer = challenge.answer(&login, &asked, 1, "0a4f113b");
        let carried = carried("Authorization", &answer).expect("one line that is well-formed");
        let value = carried.first(Name::Authorization).expect("it is there");
        if challenge.nonce.is_empty() {
            continue;
        }
        let read = Credentials::read(value).expect("what we have written");
        let own = (read.realm, read.nonce, read.uri, read.qop, read.cnonce);
        let cnonce: &[u8] = if challenge.qop.is_some() || challenge.session { b"0a4f113b" } else { b"" };
        assert_eq!(own, (&challenge.realm[..], &challenge.nonce[..], URI, challenge.qop, cnonce));
        assert_eq!(read.algorithm, Some((challenge.algorithm, challenge.session)));
        assert_eq!(read.username, b"bob");
    }
}

/// Somebody claims to be a user.
fn claimed(value: &[u8]) {
    let Some(request) = carried("Authorization", value) else { return };
    let (keeper, secrets) = door();
    for value in request.values(Name::Authorization) {
        let Ok(credentials) = Credentials::read(value) else { continue };
        let asked = Asked { method: b"REGISTER", uri: credentials.uri, body: b"" };
        for secrets in [Some(&secrets), None] {
            let judged = keeper.check(&credentials, &asked, secrets, NOW);
            assert!(judged.is_err(), "nobody has the nonce and the password: {judged:?}");
        }
    }
}

/// A user who has the password passes, and with one octet of the credentials changed does not.
fn proven(octets: &[u8]) {
    let mut dice = Dice(octets);
    let (keeper, secrets) = door();
    let login = Login { user: "bob".into(), password: Secret("zanzibar".into()) };
    let asked = Asked { method: b"REGISTER", uri: URI, body: b"" };
    let challenges: Vec<_> = keeper.challenges(NOW, dice.double(), dice.octet() & 1 == 0).collect();
    let challenge = Challenge::read(dice.one::<Vec<u8>>(&challenges)).pop().expect("ours can be read");
    let answer = challenge.answer(&login, &asked, u32::from(dice.word()), "0a4f113b");
    let credentials = Credentials::read(&answer).expect("ours can be read");
    keeper.check(&credentials, &asked, Some(&secrets), NOW).expect("the password is right");
    let late = NOW + 301 + u64::from(dice.word());
    assert!(keeper.check(&credentials, &asked, Some(&secrets), late).is_err(), "the nonce is too old");
    let mut forged = answer.clone();
    let at = usize::from(dice.word()) % forged.len();
    forged[at] ^= 1 << (dice.octet() % 8);
    let Ok(other) = Credentials::read(&forged) else { return };
    let same = (other.nonce, other.cnonce, other.nc, other.qop, other.algorithm)
        == (credentials.nonce, credentials.cnonce, credentials.nc, credentials.qop, credentials.algorithm)
        && other.response.eq_ignore_ascii_case(credentials.response)
        && other.realm == credentials.realm;
    // The name of the user chose the secrets, which is the caller's business; the digest-uri has to name the same.
    let passes = keeper.check(&other, &asked, Some(&secrets), NOW).is_ok();
    assert!(!passes || same && other.uri.eq_ignore_ascii_case(URI), "{}", String::from_utf8_lossy(&forged));
}

/// Counts of a few nonces in any order: none twice, and never more nonces than allowed.
fn replayed(mut dice: Dice) {
    const MOST: usize = 3;
    let mut window = Window::new(MOST);
    let mut used = std::collections::HashSet::new();
    let mut now = NOW;
    while !dice.is_empty() {
        let nonce = u64::from(dice.octet() % 6);
        let passed = Passed { nonce, count: u32::from(dice.octet()), until: NOW + 300 };
        if window.note(&passed, now) == Count::Fresh {
            assert!(passed.count > 0 && used.insert((nonce, passed.count)), "{passed:?} twice");
        }
        assert!(window.len() <= MOST);
        now = (now + u64::from(dice.octet() % 4)).min(NOW + 300);
    }
}

fn door() -> (Doorkeeper, Secrets) {
    let keeper = Doorkeeper::new("corp.test", &[7; 32], Algorithm::ALL.to_vec(), 300).with_rfc_2069(true);
    (keeper, Secrets::of("bob", "corp.test", &Secret("zanzibar".into())))
}

/// A message with a header of that value, if it is one that is let in: nothing else may be in it.
fn carried(name: &str, value: &[u8]) -> Option<Message> {
    let mut draft = Draft::status(401, b"Unauthorized");
    draft.header(name, &[value]);
    let message = Message::read(draft.empty()).ok()?;
    (message.fault().is_none() && message.fields().count() == 2 && !message.has_body()).then_some(message)
}
