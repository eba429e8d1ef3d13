//! SIP without sockets: messages, transactions, dialogs (RFC 3261).

pub mod build;
pub mod certificate;
pub mod challenge;
pub mod check;
pub mod dialog;
pub mod digest;
pub mod frame;
mod line;
pub mod locate;
pub mod message;
pub mod name;
pub mod outside;
pub mod peer;
pub mod refer;
pub mod registration;
pub mod relay;
pub mod reliable;
pub mod replaces;
pub mod sdp;
pub mod session_timer;
pub mod stun;
pub mod text;
pub mod token;
pub mod transaction;
pub mod typed;
pub mod uri;
mod via;
pub mod websocket;

pub use message::Message;
pub use name::{Method, Name};
