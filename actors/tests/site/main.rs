//! Site files and what becomes of them.

mod mail;
mod users;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ringpost::um::{health::Probe, pool::Strategy};
use ringpost::{
    address::{Language, UserClass},
    settings::{Listen, MailUrl, Network, Site, Transport, UmServer},
};
use ringpost_actors::load::{self, DEFAULTS, Problem};
use toml_edit::{DocumentMut, Item, Table, value};

const CONTRACT: &str = r#"
[sip]
listen = ["udp:127.0.0.1:5060", "tcp:[::1]:5061"]
domain = "Example.Test"
[[trunk]]
name = "pbx"
sources = ["127.0.0.1", "10.1.2.3/8", "2001:db8::/32"]
[um.plan.lab]
servers = ["sip:um@127.0.0.1:6073", "embedded"]
[[user]]
address = "sip:1001@example.test"
numbers = ["1001", "+15550101"]
devices = ["sip:desk@127.0.0.1:6071", "sip:soft@127.0.0.1:6072"]
ring_for = "1500ms"
um_plan = "lab"
missed_calls = "um"
mail = "user1001@example.test"
time_zone = "Europe/Copenhagen"
language = "de"
[[user]]
address = "sip:1002@example.test"
[mail]
url = "maildir:mail"
from = "ringpost@example.test"
[store]
path = "/tmp/x/store.db"
"#;

#[test]
fn the_contract_is_read_to_the_letter() {
    let site = loaded(CONTRACT);
    let listen =
        |transport, address: &str| Listen { transport, address: address.parse().expect("an address") };
    assert_eq!(
        site.sip.listen,
        [listen(Transport::Udp, "127.0.0.1:5060"), listen(Transport::Tcp, "[::1]:5061")]
    );
    assert_eq!(site.sip.domain, "example.test");
    let network = |address: &str, prefix| Network { address: address.parse().expect("an address"), prefix };
    let sources = [network("127.0.0.1", 32), network("10.0.0.0", 8), network("2001:db8::", 32)];
    assert_eq!((site.trunks[0].name.as_str(), site.trunks[0].trust_identity), ("pbx", true));
    assert_eq!(site.trunks[0].sources, sources);
    assert_eq!(site.plans[0].name, "lab");
    assert_eq!(
        site.plans[0].servers,
        [UmServer::Sip("sip:um@127.0.0.1:6073".to_owned()), UmServer::Embedded]
    );
    let user = &site.users[0];
    assert_eq!(user.address, "sip:1001@example.test");
    assert_eq!(user.numbers, ["1001", "+15550101"]);
    assert_eq!(user.devices, ["sip:desk@127.0.0.1:6071", "sip:soft@127.0.0.1:6072"]);
    assert_eq!((user.ring_for, user.um_plan.as_deref()), (Duration::from_millis(1500), Some("lab")));
    assert_eq!((user.missed_calls, user.mail.as_deref()), (UserClass::Um, Some("user1001@example.test")));
    assert_eq!((user.time_zone.as_str(), user.language), ("Europe/Copenhagen", Language::De));
    assert!(user.mail_if_um_refuses);
    let mail = site.mail.expect("the site has mail");
    assert_eq!(mail.url, MailUrl::Maildir(PathBuf::from("folder/mail")));
    assert_eq!(mail.from, "ringpost@example.test");
    assert_eq!(site.store.path, Some(PathBuf::from("/tmp/x/store.db")));
    assert_eq!(site.voicemail.recordings, PathBuf::from("/tmp/x/recordings"));
}

#[test]
fn what_a_site_leaves_out_has_its_documented_default() {
    let site = loaded("[[user]]\naddress = \"sip:1@localhost\"\n");
    let (sip, um, voicemail, outbox) = (&site.sip, &site.um, &site.voicemail, &site.outbox);
    let secs = Duration::from_secs;
    assert_eq!((sip.max_calls, sip.max_message, sip.max_connections), (20_000, 64 * 1024, 1_000));
    assert_eq!((sip.idle_timeout, sip.drain, sip.silence), (secs(120), secs(30), secs(32)));
    assert!(sip.lanes >= 1 && sip.advertise.is_none() && sip.max_transfers == 20);
    assert_eq!((um.attempts, um.ring_limit, um.silence), (2, secs(10), secs(4)));
    assert_eq!((um.strategy, um.rules.failures, um.rules.probe), (Strategy::Random, 1, Probe::Options));
    assert_eq!((um.rules.first, um.rules.longest, um.rules.ramp), (secs(5), secs(60), secs(30)));
    assert_eq!((voicemail.address, voicemail.rtp_ports), (IpAddr::from([127, 0, 0, 1]), (16384, 17383)));
    assert_eq!(
        (voicemail.min_message, voicemail.max_message, voicemail.silence),
        (secs(2), secs(1200), secs(5))
    );
    assert_eq!((&voicemail.greetings, &voicemail.recordings), (&None, &PathBuf::from("folder/recordings")));
    let three_days = secs(3 * 24 * 3600);
    assert_eq!(
        (outbox.first_retry, outbox.longest_retry, outbox.give_up_after),
        (secs(2), secs(300), three_days)
    );
    assert_eq!(site.store.path, Some(PathBuf::from("folder/ringpost.db")));
    assert!(site.mail.is_none() && site.trunks.is_empty() && site.plans.is_empty());
    let user = &site.users[0];
    assert_eq!((user.ring_for, user.min_ring), (secs(20), Duration::ZERO));
    assert_eq!((user.time_zone.as_str(), user.language), ("UTC", Language::En));
    assert!(!user.forward_to_voicemail && !user.mail_if_um_refuses && user.greeting.is_none());
}

