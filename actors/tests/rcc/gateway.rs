//! Ringpost as the client of a PBX's gateway (R52, R55, R114): what telephones do there is seen here at once.

use std::time::{Duration, Instant};

use crate::{
    client::{KIND, value},
    pbx::Pbx,
    support::{Over, Peer, Ringpost, Site},
    watcher::{Watcher, lamp, site, telephony},
};

const LINE: &str = "tel:1001";

/// Two users, whose telephones the gateway knows.
fn started(over: Over, lines: &str, of_site: impl FnOnce(Site, &Peer) -> Site) -> (Ringpost, Pbx) {
    let site = site("users = \"full\"");
    let (pbx, phone) = (Pbx::new(&site, over), site.peer(Over::Udp));
    let site = site.table(&pbx.table(lines));
    let ringpost = of_site(site, &phone).user("1001", &[], "").user("1002", &[], "").start();
    (ringpost, pbx)
}

/// R52: off the hook is busy, within 100 ms, and on the hook is free again; the calls are told with their other side; the
/// INVITE, the features, the monitors and what they find at first are as TR/87 has them.
#[test]
fn r52_off_hook_at_the_pbx_is_busy_at_once() {
    for over in Over::BOTH {
        let (ringpost, mut pbx) = started(over, "", |site, _| site);
        let invite = pbx.begins(2);
        assert_eq!(invite.one("Content-Type"), "application/csta+xml");
        assert_eq!(invite.one("Content-Disposition"), "signal;handling=required");
        assert!(invite.body().contains("csta/ed3\"") && invite.body().contains(">tel:1001<"), "{invite}");
        assert_eq!(pbx.asked[0], "GetCSTAFeatures");
        let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
        assert_eq!(telephony(&watcher.subscribes("1001", "presence", "")), "available");
        let mut lamps = Watcher::new(&ringpost, Over::Udp, "1002");
        lamps.subscribes("1001", "dialog", "");
        let since = Instant::now();
        pbx.off_hook(LINE, "c1");
        let busy = watcher.notified();
        let took = since.elapsed();
        eprintln!("off the hook at the PBX was busy here after {took:?}");
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!(telephony(&busy), "busy");
        assert!(busy.body().contains("on-the-phone"), "{busy}");
        assert_eq!(lamp(&lamps.notified()), "trying");
        pbx.talks(LINE, "c1");
        assert_eq!(lamp(&lamps.notified()), "confirmed");
        let since = Instant::now();
        pbx.clears(LINE, "c1", "normalClearing");
        watcher.sees(">available</own:telephony>");
        eprintln!("on the hook was free after {:?}", since.elapsed());
        lamps.notified();
        // A telephone that only rings is not busy; its lamp tells who calls.
        pbx.rings(LINE, "c2", "tel:+4544890101");
        let rings = lamps.notified();
        assert!(lamp(&rings) == "early" && rings.body().contains("tel:+4544890101"), "{rings}");
        pbx.talks(LINE, "c2");
        watcher.sees(">busy</own:telephony>");
        ringpost.is_well();
    }
}

/// Three in a call are in a conference, and two of them are not.
#[test]
fn three_at_a_telephone_are_in_a_conference() {
    let (ringpost, mut pbx) = started(Over::Udp, "", |site, _| site);
    pbx.begins(2);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    pbx.rings(LINE, "c1", "tel:+4511");
    pbx.talks(LINE, "c1");
    let talks = watcher.sees(">busy</own:telephony>");
    assert!(talks.body().contains("<rpid:on-the-phone/>") && !talks.body().contains("conference"), "{talks}");
    pbx.off_hook(LINE, "c2");
    let item = |of: &str| {
        format!(
            "<connectionListItem><newConnection><callID>c3</callID><deviceID>{of}</deviceID></newConnection></connectionListItem>"
        )
    };
    let items = [LINE, "tel:+4511", "tel:+4522"].map(item).concat();
    let inside = format!(
        "<secondaryOldCall><callID>c2</callID><deviceID>{LINE}</deviceID></secondaryOldCall><conferencingDevice><deviceIdentifier>{LINE}\
         </deviceIdentifier></conferencingDevice><conferenceConnections>{items}</conferenceConnections>\
         <localConnectionInfo>connected</localConnectionInfo><cause>conference</cause>"
    );
    pbx.tells(LINE, "c1", ("ConferencedEvent", "primaryOldCall"), &inside);
    watcher.sees("<own:in-a-conference/>");
    pbx.clears(LINE, "c3", "normalClearing");
    watcher.sees(">available</own:telephony>");
}

