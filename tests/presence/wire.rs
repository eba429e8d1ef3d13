//! SUBSCRIBE, PUBLISH and NOTIFY without a socket.

use bytes::Bytes;
use ringpost::{
    presence::subscription::{
        Fate, Pace, Package, Publish, Refused, State, Step, Terms, Track, Wish, fate, notify, spread,
    },
    settings::Transport,
    sip::Message,
};

fn request(method: &str, lines: &str, body: &str) -> Message {
    let text = format!(
        "{method} sip:1001@corp.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1\r\nFrom: <sip:w@corp.test>;tag=w1\r\n\
         To: <sip:1001@corp.test>\r\nCall-ID: c1\r\nCSeq: 7 {method}\r\nContact: <sip:w@192.0.2.7:5060>\r\n{lines}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Message::read(Bytes::from(text)).expect("a request")
}

#[test]
fn what_a_subscribe_asks_for_is_read_or_refused() {
    let read = |lines: &str| Wish::read(&request("SUBSCRIBE", lines, ""));
    let wish = read("Event: dialog;id=4\r\nExpires: 600\r\nAccept: application/dialog-info+xml\r\n")
        .expect("readable");
    assert_eq!((wish.package, &*wish.event, wish.expires), (Package::Dialog, &b"dialog;id=4"[..], Some(600)));
    assert!(!wish.lists);
    let lists = "o: presence\r\nk: eventlist\r\nAccept: application/pidf+xml, application/rlmi+xml, multipart/related\r\n";
    assert!(read(lists).is_ok_and(|wish| wish.lists && wish.expires.is_none()));
    // RFC 4662 §4.2: the option tag says it, Accept or not.
    assert!(read("Event: presence\r\nSupported: timer, eventlist\r\n").is_ok_and(|wish| wish.lists));
    let rows = [
        ("", Refused::BadEvent),
        ("Event: \r\n", Refused::BadEvent),
        ("Event: no-such\r\n", Refused::BadEvent),
        ("Event: presence.winfo\r\n", Refused::BadEvent),
        ("Event: presence\r\nEvent: dialog\r\n", Refused::Bad("More Than One Event")),
        ("Event: presence\r\nAccept: text/plain, application/xpidf+xml\r\n", Refused::NotAccepted),
        ("Event: presence\r\nExpires: -1\r\n", Refused::Bad("Bad Expires")),
    ];
    for (lines, refused) in rows {
        assert_eq!(read(lines), Err(refused), "{lines}");
    }
    for lines in [
        "Accept: application/*\r\n",
        "Accept: */*;q=0.1\r\n",
        "Accept: text/x\r\nAccept: application/PIDF+xml\r\n",
    ] {
        assert!(read(&format!("Event: presence\r\n{lines}")).is_ok(), "{lines}");
    }
}

#[test]
fn times_are_granted_within_bounds() {
    let terms = Terms { usual: 3_600, least: 60, most: 7_200 };
    let rows = [
        (None, Ok(3_600)),
        (Some(0), Ok(0)),
        (Some(1), Err(Refused::TooBrief(60))),
        (Some(60), Ok(60)),
        (Some(u32::MAX), Ok(7_200)),
    ];
    for (wanted, granted) in rows {
        assert_eq!(terms.grant(wanted), granted);
    }
}

/// RFC 3903 §6; T31: an entity tag of 100 KB is none of ours.
#[test]
fn what_a_publish_asks_for_is_read_or_refused() {
    let kind = "Content-Type: application/pidf+xml\r\n";
    let read = |lines: &str, body: &str| Publish::read(&request("PUBLISH", lines, body));
    let first = read(&format!("Event: presence\r\nExpires: 60\r\n{kind}"), "<presence/>").expect("readable");
    assert_eq!((first.tag, first.expires, first.has_body), (None, Some(60), true));
    let refresh = read("Event: presence\r\nSIP-If-Match: abc \r\n", "").expect("readable");
    assert_eq!((refresh.tag.as_deref(), refresh.has_body), (Some("abc"), false));
    let long = format!("Event: presence\r\nSIP-If-Match: {}\r\n", "e".repeat(50_000));
    let rows = [
        ("Event: presence\r\n".to_owned(), "", Refused::Bad("No Publication And No Body")),
        ("Event: message-summary\r\n".to_owned(), "x", Refused::MediaType(Package::MessageSummary)),
        (
            "Event: presence\r\nSIP-If-Match: a\r\nSIP-If-Match: b\r\n".to_owned(),
            "",
            Refused::Bad("More Than One SIP-If-Match"),
        ),
        (long, "", Refused::NoPublication),
        (
            "Event: presence\r\nContent-Type: text/plain\r\n".to_owned(),
            "x",
            Refused::MediaType(Package::Presence),
        ),
        (
            format!("Event: presence\r\nContent-Encoding: gzip\r\n{kind}"),
            "x",
            Refused::MediaType(Package::Presence),
        ),
        (format!("Event: dialog\r\n{kind}"), "x", Refused::MediaType(Package::Dialog)),
    ];
    for (lines, body, refused) in rows {
        assert_eq!(read(&lines, body), Err(refused), "{lines:.80}");
    }
}

/// RFC 6665 §4.2.2: one dialog, CSeq numbers that only grow, also over a restart, and routes in order.
#[test]
fn a_notify_goes_along_the_dialog() {
    let subscribe = request(
        "SUBSCRIBE",
        "Event: dialog\r\nRecord-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n",
        "",
    );
    let mut track = Track::of(&subscribe, b"ours", b"<sip:ringpost@192.0.2.1>", b"dialog").expect("a dialog");
    let write = |track: &mut Track, state| {
        let sequence = track.count();
        let bytes = notify(
            (track.lines(), sequence),
            (Transport::Udp, b"192.0.2.1:5060", &[b"z9hG4bKx"]),
            state,
            Some(("application/dialog-info+xml", &[b"<a", b"/>"])),
            b"",
        );
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    };
    let text = write(&mut track, State::Active(60));
    let expected = "NOTIFY sip:w@192.0.2.7:5060 SIP/2.0\r\nRoute: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n\
        From: <sip:1001@corp.test>;tag=ours\r\nTo: <sip:w@corp.test>;tag=w1\r\nCall-ID: c1\r\nMax-Forwards: 70\r\n\
        Contact: <sip:ringpost@192.0.2.1>\r\nEvent: dialog\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;rport\r\n\
        CSeq: 1 NOTIFY\r\nSubscription-State: active;expires=60\r\nContent-Type: application/dialog-info+xml\r\n\
        Content-Length: 4\r\n\r\n<a/>";
    assert_eq!(text, expected);
    assert!(
        write(&mut track, State::Timeout)
            .contains("CSeq: 2 NOTIFY\r\nSubscription-State: terminated;reason=timeout\r\n")
    );
    let kept = serde_json::to_string(&track).expect("plain data");
    let mut after: Track = serde_json::from_str(&kept).expect("readable");
    after.leap(10);
    let sequence = after.count();
    assert!(sequence > 2 + 10 * 20, "{sequence}");
    assert!(track.owns(&subscribe));
    let other =
        Message::read(Bytes::from(String::from_utf8_lossy(subscribe.raw()).replace("tag=w1", "tag=w2")))
            .expect("a request");
    assert!(!track.owns(&other));
    assert!(!track.refresh(&subscribe, b"", b"dialog"), "CSeq 7 has come before");
}

/// T33: one NOTIFY at a time; what changes meanwhile is told once, by the next.
#[test]
fn notifies_keep_their_pace() {
    let mut pace = Pace::default();
    assert_eq!(pace.changed(0), Step::Send);
    pace.sent(0, 1_000);
    assert_eq!(pace.changed(10), Step::Nothing, "one is under way");
    assert_eq!(pace.changed(20), Step::Nothing);
    assert_eq!(pace.answered(30), Step::Wait(1_000));
    assert_eq!(pace.changed(40), Step::Nothing, "it is waited for already");
    assert_eq!(pace.look(1_000), Step::Send);
    pace.sent(1_000, 1_000);
    assert_eq!(pace.answered(1_010), Step::Nothing);
    assert_eq!(pace.look(5_000), Step::Nothing);
    assert_eq!(pace.rest(9_000), Step::Wait(9_000));
    assert_eq!(pace.look(9_000), Step::Send);
}

#[test]
fn an_answer_ends_only_what_it_must() {
    let rows = [
        (200, None, Fate::Stays),
        (202, None, Fate::Stays),
        (481, None, Fate::Ends),
        (481, Some(5), Fate::Ends),
        (408, None, Fate::Ends),
        (503, None, Fate::Ends),
        (503, Some(5), Fate::Later(5)),
        (500, Some(100_000), Fate::Later(3_600)),
        (489, None, Fate::Ends),
    ];
    for (code, after, expected) in rows {
        assert_eq!(fate(code, after), expected, "{code} {after:?}");
    }
}

#[test]
fn after_a_restart_no_crowd_is_told_at_once() {
    assert_eq!(
        [0, 10_000, 100_000, 500_000].map(|count| spread(20_000, count)),
        [20_000, 20_000, 20_000, 100_000]
    );
    assert_eq!([0, 4, 500].map(|count| spread(0, count)), [1, 1, 100]);
}
