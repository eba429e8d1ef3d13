//! `[user.policy]`, `[policy]`, `[feature_codes]` and `[[bypass]]`: what happens to the calls of a user, and who may change it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[user.policy]`: what happens to a user's calls. The default leaves every call to the devices and UM.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// `do_not_disturb`: no device rings. Default off.
    pub do_not_disturb: Option<Quiet>,
    /// `forward_always`: instead of ringing.
    pub always: Option<To>,
    /// `forward_busy`: when every device that rang was busy.
    pub busy: Option<To>,
    /// `forward_no_answer`: when nobody answered in time, or no device could be reached.
    pub no_answer: Option<To>,
    /// `ring_also`: numbers that ring together with the devices.
    pub ring_also: Vec<String>,
    /// `accept_key`: whoever answers at a number outside has to press 1. Default true.
    pub accept_key: AcceptKey,
    /// `hunt`: numbers tried one after the other, past busy and no answer.
    pub hunt: Vec<String>,
    /// `hunt_step`: how long each of them rings. Default 15 s.
    pub hunt_step: Step,
    /// `delegates`: numbers that ring too, later.
    pub delegates: Vec<String>,
    /// `delegates_after`: how much later. Default 10 s.
    pub delegates_after: Delay,
}

impl Policy {
    /// Whether it leaves every call to the devices and UM.
    pub fn is_plain(&self) -> bool {
        let Self { do_not_disturb, always, busy, no_answer, ring_also, hunt, delegates, .. } = self;
        do_not_disturb.is_none()
            && [always, busy, no_answer].iter().all(|to| to.is_none())
            && [ring_also, hunt, delegates].iter().all(|numbers| numbers.is_empty())
    }
}

/// What becomes of a call to a user who does not want to be disturbed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quiet {
    /// To UM; busy where the user has none.
    Um,
    /// 486.
    Busy,
}

/// Where a call is forwarded.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum To {
    /// The user's UM.
    Um,
    /// A number: of another user, or outside.
    Number(String),
}

/// Whether a call at a number outside is taken with a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AcceptKey(pub bool);

impl AcceptKey {
    /// The key.
    pub const KEY: char = '1';
}

impl Default for AcceptKey {
    fn default() -> Self {
        Self(true)
    }
}

/// How long a step of a hunt rings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step(pub Duration);

impl Default for Step {
    fn default() -> Self {
        Self(Duration::from_secs(15))
    }
}

/// How much later the delegates ring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Delay(pub Duration);

impl Default for Delay {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

/// `[policy]`: bounds for what users set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PolicyLimits {
    /// `max_outside`: numbers outside that one user's calls may ring at once. Default 4.
    pub max_outside: usize,
    /// `max_diversions`: how often a call may have been diverted before it came here. Default 5.
    pub max_diversions: u32,
    /// `accept_for`: how long whoever answers a number outside may take for the key. Default 15 s.
    pub accept_for: Duration,
}

impl Default for PolicyLimits {
    fn default() -> Self {
        Self { max_outside: 4, max_diversions: 5, accept_for: Duration::from_secs(15) }
    }
}

/// What a feature code does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Feature {
    /// `forward_always`, with a number after the code.
    ForwardAlways,
    /// `forward_always_off`.
    ForwardAlwaysOff,
    /// `forward_busy`, with a number.
    ForwardBusy,
    /// `forward_busy_off`.
    ForwardBusyOff,
    /// `forward_no_answer`, with a number.
    ForwardNoAnswer,
    /// `forward_no_answer_off`.
    ForwardNoAnswerOff,
    /// `do_not_disturb`.
    DoNotDisturb,
    /// `do_not_disturb_off`.
    DoNotDisturbOff,
    /// `reset`: the site file counts again.
    Reset,
}

impl Feature {
    /// Every feature with its key in `[feature_codes]`.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::ForwardAlways, "forward_always"),
        (Self::ForwardAlwaysOff, "forward_always_off"),
        (Self::ForwardBusy, "forward_busy"),
        (Self::ForwardBusyOff, "forward_busy_off"),
        (Self::ForwardNoAnswer, "forward_no_answer"),
        (Self::ForwardNoAnswerOff, "forward_no_answer_off"),
        (Self::DoNotDisturb, "do_not_disturb"),
        (Self::DoNotDisturbOff, "do_not_disturb_off"),
        (Self::Reset, "reset"),
    ];
}

/// `[feature_codes]`: each code with what it does; none by default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FeatureCodes(pub Vec<(String, Feature)>);

/// `[[bypass]]`: a number whose calls go to one device, without fork, UM and notice (R73).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bypass {
    /// `numbers`.
    pub numbers: Vec<String>,
    /// `target`: a SIP URI.
    pub target: String,
    /// `ring_for`. Default 3 min.
    pub ring_for: Duration,
}
