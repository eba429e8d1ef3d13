//! The half of Ringpost that touches the world.

pub mod channel;
pub mod outbox;
pub mod store;
