//! What a user's policy makes of a call (R65, R66, R73, R115, R208): whole calls, the site file and feature codes.

use crate::{
    office::{ELSEWHERE, Office, is_cancelled, refuses},
    support::{Over, Peer, SDP, Site, peer::Dialog},
};

const OFF: &str = "missed_calls = \"off\"";
const CODES: &str = "[feature_codes]\nforward_always = \"*72\"\nforward_always_off = \"*73\"\ndo_not_disturb = \"*78\"\n\
                     do_not_disturb_off = \"*79\"\nreset = \"*70\"";

/// An office whose user 1005 has a phone of its own; `policy` are the lines of 1001's.
fn office(policy: &str) -> (Office, Peer) {
    let site = Site::new().table(CODES);
    let other = site.peer(Over::Udp);
    let site = site.user("1005", &[&other], OFF);
    (Office::on(site, Over::Udp, &format!("{OFF}\n[user.policy]\n{policy}")), other)
}

/// The phone answers, the caller hangs up.
fn answers(office: &mut Office, phone: &mut Peer, invite: &crate::support::Sip, ring: &crate::support::Sip) {
    phone.answer(ring, 200);
    phone.expect("ACK");
    let ok = loop {
        let heard = office.pbx.expect_any();
        if heard.what() == "200" {
            break heard;
        }
    };
    let mut dialog = Dialog::caller(invite, &ok);
    office.pbx.inside(&mut dialog, "ACK", "", "");
    office.pbx.ends(&mut dialog, phone);
}

#[test]
fn who_does_not_want_to_be_disturbed_is_not_rung() {
    let (mut office, other) = office("do_not_disturb = \"voicemail\"");
    let invite = office.pbx.invite("1001");
    let to_um = office.um.expect("INVITE");
    let mut um = std::mem::replace(&mut office.um, Peer::new(Over::Udp, "127.0.0.1", office.ringpost.sip));
    answers(&mut office, &mut um, &invite, &to_um);
    drop((um, other));
    office.ends();
}

#[test]
fn every_call_goes_to_another_user_until_that_is_taken_back() {
    let (mut office, mut other) = office("forward_always = \"1005\"");
    let invite = office.pbx.invite("1001");
    let ring = other.expect("INVITE");
    assert!(ring.one("Diversion").contains("sip:1001@corp.test"), "{ring}");
    answers(&mut office, &mut other, &invite, &ring);
    drop(other);
    office.ends();
}

#[test]
fn busy_devices_hand_on_to_the_next_of_the_hunt() {
    let (mut office, mut other) = office("hunt = [\"1005\"]\nhunt_step = \"5s\"");
    let invite = office.pbx.invite("1001");
    let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
    refuses(&mut office.desk, &desk, 486);
    refuses(&mut office.soft, &soft, 486);
    let ring = other.expect("INVITE");
    answers(&mut office, &mut other, &invite, &ring);
    drop(other);
    office.ends();
}

#[test]
fn delegates_ring_later_and_their_answer_releases_the_rest() {
    let (mut office, mut other) = office("delegates = [\"1005\"]\ndelegates_after = \"300ms\"");
    let [invite, desk, soft] = office.rings();
    let ring = other.expect("INVITE");
    answers(&mut office, &mut other, &invite, &ring);
    is_cancelled(&mut office.desk, &desk, ELSEWHERE);
    is_cancelled(&mut office.soft, &soft, ELSEWHERE);
    drop(other);
    office.ends();
}

/// 1001 dials a feature code on the PBX.
fn dials(office: &mut Office, code: &str) {
    let uri = format!("sip:{code}@{}", office.ringpost.sip);
    let draft = office.pbx.draft("INVITE", &uri, "", SDP);
    let draft = draft.replace("\"Ada Caller\" <sip:+4544890101@pbx.test>", "<sip:1001@pbx.test>");
    office.pbx.send(draft.as_bytes());
    let invite = crate::support::Sip::new(draft.as_bytes());
    let ok = office.pbx.expect("200");
    let mut dialog = Dialog::caller(&invite, &ok);
    office.pbx.inside(&mut dialog, "ACK", "", "");
    let bye = office.pbx.expect("BYE");
    office.pbx.answer(&bye, 200);
}

#[test]
fn a_feature_code_counts_from_the_next_call_on_and_survives_a_restart() {
    let site = Site::new().table(CODES);
    let mut other = site.peer(Over::Udp);
    let site = site.user("1005", &[&other], OFF).plan("own", &["embedded"]);
    let mut office = Office::on(site, Over::Udp, OFF);
    // Nobody else's phone changes it.
    let stranger = office.pbx.invite("*721005");
    office.pbx.refused(&stranger, 403);
    dials(&mut office, "*721005");
    for restart in [true, false] {
        let invite = office.pbx.invite("1001");
        let ring = other.expect("INVITE");
        answers(&mut office, &mut other, &invite, &ring);
        if restart {
            office.ringpost.kill();
            office.ringpost.restart();
        }
    }
    dials(&mut office, "*73");
    let talk = office.talks();
    office.hangs_up(talk);
    drop(other);
    office.ends();
}
