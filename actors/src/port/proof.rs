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
    who: (&str, Option<&TrunkLogin>),
    patience: Duration,
) -> Reply {
    series(lanes, 0, errand, who, patience).await.0
}

/// The same through any lane, and the CSeq number that it had in the end; a request of a series begins with that of the errand.
pub async fn series(
    lanes: &Lanes,
    lane: u8,
    errand: Errand,
    (name, login): (&str, Option<&TrunkLogin>),
    patience: Duration,
) -> (Reply, u32) {
    let (mut random, mut tries) = (entropy::source(), Tries::default());
    let (call_id, tag, mut sequence) = errand.series.clone().unwrap_or_else(|| {
        (format!("{:08x}{:08x}@ringpost", random(), random()), format!("{:08x}", random()), 1)
    });
    let mut header = None;
    loop {
        let mut headers = errand.headers.clone();
        headers.extend(header.take());
        let series = Some((call_id.clone(), tag.clone(), sequence));
        let next = Errand { series, headers, ..errand.clone() };
        let reply = through(lanes, lane, next, patience).await;
        let sent = reply.sent.as_ref().and_then(|(sent, _)| Message::read(sent.clone()).ok());
        let (401 | 407, Some(message), Some(sent)) = (reply.code, &reply.message, &sent) else {
            return (reply, sequence);
        };
        let cnonce = format!("{:08x}{:08x}", random(), random());
        match challenge::credentials(login, message, sent, &mut tries, &cnonce) {
            Ok(with) => (header, sequence) = (Some(with), sequence + 1),
            Err(why) => {
                tracing::warn!(peer = name, method = errand.method, %why, "A challenge is not answered");
                return (reply, sequence);
            }
        }
    }
}

/// Sends a request through the first lane.
pub async fn once(lanes: &Lanes, errand: Errand, patience: Duration) -> Reply {
    through(lanes, 0, errand, patience).await
}

async fn through(lanes: &Lanes, lane: u8, errand: Errand, patience: Duration) -> Reply {
    let (answer, answered) = oneshot::channel();
    let nobody = |code| Reply { code, message: None, sent: None };
    if !lanes.send(lane, Parcel::Errand(Box::new(Asked { errand, answer }))) {
        return nobody(503);
    }
    match tokio::time::timeout(patience, answered).await {
        Ok(reply) => reply.unwrap_or_else(|_| nobody(503)),
        Err(_) => nobody(408),
    }
}
