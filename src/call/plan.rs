//! Who rings, when and for how long, and how often UM is tried.

use std::time::Duration;

use smallvec::SmallVec;

use crate::{
    call::{Leg, Legs, Outcome},
    settings::User,
};

/// The plan of one call, as the machine needs it. Its legs are numbers; whoever made it knows what they stand for.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Plan {
    /// Who rings, one stage after the other; none: straight to UM.
    pub stages: SmallVec<[Stage; 1]>,
    /// Legs that are no devices of the user: colleagues, delegates, numbers outside.
    pub others: Legs,
    /// Legs whose answer counts only once a key was pressed (R65).
    pub keyed: Legs,
    /// How much later the [`Stage::later`] ring.
    pub join_after: Duration,
    /// How many UM servers are tried, one after the other; 0: the user has no UM.
    pub um_servers: u8,
    /// Where the call is refused at once: the code, and how it ended.
    pub refuse: Option<(u16, Outcome)>,
}

/// Who rings together.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Stage {
    /// From the beginning.
    pub first: Legs,
    /// After [`Plan::join_after`], or as soon as nobody of `first` rings any more. Only the first stage may have some.
    pub later: Legs,
    /// How long all of them ring at most.
    pub ring_for: Duration,
    /// The number of the next stage when they were busy; beyond the last: UM.
    pub on_busy: u8,
    /// The same when nobody answered or nobody could be reached.
    pub on_silence: u8,
}

impl Plan {
    /// The plan for a call to `user`, who has so many `devices`, fixed and registered, and whose dial plan has `servers`
    /// to try (R8, R15), without any policy.
    pub fn of(user: &User, devices: usize, servers: usize) -> Self {
        let devices = if user.forward_to_voicemail && servers > 0 { 0 } else { devices };
        Self::plain(devices.min(usize::from(Legs::MOST)) as u8, servers.min(16) as u8, user.ring_for)
    }

    /// So many devices ring together, then so many UM servers are tried.
    pub fn plain(devices: u8, um_servers: u8, ring_for: Duration) -> Self {
        let first = Legs::first(devices);
        let stage = Stage { first, ring_for, on_busy: 1, on_silence: 1, ..Stage::default() };
        let stages = (devices > 0).then_some(stage).into_iter().collect();
        Self { stages, um_servers, ..Self::default() }
    }

    /// Whether the call is forwarded to that leg, rather than ringing there as well.
    pub fn is_forwarded(&self, leg: super::Leg) -> bool {
        let mut away = (0..self.stages.len()).filter(|stage| self.is_away(*stage as u8));
        away.any(|stage| self.stages[stage].first.has(leg))
    }

    /// Whether nobody but this leg ever rings.
    pub fn rings_alone(&self, leg: Leg) -> bool {
        let all = self.stages.iter().map(|stage| stage.first.and(stage.later));
        all.fold(Legs::NONE, Legs::and).iter().eq([leg])
    }

    /// Whether a stage rings nobody but others.
    pub fn is_away(&self, stage: u8) -> bool {
        let legs =
            self.stages.get(usize::from(stage)).map_or(Legs::NONE, |stage| stage.first.and(stage.later));
        !legs.is_empty() && legs.without(self.others).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_forwards_to_voice_mail_rings_nowhere_unless_there_is_no_um() {
        for (devices, forwards, servers, phones, um_servers) in [
            (2, false, 2, 2, 2),
            (2, true, 2, 0, 2),
            (2, true, 0, 2, 0),
            (0, false, 1, 0, 1),
            (0, true, 0, 0, 0),
            (1_000, false, 1_000, 32, 16),
        ] {
            let user = user(forwards);
            assert_eq!(
                Plan::of(&user, devices, servers),
                Plan::plain(phones, um_servers, user.ring_for),
                "{devices} {forwards} {servers}"
            );
        }
    }

    fn user(forward_to_voicemail: bool) -> User {
        User { forward_to_voicemail, ring_for: Duration::from_secs(20), ..User::default() }
    }
}
