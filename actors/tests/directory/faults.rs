//! T35: a directory behind a network that does what it should not. Calls never notice, and what is mended is used within five
//! seconds.

use std::time::{Duration, Instant};

use crate::{
    authority::lasting,
    calls::Town,
    program::{metrics::ask, ports, within},
    proxy::{Fault, Proxy},
    slapd::{self, Slapd, USERS},
};

#[test]
fn t35_calls_do_not_notice_a_directory_that_is_away_and_it_is_back_within_five_seconds() {
    if !slapd::is_there() {
        return;
    }
    let slapd = Slapd::start(lasting("ours"), &slapd::people(20), "");
    let proxy = Proxy::before(slapd.ldaps);
    let listen = ports(1);
    let lines = "poll = \"300ms\"\nconnect_timeout = \"2s\"\ntimeout = \"2s\"\nfailures = 2";
    let mut town =
        Town::with(slapd, &[proxy.port], lines, &format!("[metrics]\nlisten = \"127.0.0.1:{listen}\""));
    town.read(1);
    let count = |town: &Town, words: &str| town.ringpost.log().matches(words).count();
    let health = || {
        let told = ask(listen, "GET /health HTTP/1.0\r\n\r\n");
        let own = |line: &&str| {
            ["green directory", "yellow directory:", "red directory:"]
                .iter()
                .any(|word| line.starts_with(word))
        };
        told.lines()
            .filter(own)
            .find(|line| !line.contains("mirror\n") && !line.contains("directory's"))
            .map(str::to_owned)
            .unwrap_or_default()
    };
    within(Duration::from_secs(5), "green", || health() == "green directory");
    for (round, fault) in
        [Fault::Refuse, Fault::Reset, Fault::Blackhole, Fault::Trickle].into_iter().enumerate()
    {
        let (failed, down) =
            (count(&town, "The directory cannot be read"), count(&town, "A directory server is down"));
        proxy.set(fault);
        within(Duration::from_secs(20), "it is noticed", || {
            count(&town, "The directory cannot be read") > failed
        });
        within(Duration::from_secs(5), "yellow", || health().starts_with("yellow directory: "));
        assert!(health().contains("; the mirror is as of "), "{}", health());
        for _ in 0..5 {
            let begun = Instant::now();
            let invite = town.pbx.invite("+493090000001");
            let rings = town.desk.expect("INVITE");
            assert!(begun.elapsed() < Duration::from_secs(1), "{fault:?}: {:?}", begun.elapsed());
            town.desk.answer(&rings, 486);
            town.desk.expect("ACK");
            town.pbx.refused(&invite, 486);
        }
        // It is told once that the server is down, however often it is tried meanwhile.
        within(Duration::from_secs(20), "it is down", || count(&town, "A directory server is down") > down);
        town.slapd.changes(&format!(
            "dn: cn=User 1,{USERS}\nchangetype: modify\nreplace: displayName\ndisplayName: Round {round}\n"
        ));
        let read = count(&town, "The directory was read");
        let mended = Instant::now();
        proxy.set(Fault::Pass);
        within(Duration::from_secs(20), "it is back", || count(&town, "The directory was read") > read);
        assert!(mended.elapsed() < Duration::from_secs(5), "{fault:?}: {:?}", mended.elapsed());
        within(Duration::from_secs(5), "green", || health() == "green directory");
        assert_eq!(count(&town, "A directory server is down"), down + 1, "{fault:?}");
    }
}
