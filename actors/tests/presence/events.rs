//! RFC 6665: what a SUBSCRIBE gets, and what ends a subscription.

use std::time::{Duration, Instant};

use crate::{
    support::{Over, Peer, Site, until},
    watcher::{Watcher, lamp, site, telephony},
};

/// Off, nothing has changed: 405, and Allow says so.
#[test]
fn without_presence_nobody_is_told_anything() {
    let ringpost = Site::new().user("1001", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    let refusal = watcher.is_refused("1001", "Event: dialog\r\n", 405);
    assert!(!refusal.one("Allow").contains("SUBSCRIBE"));
    ringpost.stops_well();
}

/// 489, 406, 423, 400, 404, and 405 with what is allowed.
#[test]
fn what_cannot_be_served_is_refused() {
    let ringpost =
        site("min_expires = \"60s\"").replace("min_expires = \"1s\"\n", "").user("1001", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    let rows = [
        ("", 489, Some(("Allow-Events", "presence, dialog, message-summary"))),
        ("Event: conference\r\n", 489, Some(("Allow-Events", "presence, dialog, message-summary"))),
        ("Event: presence\r\nAccept: text/plain\r\n", 406, None),
        ("Event: presence\r\nExpires: 59\r\n", 423, Some(("Min-Expires", "60"))),
        ("Event: presence\r\nExpires: soon\r\n", 400, None),
        ("Event: presence\r\nRequire: x-unknown\r\n", 420, Some(("Unsupported", "x-unknown"))),
    ];
    for (lines, code, header) in rows {
        let refusal = watcher.is_refused("1001", lines, code);
        if let Some((name, value)) = header {
            assert_eq!(refusal.one(name), value, "{refusal}");
        }
    }
    watcher.is_refused("4711", "Event: presence\r\n", 404);
    let text = watcher.draft("SUBSCRIBE", "1001", "Event: presence\r\n", "");
    let bare: String = text.split_inclusive("\r\n").filter(|line| !line.starts_with("Contact:")).collect();
    watcher.peer.send(bare.as_bytes());
    watcher.peer.expect("400");
    watcher.asks("MESSAGE", "1001", "", "");
    assert!(watcher.peer.expect("405").one("Allow").contains("SUBSCRIBE"));
    let options = watcher.asks("OPTIONS", "1001", "", "");
    let ok = watcher.peer.expect("200");
    assert_eq!(
        (ok.one("CSeq"), ok.one("Allow-Events")),
        (options.one("CSeq"), "presence, dialog, message-summary")
    );
    ringpost.stops_well();
}

/// R20: asked once, told once.
#[test]
fn a_fetch_is_one_notify() {
    let ringpost = site("").user("1001", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    let notify = watcher.subscribes("1001", "presence", "Expires: 0\r\n");
    assert_eq!(notify.one("Subscription-State"), "terminated;reason=timeout");
    assert_eq!(telephony(&notify), "offline");
    watcher.sees_nothing_for(Duration::from_millis(300));
    assert_eq!(watcher.refresh(60).what(), "481", "there is nothing to refresh");
    ringpost.stops_well();
}

/// Its time is up: one last NOTIFY, and 481 for whoever comes later. A refresh has all of the state and goes on.
#[test]
fn a_subscription_that_is_not_refreshed_ends() {
    let site = site("max_expires = \"2s\"\nexpires = \"2s\"");
    let ringpost = site.user("1001", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    let since = Instant::now();
    let first = watcher.subscribes("1001", "dialog", "Expires: 3600\r\n");
    assert!(first.one("Subscription-State").starts_with("active;expires="), "{first}");
    let again = watcher.refreshes(2);
    assert_eq!((lamp(&again), again.one("Call-ID")), ("-", first.one("Call-ID")));
    let number = |notify: &crate::support::Sip| {
        notify.one("CSeq").split(' ').next().and_then(|n| n.parse::<u32>().ok())
    };
    assert!(number(&again) > number(&first));
    let last = watcher.notified();
    assert_eq!(last.one("Subscription-State"), "terminated;reason=timeout");
    assert!(since.elapsed() >= Duration::from_secs(1), "{:?}", since.elapsed());
    assert_eq!(watcher.refresh(60).what(), "481");
    ringpost.stops_well();
}

/// T33: one watcher that answers 481, or nothing, loses its own subscription; the others are told.
#[test]
fn t33_a_notify_that_is_refused_ends_only_its_subscription() {
    let site = site("users = \"full\"");
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let port = crate::support::ports(1);
    let ringpost = site
        .table(&format!("[metrics]\nlisten = \"127.0.0.1:{port}\""))
        .user("1001", &[&phone], "")
        .user("1002", &[], "")
        .start();
    let subscriptions = || crate::support::metrics::number(port, "subscriptions");
    let mut gone = Watcher::new(&ringpost, Over::Udp, "1002");
    let mut there = Watcher::new(&ringpost, Over::Udp, "1002");
    gone.subscribes("1001", "dialog", "");
    there.subscribes("1001", "dialog", "");
    until("two subscriptions", || subscriptions() == 2);
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    let notify = gone.peer.expect("NOTIFY");
    gone.peer.answer_with(&notify, 481, "", "");
    there.sees("early");
    until("one subscription", || subscriptions() == 1);
    pbx.cancel(&invite, "");
    assert_eq!(lamp(&there.notified()), "-");
    gone.sees_nothing_for(Duration::from_millis(200));
    assert_eq!(gone.refresh(60).what(), "481");
    // 503 with Retry-After is a pause, with the state as it is then (RFC 6665 §4.2.2).
    let since = Instant::now();
    there.refresh(600);
    let notify = there.peer.expect("NOTIFY");
    there.peer.answer_with(&notify, 503, "Retry-After: 1\r\n", "");
    there.notified();
    assert!(since.elapsed() >= Duration::from_millis(900), "{:?}", since.elapsed());
    ringpost.is_well();
}

/// A NOTIFY is sent again where it is lost; meanwhile changes gather, and the next one tells the last of them (R206).
#[test]
fn a_lost_notify_loses_no_state() {
    let site = site("users = \"full\"");
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&phone], "").user("1002", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "dialog", "");
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    let early = watcher.peer.expect("NOTIFY");
    assert_eq!(lamp(&early), "early");
    // No answer: the call ends meanwhile.
    pbx.cancel(&invite, "");
    watcher.sees_nothing_for(Duration::from_millis(600));
    assert!(watcher.peer.repeated > 0, "it was sent again");
    watcher.peer.answer_with(&early, 200, "", "");
    assert_eq!(lamp(&watcher.notified()), "-");
    ringpost.is_well();
}

/// `notify_gap`: a burst of changes is one NOTIFY more, with the last of them.
#[test]
fn bursts_are_told_together() {
    let site = site("users = \"full\"\nnotify_gap = \"700ms\"").replace("notify_gap = \"0s\"\n", "");
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&phone], "").user("1002", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "dialog", "");
    let since = Instant::now();
    for _ in 0..3 {
        let invite = pbx.invite("1001");
        let ringing = phone.expect("INVITE");
        phone.answer(&ringing, 180);
        pbx.expect("180");
        pbx.cancel(&invite, "");
        pbx.expect("200");
        pbx.refused(&invite, 487);
        let cancel = phone.expect("CANCEL");
        phone.answer(&cancel, 200);
        phone.answer(&ringing, 487);
        phone.expect("ACK");
    }
    pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    let mut told = vec![];
    while let Some(notify) = watcher.peer.next(Duration::from_millis(1_500)) {
        watcher.peer.answer_with(&notify, 200, "", "");
        told.push(lamp(&notify).to_owned());
    }
    let most = (since.elapsed().as_millis() / 700) as usize + 1;
    assert!(told.len() <= most && told.last().is_some_and(|last| last == "early"), "{told:?}");
    ringpost.is_well();
}

