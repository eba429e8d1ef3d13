//! NOTIFYs of one subscription: the dialogs that they make, prolong and end (RFC 6665 §4.1.2, §4.4.1).

use super::{
    super::{
        message::{Notice, Reason, Standing},
        shown::Trouble,
    },
    Far, Heard, LONGEST, Subscription, TIMER_N, Terms,
};
use crate::{
    presence::{publication::early, subscription::Package},
    sip::dialog::Dialog,
};

/// Dialogs that one SUBSCRIBE may fork into.
const MOST_FORKS: usize = 8;
/// What is kept of a NOTIFY's head is no larger than that, in octets.
const LARGEST_HEAD: usize = 16 << 10;

impl Subscription {
    /// A NOTIFY whose To tag is ours has come.
    pub fn notified(&mut self, notice: &Notice<'_>, terms: &Terms, now: u64, random: u32) -> Heard {
        self.forget_ended(now);
        let known = self.dialogs.iter().position(|far| far.dialog.owns(notice.message));
        if let Some(at) = known
            && !self.dialogs[at].dialog.in_order(notice.message)
        {
            return Heard::Refused(500);
        }
        if known.is_none()
            && let Err(code) = self.may_fork(now)
        {
            return Heard::Refused(code);
        }
        match notice.standing {
            Standing::Active(expires) => self.goes_on(notice, known, expires, now, random),
            Standing::Over(reason, after) => {
                if let Some(at) = known {
                    let followed = matches!(reason, Reason::Deactivated | Reason::Timeout | Reason::Other);
                    self.remove(self.dialogs[at].number, followed && after.is_none());
                }
                if self.dialogs.is_empty() {
                    // Whatever is under way is about a dialog that has gone.
                    (self.sent, self.patience) = (None, None);
                    self.ended(reason, after, terms, now, random);
                }
                Heard::Last
            }
        }
    }

    /// Whether a NOTIFY from a further fork may make a dialog (§4.4.1).
    fn may_fork(&self, now: u64) -> Result<(), u16> {
        let begins = self.sent.is_some_and(|sent| sent.within.is_none()) || self.patience.is_some();
        let in_time = now < self.began + TIMER_N;
        // RFC 3856 §6.9: a watcher of presence has one dialog.
        let several = self.package != Package::Presence && self.dialogs.len() < MOST_FORKS;
        match self.dialogs.is_empty() {
            true if begins => Ok(()),
            false if several && in_time => Ok(()),
            _ => Err(481),
        }
    }

    fn goes_on(
        &mut self,
        notice: &Notice<'_>,
        known: Option<usize>,
        expires: Option<u32>,
        now: u64,
        random: u32,
    ) -> Heard {
        let at = match known {
            Some(at) => at,
            None => {
                if notice.message.raw().len() - notice.message.body_length() > LARGEST_HEAD {
                    return Heard::Refused(400);
                }
                let Some(mut dialog) = Dialog::uas(notice.message, b"") else { return Heard::Refused(400) };
                dialog.count_from(self.sequence);
                let number = self.next;
                self.next += 1;
                let (ends, refresh) = (u64::MAX, u64::MAX);
                self.dialogs.push(Far { number, dialog, ends, refresh, lost: 0 });
                self.patience = None;
                self.dialogs.len() - 1
            }
        };
        let far = &mut self.dialogs[at];
        far.dialog.refresh_target(notice.message);
        let lasts = expires.or((far.ends == u64::MAX).then_some(self.granted));
        if let Some(lasts) = lasts {
            let lasts = 1_000 * u64::from(lasts.clamp(1, LONGEST));
            let ends = now + lasts;
            // Its time runs on; only a new or a shorter one changes when it is prolonged.
            if far.ends == u64::MAX || ends + 1_000 < far.ends {
                far.refresh = now + early(lasts, random);
            }
            far.ends = ends;
        }
        (self.failures, self.trouble) = (0, Trouble::Requesting);
        Heard::Taken(far.number, far.ends)
    }

    /// What a dialog says holds until then; `None`: it is over.
    pub fn ends(&self, dialog: u32) -> Option<u64> {
        self.dialogs.iter().find(|far| far.number == dialog).map(|far| far.ends)
    }

    fn ended(&mut self, reason: Reason, after: Option<u32>, terms: &Terms, now: u64, random: u32) {
        match reason {
            Reason::Rejected => self.rest(Trouble::AccessDenied, terms, now, random),
            Reason::NoResource => self.rest(Trouble::NotFound, terms, now, random),
            Reason::Probation | Reason::GiveUp => self.fail(Trouble::Error, after, now, random),
            Reason::Other if after.is_some() => self.fail(Trouble::Error, after, now, random),
            Reason::Deactivated | Reason::Timeout | Reason::Other => self.again(now, random),
        }
    }
}
