//! SIP without sockets: messages, transactions, dialogs (RFC 3261).

pub mod build;
pub mod dialog;
pub mod frame;
pub mod message;
pub mod name;
pub mod peer;
pub mod relay;
pub mod text;
pub mod token;
pub mod transaction;
pub mod uri;

pub use message::Message;
pub use name::{Method, Name};
