//! Lists (RFC 4662, RFC 5367): one subscription for many, at a PBX that does what a test says and at another Ringpost.

use std::time::{Duration, Instant};

use crate::{
    pbx::{Pbx, pidf},
    support::{Over, Sip},
    watcher::{self, Watcher},
};

/// A list's NOTIFY body: users, how their instance stands, and an activity where that is told.
fn rlmi(version: u32, full: bool, resources: &[(&str, &str, Option<&str>)]) -> String {
    let mut root = format!(
        "<list xmlns=\"urn:ietf:params:xml:ns:rlmi\" uri=\"sip:all@pbx.test\" version=\"{version}\" fullState=\"{full}\">"
    );
    let mut parts = String::new();
    for (user, state, activity) in resources {
        let cid = if activity.is_some() { format!(" cid=\"{user}@x\"") } else { String::new() };
        root +=
            &format!("<resource uri=\"sip:{user}@pbx.test\"><instance id=\"1\" {state}{cid}/></resource>");
        if let Some(activity) = activity {
            let body = pidf("open", activity, "");
            parts += &format!(
                "--b\r\nContent-ID: <{user}@x>\r\nContent-Type: application/pidf+xml\r\n\r\n{body}\r\n"
            );
        }
    }
    format!(
        "--b\r\nContent-ID: <r@x>\r\nContent-Type: application/rlmi+xml\r\n\r\n{root}</list>\r\n{parts}--b--\r\n"
    )
}

const KIND: &str =
    "multipart/related;type=\"application/rlmi+xml\";start=\"<r@x>\";boundary=\"b\"\r\nRequire: eventlist";
const ACTIVE: &str = "state=\"active\"";
const BUSY: &str = ">busy</own:telephony>";
const FREE: &str = ">available</own:telephony>";

#[test]
fn a_list_of_the_pbx_is_one_subscription() {
    for transport in Over::BOTH {
        let site = watcher::site("");
        let mut pbx = Pbx::new(&site, transport);
        let table = pbx.table("keep_alive = \"60s\"\nlists = \"server\"\nlist = \"sip:all@pbx.test\"");
        let ringpost = site.table(&table).user("1001", &[], "").user("1002", &[], "").start();
        let asked = pbx.asked_for("all");
        assert_eq!((asked.one("Supported"), asked.body()), ("eventlist", ""), "{asked}");
        assert!(asked.one("Accept").contains("application/rlmi+xml"), "{asked}");
        let mut list = pbx.grants(&asked, 600);
        let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
        watcher.subscribes("1001", "presence", "");
        let mut says = |pbx: &mut Pbx, body: String| pbx.says(&mut list, "active;expires=600", KIND, &body);
        assert_eq!(
            says(&mut pbx, rlmi(0, true, &[("1001", ACTIVE, Some("busy")), ("1002", ACTIVE, Some(""))])),
            "200"
        );
        watcher.sees(BUSY);
        assert_eq!(says(&mut pbx, rlmi(1, false, &[("1001", ACTIVE, Some(""))])), "200");
        watcher.sees(FREE);
        pbx.is_not_asked_for(Duration::from_millis(200));
        // One was lost: what came counts, and the whole is asked for.
        assert_eq!(says(&mut pbx, rlmi(7, false, &[("1001", ACTIVE, Some("busy"))])), "200");
        watcher.sees(BUSY);
        let again = pbx.asked_for("all");
        assert!(!again.to_tag().is_empty(), "{again}");
        pbx.peer.answer_with(&again, 200, "Expires: 600\r\n", "");
        assert_eq!(says(&mut pbx, rlmi(8, true, &[("1002", ACTIVE, Some(""))])), "200");
        watcher.sees(">offline</own:telephony>");
        ringpost.is_well();
    }
}

/// Where a PBX refuses lists, each user is asked for, though nobody changes the site.
#[test]
fn a_pbx_without_lists_is_asked_for_each_user() {
    for (lists, code) in [("server", 404), ("request", 420), ("request", 489)] {
        let site = watcher::site("");
        let mut pbx = Pbx::new(&site, Over::Udp);
        let lines = format!("keep_alive = \"60s\"\nlists = \"{lists}\"\nlist = \"sip:all@pbx.test\"");
        let ringpost = site.table(&pbx.table(&lines)).user("1001", &[], "").user("1002", &[], "").start();
        let asked = pbx.asked_for("all");
        if lists == "request" {
            assert_eq!(
                (asked.one("Require"), asked.one("Content-Type")),
                ("recipient-list-subscribe", "application/resource-lists+xml")
            );
            assert!(asked.body().contains("<entry uri=\"sip:1002@pbx.test\"/>"), "{asked}");
        }
        pbx.peer.answer(&asked, code);
        let mut one = pbx.serves("1001");
        pbx.serves("1002");
        let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
        watcher.subscribes("1001", "presence", "");
        pbx.tells(&mut one, "busy");
        watcher.sees(BUSY);
        ringpost.is_well();
    }
}

fn note(notify: &Sip) -> bool {
    notify.body().contains("at the dentist")
}

/// R105, R117: another Ringpost as the presence server, by lists of ours and one by one: a note there is seen here within a second,
/// and so is a call's state.
#[test]
fn r117_a_note_on_another_node_is_seen_here_within_a_second() {
    for (over, lists) in
        [(Over::Udp, "lists = \"none\""), (Over::Tcp, "lists = \"request\"\nlist = \"sip:lists@corp.test\"")]
    {
        let users = |site: crate::support::Site| site.user("1001", &[], "").user("1002", &[], "");
        let there = users(watcher::site("trunks = \"full\"")).start();
        let here = watcher::site("");
        let transport = if over == Over::Tcp { "tcp" } else { "udp" };
        let table = format!(
            "[[presence.connector]]\nname = \"node\"\nserver = \"{}\"\ntransport = \"{transport}\"\ndomain = \"corp.test\"\nrich = true\n\
             keep_alive = \"1s\"\nuri = \"sip:node@other.test\"\n{lists}",
            there.sip
        );
        let here = users(here.table(&table)).start();
        let mut local = Watcher::new(&here, Over::Udp, "1002");
        local.subscribes("1001", "presence", "");
        let mut publisher = Watcher::new(&there, Over::Udp, "1001");
        let lines = "Event: presence\r\nExpires: 600\r\nContent-Type: application/pidf+xml\r\n";
        let body = pidf("open", "on-the-phone", "at the dentist");
        publisher.asks("PUBLISH", "1001", lines, &body);
        publisher.peer.expect("200");
        let told = Instant::now();
        loop {
            let notify = local.notified();
            if note(&notify) && notify.body().contains(BUSY) {
                break;
            }
        }
        println!("{over:?}: seen after {:?}", told.elapsed());
        assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());
        here.is_well();
        there.is_well();
    }
}
