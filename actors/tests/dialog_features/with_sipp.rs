//! What may happen inside a dialog, played by sipp at both ends through the running program, over UDP and TCP (R68).

use std::time::Duration;

use crate::support::{
    Over, Site,
    sipp::{self, Sipp},
};

const CALLS: u32 = 5;
/// How long a scenario may take, but for one that waits for a session's end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Plays a caller and the phones of 1001 and 1002; each of them checks what reaches it.
fn play(caller: &str, phones: &[&str]) {
    for over in Over::BOTH {
        play_over(over, PATIENCE, caller, phones);
    }
}

fn play_over(over: Over, patience: Duration, caller: &str, phones: &[&str]) {
    if sipp::is_there() {
        let mut site = Site::new();
        let sipp = |scenario: &str, site: &Site| Sipp::new(scenario, over, site).within(patience);
        let mut pbx = sipp(caller, &site);
        let mut devices: Vec<Sipp> = phones.iter().map(|phone| sipp(phone, &site)).collect();
        for (number, device) in (1001..).zip(&devices) {
            let uri = device.uri();
            site = site.table(&format!(
                "[[user]]\naddress = \"sip:{number}@corp.test\"\nnumbers = [\"{number}\"]\ndevices = [{uri:?}]"
            ));
        }
        let ringpost = site.start();
        for device in &mut devices {
            device.start(CALLS, &[]);
            device.listens();
        }
        pbx.call("1001", ringpost.sip, CALLS, &[]);
        pbx.succeeds();
        devices.into_iter().for_each(Sipp::succeeds);
        ringpost.back_to_baseline();
    }
}

#[test]
fn hold_by_reinvite() {
    play("caller_hold.xml", &["uas_hold.xml"]);
}

#[test]
fn the_codec_changes_by_update() {
    play("caller_update.xml", &["uas_update.xml"]);
}

#[test]
fn reliable_early_media() {
    play("caller_prack.xml", &["uas_prack.xml"]);
}

#[test]
fn a_session_that_is_too_short_and_one_that_is_refreshed() {
    play("caller_timer.xml", &["uas_answer.xml"]);
}

#[test]
fn an_invite_without_an_offer() {
    play("caller_offerless.xml", &["uas_offerless.xml"]);
}

#[test]
fn digits_by_info_and_words_by_message() {
    play("caller_info.xml", &["uas_info.xml"]);
}

#[test]
fn fax_by_t38() {
    play("caller_t38.xml", &["uas_t38.xml"]);
}

#[test]
fn a_blind_transfer() {
    play("caller_refer.xml", &["uas_transferred.xml", "uas_target.xml"]);
}

#[test]
fn media_before_the_answer() {
    play("caller_early.xml", &["uas_early.xml"]);
}

#[test]
fn re_invites_that_meet() {
    play("caller_glare.xml", &["uas_glare.xml"]);
}

#[test]
fn a_session_that_nobody_refreshes_ends() {
    play_over(Over::Udp, Duration::from_secs(100), "caller_expires.xml", &["uas_answer.xml"]);
}

#[test]
fn an_attended_transfer() {
    // By TCP its NOTIFY and BYE come in one piece, and sipp takes the BYE before it answers the NOTIFY.
    play_over(Over::Udp, PATIENCE, "caller_attended.xml", &["uas_transferred.xml", "uas_consulted.xml"]);
}
