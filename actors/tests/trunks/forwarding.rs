//! Calls that would be forwarded without end, or where the site pays and does not want to (T19).

use std::time::Duration;

use crate::{
    policies::{MAIL, MOBILE, scene},
    support::{Over, Peer, Site, metrics::number, ports},
};

#[test]
fn t19_a_number_that_a_policy_wants_and_the_site_forbids_is_counted() {
    let port = ports(1);
    let metrics = format!("[metrics]\nlisten = \"127.0.0.1:{port}\"");
    let mut scene = scene("missed_calls = \"mail\"", "forward_always = \"+1900555\"", &metrics);
    let invite = scene.pbx.invite("1001");
    let refusal = scene.pbx.expect_any();
    scene.pbx.acknowledges(&invite, &refusal);
    assert_eq!(number(port, "calls_refused_toll_total"), 1);
    scene.ringpost.has_mails(MAIL, 1);
    scene.ringpost.stops_well();
}

#[test]
fn t19_a_call_that_was_diverted_too_often_is_not_forwarded_again() {
    let mut scene = scene("missed_calls = \"mail\"", &format!("forward_always = {MOBILE:?}"), "");
    let diversion =
        |times| format!("Diversion: <sip:7@elsewhere.test>;reason=unconditional;counter={times}\r\n");
    let invite = scene.pbx.invite_with("1001", &diversion(99));
    scene.pbx.refused(&invite, 482);
    scene.mobile.silent_for(Duration::from_millis(50));
    scene.ringpost.logs("diverted too often");
    // The user is told of this call, too; one diversion before it is no hindrance.
    scene.ringpost.has_mails(MAIL, 1);
    let invite = scene.pbx.invite_with("1001", &diversion(1));
    let out = scene.mobile.expect("INVITE");
    assert!(out.one("From").contains("4544890101"), "the caller's number: {out}");
    scene.mobile.answer(&out, 486);
    scene.mobile.expect("ACK");
    scene.is_refused(&invite, 486);
    scene.ringpost.has_mails(MAIL, 2);
    scene.ringpost.stops_well();
}

#[test]
fn t19_two_sites_that_forward_to_each_other_end() {
    const NUMBERS: [&str; 2] = ["+491701001", "+491702002"];
    let sites = [Site::new(), Site::new()];
    let addresses = sites.each_ref().map(|site| site.sip);
    let mut pbx = Peer::new(Over::Udp, "127.0.0.1", addresses[0]);
    let mut at = 0;
    let ringposts = sites.map(|site| {
        let (own, other, far) = (NUMBERS[at], NUMBERS[1 - at], addresses[1 - at]);
        at += 1;
        site.maildir()
            .table(&format!(
                "[outbound]\nallowed_prefixes = [\"+49\"]\ncountry = \"49\"\n[[trunk]]\nname = \"other\"\n\
                 sources = [\"127.0.0.11\"]\ntarget = \"sip:{far}\"\nprefixes = [\"+\"]"
            ))
            .user(
                own,
                &[],
                &format!(
                    "missed_calls = \"mail\"\nmail = {MAIL:?}\n[user.policy]\nforward_always = {other:?}"
                ),
            )
            .start()
    });
    let invite = pbx.invite(NUMBERS[0]);
    let refusal = loop {
        let heard = pbx.expect_any();
        if !heard.what().starts_with('1') {
            break heard;
        }
    };
    assert!(["480", "482"].contains(&refusal.what()), "{refusal}");
    pbx.acknowledges(&invite, &refusal);
    // Once there and once back, where the call is known: each user is told once.
    for ringpost in &ringposts {
        ringpost.has_mails(MAIL, 1);
    }
    ringposts.into_iter().for_each(crate::support::Ringpost::stops_well);
}
