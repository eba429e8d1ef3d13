//! What clients hear of the real calls (R52, R55, R114).

use std::time::{Duration, Instant};

use crate::{
    client::{Client, root, site, value},
    support::{Over, SDP, Sip, peer::Dialog},
};

/// A call comes in: it rings, talks, ends, and each event is there at once (issue: within 100 ms).
#[test]
fn a_call_comes_in() {
    for over in Over::BOTH {
        let site = site("");
        let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
        let ringpost = site.user("1001", &[&phone], "").start();
        let mut client = Client::new(&ringpost, over, "1001");
        let ok = client.opens("Session-Expires: 600;refresher=uac\r\n");
        assert_eq!(
            (root(&ok).as_str(), value(ok.body(), "systemStatus")),
            ("RequestSystemStatusResponse", "normal")
        );
        assert!(ok.one("Session-Expires").starts_with("600;refresher=uac"), "{ok}");
        assert!(client.does("GetCSTAFeatures", "").contains("<delivered/>"));
        let monitor = client.monitors("tel:1001");
        let since = Instant::now();
        let invite = pbx.invite("1001");
        let ringing = phone.expect("INVITE");
        phone.answer(&ringing, 180);
        pbx.expect("180");
        let delivered = client.hears_at_once("DeliveredEvent", since);
        assert_eq!(value(&delivered, "monitorCrossRefID"), monitor);
        assert_eq!(value(&delivered, "localConnectionInfo"), "alerting");
        assert!(delivered.contains("<callingDevice><deviceIdentifier>tel:+4544890101<"), "{delivered}");
        let since = Instant::now();
        let ok = phone.answer(&ringing, 200);
        let mut talk = Dialog::caller(&invite, &pbx.expect("200"));
        pbx.inside(&mut talk, "ACK", "", "");
        phone.expect("ACK");
        let established = client.hears_at_once("EstablishedEvent", since);
        assert_eq!(value(&established, "callID"), value(&delivered, "callID"));
        let since = Instant::now();
        let mut called = Dialog::callee(&ringing, &ok);
        phone.ends(&mut called, &mut pbx);
        let cleared = client.hears_at_once("ConnectionClearedEvent", since);
        assert!(cleared.contains("<droppedConnection>"), "{cleared}");
        client.does("MonitorStop", &format!("<monitorCrossRefID>{monitor}</monitorCrossRefID>"));
        client.is_denied(
            "MonitorStop",
            &format!("<monitorCrossRefID>{monitor}</monitorCrossRefID>"),
            "invalidMonitorCrossRefID",
        );
        // Nothing is told any more.
        let invite = pbx.invite("1001");
        let ringing = phone.expect("INVITE");
        phone.answer(&ringing, 486);
        phone.expect("ACK");
        pbx.refused(&invite, 486);
        client.peer.silent_for(Duration::from_millis(200));
        client.inside("BYE", "", "");
        client.peer.expect("200");
        drop(client);
        ringpost.back_to_baseline();
    }
}

/// A call that the user does not take, or has no telephone free for, goes where the user wants; the user's programs hear where
/// and why, those of whoever rings then by whom it was sent, and the caller's who has it.
#[test]
fn r110_a_forwarded_call_is_followed() {
    for (busy, cause) in [(false, "callForwardNoAnswer"), (true, "callForwardBusy")] {
        let site = site("[[rcc.delegate]]\nuser = \"1001\"\nlines = [\"1002\", \"1003\"]");
        let [mut caller, mut desk, mut other] = [(); 3].map(|()| site.peer(Over::Udp));
        let wants = "[user.policy]\nforward_busy = \"1002\"\nforward_no_answer = \"1002\"";
        let ringpost = site
            .user("1001", &[&desk], &format!("ring_for = \"300ms\"\n{wants}"))
            .user("1002", &[&other], "")
            .user("1003", &[&caller], "")
            .start();
        let mut clients = ["tel:1001", "tel:1002", "tel:1003"].map(|line| {
            let mut client = Client::new(&ringpost, Over::Udp, "1001");
            client.opens("");
            client.monitors(line);
            client
        });
        let [own, theirs, callers] = &mut clients;
        let text = caller.draft("INVITE", "sip:1001@corp.test", "Content-Type: application/sdp\r\n", SDP);
        let text = text.replace("\"Ada Caller\" <sip:+4544890101@pbx.test>", "<sip:1003@corp.test>");
        caller.send(text.as_bytes());
        let invite = Sip::new(text.as_bytes());
        callers.hears("OriginatedEvent");
        let ringing = desk.expect("INVITE");
        if busy {
            desk.answer(&ringing, 486);
            desk.expect("ACK");
        } else {
            desk.answer(&ringing, 180);
            own.hears("DeliveredEvent");
            assert!(callers.hears("DeliveredEvent").contains("<alertingDevice><deviceIdentifier>tel:1001<"));
            let cancel = desk.expect("CANCEL");
            desk.answer(&cancel, 200);
            desk.answer(&ringing, 487);
            desk.expect("ACK");
            let diverted = own.hears("DivertedEvent");
            assert!(diverted.contains("<newDestination><deviceIdentifier>tel:1002<"), "{diverted}");
            assert_eq!(value(&diverted, "cause"), cause);
        }
        let by = "<lastRedirectionDevice><deviceIdentifier>tel:1001<";
        let ringing = other.expect("INVITE");
        other.answer(&ringing, 180);
        let delivered = theirs.hears("DeliveredEvent");
        assert!(
            delivered.contains(by) && value(&delivered, "localConnectionInfo") == "alerting",
            "{delivered}"
        );
        if busy {
            let delivered = callers.hears("DeliveredEvent");
            assert!(delivered.contains("<alertingDevice><deviceIdentifier>tel:1002<"), "{delivered}");
        }
        other.answer(&ringing, 200);
        let ok = loop {
            let message = caller.expect_any();
            if message.what() == "200" {
                break message;
            }
        };
        let mut talk = Dialog::caller(&invite, &ok);
        caller.inside(&mut talk, "ACK", "", "");
        other.expect("ACK");
        theirs.hears("EstablishedEvent");
        let established = callers.hears("EstablishedEvent");
        assert!(established.contains("<answeringDevice><deviceIdentifier>tel:1002<"), "{established}");
        assert!(established.contains(by), "{established}");
        caller.inside(&mut talk, "BYE", "", "");
        caller.expect("200");
        let bye = other.expect("BYE");
        other.answer(&bye, 200);
        callers.hears("ConnectionClearedEvent");
        own.peer.silent_for(Duration::from_millis(100));
        ringpost.is_well();
    }
}

