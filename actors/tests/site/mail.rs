//! `[mail]`: its URL, its addresses and its password.

use std::{fs, path::PathBuf};

use ringpost::settings::{MailTls, MailUrl, Secret};
use ringpost_actors::load;

use super::{loaded, told, with_environment};

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
