//! Two real phones of different make call each other through us.

use std::{thread, time::Duration};

use crate::{
    linphone::Linphone,
    phones::{Phone, seconds_at},
    support::{Site, until},
};

#[test]
fn linphone_calls_baresip_and_puts_it_on_hold() {
    // R1, and re-INVITE across the B2BUA.
    let site = Site::new();
    let folder = site.folder.path().to_owned();
    let Some(callee) = Phone::new("callee", &folder, "auto", 440) else { return };
    let Some(mut caller) = Linphone::new("caller", &folder, "", "") else { return };
    let devices = [callee.uri()];
    let ringpost = site
        .table(&format!(
            "[[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\ndevices = {devices:?}"
        ))
        .start();
    caller.says(&format!("call sip:1001@{}", ringpost.sip), "Media streams established");
    let heard_by_caller = caller.plays(1_000.0);
    talk();
    caller.says("pause", "is now paused");
    caller.says("resume 1", "Media streams established");
    until("two re-INVITEs at the callee", || callee.log().matches("got re-INVITE").count() == 2);
    talk();
    caller.says("terminate", "ended");
    ringpost.logs("outcome=Talked");
    drop(caller);
    for (heard, hertz) in [(heard_by_caller, 440.0), (callee.heard(), 1_000.0)] {
        let seconds = seconds_at(&heard, hertz);
        assert!(seconds > 1.0, "{heard:?}: {seconds} s at {hertz} Hz");
    }
    ringpost.back_to_baseline();
}

#[test]
fn baresip_calls_linphone_and_puts_it_on_hold() {
    let site = Site::new();
    let folder = site.folder.path().to_owned();
    let Some(caller) = Phone::new("caller", &folder, "manual", 440) else { return };
    let Some(mut callee) = Linphone::new("callee", &folder, "", "") else { return };
    callee.says("autoanswer enable", "Auto answer enabled");
    let devices = [callee.uri()];
    let ringpost = site
        .table(&format!(
            "[[user]]\naddress = \"sip:1002@corp.test\"\nnumbers = [\"1002\"]\ndevices = {devices:?}"
        ))
        .start();
    caller.says(&format!("{{\"command\":\"dial\",\"params\":\"sip:1002@{}\"}}", ringpost.sip));
    callee.shows("Media streams established");
    let heard_by_callee = callee.plays(1_000.0);
    talk();
    caller.says("{\"command\":\"hold\"}");
    callee.shows("has been paused by");
    caller.says("{\"command\":\"resume\"}");
    callee.shows("Media streams established");
    talk();
    caller.says("{\"command\":\"hangup\"}");
    callee.shows("ended");
    ringpost.logs("outcome=Talked");
    drop(callee);
    for (heard, hertz) in [(heard_by_callee, 440.0), (caller.heard(), 1_000.0)] {
        let seconds = seconds_at(&heard, hertz);
        assert!(seconds > 1.0, "{heard:?}: {seconds} s at {hertz} Hz");
    }
    ringpost.back_to_baseline();
}

/// Sound needs time to be heard.
fn talk() {
    thread::sleep(Duration::from_secs(2));
}
