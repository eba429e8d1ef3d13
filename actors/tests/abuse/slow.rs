//! T7: connections that never finish a message are closed, and disturb nobody.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    office::Office,
    support::{Over, metrics::number, within},
    watched,
};

#[test]
fn a_thousand_connections_with_an_octet_now_and_then_are_closed_in_time() {
    // Both ends of them are files of this machine.
    let own = std::process::id().to_string();
    let set = Command::new("prlimit").args(["--pid", &own, "--nofile=4096:4096"]).status();
    if !set.is_ok_and(|status| status.success()) {
        println!("skipped: prlimit is missing or may not");
        return;
    }
    let (site, port) = watched("message_timeout = \"10s\"");
    let mut office = Office::on(site.sip("max_connections = 1500"), Over::Udp, "missed_calls = \"off\"");
    let start = Instant::now();
    let mut crowd: Vec<TcpStream> = (0..1_000)
        .map(|_| {
            let mut stream = TcpStream::connect(office.ringpost.sip).expect("it listens");
            stream.write_all(b"I").expect("open");
            stream
        })
        .collect();
    let talk = office.talks();
    // One octet is no progress: only a whole message is.
    std::thread::sleep(Duration::from_secs(5).saturating_sub(start.elapsed()));
    for stream in &mut crowd {
        let _ = stream.write_all(b"N");
    }
    office.hangs_up(talk);
    office.ringpost.is_well();
    within(Duration::from_secs(20), "all are closed", || number(port, "half_sent_total") == 1_000);
    assert!((9..20).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    for stream in &mut crowd {
        stream.set_read_timeout(Some(Duration::from_secs(1))).expect("a socket");
        assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)), "closed");
    }
    drop(crowd);
    office.ends();
}
