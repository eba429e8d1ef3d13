//! LDAP without a socket: what a server may say (RFC 4511), referrals (RFC 4516), values that come in ranges, and what a
//! poll has to ask.

pub mod frame;
pub mod range;
pub mod referral;
