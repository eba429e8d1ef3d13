//! Messages, answers and time against the transactions of a lane.
#![no_main]

#[path = "../../tests/survives/mod.rs"]
mod survives;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| survives::lane::survives(octets));
