//! SIP to events and back: who is called, who calls, and the messages of a call's legs.

mod caller;
mod diverted;
mod history;

use std::net::SocketAddr;

use bytes::Bytes;

use super::{Event, Leg, Why};
use crate::{
    directory::Rebuilt,
    settings::Transport,
    sip::{
        Message, Name,
        build::{Draft, phrase, response},
        message::Field,
        outside::Outside,
        relay::{ALLOW, Passport, SUPPORTED, SUPPORTED_WITHOUT_OFFER, copy_crossing, crosses},
        text::number,
        token::{MAGIC, Token},
        uri::{NameAddr, Uri},
    },
};

pub use caller::{asserted, caller, caller_named, is_anonymous, strip_visual};
pub use diverted::Diverted;
pub use history::{HISTORY, History};

/// The Reason of a leg that lost to another (PROTOCOLS §6).
pub const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// The media type of the reports that Ringpost's own UM sends inside its dialog.
pub const UM_REPORT: &[u8] = b"application/x-ringpost-um-report";

impl Why {
    /// The value of the Reason header on CANCEL and BYE.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Elsewhere => Some(ELSEWHERE),
            Self::Over => None,
        }
    }
}

/// The event in a response to the INVITE of `leg`; `None` for 100.
pub fn event(leg: Leg, code: u16) -> Option<Event> {
    match code {
        ..=100 => None,
        101..200 => Some(Event::Rang(leg)),
        200..300 => Some(Event::Answered(leg)),
        300.. => Some(Event::Refused(leg, code)),
    }
}

/// The user part that a Request-URI dials, without its own parameters but an extension; `None` where there is none.
pub fn dialled(invite: &Message) -> Option<String> {
    let uri = Uri::read(invite.uri())?;
    uri.number().filter(|number| !number.is_empty()).map(std::borrow::Cow::into_owned)
}

/// Hops that are left; 70 where the field is missing (RFC 3261 §16.3).
pub fn max_forwards(message: &Message) -> u32 {
    message.first(Name::MaxForwards).and_then(number).unwrap_or(70)
}

/// How many branches a request may still have, where it says so (RFC 5393 §5.3.3).
pub fn max_breadth(message: &Message) -> Option<u32> {
    let mut others = message.fields().filter(|field| field.name == Name::Other);
    let field = others.find(|field| message.written_name(field).eq_ignore_ascii_case(b"max-breadth"))?;
    number(message.value(field))
}

/// Where one of our legs stands.
#[derive(Clone, Copy, Debug)]
pub struct Stand<'a> {
    /// Its transport.
    pub transport: Transport,
    /// `host:port` for Via and Contact.
    pub sent_by: &'a [u8],
    /// Its name: the tag, the Call-ID and the user part of Contact.
    pub token: Token,
    /// What stands in Contact in place of our address, where the peer wants a name.
    pub host: Option<&'a str>,
    /// What stands in User-Agent and Server in place of what the other side says of itself.
    pub product: Option<&'a [u8]>,
}

impl Stand<'_> {
    /// The value of Contact.
    pub fn contact(&self) -> Vec<u8> {
        contact(self.transport, &self.token.text(), self.sent_by, self.host)
    }
}

/// The value of a Contact of ours; `host` stands in place of our address where the peer wants a name.
pub fn contact(transport: Transport, user: &[u8], sent_by: &[u8], host: Option<&str>) -> Vec<u8> {
    let transport: &[u8] = match transport {
        Transport::Udp => b"",
        Transport::Tcp => b";transport=tcp",
        Transport::Tls => b";transport=tls",
        // RFC 7118 §5: `wss` is no value of the parameter.
        Transport::Ws | Transport::Wss => b";transport=ws",
    };
    // Behind a name the port stays: the name leads to our address, not to our port.
    let at = memchr::memrchr(b':', sent_by).unwrap_or(sent_by.len());
    let (host, port) = host.map_or((sent_by, &b""[..]), |host| (host.as_bytes(), &sent_by[at..]));
    [b"<sip:", user, b"@", host, port, transport, b">"].concat()
}

/// What is particular about the INVITE of one leg.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The Request-URI.
    pub uri: &'a [u8],
    /// The value of Route; empty: none.
    pub route: &'a [u8],
    /// Where it is sent from.
    pub stand: Stand<'a>,
    /// What of the caller's INVITE crosses.
    pub passport: Passport,
    /// The mark that tells a loop.
    pub mark: &'a [u8],
    /// The value of the one Diversion towards UM.
    pub diversion: Option<&'a [u8]>,
    /// What Ringpost's own UM is told besides: see [`History`].
    pub history: Option<&'a [u8]>,
    /// An SDP offer instead of the caller's body.
    pub offer: Option<&'a [u8]>,
    /// Without an offer: whether that of the device may come in a reliable 18x.
    pub relays_offer: bool,
    /// Further lines of ours.
    pub own: &'a [u8],
    /// Towards a trunk: the headers that it reads, in place of the caller's.
    pub outside: Option<&'a Outside>,
    /// Towards anybody else: identities in place of those of lines behind a main number.
    pub rebuilt: Option<&'a Rebuilt>,
}

