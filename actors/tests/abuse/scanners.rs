//! Scanners get nothing: sipvicious (PyPI) finds no server, no extension and no password; T14.

use std::{path::Path, process::Command, time::Duration};

use crate::{
    office::Office,
    support::{Over, Peer, Site, metrics::number},
    watched,
};

const OFF: &str = "missed_calls = \"off\"";

/// The folder with its programs; `None` and a word about it where they are missing.
fn sipvicious() -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services/sipvicious.sh");
    let found = Command::new(script).output().ok().filter(|output| output.status.success());
    if found.is_none() {
        println!("skipped: no sipvicious, and it cannot be installed");
    }
    found.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What a tool prints when it is let loose on a port.
fn scan(tool: &str, port: u16, arguments: &[&str]) -> String {
    let home = tempfile::tempdir().expect("a folder");
    let output = Command::new("timeout")
        .args(["10", tool, "-v", "-p", &port.to_string()])
        .args(arguments)
        .env("HOME", home.path())
        .output()
        .expect("it runs");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn sipvicious_gets_nothing() {
    let Some(folder) = sipvicious() else { return };
    let [svmap, svwar, svcrack] =
        ["svmap", "svwar", "svcrack"].map(|tool| format!("{folder}/sipvicious_{tool}"));
    // That it would find a server which answers strangers shows that it works here.
    let (site, _) = watched("scanners = []\nban_after = 0");
    let open = Office::on(site, Over::Udp, OFF);
    let here = open.ringpost.sip.to_string();
    let found = scan(&svmap, open.ringpost.sip.port(), &["-b", "127.0.0.2", "127.0.0.1"]);
    assert!(found.contains(&here), "{found}");
    drop(open);

    let (site, port) = watched("");
    let sip = site.sip.port();
    let listen = format!("[\"udp:127.0.0.1:{sip}\", \"udp:[::1]:{sip}\"]");
    let mut office = Office::on(site.listen(&listen).trunk_at(&["127.0.0.1"]), Over::Udp, OFF);
    let here = office.ringpost.sip.to_string();
    for (number, method) in ["OPTIONS", "INVITE", "REGISTER"].into_iter().enumerate() {
        let from = format!("127.0.0.{}", 10 + number);
        let found = scan(&svmap, sip, &["-b", &from, "-m", method, "127.0.0.1"]);
        assert!(!found.contains(&here), "{method}: {found}");
    }
    // These two cannot choose their own address but by the family of the target.
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let found = scan(&svwar, sip, &["-6", "-e1000-1004", "-m", method, "--force", "::1"]);
        assert!(found.contains("found nothing"), "{method}: {found}");
    }
    let found = scan(&svcrack, sip, &["-6", "-u", "1001", "-r1000-1005", "::1"]);
    assert!(!found.contains("Password"), "{found}");
    assert_eq!(number(port, "bans_total"), 4, "three addresses and a network");
    assert!(number(port, "banned_dropped_total") > 0);
    assert_eq!(number(port, "calls_total"), 0);
    let talk = office.talks();
    office.hangs_up(talk);
    office.ends();
}

#[test]
fn who_says_that_it_scans_gets_silence_and_a_trunk_may_say_so() {
    let (site, port) = watched("");
    let mut office = Office::on(site, Over::Udp, OFF);
    let mut scanner = Peer::new(Over::Udp, "127.0.0.2", office.ringpost.sip);
    let uri = format!("sip:{}", office.ringpost.sip);
    scanner.request("OPTIONS", &uri, "User-Agent: friendly-scanner\r\n", "");
    scanner.silent_for(Duration::from_millis(200));
    scanner.request("OPTIONS", &uri, "User-Agent: an honest phone\r\n", "");
    scanner.silent_for(Duration::from_millis(200));
    assert_eq!((number(port, "scanners_total"), number(port, "bans_total")), (1, 1));
    office.pbx.request("OPTIONS", &uri, "User-Agent: friendly-scanner\r\n", "");
    office.pbx.expect("200");
    // Loopback is never banned by default: whoever scans from there is the admin.
    let site = Site::new();
    let ringpost = site.start();
    let mut admin = Peer::new(Over::Udp, "127.0.0.2", ringpost.sip);
    admin.request("OPTIONS", &format!("sip:{}", ringpost.sip), "User-Agent: friendly-scanner\r\n", "");
    admin.silent_for(Duration::from_millis(200));
    admin.request("OPTIONS", &format!("sip:{}", ringpost.sip), "", "");
    admin.expect("403");
    drop(scanner);
    office.ends();
}
