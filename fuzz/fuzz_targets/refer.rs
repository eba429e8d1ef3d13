//! The lines of a REFER against its reader.
#![no_main]

#[path = "../../tests/survives/mod.rs"]
mod survives;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| survives::refer::survives(octets));
