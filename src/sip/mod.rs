//! SIP without sockets: messages, transactions, dialogs (RFC 3261).

pub mod check;
pub mod frame;
pub mod message;
pub mod name;
pub mod text;
pub mod uri;

pub use message::Message;
pub use name::{Method, Name};
