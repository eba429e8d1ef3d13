//! Calls that a user's policy leads to numbers outside (R65, R66, R73, R208; T19): the accept key, forwarding, bounds.

use std::{net::UdpSocket, time::Duration};

use crate::support::{Over, Peer, Ringpost, SDP, Sip, Site, peer::Dialog};

pub const MAIL: &str = "ada@corp.test";
pub const MOBILE: &str = "+4917012345";
/// What a telephone network says where its own mailbox or a person answers; `{port}` is where its RTP comes from.
const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n\
                      a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n";

/// A PBX in front, the desk phone of user 1001, and a trunk to the world, where the mobile is.
pub struct Scene {
    pub pbx: Peer,
    pub desk: Peer,
    pub mobile: Peer,
    pub ringpost: Ringpost,
}

/// `user` are lines of 1001's, `policy` those of its policy.
pub fn scene(user: &str, policy: &str, tables: &str) -> Scene {
    let site = Site::new().maildir();
    let mobile = Peer::new(Over::Udp, "127.0.0.11", site.sip);
    let target = mobile.uri().replace("peer@", "");
    let site = site.table(&format!(
        "[outbound]\nallowed_prefixes = [\"+49\"]\ncountry = \"49\"\n\
         [[trunk]]\nname = \"world\"\nsources = [\"127.0.0.11\"]\ntarget = {target:?}\nprefixes = [\"+\"]\n{tables}"
    ));
    let (pbx, desk) = (Peer::new(Over::Udp, "127.0.0.1", site.sip), site.peer(Over::Udp));
    let lines = format!("mail = {MAIL:?}\n{user}\n[user.policy]\n{policy}");
    let ringpost = site.user("1001", &[&desk], &lines).start();
    Scene { pbx, desk, mobile, ringpost }
}

impl Scene {
    /// A call that rings at the desk and at the mobile: the caller's INVITE, the desk's and the mobile's.
    fn rings(&mut self) -> [Sip; 3] {
        let invite = self.pbx.invite("1001");
        let (desk, mobile) = (self.desk.expect("INVITE"), self.mobile.expect("INVITE"));
        self.desk.answer(&desk, 180);
        self.pbx.expect("180");
        [invite, desk, mobile]
    }

    /// Somebody or something takes the call at the mobile's number: the media offer of Ringpost is answered.
    fn mobile_answers(&mut self, ring: &Sip, rtp: &UdpSocket) -> Dialog {
        assert_ne!(ring.body(), SDP, "not the caller's media: Ringpost's own announcement speaks first");
        let port = rtp.local_addr().expect("bound").port();
        let answer = self.mobile.answer_with(ring, 200, "", &ANSWER.replace("{port}", &port.to_string()));
        self.mobile.expect("ACK");
        Dialog::callee(ring, &answer)
    }

    /// The key was pressed: the mobile is offered the caller's media, and the caller hears of the answer.
    fn mobile_gets_the_call(mut self, mut dialog: Dialog, invite: &Sip, desk: &Sip) {
        let joined = self.mobile.expect("INVITE");
        assert_eq!(joined.body(), SDP, "the caller's media");
        self.mobile.answer_with(&joined, 200, "", SDP);
        let ok = self.pbx.expect("200");
        assert_eq!(ok.body(), SDP);
        let cancel = self.desk.expect("CANCEL");
        assert!(cancel.one("Reason").contains("Call completed elsewhere"), "{cancel}");
        self.desk.answer(&cancel, 200);
        self.desk.answer(desk, 487);
        self.desk.expect("ACK");
        let mut caller = Dialog::caller(invite, &ok);
        self.pbx.inside(&mut caller, "ACK", "", "");
        self.mobile.expect("ACK");
        self.mobile.ends(&mut dialog, &mut self.pbx);
        self.ringpost.logs("outcome=TakenByOther");
        assert_eq!(self.ringpost.mails(MAIL).len(), 0);
        drop((self.pbx, self.desk, self.mobile));
        self.ringpost.stops_well();
    }