#[test]
fn inline_tables_are_as_good_as_headed_ones() {
    let text =
        "trunk = [{ name = \"a\", sources = [\"192.0.2.1\"] },\n  { name = \"b\",\n sources = [\n\"x\"] }]\n";
    let problems = told(load::text(Path::new("s"), text).expect_err("x is no network"));
    let wanted = "wants an address or a network such as \"192.0.2.7\" or \"10.0.0.0/8\", not \"x\"";
    assert_eq!(problems, [format!("s:4: trunk[1].sources[0]: {wanted}")]);
    assert_eq!(loaded(&text.replace("\"x\"", "\"192.0.2.2\"")).trunks[1].name, "b");
}

#[test]
fn no_file_whatever_it_holds_makes_the_loader_fall_over() {
    let mut dice = fastrand::Rng::with_seed(4475);
    let mut refused = 0;
    for _ in 0..3_000 {
        let mut octets = CONTRACT.as_bytes().to_vec();
        for _ in 0..dice.usize(1..6) {
            let at = dice.usize(..octets.len());
            match dice.u8(..4) {
                0 => octets[at] = dice.u8(..),
                1 => drop(octets.remove(at)),
                2 => octets.insert(at, *dice.choice(b"[]{}\"'.=,#\n\\\0-").expect("the choice is not empty")),
                _ => octets.extend_from_within(at..),
            }
        }
        let text = String::from_utf8_lossy(&octets);
        let problems = load::text(Path::new("s"), &text).err().map(told).unwrap_or_default();
        refused += usize::from(!problems.is_empty());
        for problem in problems {
            assert!(
                problem.starts_with("s:") && !problem.contains(char::is_control),
                "{problem:?} for {text}"
            );
        }
    }
    assert!(refused > 2_000, "only {refused} of 3,000 broken files were refused");
}

#[test]
fn the_environment_wins_over_the_file() {
    let variables = [
        ("RINGPOST_SIP__LISTEN", "udp:127.0.0.1:7060, tcp:127.0.0.1:7060"),
        ("RINGPOST_SIP__MAX_CALLS", "7"),
        ("RINGPOST_UM__RING_LIMIT", "3s"),
        ("RINGPOST_UM__PLAN__LAB__SERVERS", "sip:other@127.0.0.1"),
        ("RINGPOST_STORE__PATH", ":memory:"),
        ("RINGPOST_MAIL__URL", "maildir:here"),
        ("HOME", "/nowhere"),
    ];
    let site = with_environment(CONTRACT, &variables).map_err(told).expect("the environment is right");
    assert_eq!(site.sip.listen.iter().map(|l| l.address.port()).collect::<Vec<_>>(), [7060, 7060]);
    assert_eq!((site.sip.max_calls, site.um.ring_limit), (7, Duration::from_secs(3)));
    assert_eq!(site.plans[0].servers, [UmServer::Sip("sip:other@127.0.0.1".to_owned())]);
    assert_eq!(site.store.path, None);
    // A relative path counts from the current folder here, not from the site file's.
    assert_eq!(site.mail.map(|mail| mail.url), Some(MailUrl::Maildir(PathBuf::from("here"))));
}

