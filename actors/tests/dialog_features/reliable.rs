//! RFC 3262, each leg for itself: provisional responses that are sent until their PRACK comes.

use std::time::Duration;

use crate::{
    office::{ELSEWHERE, Office, Talk, is_cancelled},
    support::{Over, Peer, SDP, Sip, peer::Dialog},
};

const OFF: &str = "missed_calls = \"off\"";
const MAIL: &str = "ada@corp.test";
const MUST: &str = "Require: 100rel\r\n";
const ABLE: &str = "Supported: 100rel\r\n";

/// The RAck of a response.
fn rack(response: &Sip) -> String {
    let (rseq, cseq) = (response.one("RSeq"), response.one("CSeq"));
    format!("RAck: {rseq} {cseq}\r\n")
}

/// The caller acknowledges a reliable response; gives its early dialog.
fn pracks(peer: &mut Peer, invite: &Sip, response: &Sip, sequence: u32) -> Dialog {
    assert_eq!(response.one("Require"), "100rel");
    let mut dialog = Dialog { sequence, ..Dialog::caller(invite, response) };
    peer.inside(&mut dialog, "PRACK", &rack(response), "");
    peer.expect("200");
    dialog
}

/// Both phones have the INVITE and say no more than that.
fn both_know(office: &mut Office) -> (Sip, Sip) {
    let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
    office.soft.answer(&soft, 100);
    (desk, soft)
}

fn silent(peer: &mut Peer) {
    peer.silent_for(Duration::from_millis(50));
}

/// The desk has answered, and the caller acknowledges in that dialog.
fn ends_answered(mut office: Office, desk: &Sip, soft: &Sip, answer: &Sip, mut pbx: Dialog) {
    is_cancelled(&mut office.soft, soft, ELSEWHERE);
    office.pbx.inside(&mut pbx, "ACK", "", "");
    let phone = Dialog::callee(desk, answer);
    office.hangs_up(Talk { pbx, phone });
    office.ends();
}

#[test]
fn a_caller_that_requires_it_gets_each_response_reliably_and_in_order() {
    for over in Over::BOTH {
        let mut office = Office::new(over, OFF);
        let invite = office.pbx.invite_with("1001", MUST);
        let (desk, soft) = both_know(&mut office);
        office.desk.answer(&desk, 180);
        let ringing = office.pbx.expect("180");
        let rseq: u32 = ringing.one("RSeq").parse().expect("a number");
        assert!((1..=0x7fff_ffff).contains(&rseq));
        // The next one waits for the PRACK.
        office.desk.answer(&desk, 183);
        silent(&mut office.pbx);
        let mut wrong = Dialog::caller(&invite, &ringing);
        let foreign = format!("RAck: {} 1 INVITE\r\n", rseq.wrapping_add(1));
        office.pbx.inside(&mut wrong, "PRACK", &foreign, "");
        office.pbx.expect("481");
        let early = pracks(&mut office.pbx, &invite, &ringing, 2);
        let media = office.pbx.expect("183");
        assert_eq!((media.one("RSeq"), media.body()), (&*(rseq + 1).to_string(), SDP));
        // The answer waits for the PRACK of the SDP.
        let answer = office.desk.answer(&desk, 200);
        office.desk.expect("ACK");
        silent(&mut office.pbx);
        pracks(&mut office.pbx, &invite, &media, early.sequence);
        let ok = office.pbx.expect("200");
        assert_eq!((ok.body(), ok.to_tag()), (SDP, media.to_tag()));
        let pbx = Dialog { sequence: early.sequence + 1, ..Dialog::caller(&invite, &ok) };
        office.pbx.inside(&mut pbx.clone(), "PRACK", &rack(&media), "");
        office.pbx.expect("481");
        let pbx = Dialog { sequence: pbx.sequence + 1, ..pbx };
        is_cancelled(&mut office.soft, &soft, ELSEWHERE);
        ack(&mut office.pbx, &pbx);
        office.hangs_up(Talk { pbx, phone: Dialog::callee(&desk, &answer) });
        office.ends();
    }
}

/// The ACK of the INVITE, whose number is 1.
fn ack(peer: &mut Peer, dialog: &Dialog) {
    peer.inside(&mut Dialog { sequence: 1, ..dialog.clone() }, "ACK", "", "");
}

