//! What a monitoring system sees: numbers and health by HTTP, and their text.

use std::net::TcpStream;

use ringpost_actors::metrics::{Sample, State, exposition, health};

use crate::{
    office::Office,
    support::{
        Over, Site,
        metrics::{ask, number},
        ports, until,
    },
};

#[test]
fn numbers_and_health_are_told_to_whoever_asks_for_them() {
    let port = ports(1);
    let site = Site::new().table(&format!("[metrics]\nlisten = \"127.0.0.1:{port}\""));
    let mut office = Office::on(site, Over::Udp, "missed_calls = \"off\"");
    let talk = office.talks();
    assert_eq!((number(port, "calls_total"), number(port, "calls_open")), (1, 1));
    office.hangs_up(talk);
    until("the call has gone", || number(port, "calls_open") == 0);
    for (request, status) in [
        ("GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
        ("GET / HTTP/1.0\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.0\r\n\r\n", "400"),
    ] {
        assert!(ask(port, request).starts_with(&format!("HTTP/1.0 {status} ")), "{request}");
    }
    let slow = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let told = ask(port, &format!("GET /{} HTTP/1.0\r\n\r\n", "x".repeat(3_000)));
    assert!(told.starts_with("HTTP/1.0 404 "), "{told}");
    drop(slow);
    office.ends();
}

#[test]
fn the_text_is_what_prometheus_reads() {
    let samples = [Sample { name: "calls_open", kind: "gauge", help: "Calls open now.", value: 7 }];
    let parts = [
        ("lane 0".to_owned(), State::Green),
        ("trunk \"a\\b\"".to_owned(), State::Yellow("silent".into())),
        ("store".to_owned(), State::Red("disk full".into())),
    ];
    assert_eq!(
        exposition(&samples, &parts),
        "# HELP ringpost_calls_open Calls open now.\n# TYPE ringpost_calls_open gauge\nringpost_calls_open 7\n\
         # HELP ringpost_health 0 green, 1 yellow, 2 red.\n# TYPE ringpost_health gauge\n\
         ringpost_health{part=\"lane 0\"} 0\nringpost_health{part=\"trunk \\\"a\\\\b\\\"\"} 1\n\
         ringpost_health{part=\"store\"} 2\n"
    );
    assert_eq!(
        health(&parts),
        (false, "green lane 0\nyellow trunk \"a\\b\": silent\nred store: disk full\n".into())
    );
    assert!(health(&parts[..2]).0, "what others can do without does not make the whole red");
}
