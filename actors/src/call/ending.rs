//! The end of a call: its line in the log, its notice, and what waits until that is on the disk.

use actix::prelude::*;
use jiff::Timestamp;
use ringpost::{
    address::{Caller, UserClass},
    call::Outcome,
    directory::Origin,
    notify::{
        Action, CallRecord, Facts, Filter, Kind, MissedCall, Notice, Verdict, decide, filter::Seen,
        not_missed,
    },
    outbox::{Item, Way, items},
    settings::User,
};
use smallvec::SmallVec;
use std::time::Duration;

use super::{CallActor, Reach, call_id, rung::Reached};
use crate::{metrics::METRICS, outbox::PostAll};

/// How long the caller's final response waits for the notice to be on the disk. A dead disk must not hold calls.
pub(crate) const COMMIT: Duration = Duration::from_secs(2);

impl CallActor {
    /// The call is over: note it for the logs, and have its notices on the disk before the caller hears the end.
    pub(super) fn report(&mut self, outcome: Outcome, ctx: &mut Context<Self>) {
        if matches!(self.reach, Reach::Code | Reach::Click) {
            return;
        }
        let decided = self.decided(outcome);
        let mut items = vec![];
        let mut records: SmallVec<[_; 1]> = SmallVec::new();
        for (reached, verdict) in decided {
            let caller = self.caller_for(&reached, verdict.action);
            let notice = self.notice(&reached, caller, outcome);
            records.push(CallRecord {
                call_id: notice.call_id.clone(),
                user: notice.user.clone(),
                caller: notice.caller.clone(),
                came_in: notice.came_in,
                rang_for: reached.rang_for,
                outcome,
                verdict,
                answered_by: self.answered_by.clone(),
            });
            items.extend(self.items(&reached, notice, verdict));
        }
        // First of all: no fault after it can cost a notice.
        self.post(items, ctx);
        records.into_iter().for_each(|record| self.switch.record(record));
    }

    /// The decision for each user who may be told. Where nobody of the others is told, the user who was called is.
    fn decided(&self, outcome: Outcome) -> SmallVec<[(Reached, Verdict); 1]> {
        let decide = |reached: Reached| {
            let verdict = self.verdict(&reached, outcome);
            (reached, verdict)
        };
        let mut decided: SmallVec<[(Reached, Verdict); 1]> =
            self.reached(outcome).into_iter().map(decide).collect();
        let silent = decided.iter().all(|(_, verdict)| verdict.action == Action::Silent);
        if let Some((called, verdict)) = decided.first_mut().filter(|(called, _)| silent && !called.is_told) {
            called.is_told = true;
            *verdict = self.verdict(called, outcome);
        }
        decided
    }

    fn verdict(&self, reached: &Reached, outcome: Outcome) -> Verdict {
        let Reached { user, rang_for, is_told, address } = reached;
        let servers = self.directory.pool(user).map_or(0, |pool| pool.tries(&self.directory.site.um));
        let facts = Facts {
            rang_for: *rang_for,
            min_ring: user.min_ring,
            has_um_plan: servers > 0,
            has_channel: !user.channels.is_empty(),
            filter: not_missed(outcome).is_none().then(|| self.filter(user)).flatten(),
            others_told: !is_told,
            signed_out: user.notices.only_signed_in && !self.switch.is_signed_in(user),
        };
        // UM knows its user's mailbox only, so a group's address is told by Ringpost.
        let class = match user.missed_calls {
            // Who calls the own mailbox has missed nothing, nor has whoever wants to hear of nothing.
            _ if self.reach.is_desk() || self.switch.policies().is_silent(user) => UserClass::Off,
            UserClass::Um if address.is_some() => UserClass::Mail,
            class => class,
        };
        let verdict = decide(class, outcome, facts);
        if facts.filter.is_some_and(|filter| verdict.reason == filter.into()) {
            METRICS.notices_filtered_total.one();
        }
        verdict
    }

    /// The user's filter that the call is caught by.
    pub(super) fn filter(&self, user: &User) -> Option<Filter> {
        let filters = &user.notices.filters;
        if filters.are_none() {
            return None;
        }
        let from = self.user_calling();
        let seen = Seen {
            caller: &self.caller,
            internal: from.is_some(),
            own: from.is_some_and(|from| from.address == user.address),
            invite: matches!(self.origin, Origin::Trunk(_)).then_some(&*self.invite),
            unwanted: self.is_unwanted_by(user),
        };
        filters.catch(&seen, &self.directory.site.outbound.numbering)
    }

    fn notice(&self, reached: &Reached, caller: Caller, outcome: Outcome) -> Notice {
        let Reached { user, rang_for, address, .. } = reached;
        let call = MissedCall {
            call_id: call_id(&self.invite).into_owned(),
            caller,
            came_in: self.came_in,
            rang_for: *rang_for,
            outcome,
            talked: None,
            called: (user.address != self.user.address).then(|| self.called()),
        };
        let notice = Notice::of(user, Kind::Missed, call);
        Notice { mail: address.clone().or(notice.mail), ..notice }
    }

    /// What whoever was called is called.
    fn called(&self) -> String {
        let address = self.user.address.trim_start_matches("sip:").trim_start_matches("sips:");
        let number = address.split('@').next().unwrap_or(address);
        self.user.name.clone().unwrap_or_else(|| number.to_owned())
    }

    /// The items that tell a notice.
    fn items(&self, Reached { user, address, .. }: &Reached, notice: Notice, verdict: Verdict) -> Vec<Item> {
        let posted = Timestamp::now();
        let mut wish = match verdict.action {
            Action::Silent => return vec![],
            Action::Mail | Action::TellUm => self.directory.wish(user, &notice, posted),
        };
        if address.is_some() {
            // A digest is for one reader.
            wish.gather = None;
        }
        match verdict.action {
            Action::TellUm => vec![Item { wish, ..Item::new(notice, way_to_um(user), posted) }],
            Action::Mail | Action::Silent => items(&notice, &user.channels, posted, &wish),
        }
    }

    fn post(&mut self, items: Vec<Item>, ctx: &mut Context<Self>) {
        if items.is_empty() {
            return;
        }
        let call = call_id(&self.invite).into_owned();
        self.holding = true;
        let taken = tokio::time::timeout(COMMIT, self.outbox.send(PostAll(items)));
        ctx.spawn(taken.into_actor(self).map(move |taken, actor, ctx| {
            match taken {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => tracing::error!(call, %error, "A notice could not be written"),
                Ok(Err(error)) => tracing::error!(call, %error, "The outbox does not take notices"),
                Err(_) => {
                    tracing::error!(call, "The disk is slow: the caller's answer did not wait for the notice")
                }
            }
            actor.holding = false;
            let held = std::mem::take(&mut actor.held);
            actor.perform_all(held, None, ctx);
        }));
    }
}

/// R13: the user's EUM proxy address names the dial plan.
fn way_to_um(user: &User) -> Way {
    let plan = user.um_plan.clone().unwrap_or_default();
    let bare = user.address.trim_start_matches("sip:").trim_start_matches("sips:");
    Way::Um {
        eum_proxy_address: format!("EUM:{bare};phone-context={plan}"),
        own: if user.mail_if_um_refuses { user.channels.clone() } else { [].into() },
        plan,
    }
}