#[test]
fn a_caller_that_is_able_gets_early_media_reliably_and_ringing_plainly() {
    let mut office = Office::new(Over::Udp, OFF);
    let invite = office.pbx.invite_with("1001", ABLE);
    let (desk, soft) = both_know(&mut office);
    office.soft.answer(&soft, 180);
    assert_eq!(office.pbx.expect("180").first("RSeq"), "");
    office.desk.answer(&desk, 183);
    let media = office.pbx.expect("183");
    assert_eq!(media.body(), SDP);
    // It is sent again after T1, and after twice that.
    let raw = media.raw.clone();
    for _ in 0..2 {
        let again = office.pbx.octets(Duration::from_secs(3)).expect("once more");
        assert_eq!(again, raw);
    }
    // An offer in the PRACK finds nobody; the response counts as acknowledged.
    let mut early = Dialog::caller(&invite, &media);
    office.pbx.inside(&mut early, "PRACK", &rack(&media), SDP);
    office.pbx.expect("488");
    let answer = office.desk.answer(&desk, 200);
    office.desk.expect("ACK");
    let ok = office.pbx.expect("200");
    assert_eq!(ok.to_tag(), media.to_tag());
    let pbx = Dialog { sequence: 2, ..Dialog::caller(&invite, &ok) };
    ack(&mut office.pbx, &pbx);
    is_cancelled(&mut office.soft, &soft, ELSEWHERE);
    office.hangs_up(Talk { pbx, phone: Dialog::callee(&desk, &answer) });
    office.ends();
}

#[test]
fn another_device_answers_in_a_dialog_of_its_own() {
    let mut office = Office::new(Over::Udp, OFF);
    let invite = office.pbx.invite_with("1001", ABLE);
    let (desk, soft) = both_know(&mut office);
    office.soft.answer(&soft, 183);
    let media = office.pbx.expect("183");
    // Its SDP is the desk's, and in the dialog of the 183 it would count for nothing.
    let own = SDP.replace("40000", "40004");
    let answer = office.desk.answer_with(&desk, 200, "", &own);
    office.desk.expect("ACK");
    let ok = office.pbx.expect("200");
    assert_eq!(ok.body(), own);
    assert_ne!(ok.to_tag(), media.to_tag());
    pracks(&mut office.pbx, &invite, &media, 1);
    let pbx = Dialog { sequence: 1, ..Dialog::caller(&invite, &ok) };
    ends_answered(office, &desk, &soft, &answer, pbx);
}

#[test]
fn a_caller_gives_up_while_the_answer_waits() {
    for by_bye in [false, true] {
        let mut office = Office::new(Over::Udp, OFF);
        let invite = office.pbx.invite_with("1001", ABLE);
        let (desk, soft) = both_know(&mut office);
        office.desk.answer(&desk, 183);
        let media = office.pbx.expect("183");
        let answer = office.desk.answer(&desk, 200);
        office.desk.expect("ACK");
        is_cancelled(&mut office.soft, &soft, ELSEWHERE);
        if by_bye {
            office.pbx.inside(&mut Dialog::caller(&invite, &media), "BYE", "", "");
        } else {
            office.pbx.cancel(&invite, "");
        }
        office.pbx.expect("200");
        office.pbx.refused(&invite, 487);
        let bye = office.desk.expect("BYE");
        office.desk.answer(&bye, 200);
        drop(answer);
        office.ends();
    }
}

#[test]
fn a_phone_hangs_up_while_its_answer_waits() {
    let mut office = Office::new(Over::Udp, OFF);
    let invite = office.pbx.invite_with("1001", ABLE);
    let (desk, soft) = both_know(&mut office);
    office.desk.answer(&desk, 183);
    office.pbx.expect("183");
    let answer = office.desk.answer(&desk, 200);
    office.desk.expect("ACK");
    is_cancelled(&mut office.soft, &soft, ELSEWHERE);
    office.desk.inside(&mut Dialog::callee(&desk, &answer), "BYE", "", "");
    office.desk.expect("200");
    office.pbx.refused(&invite, 480);
    office.ends();
}

