//! What crosses before the answer: UPDATE (RFC 3311), an offer in a reliable 18x and its answer in the PRACK (RFC 3262 §5);
//! and reliable provisional responses to a re-INVITE.

use std::time::Duration;

use crate::{
    office::{ELSEWHERE, Office, Talk, is_cancelled},
    support::{Over, Peer, SDP, Sip, Site, peer::Dialog},
};

const OFF: &str = "missed_calls = \"off\"";
const ABLE: &str = "Supported: 100rel\r\n";
const MUST: &str = "Require: 100rel\r\n";

fn reliable(rseq: u32) -> String {
    format!("Require: 100rel\r\nRSeq: {rseq}\r\n")
}

/// The caller acknowledges a reliable response, with that body.
fn pracks(peer: &mut Peer, dialog: &mut Dialog, response: &Sip, body: &str) {
    assert_eq!(response.one("Require"), "100rel", "{response}");
    let rack = format!("RAck: {} {}\r\n", response.one("RSeq"), response.one("CSeq"));
    peer.inside(dialog, "PRACK", &rack, body);
    peer.expect("200");
}

fn sdp(port: &str) -> String {
    SDP.replace("40000", port)
}

/// Ends a call of the PBX and the desk.
fn ends(mut office: Office, invite: &Sip, desk: &Sip, mut phone: Dialog, soft: Option<&Sip>) {
    let answer = office.desk.answer_with(desk, 200, "", "");
    office.desk.expect("ACK");
    if let Some(soft) = soft {
        is_cancelled(&mut office.soft, soft, ELSEWHERE);
    }
    let ok = office.pbx.expect("200");
    phone.local = answer.one("To").to_owned();
    let pbx = Dialog { sequence: 1, ..Dialog::caller(invite, &ok) };
    office.pbx.inside(&mut pbx.clone(), "ACK", "", "");
    office.hangs_up(Talk { pbx: Dialog { sequence: 9, ..pbx }, phone });
    office.ends();
}

#[test]
fn an_update_crosses_between_early_dialogs_whose_media_is_settled() {
    for over in Over::BOTH {
        let mut office = Office::new(over, OFF);
        let invite = office.pbx.invite_with("1001", ABLE);
        let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
        office.soft.answer(&soft, 100);
        let media = office.desk.answer_with(&desk, 183, &reliable(7), SDP);
        let prack = office.desk.expect("PRACK");
        office.desk.answer(&prack, 200);
        let progress = office.pbx.expect("183");
        let mut caller = Dialog::caller(&invite, &progress);
        // The caller has not acknowledged the answer yet: an offer would overlap.
        office.pbx.inside(&mut caller, "UPDATE", "", &sdp("40010"));
        assert!(!office.pbx.expect("500").one("Retry-After").is_empty());
        pracks(&mut office.pbx, &mut caller, &progress, "");
        office.pbx.inside(&mut caller, "UPDATE", "", &sdp("40010"));
        let update = office.desk.expect("UPDATE");
        assert_eq!((update.body(), update.one("CSeq")), (&*sdp("40010"), "3 UPDATE"));
        assert_eq!((update.one("To"), update.one("From")), (media.one("To"), desk.one("From")));
        // Glare in an early dialog: the other end's own waits.
        let mut phone = Dialog::callee(&desk, &media);
        office.desk.inside(&mut phone, "UPDATE", "", &sdp("40020"));
        office.desk.expect("491");
        office.desk.answer_with(&update, 200, "", &sdp("40011"));
        assert_eq!(office.pbx.expect("200").body(), sdp("40011"));
        office.desk.inside(&mut phone, "UPDATE", "", &sdp("40020"));
        let update = office.pbx.expect("UPDATE");
        assert_eq!((update.body(), update.one("CSeq")), (&*sdp("40020"), "1 UPDATE"));
        office.pbx.answer_with(&update, 200, "", &sdp("40021"));
        assert_eq!(office.desk.expect("200").body(), sdp("40021"));
        // A device that nobody listens to has no media to change.
        let mut other = Dialog::callee(&soft, &office.soft.response(&soft, 180, "x", "", ""));
        office.soft.inside(&mut other, "UPDATE", "", SDP);
        office.soft.expect("481");
        ends(office, &invite, &desk, phone, Some(&soft));
    }
}

/// 1005 has one phone: the desk.
fn alone(headers: &str) -> (Office, Sip, Sip) {
    let site = Site::new();
    let desk = site.peer(Over::Udp);
    let mut office = Office::on(site.user("1005", &[&desk], OFF), Over::Udp, OFF);
    office.desk = desk;
    let uri = format!("sip:1005@{}", office.ringpost.sip);
    let invite = office.pbx.request("INVITE", &uri, headers, "");
    let ring = office.desk.expect("INVITE");
    (office, invite, ring)
}

