//! One subscription for each user, at a PBX that does what a test says.

use std::time::Duration;

use crate::{
    pbx::{Pbx, pidf},
    support::{Over, Ringpost, Site},
    watcher::{self, Watcher},
};

/// A site whose users 1001 and 1002 have their telephones at the PBX.
fn site(lines: &str) -> (Site, Pbx) {
    over(Over::Udp, lines)
}

fn over(over: Over, lines: &str) -> (Site, Pbx) {
    let site = watcher::site("full = [\"1002\"]");
    let pbx = Pbx::new(&site, over);
    let table = pbx.table(&format!("keep_alive = \"60s\"\n{lines}"));
    (site.table(&table), pbx)
}

fn started(site: Site) -> Ringpost {
    site.user("1001", &[], "").user("1002", &[], "").start()
}

const BUSY: &str = ">busy</own:telephony>";
const FREE: &str = ">available</own:telephony>";
const NOWHERE: &str = ">offline</own:telephony>";

/// A PBX that ignores OPTIONS is found by a SUBSCRIBE, and what it says holds as long as it answers those.
#[test]
fn a_pbx_that_ignores_options_is_known_all_the_same() {
    let site = watcher::site("full = [\"1002\"]");
    let mut pbx = Pbx::new(&site, Over::Udp);
    pbx.lives = false;
    let table = pbx.table("keep_alive = \"1s\"\nusers = [\"1001\"]");
    let ringpost = started(site.table(&table));
    let mut one = pbx.serves("1001");
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    pbx.tells(&mut one, "busy");
    watcher.sees(BUSY);
    // Each time that OPTIONS stays unanswered the subscription is prolonged instead.
    for _ in 0..3 {
        let refresh = pbx.asked_for("1001");
        assert_ne!(refresh.to_tag(), "", "nothing begins anew");
        pbx.peer.answer_with(&refresh, 200, "Expires: 600\r\n", "");
    }
    let mut late = Watcher::new(&ringpost, Over::Udp, "1002");
    assert!(late.subscribes("1001", "presence", "").body().contains(BUSY));
    pbx.tells(&mut one, "");
    watcher.sees(FREE);
    ringpost.is_well();
}

/// R101–R103, R106, R110: the first extension is asked for, and what the PBX says of it is what watchers see, at once.
#[test]
fn what_the_pbx_says_is_what_watchers_see() {
    for transport in Over::BOTH {
        let (site, mut pbx) = over(transport, "");
        let ringpost = started(site);
        let first = pbx.asked_for("1001");
        assert_eq!((first.uri(), first.one("Event")), ("sip:1001@pbx.test", "presence"));
        assert_eq!((first.one("Expires"), first.one("Accept")), ("600", "application/pidf+xml"));
        let mut one = pbx.grants(&first, 600);
        let mut two = pbx.serves("1002");
        let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
        watcher.subscribes("1001", "presence", "");
        pbx.tells(&mut two, "");
        for (basic, activity, note, seen) in [
            ("open", "", "", FREE),
            ("open", "on-the-phone", "", BUSY),
            ("open", "", "Forwarded to 2002", " to=\"2002\" by=\"pbx\">forwarded-to-number</own:telephony>"),
            ("open", "on-the-phone", "Do not disturb", " by=\"pbx\">do-not-disturb</own:telephony>"),
            ("closed", "", "", NOWHERE),
            ("open", "busy", "", BUSY),
        ] {
            let body = pidf(basic, activity, note);
            assert_eq!(pbx.says(&mut one, "active;expires=600", "application/pidf+xml", &body), "200");
            watcher.sees(seen);
        }
        // Whoever stops takes its subscriptions back.
        drop(watcher);
        ringpost.signal("TERM");
        for user in ["1001", "1002"] {
            let last = pbx.asked_for(user);
            assert_eq!(last.one("Expires"), "0", "{last}");
            pbx.peer.answer_with(&last, 200, "Expires: 0\r\n", "");
        }
    }
}

