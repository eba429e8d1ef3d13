//! R31 R120: what `ringpost doctor` says, as text and as JSON, and what it ends with. The golden files are rewritten with BLESS=1.

use std::{fs, path::Path, time::Duration};

use ringpost::doctor::{Found, GROUPS, Report, STEPS, Step, Verdict, advice, complete, is_asked_for, kind};

fn step(name: &str, verdict: Verdict, said: &str, remedy: Option<String>) -> Step {
    let found = Found { verdict, said: said.to_owned(), remedy };
    Step { name: name.to_owned(), found, took: Duration::from_millis(7) }
}

fn report(steps: Vec<Step>) -> Report {
    let (version, site) = ("0.1.0".to_owned(), "site.toml".to_owned());
    Report { version, site, steps, took: Duration::from_millis(1_234), is_bad_site: false }
}

fn sample() -> Report {
    let wrong = "127.0.0.1:5061: invalid peer certificate: certificate not valid for name \"pbx.corp.test\"";
    let chain = ["channel.mail.dns", "channel.mail.certificate", "channel.mail.login"].map(str::to_owned);
    let away = Found {
        verdict: Verdict::Failed,
        said: "mail.corp.test is not found".to_owned(),
        remedy: Some(advice::no_records("[mail] url")),
    };
    let mut steps = vec![
        // Groups have an order of their own, whatever the order of the steps.
        step("trunk.pbx.dns", Verdict::Ok, "by SRV _sips._tcp.pbx.corp.test: 127.0.0.1:5061 TLS", None),
        step(
            "trunk.pbx.certificate",
            Verdict::Failed,
            wrong,
            Some(advice::certificate(wrong, "[tls] ca", "target of trunk pbx")),
        ),
        step("config.site", Verdict::Ok, "1 trunk, 1 UM plan, 2 users, 1 channel", None),
        step(
            "host.files",
            Verdict::Warning,
            "this process may open 64 files",
            Some("Set LimitNOFILE=600.".to_owned()),
        ),
        step("um.127.0.0.1:5070.options", Verdict::Note, "405", Some(advice::sip_refuses("UM servers"))),
    ];
    steps.extend(complete(&chain, vec![(away, Duration::from_millis(3))]));
    report(steps)
}

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).expect("written");
    }
    assert_eq!(text, fs::read_to_string(&path).expect("a golden file"), "{name}");
}

#[test]
fn r31_every_step_has_its_verdict_and_its_remedy_as_text_and_as_json() {
    let report = sample();
    golden("doctor.txt", &report.text(false));
    // The keys may come in any order.
    let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
    golden("doctor.json", &format!("{json:#}\n"));
    let coloured = report.text(true);
    assert!(coloured.contains("\u{1b}[1;31mfailed \u{1b}[0m"));
    let plain = coloured.split('\u{1b}').map(|part| part.split_once('m').map_or(part, |(_, rest)| rest));
    let first = coloured.split('\u{1b}').next().expect("a text");
    assert_eq!(
        first.to_owned() + &plain.skip(1).collect::<String>(),
        report.text(false),
        "colours add nothing else"
    );
}

#[test]
fn the_exit_code_is_that_of_the_worst() {
    use Verdict::{Failed, Note, Ok, Skipped, Warning};
    for (verdicts, expected) in
        [(&[][..], 0), (&[Ok, Note, Skipped], 0), (&[Ok, Warning], 0), (&[Failed, Ok], 1)]
    {
        let steps = verdicts.iter().map(|verdict| step("config.site", *verdict, "so", None)).collect();
        let mut report = report(steps);
        assert_eq!(report.exit_code(), expected, "{verdicts:?}");
        report.is_bad_site = true;
        assert_eq!(report.exit_code(), 64);
    }
}

#[test]
fn every_group_is_shown_whatever_comes() {
    let steps = GROUPS.map(|(group, _)| step(&format!("{group}.x"), Verdict::Ok, "so", None));
    let text = report(steps.to_vec()).text(false);
    for (group, title) in GROUPS {
        assert!(text.contains(&format!("\n{title}\n")) && text.contains(&format!("{group}.x")), "{group}");
    }
}

