//! Calls that a telephone at a PBX has missed: Ringpost tells their users itself, though the calls never came here (R10).

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::Addr;
use jiff::Timestamp;
use ringpost::{
    address::{Caller, UserClass},
    call::{Outcome, wire::is_anonymous},
    directory::{Directory, Origin},
    notify::{Action, CallRecord, Facts, Kind, MissedCall, Notice, Verdict, decide, filter::Seen},
    outbox::items,
    rcc::{
        line::{Device, Left},
        same::{ENDS, Same},
    },
    settings::{RccGateway, User},
};

use super::{gateways::Gateways, past::Missed};
use crate::{
    call::COMMIT,
    metrics::METRICS,
    outbox::{Outbox, PostAll, Record},
    policies::Policies,
    registrar::Registrar,
    switch::say,
};

/// Who decides and tells.
#[derive(Clone)]
pub(super) struct Telling {
    pub policies: Arc<Policies>,
    pub registrar: Arc<Registrar>,
    pub outbox: Addr<Outbox>,
}

/// A call that a telephone has missed; whether it is told of here is to be decided.
pub(super) struct Lost {
    pub host: Rc<Gateways>,
    pub settings: RccGateway,
    pub user: Arc<str>,
    pub ended: Instant,
    pub left: Left,
}

impl Lost {
    /// Decides whose call it was: one that went through Ringpost as well is told of there. `None`: that was found at once, or
    /// there is no notice.
    pub fn told(self) -> Option<Written> {
        match self.same() {
            Same::Yes => {
                tracing::debug!(gateway = self.settings.name, "A call missed at the PBX was ours too");
                None
            }
            Same::No => self.missed(),
            Same::Open => Some(Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(ENDS)).await;
                if let Some(written) = (self.same() != Same::Yes).then(|| self.missed()).flatten() {
                    written.await;
                }
            })),
        }
    }

    fn same(&self) -> Same {
        let caller = caller(&self.host.directory(), &self.settings, self.left.caller.as_deref());
        let began = self.ended.checked_sub(Duration::from_millis(self.left.lasted));
        self.host.rcc.is_told_of(&Missed {
            user: &self.user,
            caller: caller.number.as_deref().or(caller.uri.as_deref()),
            began: began.unwrap_or(self.ended),
            ended: self.ended,
            gateway: &self.settings.name,
        })
    }

    fn missed(&self) -> Option<Written> {
        let directory = self.host.directory();
        let user = directory.of_address(&self.user)?;
        self.host.telling.missed(&directory, &self.settings, user, (&self.left, self.ended.elapsed()))
    }
}

/// Over when a notice is on the disk, or will not be soon.
pub(super) type Written = Pin<Box<dyn Future<Output = ()>>>;

/// Who has called, as the event of a gateway names it.
pub(super) fn caller(directory: &Directory, gateway: &RccGateway, device: Option<&str>) -> Caller {
    let Some(device) = device else { return Caller::default() };
    if is_anonymous(device) {
        return Caller { private: true, ..Caller::default() };
    }
    let Device { number, extension } = Device::of(device);
    let digits = number.strip_prefix('+').unwrap_or(&number);
    let is_number = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    let written = extension.map_or(number.clone(), |extension| format!("{number};ext={extension}"));
    let uri = device.contains(':').then(|| device.to_owned());
    let caller = Caller { number: is_number.then_some(written), uri, ..Caller::default() };
    let trunk = gateway.trunk.as_ref().and_then(|name| directory.trunk_called(name));
    let caller = match trunk {
        Some(trunk) => directory.readable(caller, &Origin::Trunk(Arc::clone(trunk))),
        None => caller,
    };
    directory.named(caller)
}

impl Telling {
    /// Decides about a call that ended so long ago; the call log gets its line. The notice, where there is one, is written as
    /// what comes back is waited for.
    fn missed(
        &self,
        directory: &Directory,
        gateway: &RccGateway,
        user: &User,
        (left, ago): (&Left, Duration),
    ) -> Option<Written> {
        let rang_for = Duration::from_millis(left.lasted);
        let posted = Timestamp::now();
        let posted = posted.checked_sub(ago).unwrap_or(posted);
        let came_in = posted.checked_sub(rang_for).unwrap_or(posted);
        let outcome = Outcome::GaveUpRinging;
        let caller = caller(directory, gateway, left.caller.as_deref());
        let verdict = self.verdict(directory, user, (&caller, rang_for), outcome);
        let call = MissedCall {
            // A gateway that starts afresh may count its calls from the beginning.
            call_id: format!("{}-{}-{}", gateway.name, left.call, came_in.as_millisecond()),
            caller,
            came_in,
            rang_for,
            outcome,
            talked: None,
            called: None,
        };
        let notice = Notice::of(user, Kind::Missed, call);
        let record = CallRecord {
            call_id: notice.call_id.clone(),
            user: notice.user.clone(),
            caller: notice.caller.clone(),
            came_in,
            rang_for,
            outcome,
            verdict,
            answered_by: None,
        };
        say(&record);
        self.outbox.do_send(Record(vec![record]));
        (verdict.action == Action::Mail).then(|| {
            METRICS.rcc_missed_total.one();
            let wish = directory.wish(user, &notice, posted);
            self.post(items(&notice, &user.channels, posted, &wish), notice.call_id)
        })
    }

    /// The users' UM knows nothing of a call that it could not have had, so Ringpost tells those users too.
    fn verdict(
        &self,
        directory: &Directory,
        user: &User,
        (caller, rang_for): (&Caller, Duration),
        outcome: Outcome,
    ) -> Verdict {
        let class = match user.missed_calls {
            _ if self.policies.is_silent(user) => UserClass::Off,
            UserClass::Um => UserClass::Mail,
            class => class,
        };
        // The PBX knows its own telephones.
        let from = caller.number.as_deref().and_then(|number| directory.user(number));
        let seen = Seen {
            caller,
            internal: from.is_some(),
            own: from.is_some_and(|from| from.address == user.address),
            invite: None,
            unwanted: false,
        };
        let facts = Facts {
            rang_for,
            min_ring: user.min_ring,
            has_um_plan: false,
            has_channel: !user.channels.is_empty(),
            filter: user.notices.filters.catch(&seen, &directory.site.outbound.numbering),
            others_told: false,
            signed_out: user.notices.only_signed_in && self.registrar.registered(user).is_empty(),
        };
        decide(class, outcome, facts)
    }

    fn post(&self, items: Vec<ringpost::outbox::Item>, call: String) -> Written {
        let taken = tokio::time::timeout(COMMIT, self.outbox.send(PostAll(items)));
        Box::pin(async move {
            match taken.await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => tracing::error!(call, %error, "A notice could not be written"),
                Ok(Err(error)) => tracing::error!(call, %error, "The outbox does not take notices"),
                Err(_) => {
                    tracing::error!(call, "The disk is slow: the gateway's event did not wait for the notice")
                }
            }
        })
    }
}
