//! REGISTER: many of them are written with one commit, and each is answered when it is on the disk.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use ringpost::{
    directory::Directory,
    registrar::{Flow, Refused},
    settings::User,
    sip::{Message as SipMessage, build, peer::Peer, relay, token::Token},
};

use super::Switch;
use crate::{
    port::{Alarm, Refusal},
    registrar::{Cell, Denial},
};

/// How long a REGISTER may wait for others, in milliseconds.
const TOGETHER: u64 = 50;
/// The alarm that writes them.
pub(super) const REGISTERED: u32 = u32::MAX - 1;
/// Extensions of REGISTER that Ringpost knows.
const KNOWN: [&str; 3] = ["path", "gruu", "outbound"];

/// A REGISTER that is answered as soon as it is on the disk.
pub(super) struct Waiting {
    server: Token,
    answer: Bytes,
    cell: Arc<Cell>,
    user: Arc<User>,
}

impl Switch {
    /// Whose device sends a request; the gate hears of it.
    pub(super) fn identify(
        &self,
        directory: &Directory,
        request: &SipMessage,
        from: &Peer,
    ) -> Result<Arc<User>, Refusal> {
        let ip = from.address.ip();
        let door = self.port.door().filter(|door| !door.trusts(ip));
        match self.shared.registrar.identify(directory, request, from, self.port.random()) {
            Ok(user) => {
                door.inspect(|door| door.proven(ip));
                Ok(user)
            }
            Err(Denial { refusal, wrong }) => {
                door.filter(|_| wrong).inspect(|door| door.failed(ip));
                Err(refusal)
            }
        }
    }

    /// A REGISTER may come in from a device that proves whose it is; the device may be anywhere, also where a trunk is.
    pub(super) fn admits_register(&self, request: &SipMessage, from: &Peer) -> Result<(), Refusal> {
        let directory = self.shared.directory.load();
        let user = self.identify(&directory, request, from)?;
        let unknown: Vec<u8> = relay::required(request)
            .split(|octet| *octet == b',')
            .map(|tag| tag.trim_ascii())
            .filter(|tag| !tag.is_empty() && !KNOWN.iter().any(|k| tag.eq_ignore_ascii_case(k.as_bytes())))
            .collect::<Vec<_>>()
            .join(&b", "[..]);
        if !unknown.is_empty() {
            return Err(Refusal::with(420, "Unsupported", &unknown));
        }
        // The address of record belongs to the one who has proved it (RFC 3261 §10.3 step 4).
        if !directory.is_of(request.to(), &user) {
            return Err(Refusal::plain(403));
        }
        self.registering.set(Some(user));
        Ok(())
    }

    /// The user whom an INVITE calls, where it calls an instance: a temporary GRUU's device knows only the registrar. The
    /// inner `None`: it calls one of nobody.
    pub(super) fn called_by_instance(
        &self,
        directory: &Directory,
        invite: &SipMessage,
    ) -> Option<Option<Arc<User>>> {
        directory.door.as_ref()?;
        let (address, _) = self.shared.registrar.instance(invite.uri())?;
        Some(directory.of_address(&address?).cloned())
    }

    /// Whether a device's connection is still open.
    pub fn has_flow(&self, connection: u64) -> bool {
        self.shared.registrar.has_flow(connection)
    }

    /// The way to a device is dead: who could be reached only by it is offline now.
    pub fn flow_failed(&self, user: &User, flow: &Flow) {
        self.shared.registrar.flow_failed(&user.address, flow);
    }

    pub(super) fn registers(&self, server: Token, request: &SipMessage, from: Peer) {
        let Some(user) = self.registering.take() else { return };
        let salt = u64::from(self.port.random()) << 32 | u64::from(self.port.random());
        let registrar = &self.shared.registrar;
        let directory = self.shared.directory.load();
        // A PBX in front may register for others whatever it likes.
        let trusted = directory.trunk(from.address.ip()).is_some();
        let barred = |uri: &[u8]| !trusted && directory.is_at_trunk(uri);
        match registrar.register(&user, (request, &from), (&server.text(), salt), (trusted, barred)) {
            Ok((answer, None)) => self.port.respond(server, 200, answer),
            Ok((answer, Some(cell))) => {
                let mut waiting = self.registered.borrow_mut();
                waiting.push(Waiting { server, answer, cell, user });
                if waiting.len() == 1 {
                    self.port.alarm(TOGETHER, Alarm { owner: Token(0), number: REGISTERED });
                }
            }
            Err(refused) => {
                let (code, phrase) = refused.answer();
                let mut draft =
                    build::response(request, from.address, code, phrase.as_bytes(), &server.text());
                if let Refused::TooBrief(least) = refused {
                    draft.header("Min-Expires", &[least.to_string().as_bytes()]);
                }
                self.port.respond(server, code, draft.empty());
            }
        }
    }

    /// Writes what has gathered, then answers. Where the disk refuses, the bindings hold all the same: better a phone that
    /// rings until the next start than one that does not; they are written with the next ones.
    pub(super) fn write_registrations(&self) {
        let waiting = std::mem::take(&mut *self.registered.borrow_mut());
        let mut cells = std::mem::take(&mut *self.unwritten.borrow_mut());
        cells.extend(waiting.iter().map(|one| Arc::clone(&one.cell)));
        cells.sort_by_key(Arc::as_ptr);
        cells.dedup_by_key(|cell| Arc::as_ptr(cell));
        let (port, registrar) = (Rc::clone(&self.port), Arc::clone(&self.shared.registrar));
        let switch = self.me();
        actix::spawn(async move {
            let refused = registrar.write(cells).await;
            switch.unwritten.borrow_mut().extend(refused);
            for Waiting { server, answer, user, .. } in waiting {
                port.guarded(|| port.respond(server, 200, answer));
                port.guarded(|| switch.watchers().registered(&user));
            }
        });
    }
}
