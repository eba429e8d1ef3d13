//! Octets in any cuts against the framer.
#![no_main]

#[path = "../../tests/survives/mod.rs"]
mod survives;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| survives::stream::survives(octets));
