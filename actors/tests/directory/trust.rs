//! To whom a password is shown (T21, T22): servers with every certificate, StartTLS that somebody refuses or strips, and
//! passwords that are none or are refused.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use ringpost::settings::{Ldap, LdapBind, LdapServer, LdapTls, Secret};
use ringpost_actors::directory::{Refusal, servers::Servers};

use crate::{
    authority::{Authority, lasting, params},
    certificates,
    fake::{Asked, BIND, EXTENDED, Fake, Tls, done},
    runtime,
    slapd::{NAME, names, settings},
    support::log::Log,
};

/// A site whose one server that is.
fn site(ours: &Authority, fake: &Fake, tls: LdapTls) -> (tempfile::TempDir, Ldap) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("ca.pem"), ours.pem()).expect("a file");
    let host = if tls == LdapTls::Never { "127.0.0.1" } else { NAME };
    let settings = settings(vec![LdapServer { host: host.to_owned(), port: fake.port, tls }], folder.path());
    (folder, settings)
}

fn servers(settings: &Ldap) -> Servers {
    Servers::new(Arc::new(settings.clone())).expect("a CA").resolving(&names())
}

fn refused(servers: &mut Servers) -> String {
    match runtime().block_on(servers.session(&[])) {
        Ok(_) => "taken".to_owned(),
        Err(refusal) => refusal.to_string(),
    }
}

/// Takes everything.
fn takes(asked: &Asked) -> Vec<u8> {
    done(asked, 0, "")
}

#[test]
fn t21_only_the_right_certificate_gets_the_password() {
    let ours = Authority::new("ours");
    for (certificate, pair, words) in certificates::table(&ours) {
        for (shown, tls) in [(Tls::Implicit, LdapTls::Implicit), (Tls::Start, LdapTls::Start)] {
            let fake = Fake::start(&pair, shown, takes);
            let (_folder, settings) = site(&ours, &fake, tls);
            let log = Log::default();
            let writer = Mutex::new(log.clone());
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
            let told = tracing::subscriber::with_default(subscriber, || refused(&mut servers(&settings)));
            let in_the_open: &[u8] = if tls == LdapTls::Start { &[EXTENDED] } else { &[] };
            match words {
                None => {
                    assert_eq!(told, "taken", "{certificate} by {tls:?}");
                    assert_eq!(fake.heard(), [in_the_open, &[BIND]].concat());
                }
                Some(words) => {
                    assert!(
                        told.starts_with("TLS: ") && told.contains(words),
                        "{certificate} by {tls:?}: {told}"
                    );
                    assert_eq!(fake.heard(), in_the_open, "{certificate} by {tls:?}");
                    let log = log.take();
                    assert!(log.contains("A directory server has failed") && log.contains(words), "{log}");
                }
            }
        }
    }
}

#[test]
fn t21_starttls_that_is_refused_or_stripped_leaves_nothing_in_the_open() {
    let ours = lasting("ours");
    let good = || ours.signs(&params(&[NAME]));
    type Says = fn(&Asked) -> Vec<u8>;
    let rows: [(&str, Says); 6] = [
        ("result 2: unsupported extended operation", |asked| {
            done(asked, 2, "unsupported extended operation")
        }),
        ("result 52", |asked| done(asked, 52, "")),
        ("spoke before TLS had begun", |asked| [done(asked, 0, ""), done(asked, 0, "")].concat()),
        ("no LDAP message", |_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("an answer to another request", |asked| done(&Asked { id: 9, ..asked.clone() }, 0, "")),
        ("larger than max_message", |_| vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]),
    ];
    for (words, says) in rows {
        let fake = Fake::start(&good(), Tls::Start, says);
        let (_folder, settings) = site(ours, &fake, LdapTls::Start);
        let told = refused(&mut servers(&settings));
        assert!(told.contains(words), "{words}: {told}");
        assert_eq!(fake.heard(), [EXTENDED], "{words}");
    }
}

#[test]
fn t22_a_server_that_wants_tls_is_told_of_and_nobody_logs_in_without_a_password() {
    let ours = lasting("ours");
    let good = || ours.signs(&params(&[NAME]));
    for code in [8, 13] {
        let fake = Fake::start(&good(), Tls::Never, move |asked| done(asked, code, "stronger"));
        let (_folder, settings) = site(ours, &fake, LdapTls::Never);
        let told = refused(&mut servers(&settings));
        assert!(told.contains("takes no login without TLS") && told.contains("ldaps://"), "{told}");
    }
    for (user, password) in [("cn=a", ""), ("", "pw"), ("", "")] {
        let fake = Fake::start(&good(), Tls::Implicit, takes);
        let (_folder, mut settings) = site(ours, &fake, LdapTls::Implicit);
        settings.bind = LdapBind::Simple(user.to_owned(), Secret(password.to_owned()));
        let told = refused(&mut servers(&settings));
        assert!(told.contains("a password that is not empty"), "{told}");
        assert!(fake.heard().is_empty(), "{:?}", fake.heard());
    }
}

#[test]
fn a_refused_password_is_shown_once_to_all_servers_together() {
    let ours = lasting("ours");
    let good = || ours.signs(&params(&[NAME]));
    let wrong = |asked: &Asked| {
        done(asked, 49, "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 52e")
    };
    let (one, other) =
        (Fake::start(&good(), Tls::Implicit, wrong), Fake::start(&good(), Tls::Implicit, wrong));
    let (_folder, mut settings) = site(ours, &one, LdapTls::Implicit);
    settings.servers.push(LdapServer { port: other.port, ..settings.servers[0].clone() });
    let mut servers = servers(&settings);
    for _ in 0..5 {
        let told = refused(&mut servers);
        assert!(
            told.contains("refuses the user name or the password") && told.contains("data 52e"),
            "{told}"
        );
    }
    // Nor does a look at servers that were down show it again.
    assert!(matches!(runtime().block_on(servers.wait()), Err(Refusal::Password(_))));
    assert_eq!([one.heard(), other.heard()].concat(), [BIND]);
    // The site read again with the same password changes nothing; with another one it is tried.
    servers.renewed(Arc::new(settings.clone())).expect("a CA");
    refused(&mut servers);
    assert_eq!([one.heard(), other.heard()].concat(), [BIND]);
    settings.bind = LdapBind::Simple("cn=a".to_owned(), Secret("another".to_owned()));
    servers.renewed(Arc::new(settings)).expect("a CA");
    refused(&mut servers);
    assert_eq!([one.heard(), other.heard()].concat(), [BIND, BIND]);
}