#[test]
fn a_caller_that_never_acknowledges_is_refused_and_its_call_was_missed() {
    let site = crate::support::Site::new().maildir();
    let mut office =
        Office::on(site, Over::Udp, &format!("ring_for = \"60s\"\nmissed_calls = \"mail\"\nmail = {MAIL:?}"));
    let invite = office.pbx.invite_with("1001", MUST);
    let (desk, soft) = both_know(&mut office);
    office.desk.answer(&desk, 180);
    office.pbx.expect("180");
    // 64*T1 is 32 s.
    let mut refusal = None;
    crate::support::within(Duration::from_secs(40), "the INVITE is refused", || {
        refusal = office.pbx.next(Duration::from_secs(5));
        refusal.is_some()
    });
    let refusal = refusal.expect("just seen");
    assert_eq!(refusal.what(), "504");
    office.pbx.send(
        format!(
            "ACK {} SIP/2.0\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
            invite.uri(),
            invite.one("Via"),
            invite.one("From"),
            refusal.one("To"),
            invite.one("Call-ID")
        )
        .as_bytes(),
    );
    is_cancelled(&mut office.desk, &desk, "");
    is_cancelled(&mut office.soft, &soft, "");
    office.ringpost.has_mails(MAIL, 1);
    office.ends();
}

#[test]
fn a_phone_is_answered_with_prack_in_each_of_its_early_dialogs() {
    let mut office = Office::new(Over::Udp, OFF);
    let invite = office.pbx.invite("1001");
    let (desk, soft) = both_know(&mut office);
    assert!(desk.one("Supported").contains("100rel"));
    let reliable = |rseq: u32| format!("Require: 100rel\r\nRSeq: {rseq}\r\n");
    let sent = office.desk.answer_with(&desk, 180, &reliable(7), "");
    let prack = office.desk.expect("PRACK");
    assert_eq!((prack.one("RAck"), prack.one("To")), ("7 1 INVITE", sent.one("To")));
    office.desk.answer(&prack, 200);
    assert_eq!(office.pbx.expect("180").first("Require"), "", "nobody else's business");
    // One that comes again, or too early, is not listened to.
    office.desk.answer_with(&desk, 183, &reliable(9), SDP);
    office.desk.answer_with(&desk, 180, &reliable(7), "");
    silent(&mut office.desk);
    silent(&mut office.pbx);
    office.desk.answer_with(&desk, 183, &reliable(8), SDP);
    let second = office.desk.expect("PRACK");
    assert_eq!(second.one("RAck"), "8 1 INVITE");
    office.desk.answer(&second, 200);
    assert_eq!(office.pbx.expect("183").body(), SDP);
    // A fork behind the phone's address counts for itself.
    let fork = office.desk.answer_tagged(&desk, 180, "fork", &reliable(900), "");
    let third = office.desk.expect("PRACK");
    assert_eq!((third.one("RAck"), third.one("To")), ("900 1 INVITE", fork.one("To")));
    office.desk.answer(&third, 200);
    // The answer may leave out the SDP that was acknowledged; the caller has never acknowledged it.
    let answer = office.desk.answer_with(&desk, 200, "", "");
    office.desk.expect("ACK");
    is_cancelled(&mut office.soft, &soft, ELSEWHERE);
    let ok = office.pbx.expect("200");
    assert_eq!(ok.body(), SDP);
    let mut talk = Talk { pbx: Dialog::caller(&invite, &ok), phone: Dialog::callee(&desk, &answer) };
    office.pbx.inside(&mut talk.pbx, "ACK", "", "");
    // Ringpost's requests go on counting where the PRACKs were.
    office.pbx.inside(&mut talk.pbx, "INFO", "Content-Type: x/y\r\n", "z");
    let info = office.desk.expect("INFO");
    assert_eq!(info.one("CSeq"), "4 INFO");
    office.desk.answer(&info, 200);
    office.pbx.expect("200");
    office.hangs_up(talk);
    office.ends();
}

#[test]
fn an_invite_without_an_offer_asks_no_phone_for_reliable_responses() {
    let mut office = Office::new(Over::Udp, OFF);
    let uri = format!("sip:1001@{}", office.ringpost.sip);
    let invite = office.pbx.request("INVITE", &uri, MUST, "");
    let (desk, soft) = both_know(&mut office);
    assert!(!desk.one("Supported").contains("100rel"));
    // What such a preview of media says is no offer yet: it must not reach the caller as one.
    office.desk.answer(&desk, 183);
    let progress = office.pbx.expect("183");
    assert_eq!(progress.body(), "");
    pracks(&mut office.pbx, &invite, &progress, 1);
    office.pbx.cancel(&invite, "");
    office.pbx.expect("200");
    is_cancelled(&mut office.desk, &desk, "");
    is_cancelled(&mut office.soft, &soft, "");
    office.pbx.refused(&invite, 487);
    office.ends();
}
