//! Microsoft's enhanced presence: categories that are published by SERVICE, each with a version for each container.
//!
//! - [`state`]: states of an endpoint, and [`calendar`]: free and busy times, as documents.
//! - [`picture`]: all that is published of one user.
//! - [`ledger`]: what a server holds of it, and the operations that bring it up to date.
//! - [`stage`]: how far users are on their way to it.

pub mod calendar;
pub mod ledger;
pub mod picture;
pub mod stage;
pub mod state;