#[test]
fn every_key_stands_in_the_default_file_and_the_other_way_round() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let ca = rcgen::generate_simple_self_signed(["hooks.example.com".to_owned()])
        .expect("a certificate")
        .cert
        .pem();
    let files = [
        ("ada.wav", "RIFF....WAVEfmt "),
        ("mail.password", "secret\n"),
        ("hook.secret", "secret\n"),
        ("hook.token", "token\n"),
        ("hook.json", "{\"text\": {{ summary }}}"),
        ("hook-ca.pem", &ca),
        ("mail-ca.pem", &ca),
        ("trunk.password", "secret\n"),
        ("1001.password", "secret\n"),
        ("1001.pin", "2580\n"),
        ("directory.password", "secret\n"),
        ("directory-ca.pem", &ca),
        ("exchange.password", "secret\n"),
        ("hybrid.secret", "secret\n"),
        ("online.secret", "secret\n"),
        ("suppliers.csv", "name,number\n"),
        ("lobby.password", "secret\n"),
        (
            "hq.xml",
            "<LocationProfileDescription><Rule><Pattern>1</Pattern><Translation>2</Translation></Rule></LocationProfileDescription>",
        ),
        ("submission.secret", "secret\n"),
    ];
    fs::create_dir_all(folder.path().join("prompts")).expect("the folder can be written");
    fs::create_dir_all(folder.path().join("templates")).expect("the folder can be written");
    for (file, octets) in files {
        fs::create_dir_all(folder.path().join("greetings")).expect("the folder can be written");
        let place =
            if file.ends_with(".wav") { folder.path().join("greetings") } else { folder.path().into() };
        fs::write(place.join(file), octets).expect("the folder can be written");
    }
    let mut full: DocumentMut = uncommented(DEFAULTS).parse().expect("the default file is TOML");
    let in_file: BTreeMap<_, _> = sections(full.as_table()).into_iter().collect();
    // The password's place is the environment; the file only names it.
    full["mail"].as_table_mut().expect("[mail] is a table").remove("password");
    for (name, keys) in [
        ("relay", &["password"][..]),
        // A token of the provider or another one, not both.
        ("submission", &["password", "password_file", "client_secret", "client_certificate", "client_key"]),
        ("hook", &["secret", "token"]),
        ("exchange", &["password"]),
        // A certificate or a secret, not both.
        ("hybrid", &["client_secret", "client_certificate", "client_key"]),
        ("online", &["client_secret", "client_certificate", "client_key"]),
    ] {
        let table = full["channel"][name].as_table_mut().expect("a table");
        keys.iter().for_each(|key| drop(table.remove(key)));
    }
    full["directory"].as_table_mut().expect("[directory] is a table").remove("password");
    // Of two ways to say the same only one may be used.
    let user = full["user"].as_array_of_tables_mut().and_then(|users| users.get_mut(0));
    let user = user.expect("[[user]] is a table");
    ["password", "pin"].iter().for_each(|key| drop(user.remove(key)));
    // A list is named only where lists are asked for.
    full["presence"]["connector"][0]["lists"] = value("server");
    let read = |text: &str| load::text(&folder.path().join("s"), text);
    read(&full.to_string()).map_err(told).expect("the default file loads with every key set");

    add_unknown(full.as_table_mut());
    let problems = read(&full.to_string()).expect_err("unknown keys are refused");
    let in_loader: BTreeMap<_, _> = problems.iter().map(known).collect();
    assert_eq!(in_loader, in_file);
}

#[test]
fn every_sample_site_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let secrets = tempfile::tempdir().expect("a temporary folder can be made");
    let (sites, bodies) = (secrets.path().join("sites"), secrets.path().join("webhook"));
    for folder in [&sites, &bodies] {
        fs::create_dir(folder).expect("a folder");
    }
    for file in [
        "lobby.password",
        "1001.password",
        "provider.password",
        "pbx.password",
        "exchange.password",
        "directory.password",
        "sms.token",
        "push.token",
    ] {
        fs::write(sites.join(file), "secret\n").expect("the folder can be written");
    }
    for file in ["sms.form", "push.json"] {
        let from = folder.join("../examples/webhook").join(file);
        fs::copy(from, bodies.join(file)).expect("the folder can be written");
    }
    fs::write(sites.join("suppliers.csv"), "name,number\n").expect("the folder can be written");
    fs::write(sites.join("2001.pin"), "2580\n").expect("the folder can be written");
    let mut loaded = BTreeSet::new();
    let samples = |of: &str| fs::read_dir(folder.join(of)).expect("the samples are there");
    for file in samples("sites").chain(samples("../examples/sites")) {
        let file = file.expect("the folder can be read").path();
        if file.extension().is_none_or(|extension| extension != "toml") {
            // The guide.
            continue;
        }
        let password = [("RINGPOST_MAIL__PASSWORD", "from the environment")];
        let text = fs::read_to_string(&file).expect("a sample can be read");
        let wants_password = text.contains("RINGPOST_MAIL__PASSWORD");
        let password = if wants_password { &password[..] } else { &[] };
        let variables = password.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let read = load::merged(&sites.join("site.toml"), text, variables);
        read.map_err(told).unwrap_or_else(|problems| panic!("{}: {problems:#?}", file.display()));
        loaded.extend(file.file_name().and_then(|name| name.to_str()).map(str::to_owned));
    }
    for expected in [
        "external-um.toml",
        "mail-only.toml",
        "small-office.toml",
        "asterisk-trunk.toml",
        "kamailio-in-front.toml",
        "freepbx.toml",
        "cisco-cucm.toml",
        "itsp-register.toml",
        "teams-direct-routing.toml",
        "exchange-on-premises.toml",
        "exchange-online.toml",
        "sms-and-push.toml",
        "callers-by-exchange.toml",
        "openldap.toml",
        "address-book.toml",
        "attendant.toml",
        "mailboxes.toml",
        "active-directory.toml",
        "routes-fault-tolerant.toml",
    ] {
        assert!(loaded.contains(expected), "{expected} is among {loaded:?}");
    }
    load::text(&folder.join("ringpost.toml"), DEFAULTS)
        .map_err(told)
        .expect("the default file loads as it is");
}

