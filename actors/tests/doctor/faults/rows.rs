//! The faults: which step each one changes, and how.

use std::{
    fs::{self, File},
    net::UdpSocket,
    sync::atomic::Ordering::SeqCst,
    time::{Duration, SystemTime},
};

use rcgen::CertificateParams;
use ringpost::doctor::Verdict::{self, Failed, Note, Warning};
use serde_json::json;

use crate::{
    authority::{Authority, params, server_config},
    dns::Mood,
    exchange::Fault,
    support::http::{Reply, Server},
    town::Town,
};

/// What is held as long as the doctor looks.
pub type Held = Vec<UdpSocket>;

pub struct Row {
    pub step: &'static str,
    pub verdict: Verdict,
    /// Words of what is found, and of the remedy.
    pub words: [&'static str; 2],
    pub breaks: fn(&mut Town) -> Held,
}

pub fn ending(names: &[&str], days: i64) -> CertificateParams {
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

pub const ROWS: [Row; 47] = [
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

pub const fn row(
    step: &'static str,
    verdict: Verdict,
    words: [&'static str; 2],
    breaks: fn(&mut Town) -> Held,
) -> Row {
    Row { step, verdict, words, breaks }
}
