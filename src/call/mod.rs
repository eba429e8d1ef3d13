//! One call to one user.

pub mod outcome;

pub use outcome::Outcome;
