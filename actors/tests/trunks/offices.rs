//! The sample sites that name no other maker, each played by a call. Beside the addresses, where mail and store are is
//! changed: into the test's folder.

use std::time::Duration;

use crate::{
    sites::{Scene, talk},
    support::{Over, Peer, Sip},
};

/// A sample; what is not at 192.0.2.x is put there: `far` at host 70.
pub fn sample(name: &str, far: &str) -> Scene {
    let mut scene = Scene::of(name);
    let (net, port) = (&scene.net, scene.port);
    scene.site = scene
        .site
        .replace("0.0.0.0:5060", &format!("{net}5:{port}"))
        .replace(", \"udp:[2001:db8::5]:5060\"", "")
        .replace(far, &format!("{net}70"))
        .replace("/var/lib/ringpost/ringpost.db", "ringpost.db")
        .replace("maildir:/var/mail/ringpost", "maildir:mail")
        .replace("smtp://127.0.0.1:25", "maildir:mail")
        .replace("smtp://ringpost@mail.example.com:587?starttls=required", "maildir:mail");
    scene
}

fn is_busy(phone: &mut Peer) -> Sip {
    let ring = phone.expect("INVITE");
    phone.answer(&ring, 486);
    phone.expect("ACK");
    ring
}

#[test]
fn a_small_office_is_told_of_a_missed_call_and_has_its_own_voice_mail() {
    let scene = sample("../../config/sites/small-office.toml", "(nowhere)");
    let mut pbx = scene.at(Over::Udp, 10, 5060);
    let (mut desk, mut soft) = (scene.at(Over::Udp, 21, 5060), scene.at(Over::Udp, 22, 5060));
    let ringpost = scene.start();
    let invite = pbx.invite("1001");
    let rings = [desk.expect("INVITE"), soft.expect("INVITE")];
    desk.answer(&rings[0], 180);
    soft.answer(&rings[1], 180);
    pbx.expect("180");
    pbx.cancel(&invite, "");
    for (phone, ring) in [(&mut desk, &rings[0]), (&mut soft, &rings[1])] {
        let cancel = phone.expect("CANCEL");
        phone.answer(&cancel, 200);
        phone.answer(ring, 487);
        phone.expect("ACK");
    }
    let mails = ringpost.has_mails("ada@office.example", 1);
    assert!(mails[0].1.contains("4544890101"), "{}", mails[0].1);
    drop((pbx, desk, soft));
    ringpost.stops_well();
}

#[test]
fn an_office_without_voice_mail_is_told_by_mail() {
    let scene = sample("../../config/sites/mail-only.toml", "203.0.113.0/24");
    let mut provider = scene.at(Over::Udp, 70, 5060);
    let (mut shop, mut mobile) = (scene.at(Over::Udp, 51, 5060), scene.at(Over::Tcp, 52, 5060));
    let ringpost = scene.start();
    let invite = provider.invite("+33155500101");
    let rings = [shop.expect("INVITE"), mobile.expect("INVITE")];
    for (phone, ring) in [(&mut shop, &rings[0]), (&mut mobile, &rings[1])] {
        phone.answer(ring, 180);
    }
    provider.expect("180");
    // Nobody gave up: the sample's min_ring keeps no notice back.
    for (phone, ring) in [(&mut shop, &rings[0]), (&mut mobile, &rings[1])] {
        phone.answer(ring, 486);
        phone.expect("ACK");
    }
    provider.refused(&invite, 486);
    ringpost.has_mails("shop@example.org", 1);
    // One that is answered is told to nobody.
    let invite = provider.invite("+33155500101");
    is_busy(&mut shop);
    let ring = mobile.expect("INVITE");
    talk(&mut provider, &mut mobile, (&invite, &ring), crate::support::SDP);
    ringpost.has_mails("shop@example.org", 1);
    ringpost.stops_well();
}

#[test]
fn um_servers_of_another_make_take_the_calls_of_a_pbx() {
    let scene = sample("../../config/sites/external-um.toml", "198.51.100.0/28");
    let (mut pbx, mut desk) = (scene.at(Over::Udp, 10, 5060), scene.at(Over::Udp, 41, 5060));
    let mut ums = [31, 32].map(|host| scene.at(Over::Tcp, host, 5060));
    let ringpost = scene.start();
    let invite = pbx.invite("4711");
    is_busy(&mut desk);
    let mobile = is_busy(&mut pbx);
    assert!(mobile.uri().starts_with("sip:+4520550111@"), "{}", mobile.uri());
    let mut found = None;
    while found.is_none() {
        let patience = Duration::from_millis(100);
        found = ums.iter_mut().find_map(|um| Some((um.next(patience)?, um)));
    }
    let (to_um, um) = found.expect("found");
    assert!(to_um.one("Diversion").contains("sip:4711@example.com"), "{to_um}");
    pbx.expect("181");
    talk(&mut pbx, um, (&invite, &to_um), crate::support::SDP);
    ringpost.stops_well();
}

#[test]
fn a_gateways_unknown_caller_is_told_by_mail() {
    let scene = sample("mail-by-submission.toml", "198.51.100.16/28");
    let mut gateway = scene.at(Over::Udp, 70, 5060);
    let mut phones = [41, 42, 43].map(|host| scene.at(Over::Udp, host, 5060));
    let ringpost = scene.start();
    let invite = gateway.invite("+4935550100");
    let rings = phones.each_mut().map(|phone| {
        let ring = phone.expect("INVITE");
        phone.answer(&ring, 180);
        ring
    });
    gateway.expect("180");
    // Nobody gave up: the sample's min_ring keeps no notice back.
    for (phone, ring) in phones.iter_mut().zip(&rings) {
        phone.answer(ring, 486);
        phone.expect("ACK");
    }
    gateway.refused(&invite, 486);
    ringpost.has_mails("front.desk@example.com", 1);
    ringpost.stops_well();
}
