//! Bodies against the reader of missed-call notifications: what was read can be written and read again.

use jiff::Timestamp;
use ringpost::um::notification::{ANONYMOUS, Notification, read};

/// The octets as the body of an INFO.
pub fn survives(octets: &[u8]) {
    let Ok(read_once) = read(octets) else { return };
    assert!(read_once.user.len() + read_once.call_id.len() <= octets.len());
    let written = read_once.write();
    // What could not be told apart in the other's words is told once: full seconds, and no URI for nobody.
    let expected = Notification {
        came_in: Timestamp::from_second(read_once.came_in.as_second()).expect("as it was"),
        ..read_once.clone()
    };
    let again = read(written.as_bytes()).expect("what we have written");
    assert_eq!(again, expected, "{written}");
    assert!(again.caller.uri.as_deref() != Some(ANONYMOUS));
}
