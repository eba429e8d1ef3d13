//! Trunks by their names: calls, REGISTER and OPTIONS go to the server that works; and no name that a device registers
//! leads to a trunk (T19).

use std::time::Duration;

use crate::{
    QUICK,
    dns::Dns,
    phone::{PASSWORD, Phone},
    support::{Over, Peer, Site, metrics, ports, until},
};

const OUT: &str = "[outbound]\nallowed_prefixes = [\"+49\"]\ncountry = \"49\"";

#[test]
fn a_trunk_of_two_servers_is_called_registered_at_and_asked_where_it_lives() {
    let site = Site::new();
    let gone = Peer::new(Over::Tcp, "127.0.0.21", site.sip);
    let mut lives = Peer::new(Over::Tcp, "127.0.0.22", site.sip);
    let dns = Dns::new(&format!(
        "_sip._tcp.itsp.test SRV 1 0 {} a.test\n_sip._tcp.itsp.test SRV 2 0 {} b.test\na.test A 127.0.0.21\nb.test A 127.0.0.22",
        gone.address.port(),
        lives.address.port()
    ));
    drop(gone);
    let mut pbx = site.peer(Over::Udp);
    let ringpost = site
        .trunk_line("transit = true")
        .table(OUT)
        .table(
            "[[trunk]]\nname = \"itsp\"\ntarget = \"sip:itsp.test;transport=tcp\"\nprefixes = [\"+\"]\n\
             register = \"sip:+4930100@itsp.test\"\nkeep_alive = \"1s\"",
        )
        .table(&dns.table(QUICK))
        .start();
    let mut seen = (false, false);
    until("REGISTER and OPTIONS", || {
        let request = lives.expect_any();
        seen = (seen.0 || request.what() == "REGISTER", seen.1 || request.what() == "OPTIONS");
        let expires = if request.what() == "REGISTER" { "Expires: 3600\r\n" } else { "" };
        lives.answer_with(&request, 200, expires, "");
        seen == (true, true)
    });
    ringpost.logs("A SIP server did not answer or said 503");
    let invite = pbx.invite("+4930123");
    let out = loop {
        let request = lives.expect_any();
        if request.what() == "INVITE" {
            break request;
        }
        lives.answer(&request, 200);
    };
    assert!(out.uri().starts_with("sip:+4930123@itsp.test"), "{}", out.uri());
    lives.answer(&out, 486);
    pbx.refused(&invite, 486);
    // Where the registrar answered, calls come from.
    let draft = lives.draft("OPTIONS", &format!("sip:{}", ringpost.sip), "", "");
    lives.send(draft.as_bytes());
    until("a trunk gets an answer", || {
        loop {
            let message = lives.expect_any();
            match message.what() {
                "ACK" => {}
                "OPTIONS" => drop(lives.answer(&message, 200)),
                code => return code == "200",
            }
        }
    });
}

#[test]
fn a_um_server_of_two_machines_takes_calls_and_notices_at_the_one_that_lives() {
    let site = Site::new();
    let gone = Peer::new(Over::Tcp, "127.0.0.21", site.sip);
    let mut um = Peer::new(Over::Tcp, "127.0.0.22", site.sip);
    let dns = Dns::new(&format!(
        "um.test NAPTR 1 1 s SIP+D2T _sip._tcp.um.test\n_sip._tcp.um.test SRV 1 0 {} a.test\n\
         _sip._tcp.um.test SRV 2 0 {} b.test\na.test A 127.0.0.21\nb.test A 127.0.0.22",
        gone.address.port(),
        um.address.port()
    ));
    drop(gone);
    let mut pbx = site.peer(Over::Udp);
    let ringpost = site
        .plan("lab", &["sip:um@um.test"])
        .table(&dns.table(QUICK))
        .user("1001", &[], "um_plan = \"lab\"\nmissed_calls = \"um\"")
        .start();
    let invite = pbx.invite("1001");
    let out = um.expect("INVITE");
    assert_eq!(out.uri(), "sip:um@um.test");
    um.answer(&out, 180);
    pbx.expect("181");
    pbx.expect("180");
    pbx.cancel(&invite, "");
    pbx.expect("200");
    let cancel = um.expect("CANCEL");
    um.answer(&cancel, 200);
    um.answer(&out, 487);
    pbx.refused(&invite, 487);
    until("the notice", || {
        let request = um.expect_any();
        if request.what() == "INFO" {
            um.answer(&request, 200);
        }
        request.what() == "INFO"
    });
    drop((pbx, um));
    ringpost.stops_well();
}

#[test]
fn a_name_that_a_device_registers_does_not_lead_to_a_trunk() {
    let login = format!("password = \"{PASSWORD}\"\nmissed_calls = \"off\"\nring_for = \"2s\"");
    let site = Site::new();
    let mut trunk = Peer::new(Over::Udp, "127.0.0.31", site.sip);
    let mut elsewhere = Peer::at(Over::Udp, ("127.0.0.32", trunk.address.port()), site.sip);
    let port = trunk.address.port();
    let dns = Dns::new(
        "evil.test A 127.0.0.31\ngood.test A 127.0.0.32\nboth.test A 127.0.0.31\nboth.test A 127.0.0.32",
    );
    let mut pbx = site.peer(Over::Udp);
    let ringpost = site
        .table(OUT)
        .table(&format!(
            "[[trunk]]\nname = \"itsp\"\nsources = [\"127.0.0.31\"]\ntarget = \"sip:itsp.test:{port}\"\nprefixes = [\"+\"]"
        ))
        .table("[security]\nrefusals_per_second = 1000")
        .table(&dns.table(QUICK))
        .user("1002", &[], &login)
        .start();
    let mut phone = Phone::new(Over::Udp, "127.0.0.40", &ringpost, "1002");
    let mut register = |contact: String, expires: u32| {
        phone.contact = contact;
        phone.registers(&format!("Expires: {expires}\r\n")).what().to_owned()
    };
    for refused in [
        format!("sip:+1900@itsp.test.:{port}"),
        format!("sip:+1900@x.test:{port};maddr=itsp.test"),
        format!("sip:+1900@127.0.0.31:{port}"),
    ] {
        assert_eq!(register(format!("<{refused}>"), 60), "403", "{refused}");
    }
    for (host, reached) in [("evil.test", false), ("good.test", true), ("both.test", true)] {
        assert_eq!(register(format!("<sip:+1900@{host}:{port}>"), 60), "200");
        let invite = pbx.invite("1002");
        if reached {
            let out = elsewhere.expect("INVITE");
            elsewhere.answer(&out, 486);
            elsewhere.expect("ACK");
            pbx.refused(&invite, 486);
        } else {
            pbx.refused(&invite, 480);
        }
        trunk.silent_for(Duration::from_millis(50));
        assert_eq!(register("*".to_owned(), 0), "200");
    }
}

#[test]
fn numbers_of_the_dns_are_told() {
    let site = Site::new();
    let http = ports(1);
    let _ringpost = site.table(&format!("[metrics]\nlisten = \"127.0.0.1:{http}\"")).start();
    for name in ["dns_queries_total", "dns_refused_total", "dns_stale_total"] {
        assert_eq!(metrics::number(http, name), 0);
    }
}
