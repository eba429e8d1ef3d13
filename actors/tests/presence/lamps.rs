//! What watchers see of calls, policies and devices, at once (R51, R55, R58, R110, R115).

use std::time::Duration;

use crate::{
    support::{Over, peer::Dialog},
    watcher::{Watcher, lamp, site, telephony},
};

const FULL: &str = "users = \"full\"\ntrunks = \"full\"";

/// A busy lamp field: rings, talks, free. Each NOTIFY has the whole state and the next version.
#[test]
fn a_lamp_follows_a_call() {
    for over in Over::BOTH {
        let site = site(FULL);
        let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
        let ringpost = site.user("1001", &[&phone], "").user("1002", &[], "").start();
        let mut watcher = Watcher::new(&ringpost, over, "1002");
        let first =
            watcher.subscribes("1001", "dialog", "Accept: application/dialog-info+xml\r\nExpires: 600\r\n");
        assert_eq!(lamp(&first), "-");
        assert!(
            first.body().contains("version=\"0\" state=\"full\" entity=\"sip:1001@corp.test\""),
            "{first}"
        );
        assert!(
            first.one("Subscription-State").starts_with("active;expires=6")
                || first.one("Subscription-State") == "active;expires=599",
            "{first}"
        );
        assert_eq!(
            (first.one("Event"), first.one("Content-Type")),
            ("dialog", "application/dialog-info+xml")
        );
        let invite = pbx.invite("1001");
        let ringing = phone.expect("INVITE");
        phone.answer(&ringing, 180);
        pbx.expect("180");
        let early = watcher.sees("<state>early</state>");
        // What a phone needs to pick it up (RFC 3891).
        assert!(early.body().contains(&format!("call-id=\"{}\"", ringing.one("Call-ID"))), "{early}");
        assert!(
            early.body().contains("direction=\"recipient\"") && early.body().contains("+4544890101"),
            "{early}"
        );
        let ok = phone.answer(&ringing, 200);
        let mut talk = Dialog::caller(&invite, &pbx.expect("200"));
        pbx.inside(&mut talk, "ACK", "", "");
        phone.expect("ACK");
        let confirmed = watcher.sees("<state>confirmed</state>");
        assert_eq!(confirmed.body().matches("<dialog ").count(), 1);
        let version = |notify: &crate::support::Sip| {
            let body = notify.body().to_owned();
            let text =
                body.split("version=\"").nth(2).and_then(|rest| rest.split('"').next()).map(str::to_owned);
            text.and_then(|text| text.parse::<u32>().ok()).expect("a version")
        };
        assert!(version(&confirmed) > version(&early));
        let mut called = Dialog::callee(&ringing, &ok);
        phone.ends(&mut called, &mut pbx);
        assert_eq!(lamp(&watcher.notified()), "-");
        let last = watcher.refreshes(0);
        assert_eq!(last.one("Subscription-State"), "terminated;reason=timeout");
        drop(watcher);
        ringpost.back_to_baseline();
    }
}

/// R55: a caller who is a user is in the call as well; what nobody answers puts the lamp out; presence says busy.
#[test]
fn the_callers_lamp_is_lit_too() {
    let site = site(FULL);
    let mut phone = site.peer(Over::Udp);
    let ringpost = site
        .user("1001", &[&phone], "ring_for = \"60s\"")
        .user("1002", &[&phone], "")
        .user("1003", &[], "")
        .start();
    let mut of_caller = Watcher::new(&ringpost, Over::Udp, "1003");
    let mut of_callee = Watcher::new(&ringpost, Over::Udp, "1003");
    assert_eq!(telephony(&of_caller.subscribes("1002", "presence", "")), "available");
    assert_eq!(lamp(&of_callee.subscribes("1001", "dialog", "")), "-");
    let mut caller = Watcher::new(&ringpost, Over::Udp, "1002");
    let invite = caller.draft("INVITE", "1001", "", crate::support::SDP);
    caller.peer.send(invite.as_bytes());
    let invite = crate::support::Sip::new(invite.as_bytes());
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    caller.peer.expect("180");
    of_callee.sees("early");
    let ok = phone.answer(&ringing, 200);
    let mut talk = Dialog::caller(&invite, &caller.peer.expect("200"));
    caller.peer.inside(&mut talk, "ACK", "", "");
    phone.expect("ACK");
    let busy = of_caller.sees("<rpid:on-the-phone/>");
    assert_eq!(telephony(&busy), "busy");
    of_callee.sees("confirmed");
    caller.peer.ends(&mut talk, &mut phone);
    drop(ok);
    assert_eq!(lamp(&of_callee.notified()), "-");
    let free = of_caller.sees(">available</own:telephony>");
    assert!(!free.body().contains("on-the-phone"));
    // Given up while it rings.
    let again = caller.draft("INVITE", "1001", "", crate::support::SDP);
    caller.peer.send(again.as_bytes());
    let again = crate::support::Sip::new(again.as_bytes());
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    caller.peer.expect("180");
    of_callee.sees("early");
    caller.peer.cancel(&again, "");
    assert_eq!(lamp(&of_callee.notified()), "-");
    drop((of_callee, of_caller));
    ringpost.is_well();
}

