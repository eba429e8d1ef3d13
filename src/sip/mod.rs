//! SIP without sockets: messages, transactions, dialogs (RFC 3261).

pub mod check;
pub mod frame;
mod line;
pub mod message;
pub mod name;
pub mod text;
pub mod typed;
pub mod uri;
mod via;

pub use message::Message;
pub use name::{Method, Name};
