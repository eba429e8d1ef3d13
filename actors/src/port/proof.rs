//! Requests outside any dialog to a peer that may ask for a password.

use std::time::Duration;

use ringpost::{
    settings::TrunkLogin,
    sip::{
        Message,
        challenge::{self, Tries},
    },
};
use tokio::sync::oneshot;

use super::{
    errand::{Asked, Errand, Reply},
    lanes::{Lanes, Parcel},
};
use crate::entropy;

/// Sends a request through the first lane and answers challenges; what came of it, each try after so long at the latest.
/// The name is the peer's, for the log.
pub async fn ask(
    lanes: &Lanes,
    errand: Errand,
    (name, login): (&str, Option<&TrunkLogin>),
    patience: Duration,
) -> Reply {
    let (mut random, mut tries) = (entropy::source(), Tries::default());
    let (call_id, tag) = (format!("{:08x}{:08x}@ringpost", random(), random()), format!("{:08x}", random()));
    let (mut sequence, mut header) = (0, None);
    loop {
        sequence += 1;
        let mut headers = errand.headers.clone();
        headers.extend(header.take());
        let series = Some((call_id.clone(), tag.clone(), sequence));
        let next = Errand { series, headers, ..errand.clone() };
        let reply = once(lanes, next, patience).await;
        let sent = reply.sent.as_ref().and_then(|(sent, _)| Message::read(sent.clone()).ok());
        let (401 | 407, Some(message), Some(sent)) = (reply.code, &reply.message, &sent) else {
            return reply;
        };
        let cnonce = format!("{:08x}{:08x}", random(), random());
        match challenge::credentials(login, message, sent, &mut tries, &cnonce) {
            Ok(with) => header = Some(with),
            Err(why) => {
                tracing::warn!(peer = name, method = errand.method, %why, "A challenge is not answered");
                return reply;
            }
        }
    }
}

/// Sends a request through the first lane.
pub async fn once(lanes: &Lanes, errand: Errand, patience: Duration) -> Reply {
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
