//! What a leg to a trunk does besides: it answers the trunk's challenge, and does not wait for a trunk that is dead.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ringpost::{
    call::Event,
    settings::{FarEnd, Trunk},
    sip::{
        Message as SipMessage,
        challenge::{self, Tries, Unanswered},
        token::MAGIC,
        transaction::Owner,
    },
};

use super::{LegActor, Side};
use crate::{call::What, metrics::METRICS};

/// How long a trunk is waited for, where not as long as SIP allows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hurry {
    /// For the first word, the trunk's `timeout`.
    pub silent: bool,
    /// For the first ringing.
    pub rings: Option<Duration>,
}

/// What a leg to a trunk knows of it.
pub(super) struct ToTrunk {
    trunk: Arc<Trunk>,
    tries: Tries,
    /// Our latest INVITE as a whole, until it is answered: the transaction keeps what names it only.
    sent: Option<SipMessage>,
    hurry: Hurry,
    /// The trunk has said something.
    heard: bool,
    /// More than 100: it rings there, or is over.
    rang: bool,
    taken_back: bool,
}

impl ToTrunk {
    fn far(&self) -> Option<&FarEnd> {
        self.trunk.far.as_ref()
    }

    /// The name of this Ringpost in Contact there.
    pub(super) fn host(&self) -> Option<&str> {
        self.far()?.host.as_deref()
    }

    /// How long the trunk may stay silent.
    pub(super) fn limit(&self) -> Option<Duration> {
        self.far().filter(|_| self.hurry.silent).map(|far| far.timeout)
    }

    /// How long it may take until it rings.
    pub(super) fn until_it_rings(&self) -> Option<Duration> {
        self.hurry.rings
    }

    /// Nothing more is expected of the INVITE.
    pub(super) fn over(&mut self) {
        self.rang = true;
    }

    /// How long it may stay silent before another server of its name is tried.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.far().map(|far| far.timeout)
    }

    /// Its INVITE went out once more, as this.
    pub(super) fn sends(&mut self, invite: Bytes) {
        self.sent = SipMessage::read(invite).ok();
    }

    /// The INVITE was cancelled: a challenge that comes now is not answered.
    pub(super) fn taken_back(&mut self) {
        self.taken_back = true;
    }
}

impl LegActor {
    /// Makes this a leg to a trunk that was sent this INVITE; before it starts.
    pub fn to_trunk(&mut self, trunk: Arc<Trunk>, sent: Bytes, hurry: Hurry) {
        let sent = SipMessage::read(sent).ok();
        let (tries, heard, rang, taken_back) = (Tries::default(), false, false, false);
        self.trunk = Some(Box::new(ToTrunk { trunk, tries, sent, hurry, heard, rang, taken_back }));
    }

    /// Makes this the leg of a call that came from a trunk; before it starts. It has no INVITE of ours to be challenged.
    pub fn from_trunk(&mut self, trunk: Arc<Trunk>) {
        self.to_trunk(trunk, Bytes::new(), Hurry::default());
    }

    /// Whether a response is a challenge of our INVITE that was answered, so that nobody else needs to hear of it. A
    /// challenge inside the dialog is never answered: whoever talks there may not be the trunk (T14).
    pub(super) fn goes_on(&mut self, client: super::Token, response: &SipMessage) -> bool {
        let Some(trunk) = &mut self.trunk else { return false };
        trunk.heard = true;
        let code = response.code().unwrap_or(500);
        if !matches!(code, 401 | 407) {
            trunk.rang |= code > 100;
            // Nothing can be challenged any more.
            trunk.sent.take_if(|_| code >= 200);
            return false;
        }
        let ours = matches!(self.side, Side::Called { client: own, answered: false, .. } if own == client);
        if !ours || trunk.taken_back {
            METRICS.trunk_challenges_refused_total.one();
            return false;
        }
        match self.authorize(response) {
            Ok(true) => {
                METRICS.trunk_challenges_answered_total.one();
                true
            }
            Ok(false) => false,
            Err(why) => {
                METRICS.trunk_challenges_refused_total.one();
                let name = self.trunk.as_ref().map_or("", |trunk| trunk.trunk.name.as_str());
                tracing::warn!(trunk = name, %why, "A trunk's challenge is not answered");
                false
            }
        }
    }

    /// Sends the INVITE again with credentials: the same dialog identifiers, the next CSeq number (RFC 3261 §22.2).
    fn authorize(&mut self, response: &SipMessage) -> Result<bool, Unanswered> {
        let Some(trunk) = &mut self.trunk else { return Ok(false) };
        let Some(invite) = trunk.sent.take() else { return Ok(false) };
        let login = trunk.trunk.far.as_ref().and_then(|far| far.login.as_ref());
        let cnonce = format!("{:08x}{:08x}", self.port.random(), self.port.random());
        let (name, value) = challenge::credentials(login, response, &invite, &mut trunk.tries, &cnonce)?;
        let (sequence, peer) = (self.sequence + 1, self.peer);
        let sent_by = &self.port.listeners[usize::from(peer.listener)].sent_by;
        let sent = self.port.invite(peer, Owner::Leg(self.token), |branch| {
            let via: [&[u8]; 2] = [MAGIC, &branch.text()];
            let via = (peer.transport, &sent_by[..], &via[..]);
            let again = challenge::again(&invite, sequence, via, (name, &value));
            trunk.sent = SipMessage::read(again.clone()).ok();
            again
        });
        let (Side::Called { client: own, .. }, Some(sent)) = (&mut self.side, sent) else { return Ok(false) };
        *own = sent;
        self.sequence = sequence;
        Ok(true)
    }

    /// The time of a trunk that has said nothing at all is up: its INVITE is left to itself.
    pub(super) fn silent(&mut self) {
        let Side::Called { client, answered: false, .. } = self.side else { return };
        if self.trunk.as_ref().is_some_and(|trunk| !trunk.heard && !trunk.taken_back) {
            self.port.orphan(client, None);
            self.tell(What::Event(Event::Refused(self.leg, 408), None));
        }
    }

    /// The time until it rings is up: what says no more than that it tries is given up.
    pub(super) fn never_rang(&mut self) {
        let Side::Called { client, answered: false, .. } = self.side else { return };
        if self.trunk.as_ref().is_some_and(|trunk| !trunk.rang && !trunk.taken_back) {
            self.port.orphan(client, None);
            self.tell(What::Event(Event::Refused(self.leg, 408), None));
        }
    }
}
