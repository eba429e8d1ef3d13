//! Subscribing outwards (RFC 6665 §4.1): what PBXs and presence servers know of users, as machines: answers, NOTIFYs and time
//! in, requests and what is known out (R101–R116).
//!
//! - [`message`]: answers to SUBSCRIBE, and NOTIFYs, as far as they matter here.
//! - [`subscription`]: one subscription, with all the dialogs that it forks into.
//! - [`list`]: what a NOTIFY says of the resources of a list (RFC 4662).
//! - [`meaning`]: what a document says of a user's telephone and of the person.
//! - [`connector`]: all subscriptions at one server: their pace, its health, what is known by it.
//! - [`shown`]: how that is called towards an admin.

pub mod connector;
pub mod list;
pub mod meaning;
pub mod message;
pub mod shown;
pub mod subscription;

pub use connector::{Connector, Effect, Key, Order};
pub use message::{Answer, Notice};
pub use shown::{Status, Trouble};
