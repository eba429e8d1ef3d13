//! Dialogs: route sets loose and strict, from either side, CSeq order, target refresh (RFC 3261 §12).

use bytes::Bytes;
use ringpost::sip::{Message, Name, dialog::Dialog};

fn read(text: String) -> Message {
    Message::read(Bytes::from(text)).expect("SIP")
}

fn invite(lines: &str) -> Message {
    read(format!(
        "INVITE sip:1001@lab.test SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{lines}\
         From: \"Us, \\\"we\\\"\" <sip:us@lab.test>;tag=us\r\nTo: <sip:1001@lab.test>\r\nCall-ID: c-1\r\n\
         CSeq: 7 INVITE\r\nContact: <sip:us@192.0.2.1:5060;ob>\r\n\r\n"
    ))
}

fn answer(lines: &str) -> Message {
    read(format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{lines}From: <sip:us@lab.test>;tag=us\r\n\
         To: <sip:1001@lab.test>;tag=them\r\nCall-ID: c-1\r\nCSeq: 7 INVITE\r\n\r\n"
    ))
}

/// What a request inside the dialog looks like: Request-URI, Route lines, next hop.
fn shape(dialog: &mut Dialog) -> (String, Vec<String>, String) {
    let request = read(text(dialog.request(b"BYE").empty()));
    let string = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (string(request.uri()), request.values(Name::Route).map(string).collect(), string(dialog.next_hop()))
}

fn text(bytes: Bytes) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

const TARGET: &str = "Contact: \"Phone\" <sip:1001@10.0.0.5:5062;transport=udp>;expires=60\r\n";
const URI: &str = "sip:1001@10.0.0.5:5062;transport=udp";

#[test]
fn a_caller_takes_the_route_set_backwards() {
    let rows: [(&str, &str, &[&str], &str); 6] = [
        ("", URI, &[], URI),
        (
            "Record-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\n",
            URI,
            &["<sip:p1;lr>", "<sip:p2;lr>"],
            "sip:p1;lr",
        ),
        // Several in one line, with a comma in a display name and in a URI.
        (
            "Record-Route: \"a, b\" <sip:p3;lr>, <sip:x,y@p2;lr=on>\r\nrecord-route: <sip:p1;LR>;q=1\r\n",
            URI,
            &["<sip:p1;LR>;q=1", "<sip:x,y@p2;lr=on>", "\"a, b\" <sip:p3;lr>"],
            "sip:p1;LR",
        ),
        // A strict router gets its own URI, and the target goes to the end.
        (
            "Record-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;x=1>\r\n",
            "sip:p1;x=1",
            &["<sip:p2;lr>", "<sip:1001@10.0.0.5:5062;transport=udp>"],
            "sip:p1;x=1",
        ),
        ("Record-Route: <sip:p1>\r\n", "sip:p1", &["<sip:1001@10.0.0.5:5062;transport=udp>"], "sip:p1"),
        // A strict router further on is the loose one's business.
        ("Record-Route: <sip:p2>, <sip:p1;lr>\r\n", URI, &["<sip:p1;lr>", "<sip:p2>"], "sip:p1;lr"),
    ];
    for (records, uri, routes, hop) in rows {
        let response = answer(&format!("{records}{TARGET}"));
        let mut dialog = Dialog::uac(&invite(""), &response).expect("a dialog");
        let routes: Vec<String> = routes.iter().map(ToString::to_string).collect();
        assert_eq!(shape(&mut dialog), (uri.into(), routes, hop.into()), "{records}");
    }
}

#[test]
fn the_called_side_takes_the_route_set_as_it_stands() {
    let request = invite("Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\nRecord-Route: <sip:p0;lr>\r\n");
    let mut dialog = Dialog::uas(&request, b"mine").expect("a dialog");
    let (uri, routes, hop) = shape(&mut dialog);
    assert_eq!(uri, "sip:us@192.0.2.1:5060;ob");
    assert_eq!(routes, ["<sip:p2;lr>", "<sip:p1;lr>", "<sip:p0;lr>"]);
    assert_eq!(hop, "sip:p2;lr");
}

#[test]
fn both_ends_keep_their_own_from_and_to() {
    let mut called = Dialog::uas(&invite(""), b"mine").expect("a dialog");
    let bye = read(text(called.request(b"BYE").empty()));
    assert_eq!(bye.first(Name::From), Some(&b"<sip:1001@lab.test>;tag=mine"[..]));
    assert_eq!(bye.first(Name::To), Some(&b"\"Us, \\\"we\\\"\" <sip:us@lab.test>;tag=us"[..]));
    assert_eq!((bye.call_id(), bye.cseq()), (&b"c-1"[..], Some((1, &b"BYE"[..]))));
    assert_eq!(bye.first(Name::MaxForwards), Some(&b"70"[..]));

    let mut calling = Dialog::uac(&invite(""), &answer(TARGET)).expect("a dialog");
    let bye = read(text(calling.request(b"BYE").empty()));
    assert_eq!(bye.first(Name::From), Some(&b"\"Us, \\\"we\\\"\" <sip:us@lab.test>;tag=us"[..]));
    assert_eq!(bye.first(Name::To), Some(&b"<sip:1001@lab.test>;tag=them"[..]));
    assert_eq!(bye.cseq(), Some((8, &b"BYE"[..])));
}

#[test]
fn requests_count_and_an_ack_does_not() {
    let mut dialog = Dialog::uac(&invite(""), &answer(TARGET)).expect("a dialog");
    assert_eq!(dialog.local_seq(), 7);
    let ack = read(text(dialog.ack(7).empty()));
    assert_eq!((ack.method_name(), ack.cseq(), dialog.local_seq()), (&b"ACK"[..], Some((7, &b"ACK"[..])), 7));
    for (method, number) in [(&b"INFO"[..], 8), (b"INVITE", 9), (b"BYE", 10)] {
        let request = read(text(dialog.request(method).empty()));
        assert_eq!(request.cseq(), Some((number, method)));
    }
    assert_eq!(dialog.local_seq(), 10);
}

