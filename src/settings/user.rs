//! `[[user]]`: somebody who is called, and how.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{Notices, Policy, Secret, Seen, UserLogin};
use crate::{
    address::{Language, UserClass},
    numbers::{Tel, location::Profile},
    outbox::{Entries, Fate, Gather},
};

/// `[[user]]`.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// `address`: the address of record, `sip:1001@example.test`.
    pub address: String,
    /// `name`: the display name.
    pub name: Option<String>,
    /// `line`, then `numbers`: every number or user part that reaches the user.
    pub numbers: Vec<String>,
    /// `devices`: SIP URIs that ring at once, beside those that have registered; none of either means offline (R8).
    pub devices: Vec<String>,
    /// `auth_name`, `password`, `password_file`: how the user's devices prove themselves; `None`: they cannot register.
    pub login: Option<UserLogin>,
    /// `ring_for`: the user's own time-out (R2). Default 20 s.
    pub ring_for: Duration,
    /// `um_plan`: a name of `[um.plan.NAME]`; `None`: no UM.
    pub um_plan: Option<String>,
    /// `missed_calls`: who tells.
    pub missed_calls: UserClass,
    /// `forward = "voicemail"`: straight to UM, no device rings (R8).
    pub forward_to_voicemail: bool,
    /// `min_ring`: a caller who gives up after a shorter ring is not told of (R202). Default zero.
    pub min_ring: Duration,
    /// `channels`: the own channels, each entry with those that take over; where left out, those of `[notices]` that can
    /// reach the user.
    pub channels: Entries,
    /// `mail_if_um_refuses`: the own channels tell when UM refuses the INFO for good. Default true where there are any.
    pub mail_if_um_refuses: bool,
    /// `digest_calls`, `digest_within`: missed calls are told together; `None`: each by itself. Default that of `[notices]`.
    pub digest: Option<Gather>,
    /// `returned`: what becomes of a notice that is not told yet when the two have talked; `None`: it is told. Default that
    /// of `[notices]`.
    pub returned: Option<Fate>,
    /// `mail`: the mail address.
    pub mail: Option<String>,
    /// `time_zone`: IANA name. Default `UTC`.
    pub time_zone: String,
    /// `language`. Default `en`.
    pub language: Language,
    /// `pin`, `pin_file`: the mailbox's PIN over the phone, until the user changes it there; `None`: only the own phone gets in.
    pub pin: Option<Secret>,
    /// `greeting`: the user's own WAV file.
    pub greeting: Option<PathBuf>,
    /// `location`: the profile of what the user dials. Default that of `[outbound]`.
    pub location: Option<Arc<Profile>>,
    /// `voicemail_numbers`: numbers that go straight to the user's UM (R115).
    pub voicemail_numbers: Vec<String>,
    /// `voice_policy`: a name of `[voice_policy.NAME]`; `None`: the one of `[routing]`.
    pub voice_policy: Option<String>,
    /// `[user.policy]`.
    pub policy: Policy,
    /// `[user.presence]`, over `[presence]`.
    pub presence: Seen,
    /// `[user.notices]`, over `[notices]`.
    pub notices: Arc<Notices>,
    /// The line, `tel:+4544890101;ext=200` (R24, R25).
    pub line: Option<Tel>,
    /// The keys of `[[user]]` that the site file has: they count before what a directory says.
    pub said: Vec<&'static str>,
}

impl User {
    /// Whether the site file has that key for the user.
    pub fn said(&self, key: &str) -> bool {
        self.said.contains(&key)
    }
}
