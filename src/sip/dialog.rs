//! A dialog: what both ends agreed on, and the requests inside it (RFC 3261 §12).

use super::{
    build::Draft,
    message::Message,
    name::Name,
    replaces::Replaces,
    text::param,
    uri::{NameAddr, Uri},
};

/// One confirmed dialog of ours.
#[derive(Clone, Debug)]
pub struct Dialog {
    call_id: Box<[u8]>,
    /// Our own From or To value, tag included.
    local: Box<[u8]>,
    remote: Box<[u8]>,
    /// The remote target: the peer's Contact.
    target: Box<[u8]>,
    /// The route set, first hop first, as `name-addr`s.
    routes: Vec<Box<[u8]>>,
    local_seq: u32,
    remote_seq: Option<u32>,
}

impl Dialog {
    /// The dialog that a 2xx to our own request made (§12.1.2); a To without a tag and a 2xx without a Contact, as RFC 2543
    /// knew them, are put up with. `None` where the 2xx has no readable To.
    pub fn uac(request: &Message, response: &Message) -> Option<Self> {
        response.to()?;
        let mut routes: Vec<Box<[u8]>> = response.list(Name::RecordRoute).map(Box::from).collect();
        routes.reverse();
        Some(Self {
            call_id: request.call_id().into(),
            local: request.first(Name::From)?.into(),
            remote: response.first(Name::To)?.into(),
            target: target(response).unwrap_or(request.uri()).into(),
            routes,
            local_seq: request.cseq()?.0,
            remote_seq: None,
        })
    }

    /// The dialog that our 2xx with `tag` makes of the peer's request (§12.1.1). A request without a Contact, as
    /// RFC 2543 knew it, is called back at its From. `None` where nothing tells whom to call back.
    pub fn uas(request: &Message, tag: &[u8]) -> Option<Self> {
        let local = match request.to()?.tag() {
            Some(_) => request.first(Name::To)?.into(),
            None => [request.first(Name::To)?, b";tag=", tag].concat().into_boxed_slice(),
        };
        Some(Self {
            call_id: request.call_id().into(),
            local,
            remote: request.first(Name::From)?.into(),
            target: caller_target(request)?.into(),
            routes: request.list(Name::RecordRoute).map(Box::from).collect(),
            local_seq: 0,
            remote_seq: Some(request.cseq()?.0),
        })
    }

    /// Starts a request inside the dialog: request line, Route, From, To, Call-ID, CSeq and Max-Forwards; Via and what
    /// follows are the caller's. It gets the next CSeq number (§12.2.1.1); the ACK for a
    /// 2xx has [`Dialog::ack`].
    pub fn request(&mut self, method: &[u8]) -> Draft {
        self.local_seq = self.local_seq.wrapping_add(1);
        self.draft(method, self.local_seq)
    }

    /// Starts the ACK for a 2xx to the request with that CSeq number (§13.2.2.4).
    pub fn ack(&self, sequence: u32) -> Draft {
        self.draft(b"ACK", sequence)
    }

    fn draft(&self, method: &[u8], sequence: u32) -> Draft {
        let mut draft = self.head(method);
        draft
            .header("CSeq", &[sequence.to_string().as_bytes(), b" ", method])
            .header("Max-Forwards", &[b"70"]);
        draft
    }

    /// What all requests of that method inside the dialog begin with: [`Dialog::request`] without CSeq and Max-Forwards.
    pub fn head(&self, method: &[u8]) -> Draft {
        let strict = self.routes.first().and_then(|first| strict_hop(first));
        let mut draft = Draft::request(method, strict.unwrap_or(&self.target));
        // §12.2.1.1: a strict router gets its own URI as Request-URI, and the target at the end of the route.
        let skip = usize::from(strict.is_some());
        for route in self.routes.iter().skip(skip) {
            draft.header("Route", &[route]);
        }
        if strict.is_some() {
            draft.header("Route", &[b"<", &self.target, b">"]);
        }
        draft
            .header("From", &[&self.local])
            .header("To", &[&self.remote])
            .header("Call-ID", &[&self.call_id]);
        draft
    }

    /// The URI that a request inside the dialog is sent to: the first route, else the target.
    pub fn next_hop(&self) -> &[u8] {
        self.routes.first().and_then(|r| NameAddr::read(r)).map_or(&self.target, |route| route.uri)
    }

    /// Whether a request belongs to this dialog (§12.2.2). A To tag of ours is taken for granted.
    pub fn owns(&self, request: &Message) -> bool {
        let remote = NameAddr::read(&self.remote).and_then(|remote| remote.tag());
        request.call_id() == &*self.call_id && request.from().and_then(|from| from.tag()) == remote
    }

    /// Takes the CSeq number of a request; false where it is older than one that came before: 500 (§12.2.2).
    pub fn in_order(&mut self, request: &Message) -> bool {
        let Some((sequence, _)) = request.cseq() else { return false };
        let fresh = self.remote_seq.is_none_or(|last| sequence > last);
        if fresh {
            self.remote_seq = Some(sequence);
        }
        fresh
    }

    /// Takes the new Contact of a re-INVITE or UPDATE or of its 2xx (§12.2).
    pub fn refresh_target(&mut self, message: &Message) {
        if let Some(contact) = target(message) {
            self.target = contact.into();
        }
    }

    /// The remote target (§12): where the peer itself is called.
    pub fn target(&self) -> &[u8] {
        &self.target
    }

    /// Whether a Replaces of the peer names this dialog: its far end is we (RFC 3891 §3).
    pub fn is_named(&self, replaces: &Replaces) -> bool {
        let tag = |address| NameAddr::read(address).and_then(|address| address.tag());
        *self.call_id == *replaces.call_id
            && replaces.has_tags(tag(&self.local).unwrap_or(b""), tag(&self.remote))
    }

    /// Whether a response to our own request belongs to this dialog: a device may fork behind its address.
    pub fn is_with(&self, response: &Message) -> bool {
        let remote = NameAddr::read(&self.remote).and_then(|remote| remote.tag());
        response.to().and_then(|to| to.tag()) == remote
    }

    /// Goes on with the CSeq numbers of the early dialog that this one was.
    pub fn count_on(&mut self, early: &Self) {
        self.local_seq = self.local_seq.max(early.local_seq);
    }

    /// Our latest request had at least that CSeq number.
    pub fn count_from(&mut self, sequence: u32) {
        self.local_seq = self.local_seq.max(sequence);
    }

    /// The CSeq number of our latest request.
    pub fn local_seq(&self) -> u32 {
        self.local_seq
    }
}

/// The Contact, where it can stand in a request line: `*`, and white space that was folded into it, cannot.
fn target(message: &Message) -> Option<&[u8]> {
    message.contact().and_then(callable)
}

fn callable(uri: &[u8]) -> Option<&[u8]> {
    Some(uri).filter(|uri| Uri::read(uri).is_some())
}

/// Where the peer that sent `request` can be called back; `None` where its Contact cannot stand in a request line.
pub fn caller_target(request: &Message) -> Option<&[u8]> {
    match request.count(Name::Contact) {
        0 => callable(request.from()?.uri),
        _ => target(request),
    }
}

/// The URI of a route that is no loose router.
fn strict_hop(route: &[u8]) -> Option<&[u8]> {
    let uri = NameAddr::read(route)?.uri;
    let params = Uri::read(uri)?.params;
    param(params, "lr").is_none().then_some(uri)
}
