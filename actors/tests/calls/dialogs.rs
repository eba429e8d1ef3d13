//! What passes between the two ends of a call: octet for octet, both ways, whatever stands between (R68).

use std::time::{Duration, Instant};

use crate::{
    office::{ELSEWHERE, Office, Talk, is_cancelled},
    support::{Over, Peer, SDP, Sip, peer::Dialog, within},
};

const OFF: &str = "missed_calls = \"off\"";

#[test]
fn requests_inside_the_call_pass_both_ways() {
    for over in Over::BOTH {
        let mut office = Office::new(over, OFF);
        let mut talk = office.talks();
        for round in 0..2 {
            both_ways(&mut office, &mut talk, |one, other, dialog| {
                for row in REQUESTS {
                    passes(one, other, dialog, row, round);
                }
            });
        }
        office.hangs_up(talk);
        office.ends();
    }
}

/// Method, Content-Type, body, and the answer of the other end.
type Request = (&'static str, &'static str, &'static str, u16);

const REQUESTS: [Request; 6] = [
    ("INFO", "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", 200),
    ("MESSAGE", "text/plain", "Brb, øre\u{1F44B}", 202),
    ("FOOBAR", "x/y", "anything", 299),
    ("UPDATE", "application/sdp", SDP, 200),
    ("OPTIONS", "text/plain", "", 200),
    ("INFO", "x/y", "no", 488),
];

fn passes(one: &mut Peer, other: &mut Peer, dialog: &mut Dialog, row: Request, round: usize) {
    let (method, kind, body, code) = row;
    let headers = format!("Content-Type: {kind}\r\nX-Round: {round}\r\n");
    one.inside(dialog, method, &headers, body);
    let passed = other.expect(method);
    assert_eq!((passed.one("X-Round"), passed.body()), (&*round.to_string(), body));
    other.answer_with(&passed, code, "X-Said: yes\r\n", "");
    let answer = one.expect(&code.to_string());
    assert_eq!((answer.one("X-Said"), answer.start()), ("yes", &*format!("SIP/2.0 {code} As Told")));
}

#[test]
fn hold_and_resume_pass_both_ways() {
    let hold = SDP.to_owned() + "a=sendonly\r\n";
    for over in Over::BOTH {
        let mut office = Office::new(over, OFF);
        let mut talk = office.talks();
        both_ways(&mut office, &mut talk, |one, other, dialog| {
            for offer in [&*hold, SDP] {
                one.inside(dialog, "INVITE", "", offer);
                let passed = other.expect("INVITE");
                assert_eq!(passed.body(), offer);
                other.answer(&passed, 200);
                one.expect("200");
                one.inside(dialog, "ACK", "", "");
                other.expect("ACK");
            }
            // Without an offer: the answer travels in the ACK.
            one.inside(dialog, "INVITE", "", "");
            let passed = other.expect("INVITE");
            assert_eq!(passed.body(), "");
            other.answer(&passed, 200);
            assert_eq!(one.expect("200").body(), SDP);
            one.inside(dialog, "ACK", "", &hold);
            assert_eq!(other.expect("ACK").body(), hold);
            // Refused: the call goes on as it was.
            let offer = one.inside(dialog, "INVITE", "", SDP);
            let passed = other.expect("INVITE");
            other.answer_with(&passed, 488, "", "");
            other.expect("ACK");
            one.refused(&offer, 488);
        });
        office.hangs_up(talk);
        office.ends();
    }
}

fn both_ways(office: &mut Office, talk: &mut Talk, pass: impl Fn(&mut Peer, &mut Peer, &mut Dialog)) {
    pass(&mut office.pbx, &mut office.desk, &mut talk.pbx);
    pass(&mut office.desk, &mut office.pbx, &mut talk.phone);
}

#[test]
fn what_is_not_for_the_other_end_is_refused_here() {
    let mut office = Office::new(Over::Udp, OFF);
    let mut talk = office.talks();
    for method in ["SUBSCRIBE", "NOTIFY", "PUBLISH", "REGISTER"] {
        office.pbx.inside(&mut talk.pbx, method, "", "");
        let refusal = office.pbx.expect("405");
        assert!(refusal.one("Allow").contains("INVITE, ACK"), "{method}");
    }
    // A PRACK for nothing that was sent reliably.
    office.pbx.inside(&mut talk.pbx, "PRACK", "RAck: 1 1 INVITE\r\n", "");
    office.pbx.expect("481");
    // RFC 3261 §12.2.2: an older number is out of order, and a foreign From tag is another dialog.
    let mut older = Dialog { sequence: 0, ..talk.pbx.clone() };
    office.pbx.inside(&mut older, "INFO", "", "");
    office.pbx.expect("500");
    let foreign = talk.pbx.local.replace(";tag=", ";tag=x");
    let mut foreign = Dialog { local: foreign, ..talk.pbx.clone() };
    office.pbx.inside(&mut foreign, "BYE", "", "");
    office.pbx.expect("481");
    office.desk.silent_for(Duration::from_millis(30));
    office.hangs_up(talk);
    office.ends();
}

#[test]
fn an_invite_without_an_offer_gets_it_in_the_answer() {
    for over in Over::BOTH {
        let mut office = Office::new(over, OFF);
        let uri = format!("sip:1001@{}", office.ringpost.sip);
        let invite = office.pbx.request("INVITE", &uri, "", "");
        let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
        assert_eq!(desk.body(), "");
        office.soft.answer(&soft, 180);
        office.pbx.expect("180");
        let answer = office.desk.answer(&desk, 200);
        is_cancelled(&mut office.soft, &soft, ELSEWHERE);
        let ok = office.pbx.expect("200");
        assert_eq!(ok.body(), SDP, "the phone's offer");
        let mut pbx = Dialog::caller(&invite, &ok);
        let reply = SDP.replace("40000", "40002");
        office.pbx.inside(&mut pbx, "ACK", "", &reply);
        assert_eq!(office.desk.expect("ACK").body(), reply);
        office.hangs_up(Talk { pbx, phone: Dialog::callee(&desk, &answer) });
        office.ends();
    }
}

#[test]
fn early_media_reaches_the_caller_and_further_ringing_does_not_confuse() {
    let mut office = Office::new(Over::Udp, OFF);
    let invite = office.pbx.invite("1001");
    let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
    office.desk.answer(&desk, 183);
    let media = office.pbx.expect("183");
    assert_eq!(media.body(), SDP);
    // Another phone rings, and a proxy in front of the desk forks: the caller hears once that it rings.
    office.soft.answer(&soft, 180);
    office.pbx.expect("180");
    office.desk.answer_tagged(&desk, 180, "another", "", "");
    office.pbx.silent_for(Duration::from_millis(50));
    let answer = office.desk.answer_tagged(&desk, 200, "another", "", SDP);
    office.desk.expect("ACK");
    is_cancelled(&mut office.soft, &soft, ELSEWHERE);
    let ok = office.pbx.expect("200");
    assert_eq!(ok.to_tag(), media.to_tag(), "one dialog for the caller");
    // The first branch of the fork answers as well: it is acknowledged and hung up.
    office.desk.answer_tagged(&desk, 200, "first", "", SDP);
    office.desk.expect("ACK");
    let bye = office.desk.expect("BYE");
    assert_eq!((bye.to_tag(), bye.first("Reason")), ("first", ELSEWHERE));
    office.desk.answer(&bye, 200);
    let mut pbx = Dialog::caller(&invite, &ok);
    office.pbx.inside(&mut pbx, "ACK", "", "");
    office.hangs_up(Talk { pbx, phone: Dialog::callee(&desk, &answer) });
    office.ends();
}

#[test]
fn what_is_repeated_is_answered_again_and_done_once() {
    let mut office = Office::new(Over::Udp, OFF);
    let [invite, desk, soft] = office.rings();
    office.pbx.send(&invite.raw);
    within(Duration::from_secs(5), "the 180 is repeated", || {
        office.pbx.next(Duration::from_millis(20));
        office.pbx.repeated == 1
    });
    let answer = office.desk.answer(&desk, 200);
    office.desk.expect("ACK");
    office.desk.send(&answer.raw);
    within(Duration::from_secs(5), "the ACK is repeated", || {
        office.desk.next(Duration::from_millis(20));
        office.desk.repeated == 1
    });
    is_cancelled(&mut office.soft, &soft, ELSEWHERE);
    let ok = office.pbx.expect("200");
    // No ACK yet: the 200 comes again after 500 ms, a second, two seconds.
    let before = office.pbx.repeated;
    let since = Instant::now();
    within(Duration::from_secs(10), "the 200 is repeated", || {
        office.pbx.next(Duration::from_millis(20));
        office.pbx.repeated == before + 2
    });
    assert!(since.elapsed() > Duration::from_millis(1_300), "T1, then twice T1");
    let mut pbx = Dialog::caller(&invite, &ok);
    office.pbx.inside(&mut pbx, "ACK", "", "");
    let bye = office.pbx.inside(&mut pbx, "BYE", "", "");
    office.pbx.expect("200");
    let before = office.pbx.repeated;
    office.pbx.send(&bye.raw);
    within(Duration::from_secs(5), "the 200 for BYE is repeated", || {
        office.pbx.next(Duration::from_millis(20));
        office.pbx.repeated == before + 1
    });
    let bye = office.desk.expect("BYE");
    office.desk.answer(&bye, 200);
    office.ends();
}

#[test]
fn an_answer_that_is_never_acknowledged_ends_the_call_after_64_t1() {
    let mut office = Office::new(Over::Udp, OFF);
    let [invite, desk, soft] = office.rings();
    office.desk.answer(&desk, 200);
    office.desk.expect("ACK");
    is_cancelled(&mut office.soft, &soft, ELSEWHERE);
    let ok = office.pbx.expect("200");
    let since = Instant::now();
    for phone in [&mut office.desk, &mut office.pbx] {
        // RFC 3261 §13.3.1.4.
        let bye = phone.next(Duration::from_secs(40)).expect("a BYE");
        assert_eq!(bye.what(), "BYE");
        phone.answer(&bye, 200);
    }
    assert!((31..36).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    assert!(office.pbx.repeated >= 9, "{}", office.pbx.repeated);
    assert_eq!(ok.one("Call-ID"), invite.one("Call-ID"));
    office.ends();
}

#[test]
fn proxies_that_recorded_their_route_stay_in_it() {
    let mut office = Office::new(Over::Udp, OFF);
    let site = office.ringpost.sip;
    let [mut before, mut behind] = [(); 2].map(|()| Peer::new(Over::Udp, "127.0.0.1", site));
    let (here, there) = (format!("<sip:{};lr>", before.address), format!("<sip:{};lr>", behind.address));
    let invite = office.pbx.invite_with("1001", &format!("Record-Route: {here}\r\n"));
    let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
    assert_eq!(desk.all("Record-Route").len(), 0, "each side has its own");
    office.soft.answer(&soft, 180);
    office.pbx.expect("180");
    office.desk.answer_with(&desk, 200, &format!("Record-Route: {there}\r\n"), SDP);
    let ack = behind.expect("ACK");
    assert_eq!((ack.one("Route"), ack.uri()), (&*there, &*office.desk.uri()));
    is_cancelled(&mut office.soft, &soft, ELSEWHERE);
    let ok = office.pbx.expect("200");
    assert_eq!(ok.one("Record-Route"), here);
    let mut pbx = Dialog::caller(&invite, &ok);
    office.pbx.inside(&mut pbx, "ACK", "", "");
    let info = office.pbx.inside(&mut pbx, "INFO", "Content-Type: x/y\r\n", "1");
    let passed = behind.expect("INFO");
    assert_eq!((passed.one("Route"), passed.body()), (&*there, info.body()));
    behind.answer(&passed, 200);
    office.pbx.expect("200");
    let bye_of = |dialog: &Sip| Dialog {
        call_id: desk.one("Call-ID").into(),
        local: dialog.one("To").into(),
        remote: desk.one("From").into(),
        target: desk.contact().into(),
        sequence: 1,
        routes: vec![],
    };
    behind.inside(&mut bye_of(&ack), "BYE", "", "");
    behind.expect("200");
    let bye = before.expect("BYE");
    assert_eq!((bye.one("Route"), bye.uri()), (&*here, &*office.pbx.uri()));
    before.answer(&bye, 200);
    office.ends();
}

#[test]
fn two_holds_at_once_are_both_refused_and_the_call_goes_on() {
    // RFC 3261 §14.1: glare.
    let mut office = Office::new(Over::Udp, OFF);
    let mut talk = office.talks();
    let first = office.pbx.inside(&mut talk.pbx, "INVITE", "", SDP);
    let passed = office.desk.expect("INVITE");
    let second = office.desk.inside(&mut talk.phone, "INVITE", "", SDP);
    office.desk.refused(&second, 491);
    office.desk.answer_with(&passed, 491, "", "");
    office.desk.expect("ACK");
    office.pbx.refused(&first, 491);
    office.pbx.inside(&mut talk.pbx, "INVITE", "", SDP);
    let again = office.desk.expect("INVITE");
    office.desk.answer(&again, 200);
    office.pbx.expect("200");
    office.pbx.inside(&mut talk.pbx, "ACK", "", "");
    office.desk.expect("ACK");
    office.hangs_up(talk);
    office.ends();
}
