//! Finds the transaction of a message and keeps the time of all of them.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher},
};

use ahash::RandomState;
use bytes::Bytes;

use super::{
    super::{
        build::{plain_response, reply_peer},
        dialog::Dialog,
        message::Message,
        name::{Method, Name},
        peer::Peer,
        token::{MAGIC, Table, Token},
    },
    NEVER, News, Output, Owner,
    client::Client,
    invite_client::{InviteClient, Verdict},
    invite_server::{InviteServer, Passed},
    server::Server,
    timer::Wheel,
};

/// All transactions of a lane.
pub struct Transactions {
    entries: Table<Entry>,
    servers: HashMap<Key, Token, RandomState>,
    wheel: Wheel<Token>,
    hashes: [RandomState; 2],
    random: Box<dyn FnMut() -> u32>,
    /// What stands as sent-by in our Via, per listener.
    sent_by: Vec<Box<[u8]>>,
    due: Vec<Token>,
}

/// A server transaction's name (§17.2.3), hashed with seeds that nobody outside knows.
type Key = u128;

#[derive(Debug)]
enum Entry {
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
            hashes: [RandomState::new(), RandomState::new()],
            random,
            sent_by,
            due: Vec::new(),
        }
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

    /// Whether a request belongs to a transaction that exists.
    pub fn knows(&self, request: &Message) -> bool {
        let method = request.method().unwrap_or(Method::Other);
        self.key(request, method).is_some_and(|key| self.servers.contains_key(&key))
    }

    /// A message has come in; a request has passed [`super::super::check::request`].
    pub fn received(&mut self, message: Message, from: Peer, now: u64, out: &mut Output) {
        match message.method() {
            None => self.response(message, now, out),
            Some(Method::Ack) => self.ack(message, now, out),
            Some(Method::Cancel) => self.cancel_received(message, from, out),
            Some(method) => self.request_received(method, message, from, now, out),
        }
    }

    fn response(&mut self, message: Message, now: u64, out: &mut Output) {
        let branch = message.via().and_then(|via| Token::of_branch(via.branch()?.get(..MAGIC.len() + 16)?));
        let Some(client) = branch else { return };
        let verdict = match self.entries.find_mut(client) {
            Some(Entry::InviteClient(invite)) => (invite.owner, invite.response(&message, now, out)),
            Some(Entry::Client(request)) => {
                let pass = request.response(message.code().unwrap_or(0), now);
                (request.owner, if pass { Verdict::Pass } else { Verdict::Absorb })
            }
            Some(Entry::InviteServer(..) | Entry::Server(..)) | None => return,
        };
        self.arm(client);
        match verdict {
            (Owner::Nobody, Verdict::Pass) | (_, Verdict::Absorb) => {}
            (owner, Verdict::Pass) => out.news.push(News::Response { owner, client, message }),
            (_, Verdict::Refuse(reason)) => self.refuse(client, &message, reason, now, out),
        }
    }

    /// ACK and BYE for an answer that nobody wants (§13.2.2.4, §15).
    pub fn refuse(
        &mut self,
        client: Token,
        response: &Message,
        reason: Option<&str>,
        now: u64,
        out: &mut Output,
    ) {
        let random = self.random();
        let Some(Entry::InviteClient(invite)) = self.entries.find_mut(client) else { return };
        let peer = invite.peer;
        let sent_by = self.sent_by.get(usize::from(peer.listener)).map_or(&b""[..], |s| s);
        let branch = Token(client.0 ^ u64::from(random));
        let Some((ack, mut dialog)) = invite.refuse(response, sent_by, branch) else { return };
        out.send(peer, ack);
        self.bye(&mut dialog, peer, reason, now, out);
    }

    fn bye(&mut self, dialog: &mut Dialog, peer: Peer, reason: Option<&str>, now: u64, out: &mut Output) {
        let mut draft = dialog.request(b"BYE");
        let sent_by = self.sent_by(peer.listener).to_vec();
        self.request(peer, Owner::Nobody, now, out, |branch| {
            draft.via(peer.transport, &sent_by, &[MAGIC, &branch.text()]);
            if let Some(reason) = reason {
                draft.header("Reason", &[reason.as_bytes()]);
            }
            draft.empty()
        });
    }

    fn ack(&mut self, message: Message, now: u64, out: &mut Output) {
        let key = self.key(&message, Method::Invite);
        if let Some(server) = key.and_then(|key| self.servers.get(&key).copied()) {
            if let Some(Entry::InviteServer(invite, ..)) = self.entries.find_mut(server) {
                invite.acknowledged_failure(now);
            }
            self.arm(server);
        }
        out.news.push(News::Ack { message });
    }

    /// CANCEL is answered hop by hop whatever becomes of the INVITE (§9.2), with the INVITE's own To tag.
    fn cancel_received(&mut self, message: Message, from: Peer, out: &mut Output) {
        let server = self.key(&message, Method::Invite).and_then(|key| self.servers.get(&key).copied());
        let peer = reply_peer(&message, from);
        let Some((server, Entry::InviteServer(invite, ..))) =
            server.and_then(|s| Some((s, self.entries.find(s)?)))
        else {
            out.send(peer, plain_response(&message, from.address, 481, &stateless_tag(&message)));
            return;
        };
        let tag = match invite.owner {
            Owner::Leg(leg) | Owner::Errand(leg) => leg.text(),
            Owner::Nobody => server.text(),
        };
        let (owner, open) = (invite.owner, invite.is_open());
        out.send(peer, plain_response(&message, from.address, 200, &tag));
        if open {
            out.news.push(News::Cancelled { owner, message });
        }
    }

    fn request_received(&mut self, method: Method, message: Message, from: Peer, now: u64, out: &mut Output) {
        let Some(key) = self.key(&message, method) else { return };
        if let Some(server) = self.servers.get(&key).copied() {
            match self.entries.find_mut(server) {
                Some(Entry::InviteServer(invite, ..)) => invite.repeated(out),
                Some(Entry::Server(request, _)) => request.repeated(out),
                Some(Entry::InviteClient(_) | Entry::Client(_)) | None => {}
            }
            self.arm(server);
            return;
        }
        let peer = reply_peer(&message, from);
        let random = self.random();
        let server = if method == Method::Invite {
            let merged = self.merge_key(&message);
            if message.to().is_some_and(|to| to.tag().is_none()) && self.servers.contains_key(&merged) {
                out.send(peer, plain_response(&message, from.address, 482, &stateless_tag(&message)));
                return;
            }
            let invite = InviteServer::new(message.raw().clone(), from, peer, now);
            let server = self.entries.insert(random, Entry::InviteServer(invite, key, merged));
            server.inspect(|server| {
                self.servers.insert(merged, *server);
            })
        } else {
            self.entries.insert(random, Entry::Server(Server::new(peer, now), key))
        };
        let Some(server) = server else {
            out.send(peer, plain_response(&message, from.address, 503, &stateless_tag(&message)));
            return;
        };
        self.servers.insert(key, server);
        self.arm(server);
        out.news.push(News::Request { server, message, from });
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
        self.send(peer, out, build, |request| {
            Entry::InviteClient(InviteClient::new(request, peer, owner, now))
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
        self.send(peer, out, build, |request| Entry::Client(Client::new(request, peer, owner, now)))
    }

    fn send(
        &mut self,
        peer: Peer,
        out: &mut Output,
        build: impl FnOnce(Token) -> Bytes,
        entry: impl FnOnce(Bytes) -> Entry,
    ) -> Option<Token> {
        let random = self.random();
        let client = self.entries.reserve(random)?;
        let request = build(client);
        out.send(peer, request.clone());
        self.entries.fill(client, entry(request));
        self.arm(client);
        Some(client)
    }

    /// The INVITE as it is kept: without its body once a response has come.
    pub fn invite_request(&self, client: Token) -> Option<Message> {
        match self.entries.find(client)? {
            Entry::InviteClient(invite) => Message::read(invite.request()).ok(),
            Entry::InviteServer(..) | Entry::Client(_) | Entry::Server(..) => None,
        }
    }

    /// Sends the ACK for a 2xx and keeps it for the 2xx's retransmissions (§13.2.2.4).
    pub fn acknowledge(&mut self, client: Token, peer: Peer, ack: Bytes, out: &mut Output) {
        out.send(peer, ack.clone());
        if let Some(Entry::InviteClient(invite)) = self.entries.find_mut(client) {
            invite.acknowledge(ack);
        }
    }

    /// Takes an INVITE back (§9.1); `reason` is the value of its Reason header.
    pub fn cancel(&mut self, client: Token, reason: Option<&'static str>, now: u64, out: &mut Output) {
        if let Some(Entry::InviteClient(invite)) = self.entries.find_mut(client) {
            invite.cancel(reason, now, out);
        }
        self.arm(client);
    }

    /// The owner leaves: what still comes is dealt with here, a late 2xx by ACK and BYE with `reason`.
    pub fn orphan(&mut self, client: Token, reason: Option<&'static str>) {
        match self.entries.find_mut(client) {
            Some(Entry::InviteClient(invite)) => invite.orphan(reason),
            Some(Entry::Client(request)) => request.owner = Owner::Nobody,
            Some(Entry::InviteServer(..) | Entry::Server(..)) | None => {}
        }
    }

    /// A request could not be sent (§8.1.3.1: as if 503 had come).
    pub fn undeliverable(&mut self, client: Token, out: &mut Output) {
        let owner = match self.entries.find(client) {
            Some(Entry::InviteClient(invite)) => invite.owner,
            Some(Entry::Client(request)) => request.owner,
            Some(Entry::InviteServer(..) | Entry::Server(..)) | None => return,
        };
        self.remove(client);
        if owner != Owner::Nobody {
            out.news.push(News::Failed { owner, client, code: 503 });
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: u64, out: &mut Output) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.fire(now, |token| due.push(token));
        for token in due.drain(..) {
            self.tick_one(token, now, out);
        }
        self.due = due;
    }

    fn tick_one(&mut self, token: Token, now: u64, out: &mut Output) {
        let Some(entry) = self.entries.find_mut(token) else { return };
        entry.clock_mut().armed = NEVER;
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

    fn arm(&mut self, token: Token) {
        if let Some(entry) = self.entries.find_mut(token) {
            let clock = entry.clock_mut();
            let next = clock.next();
            if next < clock.armed {
                clock.armed = next;
                self.wheel.arm(next, token);
            }
        }
    }

    /// §17.2.3: branch, sent-by and method; without the magic cookie what RFC 2543 compares. To tags are left out
    /// there, so that an ACK finds its INVITE.
    fn key(&self, request: &Message, method: Method) -> Option<Key> {
        let via = request.via()?;
        Some(self.hash(|hash| {
            hash.write_u8(method as u8);
            if method == Method::Other {
                hash.write(request.method_name());
            }
            match via.branch().filter(|branch| branch.starts_with(MAGIC) && branch.len() > MAGIC.len()) {
                Some(branch) => hash.write(branch),
                None => self.hash_2543(request, hash),
            }
            via.host.iter().for_each(|octet| hash.write_u8(octet.to_ascii_lowercase()));
            hash.write_u16(via.port.unwrap_or(5060));
        }))
    }

    fn hash_2543(&self, request: &Message, hash: &mut ahash::AHasher) {
        hash.write(request.uri());
        hash.write(request.call_id());
        hash.write_u32(request.cseq().map_or(0, |c| c.0));
        hash.write(request.from().and_then(|from| from.tag()).unwrap_or(b""));
    }

    /// What a merged request has in common with the one that came first; forks to different users of ours are no merge.
    fn merge_key(&self, request: &Message) -> Key {
        self.hash(|hash| {
            hash.write_u8(u8::MAX);
            self.hash_2543(request, hash);
        })
    }

    fn hash(&self, write: impl Fn(&mut ahash::AHasher)) -> Key {
        let [low, high] = [&self.hashes[0], &self.hashes[1]].map(|state| {
            let mut hash = state.build_hasher();
            write(&mut hash);
            hash.finish()
        });
        u128::from(high) << 64 | u128::from(low)
    }
}

impl Entry {
    fn clock_mut(&mut self) -> &mut super::Clock {
        match self {
            Self::InviteClient(invite) => &mut invite.clock,
            Self::InviteServer(invite, ..) => &mut invite.clock,
            Self::Client(request) => &mut request.clock,
            Self::Server(request, _) => &mut request.clock,
        }
    }
}

/// A To tag for a response outside any transaction: the same for each retransmission of the request (§8.2.7).
pub fn stateless_tag(request: &Message) -> [u8; 16] {
    let mut hash = RandomState::with_seeds(1, 2, 3, 4).build_hasher();
    hash.write(request.call_id());
    hash.write(request.first(Name::Via).unwrap_or(b""));
    Token(hash.finish()).text()
}
