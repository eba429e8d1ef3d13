//! The transactions of every other method (RFC 3261 §17.1.2, §17.2.2).

use std::net::SocketAddr;

use ringpost::sip::peer::Peer;

use crate::lane::Lane;

const OPTIONS: &str = "OPTIONS sip:lab.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKin\r\n\
    From: <sip:pbx@lab.test>;tag=p\r\nTo: <sip:lab.test>\r\nCall-ID: in-2\r\nCSeq: 3 OPTIONS\r\n\
    Content-Length: 0\r\n\r\n";

#[test]
fn a_request_is_repeated_on_udp_by_timer_e_until_timer_f() {
    let mut lane = Lane::udp();
    lane.request("BYE");
    lane.until(60_000);
    let times = [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let mut expected: Vec<String> = times.iter().map(|at| format!("{at} > BYE")).collect();
    expected.push("32000 * Failed 408".into());
    assert_eq!(lane.log(), expected);
    assert_eq!(lane.len(), 0);
}

#[test]
fn a_request_on_tcp_is_sent_once() {
    let mut lane = Lane::tcp();
    lane.request("INFO");
    lane.until(60_000);
    assert_eq!(lane.log(), ["0 > INFO", "32000 * Failed 408"]);
    assert_eq!(lane.len(), 0);
}

#[test]
fn a_provisional_response_slows_the_repetition_down() {
    let mut lane = Lane::udp();
    let info = lane.request("INFO");
    lane.until(400);
    lane.response(info, 100, "INFO", "");
    lane.until(32_000);
    let times = [0, 4_400, 8_400, 12_400, 16_400, 20_400, 24_400, 28_400];
    let mut expected: Vec<String> = times.iter().map(|at| format!("{at} > INFO")).collect();
    expected.push("32000 * Failed 408".into());
    assert_eq!(lane.log(), expected);
}

#[test]
fn a_final_response_is_told_once_and_timer_k_swallows_the_rest() {
    let mut lane = Lane::udp();
    let info = lane.request("INFO");
    lane.until(600);
    lane.response(info, 200, "INFO", "a");
    lane.response(info, 200, "INFO", "a");
    lane.until(5_580);
    lane.response(info, 200, "INFO", "a");
    assert_eq!(lane.len(), 1);
    lane.until(5_600);
    assert_eq!(lane.log(), ["0 > INFO", "500 > INFO", "600 * Response 200 INFO"]);
    assert_eq!(lane.len(), 0);

    let mut lane = Lane::tcp();
    let info = lane.request("INFO");
    lane.response(info, 404, "INFO", "a");
    lane.until(20);
    assert_eq!((lane.log().len(), lane.len()), (2, 0), "Timer K is zero on TCP");
}

#[test]
fn a_response_must_name_the_method_of_its_request() {
    let mut lane = Lane::udp();
    let bye = lane.request("BYE");
    for method in ["INVITE", "CANCEL", "INFO", "bye"] {
        lane.response(bye, 200, method, "a");
    }
    assert_eq!(lane.log(), ["0 > BYE"]);
    lane.response(bye, 481, "BYE", "a");
    assert_eq!(lane.log(), ["0 * Response 481 BYE"]);
}

#[test]
fn a_request_of_no_known_method_finds_its_response() {
    let mut lane = Lane::udp();
    let service = lane.request("SERVICE");
    lane.response(service, 202, "SERVICE", "a");
    assert_eq!(lane.log(), ["0 > SERVICE", "0 * Response 202 SERVICE"]);
}

#[test]
fn nobody_hears_of_what_nobody_owns() {
    let mut lane = Lane::udp();
    for end in [0, 1, 2] {
        let bye = lane.request("BYE");
        lane.transactions.orphan(bye, None);
        match end {
            0 => lane.response(bye, 200, "BYE", "a"),
            1 => lane.with(|it, now, out| it.undeliverable(bye, now, out)),
            _ => {}
        }
    }
    lane.until(40_000);
    assert!(lane.log().iter().all(|line| line.ends_with("> BYE")));
    assert_eq!(lane.len(), 0);
}

#[test]
fn what_could_not_be_sent_counts_as_503() {
    let mut lane = Lane::tcp();
    let info = lane.request("INFO");
    lane.with(|it, now, out| it.undeliverable(info, now, out));
    assert_eq!((lane.log(), lane.len()), (vec!["0 > INFO".into(), "0 * Failed 503".into()], 0));
}

#[test]
fn a_repeated_request_gets_the_latest_response_until_timer_j() {
    let mut lane = Lane::udp();
    lane.receive(OPTIONS);
    lane.receive(OPTIONS);
    lane.respond(100);
    lane.receive(OPTIONS);
    lane.until(1_000);
    lane.respond(200);
    lane.respond(500);
    lane.until(32_980);
    lane.receive(OPTIONS);
    assert_eq!(
        lane.log(),
        [
            "0 * Request OPTIONS",
            "0 > 100 INVITE",
            "0 > 100 INVITE",
            "1000 > 200 INVITE",
            "32980 > 200 INVITE"
        ]
    );
    lane.until(33_000);
    assert_eq!((lane.log(), lane.len()), (vec![], 0));
}

#[test]
fn a_response_on_tcp_leaves_nothing_behind() {
    let mut lane = Lane::tcp();
    lane.receive(OPTIONS);
    lane.respond(200);
    lane.until(20);
    assert_eq!((lane.log().len(), lane.len()), (2, 0));
}

#[test]
fn a_request_that_nobody_answers_is_forgotten() {
    let mut lane = Lane::udp();
    lane.receive(OPTIONS);
    lane.until(64_000);
    assert_eq!((lane.log(), lane.len()), (vec!["0 * Request OPTIONS".into()], 0));
}

#[test]
fn a_response_goes_where_the_via_says() {
    for (via, port) in [
        ("192.0.2.9:5062;branch=z9hG4bKin", 5062),
        ("192.0.2.9;branch=z9hG4bKin", 5060),
        ("10.0.0.1:9999;branch=z9hG4bKin;rport", 5070),
        ("10.0.0.1:9999;branch=z9hG4bKin;maddr=203.0.113.5", 9999),
    ] {
        let mut lane = Lane::udp();
        lane.receive(&OPTIONS.replace("192.0.2.9:5070;branch=z9hG4bKin", via));
        lane.respond(200);
        let to = lane.sent[0].0;
        assert_eq!(to.address.to_string(), format!("192.0.2.9:{port}"), "{via}");
    }
    let mut lane = Lane::tcp();
    let connection = Peer { connection: 77, ..lane.peer };
    lane.peer = connection;
    lane.receive(&OPTIONS.replace("192.0.2.9:5070", "10.0.0.1:9999"));
    lane.respond(200);
    // RFC 3261 §18.2.2: the same connection, or, where that has gone, one to the port of the sent-by.
    let there = SocketAddr::new(connection.address.ip(), 9999);
    assert_eq!(lane.sent[0].0, Peer { address: there, ..connection });
}
