//! Site files and what becomes of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ringpost::um::{health::Probe, pool::Strategy};
use ringpost::{
    address::{Caller, Language, UserClass},
    directory::{Directory, Origin},
    notify::{Tell, hours::Days},
    settings::{
        Audio, Listen, MailTls, MailUrl, Manner, Network, Notices, Recordings, Secret, Site, Transport,
        UmServer,
    },
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
fn what_goes_along_is_as_the_user_says_or_the_site() {
    let site = loaded(
        "[notices]\nvoicemail = \"link\"\nlink = \"https://v.test/{id}.wav\"\naudio = \"opus\"\n\
         [[user]]\naddress = \"sip:1@localhost\"\n\
         [[user]]\naddress = \"sip:2@localhost\"\n[user.notices]\nvoicemail = \"none\"\nvcard = false\n",
    );
    let manner = |voicemail, vcard| Manner { voicemail, audio: Audio::Opus, vcard };
    assert_eq!(site.style.manner("sip:1@localhost"), manner(Recordings::Link, true));
    assert_eq!(site.style.manner("sip:2@localhost"), manner(Recordings::None, false));
    let plain = loaded("[[user]]\naddress = \"sip:1@localhost\"\n");
    assert_eq!(plain.style.manner("sip:1@localhost"), Manner::default());
}

#[test]
fn who_tells_a_missed_call_follows_from_what_the_user_has() {
    for (settings, expected) in [
        ("", Ok(UserClass::Off)),
        ("mail = \"a@b.test\"", Ok(UserClass::Mail)),
        ("um_plan = \"p\"", Ok(UserClass::Um)),
        ("um_plan = \"p\"\nmail = \"a@b.test\"", Ok(UserClass::Um)),
        ("um_plan = \"p\"\nmail = \"a@b.test\"\nmissed_calls = \"mail\"", Ok(UserClass::Mail)),
        ("um_plan = \"p\"\nmissed_calls = \"pbx\"", Ok(UserClass::Pbx)),
        ("um_plan = \"own\"\nmail = \"a@b.test\"", Ok(UserClass::Um)),
        (
            "um_plan = \"own\"",
            Err("s:7: user[0].mail: is missing: the embedded UM sends its messages by mail"),
        ),
        ("missed_calls = \"mail\"", Err("s:7: user[0].mail: is missing: missed calls are told by mail")),
        ("mail_if_um_refuses = true", Err("s:7: user[0].mail: is missing: mail_if_um_refuses is set")),
        ("missed_calls = \"um\"", Err("s:9: user[0].missed_calls: \"um\" needs an um_plan")),
        ("forward = \"voicemail\"", Err("s:9: user[0].forward: \"voicemail\" needs an um_plan")),
    ] {
        let text = format!(
            "[um.plan]\np.servers = [\"sip:um@h\"]\nown.servers = [\"embedded\"]\n\
             [mail]\nurl = \"smtp://localhost\"\nfrom = \"r@b.test\"\n\
             [[user]]\naddress = \"sip:1@localhost\"\n{settings}\n"
        );
        let read = load::text(Path::new("s"), &text).map(|site| site.users[0].missed_calls);
        let expected = expected.map_err(|what| vec![what.to_owned()]);
        assert_eq!(read.map_err(told), expected, "{settings}");
    }
    let without_mail = "[[user]]\naddress = \"sip:1@localhost\"\nmail = \"a@b.test\"\n";
    let expected = ["s:3: user[0].mail: the site has no [mail] section: missed calls are told by mail"];
    assert_eq!(
        told(load::text(Path::new("s"), without_mail).expect_err("nobody carries its mail")),
        expected
    );
    // With a UM that tells, the address alone needs no [mail]: there is only nobody to step in for the UM.
    let told_by_um = format!("[um.plan]\np.servers = [\"sip:um@h\"]\n{without_mail}um_plan = \"p\"\n");
    assert!(!loaded(&told_by_um).users[0].mail_if_um_refuses);
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
fn a_mail_url_is_read_or_refused() {
    use MailTls::{Implicit, Never, Opportunistic, Required};
    let smtp = |host: &str, port, tls, login: Option<(&str, &str)>| {
        let login = login.map(|(user, password)| (user.to_owned(), Secret(password.to_owned())));
        Some(MailUrl::Smtp { host: host.to_owned(), port, tls, login })
    };
    for (url, password, expected) in [
        ("smtp://127.0.0.1:1025", None, smtp("127.0.0.1", 1025, Never, None)),
        ("smtp://[::1]", None, smtp("::1", 25, Never, None)),
        ("smtp://LocalHost/", None, smtp("LocalHost", 25, Never, None)),
        ("smtp://localhost?starttls=required", None, smtp("localhost", 25, Required, None)),
        ("smtp://mail.test", None, smtp("mail.test", 25, Opportunistic, None)),
        ("smtp://mail.test:26?starttls=never", None, smtp("mail.test", 26, Never, None)),
        ("smtps://mail.test", None, smtp("mail.test", 465, Implicit, None)),
        ("smtp://me@mail.test:587", Some("p w"), smtp("mail.test", 587, Required, Some(("me", "p w")))),
        ("smtp://me%40home@[::1]", Some("p"), smtp("::1", 25, Never, Some(("me@home", "p")))),
        ("smtp://me:p%20w@mail.test", None, smtp("mail.test", 25, Required, Some(("me", "p w")))),
        ("maildir:/var/mail/x", None, Some(MailUrl::Maildir(PathBuf::from("/var/mail/x")))),
        ("maildir:", None, None),
        ("smtp://me@mail.test?starttls=never", Some("p"), None),
        ("smtp://me@mail.test?starttls=opportunistic", Some("p"), None),
        ("smtp://me@mail.test", None, None),
        ("smtp://mail.test", Some("p"), None),
        ("smtps://mail.test?starttls=required", None, None),
        ("smtp://mail.test?tls=yes", None, None),
        ("smtp://mail.test/path", None, None),
        ("smtp://mail.test:99999", None, None),
        ("smtp://", None, None),
        ("smtp:mail.test", None, None),
        ("lmtp://mail.test", None, None),
        ("mail.test", None, None),
    ] {
        let mut variables = vec![("RINGPOST_MAIL__URL", url), ("RINGPOST_MAIL__FROM", "r@b.test")];
        variables.extend(password.map(|password| ("RINGPOST_MAIL__PASSWORD", password)));
        let read = with_environment("", &variables);
        assert_eq!(read.ok().and_then(|site| site.mail).map(|mail| mail.url), expected, "{url}");
    }
}

/// RFC 6531: a domain beyond ASCII has a form in it; a mailbox has none, and needs a server that takes it.
#[test]
fn a_mail_address_has_the_domain_that_every_server_takes() {
    for (given, read) in [
        ("tu@contoso.com", "tu@contoso.com"),
        ("tu@m\u{fc}ller.test", "tu@xn--mller-kva.test"),
        ("s\u{f8}ren@contoso.com", "s\u{f8}ren@contoso.com"),
        ("s\u{f8}ren@m\u{fc}ller.test", "s\u{f8}ren@xn--mller-kva.test"),
    ] {
        let user = format!("[[user]]\naddress = \"sip:1@x.test\"\nnumbers = [\"1\"]\nmail = {given:?}\n");
        let site = loaded(&format!("{user}[mail]\nurl = \"maildir:mail\"\nfrom = {given:?}\n"));
        assert_eq!(site.users[0].mail.as_deref(), Some(read));
        assert_eq!(site.mail.expect("[mail]").from, read);
    }
}

#[test]
fn a_password_comes_from_its_file_and_is_never_shown() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("word"), "hunter2\r\nsecond line\n").expect("the folder can be written");
    let text =
        |password: &str| format!("[mail]\nurl = \"smtp://me@mail.test\"\nfrom = \"r@b.test\"\n{password}\n");
    let read = |password: &str| load::text(&folder.path().join("site.toml"), &text(password));
    let site = read("password_file = \"word\"").expect("the file holds a password");
    assert!(!format!("{site:?}").contains("hunter2"), "{site:?}");
    let MailUrl::Smtp { login: Some((user, password)), .. } = site.mail.expect("the site has mail").url
    else {
        panic!("the URL was for SMTP with a login");
    };
    assert_eq!((user.as_str(), password.0.as_str()), ("me", "hunter2"));
    for refused in ["password_file = \"none\"", "password_file = \".\"", "password = \"hunter2\""] {
        let problems = told(read(refused).expect_err(refused));
        assert_eq!(problems.len(), 1, "{refused}: {problems:?}");
        assert!(
            problems[0].contains("site.toml:4: mail.password") && !problems[0].contains("hunter2"),
            "{problems:?}"
        );
    }
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
fn channels_are_the_users_own_or_the_sites_and_reach_the_user() {
    let site = loaded(
        r#"
        [mail]
        url = "maildir:mail"
        from = "a@x.test"
        [channel.hook]
        kind = "webhook"
        url = "https://hooks.x.test/in"
        at_once = 3
        patience = "90s"
        [channel.files]
        kind = "maildir"
        path = "files"
        from = "a@x.test"
        [notices]
        channels = [["files", "hook"], "mail"]
        [[user]]
        address = "sip:1@x.test"
        mail = "1@x.test"
        [[user]]
        address = "sip:2@x.test"
        [[user]]
        address = "sip:3@x.test"
        channels = ["hook"]
        missed_calls = "off"
        "#,
    );
    let own = |user: usize| {
        let chains = site.users[user].channels.iter();
        let names = chains.map(|chain| chain.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(">"));
        names.collect::<Vec<_>>().join(" ")
    };
    // Who has no mail address is left out by the channels that write mails.
    assert_eq!([own(0), own(1), own(2)], ["files>hook mail", "hook", "hook"]);
    let classes: Vec<_> = site.users.iter().map(|user| user.missed_calls).collect();
    assert_eq!(classes, [UserClass::Mail, UserClass::Mail, UserClass::Off]);
    let mut paces: Vec<_> =
        site.channels.iter().map(|one| (one.name.as_str(), one.at_once, one.schedule.patience)).collect();
    paces.sort();
    let ten = Duration::from_secs(600);
    assert_eq!(paces, [("files", 8, ten), ("hook", 3, Duration::from_secs(90)), ("mail", 8, ten)]);
}

#[test]
fn r209_a_users_word_on_notices_stands_in_place_of_the_sites_key_by_key() {
    let site = loaded(
        "[notices]\nskip = [\"internal\"]\nskip_numbers = [\"+49900*\"]\nquiet = [\"22:00-07:00\"]\nmin_ring = \"2s\"\n\
         work_days = [\"mon\"]\ntell = \"all\"\nskip_voice_mail = true\n\
         [[user]]\naddress = \"sip:1@localhost\"\n\
         [[user]]\naddress = \"sip:2@localhost\"\nmin_ring = \"1s\"\n[user.notices]\nskip = [\"spam\"]\nquiet = []\n\
         work_days = [\"mon\", \"tue\"]\ntell = \"last\"",
    );
    let [usual, own] = [0, 1].map(|at: usize| &site.users[at]);
    assert_eq!((usual.min_ring, own.min_ring), (Duration::from_secs(2), Duration::from_secs(1)));
    let (usual, own) = (&usual.notices, &own.notices);
    assert!(usual.filters.internal && !usual.filters.spam && own.filters.spam && !own.filters.internal);
    assert!(usual.filters.voice_mail && own.filters.voice_mail, "the site's alone");
    assert_eq!(usual.filters.numbers, own.filters.numbers);
    assert_eq!((usual.hours.quiet.len(), own.hours.quiet.len()), (1, 0));
    assert_eq!(own.hours.work_days, Days::named(["tue", "mon"]));
    assert_eq!((&usual.tell, &own.tell), (&Tell::All, &Tell::Last));
    let nothing = loaded("[[user]]\naddress = \"sip:1@localhost\"\n");
    assert_eq!(
        *nothing.users[0].notices,
        Notices::default(),
        "every call is told of, at once, to who was called"
    );
    // A group's address needs a way there.
    let group = "[[user]]\naddress = \"sip:1@localhost\"\n[user.notices]\ntell = \"sales@b.test\"\n";
    let expected = [
        "s:3: user[0].notices: tell names an address: that needs channels, and the user's mail where they write mails",
    ];
    assert_eq!(told(load::text(Path::new("s"), group).expect_err("nothing carries its mail")), expected);
}

#[test]
fn r209_which_user_calls_is_known_from_devices_and_from_trunks_that_are_believed() {
    let directory = Directory::of(loaded(
        "[[trunk]]\nname = \"pbx\"\nsources = [\"127.0.0.1\"]\n\
         [[trunk]]\nname = \"world\"\nsources = [\"127.0.0.2\"]\ntrust_identity = false\n\
         [[user]]\naddress = \"sip:ada@localhost\"\nnumbers = [\"1001\", \"+4930123\"]\n",
    ));
    let trunk = |ip: &str| {
        Origin::Trunk(Arc::clone(directory.trunk(ip.parse().expect("an address")).expect("a trunk")))
    };
    let device = Origin::User(Arc::clone(directory.user("1001").expect("a user")));
    for (origin, number, known) in [
        (&device, None, true),
        (&trunk("127.0.0.1"), Some("1001"), true),
        (&trunk("127.0.0.1"), Some("+49-30-123"), true),
        (&trunk("127.0.0.1"), Some("1002"), false),
        (&trunk("127.0.0.1"), None, false),
        // Anybody could say that of himself.
        (&trunk("127.0.0.2"), Some("1001"), false),
    ] {
        let caller = Caller { number: number.map(str::to_owned), ..Caller::default() };
        let calling = directory.user_calling(&caller, origin).map(|user| user.address.as_str());
        assert_eq!(calling, known.then_some("sip:ada@localhost"), "{number:?} by {}", origin.name());
    }
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
            "rcc.gateway",
        ];
        if !named.contains(&path.as_str()) {
            found.push((path, table.iter().map(|(key, _)| key.to_owned()).collect()));
        }
    }
    found
}

fn add_unknown(table: &mut Table) {
    let plans =
        ["main", "relay", "suppliers", "standard", "hq", "front", "pbx"].iter().any(|name| table.contains_key(name));
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
