//! The end of a call: its line in the log, its notice, and what waits until that is on the disk.

use actix::prelude::*;
use jiff::Timestamp;
use ringpost::{
    call::Outcome,
    notify::{Action, CallRecord, Facts, Kind, Notice, Verdict, decide},
    outbox::{Item, Way, items},
};
use std::time::Duration;

use super::{CallActor, Reach, call_id};
use crate::outbox::PostAll;

/// How long the caller's final response waits for the notice to be on the disk. A dead disk must not hold calls.
const COMMIT: Duration = Duration::from_secs(2);

impl CallActor {
    /// The call is over: note it for the logs, and have its notice on the disk before the caller hears the end.
    pub(super) fn report(&mut self, outcome: Outcome, ctx: &mut Context<Self>) {
        if self.reach == Reach::Code {
            return;
        }
        let rang_for = self.rang_for();
        let facts = Facts {
            rang_for,
            min_ring: self.user.min_ring,
            has_um_plan: self.um_tries > 0,
            has_channel: !self.user.channels.is_empty(),
        };
        let verdict = decide(self.user.missed_calls, outcome, facts);
        self.settle_name(verdict.action);
        let notice = self.notice(outcome, rang_for);
        let record = CallRecord {
            call_id: notice.call_id.clone(),
            user: notice.user.clone(),
            caller: notice.caller.clone(),
            came_in: notice.came_in,
            rang_for,
            outcome,
            verdict,
            answered_by: self.answered_by.clone(),
        };
        // First of all: no fault after it can cost the notice.
        self.post(notice, verdict, ctx);
        self.switch.record(record);
    }

    pub(super) fn notice(&self, outcome: Outcome, rang_for: Duration) -> Notice {
        Notice {
            kind: Kind::Missed,
            user: self.user.address.clone(),
            user_name: self.user.name.clone(),
            mail: self.user.mail.clone(),
            language: self.user.language,
            time_zone: self.user.time_zone.clone(),
            call_id: call_id(&self.invite).into_owned(),
            caller: self.caller.clone(),
            came_in: self.came_in,
            rang_for,
            outcome,
            talked: None,
        }
    }

    pub(super) fn post(&mut self, notice: Notice, verdict: Verdict, ctx: &mut Context<Self>) {
        let posted = Timestamp::now();
        let items = match verdict.action {
            Action::Silent => return,
            Action::Mail => {
                items(&notice, &self.user.channels, posted, &self.directory.wish(&self.user, &notice))
            }
            Action::TellUm => {
                let wish = self.directory.wish(&self.user, &notice);
                vec![Item { wish, ..Item::new(notice, self.way_to_um(), posted) }]
            }
        };
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

    /// R13: the user's EUM proxy address names the dial plan.
    pub(super) fn way_to_um(&self) -> Way {
        let plan = self.user.um_plan.clone().unwrap_or_default();
        let bare = self.user.address.trim_start_matches("sip:").trim_start_matches("sips:");
        Way::Um {
            eum_proxy_address: format!("EUM:{bare};phone-context={plan}"),
            own: if self.user.mail_if_um_refuses { self.user.channels.clone() } else { [].into() },
            plan,
        }
    }
}