/// The user calls: off-hook shows at once, then ringing, talking, the end; the callee's own monitor sees the same call.
#[test]
fn the_user_calls_and_two_monitors_see_it() {
    let site = site("[[rcc.delegate]]\nuser = \"1003\"\nlines = [\"1001\", \"1002\"]");
    let (mut desk, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&desk], "").user("1002", &[&phone], "").user("1003", &[], "").start();
    let mut own = Client::new(&ringpost, Over::Udp, "1001");
    own.edition = 5;
    own.opens("");
    own.monitors("sip:1001@corp.test");
    let mut boss = Client::new(&ringpost, Over::Tcp, "1003");
    boss.opens("");
    let of_callee = boss.monitors("tel:1002");
    let since = Instant::now();
    let text = desk.draft("INVITE", "sip:1002@corp.test", "", SDP);
    let text = text.replace("\"Ada Caller\" <sip:+4544890101@pbx.test>", "<sip:1001@corp.test>");
    desk.send(text.as_bytes());
    let originated = own.hears_at_once("OriginatedEvent", since);
    assert!(originated.contains("csta/ed5\"") && originated.contains("tel:1002"), "{originated}");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    desk.expect("180");
    let there = own.hears("DeliveredEvent");
    assert_eq!(value(&there, "localConnectionInfo"), "connected");
    let here = boss.hears("DeliveredEvent");
    assert!(here.contains("csta/ed3\""), "{here}");
    assert_eq!(
        (value(&here, "monitorCrossRefID"), value(&here, "localConnectionInfo")),
        (of_callee.as_str(), "alerting")
    );
    assert_eq!(value(&here, "callID"), value(&there, "callID"));
    phone.answer(&ringing, 200);
    let mut talk = Dialog::caller(&Sip::new(text.as_bytes()), &desk.expect("200"));
    desk.inside(&mut talk, "ACK", "", "");
    phone.expect("ACK");
    own.hears("EstablishedEvent");
    boss.hears("EstablishedEvent");
    // A monitor that begins in the middle of a call hears of its end.
    boss.monitors("tel:1001");
    let since = Instant::now();
    desk.ends(&mut talk, &mut phone);
    own.hears_at_once("ConnectionClearedEvent", since);
    boss.hears("ConnectionClearedEvent");
    boss.hears("ConnectionClearedEvent");
    ringpost.is_well();
}