#[test]
fn the_site_of_the_load_harness_loads() {
    let corpora = std::env::var_os("RINGPOST_CORPORA").map(PathBuf::from);
    let shared = corpora.as_deref().and_then(Path::parent).map(Path::to_owned);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    let file = shared.join("bench/site.toml");
    let Ok(text) = fs::read_to_string(&file) else {
        println!("skipped: {} is missing", file.display());
        return;
    };
    let site = load::text(&file, &text).map_err(told).expect("the harness's site loads unchanged");
    let classes: Vec<_> = site.users.iter().map(|user| user.missed_calls).collect();
    assert_eq!(classes, [UserClass::Off, UserClass::Um, UserClass::Mail]);
}

fn loaded(text: &str) -> Site {
    load::text(Path::new("folder/site.toml"), text).map_err(told).expect("the site is right")
}

fn with_environment(text: &str, variables: &[(&str, &str)]) -> Result<Site, Vec<Problem>> {
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    load::merged(Path::new("folder/site.toml"), text.to_owned(), variables.into_iter())
}

fn told(problems: Vec<Problem>) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

/// The default file with its examples switched on.
fn uncommented(text: &str) -> String {
    let example = |line: &str| line.starts_with(|first: char| first == '[' || first.is_ascii_lowercase());
    let lines = text.lines().map(|line| line.strip_prefix('#').filter(|rest| example(rest)).unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every table with the keys in it: `("user[0]", {"address", …})`.
fn sections(table: &Table) -> Vec<(String, BTreeSet<String>)> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), table)];
    while let Some((path, table)) = open.pop() {
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        for (key, item) in table {
            match item {
                Item::Table(table) => open.push((below(key), table)),
                Item::ArrayOfTables(tables) => {
                    open.extend(
                        tables.iter().enumerate().map(|(at, table)| (format!("{}[{at}]", below(key)), table)),
                    );
                }
                Item::Value(_) | Item::None => {}
            }
        }
        // The names below these are the site's own.
        let named = [
            "um.plan",
            "channel",
            "identity.source",
            "voice_policy",
            "attendant",
            "location",
            "presence.publish",
            "presence.calendar",
            "rcc.gateway",
        ];
        if !named.contains(&path.as_str()) {
            found.push((path, table.iter().map(|(key, _)| key.to_owned()).collect()));
        }
    }
    found
}

fn add_unknown(table: &mut Table) {
    let plans = ["main", "relay", "suppliers", "standard", "hq", "front", "office", "teams", "pbx"]
        .iter()
        .any(|name| table.contains_key(name));
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(table) => add_unknown(table),
            Item::ArrayOfTables(tables) => tables.iter_mut().for_each(add_unknown),
            Item::Value(_) | Item::None => {}
        }
    }
    if !plans {
        table.insert("zzz", value(1));
    }
}

/// The table that a problem with `zzz` is about, and the keys known there.
fn known(problem: &Problem) -> (String, BTreeSet<String>) {
    let path = problem.key.to_string();
    let table = path.strip_suffix("zzz").unwrap_or_else(|| panic!("only zzz is unknown: {problem}"));
    let keys = problem.what.strip_prefix("unknown key; known here: ");
    let keys = keys.unwrap_or_else(|| panic!("the known keys are listed: {problem}"));
    (table.trim_end_matches('.').to_owned(), keys.split(", ").map(str::to_owned).collect())
}
