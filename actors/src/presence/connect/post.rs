//! One SUBSCRIBE, and what came of it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use ringpost::{
    presence::{
        rlmi,
        watching::{Answer, Order},
    },
    settings::PresenceConnector,
    sip::{token::Token, uri::Uri},
    xml::escaped,
};

use super::tickets::call_id;
use crate::port::{errand::Errand, lanes::Lanes, proof};

/// Longer than any transaction lasts.
const PATIENCE: Duration = Duration::from_secs(35);
/// How long an answer over a connection may take: where the connection has gone nothing is sent again.
const PATIENCE_OVER_TCP: Duration = Duration::from_secs(4);

/// What came of a SUBSCRIBE.
pub struct Posted {
    /// The number of the subscription, and the request's.
    pub of: (usize, u32),
    /// The CSeq number that it had in the end.
    pub sequence: u32,
    /// The answer.
    pub answer: Answer,
    /// Where it went.
    pub to: Option<IpAddr>,
    /// Whether it was challenged.
    pub challenged: bool,
}

/// One SUBSCRIBE.
pub struct Post {
    pub settings: Arc<PresenceConnector>,
    pub order: Order,
}

impl Post {
    /// Sends it, and answers challenges.
    pub async fn send(self, lanes: Lanes) -> Posted {
        let over_udp = self.settings.target.ends_with("transport=udp");
        let patience = if over_udp { PATIENCE } else { PATIENCE_OVER_TCP };
        let (first, lane) = (self.order.request.sequence, Token(self.order.request.tag).lane());
        let of = (self.order.subscription, self.order.request.serial);
        let who = (self.settings.name.as_str(), self.settings.login.as_ref());
        let (reply, sequence) = proof::series(&lanes, lane, self.errand(first), who, patience).await;
        let to = reply.sent.as_ref().map(|(_, to)| to.ip());
        let challenged = sequence > first || matches!(reply.code, 401 | 407);
        let answer = Answer::read(reply.code, reply.message.as_ref());
        Posted { of, sequence, answer, to, challenged }
    }

    /// As it is sent first with that CSeq number.
    pub fn errand(&self, sequence: u32) -> Errand {
        let Order { request, uri, package, list, .. } = &self.order;
        let kind = package.media_type();
        let (accept, mut body) = match list {
            None => (kind.to_owned(), vec![]),
            Some(_) => (format!("{kind}, {}, multipart/related", rlmi::TYPE), vec![]),
        };
        let mut headers = vec![
            ("Event", package.name().as_bytes().to_vec()),
            ("Expires", request.expires.to_string().into_bytes()),
            ("Accept", accept.into_bytes()),
        ];
        if let Some(uris) = list {
            headers.push(("Supported", b"eventlist".to_vec()));
            if !uris.is_empty() && request.within.is_none() {
                headers.push(("Require", b"recipient-list-subscribe".to_vec()));
                headers.push(("Content-Type", rlmi::LIST.as_bytes().to_vec()));
                headers.push(("Content-Disposition", b"recipient-list".to_vec()));
                body = resource_list(uris);
            }
        }
        let tag = String::from_utf8_lossy(&Token(request.tag).text()).into_owned();
        let (head, next_hop) = match &request.within {
            None => (None, self.settings.target.clone()),
            Some((head, hop)) => (Some(head.clone()), self.way(hop)),
        };
        Errand {
            method: "SUBSCRIBE",
            uri: uri.to_string(),
            head,
            next_hop: Some(next_hop),
            from: self.settings.uri.clone(),
            to: uri.to_string(),
            series: Some((call_id(request.tag), tag, sequence)),
            headers,
            body: body.into(),
            ..Errand::default()
        }
    }

    /// The next hop of a dialog, by the transport of the connector where it names none.
    fn way(&self, hop: &[u8]) -> String {
        let hop = String::from_utf8_lossy(hop).into_owned();
        let plain = Uri::read(hop.as_bytes()).is_some_and(|uri| uri.param("transport").is_none());
        let transport = self.settings.target.rsplit(';').next().unwrap_or_default();
        match plain && hop.starts_with("sip:") && !hop.contains('?') {
            true => format!("{hop};{transport}"),
            false => hop,
        }
    }
}

/// A flat list (RFC 4826 §3, RFC 5367).
fn resource_list(uris: &[Arc<str>]) -> Vec<u8> {
    let mut body = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>",
    );
    uris.iter().for_each(|uri| body += &format!("<entry uri=\"{}\"/>", escaped(uri)));
    body += "</list></resource-lists>\r\n";
    body.into_bytes()
}
