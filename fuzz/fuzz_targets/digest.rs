//! Challenges and credentials against both sides of digest authentication.
#![no_main]

#[path = "../../tests/survives/mod.rs"]
mod survives;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| survives::digest::survives(octets));
