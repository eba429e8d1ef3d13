//! The INVITE of a dry run, made by the code that makes those of calls.

use bytes::Bytes;

use super::Question;
use crate::{
    call::wire::{self, Diverted, Outgoing, Stand},
    directory::{Directory, Origin, Target},
    settings::Transport,
    sip::{Message, Name, relay::Passport, token::Token, uri::Uri},
};

/// The header lines that depend on the way.
const SHOWN: [Name; 7] = [
    Name::From,
    Name::To,
    Name::PAssertedIdentity,
    Name::RemotePartyId,
    Name::Privacy,
    Name::Diversion,
    Name::HistoryInfo,
];

impl Directory {
    /// The request line and those header lines; tags are left out, for each call has its own.
    pub(super) fn sent(&self, way: &Target, question: &Question, origin: &Origin) -> Vec<String> {
        let transport = Uri::read(way.uri.as_bytes()).and_then(|uri| Transport::of_uri(&uri));
        let invite = self.received(question, origin);
        // Whom a user forwards has come by a trunk, which said who calls.
        let first = || self.trunks.first().cloned().map(Origin::Trunk);
        let (origin, diverted) = match (&question.diverting, origin) {
            (Some(_), Origin::User(user)) => {
                (first(), Some((user.address.as_str(), Diverted::Unconditional)))
            }
            (_, origin) => (Some(origin.clone()), None),
        };
        let (Some(invite), Some(origin)) = (invite, origin) else { return vec![] };
        let outside = self.outside(way, (&invite, &origin), diverted);
        let stand = Stand {
            transport: transport.unwrap_or(Transport::Udp),
            sent_by: self.site.sip.domain.as_bytes(),
            token: Token(0),
            host: None,
            product: None,
        };
        let identity = origin.is_trusted();
        let outgoing = Outgoing {
            uri: way.uri.as_bytes(),
            route: b"",
            stand,
            passport: Passport { identity, diversion: true, software: false },
            mark: b"",
            diversion: None,
            history: None,
            offer: None,
            relays_offer: false,
            own: b"",
            outside: outside.as_ref(),
            rebuilt: None,
        };
        let Ok(sent) = Message::read(wire::invite(&invite, &outgoing, Token(0))) else { return vec![] };
        let mut lines = vec![format!("INVITE {} SIP/2.0", way.uri)];
        for name in SHOWN {
            for field in sent.fields().filter(|field| field.name == name) {
                let line = String::from_utf8_lossy(sent.written(field)).trim_end().to_owned();
                lines.push(line.split(";tag=").next().unwrap_or(&line).to_owned());
            }
        }
        lines
    }

    /// What the caller would have sent.
    fn received(&self, question: &Question, origin: &Origin) -> Option<Message> {
        let domain = &self.site.sip.domain;
        let from = match (&question.diverting, origin) {
            (Some(caller), _) => format!("<sip:{}@{domain}>", caller.replace('#', "%23")),
            (None, Origin::User(user)) => format!("<{}>", user.address),
            (None, Origin::Trunk(_)) => format!("<sip:anonymous@{domain}>"),
        };
        let dialled = question.dialled.replace('#', "%23");
        let text = format!(
            "INVITE sip:{dialled}@{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {domain};branch=z9hG4bKroute\r\n\
             Max-Forwards: 70\r\nFrom: {from};tag=route\r\nTo: <sip:{dialled}@{domain}>\r\nCall-ID: route\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:{domain}>\r\nContent-Length: 0\r\n\r\n"
        );
        Message::read(Bytes::from(text)).ok()
    }
}