    pub fn is_refused(&mut self, invite: &Sip, code: u16) {
        loop {
            let heard = self.pbx.expect_any();
            match heard.what() {
                "180" | "181" | "183" => {}
                what => {
                    assert_eq!(what, code.to_string());
                    return self.pbx.acknowledges(invite, &heard);
                }
            }
        }
    }
}

fn rtp() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("a port")
}

/// Where Ringpost's offer wants its media.
fn media_port(ring: &Sip) -> u16 {
    let line = ring.body().lines().find(|line| line.starts_with("m=audio ")).expect("an offer").to_owned();
    line.split(' ').nth(1).expect("a port").parse().expect("a number")
}

#[test]
fn r65_a_mailbox_that_answers_has_not_answered() {
    let mut scene = scene("missed_calls = \"mail\"\nring_for = \"5s\"", &also(), "");
    let [invite, desk, mobile] = scene.rings();
    let rtp = rtp();
    scene.mobile_answers(&mobile, &rtp);
    // It is asked, the desk goes on ringing, and the caller hears nothing of it.
    rtp.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
    assert!(rtp.recv(&mut [0; 500]).is_ok(), "the announcement");
    scene.pbx.silent_for(Duration::from_millis(50));
    scene.desk.silent_for(Duration::from_millis(10));
    scene.desk.answer(&desk, 200);
    scene.desk.expect("ACK");
    let ok = scene.pbx.expect("200");
    let mut dialog = Dialog::caller(&invite, &ok);
    scene.pbx.inside(&mut dialog, "ACK", "", "");
    let bye = scene.mobile.expect("BYE");
    assert!(bye.one("Reason").contains("Call completed elsewhere"), "{bye}");
    scene.mobile.answer(&bye, 200);
    scene.pbx.ends(&mut dialog, &mut scene.desk);
    assert_eq!(scene.ringpost.mails(MAIL).len(), 0);
    scene.ringpost.stops_well();
}

#[test]
fn r65_a_call_that_only_the_mailbox_took_is_missed_and_told_once() {
    let mut scene = scene("missed_calls = \"mail\"\nring_for = \"1s\"", &also(), "");
    let [invite, desk, mobile] = scene.rings();
    let rtp = rtp();
    scene.mobile_answers(&mobile, &rtp);
    let cancel = scene.desk.expect("CANCEL");
    scene.desk.answer(&cancel, 200);
    scene.desk.answer(&desk, 487);
    scene.desk.expect("ACK");
    let bye = scene.mobile.expect("BYE");
    assert!(!bye.to_string().contains("Call completed elsewhere"), "{bye}");
    scene.mobile.answer(&bye, 200);
    scene.is_refused(&invite, 480);
    scene.ringpost.has_mails(MAIL, 1);
    scene.ringpost.stops_well();
}

#[test]
fn r65_the_key_in_an_info_takes_the_call() {
    let mut scene = scene("missed_calls = \"mail\"", &also(), "");
    let [invite, desk, mobile] = scene.rings();
    let rtp = rtp();
    let mut dialog = scene.mobile_answers(&mobile, &rtp);
    for (kind, body) in
        [("application/dtmf-relay", "Signal=5\r\nDuration=100\r\n"), ("application/dtmf", "1")]
    {
        scene.mobile.inside(&mut dialog, "INFO", &format!("Content-Type: {kind}\r\n"), body);
        scene.mobile.expect("200");
    }
    scene.mobile_gets_the_call(dialog, &invite, &desk);
}

