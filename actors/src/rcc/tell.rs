//! What clients are told: events of the real calls, one INFO at a time and in order.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use ringpost::{
    call::wire,
    rcc::{self, Connection, DISPOSITION, Event, Forwarding, Happened, MEDIA_TYPE, view},
    settings::{To, User},
    sip::{session_timer, token::Token, transaction::Owner},
};

use super::{
    Look, Order,
    dialogs::{Control, Dialogs, Features, Monitor, Out},
    named,
};
use crate::metrics::METRICS;

/// Events that may wait for a client to answer.
const QUEUE: usize = 256;

impl Dialogs {
    /// Something has happened to a user.
    pub(super) fn heard(&self, order: &Order) {
        let (Order::Changed(user, ..) | Order::Features(user)) = order;
        let mut tags = self.of_user.borrow().get(user).cloned().unwrap_or_default();
        tags.sort_unstable();
        tags.dedup();
        let directory = self.rcc.directory.load();
        let Some(owner) = directory.of_address(user) else { return };
        for tag in tags {
            let Some(found) = self.get(tag) else { continue };
            // What a client may see is what the site says now.
            if !found.borrow().who.may(&directory, owner) {
                continue;
            }
            let bodies = self.bodies(&mut found.borrow_mut(), owner, order);
            for body in bodies {
                METRICS.rcc_events_total.one();
                self.put(tag, Out::Event(body));
            }
        }
    }

    fn bodies(&self, one: &mut Control, owner: &User, order: &Order) -> Vec<String> {
        let edition = one.edition;
        let monitors = one.monitors.iter_mut().filter(|monitor| *monitor.user == owner.address);
        let events = monitors.flat_map(|monitor| match order {
            Order::Changed(_, id, look) => monitor.sees(id, look),
            Order::Features(_) => monitor.learns(self.features(owner)),
        });
        events.map(|event| rcc::event_body(edition, &event)).collect()
    }

    /// What happens to a user's calls.
    pub(super) fn features(&self, user: &User) -> Features {
        let policy = self.policies.of(user).unwrap_or_default();
        let to = Forwarding::ALL.map(|(when, _)| match when {
            Forwarding::Immediate => policy.always.as_ref(),
            Forwarding::Busy => policy.busy.as_ref(),
            Forwarding::NoAnswer => policy.no_answer.as_ref(),
        });
        (policy.do_not_disturb.is_some(), to.map(|to| to.map(|to| self.place(to))))
    }

    /// Where a policy leads, as CSTA names it.
    pub(super) fn place(&self, to: &To) -> String {
        match to {
            To::Number(number) => named(number),
            To::Um => {
                let directory = self.rcc.directory.load();
                directory.site.um.pilots.first().map_or("voicemail".to_owned(), |pilot| named(pilot))
            }
        }
    }

    /// Has something go to a client, in its turn. One that has answered none of so many has gone.
    pub(super) fn put(&self, tag: u64, out: Out) {
        let Some(found) = self.get(tag) else { return };
        found.borrow_mut().queue.push_back(out);
        if found.borrow().queue.len() > QUEUE {
            tracing::warn!("A client of remote call control takes no events: its dialog ends");
            METRICS.rcc_dialogs_lost_total.one();
            return self.end(tag);
        }
        self.next(tag);
    }

    fn next(&self, tag: u64) {
        let Some(found) = self.get(tag) else { return };
        if found.borrow().asking {
            return;
        }
        let Some(out) = found.borrow_mut().queue.pop_front() else { return };
        let owner = Owner::Control(Token(tag));
        let sent = match &out {
            Out::Event(body) => self.send(&found, b"INFO", owner, b"", Some(body)),
            Out::Refresh => {
                let lines = session_timer::refresh(
                    found.borrow().session,
                    self.rcc.directory.load().site.sip.session,
                );
                self.send(&found, b"UPDATE", owner, &lines, None)
            }
        };
        match sent {
            true => found.borrow_mut().asking = true,
            // The lane has no room for another transaction: events with a gap would be lies.
            false => self.end(tag),
        }
    }

    /// Sends a request in a dialog.
    pub(super) fn send(
        &self,
        one: &Rc<RefCell<Control>>,
        method: &[u8],
        owner: Owner,
        lines: &[u8],
        body: Option<&str>,
    ) -> bool {
        let mut one = one.borrow_mut();
        let peer = one.peer;
        let mut draft = one.dialog.request(method);
        let sent_by = &self.port.listeners[usize::from(peer.listener)].sent_by;
        let contact = wire::contact(peer.transport, b"rcc", sent_by, None);
        let sent = self.port.ask(peer, owner, |branch| {
            self.port.via(&mut draft, &peer, branch);
            draft.header("Contact", &[&contact]).lines(lines);
            match body {
                Some(body) => {
                    draft.header("Content-Type", &[MEDIA_TYPE.as_bytes()]);
                    draft.header("Content-Disposition", &[DISPOSITION.as_bytes()]);
                    draft.body(body.as_bytes())
                }
                None => draft.empty(),
            }
        });
        sent.is_some()
    }

    /// A client has answered, or will not. Who does not know the dialog, or is silent, has lost it, and nothing else.
    pub fn answered(&self, Token(tag): Token, code: u16) {
        let Some(found) = self.get(tag) else { return };
        match code {
            ..200 => {}
            408 | 481 => {
                METRICS.rcc_dialogs_lost_total.one();
                tracing::info!(code, "A client of remote call control has gone");
                self.end(tag);
            }
            _ => {
                found.borrow_mut().asking = false;
                if found.borrow().session.ours {
                    self.keep_session(tag);
                }
                self.next(tag);
            }
        }
    }
}

impl Monitor {
    /// The events between what the client knows of a call and what it is now.
    fn sees(&mut self, id: &Arc<str>, look: &Look) -> Vec<Event> {
        let after = look.view(id, &self.device);
        let events = view::events(&self.id, self.known.get(id), &after);
        match after.state {
            view::Seen::Over(_) => drop(self.known.remove(id)),
            _ => drop(self.known.insert(Arc::clone(id), after)),
        }
        events
    }

    fn learns(&mut self, features: Features) -> Vec<Event> {
        let before = std::mem::replace(&mut self.features, features);
        let (quiet, forwarded) = &self.features;
        let event = |happened, on, to| Event {
            monitor: self.id.clone(),
            happened,
            connection: Connection::default(),
            device: Some(self.device.clone()),
            calling: None,
            called: None,
            redirection: None,
            second: None,
            joined: vec![],
            when: None,
            to,
            on: Some(on),
            local: None,
            cause: String::new(),
        };
        let mut events = vec![];
        if before.0 != *quiet {
            events.push(event(Happened::DoNotDisturb, *quiet, None));
        }
        for (at, (when, _)) in Forwarding::ALL.into_iter().enumerate() {
            if before.1[at] != forwarded[at] {
                let told = event(Happened::Forwarding, forwarded[at].is_some(), forwarded[at].clone());
                events.push(Event { when: Some(when), ..told });
            }
        }
        events
    }

    /// A monitor that begins now.
    pub(super) fn new(id: String, user: Arc<str>, device: String, features: Features) -> Self {
        Self { id, user, device, known: HashMap::new(), features }
    }

    /// The client is told the changes of a call from here on.
    pub(super) fn knows(&mut self, id: &Arc<str>, look: &Look) {
        self.known.insert(Arc::clone(id), look.view(id, &self.device));
    }
}
