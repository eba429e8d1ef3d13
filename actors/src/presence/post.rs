//! One PUBLISH of ours at a presence server (RFC 3903 §4).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ringpost::{
    presence::{
        publication::{Answer, Request},
        subscription::Package,
    },
    settings::PublishServer,
};

use crate::port::{errand::Errand, lanes::Lanes, proof};

/// Longer than any transaction lasts.
const PATIENCE: Duration = Duration::from_secs(35);
/// How long an answer over a connection may take: where the connection has gone nothing is sent again.
const PATIENCE_OVER_TCP: Duration = Duration::from_secs(4);

/// One PUBLISH.
pub(super) struct Post {
    pub settings: Arc<PublishServer>,
    pub user: Arc<str>,
    pub package: Package,
    pub request: Request,
    pub body: Bytes,
}

impl Post {
    /// Sends it, and answers challenges.
    pub async fn send(self, lanes: Lanes) -> Answer {
        let target = self.settings.target.to_ascii_lowercase();
        let over_tcp = ["transport=tcp", "transport=tls"].iter().any(|transport| target.contains(transport));
        let patience = if over_tcp { PATIENCE_OVER_TCP } else { PATIENCE };
        let who = (self.settings.name.as_str(), self.settings.login.as_ref());
        let reply = proof::ask(&lanes, self.errand(), who, patience).await;
        Answer::read(reply.code, reply.message.as_ref())
    }

    fn errand(&self) -> Errand {
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
            next_hop: Some(self.settings.target.clone()),
            from: self.user.to_string(),
            to: self.user.to_string(),
            headers,
            body: self.body.clone(),
            ..Errand::default()
        }
    }
}