#[test]
fn what_was_not_reached_names_what_it_needs() {
    let names = ["a.dns", "a.certificate", "a.options"].map(str::to_owned);
    let ok = || (Found { verdict: Verdict::Ok, said: "so".into(), remedy: None }, Duration::ZERO);
    let needs = |done: usize| -> Vec<Option<String>> {
        let steps = complete(&names, (0..done).map(|_| ok()).collect());
        steps.iter().map(|step| step.found.needs().map(str::to_owned)).collect()
    };
    assert_eq!(needs(3), [None, None, None]);
    assert_eq!(needs(1), [None, Some("a.dns".into()), Some("a.dns".into())]);
    assert_eq!(needs(0), [None, None, None], "nobody began it");
    assert!(complete(&names, vec![]).iter().all(|step| step.found.verdict == Verdict::Skipped));
}

#[test]
fn a_step_is_asked_for_by_its_name_or_the_words_that_it_begins_with() {
    for (only, expected) in [
        (None, true),
        (Some("trunk"), true),
        (Some("trunk.pbx"), true),
        (Some("trunk.pbx."), true),
        (Some("trunk.pbx.options"), true),
        (Some("trunk.pb"), false),
        (Some("options"), false),
        (Some("trunk.pbx.options.more"), false),
    ] {
        assert_eq!(is_asked_for("trunk.pbx.options", only), expected, "{only:?}");
    }
}

/// R87 R91: what is wrong with a certificate decides what is to be done.
#[test]
fn every_refusal_of_a_certificate_has_its_remedy() {
    for (why, expected) in [
        ("invalid peer certificate: certificate expired: verified at …", "Renew"),
        ("invalid peer certificate: certificate not valid yet", "clocks"),
        ("invalid peer certificate: certificate not valid for name \"a\"", "the-url as its certificate does"),
        ("invalid peer certificate: UnknownIssuer", "in the-ca"),
        ("received corrupt message of type InvalidContentType", "openssl"),
    ] {
        let remedy = advice::certificate(why, "the-ca", "the-url");
        assert!(remedy.contains(expected), "{why}: {remedy}");
    }
}

/// R120: every step of the guide for the PBX's side is one of the doctor's, every one of these stands in the guide, and remedies
/// name sections that it has.
#[test]
fn r120_guide_and_doctor_know_the_same_steps() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(advice::GUIDE);
    let guide = fs::read_to_string(path).expect("the guide");
    let quoted = |text: &str| guide.contains(&format!("`{text}`"));
    for step in STEPS {
        assert!(quoted(step), "the guide does not know {step}");
        assert!(GROUPS.iter().any(|(group, _)| step.split('.').next() == Some(group)), "{step}");
    }
    let words = guide.split('`').skip(1).step_by(2);
    let steps = words.filter(|word| GROUPS.iter().any(|(group, _)| word.starts_with(&format!("{group}."))));
    let unknown: Vec<&str> = steps.filter(|word| !STEPS.contains(word) && !word.ends_with(".toml")).collect();
    assert!(unknown.is_empty(), "the doctor does not know {unknown:?}");
    for section in ["Trunks", "UM servers", "Presence and remote call control"] {
        for remedy in
            [advice::no_sip("x", section), advice::sip_unwell(section), advice::sip_refuses(section)]
        {
            assert!(remedy.contains(section) && remedy.contains(advice::GUIDE));
        }
        assert!(guide.lines().any(|line| line.starts_with("## ") && line.ends_with(section)), "{section}");
    }
}

#[test]
fn a_name_is_of_one_kind() {
    for (name, expected) in [
        ("config.site", Some("config.site")),
        ("trunk.my.pbx.options", Some("trunk.NAME.options")),
        ("channel.mail.token", Some("channel.NAME.token")),
        ("channel.mail.token-dns", Some("channel.NAME.token-dns")),
        ("port.udp:127.0.0.1:5060", Some("port.LISTENER")),
        ("tls.ca", Some("tls.ca")),
        ("tls.ca.own.pem", Some("tls.ca.FILE")),
        ("connector.pbx.user", Some("connector.NAME.user")),
        ("gateway.pbx.csta", Some("gateway.NAME.csta")),
        ("trunk..options", None),
        ("trunk.pbx", None),
    ] {
        assert_eq!(kind(name), expected, "{name}");
    }
}
