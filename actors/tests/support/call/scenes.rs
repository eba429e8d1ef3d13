//! What happens between a caller and the phone that it calls, message by message, in most tests.

use super::{Peer, Sip, peer::Dialog};

impl Peer {
    /// Takes back an INVITE for which a phone rings.
    pub fn gives_up(&mut self, invite: &Sip, phone: &mut Peer, ring: &Sip) {
        self.cancel(invite, "");
        self.expect("200");
        let cancel = phone.expect("CANCEL");
        phone.answer(&cancel, 200);
        phone.answer(ring, 487);
        phone.expect("ACK");
        self.refused(invite, 487);
    }

    /// The phone takes the call; gives back the caller's end of it.
    pub fn talks(&mut self, invite: &Sip, phone: &mut Peer, ring: &Sip) -> Dialog {
        phone.answer(ring, 200);
        let mut talk = Dialog::caller(invite, &self.expect("200"));
        self.inside(&mut talk, "ACK", "", "");
        phone.expect("ACK");
        talk
    }

    /// Hangs up; the other end hears of it.
    pub fn ends(&mut self, talk: &mut Dialog, other: &mut Peer) {
        self.inside(talk, "BYE", "", "");
        self.expect("200");
        let bye = other.expect("BYE");
        other.answer(&bye, 200);
    }
}
