//! The half of Ringpost that touches the world.
#![forbid(unsafe_code)]

pub mod call;
pub mod channel;
pub mod demo;
pub mod entropy;
pub mod leg;
pub mod load;
pub mod log;
pub mod outbox;
pub mod port;
pub mod stage;
pub mod store;
pub mod switch;
pub mod um;
pub mod voicemail;