/// Nothing busy outlives the dialog: it is over, the gateway has forgotten it, it is silent, or its connection has gone. Each
/// time it is called again, and what it finds there is shown.
#[test]
fn a_gateway_that_goes_leaves_nothing_behind() {
    for (over, how) in
        [(Over::Udp, "BYE"), (Over::Udp, "481"), (Over::Udp, "silence"), (Over::Tcp, "connection")]
    {
        let lines = "poll = \"1s\"\ntimeout = \"1s\"";
        let (ringpost, mut pbx) = started(over, lines, |site, _| site);
        pbx.begins(2);
        let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
        watcher.subscribes("1001", "presence", "");
        pbx.calls.insert(LINE.to_owned(), ("c1".to_owned(), "connected"));
        pbx.off_hook(LINE, "c1");
        watcher.sees(">busy</own:telephony>");
        match how {
            "BYE" => {
                let dialog = pbx.dialog.as_mut().expect("open");
                pbx.peer.inside(dialog, "BYE", "", "");
                pbx.peer.expect("200");
            }
            "481" => {
                let poll = pbx.peer.expect("INFO");
                pbx.peer.answer_with(&poll, 481, "", "");
            }
            "connection" => pbx.peer.hangs_up(),
            _ => drop(pbx.peer.expect("INFO")),
        }
        // Nobody registered and no gateway: nothing can be reached.
        watcher.sees(">offline</own:telephony>");
        ringpost.logs("does not tell of all lines");
        let end = Instant::now() + Duration::from_secs(10);
        let invite = loop {
            let message = pbx.peer.next(end.saturating_duration_since(Instant::now())).expect("called again");
            match message.what() {
                "INVITE" => break message,
                "BYE" => drop(pbx.peer.answer(&message, 481)),
                _ => {}
            }
        };
        pbx.asked.clear();
        pbx.takes(&invite);
        pbx.monitors(2);
        // It was in a call all the time.
        watcher.sees(">busy</own:telephony>");
        pbx.clears(LINE, "c1", "normalClearing");
        watcher.sees(">available</own:telephony>");
        ringpost.is_well();
    }
}

/// R113: a telephone that was forwarded, or that nobody was to disturb, before Ringpost began is shown so; and again by a new
/// dialog. A gateway that knows neither service keeps its dialog.
#[test]
fn r113_what_was_set_before_is_shown() {
    let (ringpost, mut pbx) = started(Over::Udp, "", |site, _| site);
    pbx.forwarded.insert(LINE.to_owned(), "tel:+4544890109".to_owned());
    pbx.quiet.insert("tel:1002".to_owned());
    pbx.begins(2);
    let is = |watcher: &mut Watcher, first: &crate::support::Sip, state: &str| {
        if telephony(first) != state {
            watcher.sees(&format!(">{state}</own:telephony>"));
        }
    };
    let mut forwarded = Watcher::new(&ringpost, Over::Udp, "1002");
    let first = forwarded.subscribes("1001", "presence", "");
    is(&mut forwarded, &first, "forwarded-to-number");
    let mut quiet = Watcher::new(&ringpost, Over::Udp, "1001");
    let first = quiet.subscribes("1002", "presence", "");
    is(&mut quiet, &first, "do-not-disturb");
    let dialog = pbx.dialog.as_mut().expect("open");
    pbx.peer.inside(dialog, "BYE", "", "");
    pbx.peer.expect("200");
    quiet.sees(">offline</own:telephony>");
    (pbx.forwarded, pbx.quiet) = Default::default();
    pbx.quiet.insert(LINE.to_owned());
    pbx.begins(2);
    forwarded.sees(">do-not-disturb</own:telephony>");
    quiet.sees(">available</own:telephony>");
    ringpost.is_well();
}

