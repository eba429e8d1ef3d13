//! What crosses from one leg to the other octet for octet, of any size, over IPv6 too.

use crate::{
    office::{ELSEWHERE, Office, Talk, is_cancelled},
    support::{Over, Peer, SDP, Site, peer::Dialog},
};

const OFF: &str = "missed_calls = \"off\"";

#[test]
fn headers_cross_octet_for_octet() {
    let mut office = Office::new(Over::Udp, OFF);
    let lines: [&[u8]; 6] = [
        b"s: lunch",
        b"X-Folded: one,\r\n\t two",
        b"x-ODD:no space",
        b"X-Raw: \xff\xfe\x80",
        b"Alert-Info: <http://pbx.test/a%20b>;info=x",
        b"User-Agent: pbx \xc3\xb8",
    ];
    let mut raw = format!("INVITE sip:1001@{} SIP/2.0\r\n", office.ringpost.sip).into_bytes();
    raw.extend(format!(
        "v: SIP/2.0/UDP {};branch=z9hG4bKcompact;rport\r\nf: \"#\" <sip:%23123%40x@pbx.test>;tag=1\r\nt: <sip:1001@pbx.test>\r\n\
         i: compact\r\nCSeq: 1 INVITE\r\nm: <{}>\r\n",
        office.pbx.address,
        office.pbx.uri()
    )
    .bytes());
    for line in lines {
        raw.extend([line, b"\r\n"].concat());
    }
    raw.extend(format!("c: application/sdp\r\nl: {}\r\n\r\n{SDP}", SDP.len()).bytes());
    office.pbx.send(&raw);
    let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
    for line in lines {
        assert!(desk.has_line(line), "{}\n{desk}", String::from_utf8_lossy(line));
    }
    assert!(desk.one("From").starts_with("\"#\" <sip:%23123%40x@pbx.test>"), "{desk}");
    assert!(desk.has_line(b"c: application/sdp") && desk.body() == SDP, "{desk}");
    for (phone, invite) in [(&mut office.desk, &desk), (&mut office.soft, &soft)] {
        phone.answer_with(invite, 486, "Warning: 399 x \"caf\u{e9}\"\r\n", "");
        phone.expect("ACK");
    }
    office.pbx.expect("181");
    let to_um = office.um.expect("INVITE");
    office.um.answer_with(&to_um, 486, "", "");
    office.um.expect("ACK");
    let refusal = office.pbx.expect("486");
    assert!(refusal.has_line("Warning: 399 x \"caf\u{e9}\"".as_bytes()), "{refusal}");
    let ack = String::from_utf8_lossy(&raw).replace("INVITE", "ACK");
    office.pbx.send(
        ack.split("\r\ns: ").next().map(|head| format!("{head}\r\nl: 0\r\n\r\n")).expect("a head").as_bytes(),
    );
    office.ends();
}

#[test]
fn a_device_is_called_as_the_site_writes_it() {
    let site = Site::new();
    let (mut pbx, mut desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let uri = format!("sip:%23123%2A@{};ob;x=%41", desk.address);
    let ringpost = site
        .table(&format!(
            "[[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\ndevices = [{uri:?}]"
        ))
        .start();
    let invite = pbx.invite("1001");
    let called = desk.expect("INVITE");
    assert_eq!(called.uri(), uri);
    desk.answer(&called, 486);
    desk.expect("ACK");
    pbx.refused(&invite, 486);
    drop((pbx, desk));
    ringpost.back_to_baseline();
}

#[test]
fn sixty_kilobytes_pass_in_one_datagram() {
    let mut office = Office::new(Over::Udp, OFF);
    let body = SDP.to_owned() + &"a=x-long:0123456789012345678901234567890123456789\r\n".repeat(1_200);
    let uri = format!("sip:1001@{}", office.ringpost.sip);
    let invite = office.pbx.request("INVITE", &uri, "", &body);
    assert!(invite.raw.len() > 60_000);
    let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
    assert!(desk.body() == body && soft.body() == body, "whole");
    office.soft.answer(&soft, 180);
    office.pbx.expect("180");
    let answer = office.desk.answer_with(&desk, 200, "", &body);
    office.desk.expect("ACK");
    is_cancelled(&mut office.soft, &soft, ELSEWHERE);
    let ok = office.pbx.expect("200");
    assert!(ok.body() == body, "whole");
    let mut pbx = Dialog::caller(&invite, &ok);
    office.pbx.inside(&mut pbx, "ACK", "", "");
    office.hangs_up(Talk { pbx, phone: Dialog::callee(&desk, &answer) });
    office.ends();
}

#[test]
fn a_call_over_ipv6() {
    let probe = std::net::UdpSocket::bind("[::1]:0");
    if probe.is_err() {
        println!("skipped: no IPv6 on loopback");
        return;
    }
    let mut site = Site::new();
    site.sip = std::net::SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, site.sip.port()));
    let listen = format!("[\"udp:{0}\", \"tcp:{0}\"]", site.sip);
    for over in Over::BOTH {
        let mut next = Site::new().listen(&listen);
        next.sip = site.sip;
        let [mut pbx, mut desk] = [(); 2].map(|()| Peer::new(over, "::1", next.sip));
        let ringpost = next.user("1001", &[&desk], OFF).start();
        let invite = pbx.invite("1001");
        let called = desk.expect("INVITE");
        assert!(called.one("Via").contains("[::1]:"), "{called}");
        let answer = desk.answer(&called, 200);
        desk.expect("ACK");
        let ok = pbx.expect("200");
        let (mut dialog, mut phone) = (Dialog::caller(&invite, &ok), Dialog::callee(&called, &answer));
        pbx.inside(&mut dialog, "ACK", "", "");
        desk.ends(&mut phone, &mut pbx);
        drop((pbx, desk));
        ringpost.back_to_baseline();
    }
}
