//! The UM servers of a call: who is asked, and what it shows of them.

use std::sync::Arc;

use ringpost::{
    call::{Effect, Event, Leg, Timer},
    sip::Message as SipMessage,
    um::{health::Sign, pool::Member},
};

use super::CallActor;
use crate::{
    pool::{note, now, sign_of},
    port::Alarm,
};

/// Beside the machine's three timers.
const OVERDUE: u32 = 3;

impl CallActor {
    /// UM server number `number`. The order is made when UM is wanted, for much may happen while phones ring; `None`
    /// where there is none, or one that must be left alone now: then nobody waits for it.
    pub(super) fn um_server(&mut self, number: u8) -> Option<Arc<Member>> {
        if self.um.is_empty()
            && let Some(pool) = self.directory.pool(&self.user)
        {
            self.um = pool.order(&self.directory.site.um, now(), self.port.random());
        }
        self.um.get(usize::from(number)).filter(|um| !um.is_held(now())).cloned()
    }

    /// Looks after a while whether the server has said anything.
    pub(super) fn watch_um(&self, leg: Leg) {
        if let Leg::Um(number) = leg {
            let after = self.directory.site.um.silence.as_millis() as u64;
            self.port.alarm(after, Alarm { owner: self.token, number: u32::from(number) << 2 | OVERDUE });
        }
    }

    /// Tells the pool what an event, and what the machine made of it, shows of a server.
    pub(super) fn note_um(&self, event: Event, message: Option<&Arc<SipMessage>>, effects: &[Effect]) {
        let (number, sign) = match event {
            Event::Answered(Leg::Um(number)) => (number, Sign::Good),
            // That is our own CANCEL.
            Event::Refused(_, 487) => return,
            Event::Refused(Leg::Um(number), code) => (number, sign_of(code, message.map(|said| &**said))),
            Event::Expired(Timer::UmSilent) => {
                let taken_back = effects.iter().find_map(|effect| match effect {
                    Effect::Cancel(Leg::Um(number), _) => Some(*number),
                    _ => None,
                });
                let Some(number) = taken_back else { return };
                (number, Sign::Silent)
            }
            _ => return,
        };
        if let Some(member) = self.um.get(usize::from(number)) {
            note(member, sign, &self.directory.site.um.rules);
        }
    }
}
