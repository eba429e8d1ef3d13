//! PUBLISH (RFC 3903), and what every request to a SIP server of ours needs.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ringpost::{
    presence::{
        publication::{Answer, Request},
        subscription::Package,
    },
    settings::{PublishServer, PublishTo, SipServer},
    sip::{
        Message as SipMessage,
        challenge::{self, Tries},
    },
};
use tokio::sync::oneshot;

use crate::{
    entropy,
    port::{
        errand::{Asked, Errand, Reply},
        lanes::{Lanes, Parcel},
    },
};

/// Longer than any transaction lasts.
const PATIENCE: Duration = Duration::from_secs(35);
/// How long an answer over a connection may take: where the connection has gone nothing is sent again.
const PATIENCE_OVER_TCP: Duration = Duration::from_secs(4);

/// Whether a server answers at all.
pub async fn lives(lanes: Lanes, sip: SipServer) -> bool {
    let to = sip.target.split(';').next().unwrap_or_default().to_owned();
    let options = Errand {
        method: "OPTIONS",
        uri: sip.target.clone(),
        from: to.clone(),
        to,
        ..Errand::default()
    };
    ask(lanes, options, sip.keep_alive).await.message.is_some()
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
    /// Sends it.
    pub async fn send(self, lanes: Lanes) -> Answer {
        let PublishTo::Sip(sip) = &self.settings.to;
        match answered(&lanes, &self.settings.name, sip, || self.errand(sip)).await {
            Some(Reply { code, message, .. }) => Answer::read(code, message.as_ref()),
            None => Answer::Refused(None),
        }
    }

    fn errand(&self, sip: &SipServer) -> Errand {
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

/// What a request is answered in the end, once challenges have been; `None`: one of them could not be.
pub async fn answered(
    lanes: &Lanes,
    name: &str,
    sip: &SipServer,
    errand: impl Fn() -> Errand,
) -> Option<Reply> {
    let (mut random, mut tries) = (entropy::source(), Tries::default());
    let (call_id, tag) = (format!("{:08x}{:08x}@ringpost", random(), random()), format!("{:08x}", random()));
    let (mut sequence, mut credentials) = (0, None);
    let target = sip.target.to_ascii_lowercase();
    let over_tcp = ["transport=tcp", "transport=tls"].iter().any(|transport| target.contains(transport));
    let patience = if over_tcp { PATIENCE_OVER_TCP } else { PATIENCE };
    loop {
        sequence += 1;
        let mut errand = errand();
        errand.series = Some((call_id.clone(), tag.clone(), sequence));
        errand.headers.extend(credentials.take());
        let reply = ask(lanes.clone(), errand, patience).await;
        let sent = reply.sent.as_ref().and_then(|(sent, _)| SipMessage::read(sent.clone()).ok());
        let (401 | 407, Some(message), Some(sent)) = (reply.code, &reply.message, &sent) else {
            return Some(reply);
        };
        let cnonce = format!("{:08x}{:08x}", random(), random());
        match challenge::credentials(sip.login.as_ref(), message, sent, &mut tries, &cnonce) {
            Ok(with) => credentials = Some(with),
            Err(why) => {
                tracing::warn!(server = name, %why, "A challenge is not answered");
                return None;
            }
        }
    }
}

/// Sends a request through the first lane.
async fn ask(lanes: Lanes, errand: Errand, patience: Duration) -> Reply {
    let (answer, answered) = oneshot::channel();
    let nobody = |code| Reply { code, message: None, sent: None };
    if !lanes.send(0, Parcel::Errand(Asked { errand, answer })) {
        return nobody(503);
    }
    match tokio::time::timeout(patience, answered).await {
        Ok(reply) => reply.unwrap_or_else(|_| nobody(503)),
        Err(_) => nobody(408),
    }
}