/// RFC 6665 §4.4.1, §4.1.2: a NOTIFY before the 200 makes the dialog; one that is none of ours is told so.
#[test]
fn notifies_count_in_dialogs_of_ours_only() {
    let (site, mut pbx) = site("");
    let ringpost = started(site);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    let first = pbx.asked_for("1001");
    let mut one = pbx.fork(&first, "early");
    pbx.tells(&mut one, "on-the-phone");
    watcher.sees(BUSY);
    pbx.peer.answer_tagged(&first, 200, "early", "Expires: 600\r\n", "");
    // Another fork: presence has one dialog (RFC 3856).
    let mut other = pbx.fork(&first, "late");
    let free = pidf("open", "", "");
    let pidf = "application/pidf+xml";
    assert_eq!(pbx.says(&mut other, "active;expires=600", pidf, &free), "481");
    // Out of order, of another package, of another kind, no XML, with a tag or Call-ID that is not ours.
    one.dialog.sequence = 0;
    assert_eq!(pbx.says(&mut one, "active;expires=600", pidf, &free), "500");
    one.dialog.sequence = 10;
    let package = std::mem::replace(&mut one.package, "dialog".into());
    assert_eq!(pbx.says(&mut one, "active;expires=600", pidf, &free), "489");
    one.package = package;
    assert_eq!(pbx.says(&mut one, "active;expires=600", "text/plain", "free"), "415");
    assert_eq!(pbx.says(&mut one, "active;expires=600", pidf, "<presence"), "400");
    let mut foreign = pbx.fork(&first, "early");
    foreign.dialog.call_id.push('x');
    assert_eq!(pbx.says(&mut foreign, "active;expires=600", pidf, &free), "481");
    let mut foreign = pbx.fork(&first, "early");
    foreign.dialog.remote = foreign.dialog.remote.replace(";tag=", ";tag=0");
    assert_eq!(pbx.says(&mut foreign, "active;expires=600", pidf, &free), "481");
    // From elsewhere, though it knows the dialog.
    let mut stranger = crate::support::Peer::new(Over::Udp, "127.0.0.9", ringpost.sip);
    let lines = format!(
        "Event: presence\r\nSubscription-State: active;expires=600\r\nContact: <{}>\r\nContent-Type: {pidf}\r\n",
        pbx.peer.uri()
    );
    one.dialog.sequence = 20;
    stranger.inside(&mut one.dialog, "NOTIFY", &lines, &free);
    stranger.expect("481");
    watcher.sees_nothing_for(Duration::from_millis(100));
    one.dialog.sequence = 30;
    pbx.tells(&mut one, "");
    watcher.sees(FREE);
    ringpost.is_well();
}

/// RFC 4235: a lamp of a PBX is a telephone; partial documents build on the one before, and a gap is asked for.
#[test]
fn lamps_of_the_pbx_tell_calls() {
    let (site, mut pbx) = site("telephony = \"dialog\"");
    let ringpost = started(site);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "dialog", "");
    let mut one = pbx.serves("1001");
    pbx.tells_calls(&mut one, (0, true), &[("a", "early")]);
    assert_eq!(watcher::lamp(&watcher.sees("<state>early")), "early");
    pbx.tells_calls(&mut one, (1, false), &[("a", "confirmed"), ("b", "early")]);
    let both = watcher.sees("<state>confirmed");
    assert!(both.body().contains("<state>early"), "{both}");
    pbx.tells_calls(&mut one, (2, false), &[("a", "terminated")]);
    assert_eq!(watcher::lamp(&watcher.sees("early")), "early");
    // Something was lost in between: the whole is asked for.
    pbx.tells_calls(&mut one, (5, false), &[("b", "confirmed")]);
    watcher.sees("<state>confirmed");
    let again = pbx.asked_for("1001");
    assert!(!again.to_tag().is_empty(), "{again}");
    pbx.peer.answer_with(&again, 200, "Expires: 600\r\n", "");
    pbx.tells_calls(&mut one, (6, true), &[]);
    assert_eq!(watcher::lamp(&watcher.sees("dialog-info")), "-");
    ringpost.is_well();
}

/// R21 of others: what was said ends with its subscription, whoever forgets to say so.
#[test]
fn nothing_is_left_of_a_subscription_that_has_ended() {
    let (site, mut pbx) = site("recheck = \"60s\"");
    let ringpost = started(site);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    let none = ("", "");
    for (reason, again) in [
        ("deactivated", true),
        ("timeout", true),
        ("probation;retry-after=1", true),
        ("giveup;retry-after=1", true),
        ("", true),
        ("noresource", false),
    ] {
        let mut one = pbx.serves("1001");
        pbx.tells(&mut one, "");
        watcher.sees(FREE);
        pbx.tells(&mut one, "on-the-phone");
        watcher.sees(BUSY);
        let state = format!("terminated{}{reason}", if reason.is_empty() { "" } else { ";reason=" });
        assert_eq!(pbx.says(&mut one, &state, none.0, none.1), "200");
        if again {
            // In the dialog that is over nothing is taken any more.
            let code =
                pbx.says(&mut one, "active;expires=600", "application/pidf+xml", &pidf("open", "busy", ""));
            assert_eq!(code, "481", "{reason}");
        } else {
            watcher.sees(NOWHERE);
            let subscribes =
                pbx.find("SUBSCRIBE", Duration::from_millis(1_500), |one| one.one("To").contains("1001"));
            assert!(subscribes.is_none(), "{reason}: {subscribes:?}");
        }
    }
    ringpost.is_well();
}

