//! One fault at a time: its step, its verdict, its remedy, and no other step but those that need it.

use std::{
    fs::{self, File},
    net::UdpSocket,
    sync::atomic::Ordering::SeqCst,
    time::{Duration, SystemTime},
};

use rcgen::CertificateParams;
use ringpost::doctor::{
    Step,
    Verdict::{self, Failed, Note, Skipped, Warning},
};
use serde_json::json;

use crate::{
    authority::{Authority, Pair, params, server_config},
    dns::Mood,
    exchange::Fault,
    support::http::{Reply, Server},
    town::{Town, step, verdicts},
};

/// What is held as long as the doctor looks.
type Held = Vec<UdpSocket>;

struct Row {
    step: &'static str,
    verdict: Verdict,
    /// Words of what is found, and of the remedy.
    words: [&'static str; 2],
    breaks: fn(&mut Town) -> Held,
}

fn ending(names: &[&str], days: i64) -> CertificateParams {
    let mut params = params(names);
    let now = SystemTime::now();
    let day = Duration::from_secs(86_400);
    let away = day * u32::try_from(days.unsigned_abs()).expect("small");
    params.not_before = (now - 400 * day).into();
    params.not_after = (if days < 0 { now - away } else { now + away + day / 2 }).into();
    params
}

fn mail_shows(town: &Town, params: &CertificateParams, authority: &Authority) {
    let tls = server_config(&authority.signs(params));
    town.smtp.becomes(|mood| mood.tls = tls);
}

const ROWS: [Row; 47] = [
    row("host.clock", Failed, ["the store was written at", "NTP"], |town| {
        let file = File::create(town.path("store.db")).expect("a file");
        file.set_modified(SystemTime::now() + Duration::from_secs(86_400)).expect("a time");
        vec![]
    }),
    row("port.udp", Failed, ["held by doctor-", "another port in sip.listen"], |town| {
        vec![UdpSocket::bind(("127.0.0.1", town.sip)).expect("a port")]
    }),
    row("port.udp:192.0.2.77:5060", Failed, ["no such address", "0.0.0.0"], |town| {
        town.replaces("listen = [", "listen = [\"udp:192.0.2.77:5060\", ");
        vec![]
    }),
    row("store.folder", Failed, ["own.key cannot be written", "[store] path"], |town| {
        town.replaces("\"store.db\"", "\"own.key/store.db\"");
        vec![]
    }),
    row("store.schema", Failed, ["is not a Ringpost store", "backup"], |town| {
        fs::write(town.path("store.db"), [b'x'; 8_192]).expect("written");
        vec![]
    }),
    row("voicemail.address", Failed, ["no such address", "[voicemail] address"], |town| {
        town.replaces("[voicemail]", "[voicemail]\naddress = \"192.0.2.78\"");
        vec![]
    }),
    row("voicemail.address", Note, ["this machine only", "[voicemail] address"], |town| {
        town.replaces("\"127.0.0.2\"", "\"192.0.2.79\"");
        vec![]
    }),
    row("voicemail.ports", Failed, ["all 4 ports", "rtp_ports"], |town| {
        (0..4).map(|at| UdpSocket::bind(("127.0.0.1", town.rtp + 2 * at)).expect("a port")).collect()
    }),
    row("voicemail.ports", Warning, ["3 of 4 ports are free", "rtp_ports"], |town| {
        vec![UdpSocket::bind(("127.0.0.1", town.rtp)).expect("a port")]
    }),
    row("voicemail.recordings", Failed, ["cannot be written", "[voicemail] recordings"], |town| {
        town.replaces("recordings = \"recordings\"", "recordings = \"own.key/recordings\"");
        vec![]
    }),
    row("voicemail.greetings", Failed, ["en.wav", "8000 Hz"], |town| {
        fs::create_dir(town.path("greetings")).expect("a folder");
        fs::write(town.path("greetings/en.wav"), b"RIFF").expect("written");
        town.replaces("[voicemail]", "[voicemail]\ngreetings = \"greetings\"");
        vec![]
    }),
    row("tls.own.own.pem", Failed, ["it ended 3 days ago", "Replace own.pem"], |town| {
        town.authority.signs(&ending(&["corp.test"], -3)).writes(town.folder.path(), "own");
        vec![]
    }),
    row("tls.own.own.pem", Warning, ["it ends in 10 days", "Renew own.pem"], |town| {
        town.authority.signs(&ending(&["corp.test"], 10)).writes(town.folder.path(), "own");
        vec![]
    }),
    row("tls.own.own.pem", Failed, ["own.key", "each key with its certificate"], |town| {
        let other = town.authority.signs(&params(&["corp.test"]));
        fs::write(town.path("own.key"), other.key.serialize_pem()).expect("written");
        vec![]
    }),
    row("tls.own.own.pem", Note, ["none here is of sip.domain", "corp.test"], |town| {
        town.authority.renews(town.folder.path(), &["elsewhere.test"]);
        vec![]
    }),
    row("tls.own.own.pem", Note, ["not believed here", "intermediate"], |town| {
        Authority::new("other").renews(town.folder.path(), &["corp.test"]);
        vec![]
    }),
    row("tls.ca.old.pem", Failed, ["it ended 5 days ago", "Replace old.pem"], |town| {
        let old = Authority::of("old", ending(&[], -5));
        fs::write(town.path("ca/old.pem"), old.pem()).expect("written");
        vec![]
    }),
    row("tls.ca.soon.pem", Warning, ["it ends in 5 days", "Renew soon.pem"], |town| {
        let soon = Authority::of("soon", ending(&[], 5));
        fs::write(town.path("ca/soon.pem"), soon.pem()).expect("written");
        vec![]
    }),
    row("tls.ca.broken.pem", Failed, ["no certificate in it", "PEM"], |town| {
        fs::write(town.path("ca/broken.pem"), b"nothing").expect("written");
        vec![]
    }),
    row("trunk.pbx.dns", Failed, ["there is no NAPTR gone.test", "target of trunk pbx"], |town| {
        town.replaces("sip:pbx.corp.test", "sip:gone.test");
        vec![]
    }),
    row("trunk.pbx.dns", Failed, ["no DNS server answers for", "port 53"], |town| {
        ["pbx.corp.test", "_sip._udp.pbx.corp.test", "_sip._tcp.pbx.corp.test", "_sips._tcp.pbx.corp.test"]
            .into_iter()
            .for_each(|name| town.dns.mood(name, Mood::Fails));
        vec![]
    }),
    row("trunk.pbx.options", Failed, ["no answer", "target of trunk pbx"], |town| {
        town.pbx.says(0);
        vec![]
    }),
    row("trunk.pbx.options", Note, ["answers 403", "It lives"], |town| {
        town.pbx.says(403);
        vec![]
    }),
    row("trunk.pbx.options", Failed, ["answers 503", "cannot work now"], |town| {
        town.pbx.says(503);
        vec![]
    }),
    row("trunk.provider.dns", Failed, ["no listener of TLS", "[sip] listen"], |town| {
        let tls = format!(", \"tls:127.0.0.1:{}\"", town.sip + 1);
        town.replaces(&tls, "");
        vec![]
    }),
    row("trunk.provider.options", Note, ["answers 405", "It lives"], |town| {
        town.sbc.says(405);
        vec![]
    }),
    row("um.um.corp.test", Failed, ["answers 500", "\"UM servers\""], |town| {
        town.um.says(500);
        vec![]
    }),
    row("names.devices", Warning, ["1 of 1 names lead nowhere: gone.test", "devices of [[user]]"], |town| {
        town.replaces("desk@desk.corp.test", "desk@gone.test");
        vec![]
    }),
    row("channel.archive.folder", Failed, ["cannot be written", "path of archive"], |town| {
        town.replaces("\"archive\"\nfrom", "\"own.key/archive\"\nfrom");
        vec![]
    }),
    row("channel.exchange.certificate", Failed, ["refused", "url of channel exchange"], |town| {
        let port = format!(":{}/EWS", town.ews.port);
        town.replaces(&port, ":9/EWS");
        vec![]
    }),
    row("channel.exchange.alive", Warning, ["HTTP 404", "/EWS/Exchange.asmx"], |town| {
        town.knocks.store(404, SeqCst);
        vec![]
    }),
    row(
        "channel.exchange.mailbox",
        Failed,
        ["ErrorNonExistentMailbox", "ApplicationImpersonation"],
        |town| {
            town.opens.store(404, SeqCst);
            vec![]
        },
    ),
    row(
        "channel.exchange.mailbox",
        Failed,
        ["refuses the user name or the password", "password_file right"],
        |town| {
            fs::write(town.path("exchange.password"), "wrong").expect("written");
            vec![]
        },
    ),
    row("channel.hook.alive", Warning, ["with 503", "its own log"], |town| {
        town.hooked.store(503, SeqCst);
        vec![]
    }),
    row("channel.hook.alive", Warning, ["with 404", "path in the url of channel hook"], |town| {
        town.hooked.store(404, SeqCst);
        vec![]
    }),
    row("channel.hook.certificate", Failed, ["UnknownIssuer", "ca beside url of channel hook"], |town| {
        fs::write(town.path("other.pem"), Authority::new("other").pem()).expect("written");
        town.replaces(
            "token_header = \"X-Api-Key\"\nca = \"ca/own.pem\"",
            "token_header = \"X-Api-Key\"\nca = \"other.pem\"",
        );
        vec![]
    }),
    row("channel.online.mailbox", Failed, ["ErrorAccessDenied", "a mailbox in Exchange Online"], |town| {
        town.graph.fails([Fault::Says(404, "ErrorAccessDenied", None)]);
        vec![]
    }),
    row("channel.online.mailbox", Failed, ["Graph answers 403", "Mail.ReadWrite"], |town| {
        town.replaces("client_id = \"app\"", "client_id = \"app\"\ndeliver = \"inbox\"");
        town.graph.fails([Fault::Says(403, "ErrorAccessDenied", None)]);
        vec![]
    }),
    row("channel.online.token", Failed, ["invalid_client", "client_id, scope"], |town| {
        let tls = server_config(&town.authority.signs(&params(&["127.0.0.1"])));
        let refuses = Server::start(Some(tls), |_| Reply::json(401, &json!({"error": "invalid_client"})));
        let (old, new) = (town.graph.url("/t/token"), format!("https://127.0.0.1:{}/token", refuses.port));
        town.replaces(&old, &new);
        vec![]
    }),
    row("channel.mail.dns", Failed, ["nowhere.invalid is not found", "[mail] url"], |town| {
        town.replaces("smtp://svc@127.0.0.1", "smtp://svc@nowhere.invalid");
        vec![]
    }),
    row("channel.mail.certificate", Failed, ["offers no STARTTLS", "starttls=never"], |town| {
        town.smtp.becomes(|mood| mood.offers_tls = false);
        vec![]
    }),
    row("channel.mail.certificate", Failed, ["not valid for", "as its certificate does"], |town| {
        mail_shows(town, &params(&["elsewhere.test"]), town.authority);
        vec![]
    }),
    row("channel.mail.certificate", Failed, ["xpired", "Renew"], |town| {
        mail_shows(town, &ending(&["127.0.0.1"], -2), town.authority);
        vec![]
    }),
    row(
        "channel.mail.certificate",
        Failed,
        ["UnknownIssuer", "CA that has signed it in ca beside [mail] url"],
        |town| {
            mail_shows(town, &params(&["127.0.0.1"]), &Authority::new("other"));
            vec![]
        },
    ),
    row("channel.mail.certificate", Warning, ["it ends in 7 days", "renewed"], |town| {
        mail_shows(town, &ending(&["127.0.0.1"], 7), town.authority);
        vec![]
    }),
    row("channel.mail.login", Failed, ["refuses the user name or the password", "not locked"], |town| {
        town.smtp.becomes(|mood| mood.password = "another");
        vec![]
    }),
    row("channel.mail.envelope", Failed, ["relay", "address in from"], |town| {
        town.smtp.becomes(|mood| mood.mail = "550 5.7.1 no relay");
        vec![]
    }),
];

const fn row(
    step: &'static str,
    verdict: Verdict,
    words: [&'static str; 2],
    breaks: fn(&mut Town) -> Held,
) -> Row {
    Row { step, verdict, words, breaks }
}

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
