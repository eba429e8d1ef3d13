//! `[registrar]`: who may register, for how long, and how they prove it.

use std::time::Duration;

use super::Secret;
use crate::sip::digest::Algorithm;

/// `[registrar]`: for the users that have a password.
#[derive(Clone, Debug)]
pub struct Registrar {
    /// `realm`: what passwords are good for (RFC 7616 §3.3). Default `sip.domain`.
    pub realm: String,
    /// `algorithms`: offered in this order. Default SHA-256, MD5.
    pub algorithms: Vec<Algorithm>,
    /// `without_qop`: whether the form of RFC 2069 is taken from very old phones. Default false.
    pub without_qop: bool,
    /// `nonce_lifetime`: how long a challenge may be answered. Default 5 min.
    pub nonce_lifetime: Duration,
    /// `expires`: how long a registration lasts that asks for no time. Default 1 h.
    pub expires: Duration,
    /// `min_expires`: who asks for less gets 423. Default 60 s.
    pub min_expires: Duration,
    /// `max_expires`: who asks for more gets this. Default 1 d.
    pub max_expires: Duration,
    /// `max_bindings`: devices registered for one user at once. Default 10.
    pub max_bindings: usize,
    /// `tries`: wrong passwords from one source for one user before it is locked out. Default 10.
    pub tries: u32,
    /// `lock_out`: for how long. Default 5 min.
    pub lock_out: Duration,
    /// `remembered`: nonces in use, and sources with wrong passwords, that are kept in memory. Default 100,000 each.
    pub remembered: usize,
}

/// `auth_name` and `password` or `password_file` of a `[[user]]`.
#[derive(Clone, Debug)]
pub struct UserLogin {
    /// The name in the credentials. Default: the user part of the address.
    pub name: String,
    /// The password.
    pub password: Secret,
}
