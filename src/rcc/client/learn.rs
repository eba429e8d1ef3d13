//! What events tell only when it changes: whether anybody may disturb, and where calls are forwarded. It is asked for when a
//! monitor has begun, and of some lines with each poll. Many gateways know neither service, and none is lost for that.

use std::sync::Arc;

use super::{
    super::{Event, Forwarding, Happened, Request, Response},
    Answer, Asking, Client, Do, Job, SNAPSHOTS, Stage,
};

/// How long a gateway that does not know a service is not asked for it, in milliseconds.
const UNKNOWN_FOR: u64 = 1_800_000;

/// What a line is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Feature {
    Forwarding,
    DoNotDisturb,
}

/// Whether the gateway knows a service.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// It has answered once: whoever refuses now speaks of one line.
    answers: bool,
    refused: u8,
    /// It is not asked before then.
    rests_until: u64,
}

impl Feature {
    const ALL: [Self; 2] = [Self::Forwarding, Self::DoNotDisturb];

    /// Has a line asked for both.
    pub(super) fn jobs(user: &Arc<str>) -> [Job; 2] {
        Self::ALL.map(|feature| Job::Learn(Arc::clone(user), feature))
    }

    pub(super) fn asked_of(self, device: String) -> Request {
        match self {
            Self::Forwarding => Request::GetForwarding { device },
            Self::DoNotDisturb => Request::GetDoNotDisturb { device },
        }
    }
}

impl Known {
    pub(super) fn rests(&self, now: u64) -> bool {
        self.rests_until > now
    }
}

impl Client {
    /// An event has told of one of them.
    pub(super) fn turned(&mut self, user: &Arc<str>, event: &Event) {
        if !matches!(event.happened, Happened::Forwarding | Happened::DoNotDisturb) {
            return;
        }
        self.lines.entry(Arc::clone(user)).and_modify(|watched| watched.turned = true);
        // Some say that calls are forwarded, and not where to.
        if event.happened == Happened::Forwarding && event.on == Some(true) && event.to.is_none() {
            let job = Job::Learn(Arc::clone(user), Feature::Forwarding);
            if !self.jobs.contains(&job) {
                self.jobs.push_back(job);
            }
        }
    }

    pub(super) fn learned(&mut self, user: &Arc<str>, feature: Feature, answer: Answer, now: u64) {
        let said = match (feature, answer) {
            (Feature::Forwarding, Answer::Said(Response::Forwarding(list))) => {
                let always = list.into_iter().find(|(when, _)| *when == Forwarding::Immediate);
                Ok(always.map(|(_, to)| to))
            }
            (Feature::DoNotDisturb, Answer::Said(Response::DoNotDisturb { on })) => Err(on),
            _ => return self.unknown(feature, now),
        };
        self.known[feature as usize].answers = true;
        let Some(watched) = self.lines.get_mut(user).filter(|watched| watched.monitored) else { return };
        if watched.turned {
            // The answer may be older than the event.
            return self.jobs.push_back(Job::Learn(Arc::clone(user), feature));
        }
        let line = &mut watched.line;
        let before = (line.do_not_disturb, line.forwarded.clone());
        match said {
            Ok(to) => line.forwarded = to,
            Err(on) => line.do_not_disturb = Some(on),
        }
        if before != (line.do_not_disturb, line.forwarded.clone()) {
            self.told.push_back(Do::Show(Arc::clone(user)));
        }
    }

    /// It does not answer what it is asked; whether that may be because it does not know that service. Then it is asked at
    /// once whether it works at all.
    pub(super) fn ignores(&mut self, asking: &Asking, now: u64) -> bool {
        let (Stage::Open(open), Asking::Learn(_, feature)) = (&mut self.stage, asking) else { return false };
        if self.known[*feature as usize].answers {
            return false;
        }
        open.poll = now;
        self.unknown(*feature, now);
        true
    }

    fn unknown(&mut self, feature: Feature, now: u64) {
        let known = &mut self.known[feature as usize];
        known.refused = known.refused.saturating_add(1);
        if !known.answers && known.refused >= SNAPSHOTS {
            // Later one refusal is enough.
            (known.refused, known.rests_until) = (SNAPSHOTS - 1, now + UNKNOWN_FOR);
            self.jobs.retain(|job| !matches!(job, Job::Learn(_, of) if *of == feature));
        }
    }
}
