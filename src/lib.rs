//! The pure half of Ringpost.

pub mod address;
pub mod call;
pub mod notify;
pub mod settings;
pub mod sip;
pub mod voicemail;
