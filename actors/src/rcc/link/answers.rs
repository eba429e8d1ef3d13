//! What the gateway answers: it is opened, wants a login, or refuses.

use ringpost::{
    rcc::{self, Response, client::Answer},
    sip::{
        Message as SipMessage, Method, Name, challenge,
        dialog::Dialog,
        session_timer,
        text::number,
        token::{MAGIC, Token},
        transaction::Owner,
    },
};

use super::{Link, Sent, Way};
use crate::metrics::METRICS;

impl Link {
    /// An answer has come, or will not.
    pub fn answered(&mut self, way: &Way<'_>, client: Token, (code, message): (u16, Option<&SipMessage>)) {
        if code < 200 || self.sent.as_ref().is_none_or(|sent| sent.client != client) {
            return;
        }
        let Some(mut sent) = self.sent.take() else { return };
        let Some(message) = message else { return self.refused(way, code, None) };
        if let 401 | 407 = code {
            match self.authorize(way, &mut sent, message) {
                true => return,
                false => METRICS.rcc_gateway_refused_total.one(),
            }
        }
        match code {
            200..300 if sent.message.method() == Some(Method::Invite) => self.taken(way, &sent, message),
            200..300 => {
                let answer = rcc::response(&message.body()).map_or(Answer::Unread, Answer::Said);
                self.client.answered(answer, way.port.now(), way.random());
            }
            _ => self.refused(way, code, Some(message)),
        }
    }

    /// Sends the request once more, with credentials; false where there are none for that challenge.
    fn authorize(&mut self, way: &Way<'_>, sent: &mut Sent, challenged: &SipMessage) -> bool {
        let cnonce = format!("{:08x}{:08x}", way.random(), way.random());
        let login = way.settings.login.as_ref();
        let with = challenge::credentials(login, challenged, &sent.message, &mut sent.tries, &cnonce);
        let (name, value) = match with {
            Ok(with) => with,
            Err(why) => {
                tracing::warn!(gateway = way.settings.name, %why, "A challenge of a CSTA gateway is not answered");
                return false;
            }
        };
        let sequence = match &mut self.dialog {
            Some((dialog, _)) => {
                // It takes the next number, as every request in the dialog does.
                drop(dialog.request(b"INFO"));
                dialog.local_seq()
            }
            None => sent.message.cseq().map_or(1, |(sequence, _)| sequence + 1),
        };
        let (peer, owner, sent_by) = (sent.peer, Owner::Control(Token(self.tag)), way.sent_by(&sent.peer));
        let mut octets = None;
        let build = |branch: Token| {
            let via: [&[u8]; 2] = [MAGIC, &branch.text()];
            let again =
                challenge::again(&sent.message, sequence, (peer.transport, &sent_by, &via), (name, &value));
            octets = Some(again.clone());
            again
        };
        let client = match sent.message.method() {
            Some(Method::Invite) => way.port.invite(peer, owner, build),
            _ => way.port.ask(peer, owner, build),
        };
        let again = octets.and_then(|octets| SipMessage::read(octets).ok());
        match client.zip(again) {
            Some((client, message)) => {
                self.sent = Some(Sent { client, message, peer, tries: sent.tries });
                true
            }
            None => false,
        }
    }

    /// An INVITE was taken: the dialog is open, or goes on.
    fn taken(&mut self, way: &Way<'_>, sent: &Sent, answer: &SipMessage) {
        let (now, agreed) = (way.port.now(), session_timer::agreed(answer));
        let sequence = sent.message.cseq().map_or(1, |(sequence, _)| sequence);
        let is_first = self.dialog.is_none();
        if is_first {
            let Some(dialog) = Dialog::uac(&sent.message, answer) else {
                return self.refused(way, 500, None);
            };
            // Over a connection everything goes the way it came.
            let hop = way.port.peer(dialog.next_hop()).filter(|_| !sent.peer.is_reliable());
            self.dialog = Some((dialog, hop.unwrap_or(sent.peer)));
        }
        let Some((dialog, peer)) = &mut self.dialog else { return };
        if !is_first {
            dialog.refresh_target(answer);
        }
        let mut ack = dialog.ack(sequence);
        let branch = Token(sent.client.0 ^ u64::from(way.random())).text();
        ack.via(peer.transport, &way.sent_by(peer), &[MAGIC, &branch, b"a"]);
        way.port.acknowledge(sent.client, *peer, ack.empty());
        if is_first {
            let said = rcc::response(&answer.body());
            let works = matches!(said, Ok(Response::SystemStatus { normal: true }));
            self.client.opened(works, agreed, now, way.random());
        } else {
            self.client.refreshed(agreed, now);
        }
    }

    pub(super) fn refused(&mut self, way: &Way<'_>, code: u16, message: Option<&SipMessage>) {
        let (now, random) = (way.port.now(), way.random());
        METRICS.rcc_gateway_failures_total.one();
        if self.dialog.is_some() {
            return self.client.answered(Answer::Refused(code), now, random);
        }
        let why = match code {
            401 | 403 | 407 => "it does not let us in",
            404 | 480 | 604 => "nobody is there under that URI",
            408 => "it does not answer",
            415 | 488 => "it does not know CSTA",
            422 => "it wants longer sessions",
            503 => "it is not in service",
            _ => "it refuses",
        };
        let rest = message.and_then(|said| said.first(Name::RetryAfter)).and_then(|value| {
            let digits = value.iter().take_while(|octet| octet.is_ascii_digit()).count();
            number(&value[..digits])
        });
        if let (422, Some(said)) = (code, message) {
            self.least = session_timer::least_of(said);
        }
        self.client.failed(why, rest.map(|seconds: u32| u64::from(seconds) * 1_000), now, random);
    }
}
