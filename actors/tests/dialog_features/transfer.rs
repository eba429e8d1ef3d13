//! REFER inside a call (RFC 3515), blind and attended (RFC 3891): Ringpost moves the other party itself, and the missed
//! call of the one to whom it was referred is told as any other (R201, R202).

use std::{collections::BTreeSet, time::Duration};

use crate::{
    office::{Office, is_cancelled, refuses},
    support::{Over, Peer, SDP, Sip, Site, peer::Dialog},
};

const OFF: &str = "missed_calls = \"off\"";

/// The SDP of whom a call is transferred to.
fn new_sdp() -> String {
    SDP.replace("40000", "40400")
}

/// 1005 has one phone, to which calls are transferred.
fn office(over: Over, lines: &str) -> (Office, Peer) {
    office_on(Site::new(), over, lines)
}

fn office_on(site: Site, over: Over, lines: &str) -> (Office, Peer) {
    let site = site.maildir();
    let third = site.peer(over);
    let site = site.user("1005", &[&third], lines);
    (Office::on(site, over, OFF), third)
}

/// The referrer's NOTIFY with that status.
fn notified(peer: &mut Peer, code: u16, over: bool) {
    let notify = peer.expect("NOTIFY");
    assert!(notify.body().starts_with(&format!("SIP/2.0 {code} ")), "{notify}");
    assert_eq!(notify.first("Content-Type"), "message/sipfrag;version=2.0");
    assert!(notify.one("Event").starts_with("refer;id="), "{notify}");
    assert_eq!(notify.one("Subscription-State").starts_with("terminated"), over, "{notify}");
    peer.answer(&notify, 200);
}

fn refer_to(peer: &mut Peer, dialog: &mut Dialog, target: &str) {
    let site = dialog.target.clone();
    let host = site.rsplit('@').next().expect("a host").to_owned();
    peer.inside(dialog, "REFER", &format!("Refer-To: <sip:{target}@{host}>\r\n"), "");
    let accepted = peer.expect("202");
    assert_eq!(accepted.first("Refer-Sub"), "");
    notified(peer, 100, false);
}

/// The transferred party hears of its new one and says yes.
fn meets(peer: &mut Peer, sdp: &str) {
    let renewed = peer.expect("INVITE");
    assert_eq!(renewed.body(), sdp);
    peer.answer(&renewed, 200);
    peer.expect("ACK");
}

fn hung_up(peer: &mut Peer) {
    let bye = peer.expect("BYE");
    peer.answer(&bye, 200);
}

#[test]
fn a_phone_transfers_its_caller_blind() {
    for over in Over::BOTH {
        let (mut office, mut third) = office(over, OFF);
        let mut talk = office.talks();
        refer_to(&mut office.desk, &mut talk.phone, "1005");
        let invite = third.expect("INVITE");
        assert_eq!(invite.body(), SDP, "the caller's own media");
        assert_eq!(invite.one("Max-Forwards"), "68", "two hops from the caller's INVITE on");
        assert!(invite.one("From").contains("sip:+4544890101@pbx.test"), "{invite}");
        assert!(invite.one("Referred-By").contains("sip:1001@corp.test"), "{invite}");
        third.answer(&invite, 180);
        notified(&mut office.desk, 180, false);
        let answer = third.answer_with(&invite, 200, "", &new_sdp());
        third.expect("ACK");
        meets(&mut office.pbx, &new_sdp());
        notified(&mut office.desk, 200, true);
        hung_up(&mut office.desk);
        // What they do now concerns the two of them.
        let mut new = Dialog::callee(&invite, &answer);
        third.inside(&mut new, "INFO", "Content-Type: x/y\r\n", "hello");
        let info = office.pbx.expect("INFO");
        office.pbx.answer(&info, 200);
        third.expect("200");
        office.pbx.inside(&mut talk.pbx, "BYE", "", "");
        office.pbx.expect("200");
        hung_up(&mut third);
        drop(third);
        office.ends();
    }
}

#[test]
fn a_phone_that_hangs_up_at_once_has_transferred_all_the_same() {
    let (mut office, mut third) = office(Over::Udp, OFF);
    let mut talk = office.talks();
    refer_to(&mut office.desk, &mut talk.phone, "1005");
    office.desk.inside(&mut talk.phone, "BYE", "", "");
    office.desk.expect("200");
    let invite = third.expect("INVITE");
    third.answer_with(&invite, 200, "", &new_sdp());
    third.expect("ACK");
    meets(&mut office.pbx, &new_sdp());
    office.pbx.inside(&mut talk.pbx, "BYE", "", "");
    office.pbx.expect("200");
    hung_up(&mut third);
    drop(third);
    office.ends();
}

