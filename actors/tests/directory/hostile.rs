//! Servers that are not what they should be: a poll ends with an error that says so, and nothing has changed.

use std::{
    fs,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use ringpost::{
    directory::{people::Roster, person::Person},
    settings::{Ldap, LdapServer, LdapTls},
};
use ringpost_actors::directory::{mirror::Mirror, servers::Servers};

use crate::{
    authority::{Authority, params},
    fake::{Asked, BIND, Fake, Tls, done, entry, message, page, result, tlv},
    poll, runtime,
    slapd::{BASE, NAME, names, settings},
};

fn ours() -> &'static Authority {
    static OURS: OnceLock<Authority> = OnceLock::new();
    OURS.get_or_init(|| Authority::new("hostile"))
}

fn site(fake: &Fake) -> (tempfile::TempDir, Ldap) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("ca.pem"), ours().pem()).expect("a file");
    let server = LdapServer { host: NAME.to_owned(), port: fake.port, tls: LdapTls::Implicit };
    let mut settings = settings(vec![server], folder.path());
    settings.timeout = Duration::from_secs(2);
    settings.talk.max_message = 100_000;
    settings.talk.max_answer = 1_000_000;
    settings.talk.max_entries = 5000;
    (folder, settings)
}

fn fake(says: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Fake {
    let pair = ours().signs(&params(&[NAME]));
    // Whoever asks is logged in, and the root entry is empty.
    Fake::start(&pair, Tls::Implicit, move |asked| match asked.operation {
        BIND => done(asked, 0, ""),
        _ if asked.holds("highestCommittedUSN") => [entry(asked, "", &[]), done(asked, 0, "")].concat(),
        _ => says(asked),
    })
}

fn user(asked: &Asked, number: usize, more: &[(&str, &[&[u8]])]) -> Vec<u8> {
    let (id, name) = (format!("{number:032x}"), format!("User {number}"));
    let id = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-");
    let own: [(&str, &[&[u8]]); 3] = [
        ("entryUUID", &[id.as_bytes()]),
        ("modifyTimestamp", &[b"20261121120000Z"]),
        ("displayName", &[name.as_bytes()]),
    ];
    entry(asked, &format!("cn=User {number},{BASE}"), &[&own[..], more].concat())
}

#[test]
fn whatever_a_server_says_a_poll_ends_and_nobody_is_lost() {
    type Says = Box<dyn Fn(&Asked) -> Vec<u8> + Send + Sync>;
    let counted = AtomicUsize::new(0);
    let rows: Vec<(&str, Says)> = vec![
        ("is no LDAP message", Box::new(|_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())),
        ("is no LDAP message", Box::new(|asked| message(asked.id, &[tlv(0x79, b"")]))),
        ("is no LDAP message", Box::new(|asked| message(asked.id, &[tlv(0x64, b"\x04\x05abc")]))),
        ("larger than max_message", Box::new(|asked| user(asked, 1, &[("cn", &[&[b'x'; 200_000]])]))),
        ("larger than max_message", Box::new(|_| vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff])),
        (
            "octets of an answer (max_answer)",
            Box::new(|asked| (0..20_000).flat_map(|n| user(asked, n, &[])).collect()),
        ),
        (
            "entries (max_entries)",
            Box::new(move |asked| {
                let first = counted.fetch_add(1000, SeqCst);
                let users = (first..first + 1000).flat_map(|n| user(asked, n, &[]));
                users.chain(page(asked, b"more")).collect()
            }),
        ),
        ("an empty page that is not the last", Box::new(|asked| page(asked, b"more"))),
        (
            "a range of values without an end",
            Box::new(|asked| {
                let range: &[(&str, &[&[u8]])] = &[("proxyAddresses;range=0-1", &[b"smtp:a@x", b"smtp:b@x"])];
                [user(asked, 1, range), done(asked, 0, "")].concat()
            }),
        ),
        ("no answer within", Box::new(|asked| user(asked, 1, &[]))),
        ("no answer within", Box::new(|_| vec![])),
        ("directory.page smaller", Box::new(|asked| [user(asked, 1, &[]), done(asked, 3, "")].concat())),
        ("size limit", Box::new(|asked| [user(asked, 1, &[]), done(asked, 4, "")].concat())),
        ("administrative limit", Box::new(|asked| done(asked, 11, ""))),
        ("is the base right?", Box::new(|asked| done(asked, 32, ""))),
        ("may not read", Box::new(|asked| done(asked, 50, "who are you"))),
        ("busy", Box::new(|asked| done(asked, 51, ""))),
        ("going away", Box::new(|_| message(0, &[result(0x78, 52, "going away")]))),
        ("an answer to nothing", Box::new(|_| message(0, &[tlv(0x64, b"\x04\x00\x30\x00")]))),
        // A part of the directory that this server does not have: those who are there have not gone.
        ("lies on another server", Box::new(|asked| [user(asked, 1, &[]), done(asked, 10, "")].concat())),
        ("nobody any more", Box::new(|asked| done(asked, 0, ""))),
    ];
    let before = Person { name: "Ada".into(), ..Person::default() };
    for (words, says) in rows {
        let fake = fake(says);
        let (_folder, settings) = site(&fake);
        let settings = Arc::new(settings);
        let roster = Arc::new(Roster::of([before.clone()], vec![], vec![]));
        let mut mirror = Mirror::new(Arc::clone(&settings), Arc::clone(&roster));
        let mut servers = Servers::new(settings).expect("a CA").resolving(&names());
        let begun = Instant::now();
        let told =
            runtime().block_on(poll(&mut mirror, &mut servers)).map(drop).expect_err(words).to_string();
        assert!(told.contains(words), "{words}: {told}");
        assert!(begun.elapsed() < Duration::from_secs(15), "{words}: {:?}", begun.elapsed());
        assert!(Arc::ptr_eq(mirror.roster(), &roster), "{words}");
    }
}

#[test]
fn values_that_come_in_ranges_are_whole() {
    let says = |asked: &Asked| {
        let (attribute, values): (&str, &[&[u8]]) = match () {
            () if asked.holds("range=2-*") => {
                ("proxyAddresses;range=2-3", &[b"smtp:c@x.test", b"smtp:d@x.test"])
            }
            () if asked.holds("range=4-*") => ("proxyAddresses;range=4-*", &[b"smtp:e@x.test"]),
            () => ("proxyAddresses;range=0-1", &[b"SMTP:a@x.test", b"smtp:b@x.test"]),
        };
        [user(asked, 1, &[(attribute, values)]), done(asked, 0, "")].concat()
    };
    let fake = fake(says);
    let (_folder, settings) = site(&fake);
    let settings = Arc::new(settings);
    let mut mirror = Mirror::new(Arc::clone(&settings), Arc::default());
    let mut servers = Servers::new(settings).expect("a CA").resolving(&names());
    runtime().block_on(poll(&mut mirror, &mut servers)).expect("it answers");
    let person = mirror.roster().persons().next().expect("a person");
    assert_eq!(person.mails, ["a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test"]);
}
