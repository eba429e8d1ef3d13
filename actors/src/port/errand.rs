//! Requests outside any dialog, sent for somebody on another thread: the missed-call INFO, a trunk's REGISTER and OPTIONS.

use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};

use bytes::Bytes;
use ringpost::sip::{
    Message,
    build::Draft,
    peer::Peer,
    token::{Table, Token},
    transaction::Owner,
};
use tokio::sync::oneshot;

use super::Port;

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Errand {
    /// Method.
    pub method: &'static str,
    /// Request-URI: a `sip:` URI.
    pub uri: String,
    /// The lines that it begins with, inside a dialog (`Dialog::head`): in place of `uri`, `from`, `to` and the Call-ID.
    pub head: Option<Vec<u8>>,
    /// Where it is sent, where that is not the Request-URI.
    pub next_hop: Option<String>,
    /// The URI in From.
    pub from: String,
    /// The URI in To.
    pub to: String,
    /// Call-ID, From tag and CSeq number, where it is one of a series; fresh ones otherwise.
    pub series: Option<(String, String, u32)>,
    /// The user part of Contact; `ringpost` where it is empty.
    pub contact: String,
    /// The host in Contact, where it is not our address.
    pub host: Option<String>,
    /// Further header fields.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// The body.
    pub body: Bytes,
}

/// What came of it.
#[derive(Debug)]
pub struct Reply {
    /// The final status code; 408 where none came, 503 where it could not be sent.
    pub code: u16,
    /// The final response, where one came.
    pub message: Option<Message>,
    /// The request as it was sent, and where to.
    pub sent: Option<(Bytes, SocketAddr)>,
}

/// A request, and who waits for its reply.
#[derive(Debug)]
pub struct Asked {
    /// The request.
    pub errand: Errand,
    /// Gets the reply.
    pub answer: oneshot::Sender<Reply>,
}

/// The errands that wait for an answer.
pub struct Errands(RefCell<Table<Waiting>>);

struct Waiting {
    answer: oneshot::Sender<Reply>,
    sent: Option<(Bytes, SocketAddr)>,
}

impl Errands {
    pub(super) fn new(lane: u8) -> Self {
        Self(RefCell::new(Table::new(lane)))
    }

    pub(super) fn finished(&self, errand: Token, code: u16, message: Option<Message>) {
        if let Some(Waiting { answer, sent }) = self.0.borrow_mut().remove(errand) {
            // Nobody waits any more: nothing to tell.
            let _ = answer.send(Reply { code, message, sent });
        }
    }
}

impl Port {
    /// Sends a request outside any dialog: to the first of those whom its URI leads to, and where that fails to the next
    /// (RFC 3263 §4.3).
    pub fn run(self: Rc<Self>, Asked { errand, answer }: Asked) {
        actix::spawn(async move {
            let hop = errand.next_hop.as_ref().unwrap_or(&errand.uri);
            let places = self.locate(hop.as_bytes()).await;
            let last = places.len().saturating_sub(1);
            let mut reply = Reply { code: 503, message: None, sent: None };
            for (at, peer) in places.into_iter().enumerate() {
                let patience = if at < last { self.next_after() } else { None };
                reply = Rc::clone(&self).send_once(&errand, peer, patience).await;
                if reply.code != 503 && (reply.code != 408 || reply.message.is_some()) {
                    self.place_answered(&peer);
                    break;
                }
                if last > 0 {
                    self.place_failed(&peer, reply.message.as_ref());
                }
                if answer.is_closed() {
                    break;
                }
            }
            // Nobody waits any more: nothing to tell.
            let _ = answer.send(reply);
        });
    }

    async fn send_once(self: Rc<Self>, errand: &Errand, peer: Peer, patience: Option<Duration>) -> Reply {
        let nothing = |code| Reply { code, message: None, sent: None };
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { answer, sent: None };
        let Some(token) = self.errands.0.borrow_mut().insert(self.random(), waiting) else {
            return nothing(503);
        };
        let client = self.ask(peer, Owner::Errand(token), |branch| {
            let bytes = self.written(errand, &peer, (token, branch));
            if let Some(waiting) = self.errands.0.borrow_mut().find_mut(token) {
                waiting.sent = Some((bytes.clone(), peer.address));
            }
            bytes
        });
        let Some(client) = client else {
            self.errands.finished(token, 503, None);
            return nothing(503);
        };
        let Some(patience) = patience else { return answered.await.unwrap_or_else(|_| nothing(503)) };
        match tokio::time::timeout(patience, answered).await {
            Ok(reply) => reply.unwrap_or_else(|_| nothing(503)),
            Err(_) => {
                self.orphan(client, None);
                self.errands.0.borrow_mut().remove(token);
                nothing(408)
            }
        }
    }

    fn written(&self, errand: &Errand, peer: &Peer, (token, branch): (Token, Token)) -> Bytes {
        let Errand { method, uri, head, from, to, series, contact, host, headers, body, .. } = errand;
        let sent_by = &self.listeners[usize::from(peer.listener)].sent_by;
        let mut draft = match head {
            Some(lines) => Draft::begun(lines),
            None => Draft::request(method.as_bytes(), uri.as_bytes()),
        };
        self.via(&mut draft, peer, branch);
        draft.header("Max-Forwards", &[b"70"]);
        let name = token.text();
        let own = [&name[..], b"@", sent_by].concat();
        let (call_id, tag, sequence) = match series {
            Some((call_id, tag, sequence)) => (call_id.as_bytes(), tag.as_bytes(), *sequence),
            None => (&own[..], &name[..], 1),
        };
        if head.is_none() {
            draft.header("From", &[b"<", from.as_bytes(), b">;tag=", tag]);
            draft.header("To", &[b"<", to.as_bytes(), b">"]);
            draft.header("Call-ID", &[call_id]);
        }
        draft.header("CSeq", &[sequence.to_string().as_bytes(), b" ", method.as_bytes()]);
        let user: &[u8] = if contact.is_empty() { b"ringpost" } else { contact.as_bytes() };
        draft.header(
            "Contact",
            &[&ringpost::call::wire::contact(peer.transport, user, sent_by, host.as_deref())],
        );
        for (name, value) in headers {
            draft.header(name, &[value]);
        }
        draft.body(body)
    }
}
