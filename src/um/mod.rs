//! What Ringpost and its Unified Messaging servers have to do with each other beside the call.

pub mod health;
pub mod notification;
pub mod pool;
