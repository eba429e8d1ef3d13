//! `[um]` and `[um.plan.NAME]`: which UM servers there are, and how one is chosen for a call.

use std::time::Duration;

use crate::um::{health::Rules, pool::Strategy};

/// `[um]`: shared by all dial plans (R15, R16).
#[derive(Clone, Debug)]
pub struct Um {
    /// `attempts`: servers tried for one call. Default 2.
    pub attempts: u8,
    /// `ring_limit`: how long one server may ring before the next is tried. Default 10 s.
    pub ring_limit: Duration,
    /// `timeout`: how long one may leave the INVITE without any response at all. Default 4 s.
    pub silence: Duration,
    /// `strategy`: how the first one is picked. Default random.
    pub strategy: Strategy,
    /// `failures`, `probe`, `probe_after`, `probe_longest`, `probe_ramp`: how they leave the set and come back.
    pub rules: Rules,
    /// `pilots`: numbers of voice mail itself: the caller's own mailbox, or that of the user who diverted (R115).
    pub pilots: Vec<String>,
}

/// `[um.plan.NAME]`.
#[derive(Clone, Debug)]
pub struct UmPlan {
    /// The NAME.
    pub name: String,
    /// `servers`: the working set.
    pub servers: Vec<UmServer>,
}

/// One UM server of a dial plan.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum UmServer {
    /// `"embedded"`: Ringpost's own.
    Embedded,
    /// A SIP URI.
    Sip(String),
}
