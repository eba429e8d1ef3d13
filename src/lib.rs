//! The pure half of Ringpost.

pub mod address;
pub mod call;
pub mod directory;
pub mod notify;
pub mod outbox;
pub mod settings;
pub mod sip;
pub mod um;
pub mod voicemail;
