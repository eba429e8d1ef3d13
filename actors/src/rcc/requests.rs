//! What clients send: the INVITE that opens a dialog, and what comes inside it (TR/87 §6).

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use ringpost::{
    call::wire,
    directory::Origin,
    rcc::{DISPOSITION, Edition, MEDIA_TYPE, Refusal, Request, Unread, error_body, request},
    sip::{
        Message as SipMessage, Method, Name,
        build::{self, phrase},
        dialog::Dialog,
        peer::Peer,
        session_timer::{self, Terms},
        text::trim,
        token::Token,
        transaction::Owner,
    },
};

use super::dialogs::{Control, Dialogs, Who};
use crate::{metrics::METRICS, presence::way, switch::Switch};

/// What inside a dialog is understood.
const ALLOW: &[u8] = b"INVITE, ACK, BYE, INFO, UPDATE, OPTIONS";

/// Whether a request brings CSTA.
pub fn is_csta(request: &SipMessage) -> bool {
    let Some(kind) = request.first(Name::ContentType).filter(|_| request.has_body()) else { return false };
    let kind = trim(kind.split(|octet| *octet == b';').next().unwrap_or(b""));
    kind.eq_ignore_ascii_case(MEDIA_TYPE.as_bytes())
}

/// A request that waits for its answer.
#[derive(Clone)]
pub(super) struct Asked {
    pub server: Token,
    pub request: Rc<SipMessage>,
    pub from: Peer,
}

impl Dialogs {
    /// An INVITE opens a dialog; `origin` is who sent it.
    pub fn begin(&self, switch: &Switch, (server, invite, from): (Token, SipMessage, Peer), origin: &Origin) {
        METRICS.rcc_requests_total.one();
        let asked = Asked { server, request: Rc::new(invite), from };
        if let Err(code) = self.opens(switch, &asked, origin) {
            METRICS.rcc_refused_total.one();
            let mut draft =
                build::response(&asked.request, from.address, code, phrase(code).as_bytes(), &server.text());
            if code == 503 {
                draft.header("Retry-After", &[b"30"]);
            }
            self.port.respond(server, code, draft.empty());
        }
    }

    fn opens(&self, switch: &Switch, asked: &Asked, origin: &Origin) -> Result<(), u16> {
        let (edition, first) = request(&asked.request.body()).map_err(|_| 400u16)?;
        let directory = self.rcc.directory.load_full();
        let settings = &directory.site.rcc;
        let who = Who::of(&directory, &asked.request, origin);
        if let (Request::SystemStatus { line: Some(line) }, Who::User(_)) = (&first, &who) {
            self.line(&directory, &who, line).map_err(|_| 403u16)?;
        }
        // A trunk that controls nobody has nothing to ask.
        let each = match &who {
            Who::User(_) => settings.per_user,
            Who::Trunk(name) if settings.is_trusted(name) => usize::MAX,
            Who::Trunk(_) => return Err(403),
        };
        let tag = self.fresh_tag();
        let dialog = Dialog::uas(&asked.request, &Token(tag).text()).ok_or(400u16)?;
        let terms = Terms { expires: Some(settings.session), ..directory.site.sip.session };
        let (session, _) = session_timer::answer(&asked.request, terms).ok_or(500u16)?;
        if !self.rcc.takes_place(who.name(), settings.most, each) {
            return Err(503);
        }
        let one = Control {
            dialog,
            peer: way(&self.port, &asked.request, asked.from),
            who,
            edition,
            session,
            ends: u64::MAX,
            refresh: u64::MAX,
            armed: u64::MAX,
            unheard: Some(asked.server),
            monitors: vec![],
            count: 0,
            queue: VecDeque::new(),
            asking: false,
        };
        self.all.borrow_mut().insert(tag, Rc::new(RefCell::new(one)));
        self.port.adopt(asked.server, Owner::Control(Token(tag)));
        self.keep_session(tag);
        self.serve(switch, tag, (edition, first), asked.clone());
        Ok(())
    }

    /// A request inside a dialog.
    pub fn inside(&self, switch: &Switch, server: Token, message: SipMessage, from: Peer) {
        let Some((tag, found)) = self.find(&message) else { return };
        let asked = Asked { server, request: Rc::new(message), from };
        if !found.borrow_mut().dialog.in_order(&asked.request) {
            return self.reply(tag, &asked, 500, None);
        }
        let terms = self.rcc.directory.load().site.sip.session;
        match asked.request.method().unwrap_or(Method::Other) {
            Method::Bye => {
                self.reply(tag, &asked, 200, None);
                self.remove(tag);
            }
            Method::Invite | Method::Update if session_timer::is_too_short(&asked.request, terms) => {
                self.reply(tag, &asked, 422, None);
            }
            Method::Invite | Method::Update => self.renews(switch, tag, &found, asked),
            Method::Info => self.informed(switch, tag, &found, asked),
            Method::Options => self.reply(tag, &asked, 200, None),
            _ => self.reply(tag, &asked, 405, None),
        }
    }

