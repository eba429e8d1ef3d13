//! Bodies against the reader of missed-call notifications.
#![no_main]

#[path = "../../tests/survives/mod.rs"]
mod survives;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| survives::notification::survives(octets));
