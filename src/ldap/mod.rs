//! LDAP without a socket: what a server may say (RFC 4511), and where its referrals lead (RFC 4516).

pub mod frame;
pub mod referral;