/// A gateway that tells nothing of the end of a call: the next look at the telephone finds it.
#[test]
fn a_lost_event_is_found_by_looking() {
    let (ringpost, mut pbx) = started(Over::Udp, "poll = \"1s\"", |site, _| site);
    pbx.begins(2);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    pbx.off_hook(LINE, "c1");
    watcher.sees(">busy</own:telephony>");
    pbx.asked.clear();
    pbx.serves_until(|pbx| pbx.asked.iter().any(|asked| asked == "SnapshotDevice"));
    watcher.sees(">available</own:telephony>");
}

/// A login is shown to whoever asks for its realm, for the INVITE and inside the dialog; a gateway of another edition is spoken
/// to in its own; the session is refreshed by re-INVITE; both ends may ask whether the other works.
#[test]
fn a_gateway_that_wants_a_login_and_refreshes() {
    let site = site("users = \"full\"");
    let mut pbx = Pbx::new(&site, Over::Udp);
    pbx.edition = 5;
    pbx.session = "Session-Expires: 90;refresher=uac\r\n".to_owned();
    std::fs::write(site.folder.path().join("secret"), "correct horse\n").expect("written");
    let lines = "login = \"ringpost\"\npassword_file = \"secret\"\nrealm = \"pbx.test\"\nedition = 5\nsession = \"90s\"\n\
                 from = \"sip:rcc@corp.test\"\nusers = [\"1001\"]\ndevice = \"sip:{number}@pbx.test\"";
    let ringpost = site.table(&pbx.table(lines)).user("1001", &[], "").user("1002", &[], "").start();
    let invite = pbx.peer.expect("INVITE");
    assert!(
        invite.body().contains("csta/ed5\"") && invite.one("From").contains("<sip:rcc@corp.test>"),
        "{invite}"
    );
    let challenge = "WWW-Authenticate: Digest realm=\"pbx.test\", nonce=\"n1\", qop=\"auth\"\r\n";
    pbx.peer.answer_with(&invite, 401, challenge, "");
    pbx.peer.expect("ACK");
    let again = pbx.peer.expect("INVITE");
    assert!(again.one("Authorization").contains("username=\"ringpost\""), "{again}");
    assert_eq!(again.one("Call-ID"), invite.one("Call-ID"));
    pbx.takes(&again);
    let features = pbx.peer.expect("INFO");
    pbx.peer.answer_with(&features, 407, &challenge.replace("WWW", "Proxy").replace("n1", "n2"), "");
    let features = pbx.peer.expect("INFO");
    assert!(features.one("Proxy-Authorization").contains("nonce=\"n2\""), "{features}");
    pbx.serves(&features);
    pbx.monitors(1);
    assert!(pbx.monitors.contains_key("sip:1001@pbx.test"), "{:?}", pbx.monitors);
    let status = pbx.body("RequestSystemStatus", "");
    let answer = pbx.informs(&status);
    assert_eq!(value(answer.body(), "systemStatus"), "normal");
    // The gateway refreshes as well, and then the session is its own.
    let dialog = pbx.dialog.as_mut().expect("open");
    let timer = "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n";
    pbx.peer.inside(dialog, "INVITE", timer, "");
    assert!(pbx.peer.expect("200").one("Session-Expires").starts_with("600;refresher=uac"));
    let dialog = pbx.dialog.as_mut().expect("open");
    pbx.peer.inside(dialog, "ACK", "", "");
    pbx.peer.silent_for(Duration::from_millis(600));
    ringpost.is_well();
}

