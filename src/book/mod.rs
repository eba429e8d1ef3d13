//! The address book (R74 to R78): who can be called, as files that devices and programs fetch, whole or what has changed.
//!
//! Pure: entries come in as an iterator in the order of their ids, time as an argument.
//!
//! - [`Entry`]: one person; [`Hide`]: who is left out.
//! - [`changes`]: what became of the entries since they were last seen.
//! - [`version`]: what a state of the book is called, and how far back changes are told.
//! - [`due`]: when it is made, and when a reader comes again.
//! - [`state`]: what a reader is told of it. [`card`], [`phones`]: vCards, and the XML of desk phones.

pub mod card;
mod changes;
pub mod due;
mod entry;
mod hide;
pub mod phones;
pub mod state;
pub mod version;

pub use changes::{Change, Known, changes};
pub use entry::{Entry, EntryId, Kind, Number};
pub use hide::Hide;
