//! T31, T33: what a PBX may do to whoever subscribes: floods, bodies and tags without end, nonsense. Nothing is lost by it.

use std::time::Duration;

use crate::{
    pbx::{Pbx, pidf},
    support::{Over, Peer, Ringpost, peer::fresh, until},
    watcher::{self, Watcher},
};

const KIND: &str = "application/pidf+xml";

fn started(over: Over) -> (Ringpost, Pbx, Watcher) {
    let site = watcher::site("");
    let pbx = Pbx::new(&site, over);
    let table = pbx.table("keep_alive = \"1s\"");
    let ringpost = site.table(&table).user("1001", &[], "").log_level("info").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    watcher.subscribes("1001", "presence", "");
    (ringpost, pbx, watcher)
}

#[test]
fn t33_a_flood_of_notifies_costs_no_call_and_ends_in_the_right_state() {
    let (ringpost, mut pbx, mut watcher) = started(Over::Udp);
    let mut one = pbx.serves("1001");
    let before = ringpost.resident();
    // Two bursts of many times what may wait, without waiting for any answer.
    for burst in 0..2 {
        for at in 0..3_000 {
            one.dialog.sequence += 1;
            let body = pidf("open", if at % 2 == 0 { "busy" } else { "" }, &format!("{burst} {at}"));
            let text = raw(&pbx.peer, &one, "active;expires=600", &body);
            pbx.peer.send(text.as_bytes());
        }
        // Behind the burst, not after minutes of it.
        until("it answers", || ringpost.answers_within(Duration::from_secs(1)).is_some());
    }
    // Answers to those that were not lost on the way here fill the socket; none of them matters.
    let mut answers = 0;
    while pbx.peer.octets(Duration::from_millis(200)).is_some() {
        answers += 1;
    }
    assert!(answers > 0);
    pbx.tells(&mut one, "on-the-phone");
    watcher.sees(">busy</own:telephony>");
    let grown = ringpost.resident().saturating_sub(before);
    assert!(grown < 100 << 10, "{grown} KiB");
    ringpost.is_well();
}

/// A NOTIFY as it is, not sent.
fn raw(peer: &Peer, to: &crate::pbx::Subscription, state: &str, body: &str) -> String {
    let dialog = &to.dialog;
    let transport = if peer.over == Over::Tcp { "TCP" } else { "UDP" };
    format!(
        "NOTIFY {} SIP/2.0\r\nVia: SIP/2.0/{transport} {};branch=z9hG4bK{};rport\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
         Call-ID: {}\r\nCSeq: {} NOTIFY\r\nContact: <{}>\r\nEvent: {}\r\nSubscription-State: {state}\r\n\
         Content-Type: {KIND}\r\nContent-Length: {}\r\n\r\n{body}",
        dialog.target,
        peer.address,
        fresh(),
        dialog.local,
        dialog.remote,
        dialog.call_id,
        dialog.sequence,
        peer.uri(),
        to.package,
        body.len()
    )
}

#[test]
fn t31_bodies_and_tags_of_100_kb_and_nonsense_cost_nothing_else() {
    let (ringpost, mut pbx, mut watcher) = started(Over::Tcp);
    let first = pbx.asked_for("1001");
    let mut one = pbx.grants(&first, 600);
    pbx.tells(&mut one, "on-the-phone");
    watcher.sees(">busy</own:telephony>");
    let long = "x".repeat(100 << 10);
    let endless = pidf("open", "busy", &long);
    let deep = format!("<presence>{}", "<a>".repeat(20_000));
    let fork = pbx.fork(&first, &long);
    for octets in [
        raw(&pbx.peer, &one, "active;expires=600", &endless),
        raw(&pbx.peer, &fork, "active;expires=600", "<presence/>"),
        raw(&pbx.peer, &one, &format!("active;expires={long}"), &pidf("open", "", "")),
        raw(&pbx.peer, &one, "active;expires=600", &deep[..60_000]),
        raw(&pbx.peer, &one, "active;expires=99999999999999", &pidf("open", "", ""))
            .replace("CSeq: ", "CSeq: 9"),
        "NOTIFY\r\n\r\n".to_owned(),
    ] {
        // Whatever becomes of that connection.
        pbx.peer.sends(octets.as_bytes());
        while let Some(message) = pbx.peer.next(Duration::from_millis(100)) {
            match message.what() {
                "OPTIONS" => drop(pbx.peer.answer_with(&message, 200, "", "")),
                "SUBSCRIBE" => drop(pbx.peer.answer_with(&message, 481, "", "")),
                _ => {}
            }
        }
        pbx.peer.hangs_up();
        ringpost.is_well();
    }
    // It begins anew, and all is right.
    let mut one = loop {
        let asked = pbx.asked_for("1001");
        if asked.to_tag().is_empty() {
            break pbx.grants(&asked, 600);
        }
        pbx.peer.answer_with(&asked, 481, "", "");
    };
    pbx.tells(&mut one, "");
    watcher.sees(">available</own:telephony>");
    ringpost.is_well();
}
