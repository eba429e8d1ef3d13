//! The server's side: challenges without state, and the judgement of what comes back.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{Algorithm, Asked, Credentials, Hex, Round, response};
use crate::{settings::Secret, sip::uri::Uri};

/// What a user's password has become: `H(user:realm:password)` for each algorithm, so that no request hashes it again.
#[derive(Clone, Eq, PartialEq)]
pub struct Secrets([Hex; 3]);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Secrets {
    /// Of a user name in a realm.
    pub fn of(user: &str, realm: &str, password: &Secret) -> Self {
        Self(
            Algorithm::ALL
                .map(|algorithm| algorithm.hash(&[user.as_bytes(), realm.as_bytes(), password.0.as_bytes()])),
        )
    }

    /// Whether they are those of that password, which somebody shows as it is (RFC 7617); takes as long for a wrong one.
    pub fn are_of(&self, user: &str, realm: &str, password: &Secret) -> bool {
        let parts = [user.as_bytes(), realm.as_bytes(), password.0.as_bytes()];
        Algorithm::Sha256.hash(&parts).ct_eq(self.under(Algorithm::Sha256)).into()
    }

    fn under(&self, algorithm: Algorithm) -> &[u8] {
        &self.0[Algorithm::ALL.iter().position(|one| *one == algorithm).unwrap_or(0)]
    }
}

/// Makes challenges and judges credentials. A nonce is `time | salt | HMAC(time, salt, realm)`: nothing is kept of it.
pub struct Doorkeeper {
    realm: String,
    mac: Hmac<Sha256>,
    /// Offered in this order; others are refused.
    algorithms: Vec<Algorithm>,
    /// Seconds that a nonce is good for.
    lifetime: u32,
    /// Whether the form of RFC 2069, without `qop`, is taken.
    without_qop: bool,
    /// Takes the place of an unknown user's: the answer takes as long and says the same.
    nobody: Secrets,
}

/// Credentials that are right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Passed {
    /// The name of the nonce in the replay window.
    pub nonce: u64,
    /// How often the client says that it has used it.
    pub count: u32,
    /// When the nonce ends, in seconds: nothing has to be remembered of it any longer.
    pub until: u64,
}

/// Credentials that are not right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denied {
    /// For another realm, or an algorithm that is not offered: as if there were none.
    NotOurs,
    /// The digest-uri is not the Request-URI: 400 (RFC 7616 §3.4.6).
    WrongUri,
    /// Wrong password, unknown user or a nonce that is not ours.
    Wrong,
    /// The password is right, the nonce is too old, used or from before the last start: challenge with `stale=true`.
    Stale,
}

const TIME: usize = 4;
const SALT: usize = 4;
const MAC: usize = 16;

impl Doorkeeper {
    /// `key` is random and stays inside; `lifetime` in seconds.
    pub fn new(realm: &str, key: &[u8; 32], algorithms: Vec<Algorithm>, lifetime: u32) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        let nobody = Secrets::of("", realm, &Secret(String::new()));
        Self { realm: realm.to_owned(), mac, algorithms, lifetime, without_qop: false, nobody }
    }

    /// Takes the form of RFC 2069, too: each nonce serves once then.
    pub fn with_rfc_2069(self, taken: bool) -> Self {
        Self { without_qop: taken, ..self }
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The values of WWW-Authenticate, strongest first; `now` in seconds, `salt` random.
    pub fn challenges(&self, now: u64, salt: u32, stale: bool) -> impl Iterator<Item = Vec<u8>> {
        let nonce = self.nonce(now, salt);
        let stale = if stale { ", stale=true" } else { "" };
        self.algorithms.iter().map(move |algorithm| {
            let (realm, name) = (&self.realm, algorithm.name());
            format!("Digest realm=\"{realm}\", nonce=\"{nonce}\"{stale}, algorithm={name}, qop=\"auth\"")
                .into()
        })
    }

    fn nonce(&self, now: u64, salt: u32) -> String {
        let mut octets = [0; TIME + SALT + MAC];
        octets[..TIME].copy_from_slice(&(now as u32).to_be_bytes());
        octets[TIME..TIME + SALT].copy_from_slice(&salt.to_be_bytes());
        let mac = self.seal(&octets[..TIME + SALT]);
        octets[TIME + SALT..].copy_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(octets)
    }

    fn seal(&self, head: &[u8]) -> [u8; MAC] {
        let mut mac = self.mac.clone();
        mac.update(head);
        mac.update(self.realm.as_bytes());
        let mut sealed = [0; MAC];
        sealed.copy_from_slice(&mac.finalize().into_bytes()[..MAC]);
        sealed
    }

    /// The time and the name in a nonce of ours.
    fn open(&self, nonce: &[u8]) -> Option<(u64, u64)> {
        let mut octets = [0; TIME + SALT + MAC];
        let length = URL_SAFE_NO_PAD.decode_slice(nonce, &mut octets).ok()?;
        let (head, mac) = octets.split_at(TIME + SALT);
        let genuine: bool = self.seal(head).ct_eq(mac).into();
        let name = u64::from_be_bytes(head.try_into().ok()?);
        (genuine && length == octets.len()).then_some((name >> 32, name))
    }

    /// Judges credentials for a request; `secrets` is `None` for a user that nobody knows.
    ///
    /// # Errors
    /// Why they are not right.
    pub fn check(
        &self,
        credentials: &Credentials<'_>,
        asked: &Asked<'_>,
        secrets: Option<&Secrets>,
        now: u64,
    ) -> Result<Passed, Denied> {
        let (algorithm, session) = credentials.algorithm.ok_or(Denied::NotOurs)?;
        if credentials.realm != self.realm.as_bytes()
            || !self.algorithms.contains(&algorithm)
            || (credentials.qop.is_none() && !self.without_qop)
        {
            return Err(Denied::NotOurs);
        }
        if !same_target(credentials.uri, asked.uri) {
            return Err(Denied::WrongUri);
        }
        let Credentials { nonce, cnonce, nc, qop, .. } = *credentials;
        let round = Round { nonce, cnonce, nc, qop, session };
        let asked = Asked { uri: credentials.uri, ..*asked };
        let ha1 = secrets.unwrap_or(&self.nobody).under(algorithm);
        let expected = response(algorithm, ha1, &round, &asked);
        let given = credentials.response.to_ascii_lowercase();
        let right = bool::from(expected.ct_eq(&given)) && secrets.is_some();
        match (self.open(nonce), right) {
            (_, false) => Err(Denied::Wrong),
            // 32 bits of seconds last until 2106.
            (Some((born, name)), true) if now.saturating_sub(born) <= u64::from(self.lifetime) => {
                let until = born + u64::from(self.lifetime);
                Ok(Passed { nonce: name, count: credentials.count(), until })
            }
            (Some(_) | None, true) => Err(Denied::Stale),
        }
    }
}

/// Whether a digest-uri names what the request asks for: octet for octet, or the same user, host and port. Some phones
/// leave the URI's parameters out.
fn same_target(digest: &[u8], request: &[u8]) -> bool {
    if digest == request {
        return true;
    }
    let (Some(one), Some(other)) = (Uri::read(digest), Uri::read(request)) else { return false };
    one.scheme.eq_ignore_ascii_case(other.scheme)
        && one.user == other.user
        && one.host.eq_ignore_ascii_case(other.host)
        && one.port == other.port
}
