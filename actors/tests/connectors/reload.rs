//! What a reload changes, and what it leaves alone (R106, R115, R119).

use std::time::Duration;

use crate::{
    pbx::{Pbx, pidf},
    support::Over,
    watcher::{self, Watcher},
};

/// Long enough for a reload and whatever it would start.
const A_WHILE: Duration = Duration::from_millis(700);

#[test]
fn a_reload_changes_what_it_says_and_drops_no_subscription() {
    let site = watcher::site("full = [\"1002\"]");
    let mut pbx = Pbx::new(&site, Over::Udp);
    let mut other = Pbx::new(&site, Over::Udp);
    let table = pbx.table("keep_alive = \"60s\"");
    let ringpost = site
        .user("1001", &[], "")
        .user("1002", &[], "um_plan = \"far\"\nmissed_calls = \"off\"")
        .plan("far", &["sip:um@127.0.0.1:9"])
        .table("# here")
        .start();
    let before = ringpost.site();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    // R106: a connector starts without a restart.
    let with = before.replace("# here", &format!("{table}\n# here"));
    ringpost.reload(&with);
    let mut one = pbx.serves("1001");
    let mut two = pbx.serves("1002");
    pbx.tells(&mut two, "");
    let body = pidf("open", "", "Forwarded to (50)-00");
    assert_eq!(pbx.says(&mut one, "active;expires=600", "application/pidf+xml", &body), "200");
    watcher.sees(" to=\"5000\" by=\"pbx\">forwarded-to-number<");
    // R115: what is voice mail, decided by numbers that change without a restart: the pilot, a user's own, the connector's.
    for (old, new) in [
        ("# here", "[um]\npilots = [\"5000\"]"),
        ("numbers = [\"1002\"]", "numbers = [\"1002\"]\nvoicemail_numbers = [\"5000\"]"),
        ("name = \"pbx\"\nserver", "name = \"pbx\"\npilots = [\"50-00\"]\nserver"),
    ] {
        assert!(with.contains(old), "{old}");
        ringpost.reload(&with.replacen(old, new, 1));
        watcher.sees(" by=\"pbx\">forwarded-to-voice-mail<");
        ringpost.reload(&with);
        watcher.sees(" to=\"5000\" by=\"pbx\">forwarded-to-number<");
    }
    // R119: another user is asked for, and a second connector; nobody else is asked anything.
    let more = with.replace(
        "# here",
        &format!(
            "{}\n[[user]]\naddress = \"sip:1003@corp.test\"\nnumbers = [\"1003\"]\n",
            other.table("keep_alive = \"60s\"\nusers = [\"1001\"]").replace("\"pbx\"", "\"other\"")
        ),
    );
    ringpost.reload(&more);
    let mut three = pbx.serves("1003");
    pbx.tells(&mut three, "");
    let mut preferred = other.serves("1001");
    pbx.is_not_asked_for(A_WHILE);
    other.tells(&mut preferred, "on-the-phone");
    watcher.sees(" by=\"other\">busy<");
    // R108: whoever is preferred wins, whoever spoke last.
    ringpost.reload(&more.replace("name = \"pbx\"\nserver", "name = \"pbx\"\npreferred = true\nserver"));
    watcher.sees(" by=\"pbx\">forwarded-to-number<");
    // Who leaves is not asked for any more; a connector that goes takes back what it said.
    ringpost.reload(&more.replace("1003", "1004"));
    let last = pbx.asked_for("1003");
    assert_eq!(last.one("Expires"), "0", "{last}");
    let mut four = pbx.serves("1004");
    pbx.tells(&mut four, "");
    pbx.peer.answer_with(&last, 200, "Expires: 0\r\n", "");
    ringpost.reload(&before);
    watcher.sees(">offline</own:telephony>");
    let last = other.asked_for("1001");
    assert_eq!(last.one("Expires"), "0", "{last}");
    other.peer.answer_with(&last, 200, "Expires: 0\r\n", "");
    for _ in 0..3 {
        let last = pbx.find("SUBSCRIBE", Duration::from_secs(5), |one| one.one("Expires") == "0");
        let last = last.expect("the end of each");
        pbx.peer.answer_with(&last, 200, "Expires: 0\r\n", "");
    }
    ringpost.is_well();
}