/// Two devices are one line: what another one of the same user answers is that user's call; what nobody answers is missed.
#[test]
fn a_fork_is_one_connection() {
    let site = site("");
    let (mut pbx, mut one, mut two) = (site.peer(Over::Udp), site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&one, &two], "").start();
    let mut client = Client::new(&ringpost, Over::Udp, "1001");
    client.opens("");
    client.monitors("tel:1001");
    let invite = pbx.invite("1001");
    let (first, second) = (one.expect("INVITE"), two.expect("INVITE"));
    one.answer(&first, 180);
    pbx.expect("180");
    two.answer(&second, 180);
    client.hears("DeliveredEvent");
    let mut talk = pbx.talks(&invite, &mut two, &second);
    let cancel = one.expect("CANCEL");
    one.answer(&cancel, 200);
    one.answer(&first, 487);
    one.expect("ACK");
    client.hears("EstablishedEvent");
    pbx.ends(&mut talk, &mut two);
    client.hears("ConnectionClearedEvent");
    // Given up by the caller.
    let invite = pbx.invite("1001");
    let (first, second) = (one.expect("INVITE"), two.expect("INVITE"));
    one.answer(&first, 180);
    client.hears("DeliveredEvent");
    pbx.expect("180");
    pbx.cancel(&invite, "");
    for (peer, ringing) in [(&mut one, first), (&mut two, second)] {
        if let Some(cancel) = peer.next(Duration::from_secs(1)) {
            peer.answer(&cancel, 200);
            peer.answer(&ringing, 487);
        }
    }
    client.hears("ConnectionClearedEvent");
    ringpost.is_well();
}

/// A call that somebody else takes where it rings (Replaces) is not one that the user has missed.
#[test]
fn a_call_is_picked_up() {
    let site = site("");
    let [mut pbx, mut phone, mut new] = [(); 3].map(|()| site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&phone], "").start();
    let mut client = Client::new(&ringpost, Over::Udp, "1001");
    client.opens("");
    client.monitors("tel:1001");
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    let dialog = Dialog::callee(&ringing, &phone.answer(&ringing, 180));
    pbx.expect("180");
    client.hears("DeliveredEvent");
    let tag = |address: &str| address.split(";tag=").nth(1).expect("a tag").to_owned();
    let (to, from) = (tag(&dialog.remote), tag(&dialog.local));
    let replaces = format!("Replaces: {};to-tag={to};from-tag={from};early-only\r\n", dialog.call_id);
    let pickup = new.invite_with("1001", &replaces);
    let mut own = Dialog::caller(&pickup, &new.expect("200"));
    new.inside(&mut own, "ACK", "", "");
    let cancel = phone.expect("CANCEL");
    phone.answer(&cancel, 200);
    phone.answer(&ringing, 487);
    phone.expect("ACK");
    let cleared = client.hears("ConnectionClearedEvent");
    assert_eq!(value(&cleared, "cause"), "callPickup", "{cleared}");
    let mut talk = Dialog::caller(&invite, &pbx.expect("200"));
    pbx.inside(&mut talk, "ACK", "", "");
    pbx.ends(&mut talk, &mut new);
    client.peer.silent_for(Duration::from_millis(200));
    ringpost.is_well();
}

/// The user gives a call away: TransferedEvent, with whom it went to; the colleague's monitor sees a call come in.
#[test]
fn a_call_is_transferred() {
    let site = site("");
    let (mut pbx, mut desk, mut other) = (site.peer(Over::Udp), site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&desk], "").user("1002", &[&other], "").start();
    let mut client = Client::new(&ringpost, Over::Udp, "1001");
    client.opens("");
    client.monitors("tel:1001");
    let mut colleague = Client::new(&ringpost, Over::Udp, "1002");
    colleague.opens("");
    colleague.monitors("tel:1002");
    let invite = pbx.invite("1001");
    let ringing = desk.expect("INVITE");
    let ok = desk.answer_with(&ringing, 200, "", SDP);
    let mut talk = Dialog::caller(&invite, &pbx.expect("200"));
    pbx.inside(&mut talk, "ACK", "", "");
    desk.expect("ACK");
    client.hears("DeliveredEvent");
    client.hears("EstablishedEvent");
    let mut own = Dialog::callee(&ringing, &ok);
    let host = own.target.rsplit('@').next().expect("a host").to_owned();
    desk.inside(&mut own, "REFER", &format!("Refer-To: <sip:1002@{host}>\r\n"), "");
    desk.expect("202");
    let third = other.expect("INVITE");
    other.answer(&third, 180);
    colleague.hears("DeliveredEvent");
    other.answer(&third, 200);
    colleague.hears("EstablishedEvent");
    let renewed = pbx.expect("INVITE");
    pbx.answer(&renewed, 200);
    pbx.expect("ACK");
    other.expect("ACK");
    let mut told = false;
    while !told {
        let notify = desk.expect("NOTIFY");
        desk.answer(&notify, 200);
        told = notify.body().contains("200");
    }
    let bye = desk.expect("BYE");
    desk.answer(&bye, 200);
    let transferred = client.hears("TransferedEvent");
    assert_eq!(value(&transferred, "localConnectionInfo"), "null");
    assert!(transferred.contains("<transferredToDevice><deviceIdentifier>tel:1002<"), "{transferred}");
    pbx.inside(&mut talk, "BYE", "", "");
    pbx.expect("200");
    let bye = other.expect("BYE");
    other.answer(&bye, 200);
    colleague.hears("ConnectionClearedEvent");
    client.peer.silent_for(Duration::from_millis(100));
    ringpost.is_well();
}
