//! What an LDAP server says, and what it is asked: entries, attribute names, filters. Nothing here opens a connection.

pub mod filter;
pub mod frame;
pub mod ledger;
pub mod profile;
mod record;
pub mod referral;

pub use filter::Filter;
pub use profile::{Attributes, Meaning, Profile};
pub use record::{Id, Record};