/// R58: two watchers, two bodies; a third is refused, a fourth never told.
#[test]
fn two_watchers_see_two_bodies() {
    let lines = "users = \"reduced\"\ntrunks = \"block\"\nfull = [\"1002\"]";
    let site = site(lines);
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let own = "[user.presence]\npolite = [\"1004\"]\nblock = [\"1005\"]";
    let site = site.user("1001", &[&phone], own);
    let ringpost =
        ["1002", "1003", "1004", "1005"].iter().fold(site, |site, user| site.user(user, &[], "")).start();
    let watch = |user: &str| {
        let mut watcher = Watcher::new(&ringpost, Over::Udp, user);
        watcher.subscribes("1001", "dialog", "");
        watcher
    };
    let (mut full, mut reduced, mut polite) = (watch("1002"), watch("1003"), watch("1004"));
    let mut blocked = Watcher::new(&ringpost, Over::Udp, "1005");
    blocked.is_refused("1001", "Event: dialog\r\n", 403);
    blocked.is_refused("4711", "Event: dialog\r\n", 404);
    // A trunk is not let see anything here.
    Watcher::new(&ringpost, Over::Udp, "stranger").is_refused("1001", "Event: presence\r\n", 403);
    pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    let all = full.sees("early");
    let less = reduced.sees("early");
    for secret in ["4544890101", "Ada Caller", "call-id=", "local-tag"] {
        assert!(all.body().contains(secret) && !less.body().contains(secret), "{secret}\n{all}\n{less}");
    }
    polite.sees_nothing_for(Duration::from_millis(300));
    assert_eq!(lamp(&polite.refreshes(60)), "-");
    ringpost.is_well();
}

/// R110, R115: policies change the telephony state at once; so does the last device that leaves (R21).
#[test]
fn policies_and_devices_are_told() {
    let lines = format!(
        "{FULL}\n[feature_codes]\nforward_always = \"*72\"\nforward_always_off = \"*73\"\n\
        do_not_disturb = \"*78\"\ndo_not_disturb_off = \"*79\"\n[um.plan.lab]\nservers = [\"sip:um@127.0.0.1:9\"]\n[um]\npilots = [\"5000\"]"
    );
    let site = site(&lines);
    let phone = site.peer(Over::Udp);
    let ringpost = site
        .user("1001", &[&phone], "um_plan = \"lab\"\nmissed_calls = \"off\"")
        .user("1002", &[&phone], "")
        .user("1003", &[], "password = \"secret\"\nmissed_calls = \"off\"")
        .start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    assert_eq!(telephony(&watcher.subscribes("1001", "presence", "")), "available");
    let mut own = Watcher::new(&ringpost, Over::Udp, "1001");
    for (code, state) in [
        ("*78", "do-not-disturb"),
        ("*721002", "do-not-disturb"),
        ("*79", "forwarded-to-number"),
        ("*725000", "forwarded-to-voice-mail"),
        ("*73", "available"),
    ] {
        let invite = own.draft("INVITE", &code.replace('#', "%23"), "", crate::support::SDP);
        own.peer.send(invite.as_bytes());
        let invite = crate::support::Sip::new(invite.as_bytes());
        let mut answer = own.peer.expect_any();
        while answer.what().starts_with('1') {
            answer = own.peer.expect_any();
        }
        assert_eq!(answer.what(), "200", "{code}: {answer}");
        let mut talk = Dialog::caller(&invite, &answer);
        own.peer.inside(&mut talk, "ACK", "", "");
        own.peer.inside(&mut talk, "BYE", "", "");
        own.peer.expect("200");
        if state != "do-not-disturb" || code == "*78" {
            let told = watcher.sees(&format!(">{state}</own:telephony>"));
            assert_eq!(told.body().contains("to=\"1002\""), state == "forwarded-to-number", "{told}");
        }
    }
    let mut offline = Watcher::new(&ringpost, Over::Udp, "1002");
    let told = offline.subscribes("1003", "presence", "");
    assert_eq!(telephony(&told), "offline");
    assert!(!told.body().contains("<basic>open"), "{told}");
    ringpost.is_well();
}
