//! Real phones that register by digest, are called, and call each other (R1, R58).

use std::{thread, time::Duration};

use crate::{
    baresip::{Phone, seconds_at},
    support::{Over, SDP, Site, peer::Dialog, until},
};

/// Two phones of users with passwords; they know no algorithm but MD5.
#[test]
fn registered_baresips_are_called_and_call_each_other() {
    let login = "password = \"secret\"\nmissed_calls = \"off\"";
    let site = Site::new().table("[registrar]\nalgorithms = [\"MD5\"]");
    let site = site.user("1001", &[], login).user("1002", &[], login);
    let (folder, mut pbx) = (site.folder.path().to_owned(), site.peer(Over::Udp));
    let ringpost = site.start();
    let at = ringpost.sip.to_string();
    let Some(callee) = Phone::registering("1001", &folder, "auto", 440, &at) else { return };
    let Some(caller) = Phone::registering("1002", &folder, "manual", 1_000, &at) else { return };
    for phone in [&callee, &caller] {
        until("it has registered", || phone.log().contains("200 OK"));
    }
    // From outside.
    let invite = pbx.invite("1001");
    let mut ok = pbx.expect("180");
    while ok.what() != "200" {
        ok = pbx.expect("200");
    }
    assert_eq!(ok.first("CSeq"), invite.one("CSeq"));
    let mut talk = Dialog::caller(&invite, &ok);
    pbx.inside(&mut talk, "ACK", "", "");
    pbx.inside(&mut talk, "BYE", "", "");
    pbx.expect("200");
    assert!(SDP.contains("PCMA") && ok.body().contains("PCMA"));
    // From one to the other: the INVITE is challenged, too.
    caller.says("{\"command\":\"dial\",\"params\":\"sip:1001@corp.test\"}");
    until("they talk", || caller.log().contains("Call established"));
    thread::sleep(Duration::from_secs(2));
    caller.says("{\"command\":\"hangup\"}");
    ringpost.logs("outcome=Talked");
    let heard = caller.heard();
    assert!(seconds_at(&heard, 440.0) > 1.0, "{heard:?}");
    drop(callee);
    ringpost.stops_well();
}
