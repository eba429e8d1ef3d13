//! The transactions of RFC 3261 and 6026, driven with raw messages and time as an input: what goes out when, and what the
//! transaction user hears, nothing over.

mod invite_client;
mod invite_server;
mod lane;
mod leaks;
mod loss;
mod matching;
mod others;
mod size;
