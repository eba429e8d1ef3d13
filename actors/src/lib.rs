//! The cast of actors and the rim of the program: configuration, logging, start.
#![forbid(unsafe_code)]

pub mod demo;
pub mod load;
pub mod log;
pub mod stage;
