//! The SIP of one dialog with a PBX's gateway: what the machine wants is sent, and what comes is told to the machine.

mod answers;

use std::{rc::Rc, sync::Arc};

use ringpost::{
    call::wire,
    rcc::{self, DISPOSITION, MEDIA_TYPE, Refusal, Request, Response, Unread, client::Client},
    settings::RccGateway,
    sip::{
        Message as SipMessage, Method, Name,
        build::{self, Draft, phrase},
        challenge::Tries,
        dialog::Dialog,
        peer::Peer,
        session_timer::{self, Terms},
        token::Token,
        transaction::Owner,
    },
};

use super::requests::{Asked, is_csta};
use crate::{metrics::METRICS, port::Port};

/// What inside the dialog is understood.
const ALLOW: &[u8] = b"INVITE, ACK, BYE, INFO, UPDATE, OPTIONS";

/// One dialog, or the wish for one.
pub(super) struct Link {
    pub client: Client,
    /// Our tag; zero: it was never opened.
    pub tag: u64,
    /// The user whose line is the only one, where each has a dialog.
    pub user: Option<Arc<str>>,
    /// When the machine wants to be asked again, as the gateway's task has noted it.
    pub wake: u64,
    dialog: Option<(Dialog, Peer)>,
    sent: Option<Sent>,
    /// The next of the gateway's places that is tried.
    place: usize,
    /// The least session that it takes.
    least: u32,
    /// A re-INVITE of the gateway whose ACK has not come yet.
    unheard: Option<Token>,
    /// Events that are not answered yet.
    events: Vec<Event>,
}

/// An event of the gateway, and the tag that it was told under.
pub(super) struct Event(u64, Asked);

impl Event {
    pub fn answer(&self, port: &Rc<Port>) {
        reply(port, self.0, &self.1, (200, &|_| {}, None));
    }
}

/// The request that has no final answer yet.
struct Sent {
    client: Token,
    message: SipMessage,
    peer: Peer,
    tries: Tries,
}

/// Who carries it: the lane, the gateway as the site names it, and the domain.
pub(super) struct Way<'w> {
    pub port: &'w Rc<Port>,
    pub settings: &'w RccGateway,
    pub domain: &'w str,
}

/// A response: its code, further headers, its body.
type Said<'s> = (u16, &'s dyn Fn(&mut Draft), Option<&'s str>);

impl Way<'_> {
    fn random(&self) -> u32 {
        self.port.random()
    }

    fn sent_by(&self, peer: &Peer) -> Arc<[u8]> {
        Arc::from(&self.port.listeners[usize::from(peer.listener)].sent_by[..])
    }

    fn contact(&self, draft: &mut Draft, peer: &Peer) {
        draft.header("Contact", &[&wire::contact(peer.transport, b"rcc", &self.sent_by(peer), None)]);
    }

    /// Whoever had that dialog has no more to do with it.
    pub fn gone(&self, tag: u64, asked: &Asked) {
        reply(self.port, tag, asked, (481, &|_| {}, None));
    }

    fn terms(&self, least: u32) -> Terms {
        Terms { expires: Some(self.settings.session.max(least)), least: session_timer::FLOOR }
    }
}

fn reply(port: &Rc<Port>, tag: u64, Asked { server, request, from }: &Asked, (code, more, body): Said<'_>) {
    let tag = Token(tag).text();
    let mut draft = build::response(request, from.address, code, phrase(code).as_bytes(), &tag);
    more(&mut draft);
    let octets = match body {
        Some(body) => carried(draft, body),
        None => draft.empty(),
    };
    port.respond(*server, code, octets);
}

impl Link {
    pub fn new(client: Client, user: Option<Arc<str>>) -> Self {
        Self {
            client,
            tag: 0,
            user,
            wake: u64::MAX,
            dialog: None,
            sent: None,
            place: 0,
            least: 0,
            unheard: None,
            events: vec![],
        }
    }