    /// A refresh: the session lasts for longer; what it asks besides is served.
    fn renews(&self, switch: &Switch, tag: u64, found: &Rc<RefCell<Control>>, asked: Asked) {
        let directory = self.rcc.directory.load();
        let terms = Terms { expires: Some(directory.site.rcc.session), ..directory.site.sip.session };
        if asked.request.has_body() && !is_csta(&asked.request) {
            return self.reply(tag, &asked, 415, None);
        }
        {
            let mut one = found.borrow_mut();
            one.dialog.refresh_target(&asked.request);
            one.peer = way(&self.port, &asked.request, asked.from);
            if let Some((session, _)) = session_timer::answer(&asked.request, terms) {
                one.session = session;
            }
        }
        if asked.request.method() == Some(Method::Invite) {
            self.port.adopt(asked.server, Owner::Control(Token(tag)));
            found.borrow_mut().unheard = Some(asked.server);
        }
        self.keep_session(tag);
        match asked.request.has_body() {
            true => self.informed(switch, tag, found, asked),
            false => self.reply(tag, &asked, 200, None),
        }
    }

    fn informed(&self, switch: &Switch, tag: u64, found: &Rc<RefCell<Control>>, asked: Asked) {
        METRICS.rcc_requests_total.one();
        // It only asks whether the dialog is there (RFC 2976 §2.2).
        if !asked.request.has_body() {
            return self.reply(tag, &asked, 200, None);
        }
        if !is_csta(&asked.request) {
            return self.reply(tag, &asked, 415, None);
        }
        match request(&asked.request.body()) {
            Ok(wanted) => self.serve(switch, tag, wanted, asked),
            // It is CSTA, and lacks something: the error is CSTA's.
            Err(Unread::Missing(_)) => {
                let edition = found.borrow().edition;
                self.reply(tag, &asked, 200, Some(&error_body(edition, Refusal::Incomplete)));
            }
            Err(Unread::Xml(_) | Unread::Foreign) => self.reply(tag, &asked, 400, None),
        }
    }

    /// Serves a request, now or when it is done, and answers it.
    fn serve(&self, switch: &Switch, tag: u64, wanted: (Edition, Request), asked: Asked) {
        if let Some(found) = self.get(tag) {
            found.borrow_mut().edition = wanted.0;
        }
        if let Some(body) = self.does(switch, tag, wanted, &asked) {
            self.reply(tag, &asked, 200, Some(&body));
        }
    }

    /// Answers a request inside a dialog, or the one that opens it.
    pub(super) fn reply(&self, tag: u64, asked: &Asked, code: u16, body: Option<&str>) {
        let Asked { server, request, from } = asked;
        let text = Token(tag).text();
        let mut draft = build::response(request, from.address, code, phrase(code).as_bytes(), &text);
        let directory = self.rcc.directory.load();
        match code {
            200..300 => {
                let sent_by = &self.port.listeners[usize::from(from.listener)].sent_by;
                draft.header("Contact", &[&wire::contact(from.transport, b"rcc", sent_by, None)]);
                let terms = Terms { expires: Some(directory.site.rcc.session), ..directory.site.sip.session };
                if matches!(request.method(), Some(Method::Invite | Method::Update)) {
                    draft.copy(request, Name::RecordRoute);
                    draft.header("Allow", &[ALLOW]).header("Supported", &[b"timer"]);
                    if let Some((_, lines)) = session_timer::answer(request, terms) {
                        draft.lines(&lines);
                    }
                }
            }
            405 => drop(draft.header("Allow", &[ALLOW])),
            415 => drop(draft.header("Accept", &[MEDIA_TYPE.as_bytes()])),
            422 => drop(draft.header("Min-SE", &[directory.site.sip.session.least.to_string().as_bytes()])),
            _ => {}
        }
        let bytes = match body {
            Some(body) => {
                draft.header("Content-Type", &[MEDIA_TYPE.as_bytes()]);
                draft.header("Content-Disposition", &[DISPOSITION.as_bytes()]);
                draft.body(body.as_bytes())
            }
            None => draft.empty(),
        };
        self.port.respond(*server, code, bytes);
    }
}
