//! NOTIFY: what goes out, and what its answer means.

use std::{cell::RefCell, sync::Arc};

use ringpost::{
    presence::{
        Sight,
        subscription::{Fate, Package, State, decimal, fate, notify},
    },
    sip::{
        Message as SipMessage, Name,
        text::number,
        token::{MAGIC, Token},
        transaction::Owner,
    },
};

use super::{
    cell::Cell,
    list::Written,
    watchers::{Subscription, Target, Watchers},
};
use crate::metrics::METRICS;

/// How long a lane that has no room for another transaction is left alone, in milliseconds.
const NO_ROOM: u64 = 1_000;

/// What a NOTIFY says.
enum Body {
    Of(Arc<super::cell::Told>, Arc<Cell>, Package, Sight),
    List(Written),
}

impl Watchers {
    /// Sends a subscription's NOTIFY with the whole state, or its last one.
    pub(super) fn tell(&self, tag: u64, last: Option<State>) {
        let Some(found) = self.all.borrow().get(&tag).cloned() else { return };
        let (now, seconds) = (self.port.now(), self.presence.now());
        let directory = self.presence.directory.load();
        let gap = directory.site.presence.gap.as_millis() as u64;
        let (peer, sequence, state, body) = {
            let one = &mut *found.borrow_mut();
            let left = u32::try_from(one.ends.saturating_sub(seconds)).unwrap_or(u32::MAX);
            let state = last.unwrap_or(State::Active(left));
            let tells = !matches!(state, State::Rejected | State::NoResource);
            let (package, sight) = (one.package, one.sight);
            let of_one = match &one.target {
                Target::One(cell) if tells => {
                    let told = cell.told();
                    let mark = told.document(&cell.user, package, sight).mark;
                    // Not all that changes is for everybody to see.
                    if last.is_none() && one.told == mark {
                        return one.pace.nothing();
                    }
                    one.told = mark;
                    Some(Body::Of(told, Arc::clone(cell), package, sight))
                }
                Target::Many(members) if tells => {
                    let news = one.told == 0 || members.has_news(&directory, (&one.watcher, package));
                    if last.is_none() && !news {
                        return one.pace.nothing();
                    }
                    one.told = 1;
                    None
                }
                Target::One(_) | Target::Many(_) => None,
            };
            let sequence = one.track.count();
            let body = match &mut one.target {
                Target::Many(members) if tells => {
                    let written = members.write(&directory, (&one.watcher, package), sequence - 1);
                    Some(Body::List(written))
                }
                _ => of_one,
            };
            one.pace.sent(now, gap);
            (one.peer, sequence, state, body)
        };
        let owner = if state.is_last() { Owner::Nobody } else { Owner::Watch(Token(tag)) };
        let sent_by = &self.port.listeners[usize::from(peer.listener)].sent_by;
        let sent = self.port.ask(peer, owner, |branch| {
            let one = found.borrow();
            let text = branch.text();
            let way = (peer.transport, &**sent_by, &[MAGIC, &text][..]);
            let head = (one.track.lines(), sequence);
            match &body {
                None => notify(head, way, state, None, b""),
                Some(Body::Of(told, cell, package, sight)) => {
                    let document = told.document(&cell.user, *package, *sight);
                    let mut digits = [0; 10];
                    let version: &[u8] = match document.tail.is_empty() {
                        true => b"",
                        false => decimal(&mut digits, sequence - 1),
                    };
                    let parts = [document.head.as_bytes(), version, document.tail.as_bytes()];
                    notify(head, way, state, Some((document.kind, &parts)), b"")
                }
                Some(Body::List(written)) => {
                    let parts: [&[u8]; 1] = [&written.body];
                    notify(head, way, state, Some((&written.kind, &parts)), b"Require: eventlist\r\n")
                }
            }
        });
        METRICS.notifies_total.one();
        if state.is_last() {
            return self.remove(tag);
        }
        if sent.is_none() {
            self.rest(tag, now + NO_ROOM);
        }
    }

    /// Tells the state once more, then.
    fn rest(&self, tag: u64, until: u64) {
        let Some(found) = self.all.borrow().get(&tag).cloned() else { return };
        let step = {
            let mut one = found.borrow_mut();
            one.told = 0;
            // What it was told last may be lost.
            if let Target::Many(members) = &mut one.target {
                members.tell_all();
            }
            one.pace.rest(until)
        };
        self.step(tag, step);
    }

    /// The connection of a watcher has gone: from now on it is told at its Contact, or where the first route leads
    /// (RFC 6665 §4.4.1). False: that is known already, or leads nowhere.
    fn goes_by_contact(&self, found: &RefCell<Subscription>) -> bool {
        let mut one = found.borrow_mut();
        let elsewhere = self.port.peer(one.track.next_hop()).filter(|_| one.peer.has_connection());
        let Some(peer) = elsewhere else { return false };
        one.peer = peer;
        true
    }

    /// The answer to a NOTIFY has come, or none will.
    pub fn answered(&self, tag: Token, code: u16, message: Option<&SipMessage>) {
        let Some(found) = self.all.borrow().get(&tag.0).cloned() else { return };
        if code < 200 {
            return;
        }
        let after = message.and_then(|message| message.first(Name::RetryAfter)).and_then(|value| {
            let digits = value.iter().take_while(|octet| octet.is_ascii_digit()).count();
            number(&value[..digits])
        });
        let now = self.port.now();
        if message.is_none() && self.goes_by_contact(&found) {
            return self.rest(tag.0, now);
        }
        match fate(code, after) {
            Fate::Stays => {
                let step = found.borrow_mut().pace.answered(now);
                self.step(tag.0, step);
            }
            Fate::Later(seconds) => {
                self.rest(tag.0, now + u64::from(seconds) * 1_000);
            }
            Fate::Ends => {
                METRICS.notify_failures_total.one();
                tracing::debug!(code, "A watcher does not take a NOTIFY: its subscription is over");
                self.remove(tag.0);
            }
        }
    }
}