#[test]
fn a_devices_offer_and_the_callers_answer_cross_before_the_call_is_taken() {
    for headers in [ABLE, MUST] {
        let (mut office, invite, desk) = alone(headers);
        assert!(desk.one("Supported").contains("100rel") && desk.body().is_empty());
        let media = office.desk.answer_with(&desk, 183, &reliable(7), &sdp("40030"));
        let progress = office.pbx.expect("183");
        assert_eq!(progress.body(), sdp("40030"));
        // Its PRACK waits for the caller's, which has the answer.
        office.desk.silent_for(Duration::from_millis(50));
        let mut caller = Dialog::caller(&invite, &progress);
        pracks(&mut office.pbx, &mut caller, &progress, &sdp("40031"));
        let prack = office.desk.expect("PRACK");
        assert_eq!((prack.one("RAck"), prack.body()), ("7 1 INVITE", &*sdp("40031")));
        assert_eq!(prack.one("Content-Type"), "application/sdp");
        office.desk.answer(&prack, 200);
        // What is settled can be changed.
        office.pbx.inside(&mut caller, "UPDATE", "", &sdp("40033"));
        let update = office.desk.expect("UPDATE");
        office.desk.answer_with(&update, 200, "", &sdp("40034"));
        office.pbx.expect("200");
        // So can what comes in the PRACK of a later response.
        office.desk.answer_with(&desk, 180, &reliable(8), "");
        let prack = office.desk.expect("PRACK");
        office.desk.answer(&prack, 200);
        let ringing = office.pbx.expect("180");
        if headers == MUST {
            let rack = format!("RAck: {} {}\r\n", ringing.one("RSeq"), ringing.one("CSeq"));
            office.pbx.inside(&mut caller, "PRACK", &rack, &sdp("40035"));
            let update = office.desk.expect("UPDATE");
            assert_eq!((update.body(), update.first("RAck")), (&*sdp("40035"), ""));
            office.desk.answer_with(&update, 200, "", &sdp("40036"));
            let taken = office.pbx.expect("200");
            assert_eq!((taken.body(), taken.one("CSeq").ends_with("PRACK")), (&*sdp("40036"), true));
        }
        let answer = office.desk.answer_with(&desk, 200, "", "");
        let ok = office.pbx.expect("200");
        assert_eq!(ok.body(), "", "the offer had its answer before");
        let pbx = Dialog { sequence: 1, ..Dialog::caller(&invite, &ok) };
        office.pbx.inside(&mut pbx.clone(), "ACK", "", "");
        assert_eq!(office.desk.expect("ACK").body(), "");
        assert_eq!(media.one("To"), answer.one("To"));
        let phone = Dialog::callee(&desk, &answer);
        office.hangs_up(Talk { pbx: Dialog { sequence: 9, ..pbx }, phone });
        office.ends();
    }
}

#[test]
fn an_offer_that_nobody_could_answer_early_is_not_asked_for() {
    // The caller does not know 100rel.
    let (mut office, invite, desk) = alone("");
    assert!(!desk.one("Supported").contains("100rel"));
    office.desk.answer_with(&desk, 183, &reliable(7), SDP);
    office.pbx.silent_for(Duration::from_millis(50));
    office.pbx.cancel(&invite, "");
    office.pbx.expect("200");
    is_cancelled(&mut office.desk, &desk, "");
    office.pbx.refused(&invite, 487);
    office.ends();
}

#[test]
fn a_re_invite_that_takes_nothing_else_hears_reliably_how_it_goes() {
    let mut office = Office::new(Over::Udp, OFF);
    let mut talk = office.talks();
    office.pbx.inside(&mut talk.pbx, "INVITE", MUST, SDP);
    let renewed = office.desk.expect("INVITE");
    assert!(renewed.one("Supported").contains("100rel") && renewed.first("Require").is_empty());
    // Reliable on the phone's side too, in the dialog that is up.
    office.desk.answer_with(&renewed, 183, &reliable(900), &sdp("40040"));
    let prack = office.desk.expect("PRACK");
    let sequence = renewed.one("CSeq").split(' ').next().expect("a number").to_owned();
    assert_eq!(prack.one("RAck"), format!("900 {sequence} INVITE"));
    office.desk.answer(&prack, 200);
    office.desk.answer_with(&renewed, 183, &reliable(900), &sdp("40040"));
    office.desk.silent_for(Duration::from_millis(50));
    let progress = office.pbx.expect("183");
    assert_eq!(progress.body(), "", "the SDP is left to the answer");
    pracks(&mut office.pbx, &mut talk.pbx, &progress, "");
    // The phone need not repeat the SDP that was acknowledged; the caller has not seen it.
    office.desk.answer_with(&renewed, 200, "", "");
    assert_eq!(office.pbx.expect("200").body(), sdp("40040"));
    let mut ack = Dialog { sequence: talk.pbx.sequence - 1, ..talk.pbx.clone() };
    office.pbx.inside(&mut ack, "ACK", "", "");
    office.desk.expect("ACK");
    office.hangs_up(talk);
    office.ends();
}
