//! Datagrams and time against a session of the embedded UM.
#![no_main]

#[path = "../../tests/survives/mod.rs"]
mod survives;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| survives::media::survives(octets));
