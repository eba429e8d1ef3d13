//! Reads a REGISTER.

use std::net::IpAddr;

use super::{Binding, Flow, Refused, binding::same_uri};
use crate::sip::{
    Message, Name,
    build::literal,
    peer::Peer,
    text::{number, param, split_commas},
    uri::{NameAddr, Uri},
};

/// Contacts in one REGISTER at most: an honest one has one or two.
const MOST: usize = 32;
/// Octets of a Contact or Path at most: they are kept for hours.
const LONGEST: usize = 1_024;

/// What a REGISTER asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// `Contact: *`: forget all.
    pub star: bool,
    /// The Contacts; none and no star: the sender only wants to know.
    pub contacts: Vec<Wanted>,
    /// Whether it wants GRUUs (RFC 5627).
    pub gruu: bool,
    path: String,
    call_id: String,
    cseq: u32,
    /// Whether a trunk sent it: see [`Binding::trusted`].
    pub trusted: bool,
    /// Whether the flow it came by is the way back, and whether it is the only one.
    flow: Option<bool>,
}

/// One Contact.
#[derive(Clone, Debug)]
pub struct Wanted {
    uri: String,
    /// Seconds; `None`: the default.
    pub expires: Option<u32>,
    q: u16,
    instance: Option<String>,
    reg_id: u32,
}

impl Wish {
    /// Reads a REGISTER that came from `from`.
    ///
    /// # Errors
    /// How to refuse it.
    pub fn read(request: &Message, from: &Peer) -> Result<Self, Refused> {
        let general = request.first(Name::Expires).and_then(number);
        let supports = |tag: &str| {
            let tags = request.list(Name::Supported).chain(request.list(Name::Require));
            tags.into_iter().any(|one| one.eq_ignore_ascii_case(tag.as_bytes()))
        };
        let outbound = supports("outbound");
        let star = request.list(Name::Contact).any(|contact| contact == b"*");
        let count = request.list(Name::Contact).count();
        if star && (count > 1 || general != Some(0)) {
            return Err(Refused::Bad("Bad Contact: *"));
        }
        if count > MOST {
            return Err(Refused::Bad("Too Many Contacts"));
        }
        let contacts: Result<Vec<Wanted>, Refused> = match star {
            true => Ok(vec![]),
            false => request.list(Name::Contact).map(|c| Wanted::read(c, general, outbound)).collect(),
        };
        let contacts = contacts?;
        let path = path(request)?;
        let flows = contacts.iter().filter(|wanted| wanted.reg_id > 0).count();
        if flows > 1 {
            // RFC 5626 §6: one flow, one binding.
            return Err(Refused::Bad("More Than One reg-id"));
        }
        if flows > 0 && !keeps_flow(request, &path) {
            return Err(Refused::NoOutbound);
        }
        let call_id = text(request.call_id(), "Bad Call-ID")?;
        let cseq = request.cseq().map_or(0, |cseq| cseq.0);
        let flow = way_back(request, from, &path, &contacts);
        Ok(Self { star, contacts, gruu: supports("gruu"), path, call_id, cseq, flow, trusted: false })
    }

    /// Where calls would go: the URI of each Contact, and of each hop of the Path.
    pub fn leads_to(&self) -> impl Iterator<Item = &[u8]> {
        let hops = split_commas(self.path.as_bytes()).filter_map(|hop| Some(NameAddr::read(hop)?.uri));
        self.contacts.iter().map(|wanted| wanted.uri.as_bytes()).chain(hops)
    }

    /// Whether a binding was made by a later request than this one (RFC 3261 §10.3 steps 6 and 7).
    pub(super) fn is_overtaken(&self, binding: &Binding) -> bool {
        binding.call_id == self.call_id && binding.cseq >= self.cseq
    }

    /// Whether this request has made that binding.
    pub(super) fn made(&self, binding: &Binding) -> bool {
        binding.call_id == self.call_id && binding.cseq == self.cseq
    }

    pub(super) fn binding(&self, wanted: &Wanted, from: &Peer, expires: u64) -> Binding {
        let only = |only| only || wanted.reg_id > 0;
        Binding {
            uri: wanted.uri.clone(),
            path: self.path.clone(),
            instance: wanted.instance.clone(),
            reg_id: wanted.reg_id,
            q: wanted.q,
            call_id: self.call_id.clone(),
            cseq: self.cseq,
            expires,
            flow: self.flow.map(|way| Flow { peer: *from, only: only(way) }),
            trusted: self.trusted,
        }
    }
}

