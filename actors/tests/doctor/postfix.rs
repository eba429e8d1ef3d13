//! A real Postfix with submission, STARTTLS and a password: well, and not one mail comes of it.

use std::process::Command;

use ringpost::doctor::Verdict;

use crate::{
    support::{free_port, service},
    town::{Town, step},
};

struct Servers(tempfile::TempDir);

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = Command::new(service("mail/stop.sh")).arg(self.0.path()).status();
    }
}

#[test]
fn r31_a_real_mail_server_is_well_and_gets_no_mail() {
    let servers = Servers(tempfile::tempdir().expect("a folder"));
    let [plain, submission, smtps, imap] = [(); 4].map(|()| free_port());
    let ports = [plain, submission, smtps, imap].map(|port| port.to_string());
    let started = Command::new(service("mail/start.sh")).arg(servers.0.path()).args(ports).status();
    match started.expect("bash").code() {
        Some(0) => {}
        Some(77) => return println!("skipped: Postfix, Dovecot, openssl or root is missing"),
        other => panic!("the mail servers do not start: {other:?}"),
    }
    let mut town = Town::new();
    let (old, ca) = (format!("svc@127.0.0.1:{}", town.smtp.port), servers.0.path().join("etc/ca.pem"));
    town.replaces(&old, &format!("alice@127.0.0.1:{submission}"));
    town.replaces("mail.password\"\nca = \"ca/own.pem\"", &format!("mail.password\"\nca = {ca:?}"));
    // The certificates of that server are made for 30 days.
    town.replaces("ca = \"ca\"\n", "ca = \"ca\"\nexpiry_warning = \"5d\"\n");
    let look = |town: &Town, password: &str| {
        std::fs::write(town.path("mail.password"), password).expect("written");
        town.reports(|asked| {
            (asked.user, asked.only) = (Some("1001".into()), Some("channel.mail".into()));
        })
    };
    town.replaces("mail = \"ada@corp.test\"", "mail = \"alice@corp.test\"");
    let report = look(&town, "pw");
    assert!(report.steps.iter().all(|step| step.found.verdict == Verdict::Ok), "{}", report.text(false));
    assert_eq!(report.steps.len(), 4);
    let report = look(&town, "wrong");
    assert_eq!(step(&report, "channel.mail.login").found.verdict, Verdict::Failed, "{}", report.text(false));
    let output = Command::new("python3")
        .arg(service("mail/read.py"))
        .args([imap.to_string().as_str(), "alice", "0"])
        .output();
    let output = output.expect("Python starts");
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
