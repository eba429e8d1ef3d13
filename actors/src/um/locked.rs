//! Tells owners that their mailboxes are locked after wrong PINs (T20).

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ringpost::{
    address::Caller,
    call::Outcome,
    notify::{Kind, MissedCall, Notice},
    settings::User,
    voicemail::pin::{Lock, Tries},
};

use super::{
    office::Office,
    telling::{post, told_by},
};

impl Office {
    fn lock(&self) -> Lock {
        let settings = &self.directory.load().site.voicemail;
        Lock { tries: settings.pin_tries, time: settings.pin_lock }
    }

    /// Tells the owner by the own channels, once for each time that the mailbox is locked. `source`: who tried, as known.
    pub(super) async fn tell_locked(&self, owner: &User, tries: Tries, source: Option<&str>) {
        if owner.channels.is_empty() {
            return;
        }
        let (now, time) = (Timestamp::now(), self.lock().time);
        let last = tries.last.unwrap_or(now);
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        let number = source.filter(|source| *source != super::ANONYMOUS).map(str::to_owned);
        let caller = Caller { private: number.is_none(), number, ..Caller::default() };
        let until = last.saturating_add(time).unwrap_or(Timestamp::MAX);
        let call = MissedCall {
            // Of the moment alone: whoever tells it again after a crash tells the same.
            call_id: format!("locked-{}", last.as_millisecond()),
            caller: self.directory.load().named(caller),
            came_in: last,
            rang_for: std::time::Duration::ZERO,
            outcome: Outcome::TakenByUm,
            talked: None,
            called: None,
        };
        let notice = Notice::of(owner, Kind::Locked { tries: tries.wrong, until }, call);
        let wish = self.directory.load().wish(owner, &notice, now);
        post(&self.outbox, told_by(&owner.channels, notice, &wish)).await;
    }

    /// Tells those once more whose mailboxes are locked: a crash may have come between lock and notice, and whoever was told
    /// is not told twice.
    pub async fn tell_all_locked(self: Arc<Self>) {
        for (user, tries) in self.mailboxes.locked(self.lock()) {
            let owner = self.directory.load().of_address(&user).cloned();
            if let Some(owner) = owner {
                self.tell_locked(&owner, tries, None).await;
            }
        }
    }
}
