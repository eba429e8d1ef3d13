//! The everyday calls with sipp as PBX, phones and UM, over UDP and TCP (R1–R5, R64, R68, R201).

use crate::support::{
    Over, Ringpost, Site,
    sipp::{self, Sipp},
};

const CALLS: u32 = 5;

/// What sipp plays at one leg, with its arguments.
type Part = (&'static str, &'static [&'static str]);

const RINGS: Part = ("uas_ring.xml", &[]);

#[test]
fn answered_at_the_desk_while_the_softphone_hears_that_it_was_elsewhere() {
    // R1, R64, R201.
    play(
        "",
        ("caller_answer.xml", &["-d", "200"]),
        &[("uas_answer.xml", &["-d", "200"]), ("uas_loser.xml", &[])],
        None,
    );
}

#[test]
fn nobody_answers_and_um_takes_the_call_with_one_diversion() {
    // R2, R3.
    let um = ("uas_um_no-answer.xml", &[][..]);
    play("ring_for = \"500ms\"", ("caller_answer.xml", &["-d", "200"]), &[RINGS; 2], Some(um));
}

#[test]
fn the_caller_gives_up_and_no_phone_is_told_a_reason() {
    // R5's call, R201.
    play("missed_calls = \"off\"", ("caller_cancel.xml", &["-d", "300"]), &[RINGS; 2], None);
}

#[test]
fn busy_everywhere_goes_to_um_at_once() {
    let um = ("uas_um_user-busy.xml", &[][..]);
    let busy = ("uas_busy.xml", &[][..]);
    play("ring_for = \"60s\"", ("caller_answer.xml", &["-d", "200"]), &[busy; 2], Some(um));
}

#[test]
fn busy_everywhere_without_um_is_busy_for_the_caller() {
    let busy = ("uas_busy.xml", &[][..]);
    let away = ("uas_away.xml", &[][..]);
    play("", ("caller_refused.xml", &[]), &[busy, away], None);
}

fn play(user: &str, caller: Part, phones: &[Part], um: Option<Part>) {
    if !sipp::is_there() {
        return;
    }
    for over in Over::BOTH {
        play_over(over, user, caller, phones, um);
    }
}

fn play_over(over: Over, user: &str, caller: Part, phones: &[Part], um: Option<Part>) {
    let site = Site::new();
    let new = |(scenario, _): &Part| Sipp::new(scenario, over, &site);
    let mut devices: Vec<Sipp> = phones.iter().map(new).collect();
    let (mut pbx, mut mailbox) = (new(&caller), um.as_ref().map(new));
    let uris: Vec<String> = devices.iter().map(Sipp::uri).collect();
    let plan = if um.is_none() { "" } else { "um_plan = \"lab\"" };
    let server = mailbox.as_ref().map_or("sip:nobody@127.0.0.1:9".to_owned(), Sipp::uri);
    let ringpost: Ringpost = site
        .plan("lab", &[&server])
        .table(&format!(
            "[[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\ndevices = {uris:?}\n{user}\n{plan}"
        ))
        .start();
    for (device, (_, arguments)) in devices.iter_mut().zip(phones) {
        device.start(CALLS, arguments);
    }
    if let (Some(mailbox), Some((_, arguments))) = (&mut mailbox, um) {
        mailbox.start(CALLS, arguments);
    }
    devices.iter().chain(&mailbox).for_each(Sipp::listens);
    pbx.call("1001", ringpost.sip, CALLS, caller.1);
    pbx.succeeds();
    devices.into_iter().chain(mailbox).for_each(Sipp::succeeds);
    ringpost.back_to_baseline();
}
