//! T21: no mail and no password go where TLS is not what it has to be.

use std::fs;

use ringpost::{outbox::Delivery, settings::MailTls};

use super::{delivery, fake, scripted, server, stored};
use crate::support::{
    certificates::{Ca, Flaw},
    free_port, python,
};

/// T21 and T29: no mail and no password go where the certificate is wrong, or where STARTTLS was stripped.
#[test]
fn a_server_without_a_good_certificate_gets_neither_mail_nor_password() {
    let Some(python) = python() else { return };
    let ca = Ca::new();
    for (flaw, root, word) in [
        (Flaw::Nothing, true, ""),
        (Flaw::Nothing, false, "certificate"),
        (Flaw::WrongName, true, "not valid for name"),
        (Flaw::Expired, true, "expired"),
        (Flaw::TooEarly, true, "not valid yet"),
        (Flaw::SelfSigned, true, "certificate"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        let served = ca.serves(flaw);
        fs::write(&certificate, served.certificate).expect("written");
        fs::write(&key, served.key).expect("written");
        let port = free_port();
        let (certificate, key) = (certificate.to_string_lossy(), key.to_string_lossy());
        let options = ["--tls", &certificate, &key, "--require-tls", "--auth", "me", "pw"];
        let mails = folder.path().join("mails");
        let _server = fake(&python, port, &mails, &options);
        let trusted = root.then(|| ca.pem());
        for tls in [MailTls::Required, MailTls::Opportunistic] {
            let end = delivery(server(port, tls, Some(("me", "pw"))), trusted.as_deref(), "ok@x.test");
            match end {
                Delivery::Delivered => assert!(flaw == Flaw::Nothing && root, "{flaw:?}"),
                Delivery::Down { reason, .. } => {
                    assert!(!word.is_empty() && reason.contains(word), "{flaw:?} {root}: {reason}");
                }
                other => panic!("{flaw:?} {root}: {other:?}"),
            }
        }
        let good = usize::from(flaw == Flaw::Nothing && root);
        assert_eq!(stored(&mails).len(), 2 * good, "{flaw:?} {root}");
        let wrong =
            delivery(server(port, MailTls::Required, Some(("me", "no"))), trusted.as_deref(), "ok@x.test");
        assert!(matches!(wrong, Delivery::Down { .. }), "{wrong:?}");
    }
    // STARTTLS was stripped from the answer to EHLO.
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let _server = fake(&python, port, folder.path(), &[]);
    let end = delivery(server(port, MailTls::Required, Some(("me", "pw"))), None, "ok@x.test");
    assert!(matches!(&end, Delivery::Down { reason, .. } if reason.contains("STARTTLS")), "{end:?}");
    assert!(stored(folder.path()).is_empty());
}

/// T21: nobody on the way can take TLS out of a conversation, or speak before it has begun.
#[test]
fn nobody_strips_starttls_or_speaks_in_its_place() {
    let (port, heard) = scripted(&["STARTTLS", "AUTH PLAIN"], "pw");
    for tls in [MailTls::Required, MailTls::Opportunistic] {
        for login in [None, Some(("me", "pw"))] {
            let end = delivery(server(port, tls, login), None, "ok@x.test");
            let Delivery::Down { reason, .. } = end else { panic!("{end:?}") };
            assert!(reason.contains("before TLS"), "{reason}");
        }
    }
    assert!(heard.try_iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS"));
    // A login never goes without TLS where TLS is spoken of at all.
    let (port, heard) = scripted(&["AUTH PLAIN"], "pw");
    let end = delivery(server(port, MailTls::Opportunistic, Some(("me", "pw"))), None, "ok@x.test");
    assert!(matches!(&end, Delivery::Down { reason, .. } if reason.contains("STARTTLS")), "{end:?}");
    assert!(heard.try_iter().all(|line| line.starts_with("EHLO")));
    let open = delivery(server(port, MailTls::Opportunistic, None), None, "ok@x.test");
    assert_eq!(open, Delivery::Delivered, "without a login, and where TLS was never there, it is as it is");
}
