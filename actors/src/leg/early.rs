//! Early dialogs with a device that sends provisional responses reliably (RFC 3262): their PRACKs, and what goes on in them.
//!
//! Ringpost offers 100rel only with an INVITE that carries an offer, so that no PRACK of ours ever owes an answer; or where
//! a caller without an offer knows it and one device rings alone: then the PRACK to that one waits for the caller's.

use std::sync::Arc;

use ringpost::sip::{
    Message as SipMessage, Name,
    build::Draft,
    dialog::Dialog,
    peer::Peer,
    reliable::{self, Heard},
    token::Token,
    transaction::Owner,
};

use super::{LegActor, Side};

/// How many early dialogs of one INVITE have their provisional responses acknowledged.
const EARLY_DIALOGS: usize = 8;

/// An early dialog with a device.
pub(super) struct Early {
    heard: Heard,
    dialog: Dialog,
    /// The response with its SDP: the answer to our offer, or the device's offer.
    answer: Option<Arc<SipMessage>>,
    /// The RSeq of the one with an offer, until the caller has answered.
    owed: Option<u32>,
}

impl LegActor {
    /// Whether a provisional response of the device is one to listen to; a reliable one gets its PRACK.
    pub(super) fn takes_provisional(&mut self, client: Token, response: &SipMessage) -> bool {
        let Some(rseq) = reliable::rseq(response) else { return true };
        let Side::Called { offered, .. } = self.side else { return true };
        let offers = !offered && response.has_body();
        if offers && (!self.relays_offer || self.early.iter().any(|early| early.answer.is_some())) {
            return false;
        }
        let known = self.early.iter().position(|early| early.dialog.is_with(response));
        let at = match known {
            Some(at) if !self.early[at].heard.takes(rseq) => return false,
            Some(at) => at,
            None if self.early.len() >= EARLY_DIALOGS => return false,
            None => {
                let invite = self.port.sent_invite(client);
                let Some(dialog) = invite.and_then(|invite| Dialog::uac(&invite, response)) else {
                    return false;
                };
                self.early.push(Early { heard: Heard::first(rseq), dialog, answer: None, owed: None });
                self.early.len() - 1
            }
        };
        let early = &mut self.early[at];
        if response.has_body() && early.answer.is_none() {
            early.answer = Some(Arc::new(response.clone()));
        }
        if offers {
            early.owed = Some(rseq);
            return true;
        }
        let hop = self.port.peer(early.dialog.next_hop());
        let draft = early.dialog.request(b"PRACK");
        let peer = hop.map_or(self.peer, |hop| self.toward(hop));
        self.prack(draft, peer, (rseq, self.sequence), None);
        true
    }

    /// The early dialog that this response belongs to, where its responses are reliable.
    pub(super) fn reliable_dialog(&mut self, response: &SipMessage) -> Option<&mut Dialog> {
        let early = self.early.iter_mut().find(|early| early.dialog.is_with(response));
        early.map(|early| &mut early.dialog)
    }

    /// Before it starts: a device's offer may come in a reliable 18x.
    pub fn relays_offer(&mut self) {
        self.relays_offer = true;
    }

    /// The caller has answered the offer in a device's 18x.
    pub(super) fn prack_with(&mut self, answer: &SipMessage) {
        let Some(early) = self.early.iter_mut().find(|early| early.owed.is_some()) else { return };
        let (Some(rseq), hop) = (early.owed.take(), self.port.peer(early.dialog.next_hop())) else { return };
        let draft = early.dialog.request(b"PRACK");
        let peer = hop.map_or(self.peer, |hop| self.toward(hop));
        self.prack(draft, peer, (rseq, self.sequence), Some(answer));
    }

    fn prack(&self, mut draft: Draft, peer: Peer, (rseq, sequence): (u32, u32), answer: Option<&SipMessage>) {
        self.port.ask(peer, Owner::Nobody, |branch| {
            self.port.via(&mut draft, &peer, branch);
            let (rseq, sequence) = (rseq.to_string(), sequence.to_string());
            draft.header("RAck", &[rseq.as_bytes(), b" ", sequence.as_bytes(), b" INVITE"]);
            match answer {
                Some(answer) => {
                    draft.copy(answer, Name::ContentType).copy(answer, Name::ContentEncoding);
                    draft.body(&answer.body())
                }
                None => draft.empty(),
            }
        });
    }

    /// The same for a re-INVITE that we passed on. False: it is not to be listened to.
    pub(super) fn takes_progress_inside(&mut self, at: usize, response: &Arc<SipMessage>) -> bool {
        let Some(rseq) = reliable::rseq(response) else { return true };
        let (Some(passed), Some(dialog)) = (self.passed.get_mut(at), &mut self.dialog) else { return false };
        match &mut passed.heard {
            Some(heard) => {
                if !heard.takes(rseq) {
                    return false;
                }
            }
            heard => *heard = Some(Heard::first(rseq)),
        }
        if response.has_body() && passed.answer.is_none() {
            passed.answer = Some(Arc::clone(response));
        }
        let sequence = passed.sequence;
        let draft = dialog.request(b"PRACK");
        self.prack(draft, self.peer, (rseq, sequence), None);
        true
    }

    /// The early dialog whose SDP is settled on both sides: the peer may be asked to change it (RFC 3311 §5.1).
    pub(super) fn settled(&mut self) -> Option<&mut Dialog> {
        match &self.side {
            Side::Called { answered: false, .. } => {
                let settled = |early: &&mut Early| early.answer.is_some() && early.owed.is_none();
                self.early.iter_mut().find(settled).map(|early| &mut early.dialog)
            }
            Side::Caller { .. } => self.settled_caller(),
            Side::Called { .. } => None,
        }
    }

    /// Goes on in the early dialog that the answer confirms: its CSeq numbers, and its SDP where the answer has none.
    pub(super) fn confirm_early(&mut self, answer: SipMessage) -> SipMessage {
        let early = std::mem::take(&mut self.early);
        let Some(early) = early.into_iter().find(|early| early.dialog.is_with(&answer)) else {
            return answer;
        };
        if let Some(dialog) = &mut self.dialog {
            dialog.count_on(&early.dialog);
        }
        let ours = matches!(self.side, Side::Called { offered: true, .. });
        let spoken = early.answer.filter(|_| ours && !answer.has_body());
        spoken.and_then(|early| reliable::with_answer(&answer, &early)).unwrap_or(answer)
    }

    /// Whether a request of the device belongs to an early dialog.
    pub(super) fn is_early(&self, request: &SipMessage) -> bool {
        self.early.iter().any(|early| early.dialog.owns(request))
    }
}
