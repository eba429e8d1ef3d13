//! Message counts for devices that have not asked: a NOTIFY outside any dialog, as many PBXs send it (PROTOCOLS §5).

use std::sync::Arc;

use ringpost::{
    call::wire,
    presence::{Sight, subscription::Package},
    registrar::Device,
    settings::User,
    sip::{build::Draft, text::split_commas, token::Token, transaction::Owner, uri::NameAddr},
};

use super::{cell::Cell, watchers::Watchers};
use crate::metrics::METRICS;

impl Watchers {
    /// A device of a user has registered.
    pub fn registered(&self, user: &User) {
        let presence = &self.presence;
        if presence.is_on() && presence.directory.load().site.presence.unsolicited {
            self.remind_all(&presence.of(user));
        }
    }

    /// Tells all registered devices of a user what waits.
    pub(super) fn remind_all(&self, cell: &Arc<Cell>) {
        let directory = self.presence.directory.load();
        let Some(user) = directory.of_address(&cell.user) else { return };
        for device in self.presence.registrar.registered(user) {
            self.remind(cell, &device);
        }
    }

    /// Whatever the device answers: it may not care (481, 405), and is told again when it registers.
    fn remind(&self, cell: &Cell, device: &Device) {
        let flow = device.flow.map(|flow| flow.peer);
        let route = split_commas(device.route.as_bytes()).next().and_then(NameAddr::read);
        let hop = route.map_or(device.uri.as_bytes(), |route| route.uri);
        let Some(peer) = flow.or_else(|| self.port.peer(hop)) else { return };
        let told = cell.told();
        let document = told.document(&cell.user, Package::MessageSummary, Sight::Full);
        let sent_by = &self.port.listeners[usize::from(peer.listener)].sent_by;
        let address = cell.user.as_bytes();
        let name = Token(u64::from(self.port.random()) << 32 | u64::from(self.port.random())).text();
        METRICS.notifies_total.one();
        self.port.ask(peer, Owner::Nobody, |branch| {
            let mut draft = Draft::request(b"NOTIFY", device.uri.as_bytes());
            self.port.via(&mut draft, &peer, branch);
            draft.header("Max-Forwards", &[b"70"]);
            if !device.route.is_empty() {
                draft.header("Route", &[device.route.as_bytes()]);
            }
            draft
                .header("From", &[b"<", address, b">;tag=", &name])
                .header("To", &[b"<", address, b">"])
                .header("Call-ID", &[&name, b"@", sent_by])
                .header("CSeq", &[b"1 NOTIFY"])
                .header("Contact", &[&wire::contact(peer.transport, b"presence", sent_by, None)])
                .header("Event", &[Package::MessageSummary.name().as_bytes()])
                .header("Subscription-State", &[b"terminated;reason=timeout"])
                .header("Content-Type", &[document.kind.as_bytes()]);
            draft.body(document.head.as_bytes())
        });
    }
}
