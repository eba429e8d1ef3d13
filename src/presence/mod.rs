//! Presence: what is known of a user, from whom and until when, and how that is told (R17–R23, R54–R58, R101–R119).
//!
//! Pure. In reading order:
//!
//! - [`state`]: the sum of all that is known of a user, with telephony and rich presence apart.
//! - [`input`]: the four inputs that it is the sum of, each with source, version and end.
//! - [`aggregate`]: the sum itself; R113 is in one place there.
//! - [`access`]: what a watcher may see.
//! - [`subscription`]: SUBSCRIBE, PUBLISH and NOTIFY as far as nobody's socket is needed.
//! - [`pidf`], [`dialog_info`], [`rlmi`], [`summary`]: the documents, written strictly and read leniently.
//! - [`forwarded`], [`unasked`]: message counts of UMs elsewhere, and for PBXs that have not asked.
//! - [`published`]: a document of somebody else as inputs.
//! - [`microsoft`]: documents of Microsoft's enhanced presence, and what a server holds of it.
//! - [`watching`]: SUBSCRIBE the other way: what other servers know of users.
//! - [`publication`], [`publishing`]: PUBLISH the other way: one publication of ours at a server, and all of them.
//!
//! Times are seconds since 1970.

pub mod access;
pub mod aggregate;
pub mod dialog_info;
pub mod forwarded;
pub mod input;
pub mod microsoft;
pub mod pidf;
pub mod publication;
pub mod published;
pub mod publishing;
pub mod rlmi;
pub mod state;
pub mod subscription;
pub mod summary;
pub mod unasked;
pub mod watching;

pub use access::{Access, Sight};
pub use input::{Calendar, Device, Forward, Inputs, Kind, Manual, Own, Phone, Slot, SlotKind, Source};
pub use state::{Activity, Apart, Call, Direction, Presence, Progress, Rich, Standard, Telephony};
