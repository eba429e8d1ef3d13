//! The sample site, played: a PBX with a password and a partner's server without one.

use std::{fs, net::SocketAddr, path::Path};

use crate::{
    pbx::{Pbx, pidf},
    support::{Over, Ringpost, ports, until},
    watcher::Watcher,
};

#[test]
fn the_sample_shows_who_is_on_the_phone_at_the_pbx() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/sites/presence-from-a-pbx.toml");
    let text = fs::read_to_string(file).expect("the sample");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("pbx.password"), "correct horse\n").expect("written");
    let sip = SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let (mut pbx, mut partner) = (Pbx::at(Over::Tcp, sip), Pbx::at(Over::Udp, sip));
    let rtp = (ports(24) + 1) & !1;
    let text = text
        .replace("192.0.2.5:5060", &sip.to_string())
        .replace("sources = [\"192.0.2.10\"]", "sources = [\"127.0.0.1\"]")
        .replace("192.0.2.10:5060", &pbx.peer.address.to_string())
        .replace("192.0.2.80", &partner.peer.address.to_string())
        .replace("[store]", &format!("[voicemail]\nrtp_ports = \"{rtp}-{}\"\n[store]", rtp + 21));
    let ringpost = Ringpost::of(folder, sip, &text);
    let challenge = "WWW-Authenticate: Digest realm=\"asterisk\", nonce=\"one\", qop=\"auth\"\r\n";
    let mut ada = None;
    for _ in 0..2 {
        let asked =
            pbx.find("SUBSCRIBE", crate::support::PATIENCE, |one| one.all("Authorization").is_empty());
        pbx.peer.answer_with(&asked.expect("both are asked for"), 401, challenge, "");
        let again =
            pbx.find("SUBSCRIBE", crate::support::PATIENCE, |one| !one.all("Authorization").is_empty());
        let again = again.expect("with the login");
        assert!(again.one("Authorization").contains("username=\"ringpost\""), "{again}");
        assert_eq!((again.one("Event"), again.one("CSeq")), ("dialog", "2 SUBSCRIBE"));
        let of_ada = again.uri() == "sip:1001@pbx.example.com";
        let taken = pbx.grants(&again, 3_600);
        if of_ada {
            ada = Some(taken);
        }
    }
    let mut ada = ada.expect("she is asked for");
    let mut reception = Watcher::new(&ringpost, Over::Udp, "1000");
    reception.domain = "example.com".into();
    reception.subscribes("1001", "presence", "");
    pbx.tells_calls(&mut ada, (0, true), &[("a", "confirmed")]);
    reception.sees(" by=\"pbx\">busy<");
    pbx.tells_calls(&mut ada, (1, true), &[]);
    reception.sees(" by=\"pbx\">available<");
    let mut other = Watcher::new(&ringpost, Over::Udp, "1000");
    other.domain = "example.com".into();
    other.subscribes("eve@partner.example", "presence", "");
    let mut eve = partner.serves("eve");
    let body = pidf("open", "away", "in Rome");
    assert_eq!(partner.says(&mut eve, "active;expires=600", "application/pidf+xml", &body), "200");
    other.sees("in Rome");
    until("nothing went wrong", || !ringpost.log().contains("panicked"));
}