/// R111, R109: each refusal has its meaning, and heals.
#[test]
fn refusals_have_their_meaning_and_heal() {
    let (site, mut pbx) = site("recheck = \"1s\"");
    let ringpost = started(site);
    let mut two = pbx.serves("1002");
    pbx.tells(&mut two, "");
    for (code, headers) in [
        (403, ""),
        (404, ""),
        (489, "Allow-Events: dialog\r\n"),
        (480, ""),
        (500, ""),
        (503, "Retry-After: 1\r\n"),
        (401, "WWW-Authenticate: Digest realm=\"pbx.test\", nonce=\"n\"\r\n"),
    ] {
        let subscribe = pbx.asked_for("1001");
        assert_eq!(subscribe.to_tag(), "", "{code}: {subscribe}");
        pbx.peer.answer_with(&subscribe, code, headers, "");
    }
    // 423 is answered at once, with what is wanted.
    let subscribe = pbx.asked_for("1001");
    pbx.peer.answer_with(&subscribe, 423, "Min-Expires: 7200\r\n", "");
    let longer = pbx.asked_for("1001");
    assert_eq!(longer.one("Expires"), "7200");
    let mut one = pbx.grants(&longer, 7_200);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    pbx.tells(&mut one, "on-the-phone");
    watcher.sees(BUSY);
    ringpost.is_well();
}

/// T33: a refresh that crosses with the end of its subscription, a refresh that hears 481, and an answer that is lost.
#[test]
fn t33_refreshes_cross_and_fail_and_what_is_seen_is_right() {
    let (site, mut pbx) = site("expires = \"5s\"");
    let ringpost = started(site);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    let short = |pbx: &mut Pbx, subscribe: &crate::support::Sip| pbx.grants(subscribe, 5);
    let first = pbx.asked_for("1001");
    let mut one = short(&mut pbx, &first);
    let body = |activity: &str| pidf("open", activity, "");
    let kind = "application/pidf+xml";
    assert_eq!(pbx.says(&mut one, "active;expires=5", kind, &body("busy")), "200");
    watcher.sees(BUSY);
    // It is over while the refresh is under way: the answer to that counts for nothing.
    let refresh = pbx.asked_for("1001");
    assert!(!refresh.to_tag().is_empty(), "{refresh}");
    assert_eq!(pbx.says(&mut one, "terminated;reason=deactivated", "", ""), "200");
    let anew = pbx.asked_for("1001");
    assert_eq!(anew.to_tag(), "", "{anew}");
    assert_ne!(anew.one("Call-ID"), refresh.one("Call-ID"));
    pbx.peer.answer_with(&refresh, 481, "", "");
    let mut one = short(&mut pbx, &anew);
    assert_eq!(pbx.says(&mut one, "active;expires=5", kind, &body("")), "200");
    watcher.sees(FREE);
    // A server that has lost it says 481: begun anew, at once or a moment later.
    let refresh = pbx.asked_for("1001");
    pbx.peer.answer_with(&refresh, 481, "", "");
    let anew = pbx.asked_for("1001");
    assert_eq!(anew.to_tag(), "", "{anew}");
    // The NOTIFY shows that it was taken, though no answer ever comes; then nothing comes at all: no stale state (T31).
    let mut one = pbx.fork(&anew, "silent");
    assert_eq!(pbx.says(&mut one, "active;expires=3", kind, &body("busy")), "200");
    watcher.sees(BUSY);
    watcher.sees(NOWHERE);
    ringpost.is_well();
}

/// RFC 6665 §4.4.1: for dialogs each fork counts, until it ends.
#[test]
fn a_forked_subscribe_tells_the_calls_of_all_forks() {
    let (site, mut pbx) = site("telephony = \"dialog\"");
    let ringpost = started(site);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "dialog", "");
    let first = pbx.asked_for("1001");
    let (mut one, mut other) = (pbx.fork(&first, "a"), pbx.fork(&first, "b"));
    pbx.tells_calls(&mut one, (0, true), &[("a", "early")]);
    pbx.peer.answer_tagged(&first, 200, "a", "Expires: 600\r\n", "");
    pbx.tells_calls(&mut other, (0, true), &[("b", "confirmed")]);
    let both = watcher.sees("<state>confirmed");
    assert!(both.body().contains("<state>early"), "{both}");
    assert_eq!(pbx.says(&mut other, "terminated;reason=noresource", "", ""), "200");
    assert_eq!(watcher::lamp(&watcher.sees("early")), "early");
    pbx.tells_calls(&mut one, (1, true), &[]);
    assert_eq!(watcher::lamp(&watcher.sees("dialog-info")), "-");
    ringpost.is_well();
}