#[test]
fn a_transfer_that_nobody_takes_comes_back_and_is_a_missed_call_of_whom_it_was_for() {
    let class = "missed_calls = \"mail\"\nmail = \"eve@corp.test\"";
    let (mut office, mut third) = office(Over::Udp, class);
    let mut talk = office.talks();
    refer_to(&mut office.desk, &mut talk.phone, "1005");
    let invite = third.expect("INVITE");
    refuses(&mut third, &invite, 486);
    notified(&mut office.desk, 486, true);
    // Both talk on.
    office.desk.inside(&mut talk.phone, "INVITE", "", SDP);
    let resumed = office.pbx.expect("INVITE");
    office.pbx.answer(&resumed, 200);
    office.desk.expect("200");
    office.desk.inside(&mut talk.phone, "ACK", "", "");
    office.pbx.expect("ACK");
    let mails = office.ringpost.has_mails("eve@corp.test", 1);
    assert!(
        mails[0].1.contains("45 44 89 01 01") || mails[0].1.contains("+4544890101"),
        "who was transferred: {}",
        mails[0].1
    );
    // A second try is another transfer: unknown, then forbidden outside.
    refer_to(&mut office.desk, &mut talk.phone, "7777");
    notified(&mut office.desk, 404, true);
    office.hangs_up(talk);
    drop(third);
    office.ends();
}

#[test]
fn a_transferred_caller_who_gives_up_is_told_to_whom_it_was_for() {
    let class = "missed_calls = \"mail\"\nmail = \"eve@corp.test\"";
    let (mut office, mut third) = office(Over::Udp, class);
    let mut talk = office.talks();
    refer_to(&mut office.desk, &mut talk.phone, "1005");
    let invite = third.expect("INVITE");
    third.answer(&invite, 180);
    notified(&mut office.desk, 180, false);
    office.pbx.inside(&mut talk.pbx, "BYE", "", "");
    office.pbx.expect("200");
    is_cancelled(&mut third, &invite, "");
    notified(&mut office.desk, 487, true);
    hung_up(&mut office.desk);
    office.ringpost.has_mails("eve@corp.test", 1);
    drop(third);
    office.ends();
}

#[test]
fn the_caller_transfers_the_phone_without_wanting_to_hear_of_it() {
    let (mut office, mut third) = office(Over::Udp, OFF);
    let mut talk = office.talks();
    let host = office.ringpost.sip;
    let headers = format!("Refer-To: <sip:1005@{host}>\r\nRefer-Sub: false\r\n");
    office.pbx.inside(&mut talk.pbx, "REFER", &headers, "");
    assert_eq!(office.pbx.expect("202").one("Refer-Sub"), "false");
    let invite = third.expect("INVITE");
    assert!(invite.one("From").starts_with("\"User 1001\" <sip:1001@corp.test>"), "{invite}");
    third.answer_with(&invite, 200, "", &new_sdp());
    third.expect("ACK");
    meets(&mut office.desk, &new_sdp());
    hung_up(&mut office.pbx);
    office.desk.inside(&mut talk.phone, "BYE", "", "");
    office.desk.expect("200");
    hung_up(&mut third);
    drop(third);
    office.ends();
}

