//! Where what is known comes from, and how it ends: endpoints, time, IP phones and systems of others.

use std::time::{Duration, Instant};

use crate::{
    device::{PASSWORD, Phone},
    support::{Over, Ringpost, Sip, peer::fresh},
    watcher::{Watcher, site, tag, telephony},
};

const KIND: &str = "Content-Type: application/pidf+xml\r\n";

fn pidf(basic: &str, activities: &str, more: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
         xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:1001@corp.test\"><tuple id=\"a\"><status><basic>{basic}</basic>\
         </status></tuple><dm:person id=\"p\"><rpid:activities>{activities}</rpid:activities>{more}</dm:person></presence>"
    )
}

/// 1001 and 1002 have phones that register.
fn started(lines: &str) -> Ringpost {
    let login = format!("password = \"{PASSWORD}\"\nmissed_calls = \"off\"");
    let text = format!(
        "users = \"full\"\n{lines}\n[security]\nrefusals_per_second = 1000\n[registrar]\nmin_expires = \"1s\""
    );
    site(&text).user("1001", &[], &login).user("1002", &[], &login).start()
}

/// The rich state of a PIDF document.
fn rich(notify: &Sip) -> &str {
    let body = notify.body();
    body.split_once("<own:rich>").and_then(|(_, rest)| rest.split('<').next()).unwrap_or("")
}

/// A PUBLISH of a phone with its password; the answer.
fn publishes(phone: &mut Phone, lines: &str, body: &str) -> Sip {
    phone.call_id = format!("pub-{}", fresh());
    phone.asks("PUBLISH", "sip:1001@corp.test", &format!("Event: presence\r\n{lines}"), body, 0).1
}

/// R21, R59: what a phone has published goes with its registration, whether it signs out or is lost; so does nobody else's.
#[test]
fn r21_what_a_phone_has_published_goes_with_its_registration() {
    let ringpost = started("publishers = [\"pbx\"]");
    for lost in [false, true] {
        let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
        assert_eq!(phone.registers(if lost { "Expires: 1\r\n" } else { "" }).what(), "200");
        let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
        watcher.subscribes("1001", "presence", "");
        let busy =
            publishes(&mut phone, &format!("Expires: 600\r\n{KIND}"), &pidf("open", "<rpid:busy/>", ""));
        assert_eq!(busy.what(), "200", "{busy}");
        watcher.sees("<own:rich>busy<");
        let mut system = Watcher::new(&ringpost, Over::Udp, "middleware");
        let note = pidf("open", "", "<dm:note>In the lab</dm:note>");
        system.asks("PUBLISH", "1001", &format!("Event: presence\r\n{KIND}"), &note);
        let taken = system.peer.expect("200");
        watcher.sees("In the lab");
        if !lost {
            phone.call_id = format!("reg-{}", fresh());
            assert_eq!(phone.registers("Expires: 0\r\n").what(), "200");
        }
        let left = loop {
            let notify = watcher.notified();
            if telephony(&notify) == "offline" {
                break notify;
            }
        };
        assert!(!left.body().contains("<rpid:busy/>"), "{left}");
        assert!(left.body().contains("In the lab"), "R63: the system's is not the phone's: {left}");
        // The phone's tag is none any more.
        let again = publishes(&mut phone, &format!("SIP-If-Match: {}\r\n", tag(&busy)), "");
        assert_eq!(again.what(), "412", "{again}");
        let lines = format!("Event: presence\r\nExpires: 0\r\nSIP-If-Match: {}\r\n", tag(&taken));
        system.asks("PUBLISH", "1001", &lines, "");
        system.peer.expect("200");
    }
    ringpost.is_well();
}

/// R59, R60: an IP phone publishes and subscribes by its password; the publication of one that is lost ends in its time.
#[test]
fn r59_an_ip_phone_publishes_and_subscribes_and_r60_a_lost_ones_state_ends() {
    let ringpost = started("");
    let mut ada = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    let mut ben = Phone::new(Over::Tcp, "127.0.0.3", &ringpost, "1002");
    assert_eq!((ada.registers("").what(), ben.registers("").what()), ("200", "200"));
    ben.call_id = format!("sub-{}", fresh());
    let lines = format!("Contact: {}\r\nEvent: presence\r\nExpires: 600\r\n", ben.contact);
    let (_, taken) = ben.asks("SUBSCRIBE", "sip:1001@corp.test", &lines, "", 0);
    assert_eq!(taken.what(), "200", "{taken}");
    let sees = |phone: &mut Phone, state: &str| -> Instant {
        loop {
            let notify = phone.peer.expect("NOTIFY");
            phone.peer.answer_with(&notify, 200, "", "");
            if rich(&notify) == state {
                return Instant::now();
            }
        }
    };
    sees(&mut ben, "available");
    let since = Instant::now();
    let taken = publishes(&mut ada, &format!("Expires: 2\r\n{KIND}"), &pidf("open", "<rpid:meeting/>", ""));
    assert_eq!((taken.what(), taken.one("Expires")), ("200", "2"));
    sees(&mut ben, "busy");
    // Nothing is heard of it any more: never busy for longer than it said, but for a look at the clock.
    let ended = sees(&mut ben, "available").duration_since(since);
    assert!((Duration::from_secs(1)..Duration::from_secs(4)).contains(&ended), "{ended:?}");
    ringpost.is_well();
}

