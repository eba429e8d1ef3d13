//! The lines of REGISTERs against a user's bindings.
#![no_main]

#[path = "../../tests/survives/mod.rs"]
mod survives;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| survives::register::survives(octets));
