//! Keeps the transactions of a lane and the time of all of them; `receive` finds the one of a message.

use std::collections::{HashMap, VecDeque};

use ahash::RandomState;
use bytes::Bytes;

use super::{
    super::{
        message::Message,
        name::Method,
        peer::Peer,
        token::{Table, Token},
    },
    NEVER, News, Output, Owner,
    client::Client,
    invite_client::InviteClient,
    invite_server::{InviteServer, Passed},
    key::{Key, Keys},
    server::Server,
    size::{Size, with_via},
    timer::{T1_64, Wheel},
};

/// All transactions of a lane.
pub struct Transactions {
    pub(super) entries: Table<Entry>,
    pub(super) servers: HashMap<Key, Token, RandomState>,
    wheel: Wheel<Token>,
    pub(super) keys: Keys,
    random: Box<dyn FnMut() -> u32>,
    /// What stands as sent-by in our Via, per listener.
    pub(super) sent_by: Vec<Box<[u8]>>,
    due: VecDeque<Token>,
    patience: u64,
    size: Size,
}

#[derive(Debug)]
pub(super) enum Entry {
    InviteClient(InviteClient),
    /// With its own key, and the one under which a merged request would be found (§8.2.2.2).
    InviteServer(InviteServer, Key, Key),
    Client(Client),
    Server(Server, Key),
}

impl Transactions {
    /// No transactions yet. `random` gives unguessable numbers; `sent_by` is `host:port` of each listener.
    pub fn new(lane: u8, sent_by: Vec<Box<[u8]>>, random: Box<dyn FnMut() -> u32>) -> Self {
        Self {
            entries: Table::new(lane),
            servers: HashMap::default(),
            wheel: Wheel::default(),
            keys: Keys::default(),
            random,
            sent_by,
            due: VecDeque::new(),
            patience: T1_64,
            size: Size::default(),
        }
    }

    /// Says which requests are too large for UDP.
    pub fn limit(&mut self, size: Size) {
        self.size = size;
    }

