//! One PUBLISH of ours at a presence server (RFC 3903 §4), and what every request to a SIP server of ours needs.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ringpost::{
    presence::{
        publication::{Answer, Request},
        subscription::Package,
    },
    settings::{PublishServer, PublishTo, SipServer},
};

use crate::port::{
    errand::{Errand, Reply},
    lanes::Lanes,
    proof,
};

/// Longer than any transaction lasts.
const PATIENCE: Duration = Duration::from_secs(35);
/// How long an answer over a connection may take: where the connection has gone nothing is sent again.
const PATIENCE_OVER_TCP: Duration = Duration::from_secs(4);

/// Whether a server answers at all.
pub async fn lives(lanes: Lanes, sip: SipServer) -> bool {
    proof::once(&lanes, options(&sip.target), sip.keep_alive).await.message.is_some()
}

/// Asks whoever is at a URI without user part whether it lives.
pub(in crate::presence) fn options(target: &str) -> Errand {
    let to = target.split(';').next().unwrap_or_default().to_owned();
    Errand { method: "OPTIONS", uri: target.to_owned(), from: to.clone(), to, ..Errand::default() }
}

/// What a request is answered in the end, once challenges have been.
pub async fn answered(lanes: &Lanes, name: &str, sip: &SipServer, errand: Errand) -> Reply {
    let target = sip.target.to_ascii_lowercase();
    let over_tcp = ["transport=tcp", "transport=tls"].iter().any(|transport| target.contains(transport));
    let patience = if over_tcp { PATIENCE_OVER_TCP } else { PATIENCE };
    proof::ask(lanes, errand, (name, sip.login.as_ref()), patience).await
}

/// One PUBLISH.
pub struct Post {
    pub settings: Arc<PublishServer>,
    pub user: Arc<str>,
    pub package: Package,
    pub request: Request,
    pub body: Bytes,
}

impl Post {
    /// Sends it, and answers challenges.
    pub async fn send(self, lanes: Lanes) -> Answer {
        let PublishTo::Sip(sip) = &self.settings.to else { return Answer::Refused(None) };
        let reply = answered(&lanes, &self.settings.name, sip, self.errand(sip)).await;
        Answer::read(reply.code, reply.message.as_ref())
    }

    /// The request.
    pub fn errand(&self, sip: &SipServer) -> Errand {
        let Request { tag, expires, body } = &self.request;
        let mut headers = vec![
            ("Event", self.package.name().as_bytes().to_vec()),
            ("Expires", expires.to_string().into_bytes()),
        ];
        headers.extend(tag.iter().map(|tag| ("SIP-If-Match", tag.as_bytes().to_vec())));
        if *body {
            headers.push(("Content-Type", self.package.media_type().as_bytes().to_vec()));
        }
        Errand {
            method: "PUBLISH",
            uri: self.user.to_string(),
            next_hop: Some(sip.target.clone()),
            from: self.user.to_string(),
            to: self.user.to_string(),
            headers,
            body: self.body.clone(),
            ..Errand::default()
        }
    }
}
