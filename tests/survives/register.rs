//! REGISTERs of one user, one after the other: bounded, kept as text, and told again as they were said.

use std::net::SocketAddr;

use ringpost::{
    registrar::{Binding, Gruus, Rules, Told, Wish, accepted, devices, register},
    settings::Transport,
    sip::{Message, Name, build::Draft, check, peer::Peer, uri::NameAddr},
};

const RULES: Rules = Rules { expires: 3_600, min: 60, max: 7_200, most: 4 };

/// The octets are the own lines of up to eight REGISTERs, each ended by a NUL.
pub fn survives(octets: &[u8]) {
    let address: SocketAddr = "192.0.2.9:5070".parse().expect("an address");
    let from = Peer { transport: Transport::Udp, address, listener: 0, connection: 0 };
    let gruus = Gruus::new(&[7; 32]);
    let (mut bindings, mut now): (Vec<Binding>, _) = (vec![], 1_800_000_000);
    for (sequence, lines) in (1..).zip(octets.split(|octet| *octet == 0).take(8)) {
        let mut draft = Draft::request(b"REGISTER", b"sip:corp.test");
        draft
            .header("Via", &[b"SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1"])
            .header("From", &[b"<sip:u@corp.test>;tag=p"])
            .header("To", &[b"<sip:u@corp.test>"])
            .header("Call-ID", &[b"x"])
            .header("CSeq", &[u32::to_string(&sequence).as_bytes(), b" REGISTER"])
            .lines(lines);
        now += 100;
        let Ok(request) = Message::read(draft.empty()) else { continue };
        if check::request(&request).is_err() {
            continue;
        }
        let Ok(wish) = Wish::read(&request, &from) else { continue };
        let Ok(next) = register(&bindings, &wish, &from, &RULES, now) else { continue };
        assert!(next.len() <= RULES.most);
        assert!(next.iter().all(|one| one.expires > now && one.expires <= now + u64::from(RULES.max)));
        let kept = serde_json::to_string(&next).expect("plain data");
        assert_eq!(serde_json::from_str::<Vec<Binding>>(&kept).expect("as it was"), next);
        let told = Told { tag: b"us", address: "sip:u@corp.test", gruus: (&gruus, 9), flow_timer: 60 };
        let ok = Message::read(accepted(&request, address, &wish, &next, &told, now)).expect("ours is SIP");
        assert_eq!(ok.fault(), None);
        let told: Vec<&[u8]> =
            ok.list(Name::Contact).map(|one| NameAddr::read(one).expect("an address").uri).collect();
        let had: Vec<&[u8]> = next.iter().map(|one| one.uri.as_bytes()).collect();
        assert_eq!(told, had, "each binding is told as it is");
        assert!(devices(&[], &next, None, now).len() <= next.len());
        bindings = next;
    }
}
