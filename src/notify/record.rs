//! The line that every call leaves in the call log (REQUIREMENTS R80, R211).

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::{address::Caller, call::Outcome};

/// One call to one user, after its end.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CallRecord {
    /// The Call-ID of the caller's leg.
    pub call_id: String,
    /// The address of record that was called.
    pub user: String,
    /// Who called.
    pub caller: Caller,
    /// When the INVITE came in.
    pub came_in: Timestamp,
    /// How long the user's devices rang.
    pub rang_for: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// Who told, and why.
    pub verdict: Verdict,
    /// The device or UM server that answered, as a URI.
    pub answered_by: Option<String>,
}
