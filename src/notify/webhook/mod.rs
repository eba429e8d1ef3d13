//! A notice for a program: as a CloudEvents 1.0 event, by a template of the site, and signed.

mod event;
mod signature;
mod template;

pub use event::{MEDIA_TYPE, event};
pub use signature::{SIGNATURE, SignatureError, WINDOW, sign, verify};
pub use template::{Body, Template};

#[cfg(test)]
mod tests;
