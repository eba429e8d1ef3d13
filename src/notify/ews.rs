//! Exchange Web Services: what is said to an Exchange server and what its answers mean (PROTOCOLS §7).
//!
//! - [`request`]: a notice as `CreateItem`, and the search for one that may be there already.
//! - [`answer`]: answers read, with [`codes`] saying what becomes of the notice.
//! - [`autodiscover`]: which server has a user's mailbox.
//! - [`contacts`]: the contacts of a mailbox.
//! - [`ntlm`]: the authentication that Exchange still asks for most often.

pub mod answer;
pub mod autodiscover;
pub mod codes;
pub mod contacts;
pub mod ntlm;
pub mod request;

use crate::xml;

/// The name of the property that carries a notice's idempotency key, in a property set of our own.
pub const KEY_PROPERTY: &str = "RingpostNotice";
/// That property set.
pub const PROPERTY_SET: &str = "5b1f7a0e-6f0c-4d37-9a55-2f0a7d1c9e42";
