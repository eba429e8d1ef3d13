//! `ringpost outbox list|show|retry|drop`, beside a Ringpost that runs and without one (R203).

use std::process::{Command, Output};

use crate::support::{Over, Peer, Ringpost, Site, ports, until};

const USER: &str = "missed_calls = \"mail\"\nmail = \"ada@corp.test\"";

fn outbox(ringpost: &Ringpost, args: &[&str]) -> Output {
    let site = ringpost.folder.path().join("site.toml");
    Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(["outbox", args[0], "--config"])
        .arg(site)
        .args(&args[1..])
        .current_dir(ringpost.folder.path())
        .output()
        .expect("ringpost runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn is(ringpost: &Ringpost, status: &str, count: usize) -> String {
    let listed = || said(&outbox(ringpost, &["list", "--status", status, "--json"]));
    until(&format!("{count} {status}"), || listed().lines().count() == count);
    listed()
}

/// A call that nobody answers; its mail has nowhere to go yet.
fn missed(ringpost: &Ringpost, desk: &mut Peer) {
    let mut pbx = Peer::new(Over::Udp, "127.0.0.1", ringpost.sip);
    let invite = pbx.invite("1001");
    let ring = desk.expect("INVITE");
    desk.answer(&ring, 486);
    desk.expect("ACK");
    pbx.refused(&invite, 486);
}

#[test]
fn an_admin_looks_at_the_queue_sends_again_and_drops() {
    let site = Site::new();
    let mut desk = site.peer(Over::Udp);
    let port = ports(1);
    let mail = format!("[mail]\nurl = \"smtp://127.0.0.1:{port}\"\nfrom = \"ringpost@corp.test\"");
    let mut ringpost = site
        .user("1001", &[&desk], USER)
        .table(&mail)
        .table("[outbox]\nfirst_retry = \"1h\"\nlongest_retry = \"2h\"")
        .start();
    assert_eq!(said(&outbox(&ringpost, &["list"])), "");
    for _ in 0..3 {
        missed(&ringpost, &mut desk);
    }
    is(&ringpost, "delayed", 3);
    let table = said(&outbox(&ringpost, &["list"]));
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(
        table.contains("delayed") && table.contains("mail") && table.contains("sip:1001@corp.test"),
        "{table}"
    );
    let shown = said(&outbox(&ringpost, &["show", "1"]));
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!((&shown["status"], &shown["tries"]), (&"delayed".into(), &1.into()));
    assert_eq!(shown["item"]["notice"]["mail"], "ada@corp.test");
    let nobody = outbox(&ringpost, &["show", "99"]);
    assert!(!nobody.status.success() && said(&nobody).contains("there is no notice 99"));
    // At once, though its time is an hour away: tried, and delayed again.
    assert_eq!(said(&outbox(&ringpost, &["retry", "1"])), "1 of 1 done\n");
    until("tried again", || said(&outbox(&ringpost, &["show", "1"])).contains("\"tries\": 2"));
    // First a dead letter, then nothing.
    assert_eq!(said(&outbox(&ringpost, &["drop", "2"])), "1 of 1 done\n");
    assert!(is(&ringpost, "dead", 1).contains("dropped by an administrator"));
    assert_eq!(said(&outbox(&ringpost, &["drop", "2"])), "1 of 1 done\n");
    let gone = outbox(&ringpost, &["retry", "2", "3"]);
    assert!(
        !gone.status.success() && said(&gone).contains("notice 2: there is no such notice"),
        "{}",
        said(&gone)
    );
    is(&ringpost, "delayed", 2);
    // The same while no Ringpost runs.
    ringpost.terminate();
    assert_eq!(said(&outbox(&ringpost, &["drop", "3"])), "1 of 1 done\n");
    assert_eq!(said(&outbox(&ringpost, &["retry", "--all-dead"])), "1 of 1 done\n");
    is(&ringpost, "queued", 1);
    assert_eq!(said(&outbox(&ringpost, &["retry", "1"])), "1 of 1 done\n");
    is(&ringpost, "queued", 2);
    // The call log knows the end of each notice that has one (issue 4: a final line).
    let site = ringpost.folder.path().join("site.toml");
    let calls = |args: &[&str]| {
        let mut calls = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        said(&calls.args(["calls", "--config"]).arg(&site).args(args).output().expect("ringpost runs"))
    };
    let log = calls(&[]);
    assert_eq!(log.matches("given up by mail: dropped by an administrator").count(), 2, "{log}");
    assert_eq!(log.matches("not told yet").count(), 1, "{log}");
    // Whoever starts next finds both, and a mail server that has come meanwhile.
    let text = ringpost.site().replace(&format!("smtp://127.0.0.1:{port}"), "maildir:mail");
    std::fs::write(ringpost.folder.path().join("site.toml"), text).expect("written");
    ringpost.restart();
    ringpost.has_mails("ada@corp.test", 2);
    is(&ringpost, "delivered", 2);
    let log = calls(&["--json"]);
    let calls: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let ends = |call: &serde_json::Value| call["notices"].as_array().expect("a list").len();
    // One is delivered; one was dropped; one was dropped, sent again and is delivered.
    assert_eq!(calls.iter().map(ends).sum::<usize>(), 4, "{log}");
    assert!(!outbox(&ringpost, &["drop", "1"]).status.success(), "what is delivered stays");
    ringpost.stops_well();
}

#[test]
fn r210_what_was_kept_long_enough_goes_and_nothing_else() {
    let site = Site::new().maildir();
    let mut desk = site.peer(Over::Udp);
    let short = "[retention]\ndelivered = \"1ms\"\ndead = \"forever\"\ncalls = \"1ms\"\nrecordings = \"1h\"";
    let mut ringpost = site.user("1001", &[&desk], USER).table(short).start();
    missed(&ringpost, &mut desk);
    is(&ringpost, "delivered", 1);
    // Recordings: one that is old, one that is not, one that nobody has been told of, and what is none.
    let folder = ringpost.folder.path().join("recordings");
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["old.wav", "new.wav", "untold.wav", "untold.json", "notes.txt"] {
        std::fs::write(folder.join(name), b"secret").expect("written");
    }
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
    for name in ["old.wav", "untold.wav", "notes.txt"] {
        let file = std::fs::File::options().write(true).open(folder.join(name)).expect("there");
        file.set_modified(long_ago).expect("set");
    }
    ringpost.terminate();
    ringpost.restart();
    is(&ringpost, "delivered", 0);
    until("the old recording is gone", || !folder.join("old.wav").exists());
    for name in ["new.wav", "untold.wav", "notes.txt"] {
        assert!(folder.join(name).exists(), "{name}");
    }
    ringpost.logs("Removed what was kept long enough");
    ringpost.stops_well();
}
