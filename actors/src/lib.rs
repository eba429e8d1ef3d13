//! lib

pub mod voicemail;
