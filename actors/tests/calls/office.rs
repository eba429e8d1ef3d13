//! A small office: a PBX, a desk phone, a softphone and a UM, all of them sockets that the test moves.

use std::time::Duration;

use crate::support::{Over, Peer, Ringpost, SDP, Sip, Site, peer::Dialog};

/// The Reason of a leg that lost (R201).
pub const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

pub struct Office {
    pub pbx: Peer,
    pub desk: Peer,
    pub soft: Peer,
    pub um: Peer,
    pub ringpost: Ringpost,
}

/// Both ends of a call that is up.
pub struct Talk {
    pub pbx: Dialog,
    pub phone: Dialog,
}

impl Office {
    /// User 1001 has both phones; 1002 has none; 1003 forwards to voice mail; 1004 has no UM. `user` are further lines of
    /// 1001.
    pub fn new(over: Over, user: &str) -> Self {
        Self::on(Site::new(), over, user)
    }

    pub fn on(site: Site, over: Over, user: &str) -> Self {
        let [pbx, desk, soft, um] = [(); 4].map(|()| site.peer(over));
        let um_uri = um.uri();
        let phones = [&desk, &soft];
        let ringpost = site
            .plan("lab", &[&um_uri])
            .user("1001", &phones, &format!("um_plan = \"lab\"\n{user}"))
            .user("1002", &[], "um_plan = \"lab\"\nmissed_calls = \"off\"")
            .user("1003", &phones, "um_plan = \"lab\"\nforward = \"voicemail\"\nmissed_calls = \"off\"")
            .user("1004", &phones, "ring_for = \"300ms\"\nmissed_calls = \"off\"")
            .start();
        Self { pbx, desk, soft, um, ringpost }
    }

    /// Calls 1001; both phones ring.
    pub fn rings(&mut self) -> [Sip; 3] {
        let invite = self.pbx.invite("1001");
        let desk = self.desk.expect("INVITE");
        let soft = self.soft.expect("INVITE");
        self.desk.answer(&desk, 180);
        self.pbx.expect("180");
        self.soft.answer(&soft, 180);
        [invite, desk, soft]
    }

    /// A call that the desk phone has answered.
    pub fn talks(&mut self) -> Talk {
        let [invite, desk, soft] = self.rings();
        let answer = self.desk.answer(&desk, 200);
        self.desk.expect("ACK");
        is_cancelled(&mut self.soft, &soft, ELSEWHERE);
        let ok = self.pbx.expect("200");
        assert_eq!(ok.body(), SDP);
        let mut talk = Talk { pbx: Dialog::caller(&invite, &ok), phone: Dialog::callee(&desk, &answer) };
        self.pbx.inside(&mut talk.pbx, "ACK", "", "");
        talk
    }

    /// The caller hangs up a call with this peer.
    pub fn hangs_up(&mut self, mut talk: Talk) {
        self.pbx.inside(&mut talk.pbx, "BYE", "", "");
        self.pbx.expect("200");
        let bye = self.desk.expect("BYE");
        self.desk.answer(&bye, 200);
    }

    /// UM answers the call that comes to it; gives its INVITE and both ends.
    pub fn um_takes(&mut self, invite: &Sip) -> (Sip, Talk) {
        let to_um = self.um.expect("INVITE");
        let answer = self.um.answer(&to_um, 200);
        self.um.expect("ACK");
        let ok = self.pbx.expect("200");
        let mut talk = Talk { pbx: Dialog::caller(invite, &ok), phone: Dialog::callee(&to_um, &answer) };
        self.pbx.inside(&mut talk.pbx, "ACK", "", "");
        (to_um, talk)
    }

    /// UM hangs up.
    pub fn um_hangs_up(&mut self, mut talk: Talk) {
        self.um.inside(&mut talk.phone, "BYE", "", "");
        self.um.expect("200");
        let bye = self.pbx.expect("BYE");
        self.pbx.answer(&bye, 200);
    }

    /// Nobody hears anything more, and Ringpost is as before the call.
    pub fn ends(mut self) {
        for peer in [&mut self.pbx, &mut self.desk, &mut self.soft, &mut self.um] {
            peer.silent_for(Duration::from_millis(30));
        }
        let ringpost = self.ringpost;
        drop((self.pbx, self.desk, self.soft, self.um));
        ringpost.back_to_baseline();
    }
}

/// The phone's INVITE is taken back with that Reason, empty for none.
pub fn is_cancelled(phone: &mut Peer, invite: &Sip, reason: &str) {
    let cancel = phone.expect("CANCEL");
    assert_eq!(cancel.first("Reason"), reason);
    assert_eq!(cancel.one("Via"), invite.one("Via"), "RFC 3261 §9.1");
    phone.answer(&cancel, 200);
    phone.answer(invite, 487);
    phone.expect("ACK");
}

/// The phone refuses its INVITE.
pub fn refuses(phone: &mut Peer, invite: &Sip, code: u16) {
    phone.answer(invite, code);
    phone.expect("ACK");
}
