//! Requests outside any dialog, sent for somebody on another thread: the missed-call INFO.

use std::{cell::RefCell, rc::Rc};

use ringpost::sip::{
    build::Draft,
    token::{Table, Token},
    transaction::Owner,
};
use tokio::sync::oneshot;

use super::Port;

/// One request and who waits for its final status code.
#[derive(Debug)]
pub struct Errand {
    /// Method.
    pub method: &'static str,
    /// Request-URI: a `sip:` URI.
    pub uri: String,
    /// The URI in From.
    pub from: String,
    /// The URI in To.
    pub to: String,
    /// Content-Type.
    pub content_type: &'static str,
    /// The body.
    pub body: bytes::Bytes,
    /// Gets the final status code; 408 where none came, 503 where it could not be sent.
    pub answer: oneshot::Sender<u16>,
}

/// The errands that wait for an answer.
pub struct Errands(RefCell<Table<oneshot::Sender<u16>>>);

impl Errands {
    pub(super) fn new(lane: u8) -> Self {
        Self(RefCell::new(Table::new(lane)))
    }

    pub(super) fn finished(&self, errand: Token, code: u16) {
        if let Some(waiting) = self.0.borrow_mut().remove(errand) {
            // Nobody waits any more: nothing to tell.
            let _ = waiting.send(code);
        }
    }
}

impl Port {
    /// Sends a request outside any dialog; a host name is looked up first.
    pub fn run(self: Rc<Self>, errand: Errand) {
        actix::spawn(async move {
            let Some(peer) = self.resolve(errand.uri.as_bytes()).await else {
                let _ = errand.answer.send(503);
                return;
            };
            let Errand { method, uri, from, to, content_type, body, answer } = errand;
            let Some(token) = self.errands.0.borrow_mut().insert(self.random(), answer) else { return };
            let sent = self.ask(peer, Owner::Errand(token), |branch| {
                let mut draft = Draft::request(method.as_bytes(), uri.as_bytes());
                self.via(&mut draft, &peer, branch);
                let sent_by = &self.listeners[usize::from(peer.listener)].sent_by;
                draft.header("Max-Forwards", &[b"70"]);
                draft.header("From", &[b"<", from.as_bytes(), b">;tag=", &token.text()]);
                draft.header("To", &[b"<", to.as_bytes(), b">"]);
                draft.header("Call-ID", &[&token.text(), b"@", sent_by]);
                draft.header("CSeq", &[b"1 ", method.as_bytes()]);
                draft.header("Contact", &[b"<sip:ringpost@", sent_by, b">"]);
                draft.header("Content-Type", &[content_type.as_bytes()]);
                draft.body(&body)
            });
            if sent.is_none() {
                self.errands.finished(token, 503);
            }
        });
    }

    /// The peer that a `sip:` URI names; a host name is looked up (addresses only).
    pub async fn resolve(&self, uri: &[u8]) -> Option<ringpost::sip::peer::Peer> {
        if let Some(peer) = self.peer(uri) {
            return Some(peer);
        }
        let uri = ringpost::sip::uri::Uri::read(uri).filter(|uri| uri.is_sip())?;
        let host = std::str::from_utf8(uri.host).ok()?.to_owned();
        let tcp = uri.param("transport").is_some_and(|t| t.eq_ignore_ascii_case(b"tcp"));
        let transport = tcp.then_some(ringpost::settings::Transport::Tcp);
        let found = tokio::net::lookup_host((host, uri.port.unwrap_or(5060))).await;
        found.ok()?.find_map(|address| self.reach(address, transport))
    }
}