/// R56: a softphone that nobody touches makes its user inactive, then away, by time alone; a touch brings the user back.
#[test]
fn r56_an_untouched_softphone_makes_inactive_then_away_by_time() {
    let ringpost = started("inactive_after = \"2s\"\naway_after = \"4s\"");
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    assert_eq!(rich(&watcher.subscribes("1001", "presence", "")), "offline");
    let mut phone = Watcher::new(&ringpost, Over::Udp, "1001");
    let publishes = |phone: &mut Watcher, lines: &str, input: &str| {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let input = format!("<rpid:user-input last-input=\"{now}\">{input}</rpid:user-input>");
        let body = pidf("open", "", &input);
        phone.asks("PUBLISH", "1001", &format!("Event: presence\r\nExpires: 600\r\n{lines}{KIND}"), &body);
        phone.peer.expect("200")
    };
    let taken = publishes(&mut phone, "", "idle");
    let since = Instant::now();
    // One after the other, without a further word of the phone.
    for (state, after) in [("available", 0), ("inactive", 1), ("away", 3)] {
        assert_eq!(rich(&watcher.notified()), state);
        let past = since.elapsed();
        assert!((after..after + 4).contains(&past.as_secs()), "{state} after {past:?}");
    }
    publishes(&mut phone, &format!("SIP-If-Match: {}\r\n", tag(&taken)), "active");
    assert_eq!(rich(&watcher.notified()), "available");
    watcher.sees_nothing_for(Duration::from_secs(3));
    ringpost.is_well();
}

/// R81, R117: a user's own words are shown as they are and mean a standard state; a note reaches every watcher within a second,
/// on each transport.
#[test]
fn r81_own_words_mean_a_standard_state_and_r117_a_note_is_there_within_a_second() {
    let ringpost = started("[[presence.state]]\nname = \"In the lab\"\nmeans = \"do-not-disturb\"");
    let mut watchers = Over::BOTH.map(|over| Watcher::new(&ringpost, over, "1002"));
    watchers.iter_mut().for_each(|watcher| drop(watcher.subscribes("1001", "presence", "")));
    let mut phone = Watcher::new(&ringpost, Over::Udp, "1001");
    let mut known = String::new();
    for (words, state, note) in [
        ("In the lab", "do-not-disturb", "Back at 3"),
        ("In the lab", "do-not-disturb", "Back at 4"),
        ("Walking the dog", "available", "Søren &amp; co"),
    ] {
        let body =
            pidf("open", &format!("<rpid:other>{words}</rpid:other>"), &format!("<dm:note>{note}</dm:note>"));
        let since = Instant::now();
        phone.asks("PUBLISH", "1001", &format!("Event: presence\r\nExpires: 600\r\n{known}{KIND}"), &body);
        let taken = phone.peer.expect("200");
        known = format!("SIP-If-Match: {}\r\n", tag(&taken));
        for watcher in &mut watchers {
            let told = watcher.sees(note);
            assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
            assert_eq!(rich(&told), state, "{told}");
            assert_eq!(told.body().contains(words), state == "do-not-disturb", "{told}");
        }
    }
    ringpost.is_well();
}

/// R63: only the trunks of `publishers` publish for users; a site that changes its mind refuses the next one, and the one before
/// ends in its time.
#[test]
fn r63_systems_of_others_publish_only_where_the_site_says_so() {
    let ringpost = started("publishers = [\"pbx\"]");
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    let mut system = Watcher::new(&ringpost, Over::Udp, "middleware");
    let body = pidf("open", "<rpid:busy/>", "");
    let publish = format!("Event: presence\r\nExpires: 2\r\n{KIND}");
    system.asks("PUBLISH", "1001", &publish, &body);
    system.peer.expect("200");
    watcher.sees("<own:rich>busy<");
    ringpost.reload(&ringpost.site().replace("publishers = [\"pbx\"]", "publishers = []"));
    ringpost.logs("Read the site file again");
    system.asks("PUBLISH", "1001", &publish, &body);
    system.peer.expect("403");
    watcher.sees("<own:rich>offline<");
    ringpost.is_well();
}