    /// How long, in milliseconds, a peer may leave an INVITE without any answer; Timer B is 64*T1 (§17.1.1.2).
    pub fn with_patience(self, patience: u64) -> Self {
        Self { patience, ..self }
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// When [`Transactions::tick`] should be called next, in milliseconds.
    pub fn due(&self) -> Option<u64> {
        self.wheel.due()
    }

    /// An unguessable number.
    pub fn random(&mut self) -> u32 {
        (self.random)()
    }

    /// What stands as sent-by in our Via for a listener.
    pub fn sent_by(&self, listener: u16) -> &[u8] {
        self.sent_by.get(usize::from(listener)).map_or(b"", |s| s)
    }

    /// Whether a request belongs to a transaction that exists; ACK and CANCEL belong to their INVITE's.
    pub fn knows(&self, request: &Message) -> bool {
        let method = match request.method().unwrap_or(Method::Other) {
            Method::Ack | Method::Cancel => Method::Invite,
            method => method,
        };
        self.keys.key(request, method).is_some_and(|key| self.servers.contains_key(&key))
    }

    /// Says who hears of a CANCEL or a missing ACK.
    pub fn adopt(&mut self, server: Token, owner: Owner) {
        if let Some(Entry::InviteServer(invite, ..)) = self.entries.find_mut(server) {
            invite.owner = owner;
        }
    }

    /// Sends a response in a server transaction; after a final one nothing more goes out.
    pub fn respond(&mut self, server: Token, code: u16, response: Bytes, now: u64, out: &mut Output) {
        match self.entries.find_mut(server) {
            Some(Entry::InviteServer(invite, ..)) => invite.respond(code, response, now, out),
            Some(Entry::Server(request, _)) => request.respond(code, response, now, out),
            Some(Entry::InviteClient(_) | Entry::Client(_)) | None => return,
        }
        self.arm(server);
    }

    /// The ACK for a 2xx has come; true the first time.
    pub fn acknowledged(&mut self, server: Token) -> bool {
        match self.entries.find_mut(server) {
            Some(Entry::InviteServer(invite, ..)) => invite.acknowledged(),
            Some(Entry::Server(..) | Entry::InviteClient(_) | Entry::Client(_)) | None => false,
        }
    }

    /// Sends an INVITE. `build` gets the transaction's name for its branch. `None` where the table is full.
    pub fn invite(
        &mut self,
        peer: Peer,
        owner: Owner,
        now: u64,
        out: &mut Output,
        build: impl FnOnce(Token) -> Bytes,
    ) -> Option<Token> {
        let patience = self.patience;
        self.send((peer, now), out, build, |request, peer| {
            Entry::InviteClient(InviteClient::new(request, peer, owner, now, patience))
        })
    }

    /// Sends any other request but ACK and CANCEL. `None` where the table is full.
    pub fn request(
        &mut self,
        peer: Peer,
        owner: Owner,
        now: u64,
        out: &mut Output,
        build: impl FnOnce(Token) -> Bytes,
    ) -> Option<Token> {
        self.send((peer, now), out, build, |request, peer| {
            Entry::Client(Client::new(request, peer, owner, now))
        })
    }

    fn send(
        &mut self,
        (peer, now): (Peer, u64),
        out: &mut Output,
        build: impl FnOnce(Token) -> Bytes,
        entry: impl FnOnce(Bytes, Peer) -> Entry,
    ) -> Option<Token> {
        let random = self.random();
        let client = self.entries.reserve(random)?;
        let (peer, request) = self.by_size(peer, build(client), now, out);
        out.send(peer, request.clone());
        self.entries.fill(client, entry(request, peer));
        self.arm(client);
        Some(client)
    }

    /// A request and its way: by TCP where it is too large for UDP (§18.1.1).
    fn by_size(&self, peer: Peer, request: Bytes, now: u64, out: &mut Output) -> (Peer, Bytes) {
        if let Some(other) = self.size.other_way(&peer, request.len(), now)
            && let Some(changed) = with_via(&request, other.transport, self.sent_by(other.listener))
        {
            out.too_large += 1;
            return (other, changed);
        }
        (peer, request)
    }

    /// The ACK for a 2xx that found nobody by TCP, as it goes `back` by UDP; no transaction waits for it.
    pub fn ack_by_udp(&mut self, ack: &Bytes, back: Peer, now: u64, out: &mut Output) {
        self.size.refused(back.address, now);
        if let Some(ack) = with_via(ack, back.transport, self.sent_by(back.listener)) {
            out.fell_back += 1;
            out.send(back, ack);
        }
    }

    /// Sends a request by UDP after all that found nobody by TCP (§18.1.1); false where that is not why it went by TCP.
    fn falls_back(&mut self, client: Token, now: u64, out: &mut Output) -> bool {
        let (peer, request) = match self.entries.find(client) {
            Some(Entry::InviteClient(invite)) if invite.is_calling() => (invite.peer, invite.request()),
            Some(Entry::Client(request)) => (request.peer, request.request()),
            Some(Entry::InviteClient(_) | Entry::InviteServer(..) | Entry::Server(..)) | None => {
                return false;
            }
        };
        let Some(back) = peer.back_to_udp() else { return false };
        let Some(request) = with_via(&request, back.transport, self.sent_by(back.listener)) else {
            return false;
        };
        self.size.refused(back.address, now);
        out.fell_back += 1;
        out.send(back, request.clone());
        match self.entries.find_mut(client) {
            Some(Entry::InviteClient(invite)) => invite.goes_by_udp(request, back, now),
            Some(Entry::Client(one)) => one.goes_by_udp(request, back, now),
            Some(Entry::InviteServer(..) | Entry::Server(..)) | None => {}
        }
        self.arm(client);
        true
    }

    /// The INVITE, as far as the fields that name it and its route.
    pub fn invite_request(&self, client: Token) -> Option<Message> {
        match self.entries.find(client)? {
            Entry::InviteClient(invite) => Message::read_own(&invite.request()),
            Entry::InviteServer(..) | Entry::Client(_) | Entry::Server(..) => None,
        }
    }

    /// Whether an INVITE has had no answer at all.
    pub fn is_silent(&self, client: Token) -> bool {
        matches!(self.entries.find(client), Some(Entry::InviteClient(invite)) if invite.is_calling())
    }

    /// Sends the ACK for a 2xx and keeps it for the 2xx's retransmissions (§13.2.2.4).
    pub fn acknowledge(&mut self, client: Token, peer: Peer, ack: Bytes, now: u64, out: &mut Output) {
        let (peer, ack) = self.by_size(peer, ack, now, out);
        out.send(peer, ack.clone());
        if let Some(Entry::InviteClient(invite)) = self.entries.find_mut(client) {
            invite.acknowledge(peer, ack);
        }
    }

    /// Takes an INVITE back (§9.1); `reason` is the value of its Reason header.
    pub fn cancel(&mut self, client: Token, reason: Option<&'static str>, now: u64, out: &mut Output) {
        if let Some(Entry::InviteClient(invite)) = self.entries.find_mut(client) {
            invite.cancel(reason, now, out);
        }
        self.arm(client);
    }

    /// The owner leaves: what still comes is dealt with here, what still rings by CANCEL, a late 2xx by ACK and BYE with
    /// `reason`.
    pub fn orphan(&mut self, client: Token, reason: Option<&'static str>) {
        match self.entries.find_mut(client) {
            Some(Entry::InviteClient(invite)) => invite.orphan(reason),
            Some(Entry::Client(request)) => request.owner = Owner::Nobody,
            Some(Entry::InviteServer(..) | Entry::Server(..)) | None => {}
        }
        self.arm(client);
    }

    /// A request could not be sent (§8.1.3.1: as if 503 had come). Nothing changes where a final response has come.
    pub fn undeliverable(&mut self, client: Token, now: u64, out: &mut Output) {
        let owner = match self.entries.find(client) {
            Some(Entry::InviteClient(invite)) if !invite.is_done() => invite.owner,
            Some(Entry::Client(request)) if !request.is_done() => request.owner,
            Some(_) | None => return,
        };
        if self.falls_back(client, now, out) {
            return;
        }
        self.remove(client);
        if owner != Owner::Nobody {
            out.news.push(News::Failed { owner, client, code: 503 });
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: u64, out: &mut Output) {
        self.wheel.fire(now, |token| self.due.push_back(token));
        // One that panics must not take the turns of the others with it: they come at the next tick.
        while let Some(token) = self.due.pop_front() {
            self.tick_one(token, now, out);
        }
    }

    fn tick_one(&mut self, token: Token, now: u64, out: &mut Output) {
        let Some(entry) = self.entries.find_mut(token) else { return };
        let clock = entry.clock_mut();
        // Left over from before an earlier entry was set, which has fired; the next one that counts is yet to come.
        if clock.armed > now {
            return;
        }
        clock.armed = NEVER;
        let over = match entry {
            Entry::InviteClient(invite) => invite.tick(now, out).map(|failed| (failed, invite.owner)),
            Entry::Client(request) => request.tick(now, out).map(|failed| (failed, request.owner)),
            Entry::InviteServer(invite, ..) => match invite.tick(now, out) {
                Passed::Goes => None,
                Passed::Over => Some((false, Owner::Nobody)),
                Passed::Unacknowledged => {
                    out.news.push(News::Unacknowledged { owner: invite.owner });
                    Some((false, Owner::Nobody))
                }
            },
            Entry::Server(request, _) => (now >= request.clock.expires).then_some((false, Owner::Nobody)),
        };
        match over {
            None => self.arm(token),
            Some((failed, owner)) => {
                self.remove(token);
                if failed && owner != Owner::Nobody {
                    out.news.push(News::Failed { owner, client: token, code: 408 });
                }
            }
        }
    }

    fn remove(&mut self, token: Token) {
        match self.entries.remove(token) {
            Some(Entry::InviteServer(_, key, merged)) => {
                self.servers.remove(&key);
                if self.servers.get(&merged) == Some(&token) {
                    self.servers.remove(&merged);
                }
            }
            Some(Entry::Server(_, key)) => {
                self.servers.remove(&key);
            }
            Some(Entry::InviteClient(_) | Entry::Client(_)) | None => {}
        }
        if self.servers.capacity() > 1_024 && self.servers.len() * 8 < self.servers.capacity() {
            self.servers.shrink_to(self.servers.len() * 2);
        }
    }

    pub(super) fn arm(&mut self, token: Token) {
        if let Some(entry) = self.entries.find_mut(token) {
            let clock = entry.clock_mut();
            let look = clock.next().min(self.wheel.horizon());
            if look < clock.armed {
                clock.armed = look;
                self.wheel.arm(look, token);
            }
        }
    }
}

impl Entry {
    /// Whether an INVITE came from the same machine.
    pub(super) fn is_from(&self, peer: Peer) -> bool {
        matches!(self, Self::InviteServer(invite, ..) if invite.peer.address.ip() == peer.address.ip())
    }

    fn clock_mut(&mut self) -> &mut super::Clock {
        match self {
            Self::InviteClient(invite) => &mut invite.clock,
            Self::InviteServer(invite, ..) => &mut invite.clock,
            Self::Client(request) => &mut request.clock,
            Self::Server(request, _) => &mut request.clock,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lane under a flood holds hundreds of thousands of these for 64*T1.
    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 320, "{}", size_of::<Entry>());
    }
}
