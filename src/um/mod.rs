//! What Ringpost and a Unified Messaging server say to each other beside the call.

pub mod notification;