#[test]
fn r65_the_key_as_a_telephone_event_takes_the_call() {
    let mut scene = scene("missed_calls = \"mail\"", &also(), "");
    let [invite, desk, mobile] = scene.rings();
    let rtp = rtp();
    let dialog = scene.mobile_answers(&mobile, &rtp);
    rtp.connect(("127.0.0.1", media_port(&mobile))).expect("loopback");
    // RFC 4733: event 1, its end said three times; one after another, as a phone sends them.
    for sequence in 0..6_u8 {
        let end = if sequence >= 3 { 0x80 } else { 0 };
        let marker = if sequence == 0 { 0x80 } else { 0 };
        let length = [1, 2, 3, 3, 3, 3][usize::from(sequence)] * 160_u16;
        let mut packet = vec![0x80, marker | 101, 0, sequence, 0, 0, 0x12, 0x34, 1, 2, 3, 4, 1, end | 10];
        packet.extend(length.to_be_bytes());
        rtp.send(&packet).expect("sent");
    }
    scene.mobile_gets_the_call(dialog, &invite, &desk);
}

fn also() -> String {
    format!("ring_also = [{MOBILE:?}]")
}

#[test]
fn r66_a_busy_desk_hands_on_to_a_number_outside_that_need_not_press_anything() {
    let mut scene = scene("missed_calls = \"mail\"", &format!("forward_busy = {MOBILE:?}"), "");
    let invite = scene.pbx.invite("1001");
    let desk = scene.desk.expect("INVITE");
    scene.desk.answer(&desk, 486);
    scene.desk.expect("ACK");
    let ring = scene.mobile.expect("INVITE");
    assert_eq!(ring.body(), SDP, "the caller's own media");
    assert!(ring.uri().starts_with(&format!("sip:{MOBILE}@")), "{}", ring.uri());
    let diversion = ring.one("Diversion");
    assert!(diversion.contains("1001@corp.test") && diversion.contains("reason=user-busy"), "{diversion}");
    scene.mobile.answer(&ring, 486);
    scene.mobile.expect("ACK");
    // Nobody took it: the user is told, once, and it was the user's call.
    scene.is_refused(&invite, 486);
    let mails = scene.ringpost.has_mails(MAIL, 1);
    assert!(mails[0].1.contains(invite.one("Call-ID")), "{}", mails[0].1);
    scene.ringpost.stops_well();
}

#[test]
fn r66_nobody_answers_and_the_call_goes_out_and_is_answered_there() {
    let policy = format!("forward_no_answer = {MOBILE:?}");
    let mut scene = scene("missed_calls = \"mail\"\nring_for = \"1s\"", &policy, "");
    let invite = scene.pbx.invite("1001");
    let desk = scene.desk.expect("INVITE");
    scene.desk.answer(&desk, 180);
    let cancel = scene.desk.expect("CANCEL");
    scene.desk.answer(&cancel, 200);
    scene.desk.answer(&desk, 487);
    let ring = scene.mobile.expect("INVITE");
    assert!(ring.one("Diversion").contains("reason=no-answer"), "{ring}");
    scene.mobile.answer(&ring, 200);
    scene.mobile.expect("ACK");
    let ok = loop {
        let heard = scene.pbx.expect_any();
        if heard.what() == "200" {
            break heard;
        }
    };
    let mut dialog = Dialog::caller(&invite, &ok);
    scene.pbx.inside(&mut dialog, "ACK", "", "");
    scene.pbx.ends(&mut dialog, &mut scene.mobile);
    // Answered on the user's behalf: not missed.
    scene.ringpost.logs("outcome=TakenByOther");
    assert_eq!(scene.ringpost.mails(MAIL).len(), 0);
    scene.ringpost.stops_well();
}

#[test]
fn t19_nobody_is_forwarded_where_the_site_allows_no_call() {
    for policy in [
        "forward_always = \"+1900555\"",
        "forward_busy = \"+1900555\"",
        "ring_also = [\"+1900555\"]",
        "hunt = [\"+1900555\"]",
    ] {
        let mut scene = scene("missed_calls = \"mail\"", policy, "");
        let invite = scene.pbx.invite("1001");
        if !policy.starts_with("forward_always") {
            let desk = scene.desk.expect("INVITE");
            scene.desk.answer(&desk, 486);
            scene.desk.expect("ACK");
        }
        let heard = scene.pbx.expect_any();
        assert!(heard.what().starts_with('4'), "{policy}: {heard}");
        scene.pbx.acknowledges(&invite, &heard);
        scene.mobile.silent_for(Duration::from_millis(30));
        scene.ringpost.logs("a number is left out: not allowed or not served");
        scene.ringpost.has_mails(MAIL, 1);
        scene.ringpost.stops_well();
    }
}

