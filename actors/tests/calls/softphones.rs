//! Two real phones of different make call each other through us.

use std::{thread, time::Duration};

use crate::{
    baresip::{Phone, files, seconds_at},
    linphone::Linphone,
    support::{Over, Site, peer::Dialog, until},
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

#[test]
fn registered_phones_of_different_make_call_each_other() {
    // R1, R58: digest, bindings, calls along them.
    // Baresip knows no algorithm but MD5, and gives up where another is offered beside it.
    let site = Site::new().table("[registrar]\nalgorithms = [\"MD5\"]");
    let folder = site.folder.path().to_owned();
    let at = site.sip.to_string();
    let login = "password = \"secret\"\nmissed_calls = \"off\"";
    let ringpost = site.user("1001", &[], login).user("1002", &[], login).start();
    let Some(bare) = Phone::registering("1001", &folder, "auto", 440, &at) else { return };
    let Some(mut lin) = Linphone::new("1002", &folder, "", "") else { return };
    lin.says(&format!("register sip:1002@corp.test sip:{at} secret"), "secret");
    until("linphone has registered", || lin.log().contains("LinphoneRegistrationOk"));
    until("baresip has registered", || bare.log().contains("200 OK"));
    lin.says(&format!("call sip:1001@{at}"), "Media streams established");
    let at_lin = lin.plays(1_000.0);
    talk();
    lin.says("pause", "is now paused");
    lin.says("resume 1", "Media streams established");
    talk();
    lin.says("terminate", "ended");
    lin.says("autoanswer enable", "Auto answer enabled");
    bare.says("{\"command\":\"dial\",\"params\":\"sip:1002@corp.test\"}");
    lin.shows("Media streams established");
    bare.says("{\"command\":\"hold\"}");
    lin.shows("has been paused by");
    bare.says("{\"command\":\"hangup\"}");
    lin.shows("ended");
    drop((lin, bare));
    assert!(seconds_at(&at_lin, 440.0) > 1.0, "linphone heard too little of baresip");
    // Each call has a file of its own.
    let at_bare = files(&folder.join("baresip/1001"), "dec.wav");
    let seconds: f64 = at_bare.iter().map(|heard| seconds_at(heard, 1_000.0)).sum();
    assert!(seconds > 1.0, "baresip heard {seconds} s of linphone in {at_bare:?}");
    ringpost.stops_well();
}

#[test]
fn linphone_hands_baresip_on_to_somebody_else() {
    // R1, REFER (RFC 3515): what a person does with "transfer".
    let site = Site::new();
    let folder = site.folder.path().to_owned();
    let mut third = site.peer(Over::Udp);
    let Some(callee) = Phone::new("callee", &folder, "auto", 440) else { return };
    let Some(mut caller) = Linphone::new("caller", &folder, "", "") else { return };
    let devices = [callee.uri()];
    let ringpost = site
        .user("1003", &[&third], "missed_calls = \"off\"")
        .table(&format!(
            "[[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\ndevices = {devices:?}"
        ))
        .start();
    caller.says(&format!("call sip:1001@{}", ringpost.sip), "Media streams established");
    caller.says(&format!("transfer 1 sip:1003@{}", ringpost.sip), "linphonec>");
    let invite = third.expect("INVITE");
    let ok = third.answer(&invite, 200);
    third.expect("ACK");
    until("baresip is led to the third", || callee.log().contains("got re-INVITE"));
    caller.shows("ended");
    let mut dialog = Dialog::callee(&invite, &ok);
    third.inside(&mut dialog, "BYE", "", "");
    third.expect("200");
    until("baresip is hung up", || callee.log().contains("session closed"));
    drop((caller, callee, third));
    ringpost.stops_well();
}

/// Sound needs time to be heard.
fn talk() {
    thread::sleep(Duration::from_secs(2));
}
