//! How a call ended: all that the missed-call decision ever learns about it.

use serde::{Deserialize, Serialize};

/// The end of one call to one user. The numbers in brackets are the four states of REQUIREMENTS R1–R6.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// One of the user's devices answered.
    Talked,
    /// A colleague, a delegate or a number that the call was forwarded to answered.
    TakenByOther,
    /// The PBX took the call back because somebody else answered it (`Reason: SIP;cause=200`, RFC 3326).
    CompletedElsewhere,
    /// The caller hung up while the devices rang (1).
    GaveUpRinging,
    /// The caller hung up while the call was on its way to UM (2).
    GaveUpForwarding,
    /// Every device refused or stayed silent and there is no UM to go to (1).
    Unanswered,
    /// The call was forwarded away, and nobody took it there.
    ForwardUnanswered,
    /// The user does not want to be disturbed, and there is no UM to go to.
    NotDisturbed,
    /// Nobody answered and no UM server took the call (2).
    UmUnreachable,
    /// UM had the call and does not report what it did with it (3 or 4).
    TakenByUm,
    /// UM had the call and it ended before the recording began (3).
    GaveUpInGreeting,
    /// UM had the call and recorded (4).
    LeftMessage,
}

impl Outcome {
    /// Every outcome, for tables.
    pub const ALL: [Self; 12] = [
        Self::Talked,
        Self::TakenByOther,
        Self::CompletedElsewhere,
        Self::GaveUpRinging,
        Self::GaveUpForwarding,
        Self::Unanswered,
        Self::ForwardUnanswered,
        Self::NotDisturbed,
        Self::UmUnreachable,
        Self::TakenByUm,
        Self::GaveUpInGreeting,
        Self::LeftMessage,
    ];
    /// The name in the store, in logs and in templates.
    pub fn name(self) -> &'static str {
        match self {
            Self::Talked => "talked",
            Self::TakenByOther => "taken-by-other",
            Self::CompletedElsewhere => "completed-elsewhere",
            Self::GaveUpRinging => "gave-up-ringing",
            Self::GaveUpForwarding => "gave-up-forwarding",
            Self::Unanswered => "unanswered",
            Self::ForwardUnanswered => "forward-unanswered",
            Self::NotDisturbed => "not-disturbed",
            Self::UmUnreachable => "um-unreachable",
            Self::TakenByUm => "taken-by-um",
            Self::GaveUpInGreeting => "gave-up-in-greeting",
            Self::LeftMessage => "left-message",
        }
    }
}