#[test]
fn t19_only_so_many_numbers_outside_ring_for_one_user() {
    let policy = "ring_also = [\"+4917000001\", \"+4917000002\", \"+4917000003\"]";
    let mut scene = scene("missed_calls = \"mail\"", policy, "[policy]\nmax_outside = 2");
    let invite = scene.pbx.invite("1001");
    let desk = scene.desk.expect("INVITE");
    let rings = [scene.mobile.expect("INVITE"), scene.mobile.expect("INVITE")];
    scene.mobile.silent_for(Duration::from_millis(50));
    scene.ringpost.logs("a number is left out: too many ring outside already");
    // A second call at the same time finds no room at all.
    let mut other = Peer::new(Over::Udp, "127.0.0.1", scene.ringpost.sip);
    let second = other.invite("1001");
    let second_desk = scene.desk.expect("INVITE");
    scene.mobile.silent_for(Duration::from_millis(50));
    for ring in [&desk, &second_desk] {
        scene.desk.answer(ring, 486);
        scene.desk.expect("ACK");
    }
    other.refused(&second, 486);
    for ring in &rings {
        scene.mobile.answer(ring, 486);
        scene.mobile.expect("ACK");
    }
    scene.is_refused(&invite, 486);
    scene.ringpost.stops_well();
}

#[test]
fn r66_a_call_that_comes_back_is_not_forwarded_again() {
    let mut scene = scene("missed_calls = \"mail\"", &format!("forward_always = {MOBILE:?}"), "");
    let invite = scene.pbx.invite("1001");
    let out = scene.mobile.expect("INVITE");
    assert!(out.one("Diversion").contains("reason=unconditional"), "{out}");
    // The world has forwarded it back to the user: the same diversion comes in again.
    let diversion = format!("Diversion: {}\r\n", out.one("Diversion"));
    let uri = format!("sip:1001@{}", scene.ringpost.sip);
    let back = scene.mobile.request("INVITE", &uri, &diversion, SDP);
    scene.mobile.refused(&back, 482);
    scene.mobile.answer(&out, 486);
    scene.mobile.expect("ACK");
    scene.is_refused(&invite, 486);
    scene.ringpost.stops_well();
}

#[test]
fn r73_a_bypass_number_rings_one_device_and_nothing_else_happens() {
    let site = Site::new().maildir();
    let mut fax = site.peer(Over::Udp);
    let table =
        format!("[[bypass]]\nnumbers = [\"1099\"]\ntarget = \"sip:fax@{}\"\nring_for = \"1s\"", fax.address);
    let desk = site.peer(Over::Udp);
    let mut pbx = Peer::new(Over::Udp, "127.0.0.1", site.sip);
    let ringpost = site
        .user("1001", &[&desk], "missed_calls = \"mail\"\nmail = \"ada@corp.test\"")
        .table(&table)
        .start();
    let invite = pbx.invite("1099");
    let ring = fax.expect("INVITE");
    assert!(ring.uri().starts_with("sip:fax@"), "{}", ring.uri());
    fax.answer(&ring, 200);
    fax.expect("ACK");
    let mut dialog = Dialog::caller(&invite, &pbx.expect("200"));
    pbx.inside(&mut dialog, "ACK", "", "");
    pbx.ends(&mut dialog, &mut fax);
    // Nobody answers: nobody is told, there is no mailbox.
    let invite = pbx.invite("1099");
    let ring = fax.expect("INVITE");
    fax.answer(&ring, 180);
    pbx.expect("180");
    let cancel = fax.expect("CANCEL");
    fax.answer(&cancel, 200);
    fax.answer(&ring, 487);
    pbx.refused(&invite, 480);
    assert_eq!(ringpost.mails(MAIL).len(), 0);
    ringpost.stops_well();
}
