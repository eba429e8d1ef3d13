//! The program as its keeper sees it: it drains, reloads, runs short of descriptors, and does not grow (T38, T41, T42).

use std::{process::Command, thread, time::Duration};

use crate::{
    office::{Office, is_cancelled},
    support::{Over, Peer, Site, until},
};

const OFF: &str = "missed_calls = \"off\"";

#[test]
fn told_to_stop_it_takes_no_new_call_and_lets_the_running_one_end() {
    // T42.
    for over in Over::BOTH {
        let mut office = Office::new(over, OFF);
        let mut talk = office.talks();
        office.ringpost.signal("TERM");
        office.ringpost.logs("Draining calls=1");
        let refused = office.pbx.invite("1001");
        let refusal = office.pbx.refused(&refused, 503);
        assert_eq!(refusal.one("Retry-After"), "5");
        office.pbx.inside(&mut talk.pbx, "INFO", "Content-Type: x/y\r\n", "still here");
        let info = office.desk.expect("INFO");
        office.desk.answer(&info, 200);
        office.pbx.expect("200");
        office.hangs_up(talk);
        assert_eq!(office.ringpost.ended().code(), Some(0), "{}", office.ringpost.log());
    }
}

#[test]
fn calls_that_outlast_the_drain_are_ended_and_told() {
    let site = Site::new().maildir().sip("drain = \"300ms\"");
    let mut office = Office::on(site, Over::Udp, "missed_calls = \"mail\"\nmail = \"ada@corp.test\"");
    let talk = office.talks();
    let [ringing, desk, soft] = office.rings();
    office.ringpost.signal("TERM");
    is_cancelled(&mut office.soft, &soft, "");
    // Both calls end at once, so their messages mix.
    let mut heard: Vec<String> = vec![];
    while heard.len() < 2 {
        let message = office.desk.next(Duration::from_secs(5)).expect("CANCEL and BYE");
        office.desk.answer(&message, 200);
        if message.what() == "CANCEL" {
            office.desk.answer(&desk, 487);
        }
        heard.push(message.what().into());
        if heard.last().is_some_and(|last| last == "ACK") {
            heard.pop();
        }
    }
    heard.sort();
    assert_eq!(heard, ["BYE", "CANCEL"]);
    let mut heard: Vec<String> = (0..2)
        .map(|_| {
            let message = office.pbx.next(Duration::from_secs(5)).expect("BYE and 503");
            if message.what() == "BYE" {
                office.pbx.answer(&message, 200);
            }
            message.what().to_owned()
        })
        .collect();
    heard.sort();
    assert_eq!(heard, ["503", "BYE"]);
    assert_eq!(office.ringpost.ended().code(), Some(0), "{}", office.ringpost.log());
    office.ringpost.restart();
    let mails = office.ringpost.has_mails("ada@corp.test", 1);
    assert!(mails[0].1.contains(ringing.one("Call-ID")));
    drop(talk);
}

#[test]
fn a_reload_brings_new_users_and_keeps_the_calls() {
    let mut office = Office::new(Over::Udp, OFF);
    let talk = office.talks();
    let unknown = office.pbx.invite("2001");
    office.pbx.refused(&unknown, 404);
    let more = format!(
        "{}\n[[user]]\naddress = \"sip:2001@corp.test\"\nnumbers = [\"2001\"]\ndevices = [{:?}]\n{OFF}\n",
        office.ringpost.site(),
        office.um.uri()
    );
    office.ringpost.reload(&more);
    office.ringpost.logs("Read the site file again");
    let known = office.pbx.invite("2001");
    let called = office.um.expect("INVITE");
    crate::office::refuses(&mut office.um, &called, 486);
    office.pbx.refused(&known, 486);
    // A file with errors changes nothing.
    let good = office.ringpost.site();
    office.ringpost.reload("[sip]\nlisten = 7\n");
    office.ringpost.logs("The site file has errors");
    let known = office.pbx.invite("2001");
    let called = office.um.expect("INVITE");
    crate::office::refuses(&mut office.um, &called, 486);
    office.pbx.refused(&known, 486);
    office.ringpost.reload(&good);
    office.hangs_up(talk);
    drop((office.pbx, office.desk, office.soft, office.um));
    let mut ringpost = office.ringpost;
    assert_eq!(ringpost.terminate().code(), Some(0));
    assert!(ringpost.log().contains("Draining calls=0"), "{}", ringpost.log());
}

#[test]
fn out_of_descriptors_it_recovers_alone() {
    // T38.
    let mut office = Office::new(Over::Udp, OFF);
    let limit = office.ringpost.fds() + 4;
    let pid = office.ringpost.pid().to_string();
    let set = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={limit}:{limit}")]).status();
    if !set.is_ok_and(|status| status.success()) {
        println!("skipped: prlimit is missing");
        return;
    }
    let uri = format!("sip:{}", office.ringpost.sip);
    let mut crowd: Vec<Peer> =
        (0..8).map(|_| Peer::new(Over::Tcp, "127.0.0.1", office.ringpost.sip)).collect();
    crowd.iter_mut().for_each(|peer| drop(peer.request("OPTIONS", &uri, "", "")));
    office.ringpost.logs("Could not accept a connection");
    let talk = office.talks();
    office.hangs_up(talk);
    drop(crowd);
    let mut late = Peer::new(Over::Tcp, "127.0.0.1", office.ringpost.sip);
    late.request("OPTIONS", &uri, "", "");
    late.expect("200");
    drop(late);
    until("descriptors are free again", || office.ringpost.fds() <= limit - 4);
    assert_eq!(office.ringpost.terminate().code(), Some(0));
}

#[test]
fn two_thousand_calls_leave_nothing_behind() {
    // T41 in short. Transactions linger for 64*T1, so the second thousand comes when those of the first have gone.
    let mut office = Office::new(Over::Udp, OFF);
    let thousand = |office: &mut Office| {
        for _ in 0..1_000 {
            let talk = office.talks();
            office.hangs_up(talk);
        }
        office.ringpost.resident()
    };
    let first = thousand(&mut office);
    thread::sleep(Duration::from_secs(33));
    let second = thousand(&mut office);
    println!("{first} KiB after a thousand calls, {second} KiB after the second");
    assert!(second < first + first / 5, "{first} KiB, then {second} KiB");
    office.ends();
}
