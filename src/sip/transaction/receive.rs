//! Finds the transaction of a message that came in, or opens one.

use super::{
    super::{
        build::{plain_response, reply_peer},
        dialog::Dialog,
        message::Message,
        name::{Method, Name},
        peer::Peer,
        token::{MAGIC, Token},
    },
    News, Output, Owner,
    invite_client::Verdict,
    invite_server::InviteServer,
    key::stateless_tag,
    server::Server,
    table::{Entry, Transactions},
};

impl Transactions {
    /// A message has come in; a request has passed `sip::check::request`.
    pub fn received(&mut self, message: Message, from: Peer, now: u64, out: &mut Output) {
        match message.method() {
            None => self.response(message, now, out),
            Some(Method::Ack) => self.ack(message, now, out),
            Some(Method::Cancel) => self.cancel_received(message, from, out),
            Some(method) => self.request_received(method, message, from, now, out),
        }
    }

    fn response(&mut self, message: Message, now: u64, out: &mut Output) {
        // §8.1.3.3: a response with a second Via was meant for somebody else.
        if message.list(Name::Via).nth(1).is_some() {
            return;
        }
        let branch = message.via().and_then(|via| Token::of_branch(via.branch()?.get(..MAGIC.len() + 16)?));
        let Some(client) = branch else { return };
        let verdict = match self.entries.find_mut(client) {
            Some(Entry::InviteClient(invite)) => (invite.owner, invite.response(&message, now, out)),
            Some(Entry::Client(request)) => {
                let pass = request.response(message.cseq_method(), message.code().unwrap_or(0), now);
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
        let key = self.keys.key(&message, Method::Invite);
        if let Some(server) = key.and_then(|key| self.servers.get(&key).copied())
            && let Some(Entry::InviteServer(invite, ..)) = self.entries.find_mut(server)
        {
            let swallowed = invite.acknowledged_failure(now);
            self.arm(server);
            if swallowed {
                return;
            }
        }
        out.news.push(News::Ack { message });
    }

    /// CANCEL is answered hop by hop whatever becomes of the INVITE (§9.2), with the INVITE's own To tag. It must come from
    /// where the INVITE came from (§22.1), or whoever guesses a branch could take back the calls of others.
    fn cancel_received(&mut self, message: Message, from: Peer, out: &mut Output) {
        let server = self.keys.key(&message, Method::Invite).and_then(|key| self.servers.get(&key).copied());
        let peer = reply_peer(&message, from);
        let Some((server, Entry::InviteServer(invite, ..))) =
            server.and_then(|s| Some((s, self.entries.find(s)?))).filter(|(_, entry)| entry.is_from(from))
        else {
            out.send(peer, plain_response(&message, from.address, 481, &stateless_tag(&message)));
            return;
        };
        let tag = match invite.owner {
            Owner::Leg(leg) | Owner::Errand(leg) | Owner::Watch(leg) | Owner::Control(leg) => leg.text(),
            Owner::Nobody => server.text(),
        };
        let (owner, open) = (invite.owner, invite.is_open());
        out.send(peer, plain_response(&message, from.address, 200, &tag));
        if open {
            out.news.push(News::Cancelled { owner, message });
        }
    }

    fn request_received(&mut self, method: Method, message: Message, from: Peer, now: u64, out: &mut Output) {
        let Some(key) = self.keys.key(&message, method) else { return };
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
            let merged = self.keys.merge_key(&message);
            let opens = message.to().is_some_and(|to| to.tag().is_none());
            if opens && self.servers.contains_key(&merged) {
                out.send(peer, plain_response(&message, from.address, 482, &stateless_tag(&message)));
                return;
            }
            let invite = InviteServer::new(message.raw().clone(), from, peer, now);
            let server = self.entries.insert(random, Entry::InviteServer(invite, key, merged));
            server.filter(|_| opens).inspect(|server| {
                self.servers.insert(merged, *server);
            });
            server
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
}
