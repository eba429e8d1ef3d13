//! How a call comes to its end: who rings, who is told what, where it goes (R1–R3, R8, R15, R64, R201).

use std::time::Duration;

use crate::{
    office::{ELSEWHERE, Office, is_cancelled, refuses},
    support::{Over, Site},
};

/// No notice is wanted where the test is about the call alone.
const OFF: &str = "missed_calls = \"off\"";

#[test]
fn answered_at_the_desk_and_hung_up_from_either_side() {
    // R1, R64, R201.
    for over in Over::BOTH {
        let mut office = Office::new(over, OFF);
        let talk = office.talks();
        office.hangs_up(talk);
        let mut talk = office.talks();
        let why = ["Q.850;cause=16;text=\"Terminated\"", "SIP;cause=600"];
        let said = format!("Reason: {}\r\nReason: {}\r\n", why[0], why[1]);
        office.desk.inside(&mut talk.phone, "BYE", &said, "");
        office.desk.expect("200");
        let bye = office.pbx.expect("BYE");
        assert_eq!(bye.all("Reason"), why, "RFC 3326");
        assert_eq!(bye.uri(), office.pbx.uri());
        office.pbx.answer(&bye, 200);
        office.ends();
    }
}

#[test]
fn nobody_answers_so_um_does_with_exactly_one_diversion() {
    // R2, R3.
    for over in Over::BOTH {
        let mut office = Office::new(over, "missed_calls = \"off\"\nring_for = \"300ms\"");
        let invite = office.pbx.invite_with("1001", "Diversion: <sip:9@pbx.test>;reason=unknown\r\n");
        let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
        assert_eq!(desk.all("Diversion"), ["<sip:9@pbx.test>;reason=unknown"], "towards devices it crosses");
        office.desk.answer(&desk, 180);
        office.soft.answer(&soft, 180);
        office.pbx.expect("180");
        office.pbx.expect("181");
        is_cancelled(&mut office.desk, &desk, "");
        is_cancelled(&mut office.soft, &soft, "");
        let (to_um, talk) = office.um_takes(&invite);
        assert!(to_um.one("Diversion").starts_with("<sip:1001@corp.test>;reason=no-answer"), "{to_um}");
        office.um_hangs_up(talk);
        office.ends();
    }
}

#[test]
fn the_caller_gives_up() {
    // R201: a caller's CANCEL is never labelled; a PBX's own label is passed on.
    for (header, reason) in [
        ("", ""),
        ("Reason: Q.850;cause=16;text=\"Terminated\"\r\n", ""),
        ("Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n", ELSEWHERE),
    ] {
        let mut office = Office::new(Over::Udp, OFF);
        let [invite, desk, soft] = office.rings();
        office.pbx.cancel(&invite, header);
        office.pbx.expect("200");
        is_cancelled(&mut office.desk, &desk, reason);
        is_cancelled(&mut office.soft, &soft, reason);
        office.pbx.refused(&invite, 487);
        office.ends();
    }
}

#[test]
fn refusals_lead_to_um_or_to_the_caller() {
    // Both phones answer with these; a 6xx of the first one ends the ringing of the other.
    for over in Over::BOTH {
        for (first, second, diverted) in [
            (486, Some(486), "user-busy"),
            (480, Some(404), "no-answer"),
            (503, Some(500), "no-answer"),
            (302, Some(486), "user-busy"),
            (603, None, "deflection"),
            (600, None, "user-busy"),
        ] {
            let mut office = Office::new(over, OFF);
            let invite = office.pbx.invite("1001");
            let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
            office.soft.answer(&soft, 180);
            office.pbx.expect("180");
            refuses(&mut office.desk, &desk, first);
            match second {
                Some(second) => refuses(&mut office.soft, &soft, second),
                None => is_cancelled(&mut office.soft, &soft, ""),
            }
            office.pbx.expect("181");
            let (to_um, talk) = office.um_takes(&invite);
            assert!(to_um.one("Diversion").contains(&format!("reason={diverted}")), "{first}: {to_um}");
            office.um_hangs_up(talk);
            office.ends();
        }
    }
}

