//! T38: short of descriptors or memory, new calls are refused with 503, and it recovers alone.

use std::{process::Command, time::Duration};

use crate::{
    support::{Over, Peer, SDP, Sip, Site, until},
    watched,
};

/// The final answer to a call to the mailbox of 1001.
fn mailbox(pbx: &mut Peer) -> (Sip, Sip) {
    let invite = pbx.invite("1001");
    loop {
        let answer = pbx.next(Duration::from_secs(10)).expect("an answer");
        if answer.what() >= "200" && answer.one("CSeq").ends_with("INVITE") {
            return (invite, answer);
        }
    }
}

fn limited(pid: u32, limit: &str) -> bool {
    Command::new("prlimit").args(["--pid", &pid.to_string(), limit]).status().is_ok_and(|set| set.success())
}

#[test]
fn without_descriptors_a_mailbox_call_is_refused_with_503_and_taken_when_some_are_free() {
    let (site, _) = watched("");
    let mut pbx = site.peer(Over::Udp);
    let ringpost = site
        .maildir()
        .plan("lab", &["embedded"])
        .user(
            "1001",
            &[],
            "um_plan = \"lab\"\nforward = \"voicemail\"\nmissed_calls = \"off\"\nmail = \"a@corp.test\"",
        )
        .start();
    // Everything that it needs at all is open by now.
    let (invite, answer) = mailbox(&mut pbx);
    assert_eq!(answer.what(), "200");
    let mut dialog = crate::support::peer::Dialog::caller(&invite, &answer);
    pbx.inside(&mut dialog, "ACK", "", "");
    pbx.inside(&mut dialog, "BYE", "", "");
    pbx.expect("200");
    until("its port is closed", || ringpost.fds() > 0);
    let limit = format!("--nofile={}:4096", 32.min(ringpost.fds()));
    if !limited(ringpost.pid(), &limit) {
        println!("skipped: prlimit is missing or may not");
        return;
    }
    let uri = format!("sip:{}", ringpost.sip);
    until("no RTP port can be opened", || {
        let (_, answer) = mailbox(&mut pbx);
        // The refusal of Ringpost's own UM is the caller's, who had nobody else to call.
        let code = answer.what().to_owned();
        if code == "200" {
            drop(Peer::new(Over::Tcp, "127.0.0.1", ringpost.sip).request("OPTIONS", &uri, "", ""));
        }
        assert_eq!(code == "503", answer.first("Retry-After") == "5", "{answer}");
        code == "503"
    });
    ringpost.is_well();
    assert!(limited(ringpost.pid(), "--nofile=1024:4096"));
    until("it takes calls again", || mailbox(&mut pbx).1.what() == "200");
    ringpost.is_well();
}

#[test]
fn above_its_number_of_calls_a_new_one_gets_503_and_memory_stays() {
    // From its start on: what it reserves without using it counts as well.
    let limit = ["prlimit", "--as=1073741824:1073741824"];
    let can = Command::new(limit[0]).args([limit[1], "true"]).status().is_ok_and(|done| done.success());
    let site = Site::new().sip("max_calls = 200");
    let site = if can { site.under(&limit) } else { site };
    let mut pbx = site.peer(Over::Udp);
    let phone = site.peer(Over::Udp);
    let ringpost = site.user("1001", &[&phone], "ring_for = \"1s\"\nmissed_calls = \"off\"").start();
    let before = ringpost.resident();
    let uri = format!("sip:1001@{}", ringpost.sip);
    let invites: Vec<String> = (0..2_000).map(|_| pbx.draft("INVITE", &uri, "", SDP)).collect();
    let mut refused = 0;
    for some in invites.chunks(400) {
        some.iter().for_each(|invite| pbx.send(invite.as_bytes()));
        while let Some(answer) = pbx.next(Duration::from_millis(20)) {
            refused += usize::from(answer.what() == "503" && answer.first("Retry-After") == "5");
        }
    }
    assert!(refused > 500, "{refused}");
    ringpost.is_well();
    let after = ringpost.resident();
    assert!(after < before + 30 * 1_024, "{before} KiB, then {after} KiB (limited: {can})");
    until("calls are taken again", || {
        let invite = pbx.invite("1001");
        let answer = pbx.next(Duration::from_millis(300));
        answer.is_none_or(|answer| answer.one("Call-ID") != invite.one("Call-ID") || answer.what() != "503")
    });
}