/// The desk phone talks with its caller, asks 1005 and joins the two; gives the lanes of its two calls.
fn is_joined(office: &mut Office, third: &mut Peer) -> [String; 2] {
    let mut talk = office.talks();
    let uri = format!("sip:1005@{}", office.ringpost.sip);
    let consult = office.desk.request("INVITE", &uri, "", &SDP.replace("40000", "40200"));
    let invite = third.expect("INVITE");
    let answer = third.answer_with(&invite, 200, "", &new_sdp());
    third.expect("ACK");
    let ok = office.desk.expect("200");
    let mut consulting = Dialog::caller(&consult, &ok);
    office.desk.inside(&mut consulting, "ACK", "", "");
    let replaces =
        format!("{}%3Bto-tag%3D{}%3Bfrom-tag%3D{}", ok.one("Call-ID"), ok.to_tag(), tag(&consulting.local));
    let headers = format!("Refer-To: <{uri}?Replaces={replaces}>\r\n");
    office.desk.inside(&mut talk.phone, "REFER", &headers, "");
    // The consultation ends, both parties meet, and the referrer's own call ends.
    let mut heard = vec![];
    while heard.len() < 5 {
        let message = office.desk.next(Duration::from_secs(5)).expect("five messages");
        heard.push(said(&message));
        if !message.start().starts_with("SIP/2.0") {
            office.desk.answer(&message, 200);
        }
        if heard.len() == 2 {
            meets(&mut office.pbx, &new_sdp());
            meets(third, SDP);
        }
    }
    heard.sort();
    assert_eq!(heard, ["202", "BYE", "BYE", "NOTIFY SIP/2.0 100 Trying", "NOTIFY SIP/2.0 200 OK"]);
    // What they do now concerns the two of them, whichever lanes they are on.
    let mut new = Dialog::callee(&invite, &answer);
    office.pbx.inside(&mut talk.pbx, "INFO", "Content-Type: x/y\r\n", "hello");
    let info = third.expect("INFO");
    third.answer(&info, 200);
    office.pbx.expect("200");
    third.inside(&mut new, "INVITE", "", &new_sdp());
    let renewed = office.pbx.expect("INVITE");
    office.pbx.answer(&renewed, 200);
    third.expect("200");
    third.inside(&mut new, "ACK", "", "");
    office.pbx.expect("ACK");
    third.inside(&mut new, "BYE", "", "");
    third.expect("200");
    hung_up(&mut office.pbx);
    [tag(&talk.phone.remote), ok.to_tag().to_owned()].map(|tag| tag[..2].to_owned())
}

#[test]
fn a_phone_transfers_its_caller_to_whom_it_has_asked() {
    for over in Over::BOTH {
        let (mut office, mut third) = office(over, OFF);
        is_joined(&mut office, &mut third);
        drop(third);
        office.ends();
    }
}

#[test]
fn the_two_calls_of_a_transfer_may_be_on_different_lanes() {
    for over in Over::BOTH {
        let (mut office, mut third) = office_on(Site::new().sip("lanes = 3"), over, OFF);
        let mut pairs = BTreeSet::new();
        for _ in 0..60 {
            let [one, two] = is_joined(&mut office, &mut third);
            pairs.insert(one == two);
            if pairs.len() == 2 {
                break;
            }
        }
        assert_eq!(pairs.len(), 2, "calls on one lane, and calls on two");
        // A name that no lane knows, and one of a lane that is not there.
        let mut talk = office.talks();
        for lane in ["00", "01", "02", "07"] {
            let uri = format!("sip:1005@{}", office.ringpost.sip);
            let replaces = format!("x%3Bto-tag%3D{lane}00000000000000%3Bfrom-tag%3Dy");
            office.desk.inside(
                &mut talk.phone,
                "REFER",
                &format!("Refer-To: <{uri}?Replaces={replaces}>\r\n"),
                "",
            );
            office.desk.expect("202");
            notified(&mut office.desk, 100, false);
            notified(&mut office.desk, 481, true);
        }
        office.hangs_up(talk);
        drop(third);
        office.ends();
    }
}

#[test]
fn who_names_a_call_that_is_not_theirs_moves_nobody() {
    let (mut office, third) = office(Over::Udp, OFF);
    let mut talk = office.talks();
    let uri = format!("sip:1005@{}", office.ringpost.sip);
    // Its own tag is right, the rest is guessed.
    let own = tag(&talk.phone.remote);
    for replaces in [format!("x%3Bto-tag%3D{own}%3Bfrom-tag%3Dy"), "x%3Bto-tag%3Da%3Bfrom-tag%3Db".to_owned()]
    {
        let headers = format!("Refer-To: <{uri}?Replaces={replaces}>\r\n");
        office.desk.inside(&mut talk.phone, "REFER", &headers, "");
        office.desk.expect("202");
        notified(&mut office.desk, 100, false);
        notified(&mut office.desk, 481, true);
    }
    for (headers, code) in [("", "400"), ("Refer-To: <http://h/>\r\n", "501")] {
        office.desk.inside(&mut talk.phone, "REFER", headers, "");
        office.desk.expect(code);
    }
    office.hangs_up(talk);
    drop(third);
    office.ends();
}

fn said(message: &Sip) -> String {
    match message.what() {
        "NOTIFY" => format!("NOTIFY {}", message.body().trim_end()),
        what => what.to_owned(),
    }
}

fn tag(address: &str) -> String {
    address.split(";tag=").nth(1).expect("a tag").to_owned()
}