#[test]
fn without_um_the_best_refusal_reaches_the_caller() {
    for (first, second, told) in [
        (486, 480, 486),
        (480, 486, 486),
        (404, 603, 603),
        (500, 486, 486),
        (401, 407, 480),
        (503, 503, 480),
        (302, 301, 480),
    ] {
        let mut office = Office::new(Over::Udp, OFF);
        let invite = office.pbx.invite("1004");
        let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
        refuses(&mut office.desk, &desk, first);
        refuses(&mut office.soft, &soft, second);
        let refusal = office.pbx.refused(&invite, told);
        let phrase = if told == 480 && first != 480 {
            "SIP/2.0 480 Temporarily Unavailable"
        } else {
            &*format!("SIP/2.0 {told} As Told")
        };
        assert_eq!(refusal.start(), phrase, "a phone's own words cross");
        office.ends();
    }
}

#[test]
fn without_um_nobody_answers_and_the_caller_hears_480() {
    let mut office = Office::new(Over::Udp, OFF);
    let invite = office.pbx.invite("1004");
    let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
    office.desk.answer(&desk, 180);
    office.pbx.expect("180");
    is_cancelled(&mut office.desk, &desk, "");
    office.pbx.refused(&invite, 480);
    // RFC 3261 §9.1: no CANCEL before a provisional response; the first one that comes brings it.
    office.soft.answer(&soft, 180);
    is_cancelled(&mut office.soft, &soft, "");
    office.ends();
}

#[test]
fn nobody_there_or_all_forwarded_goes_straight_to_um() {
    // R8.
    for over in Over::BOTH {
        for (user, reason) in [("1002", "unavailable"), ("1003", "unconditional")] {
            let mut office = Office::new(over, OFF);
            let invite = office.pbx.invite(user);
            office.pbx.expect("181");
            let (to_um, talk) = office.um_takes(&invite);
            let diversion = format!("<sip:{user}@corp.test>;reason={reason}");
            assert!(to_um.one("Diversion").starts_with(&diversion), "{to_um}");
            office.um_hangs_up(talk);
            office.ends();
        }
    }
}

#[test]
fn two_um_servers_are_tried_and_never_a_third() {
    // R15.
    let site = Site::new();
    let (mut pbx, mut servers) = (site.peer(Over::Udp), [(); 3].map(|()| site.peer(Over::Udp)));
    let uris = servers.each_ref().map(|server| server.uri());
    let ringpost = site
        .table("[um]\nring_limit = \"300ms\"\nfailures = 30")
        .plan("lab", &uris.each_ref().map(|uri| &**uri))
        .user("1001", &[], "um_plan = \"lab\"\nmissed_calls = \"off\"")
        .start();
    for _ in 0..8 {
        let invite = pbx.invite("1001");
        pbx.expect("181");
        let mut tried = vec![];
        while tried.len() < 2 {
            let (at, call) = (0..servers.len())
                .cycle()
                .find_map(|at| Some((at, servers[at].next(Duration::from_millis(5))?)))
                .expect("a server is asked");
            assert_eq!(call.what(), "INVITE");
            // The first refuses, the second rings for ever.
            if tried.is_empty() {
                refuses(&mut servers[at], &call, 503);
            } else {
                servers[at].answer(&call, 180);
                pbx.expect("180");
                is_cancelled(&mut servers[at], &call, "");
            }
            tried.push(at);
        }
        assert_eq!(tried[1], (tried[0] + 1) % 3, "never the same one twice");
        pbx.refused(&invite, 480);
    }
    servers.iter_mut().for_each(|server| server.silent_for(Duration::from_millis(30)));
    drop((pbx, servers));
    ringpost.back_to_baseline();
}

#[test]
fn phones_that_send_nothing_at_all_do_not_hold_the_call() {
    let mut office = Office::new(Over::Udp, "missed_calls = \"off\"\nring_for = \"300ms\"");
    let invite = office.pbx.invite("1001");
    let soft = (office.desk.expect("INVITE"), office.soft.expect("INVITE")).1;
    office.pbx.expect("181");
    let (_, talk) = office.um_takes(&invite);
    // One of them wakes up late: it is taken back, for UM has the call.
    let late = office.soft.answer(&soft, 200);
    office.soft.expect("ACK");
    let bye = office.soft.expect("BYE");
    assert_eq!(bye.first("Reason"), ELSEWHERE);
    assert_eq!(bye.one("To"), late.one("To"));
    office.soft.answer(&bye, 200);
    office.um_hangs_up(talk);
    office.ends();
}
