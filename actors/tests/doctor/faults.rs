//! One fault at a time: its step, its verdict, its remedy, and no other step but those that need it.

mod rows;

use std::time::Duration;

use ringpost::doctor::{
    Step,
    Verdict::{self, Failed, Skipped, Warning},
};

use crate::{
    authority::{Authority, Pair, params},
    town::{Town, step, verdicts},
};
use rows::{ROWS, Row, ending};

/// R31 R41 R87 R91.
#[test]
fn r31_each_fault_changes_its_own_step_and_those_that_need_it() {
    let healthy = verdicts(&Town::new().report());
    let complaints: Vec<String> = ROWS.iter().flat_map(|row| complaints(row, &healthy)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

/// What is not as the row has it.
fn complaints(row: &Row, healthy: &[(String, Verdict)]) -> Vec<String> {
    let (mut town, name) = (Town::new(), row.step);
    let held = (row.breaks)(&mut town);
    // A look-up of a name takes as long as the system wants.
    let patience = Duration::from_millis(if name.ends_with("dns") { 5_000 } else { 1_500 });
    let report = town.reports(|asked| asked.timeout = patience);
    drop(held);
    let said = report.text(false);
    let is_broken = |step: &&Step| step.found.verdict != Verdict::Ok && step.name != "trunk.pbx.certificate";
    let broken: Vec<&Step> = report.steps.iter().filter(is_broken).collect();
    let Some(own) = broken.iter().find(|step| step.name.starts_with(name)) else {
        return vec![format!("{name} is well in\n{said}")];
    };
    let (found, remedy) = (&own.found, own.found.remedy.as_deref().unwrap_or_default());
    let mut complaints = vec![];
    let mut wants = |so: bool, what: String| {
        if !so {
            complaints.push(format!("{name}: {what}"));
        }
    };
    wants(found.verdict == row.verdict, format!("{:?}, {}", found.verdict, found.said));
    wants(found.said.contains(row.words[0]), found.said.clone());
    wants(remedy.contains(row.words[1]), remedy.to_owned());
    for other in broken.iter().filter(|step| step.name != own.name) {
        let waits = other.found.needs() == Some(own.name.as_str());
        wants(waits, format!("changes {}: {:?}, {}", other.name, other.found.verdict, other.found.said));
    }
    // Names with ports in them are other ones in each town.
    let stays = |name: &str| !name.starts_with("port.") && !name.starts_with("um.");
    let steps = verdicts(&report);
    for (kept, _) in healthy.iter().filter(|(kept, _)| stays(kept)) {
        wants(steps.iter().any(|(there, _)| there == kept), format!("{kept} has gone"));
    }
    wants(report.exit_code() == u8::from(row.verdict == Failed), "exits otherwise".to_owned());
    complaints
}

/// R31: a password that is wrong is shown once, though two channels log in by it.
#[test]
fn r31_a_wrong_password_is_shown_once_in_all() {
    let mut town = Town::new();
    town.smtp.becomes(|mood| mood.password = "another");
    let port = town.smtp.port;
    town.text += &format!(
        "[channel.second]\nkind = \"smtp\"\nurl = \"smtp://svc@127.0.0.1:{port}?starttls=required\"\nfrom = \"rp@corp.test\"\n\
         password_file = \"mail.password\"\nca = \"ca/own.pem\"\n"
    );
    let report = town.report();
    let logins = ["channel.mail.login", "channel.second.login"].map(|name| step(&report, name).found.clone());
    let verdicts: Vec<Verdict> = logins.iter().map(|found| found.verdict).collect();
    assert!(verdicts.contains(&Failed) && verdicts.contains(&Skipped), "{}", report.text(false));
    let skipped = logins.iter().find(|found| found.verdict == Skipped).expect("one of them");
    assert!(skipped.said.starts_with("the same login was refused in channel."), "{}", skipped.said);
    assert_eq!(town.smtp.heard("AUTH"), 1);
}

/// R28: every place is told in its order, and credentials go to none of those that do not live.
#[test]
fn r28_where_autodiscover_lives_nowhere_each_place_is_told_with_its_reason() {
    let mut town = Town::new();
    town.replaces("ada@corp.test", "ada@nowhere.invalid");
    town.text += "[channel.hybrid]\nkind = \"ews\"\nauth = \"basic\"\nuser = \"svc@corp.test\"\n\
                  password_file = \"exchange.password\"\nfrom = \"rp@corp.test\"\n";
    let report = town.reports(|asked| asked.only = Some("channel.hybrid".into()));
    let found = &step(&report, "channel.hybrid.autodiscover").found;
    assert_eq!(found.verdict, Failed);
    let places = ["domain: ", "host: ", "redirect: "].map(|place| found.said.find(place));
    assert!(places[0] == Some(0) && places[0] < places[1] && places[1] < places[2], "{}", found.said);
    assert!(found.remedy.as_deref().is_some_and(|remedy| remedy.contains("autodiscover.nowhere.invalid")));
    assert_eq!(step(&report, "channel.hybrid.mailbox").found.needs(), Some("channel.hybrid.autodiscover"));
}

/// A mail channel with tokens: the provider is believed as the channel believes it, and a server without XOAUTH2 is told.
#[test]
fn r31_the_tokens_of_a_mail_channel_are_looked_at_by_themselves() {
    let mut town = Town::new();
    let (port, token) = (town.smtp.port, town.graph.url("/t/token"));
    town.text += &format!(
        "[channel.second]\nkind = \"smtp\"\nurl = \"smtp://svc@127.0.0.1:{port}?starttls=required\"\nfrom = \"rp@corp.test\"\n\
         auth = \"xoauth2\"\ntoken_url = \"{token}\"\nclient_id = \"app\"\nscope = \"s\"\nclient_secret_file = \"online.secret\"\n\
         ca = \"ca/own.pem\"\n"
    );
    let report = town.reports(|asked| asked.only = Some("channel.second".into()));
    let of = |name: &str| step(&report, name).found.verdict;
    let names = ["token-dns", "token-certificate", "token", "dns", "certificate"];
    for name in names.map(|name| format!("channel.second.{name}")) {
        assert_eq!(of(&name), Verdict::Ok, "{}", report.text(false));
    }
    let login = &step(&report, "channel.second.login").found;
    assert!(login.verdict == Failed && login.said.contains("XOAUTH2"), "{}", report.text(false));
}

/// R120: with `--user` the mail server is asked for its recipient too.
#[test]
fn r120_a_recipient_that_is_refused_is_told_before_the_first_mail() {
    let town = Town::new();
    town.smtp.becomes(|mood| mood.rcpt = "550 5.1.1 no such user");
    let asked = |user: Option<&str>| {
        let report = town.reports(|asked| {
            (asked.user, asked.only) = (user.map(str::to_owned), Some("channel.mail.envelope".into()));
        });
        step(&report, "channel.mail.envelope").found.verdict
    };
    assert_eq!([asked(None), asked(Some("sip:1001@corp.test"))], [Verdict::Ok, Failed]);
    assert_eq!(town.smtp.heard("DATA"), 0);
}

/// R87: what a trunk shows by TLS is checked for its name and its time.
#[test]
fn r87_the_certificate_of_a_trunk_is_refused_with_the_reason_and_the_remedy() {
    type Shown = fn(&Authority) -> Pair;
    let rows: [(Shown, Verdict, [&str; 2]); 4] = [
        (|ours| ours.signs(&params(&["else.test"])), Failed, ["NotValidForName", "target of trunk provider"]),
        (|ours| ours.signs(&ending(&["sbc.corp.test"], -1)), Failed, ["xpired", "Renew"]),
        (|ours| ours.signs(&ending(&["sbc.corp.test"], 9)), Warning, ["it ends in 9 days", "renewed"]),
        (
            |_| Authority::new("other").signs(&params(&["sbc.corp.test"])),
            Failed,
            ["UnknownIssuer", "[tls] ca"],
        ),
    ];
    for (shown, verdict, words) in rows {
        let town = Town::showing(shown);
        let report = town.reports(|asked| asked.only = Some("trunk.provider".into()));
        let found = &step(&report, "trunk.provider.certificate").found;
        assert_eq!(found.verdict, verdict, "{}", report.text(false));
        assert!(found.said.contains(words[0]), "{}", found.said);
        let remedy = found.remedy.as_deref().unwrap_or_default();
        assert!(remedy.contains(words[1]), "{remedy}");
        let needs = step(&report, "trunk.provider.options").found.needs();
        assert_eq!(
            needs.is_some(),
            verdict == Failed,
            "OPTIONS goes out only to whom the certificate vouches for"
        );
    }
}
