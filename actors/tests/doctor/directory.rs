//! R31 R41 R87: the directory, by a real slapd that wants TLS and a login.

use std::fs;

use ringpost::doctor::{
    Report,
    Verdict::{self, Failed, Ok, Skipped},
};

use crate::{
    authority::{Authority, lasting},
    slapd::{self, BASE, PASSWORD, READER, Slapd},
    town::{Town, step, verdicts},
};

/// A town whose directory is asked at those URLs.
fn town(slapd: &Slapd, servers: &[String], lines: &str) -> Town {
    let mut town = Town::new();
    fs::write(town.path("directory.password"), PASSWORD).expect("written");
    let ca = slapd.file("ca.pem");
    town.text += &format!(
        "[directory]\nservers = {servers:?}\nprofile = \"openldap\"\nfilter = \"(objectClass=user)\"\nbind_name = \"{READER}\"\n\
         password_file = \"directory.password\"\nca = {ca:?}\nbases = [\"{BASE}\"]\n{lines}\n"
    );
    town
}

fn look(town: &Town, user: Option<&str>) -> Report {
    town.reports(|asked| (asked.user, asked.only) = (user.map(str::to_owned), Some("ldap".into())))
}

#[test]
fn r31_a_directory_is_looked_at_server_by_server() {
    if !slapd::is_there() {
        return;
    }
    let slapd = Slapd::start(lasting("ours"), &slapd::people(20), "");
    let (implicit, start) =
        (format!("ldaps://127.0.0.1:{}", slapd.ldaps), format!("ldap://127.0.0.1:{}", slapd.ldap));
    let name = |server: u16, step: &str| format!("ldap.127.0.0.1:{server}.{step}");
    let both = [implicit.clone(), start.clone()];

    let report = look(&town(&slapd, &both, ""), Some("user7@corp.test"));
    let steps = |server: u16, steps: &[&str]| {
        steps.iter().map(|step| (name(server, step), Ok)).collect::<Vec<(String, Verdict)>>()
    };
    let mut expected = steps(slapd.ldaps, &["dns", "certificate", "login", "bases", "person"]);
    expected.extend(steps(slapd.ldap, &["dns", "login", "bases", "person"]));
    assert_eq!(verdicts(&report), expected, "{}", report.text(false));
    let person = &step(&report, &name(slapd.ldap, "person")).found.said;
    assert!(
        person.starts_with("a person with ") && person.contains("telephone, SIP address, mail address"),
        "{person}"
    );
    assert!(!report.json().contains(PASSWORD) && !report.json().contains("Last7"));

    // Whatever is wrong, the step that it is told in, and the remedy.
    type Row<'r> = (&'r [String], &'r str, &'r str, [&'r str; 2]);
    let rows: [Row<'_>; 4] = [
        (&both[..1], "user99@corp.test", "person", ["nobody there", "filter and bases"]),
        (
            &[format!("ldaps://localhost:{}", slapd.ldaps)],
            "user7@corp.test",
            "certificate",
            ["not valid for", "[directory] servers"],
        ),
        (
            &["ldaps://127.0.0.1:9".to_owned()],
            "user7@corp.test",
            "certificate",
            ["refused", "[directory] servers"],
        ),
        (&[start.clone() + "?starttls=never"], "user7@corp.test", "login", ["without TLS", "ldaps://"]),
    ];
    for (servers, user, wrong, words) in rows {
        let report = look(&town(&slapd, servers, ""), Some(user));
        let broken = report.steps.iter().find(|step| step.found.verdict == Failed);
        let found = broken.unwrap_or_else(|| panic!("{}", report.text(false)));
        assert!(found.name.ends_with(wrong), "{}", report.text(false));
        let remedy = found.found.remedy.as_deref().unwrap_or_default();
        assert!(found.found.said.contains(words[0]) && remedy.contains(words[1]), "{}", report.text(false));
    }
    let gone = town(&slapd, &both[..1], "configuration = \"ou=Nowhere,dc=corp,dc=test\"");
    let report = look(&gone, None);
    let found = &step(&report, &name(slapd.ldaps, "bases")).found;
    assert!(found.verdict == Failed && found.said.contains("no entry ou=Nowhere"), "{}", report.text(false));
    let other = town(&slapd, &both[..1], "");
    fs::write(slapd.file("ca.pem"), Authority::new("other").pem()).expect("written");
    let report = look(&other, None);
    let found = &step(&report, &name(slapd.ldaps, "certificate")).found;
    assert!(found.verdict == Failed && found.said.contains("UnknownIssuer"), "{}", report.text(false));
}

/// A wrong password is shown to one of the servers, once.
#[test]
fn r31_a_wrong_password_is_shown_to_one_server() {
    if !slapd::is_there() {
        return;
    }
    let slapd = Slapd::start(lasting("ours"), &slapd::people(1), "");
    let both = [format!("ldaps://127.0.0.1:{}", slapd.ldaps), format!("ldap://127.0.0.1:{}", slapd.ldap)];
    let town = town(&slapd, &both, "");
    fs::write(town.path("directory.password"), "not-the-reader's").expect("written");
    let report = look(&town, None);
    let logins = [slapd.ldaps, slapd.ldap]
        .map(|port| step(&report, &format!("ldap.127.0.0.1:{port}.login")).found.verdict);
    assert!(logins.contains(&Failed) && logins.contains(&Skipped), "{}", report.text(false));
    let skipped =
        report.steps.iter().find(|step| step.found.verdict == Skipped && step.name.ends_with("login"));
    assert!(skipped.is_some_and(|step| step.found.said.starts_with("the same login was refused in ldap.")));
    assert_eq!(report.exit_code(), 1);
}