/// SIGTERM: the monitors are stopped and the dialog is ended.
#[test]
fn ringpost_takes_its_leave() {
    let (mut ringpost, mut pbx) = started(Over::Udp, "", |site, _| site);
    pbx.begins(2);
    ringpost.signal("TERM");
    pbx.serves_until(|pbx| pbx.monitors.is_empty());
    let bye = pbx.peer.expect("BYE");
    pbx.peer.answer(&bye, 200);
    assert!(ringpost.ended().success());
}

/// A reload adds and removes lines and gateways; those that stay keep their monitors and what is known.
#[test]
fn r119_a_reload_drops_no_monitor() {
    let site = site("users = \"full\"");
    let (mut one, mut two) = (Pbx::new(&site, Over::Udp), Pbx::new(&site, Over::Tcp));
    let first = one.table("users = [\"1001\", \"1002\"]");
    let second = two.table("users = [\"1003\"]").replace("gateway.pbx", "gateway.two");
    let site = site.table(&first).user("1001", &[], "").user("1002", &[], "").user("1003", &[], "");
    let ringpost = site.start();
    one.begins(2);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    one.off_hook(LINE, "c1");
    watcher.sees(">busy</own:telephony>");
    let stays = ringpost.site();
    ringpost.reload(&format!("{}\n{second}", stays.replace("[\"1001\", \"1002\"]", "[\"1001\"]")));
    one.serves_until(|pbx| pbx.monitors.len() == 1);
    two.begins(1);
    assert!(one.monitors.contains_key(LINE));
    watcher.sees_nothing_for(Duration::from_millis(300));
    one.clears(LINE, "c1", "normalClearing");
    watcher.sees(">available</own:telephony>");
    one.off_hook(LINE, "c2");
    watcher.sees(">busy</own:telephony>");
    // The first gateway is no more; the other one hears nothing of it.
    ringpost.reload(&format!("{}\n{second}", stays.replace(&first, "")));
    one.serves_until(|pbx| pbx.monitors.is_empty());
    let bye = one.peer.expect("BYE");
    one.peer.answer(&bye, 200);
    watcher.sees(">offline</own:telephony>");
    two.serves_for(Duration::from_millis(300));
    assert_eq!(two.monitors.len(), 1);
    ringpost.is_well();
}