    /// The INVITE that asks whether the gateway works, to one of the places that its name leads to.
    pub fn open(&mut self, way: &Way<'_>, places: &[Peer]) {
        let now = way.port.now();
        let Some(peer) = places.get(self.place % places.len().max(1)).copied() else {
            return self.client.failed("its name leads nowhere", None, now, way.random());
        };
        self.place += 1;
        let (uri, text, sent_by) =
            (way.settings.target.as_bytes(), Token(self.tag).text(), way.sent_by(&peer));
        let own = format!("sip:ringpost@{}", way.domain);
        let from =
            way.settings.from.clone().or_else(|| self.user.as_deref().map(str::to_owned)).unwrap_or(own);
        let lines = session_timer::offer(way.terms(self.least));
        let to = uri.split(|octet| *octet == b';').next().unwrap_or(uri);
        let asks = Request::SystemStatus { line: self.client.first_device().map(str::to_owned) };
        let body = rcc::request_body(way.settings.edition, &asks);
        let mut draft = Draft::request(b"INVITE", uri);
        self.send_invite(way, peer, |branch| {
            way.port.via(&mut draft, &peer, branch);
            draft.header("Max-Forwards", &[b"70"]).header("From", &[b"<", from.as_bytes(), b">;tag=", &text]);
            draft.header("To", &[b"<", to, b">"]).header("Call-ID", &[b"rcc-", &text, b"@", &sent_by]);
            draft.header("CSeq", &[b"1 INVITE"]);
            way.contact(&mut draft, &peer);
            draft.header("Allow", &[ALLOW]).header("Supported", &[b"timer"]);
            draft.lines(&lines);
            carried(draft, &body)
        });
    }

    fn send_invite(&mut self, way: &Way<'_>, peer: Peer, build: impl FnOnce(Token) -> bytes::Bytes) {
        let mut octets = None;
        let client = way.port.invite(peer, Owner::Control(Token(self.tag)), |branch| {
            let built = build(branch);
            octets = Some(built.clone());
            built
        });
        self.keep(way, client, octets, peer);
    }

    /// Asks by INFO.
    pub fn ask(&mut self, way: &Way<'_>, asks: &Request) {
        let body = rcc::request_body(way.settings.edition, asks);
        let Some((dialog, peer)) = &mut self.dialog else { return };
        let (peer, mut draft, mut octets) = (*peer, dialog.request(b"INFO"), None);
        let client = way.port.ask(peer, Owner::Control(Token(self.tag)), |branch| {
            way.port.via(&mut draft, &peer, branch);
            way.contact(&mut draft, &peer);
            let built = carried(draft, &body);
            octets = Some(built.clone());
            built
        });
        self.keep(way, client, octets, peer);
    }

    /// Refreshes the session by re-INVITE.
    pub fn refresh(&mut self, way: &Way<'_>) {
        let Some((dialog, peer)) = &mut self.dialog else { return };
        let (peer, mut draft) = (*peer, dialog.request(b"INVITE"));
        let lines = session_timer::offer(way.terms(self.least));
        self.send_invite(way, peer, |branch| {
            way.port.via(&mut draft, &peer, branch);
            way.contact(&mut draft, &peer);
            draft.header("Allow", &[ALLOW]).header("Supported", &[b"timer"]).lines(&lines);
            draft.empty()
        });
    }

    fn keep(&mut self, way: &Way<'_>, client: Option<Token>, octets: Option<bytes::Bytes>, peer: Peer) {
        let message = octets.and_then(|octets| SipMessage::read(octets).ok());
        self.sent = client.zip(message).map(|(client, message)| Sent {
            client,
            message,
            peer,
            tries: Tries::default(),
        });
        if self.sent.is_none() {
            // The lane has no room for another transaction.
            self.refused(way, 408, None);
        }
    }

    /// Ends the dialog by BYE.
    pub fn close(&mut self, way: &Way<'_>) {
        let Some((mut dialog, peer)) = self.dialog.take() else { return };
        let mut draft = dialog.request(b"BYE");
        way.port.ask(peer, Owner::Nobody, |branch| {
            way.port.via(&mut draft, &peer, branch);
            draft.empty()
        });
    }

