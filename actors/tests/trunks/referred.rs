//! REFER buys nobody a call that an INVITE of the same party would not get (T19).

use std::time::Duration;

use crate::{
    Exchange,
    support::{Over, Peer, Sip, Site, metrics, peer::Dialog, ports},
};

/// A call that is up, as both of its ends see it.
struct Talk {
    caller: Dialog,
    called: Dialog,
}

fn takes(caller: &mut Peer, invite: &Sip, called: &mut Peer) -> Talk {
    let ring = called.expect("INVITE");
    let answer = called.answer(&ring, 200);
    called.expect("ACK");
    let ok = caller.expect("200");
    let mut talk = Talk { caller: Dialog::caller(invite, &ok), called: Dialog::callee(&ring, &answer) };
    caller.inside(&mut talk.caller, "ACK", "", "");
    talk
}

/// The peer refers the other party to a number.
fn refers(peer: &mut Peer, dialog: &mut Dialog, number: &str) {
    let host = dialog.target.rsplit('@').next().expect("a host").to_owned();
    peer.inside(dialog, "REFER", &format!("Refer-To: <sip:{number}@{host}>\r\n"), "");
    peer.expect("202");
    notified(peer, 100);
}

fn notified(peer: &mut Peer, code: u16) {
    let notify = peer.expect("NOTIFY");
    assert!(notify.body().starts_with(&format!("SIP/2.0 {code} ")), "{notify}");
    peer.answer(&notify, 200);
}

fn hung_up(peer: &mut Peer) {
    let bye = peer.expect("BYE");
    peer.answer(&bye, 200);
}

/// The transferred party meets the new one, and the referrer is hung up.
fn moves(new: &mut Peer, ring: &Sip, moved: &mut Peer, referrer: &mut Peer) -> Dialog {
    let answer = new.answer(ring, 200);
    new.expect("ACK");
    let renewed = moved.expect("INVITE");
    moved.answer(&renewed, 200);
    moved.expect("ACK");
    notified(referrer, 200);
    hung_up(referrer);
    Dialog::callee(ring, &answer)
}

#[test]
fn a_phone_sends_its_caller_only_where_it_may_call_itself() {
    let mut exchange = Exchange::new(Over::Udp, "", &[""]);
    let invite = exchange.pbx.invite("1001");
    let mut talk = takes(&mut exchange.pbx, &invite, &mut exchange.phone);
    for (number, code) in [("+1900555", 403), ("001900555", 403), ("bob", 404)] {
        refers(&mut exchange.phone, &mut talk.called, number);
        notified(&mut exchange.phone, code);
    }
    exchange.trunks[0].silent_for(Duration::from_millis(50));
    refers(&mut exchange.phone, &mut talk.called, "+4930123");
    let ring = exchange.trunks[0].expect("INVITE");
    let mut outside = moves(&mut exchange.trunks[0], &ring, &mut exchange.pbx, &mut exchange.phone);
    // It is still the PBX's caller, who may not call outside, and the called one has not paid for a call either.
    for number in ["+4930999", "+1900555"] {
        refers(&mut exchange.pbx, &mut talk.caller, number);
        notified(&mut exchange.pbx, 404);
        refers(&mut exchange.trunks[0], &mut outside, number);
        notified(&mut exchange.trunks[0], 404);
    }
    exchange.trunks[0].silent_for(Duration::from_millis(50));
    // A user of the site anybody may be sent to.
    refers(&mut exchange.trunks[0], &mut outside, "1001");
    let ring = exchange.phone.expect("INVITE");
    moves(&mut exchange.phone, &ring, &mut exchange.pbx, &mut exchange.trunks[0]);
    exchange.pbx.inside(&mut talk.caller, "BYE", "", "");
    exchange.pbx.expect("200");
    hung_up(&mut exchange.phone);
}

#[test]
fn a_trunk_sends_nobody_where_it_may_not_call() {
    for (lines, code) in [("", 404), ("transit = true", 403)] {
        let mut exchange = Exchange::new(Over::Udp, lines, &[""]);
        let invite = exchange.pbx.invite("1001");
        let mut talk = takes(&mut exchange.pbx, &invite, &mut exchange.phone);
        refers(&mut exchange.pbx, &mut talk.caller, "+1900555");
        notified(&mut exchange.pbx, code);
        refers(&mut exchange.pbx, &mut talk.caller, "+4930123");
        if lines.is_empty() {
            notified(&mut exchange.pbx, 404);
            exchange.trunks[0].silent_for(Duration::from_millis(50));
        } else {
            exchange.trunks[0].expect("INVITE");
        }
    }
}

#[test]
fn the_transfers_of_a_call_are_counted_through_all_that_come_of_it() {
    let health = ports(1);
    let site =
        Site::new().sip("max_transfers = 3").table(&format!("[metrics]\nlisten = \"127.0.0.1:{health}\""));
    let mut exchange = Exchange::on(site, Over::Udp, "transit = true", &[""]);
    let invite = exchange.pbx.invite("1001");
    let mut talk = takes(&mut exchange.pbx, &invite, &mut exchange.phone);
    refers(&mut exchange.phone, &mut talk.called, "7777");
    notified(&mut exchange.phone, 404);
    refers(&mut exchange.phone, &mut talk.called, "+4930123");
    let ring = exchange.trunks[0].expect("INVITE");
    let mut outside = moves(&mut exchange.trunks[0], &ring, &mut exchange.pbx, &mut exchange.phone);
    refers(&mut exchange.trunks[0], &mut outside, "7777");
    notified(&mut exchange.trunks[0], 404);
    for _ in 0..2 {
        refers(&mut exchange.pbx, &mut talk.caller, "1001");
        notified(&mut exchange.pbx, 403);
    }
    exchange.phone.silent_for(Duration::from_millis(50));
    assert_eq!(metrics::number(health, "transfers_total"), 3);
    assert_eq!(metrics::number(health, "transfers_refused_total"), 2);
    exchange.pbx.inside(&mut talk.caller, "BYE", "", "");
    exchange.pbx.expect("200");
    hung_up(&mut exchange.trunks[0]);
}
