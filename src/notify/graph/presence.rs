//! What a user of Teams is doing (PROTOCOLS §4): sessions of an application, which end by themselves.

use std::time::Duration;

use serde_json::{Value, json};

/// The shortest and the longest time that a session lasts.
pub const LASTS: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(4 * 3_600)];

/// The body of setPresence: in a call, for so long.
pub fn in_a_call(session: &str, lasts: Duration) -> Value {
    let minutes = lasts.clamp(LASTS[0], LASTS[1]).as_secs() / 60;
    json!({
        "sessionId": session,
        "availability": "Busy",
        "activity": "InACall",
        "expirationDuration": format!("PT{minutes}M"),
    })
}

/// The body of clearPresence.
pub fn cleared(session: &str) -> Value {
    json!({"sessionId": session})
}
