//! SERVICE with categories of Microsoft's enhanced presence.

use std::sync::Arc;

use ringpost::{
    presence::{
        microsoft::ledger::{Batch, TYPE},
        publication::Answer,
    },
    settings::{PublishServer, PublishTo, SipServer},
};

use super::{Outcome, post::answered};
use crate::port::{errand::Errand, lanes::Lanes};

/// How often one state of a user is sent with versions that the server has told. Others may write the same all the time.
const TRIES: usize = 4;
/// Stands for an entity tag, which SERVICE has none of: the versions are in the ledger.
const TAG: &str = "versions";

/// One SERVICE.
pub struct Service {
    pub settings: Arc<PublishServer>,
    pub user: Arc<str>,
    /// How long it counts; 0: all is taken back.
    pub expires: u32,
    pub batch: Batch,
}

impl Service {
    /// Sends it, with other versions where the server asks for them.
    pub async fn send(mut self, lanes: Lanes) -> Outcome {
        let settings = Arc::clone(&self.settings);
        let PublishTo::Sip(sip) = &settings.to else { return self.ended(Answer::Refused(None)) };
        for _ in 0..TRIES {
            let reply = answered(&lanes, &settings.name, sip, self.errand(sip)).await;
            if let code @ (400 | 402..=406 | 409..=499) = reply.code
                && let Some(message) = &reply.message
            {
                match self.batch.refused(&message.body()) {
                    Ok(true) => continue,
                    Ok(false) => tracing::debug!(code, "A SERVICE is refused"),
                    Err(why) => tracing::debug!(code, %why, "A SERVICE is refused in no words that are read"),
                }
                // A server may not let anybody take back what is not there.
                if self.batch.sees_nothing_blindly() {
                    match self.batch.is_empty() {
                        true => return self.taken(),
                        false => continue,
                    }
                }
            }
            return match Answer::read(reply.code, reply.message.as_ref()) {
                Answer::Taken(..) => self.taken(),
                // 5xx says nothing of what the server holds.
                Answer::Ill(after) => self.ended(Answer::Later(after)),
                Answer::Stale | Answer::Brief(_) => self.ended(Answer::Refused(None)),
                answer => self.ended(answer),
            };
        }
        self.ended(Answer::Later(None))
    }

    /// The server holds it.
    pub fn taken(self) -> Outcome {
        let answer = Answer::Taken(Some(TAG.into()), Some(self.expires));
        self.ended(answer)
    }

    fn ended(self, answer: Answer) -> Outcome {
        Outcome { answer, batch: Some(self.batch) }
    }

    /// The request.
    pub fn errand(&self, sip: &SipServer) -> Errand {
        let mut headers = vec![("Content-Type", TYPE.as_bytes().to_vec())];
        if sip.login.is_none() {
            // As a trusted server says for whom it speaks (RFC 3325 §9.1).
            headers.push(("P-Asserted-Identity", [b"<", self.user.as_bytes(), b">"].concat()));
        }
        Errand {
            method: "SERVICE",
            uri: self.user.to_string(),
            next_hop: Some(sip.target.clone()),
            from: self.user.to_string(),
            to: self.user.to_string(),
            headers,
            body: self.batch.write().into(),
            ..Errand::default()
        }
    }
}
