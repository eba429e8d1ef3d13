//! The INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §7.2), with the CANCEL that may follow it (§9.1).

use bytes::Bytes;

use super::{
    super::{
        build::Draft,
        dialog::Dialog,
        message::Message,
        name::{Method, Name},
        peer::Peer,
        token::{MAGIC, Token},
        uri::NameAddr,
    },
    Clock, NEVER, Output, Owner,
    timer::{FORGOTTEN, T1, T1_64, T2},
};

/// One INVITE of ours.
#[derive(Debug)]
pub(super) struct InviteClient {
    request: Bytes,
    pub(super) peer: Peer,
    pub(super) owner: Owner,
    state: State,
    pub(super) clock: Clock,
}

#[derive(Debug)]
enum State {
    /// Nothing came yet; a CANCEL may be waiting for the first provisional response (§9.1).
    Calling { cancel: Option<Reason> },
    /// It rings. The owner may have left without a CANCEL: it goes out at the next tick.
    Proceeding { cancel: Option<Reason> },
    /// CANCEL is out. Its own transaction is over once it is answered.
    Cancelling { cancel: Option<Bytes>, reason: Reason },
    /// A failure came and is acknowledged; retransmissions get the ACK again.
    Completed { ack: Bytes },
    /// A 2xx came (RFC 6026). Each To tag is a dialog of its own and has its own ACK.
    Accepted { forks: Vec<Fork>, reason: Reason },
}

/// One answer to the INVITE: its To tag, empty where there is none (§12.1.2), and the ACK with where it went.
#[derive(Debug)]
struct Fork {
    tag: Box<[u8]>,
    ack: Option<(Peer, Bytes)>,
}

/// More answers to one INVITE than this are dropped: RFC 5393's Max-Breadth.
const MOST_FORKS: usize = 60;

/// The value of the Reason header on CANCEL and on the BYE of an unwanted answer.
pub(super) type Reason = Option<&'static str>;

/// What became of a response.
pub(super) enum Verdict {
    /// The transaction user hears it.
    Pass,
    /// It was a retransmission, or it is dealt with.
    Absorb,
    /// A 2xx that nobody wants any more: ACK and BYE it.
    Refuse(Reason),
}

impl InviteClient {
    /// `patience`: how long a peer may say nothing at all; Timer B is 64*T1.
    pub(super) fn new(request: Bytes, peer: Peer, owner: Owner, now: u64, patience: u64) -> Self {
        let resend = (!peer.is_reliable()).then_some(T1);
        let clock = Clock::new(resend, now, now.saturating_add(patience));
        Self { request, peer, owner, state: State::Calling { cancel: None }, clock }
    }

