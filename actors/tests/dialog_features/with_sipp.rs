//! What may happen inside a dialog, played by sipp at both ends through the running program, over UDP and TCP (R68).

use crate::support::{
    Over, Site,
    sipp::{self, Sipp},
};

const CALLS: u32 = 5;

/// Plays a caller and the phones of 1001 and 1002; each of them checks what reaches it.
fn play(caller: &str, phones: &[&str]) {
    if !sipp::is_there() {
        return;
    }
    for over in Over::BOTH {
        let mut site = Site::new();
        let mut pbx = Sipp::new(caller, over, &site);
        let mut devices: Vec<Sipp> = phones.iter().map(|phone| Sipp::new(phone, over, &site)).collect();
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
