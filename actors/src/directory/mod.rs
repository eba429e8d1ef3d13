//! A directory by LDAP, mirrored: nothing on a call's way asks it, and calls go on without it.

mod file;
mod gate;
pub mod harvest;
pub mod keep;
pub mod mirror;
mod open;
mod refusal;
pub mod servers;
mod session;

pub use refusal::Refusal;
pub use session::{Search, Session};

/// An entry and all below it.
pub fn subtree() -> ldap3::Scope {
    ldap3::Scope::Subtree
}
