//! URIs that reach one device of a user from anywhere (RFC 5627): public ones name the user, temporary ones nobody.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::sip::uri::Uri;

/// What a temporary GRUU's user part starts with.
const MARK: &str = "tgruu.";
const SALT: usize = 8;
const NAME: usize = 8;
const SEAL: usize = 8;

/// The public GRUU of a user's device: the address of record and the instance.
pub fn pub_gruu(address: &str, instance: &str) -> String {
    format!("{address};gr={}", instance.replace(';', "%3B"))
}

/// The instance in a Request-URI that is a public GRUU; `Some("")`: `gr` without value, a temporary one.
pub fn instance_of(uri: &Uri<'_>) -> Option<String> {
    let written = uri.param("gr")?;
    Some(String::from_utf8_lossy(written).replace("%3B", ";").replace("%3b", ";"))
}

/// Makes temporary GRUUs and knows its own again: `salt | name, sealed | HMAC`. Each is new, none tells whose it is.
#[derive(Clone)]
pub struct Gruus(Hmac<Sha256>);

impl std::fmt::Debug for Gruus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gruus")
    }
}

impl Gruus {
    /// `key` is random and stays inside.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    /// What is kept to find the device of a temporary GRUU: it changes with the Call-ID of the registration, and ends
    /// all earlier ones with it (RFC 5627 §3.1).
    pub fn name(&self, address: &str, instance: &str, call_id: &str) -> u64 {
        let mut octets = [0; NAME];
        octets.copy_from_slice(
            &self.mac(&[b"name", address.as_bytes(), instance.as_bytes(), call_id.as_bytes()])[..NAME],
        );
        u64::from_be_bytes(octets)
    }

    /// A temporary GRUU; `salt` is random.
    pub fn temporary(&self, address: &str, instance: &str, call_id: &str, salt: u64) -> String {
        let salt = salt.to_be_bytes();
        let mut octets = [0; SALT + NAME + SEAL];
        octets[..SALT].copy_from_slice(&salt);
        let name = self.name(address, instance, call_id) ^ self.pad(&salt);
        octets[SALT..SALT + NAME].copy_from_slice(&name.to_be_bytes());
        let seal = self.mac(&[b"seal", &octets[..SALT + NAME]]);
        octets[SALT + NAME..].copy_from_slice(&seal[..SEAL]);
        let domain = address.rsplit('@').next().unwrap_or(address);
        format!("sip:{MARK}{}@{domain};gr", URL_SAFE_NO_PAD.encode(octets))
    }

    /// The [`Gruus::name`] in the user part of a temporary GRUU of ours.
    pub fn open(&self, user: &[u8]) -> Option<u64> {
        let mut octets = [0; SALT + NAME + SEAL];
        let length = URL_SAFE_NO_PAD.decode_slice(user.strip_prefix(MARK.as_bytes())?, &mut octets).ok()?;
        let (head, seal) = octets.split_at(SALT + NAME);
        if length != octets.len() || !bool::from(self.mac(&[b"seal", head])[..SEAL].ct_eq(seal)) {
            return None;
        }
        let (salt, name) = head.split_at(SALT);
        Some(u64::from_be_bytes(name.try_into().ok()?) ^ self.pad(salt))
    }

    fn pad(&self, salt: &[u8]) -> u64 {
        let mut octets = [0; NAME];
        octets.copy_from_slice(&self.mac(&[b"pad", salt])[..NAME]);
        u64::from_be_bytes(octets)
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
            mac.update(&[0]);
        }
        mac.finalize().into_bytes().into()
    }
}