impl Wanted {
    fn read(contact: &[u8], general: Option<u32>, outbound: bool) -> Result<Self, Refused> {
        const BAD: &str = "Bad Contact";
        let contact = NameAddr::read(contact).ok_or(Refused::Bad(BAD))?;
        let uri = Uri::read(contact.uri).filter(Uri::is_sip).ok_or(Refused::Bad(BAD))?;
        if !uri.headers.is_empty() {
            return Err(Refused::Bad(BAD));
        }
        let instance = param(contact.params, "+sip.instance").map(|value| {
            let inside = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
            inside.strip_prefix(b"<").and_then(|v| v.strip_suffix(b">")).unwrap_or(inside)
        });
        let instance = instance.filter(|instance| !instance.is_empty());
        let legal = |instance: &[u8]| !instance.iter().any(|o| matches!(o, b'"' | b'<' | b'>' | b'\\'));
        if instance.is_some_and(|instance| !legal(instance)) {
            return Err(Refused::Bad("Bad Instance"));
        }
        let reg_id = param(contact.params, "reg-id").and_then(number).unwrap_or(0);
        Ok(Self {
            uri: text(contact.uri, BAD)?,
            expires: param(contact.params, "expires").and_then(number).or(general),
            q: param(contact.params, "q").map_or(1_000, thousandths),
            // RFC 5626 §6: reg-id means something only beside an instance, to those who both speak it.
            reg_id: if outbound && instance.is_some() { reg_id } else { 0 },
            instance: instance.map(|instance| text(instance, "Bad Instance")).transpose()?,
        })
    }

    /// Whether it takes the place of that binding: the same flow of the same device, or the same URI.
    pub(super) fn is_of(&self, binding: &Binding) -> bool {
        if self.reg_id > 0 {
            return self.reg_id == binding.reg_id && self.instance == binding.instance;
        }
        binding.reg_id == 0 && same_uri(&self.uri, &binding.uri)
    }
}

/// `0.75` in thousandths; what cannot be read counts as 1.
fn thousandths(written: &[u8]) -> u16 {
    let text = std::str::from_utf8(written).ok();
    let q = text.and_then(|text| text.parse::<f32>().ok()).filter(|q| (0.0..=1.0).contains(q));
    q.map_or(1_000, |q| (q * 1_000.0) as u16)
}

/// Text that is kept, written out again and stored.
fn text(octets: &[u8], phrase: &'static str) -> Result<String, Refused> {
    let text = std::str::from_utf8(octets).ok().filter(|text| text.len() <= LONGEST);
    text.filter(|text| !text.chars().any(char::is_control)).map(str::to_owned).ok_or(Refused::Bad(phrase))
}

/// The Path as a list for Route, each URI a loose router.
fn path(request: &Message) -> Result<String, Refused> {
    let mut route = String::new();
    for hop in request.list(Name::Path) {
        let uri = NameAddr::read(hop).and_then(|hop| Uri::read(hop.uri)).filter(Uri::is_sip);
        if uri.is_none_or(|uri| uri.param("lr").is_none()) {
            return Err(Refused::Bad("Bad Path"));
        }
        if !route.is_empty() {
            route.push_str(", ");
        }
        route.push_str(&text(hop, "Bad Path")?);
    }
    if route.len() > LONGEST { Err(Refused::Bad("Path Too Long")) } else { Ok(route) }
}

/// RFC 5626 §6: the flow is kept where the device is our neighbour, or the first proxy says `ob`.
fn keeps_flow(request: &Message, path: &str) -> bool {
    if path.is_empty() {
        return request.list(Name::Via).count() == 1;
    }
    let first = request.list(Name::Path).last().and_then(NameAddr::read);
    first.and_then(|first| Uri::read(first.uri)).is_some_and(|uri| uri.param("ob").is_some())
}

/// `Some(only)` where calls go back the way that the REGISTER came: on its connection, or to its source where that is
/// not what Via says, so that a NAT stands between.
fn way_back(request: &Message, from: &Peer, path: &str, contacts: &[Wanted]) -> Option<bool> {
    if !path.is_empty() {
        return None;
    }
    let uris = || contacts.iter().filter_map(|wanted| Uri::read(wanted.uri.as_bytes()));
    let ip = |host: &[u8]| literal(host, None).map(|address| address.ip().to_canonical());
    let source: IpAddr = from.address.ip().to_canonical();
    let mapped = request.list(Name::Via).count() == 1
        && request.via().is_some_and(|via| ip(via.host) != Some(source))
        && uris().all(|uri| ip(uri.host) != Some(source));
    let unreachable = |uri: Uri<'_>| uri.host.to_ascii_lowercase().ends_with(b".invalid");
    let behind = mapped || uris().any(unreachable);
    let outbound = contacts.iter().any(|wanted| wanted.reg_id > 0);
    (from.is_reliable() || behind || outbound).then_some(behind)
}