    /// A request of the gateway inside the dialog.
    pub fn requested(&mut self, way: &Way<'_>, asked: &Asked) {
        let (request, tag) = (&*asked.request, self.tag);
        let reply = |code, more: &dyn Fn(&mut Draft), body: Option<&str>| {
            reply(way.port, tag, asked, (code, more, body))
        };
        let Some((dialog, _)) = self.dialog.as_mut().filter(|(dialog, _)| dialog.owns(request)) else {
            return reply(481, &|_| {}, None);
        };
        if !dialog.in_order(request) {
            return reply(500, &|_| {}, None);
        }
        let allow = |draft: &mut Draft| {
            draft.header("Allow", &[ALLOW]);
        };
        match request.method().unwrap_or(Method::Other) {
            Method::Bye => {
                reply(200, &|_| {}, None);
                self.dialog = None;
                self.client.gone(way.port.now(), way.random());
            }
            Method::Info => {
                let Some((code, body)) = self.informed(way, request) else {
                    return self.events.push(Event(tag, asked.clone()));
                };
                let accept = |draft: &mut Draft| {
                    if code == 415 {
                        draft.header("Accept", &[MEDIA_TYPE.as_bytes()]);
                    }
                };
                reply(code, &accept, body.as_deref());
            }
            method @ (Method::Invite | Method::Update) => {
                dialog.refresh_target(request);
                let agreed = session_timer::answer(request, way.terms(0));
                let more = |draft: &mut Draft| {
                    way.contact(draft, &asked.from);
                    draft.copy(request, Name::RecordRoute).header("Allow", &[ALLOW]);
                    draft.header("Supported", &[b"timer"]);
                    if let Some((_, lines)) = &agreed {
                        draft.lines(lines);
                    }
                };
                reply(200, &more, None);
                if method == Method::Invite {
                    way.port.adopt(asked.server, Owner::Control(Token(tag)));
                    self.unheard = Some(asked.server);
                }
                self.client.prolonged(agreed.as_ref().map(|(session, _)| *session), way.port.now());
            }
            Method::Options => reply(200, &allow, None),
            _ => reply(405, &allow, None),
        }
    }

    /// What an INFO of the gateway is answered with: some ask whether we work. `None`: it is an event, as a rule, and answered
    /// when what it leads to is done.
    fn informed(&mut self, way: &Way<'_>, request: &SipMessage) -> Option<(u16, Option<String>)> {
        if !request.has_body() {
            return Some((200, None));
        }
        if !is_csta(request) {
            return Some((415, None));
        }
        METRICS.rcc_gateway_events_total.one();
        Some(match rcc::event(&request.body()) {
            Ok(event) => {
                event.iter().for_each(|event| self.client.event(event, way.port.now()));
                return None;
            }
            Err(Unread::Xml(_) | Unread::Foreign) => (400, None),
            Err(Unread::Missing(_)) => match rcc::request(&request.body()) {
                Ok((edition, Request::SystemStatus { .. })) => {
                    (200, Some(rcc::response_body(edition, &Response::SystemStatus { normal: true })))
                }
                Ok((edition, _)) => (200, Some(rcc::error_body(edition, Refusal::NotSupported))),
                Err(_) => (200, None),
            },
        })
    }

    /// The events that have not been answered.
    pub fn unanswered(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The ACK of a re-INVITE has come.
    pub fn acknowledged(&mut self, port: &Port) {
        if let Some(server) = self.unheard.take() {
            port.acknowledged(server);
        }
    }

    /// Nothing of the dialog counts any more; what it is answered yet is put in order without us.
    pub fn forget(&mut self, port: &Port) {
        self.sent.iter().for_each(|sent| port.orphan(sent.client, None));
        (self.dialog, self.sent, self.unheard) = (None, None, None);
    }
}

fn carried(mut draft: Draft, body: &str) -> bytes::Bytes {
    draft.header("Content-Type", &[MEDIA_TYPE.as_bytes()]);
    draft.header("Content-Disposition", &[DISPOSITION.as_bytes()]);
    draft.body(body.as_bytes())
}