/// T5, T6: what a gateway says that nobody should costs itself; the next event counts.
#[test]
fn t5_t6_hostile_events() {
    let (ringpost, mut pbx) = started(Over::Tcp, "", |site, _| site);
    pbx.begins(2);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    let monitor = pbx.monitors[LINE].clone();
    let of = |inside: &str| {
        pbx.body("DeliveredEvent", &format!("<monitorCrossRefID>{monitor}</monitorCrossRefID>{inside}"))
    };
    let deep = format!("{}{}", "<a>".repeat(9_000), "</a>".repeat(9_000));
    let long = format!("<connection><callID>{}</callID></connection>", "9".repeat(50_000));
    for (body, code) in [
        ("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>".to_owned(), "400"),
        ("<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"/>".to_owned(), "400"),
        ("\u{0}\u{1}".to_owned(), "400"),
        (of(&deep), "400"),
        (of(&long), "200"),
        (of(""), "200"),
        (pbx.body("DeliveredEvent", "<monitorCrossRefID>nobody's</monitorCrossRefID>"), "200"),
        (pbx.body("ParkCall", ""), "200"),
    ] {
        let answer = pbx.informs(&body);
        assert_eq!(answer.what(), code, "{:.200}", body);
    }
    // Calls without an end fill nothing.
    for call in 0..100 {
        pbx.rings(LINE, &format!("c{call}"), "tel:+4511");
    }
    pbx.talks(LINE, "c1");
    watcher.sees(">busy</own:telephony>");
    let dialog = pbx.dialog.as_mut().expect("open");
    pbx.peer.inside(dialog, "INFO", "Content-Type: text/plain\r\n", "x");
    assert_eq!(pbx.peer.expect("415").one("Accept"), "application/csta+xml");
    let dialog = pbx.dialog.as_mut().expect("open");
    pbx.peer.inside(dialog, "REFER", KIND, "");
    pbx.peer.expect("405");
    ringpost.is_well();
}

/// A thousand lines of one gateway: each is monitored, one after the other, and the last one's event is there as fast as any.
#[test]
fn a_thousand_lines_are_cheap() {
    let site = site("users = \"full\"");
    let mut pbx = Pbx::new(&site, Over::Tcp);
    let site = site.table(&pbx.table("monitor_gap = \"0s\"\nlongest_retry = \"1s\"")).log_level("info");
    let site = (1_000..2_000).fold(site, |site, number| site.user(&number.to_string(), &[], ""));
    let ringpost = site.start();
    let (before, since) = (ringpost.resident(), Instant::now());
    pbx.begins(1_000);
    eprintln!(
        "1,000 lines monitored and looked at after {:?}, {} KiB more",
        since.elapsed(),
        ringpost.resident().saturating_sub(before)
    );
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1999", "presence", "");
    let since = Instant::now();
    pbx.off_hook("tel:1999", "c1");
    watcher.sees(">busy</own:telephony>");
    eprintln!("the last of 1,000 was busy after {:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(1));
    ringpost.is_well();
}

/// As Office Communications Server has it: a dialog for each line, with that line's name in it; one that is refused or ends costs
/// the others nothing.
#[test]
fn a_dialog_for_each_user() {
    let site = site("users = \"full\"");
    let mut pbx = Pbx::new(&site, Over::Udp);
    let site = site.table(&pbx.table("dialog_per_user = true\nmonitor_gap = \"0s\""));
    let ringpost = (1_001..1_021).fold(site, |site, number| site.user(&number.to_string(), &[], "")).start();
    let mut dialogs = std::collections::BTreeMap::new();
    let mut refused = false;
    let mut looked = 0;
    while looked < 20 {
        let message = pbx.peer.expect_any();
        match message.what() {
            "INVITE" => {
                let body = message.body();
                let line = body
                    .rsplit_once("</lcs:line>")
                    .and_then(|(head, _)| head.rsplit('>').next())
                    .expect("a line")
                    .to_owned();
                assert!(message.one("From").contains(&format!("sip:{}@corp.test", &line[4..])), "{message}");
                if line == "tel:1007" && !refused {
                    refused = true;
                    pbx.peer.answer(&message, 503);
                    continue;
                }
                let status = pbx.body("RequestSystemStatusResponse", "<systemStatus>normal</systemStatus>");
                let ok = pbx.peer.answer_with(&message, 200, KIND, &status);
                dialogs.insert(line, crate::support::peer::Dialog::callee(&message, &ok));
            }
            "INFO" => {
                looked += usize::from(crate::client::root(&message) == "GetDoNotDisturb");
                pbx.serves(&message);
            }
            _ => {}
        }
    }
    assert!(refused && dialogs.len() == 20);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1007", "presence", "");
    pbx.dialog = dialogs.remove("tel:1007");
    pbx.off_hook("tel:1007", "c1");
    watcher.sees(">busy</own:telephony>");
    let mut gone = dialogs.remove("tel:1008").expect("its own");
    pbx.peer.inside(&mut gone, "BYE", "", "");
    pbx.peer.expect("200");
    assert!(pbx.peer.expect("INVITE").one("From").contains("sip:1008@"));
    pbx.clears("tel:1007", "c1", "normalClearing");
    watcher.sees(">available</own:telephony>");
    ringpost.is_well();
}