/// The INVITE of one of our legs, made of the caller's.
pub fn invite(original: &Message, outgoing: &Outgoing<'_>, branch: Token) -> Bytes {
    let stand = &outgoing.stand;
    let tag = stand.token.text();
    let mut draft = Draft::request(b"INVITE", outgoing.uri);
    if !outgoing.route.is_empty() {
        draft.header("Route", &[outgoing.route]);
    }
    draft.via(stand.transport, stand.sent_by, &[MAGIC, &branch.text()]);
    let hops = max_forwards(original).saturating_sub(1).to_string();
    draft.header("Max-Forwards", &[hops.as_bytes()]);
    let own = |name| without_tag(original.first(name).unwrap_or(b""));
    let rebuilt_from = outgoing.rebuilt.and_then(|rebuilt| rebuilt.from.as_deref());
    let rebuilt_to = outgoing.rebuilt.and_then(|rebuilt| rebuilt.to.as_deref());
    let ([before, after], to) = match outgoing.outside {
        Some(outside) => ([&outside.from[..], b""], [&outside.to[..], b""]),
        None => (
            rebuilt_from.map_or_else(|| own(Name::From), |from| [from, b""]),
            rebuilt_to.map_or_else(|| own(Name::To), |to| [to, b""]),
        ),
    };
    draft.header("From", &[before, after, b";tag=", &tag]).header("To", &to);
    draft.header("Call-ID", &[&tag, b"@", stand.sent_by]);
    draft.header("CSeq", &[b"1 INVITE"]).header("Contact", &[&stand.contact()]).header("Allow", &[ALLOW]);
    let supported =
        if original.has_body() || outgoing.relays_offer { SUPPORTED } else { SUPPORTED_WITHOUT_OFFER };
    draft.header("Supported", &[supported]).lines(outgoing.own);
    if let Some(product) = stand.product {
        draft.header("User-Agent", &[product]);
    }
    if let Some(diversion) = outgoing.diversion {
        draft.header("Diversion", &[diversion]);
    }
    if let Some(history) = outgoing.history {
        draft.header(HISTORY, &[history]);
    }
    let offer = outgoing.offer;
    let crossing = |field: &&Field| {
        let body = matches!(field.name, Name::ContentType | Name::ContentEncoding);
        let identity = matches!(field.name, Name::PAssertedIdentity | Name::RemotePartyId);
        let replaced = body && offer.is_some() || identity && rebuilt_from.is_some();
        !replaced && crosses(original, field, outgoing.passport)
    };
    if let Some(outside) = outgoing.outside {
        draft.lines(&outside.lines);
    }
    if let Some(from) = rebuilt_from.filter(|_| outgoing.outside.is_none() && outgoing.passport.identity) {
        draft.header("P-Asserted-Identity", &[from]);
    }
    let taken = |field: &&Field| outgoing.outside.is_none_or(|outside| outside.takes(field));
    for field in original.fields().filter(crossing).filter(taken) {
        draft.lines(original.written(field));
    }
    draft.copy(original, Name::Loop).header("X-Ringpost-Loop", &[outgoing.mark]);
    match offer {
        Some(offer) => {
            draft.header("Content-Type", &[b"application/sdp"]);
            draft.body(offer)
        }
        None => draft.body(&original.body()),
    }
}

/// An address value around its tag parameter.
fn without_tag(value: &[u8]) -> [&[u8]; 2] {
    let Some(tag) = NameAddr::read(value).and_then(|address| address.tag()) else { return [value, b""] };
    let end = tag.as_ptr() as usize - value.as_ptr() as usize + tag.len();
    let start = memchr::memrchr(b';', &value[..end - tag.len()]).unwrap_or(end);
    [crate::sip::text::trim(&value[..start]), &value[end..]]
}

/// A response on the caller's leg that carries what a leg of ours said; `code` 181 and others of our own have no
/// `said`; `own` are further lines of ours.
pub fn upstream(
    invite: &Message,
    source: SocketAddr,
    stand: &Stand<'_>,
    code: u16,
    said: Option<&Message>,
    own: &[u8],
) -> Bytes {
    let usual = phrase(code).as_bytes();
    let reason = said.filter(|m| m.code() == Some(code)).map_or(usual, Message::reason_phrase);
    let mut draft = response(invite, source, code, reason, &stand.token.text());
    if code < 300 {
        draft
            .copy(invite, Name::RecordRoute)
            .header("Contact", &[&stand.contact()])
            .header("Allow", &[ALLOW])
            .header("Supported", &[SUPPORTED]);
    }
    draft.lines(own);
    if let Some(product) = stand.product {
        draft.header("Server", &[product]);
    }
    match said {
        Some(said) => {
            // A device is in nobody's circle of trust: what it asserts of itself is not passed on as ours (RFC 3325 §7).
            let passport = Passport { identity: false, diversion: true, software: stand.product.is_none() };
            copy_crossing(&mut draft, said, passport);
            draft.body(&said.body())
        }
        None => draft.empty(),
    }
}

/// What a request offers, as a 200 whose answer it is; `None` where it has no body.
pub fn as_answer(request: &Message) -> Option<Message> {
    let mut draft = Draft::status(200, phrase(200).as_bytes());
    draft.copy(request, Name::ContentType).copy(request, Name::ContentEncoding);
    Message::read(draft.body(&request.body())).ok().filter(Message::has_body)
}
