//! Logins (RFC 4954): passwords and tokens, and servers that refuse them.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::Receiver,
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use ringpost::{
    outbox::Delivery,
    settings::{Mail, MailAuth, MailTls, OAuth, Proof, Secret},
};
use ringpost_actors::{
    channel::{Channel, Smtp, token::Tokens},
    metrics::{METRICS, State},
};
use serde_json::json;

use super::{delivery, scripted, server};
use crate::support::{
    by_mail,
    http::{Reply, Server as HttpServer},
};

fn logins(heard: &Receiver<String>) -> Vec<String> {
    heard.try_iter().filter(|line| line.starts_with("AUTH ")).collect()
}

#[test]
fn a_token_logs_in_by_xoauth2_and_is_read_anew_from_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    let (port, heard) = scripted(&["AUTH PLAIN LOGIN XOAUTH2"], "t0ken-");
    for token in ["t0ken-1", "t0ken-2"] {
        fs::write(&file, format!("{token}\n")).expect("written");
        let mut settings = server(port, MailTls::Never, Some(("um@x.test", "t0ken-0")));
        settings.auth = MailAuth::XOauth2 { file: Some(file.clone()) };
        assert_eq!(delivery(settings, None, "ok@x.test"), Delivery::Delivered);
        let words = STANDARD.encode(format!("user=um@x.test\u{1}auth=Bearer {token}\u{1}\u{1}"));
        assert_eq!(logins(&heard), [format!("AUTH XOAUTH2 {words}")]);
    }
}

/// T30 for SMTP: client credentials; one token for all logins, and another one, once, where the server refuses it.
#[test]
fn a_token_of_the_provider_is_shared_and_replaced_once_where_it_is_refused() {
    let count = Arc::new(AtomicUsize::new(0));
    let granted = count.clone();
    let provider = HttpServer::start(None, move |_| {
        let number = granted.fetch_add(1, SeqCst) + 1;
        Reply::json(200, &json!({"access_token": format!("t-{number}."), "expires_in": 3599}))
    });
    let settings = |port| Mail {
        auth: MailAuth::OAuth(Box::new(OAuth {
            token_url: provider.url("/token"),
            client_id: "app".into(),
            scope: "https://outlook.office365.com/.default".into(),
            proof: Proof::Secret(Secret("s3cret".into())),
        })),
        ..server(port, MailTls::Never, Some(("um@x.test", "")))
    };
    let login =
        |number: usize| STANDARD.encode(format!("user=um@x.test\u{1}auth=Bearer t-{number}.\u{1}\u{1}"));
    let (port, heard) = scripted(&["AUTH LOGIN XOAUTH2"], "Bearer t-2.");
    let smtp = Smtp::new(&settings(port), &Tokens::default()).expect("a transport");
    actix::System::new().block_on(async {
        // The first token was withdrawn; both notices go, and the second one finds the new token.
        for call in ["1", "2"] {
            assert_eq!(smtp.deliver(&by_mail(call, "ok@x.test")).await, Delivery::Delivered);
        }
    });
    assert_eq!(logins(&heard), [1, 2].map(|number| format!("AUTH XOAUTH2 {}", login(number))));
    assert_eq!(count.load(SeqCst), 2);
    // A token that is never good costs two for a try, and the notice waits.
    let (port, heard) = scripted(&["AUTH XOAUTH2"], "another");
    let end = delivery(settings(port), None, "ok@x.test");
    assert!(matches!(&end, Delivery::Down { reason, .. } if reason.contains("refuses the token")), "{end:?}");
    assert_eq!(logins(&heard).len(), 2);
    assert!(!format!("{end:?}").contains("t-"), "no token in a reason");
    let (port, heard) = scripted(&["AUTH PLAIN LOGIN"], "another");
    let end = delivery(settings(port), None, "ok@x.test");
    assert!(matches!(&end, Delivery::Down { reason, .. } if reason.contains("XOAUTH2")), "{end:?}");
    assert_eq!(logins(&heard).len(), 0, "no token where nobody asks for one");
}

#[test]
fn a_password_goes_by_plain_or_by_login_whichever_the_server_has() {
    for (offers, wanted) in [
        (&["AUTH PLAIN LOGIN"][..], Some("AUTH PLAIN")),
        (&["AUTH LOGIN PLAIN"], Some("AUTH PLAIN")),
        (&["AUTH LOGIN"], Some("AUTH LOGIN")),
        (&["AUTH CRAM-MD5"], None),
        (&[], None),
    ] {
        let (port, heard) = scripted(offers, "pw");
        let end = delivery(server(port, MailTls::Never, Some(("me", "pw"))), None, "ok@x.test");
        let logins = logins(&heard);
        match wanted {
            Some(wanted) => {
                assert_eq!((end, logins.len()), (Delivery::Delivered, 1), "{offers:?}");
                assert!(logins[0].starts_with(wanted), "{offers:?}: {logins:?}");
            }
            None => {
                assert!(matches!(end, Delivery::Down { .. }) && logins.is_empty(), "{offers:?}: {end:?}");
            }
        }
    }
}

/// A directory locks an account after a few wrong passwords.
#[test]
fn a_refused_password_is_shown_once_and_then_left_alone() {
    for offers in [&["AUTH PLAIN"], &["AUTH LOGIN"]] {
        let (port, heard) = scripted(offers, "the right one");
        let settings = server(port, MailTls::Never, Some(("me", "wrong")));
        let smtp = Smtp::new(&settings, &Tokens::default()).expect("a transport").named("mail");
        let ends = actix::System::new().block_on(async {
            let items: Vec<_> = (0..20).map(|n| by_mail(&format!("{n}"), "ok@x.test")).collect();
            let mut ends = join_all(items.iter().map(|item| smtp.deliver(item))).await;
            ends.push(smtp.deliver(&items[0]).await);
            ends
        });
        for end in ends {
            let Delivery::Down { reason, not_before: Some(rest) } = end else { panic!("{end:?}") };
            assert!(rest > Duration::from_secs(800) && reason.contains("5.7.8"), "{rest:?} {reason}");
        }
        assert_eq!(logins(&heard).len(), 1);
        let part = ("login of mail at 127.0.0.1".to_owned(), "no more tries");
        let parts = METRICS.health.parts();
        let (_, state) = parts.iter().find(|(name, _)| *name == part.0).expect("it is shown");
        assert!(matches!(state, State::Yellow(why) if why.contains(part.1)), "{state:?}");
    }
}
