//! A healthy site, as the library and as the program tell it.

use std::process::{Command, Output};

use ringpost::doctor::Verdict;
use serde_json::Value;

use crate::town::{Town, step, verdicts};

/// R31: on a healthy site every step is well.
#[test]
fn r31_a_healthy_site_is_well_in_every_step() {
    let town = Town::new();
    let report = town.reports(|asked| asked.user = Some("1001".into()));
    let (sip, tls, metrics) = (town.sip, town.sip + 1, town.sip + 2);
    let um = town.um.address.port();
    let expected: Vec<(String, Verdict)> = [
        "config.site",
        "config.time_zones",
        "config.names",
        "config.users",
        "host.clock",
        "host.files",
        "program.running",
        &format!("port.udp:127.0.0.1:{sip}"),
        &format!("port.tcp:127.0.0.1:{sip}"),
        &format!("port.tls:127.0.0.1:{tls}"),
        &format!("port.metrics:127.0.0.1:{metrics}"),
        "store.folder",
        "store.space",
        "store.schema",
        "voicemail.address",
        "voicemail.ports",
        "voicemail.recordings",
        "voicemail.greetings",
        "tls.own.own.pem",
        "tls.ca.own.pem",
        "trunk.pbx.dns",
        "trunk.pbx.certificate",
        "trunk.pbx.options",
        "trunk.provider.dns",
        "trunk.provider.certificate",
        "trunk.provider.options",
        &format!("um.um.corp.test:{um}.dns"),
        &format!("um.um.corp.test:{um}.options"),
        "names.devices",
        "channel.archive.folder",
        "channel.exchange.dns",
        "channel.exchange.certificate",
        "channel.exchange.alive",
        "channel.exchange.mailbox",
        "channel.hook.dns",
        "channel.hook.certificate",
        "channel.hook.alive",
        "channel.online.token-dns",
        "channel.online.token-certificate",
        "channel.online.token",
        "channel.online.dns",
        "channel.online.certificate",
        "channel.online.mailbox",
        "channel.mail.dns",
        "channel.mail.certificate",
        "channel.mail.login",
        "channel.mail.envelope",
    ]
    .into_iter()
    // Its name could lead to TLS, and does not.
    .map(|name| {
        (name.to_owned(), if name == "trunk.pbx.certificate" { Verdict::Skipped } else { Verdict::Ok })
    })
    .collect();
    assert_eq!(verdicts(&report), expected, "{}", report.text(false));
    assert_eq!(report.exit_code(), 0);
    assert!(report.steps.iter().all(|step| step.found.remedy.is_none()));
    for (name, words) in [
        ("config.time_zones", "Europe/Copenhagen"),
        (
            "trunk.pbx.dns",
            "by NAPTR pbx.corp.test, SRV _sip._udp.pbx.corp.test, A host.corp.test: 127.0.0.1:",
        ),
        ("trunk.provider.certificate", "good and of sbc.corp.test, ends in "),
        ("trunk.provider.options", "TLS answers 200"),
        ("tls.own.own.pem", "of corp.test, 127.0.0.1, ends in "),
        ("channel.exchange.alive", "401: it lives and asks for credentials"),
        ("channel.mail.envelope", "none was sent"),
    ] {
        assert!(step(&report, name).found.said.contains(words), "{name}: {}", step(&report, name).found.said);
    }
    // No mail, one login, and Exchange was shown the password by one request.
    assert_eq!(["AUTH", "MAIL", "RCPT", "RSET", "DATA"].map(|word| town.smtp.heard(word)), [1, 1, 1, 1, 0]);
    assert_eq!(town.ews.asked().iter().filter(|asked| asked.header("authorization").is_some()).count(), 1);
    assert_eq!(town.graph.kept().len(), 0);
}

fn ringpost(town: &Town, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    command.arg("doctor").arg("--config").arg(town.writes()).args(more).output().expect("it runs")
}

/// R31: the program: text, JSON, exit codes, parts of it.
#[test]
fn r31_the_program_tells_it_as_text_and_as_json_and_exits_accordingly() {
    let mut town = Town::new();
    let told = |output: &Output| String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let whole = ringpost(&town, &[]);
    assert_eq!(whole.status.code(), Some(0), "{}", told(&whole));
    assert!(
        told(&whole).ends_with("s: all is well\n") && !told(&whole).contains('\u{1b}'),
        "{}",
        told(&whole)
    );
    town.pbx.says(503);
    let failed = ringpost(&town, &["--json"]);
    assert_eq!(failed.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&failed.stdout).expect("JSON");
    assert_eq!((&json["schema"], &json["exit_code"]), (&1.into(), &1.into()));
    assert_eq!(json["counts"]["failed"], 1);
    let steps = json["steps"].as_array().expect("a list");
    let pbx = steps.iter().find(|step| step["step"] == "trunk.pbx.options").expect("a step");
    assert_eq!((&pbx["group"], &pbx["verdict"]), (&"trunk".into(), &"failed".into()));
    assert!(pbx["remedy"].as_str().is_some_and(|remedy| remedy.contains("examples/sites/README.md")));
    let part = ringpost(&town, &["--only", "trunk.provider", "--timeout", "2s"]);
    assert_eq!(part.status.code(), Some(0), "only what is asked for counts");
    assert_eq!(told(&part).matches("trunk.provider.").count(), 3, "{}", told(&part));
    assert!(!told(&part).contains("trunk.pbx"));
    let asked = |more: &[&str]| {
        let output = ringpost(&town, more);
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let (code, said) = asked(&["--only", "trunk.x"]);
    assert!(code == Some(2) && said.contains("trunk.pbx.options"), "{said}");
    let (code, said) = asked(&["--user", "nobody"]);
    assert!(code == Some(2) && said.contains("no user nobody"), "{said}");
    assert_eq!(asked(&["--timeout", "soon"]).0, Some(2));
    let file = town.writes();
    let few = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 256 && exec \"$0\" doctor --only host --config \"$1\"",
            env!("CARGO_BIN_EXE_ringpost"),
        ])
        .arg(file)
        .output()
        .expect("it runs");
    assert_eq!(few.status.code(), Some(0), "a warning is no failure");
    assert!(
        told(&few).contains("warning  host.files") && told(&few).contains("LimitNOFILE=622"),
        "{}",
        told(&few)
    );
    town.replaces("lanes = 1", "lanes = \"many\"");
    let bad = ringpost(&town, &["--json"]);
    let json: Value = serde_json::from_slice(&bad.stdout).expect("JSON");
    assert_eq!((bad.status.code(), &json["steps"][0]["step"]), (Some(64), &"config.site".into()));
    assert!(json["steps"][0]["found"].as_str().is_some_and(|found| found.contains("sip.lanes")), "{json}");
}
