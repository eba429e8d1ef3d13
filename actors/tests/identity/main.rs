//! What callers are called, asked of servers (issue 4; R7, R205; T24 and T35 for sources of names): whole programs, with an
//! Exchange that checks the schema, a Graph of the test's own, and servers that do what they should not.

#[path = "../transports/authority.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod authority;
mod contacts;
#[path = "../ews/emulator.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod emulator;
#[path = "../graph/exchange.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod exchange;
mod faults;
#[path = "../support/call/mod.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;

use std::{fs, process::Command};

use mail_parser::MessageParser;
use program::{Over, Peer, Ringpost, Site};
use serde_json::Value;

/// A PBX, a desk phone, and a site that writes mails into Maildirs.
struct Scene {
    site: Site,
    pbx: Peer,
    desk: Peer,
}

impl Scene {
    fn new() -> Self {
        let site = Site::new().maildir();
        let (pbx, desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
        fs::write(site.folder.path().join("exchange.password"), "pw\n").expect("a file");
        Self { site, pbx, desk }
    }

    fn with(self, lines: &str) -> Self {
        Self { site: self.site.table(lines), ..self }
    }

    /// A user who is told by mail.
    fn user(self, number: &str) -> Self {
        let mail = format!("missed_calls = \"mail\"\nmail = \"{number}@corp.test\"");
        Self { site: self.site.user(number, &[&self.desk], &mail), ..self }
    }

    /// The callees' contacts at an Exchange server.
    fn exchange(self, url: &str, lines: &str) -> Self {
        self.with(&format!(
            "[channel.exchange]\nkind = \"ews\"\nurl = {url:?}\nauth = \"basic\"\nuser = \"svc@corp.test\"\n\
             password_file = \"exchange.password\"\nfrom = \"um@corp.test\"\nca = \"ca/own.pem\"\n\
             [identity.source.own]\nkind = \"ews\"\nchannel = \"exchange\"\n{lines}"
        ))
    }
}

/// A call that rings and that nobody takes.
fn missed(pbx: &mut Peer, desk: &mut Peer, user: &str, while_it_rings: impl FnOnce()) {
    let invite = pbx.invite(user);
    let rings = desk.expect("INVITE");
    desk.answer(&rings, 180);
    pbx.expect("180");
    while_it_rings();
    desk.answer(&rings, 486);
    desk.expect("ACK");
    pbx.refused(&invite, 486);
}

/// The subject as a person reads it.
fn subject(mail: &str) -> String {
    let mail = MessageParser::default().parse(mail).expect("a mail");
    mail.subject().unwrap_or_default().to_owned()
}

/// The notices as `ringpost outbox list --json` has them, the newest first.
fn listed(ringpost: &Ringpost) -> Vec<Value> {
    let site = ringpost.folder.path().join("site.toml");
    let asked = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(["outbox", "list", "--json", "--config"])
        .arg(site)
        .output()
        .expect("it runs");
    let text = String::from_utf8(asked.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// No line of the log above DEBUG has any of these words.
fn keeps_quiet(ringpost: &Ringpost, words: &[&str]) {
    for line in ringpost.log().lines().filter(|line| !line.contains("DEBUG")) {
        assert!(!words.iter().any(|word| line.contains(word)), "{line}");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
