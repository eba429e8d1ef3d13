//! The fault-tolerant sample as it stands: its addresses are put onto loopback, its port 5060 where nobody else is.

use std::time::{Duration, Instant};

use crate::{
    gateways::{Gateway, Mode, WORKS},
    support::{Over, Peer, Ringpost, Sip, ports, sample, until},
};

/// The sample with other addresses, and a probe that may ask whether it runs.
fn mapped(sample: &str, net: &str, port: u16) -> String {
    let text = sample.replace("192.0.2.", net).replace(":5060", &format!(":{port}"));
    let devices = |text: String, number: u16, host: u8| {
        text.replace(&format!("sip:{number}@{net}{host}"), &format!("sip:{number}@{net}{host}:{port}"))
    };
    let text = devices(devices(text, 1001, 31), 1002, 32);
    format!("{text}\n[[trunk]]\nname = \"probe\"\nsources = [\"127.0.0.1\"]\n")
}

fn final_answer(pbx: &mut Peer, invite: &Sip) -> u16 {
    loop {
        let heard = pbx.expect_any();
        if let Some(code) = heard.what().parse::<u16>().ok().filter(|code| *code >= 300) {
            pbx.acknowledges(invite, &heard);
            return code;
        }
    }
}

#[test]
fn r34_r35_r72_two_gateways_in_one_place_down_and_the_third_in_another_is_used_until_they_are_back() {
    let port = ports(1);
    let net = format!("127.{}.{}.", 60 + port / 250 % 30, 1 + port % 250);
    let sample = sample("routes-fault-tolerant.toml");
    let sip = format!("{net}5:{port}").parse().expect("an address");
    let gateway = |host: u8| Gateway::at((&format!("{net}{host}"), port), sip);
    let (one, two, odense) = (gateway(11), gateway(12), gateway(21));
    let mut pbx = Peer::at(Over::Udp, (&format!("{net}10"), port), sip);
    let mut phone = Peer::at(Over::Udp, (&format!("{net}32"), port), sip);
    let folder = tempfile::tempdir().expect("a folder");
    let ringpost = Ringpost::of(folder, sip, &mapped(&sample, &net, port));
    let calls = || [one.calls(), two.calls(), odense.calls()];
    let mut call = |number: &str, headers: &str| {
        let invite = pbx.invite_with(number, headers);
        final_answer(&mut pbx, &invite)
    };
    // Both in Aarhus take turns.
    for _ in 0..4 {
        assert_eq!(call("+4533112233", ""), 486);
    }
    assert_eq!(calls(), [2, 2, 0]);
    // Abroad is for those who may.
    let ada = "P-Asserted-Identity: <sip:1001@pbx.test>\r\n";
    assert_eq!((call("+4633", ""), call("+4633", ada)), (403, 486));
    assert_eq!(calls(), [2, 2, 1]);
    assert!(odense.invite().one("From").contains("+4565432100"), "{}", odense.invite());
    // One hangs, the other is killed: the first call finds that out, the second one knows it.
    one.does(Mode::Dead);
    two.is_killed();
    assert_eq!(call("+4533112233", ""), 486);
    assert_eq!(calls(), [3, 2, 2]);
    let since = Instant::now();
    assert_eq!(call("+4533112233", ""), 486);
    assert_eq!(calls(), [3, 2, 3]);
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    // A forwarded call goes the same way.
    let invite = pbx.invite("1002");
    let ring = phone.expect("INVITE");
    phone.answer(&ring, 486);
    phone.expect("ACK");
    assert_eq!(final_answer(&mut pbx, &invite), 486);
    assert_eq!(calls(), [3, 2, 4]);
    assert!(odense.invite().uri().contains("+4520202020@"), "{}", odense.invite());
    // They return, and OPTIONS find that out.
    one.does(WORKS);
    two.is_restarted();
    until("they are back", || ringpost.log().matches("A gateway is back").count() == 2);
    let mut call = |number: &str| {
        let invite = pbx.invite(number);
        final_answer(&mut pbx, &invite)
    };
    for _ in 0..4 {
        assert_eq!(call("+4533112233"), 486);
    }
    // The one that was killed may also hear of the call that it has missed, which is taken back at its first word.
    let [one, two, odense] = calls();
    assert!(one == 5 && two >= 4 && odense == 4, "{one} {two} {odense}");
    ringpost.stops_well();
}