#[test]
fn requests_of_the_peer_come_in_order() {
    let mut called = Dialog::uas(&invite(""), b"mine").expect("a dialog");
    for (number, fresh) in [(7, false), (6, false), (9, true), (8, false), (9, false), (2_147_483_647, true)]
    {
        let request = read(format!("INFO sip:a SIP/2.0\r\nCSeq: {number} INFO\r\n\r\n"));
        assert_eq!(called.in_order(&request), fresh, "{number}");
    }
    // RFC 3261 §8.1.1.5: below 2^31; what is no number at all is out of order.
    for bad in ["2147483648 INFO", "x INFO", "7", ""] {
        let request = read(format!("INFO sip:a SIP/2.0\r\nCSeq: {bad}\r\n\r\n"));
        assert!(!called.in_order(&request), "{bad}");
    }
    // §12.1.2: a caller knows no number of the peer's yet.
    let mut calling = Dialog::uac(&invite(""), &answer(TARGET)).expect("a dialog");
    assert!(calling.in_order(&read("INFO sip:a SIP/2.0\r\nCSeq: 0 INFO\r\n\r\n".into())));
}

#[test]
fn a_new_contact_is_the_new_target() {
    let mut dialog = Dialog::uac(&invite(""), &answer(TARGET)).expect("a dialog");
    dialog.refresh_target(&answer("m: <sip:1001@10.0.0.6>\r\n"));
    assert_eq!(shape(&mut dialog).0, "sip:1001@10.0.0.6");
    dialog.refresh_target(&answer(""));
    dialog.refresh_target(&answer("Contact: \r\n"));
    assert_eq!(shape(&mut dialog), ("sip:1001@10.0.0.6".into(), vec![], "sip:1001@10.0.0.6".into()));
    for broken in ["*", "<sip:a@h\r\n X: y>", "<sip:a b@h>", "<nothing>", "\"open <sip:a@h>"] {
        dialog.refresh_target(&answer(&format!("Contact: {broken}\r\n")));
        assert_eq!(shape(&mut dialog).0, "sip:1001@10.0.0.6", "{broken}");
    }
    // The route set stays what it was (§12.2.1.2).
    dialog.refresh_target(&answer("Record-Route: <sip:p;lr>\r\nContact: <sip:x@h>\r\n"));
    assert_eq!(shape(&mut dialog), ("sip:x@h".into(), vec![], "sip:x@h".into()));
}

#[test]
fn a_request_belongs_to_the_dialog_of_its_call_and_sender() {
    let dialog = Dialog::uac(&invite(""), &answer(TARGET)).expect("a dialog");
    for (call, tag, owned) in [
        ("c-1", ";tag=them", true),
        ("c-1", ";x=y ; tag=them", true),
        ("c-2", ";tag=them", false),
        ("c-1", ";tag=they", false),
        ("c-1", "", false),
        ("", ";tag=them", false),
    ] {
        let bye = read(format!(
            "BYE sip:us SIP/2.0\r\nFrom: <sip:1001@lab.test>{tag}\r\nCall-ID: {call}\r\nCSeq: 1 BYE\r\n\r\n"
        ));
        assert_eq!(dialog.owns(&bye), owned, "{call} {tag}");
    }
}

#[test]
fn what_makes_no_dialog_is_refused_and_what_is_old_is_put_up_with() {
    let without = |line: &str| {
        let text = text(invite("").raw().clone());
        read(text.split_inclusive("\r\n").filter(|written| !written.starts_with(line)).collect())
    };
    for line in ["From", "To", "CSeq"] {
        assert!(Dialog::uas(&without(line), b"mine").is_none(), "{line}");
    }
    let no_to = read(text(answer(TARGET).raw().clone()).replace("To: <sip:1001@lab.test>;tag=them\r\n", ""));
    assert!(Dialog::uac(&invite(""), &no_to).is_none());
    let folded = text(invite("").raw().clone()).replace("sip:us@192.0.2.1", "sip:us\r\n Evil: yes@192.0.2.1");
    assert!(Dialog::uas(&read(folded), b"mine").is_none(), "a fold would break our request line");
    let mut old = Dialog::uas(&without("Contact"), b"mine").expect("a dialog");
    assert_eq!(shape(&mut old).0, "sip:us@lab.test", "an RFC 2543 caller is called back at its From");
    // RFC 2543: no tag (RFC 3261 §12.1.2), and no Contact either.
    let old = read(text(answer("").raw().clone()).replace(";tag=them", ""));
    let mut dialog = Dialog::uac(&invite(""), &old).expect("a dialog");
    assert_eq!(shape(&mut dialog).0, "sip:1001@lab.test");
    let bye = "BYE sip:us SIP/2.0\r\nFrom: <sip:1001@lab.test>\r\nCall-ID: c-1\r\nCSeq: 1 BYE\r\n\r\n";
    assert!(dialog.owns(&read(bye.into())));
}

#[test]
fn a_to_with_a_tag_is_kept_as_it_is() {
    let again = read(
        text(invite("").raw().clone()).replace("To: <sip:1001@lab.test>", "t: sip:1001@lab.test;tag=old"),
    );
    let mut dialog = Dialog::uas(&again, b"mine").expect("a dialog");
    let bye = read(text(dialog.request(b"BYE").empty()));
    assert_eq!(bye.first(Name::From), Some(&b"sip:1001@lab.test;tag=old"[..]));
}
