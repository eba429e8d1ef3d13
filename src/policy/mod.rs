//! One policy for a user's calls (R65, R66, R73, R115, R208): what the site and the user want becomes the plan of a call.
//!
//! - [`plan`](fn@plan): who rings, in which order, and why.
//! - [`codes`]: feature codes, and what they change.
//! - [`past`]: how often a call was diverted before, and by whom.

pub mod codes;
pub mod past;
mod plan;

pub use codes::{Change, Changes};
pub use past::Past;
pub use plan::{Ask, Party, Planned, Rule, plan};