/// RFC 3261 §8.2.2.2: another copy of a SUBSCRIBE that was forked on its way is told so, and makes no second subscription.
#[test]
fn a_forked_subscribe_is_taken_once() {
    let ringpost = site("").user("1001", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    let text = watcher.draft("SUBSCRIBE", "1001", "Event: dialog\r\n", "");
    watcher.peer.send(text.as_bytes());
    watcher.peer.expect("200");
    watcher.notified();
    let copy = text.replacen("branch=z9hG4bK", "branch=z9hG4bKother", 1);
    watcher.peer.send(copy.as_bytes());
    watcher.peer.expect("482");
    // The same once more by the same way is a retransmission: the same answer, and no NOTIFY.
    watcher.peer.send(text.as_bytes());
    watcher.sees_nothing_for(Duration::from_millis(200));
    assert!(watcher.peer.repeated > 0);
    ringpost.is_well();
}

/// A subscription may be made by a user that proves it, and by nobody else (T12).
#[test]
fn t12_strangers_and_impostors_are_refused() {
    let login = "password = \"secret\"\nmissed_calls = \"off\"";
    let site = site("users = \"full\"\n[security]\nrefusals_per_second = 1000");
    let ringpost = site.trunk_at(&["127.0.0.1"]).user("1001", &[], login).user("1002", &[], login).start();
    let mut stranger = Peer::new(Over::Udp, "127.0.0.2", ringpost.sip);
    for method in ["SUBSCRIBE", "PUBLISH", "NOTIFY"] {
        stranger.request(method, "sip:1001@corp.test", "Event: presence\r\n", "");
        let refusal = stranger.expect_any();
        assert_eq!(refusal.what(), "401", "{method}: {refusal}");
    }
    ringpost.is_well();
}