    /// Whether a final response has come.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Completed { .. } | State::Accepted { .. })
    }

    pub(super) fn request(&self) -> Bytes {
        self.request.clone()
    }

    /// Whether nothing has come yet.
    pub(super) fn is_calling(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// It was sent again by UDP, as this.
    pub(super) fn goes_by_udp(&mut self, request: Bytes, peer: Peer, now: u64) {
        (self.request, self.peer) = (request, peer);
        self.clock.resend_every(T1, now);
    }

    pub(super) fn response(&mut self, message: &Message, now: u64, out: &mut Output) -> Verdict {
        match (message.cseq_method(), message.code().unwrap_or(0)) {
            (Some(Method::Cancel), code) if code >= 200 => self.cancel_answered(),
            (Some(Method::Cancel), _) => Verdict::Absorb,
            (Some(Method::Invite), code @ ..200) => self.provisional(code, now, out),
            (Some(Method::Invite), 200..300) => self.accepted(message, now, out),
            (Some(Method::Invite), _) => self.refused(message, now, out),
            // §17.1.3: a response to anything else is no response to this.
            _ => Verdict::Absorb,
        }
    }

    fn provisional(&mut self, code: u16, now: u64, out: &mut Output) -> Verdict {
        if let State::Calling { cancel } = &mut self.state {
            let waiting = cancel.take();
            self.state = State::Proceeding { cancel: None };
            // Timers A and B stop; the transaction user bounds how long it may ring (§17.1.1.2).
            self.clock.stop_resending();
            self.shed_body();
            if let Some(reason) = waiting {
                self.send_cancel(reason, now, out);
            }
        }
        if let State::Proceeding { .. } = self.state {
            self.clock.expires = now.saturating_add(FORGOTTEN);
        }
        match self.state {
            // 100 tells a user agent nothing but to stop retransmitting.
            State::Proceeding { .. } | State::Cancelling { .. } if code > 100 => Verdict::Pass,
            State::Proceeding { .. }
            | State::Cancelling { .. }
            | State::Calling { .. }
            | State::Completed { .. }
            | State::Accepted { .. } => Verdict::Absorb,
        }
    }

    fn accepted(&mut self, message: &Message, now: u64, out: &mut Output) -> Verdict {
        let tag: Box<[u8]> = message.to().and_then(|to| to.tag()).unwrap_or(b"").into();
        let reason = match &mut self.state {
            State::Completed { .. } => return Verdict::Absorb,
            State::Accepted { forks, reason } => {
                if let Some(fork) = forks.iter().find(|fork| fork.tag == tag) {
                    return match &fork.ack {
                        Some((peer, ack)) => {
                            out.send(*peer, ack.clone());
                            Verdict::Absorb
                        }
                        // The owner left with the answer unread: the peer must not talk to nobody.
                        None if self.owner == Owner::Nobody => Verdict::Refuse(*reason),
                        None => Verdict::Absorb,
                    };
                }
                if forks.len() == MOST_FORKS {
                    return Verdict::Absorb;
                }
                forks.push(Fork { tag, ack: None });
                *reason
            }
            State::Calling { cancel } | State::Proceeding { cancel } => {
                let reason = cancel.take().flatten();
                self.enter_accepted(reason, tag, now)
            }
            State::Cancelling { reason, .. } => {
                let reason = *reason;
                self.enter_accepted(reason, tag, now)
            }
        };
        if self.owner == Owner::Nobody { Verdict::Refuse(reason) } else { Verdict::Pass }
    }

    fn enter_accepted(&mut self, reason: Reason, tag: Box<[u8]>, now: u64) -> Reason {
        self.shed_body();
        self.clock.stop_resending();
        self.clock.expires = now + T1_64; // Timer M
        self.state = State::Accepted { forks: vec![Fork { tag, ack: None }], reason };
        reason
    }

    fn refused(&mut self, message: &Message, now: u64, out: &mut Output) -> Verdict {
        match &self.state {
            State::Completed { ack } => {
                out.send(self.peer, ack.clone());
                return Verdict::Absorb;
            }
            State::Accepted { .. } => return Verdict::Absorb,
            State::Calling { .. } | State::Proceeding { .. } | State::Cancelling { .. } => {}
        }
        let ack = self.ack_for(message);
        out.send(self.peer, ack.clone());
        // Timer D: more than 32 s on UDP, none on a stream.
        self.clock.expires = if self.peer.is_reliable() { now } else { now + T1_64 };
        self.clock.stop_resending();
        self.request = Bytes::new();
        self.state = State::Completed { ack };
        Verdict::Pass
    }

    fn cancel_answered(&mut self) -> Verdict {
        if let State::Cancelling { cancel, .. } = &mut self.state {
            *cancel = None;
            self.clock.stop_resending();
        }
        Verdict::Absorb
    }

    /// Takes the INVITE back, now or as soon as a provisional response allows it (§9.1).
    pub(super) fn cancel(&mut self, reason: Reason, now: u64, out: &mut Output) {
        match &mut self.state {
            State::Calling { cancel } => *cancel = Some(reason),
            State::Proceeding { .. } => self.send_cancel(reason, now, out),
            State::Cancelling { .. } | State::Completed { .. } | State::Accepted { .. } => {}
        }
    }

    fn send_cancel(&mut self, reason: Reason, now: u64, out: &mut Output) {
        let Some(invite) = Message::read_own(&self.request) else { return };
        let mut draft = self.like_the_invite(&invite, Method::Cancel);
        draft.copy(&invite, Name::To);
        if let Some(reason) = reason {
            draft.header("Reason", &[reason.as_bytes()]);
        }
        let cancel = draft.empty();
        out.send(self.peer, cancel.clone());
        if self.peer.is_reliable() {
            self.clock.stop_resending();
        } else {
            self.clock.resend_every(T1, now);
        }
        // §9.1: no final response 64*T1 after the CANCEL ends the transaction.
        self.clock.expires = now + T1_64;
        self.state = State::Cancelling { cancel: Some(cancel), reason };
    }

    /// Request line, Via, Route, From, Call-ID, CSeq and Max-Forwards of a CANCEL or of an ACK for a failure: the
    /// INVITE's own (§9.1, §17.1.1.3).
    fn like_the_invite(&self, invite: &Message, method: Method) -> Draft {
        let name = method.name().unwrap_or("ACK").as_bytes();
        let mut draft = Draft::request(name, invite.uri());
        draft
            .copy(invite, Name::Via)
            .copy(invite, Name::Route)
            .copy(invite, Name::From)
            .copy(invite, Name::CallId);
        let sequence = invite.cseq().map_or(1, |c| c.0).to_string();
        draft.header("CSeq", &[sequence.as_bytes(), b" ", name]).header("Max-Forwards", &[b"70"]);
        draft
    }

    fn ack_for(&self, failure: &Message) -> Bytes {
        let Some(invite) = Message::read_own(&self.request) else { return Bytes::new() };
        let mut draft = self.like_the_invite(&invite, Method::Ack);
        draft.copy(failure, Name::To);
        draft.empty()
    }

    /// Keeps the ACK of a 2xx, for its retransmissions.
    pub(super) fn acknowledge(&mut self, peer: Peer, ack: Bytes) {
        let State::Accepted { forks, .. } = &mut self.state else { return };
        if let [only] = &mut forks[..] {
            only.ack = Some((peer, ack));
            return;
        }
        let Ok(message) = Message::read(ack.clone()) else { return };
        let tag = message.to().and_then(|to: NameAddr<'_>| to.tag()).unwrap_or(b"");
        if let Some(fork) = forks.iter_mut().find(|fork| *fork.tag == *tag) {
            fork.ack = Some((peer, ack));
        }
    }

    /// The owner has gone: what still rings is cancelled, and a late 2xx is refused, with this Reason or else the one of
    /// its CANCEL.
    pub(super) fn orphan(&mut self, why: Reason) {
        self.owner = Owner::Nobody;
        match &mut self.state {
            State::Cancelling { reason, .. } | State::Accepted { reason, .. } => *reason = why.or(*reason),
            State::Calling { cancel } => *cancel = Some(why.or(cancel.flatten())),
            State::Proceeding { cancel } => {
                *cancel = Some(why);
                self.clock.resend = 0; // as soon as time goes on
            }
            State::Completed { .. } => {}
        }
    }

    /// Builds the ACK of an unwanted 2xx and the dialog to say BYE in.
    pub(super) fn refuse(
        &mut self,
        response: &Message,
        sent_by: &[u8],
        branch: Token,
    ) -> Option<(Bytes, Dialog)> {
        let invite = Message::read_own(&self.request)?;
        let dialog = Dialog::uac(&invite, response)?;
        let mut draft = dialog.ack(invite.cseq()?.0);
        draft.via(self.peer.transport, sent_by, &[MAGIC, &branch.text(), b"a"]);
        let ack = draft.empty();
        self.acknowledge(self.peer, ack.clone());
        Some((ack, dialog))
    }

    /// A deadline has come. True: the transaction is over; `failed` tells whether the owner must hear of it.
    pub(super) fn tick(&mut self, now: u64, out: &mut Output) -> Option<bool> {
        if now >= self.clock.expires {
            if let State::Proceeding { .. } = self.state {
                self.send_cancel(None, now, out);
            }
            // Ringing on, it could not be cancelled.
            return (now >= self.clock.expires).then_some(!self.is_done());
        }
        if now >= self.clock.resend {
            match &self.state {
                State::Calling { .. } => {
                    out.send(self.peer, self.request.clone());
                    self.clock.back_off(NEVER >> 1, now); // Timer A has no ceiling.
                }
                State::Cancelling { cancel: Some(cancel), .. } => {
                    out.send(self.peer, cancel.clone());
                    self.clock.back_off(T2, now); // Timer E
                }
                State::Proceeding { cancel: Some(reason) } => {
                    let reason = *reason;
                    self.clock.stop_resending();
                    self.send_cancel(reason, now, out);
                }
                State::Proceeding { cancel: None }
                | State::Cancelling { .. }
                | State::Completed { .. }
                | State::Accepted { .. } => {
                    self.clock.stop_resending();
                }
            }
        }
        None
    }

    /// The body is sent and acknowledged by a response: only the header is needed from here on.
    fn shed_body(&mut self) {
        let header = memchr::memmem::find(&self.request, b"\r\n\r\n").map_or(self.request.len(), |at| at + 4);
        if header < self.request.len() {
            self.request = Bytes::copy_from_slice(&self.request[..header]);
        }
    }
}
