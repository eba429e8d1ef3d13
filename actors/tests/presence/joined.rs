//! Lamps of calls that a third one has joined (R51, R55, R206; RFC 3515, RFC 3891).

use crate::{
    sample::phone::{PASSWORD, Phone},
    support::{Over, Peer, Ringpost, SDP, Sip, peer::Dialog, peer::fresh},
    watcher::{Watcher, lamp, site},
};

fn registered(ringpost: &Ringpost, user: &str, ip: &str) -> Phone {
    let mut phone = Phone::new(Over::Udp, ip, ringpost, user);
    assert_eq!(phone.registers("").what(), "200");
    phone
}

/// One phone calls another one, which answers; the caller's dialog, the other's, and the 200 of the call.
fn talk(caller: &mut Phone, called: &mut Phone, sdp: &str) -> (Dialog, Dialog, Sip) {
    let uri = format!("sip:{}@corp.test", called.user);
    let proof = caller.proof("INVITE", &uri);
    caller.call_id = format!("call-{}", fresh());
    let headers = format!("Contact: {}\r\n{proof}", caller.contact);
    let invite = caller.draft("INVITE", &uri, &headers, sdp);
    caller.peer.send(invite.as_bytes());
    let rings = called.peer.expect("INVITE");
    let answer = called.peer.answer(&rings, 200);
    let ok = caller.peer.expect("200");
    let mut dialog = Dialog::caller(&Sip::new(invite.as_bytes()), &ok);
    caller.peer.inside(&mut dialog, "ACK", "", "");
    called.peer.expect("ACK");
    (dialog, Dialog::callee(&rings, &answer), ok)
}

fn meets(peer: &mut Peer) {
    let renewed = peer.expect("INVITE");
    peer.answer(&renewed, 200);
    peer.expect("ACK");
}

const CSTA: &str = "http://www.ecma-international.org/standards/ecma-323/csta/ed3";

/// A program of a user's that monitors the user's telephone (uaCSTA).
fn monitor(ringpost: &Ringpost, user: &str) -> Peer {
    let mut program = Watcher::new(ringpost, Over::Udp, user);
    let asserted = format!("P-Asserted-Identity: <sip:{user}@corp.test>\r\n");
    let kind = format!("{asserted}Supported: timer\r\nContent-Type: application/csta+xml\r\n");
    let invite = program.asks("INVITE", user, &kind, &format!("<RequestSystemStatus xmlns=\"{CSTA}\"/>"));
    let mut dialog = Dialog::caller(&invite, &program.peer.expect("200"));
    program.peer.inside(&mut dialog, "ACK", "", "");
    let object = format!("<monitorObject><deviceObject>tel:{user}</deviceObject></monitorObject>");
    let start = format!("<MonitorStart xmlns=\"{CSTA}\">{object}</MonitorStart>");
    program.peer.inside(&mut dialog, "INFO", "Content-Type: application/csta+xml\r\n", &start);
    program.peer.expect("200");
    program.peer
}

/// Answers events up to the first one that holds those words; how many connections have ended before it.
fn hears(program: &mut Peer, event: &str, words: &str) -> usize {
    let mut over = 0;
    loop {
        let info = program.expect("INFO");
        program.answer(&info, 200);
        if info.body().contains(event) && info.body().contains(words) {
            return over;
        }
        over += usize::from(info.body().contains("<ConnectionClearedEvent"));
    }
}

/// Ada talks with Ben, asks Cleo and joins the two: both are in a call, each with the other, until they hang up; so
/// Ben's program has it (R52).
#[test]
fn two_who_are_joined_are_shown_in_their_call() {
    let login = format!("password = \"{PASSWORD}\"\nmissed_calls = \"off\"");
    let lines = "users = \"full\"\n[security]\nrefusals_per_second = 1000\n[rcc]\nenabled = true";
    let users = ["1001", "1002", "1003"];
    let ringpost = users.iter().fold(site(lines), |site, user| site.user(user, &[], &login)).start();
    let mut ada = registered(&ringpost, "1001", "127.0.0.2");
    let mut ben = registered(&ringpost, "1002", "127.0.0.3");
    let mut cleo = registered(&ringpost, "1003", "127.0.0.4");
    let mut lamps = users.map(|user| {
        let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
        watcher.subscribes(user, "dialog", "Expires: 600\r\n");
        watcher
    });
    let mut program = monitor(&ringpost, "1002");
    let (_, mut first, _) = talk(&mut ben, &mut ada, SDP);
    let (consulting, mut cleos, ok) = talk(&mut ada, &mut cleo, &SDP.replace("40000", "40200"));
    let from_tag = consulting.local.split(";tag=").nth(1).expect("a tag");
    let replaces = format!("{}%3Bto-tag%3D{}%3Bfrom-tag%3D{from_tag}", ok.one("Call-ID"), ok.to_tag());
    let target = format!("Refer-To: <sip:1003@corp.test?Replaces={replaces}>\r\n");
    ada.peer.inside(&mut first, "REFER", &target, "");
    meets(&mut ben.peer);
    meets(&mut cleo.peer);
    for (at, other) in [(1, ">sip:1003@corp.test<"), (2, ">sip:1002@corp.test<")] {
        let shown = lamps[at].sees(other);
        assert_eq!(lamp(&shown), "confirmed", "{shown}");
        assert_eq!(shown.body().matches("<dialog ").count(), 1, "{shown}");
        let told = lamps[at].refreshes(600);
        assert!(lamp(&told) == "confirmed" && told.body().contains(other), "{told}");
    }
    // The calls are told by two actors, on two lanes maybe: either order is right.
    if hears(&mut program, "<EstablishedEvent", "tel:1003") == 0 {
        hears(&mut program, "<ConnectionClearedEvent", "tel:1002");
    }
    cleo.peer.inside(&mut cleos, "BYE", "", "");
    cleo.peer.expect("200");
    for watcher in &mut lamps {
        let over = |watcher: &mut Watcher| watcher.sees("entity=\"sip:100").body().contains("<dialog ");
        while over(watcher) {}
    }
    hears(&mut program, "<ConnectionClearedEvent", "tel:1002");
}
