//! From the outbox to the item.

use std::{fs, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use mail_parser::{MessageParser, MimeHeaders};
use ringpost::{
    address::Caller,
    notify::Notice,
    outbox::{
        Item,
        Status::{Dead, Delivered},
    },
    settings::{Ews, EwsAccess, EwsLogin, Secret},
};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    basic, channel,
    emulator::Emulator,
    oauth, settings,
    support::{
        by_mail,
        http::{Reply, Server},
    },
    told, voice,
};

const LONG: Duration = Duration::from_secs(20);

fn ntlm(password: &str) -> EwsLogin {
    EwsLogin::Ntlm { user: "CORP\\svc".into(), password: Secret(password.into()) }
}

#[test]
fn every_login_brings_missed_calls_and_voice_mails_into_the_inbox() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(exchange) = Emulator::start(folder.path()) else { return };
    let wav = folder.path().join("a.wav");
    fs::write(&wav, b"RIFF of a recording").expect("a file");
    let tokens =
        Server::start(None, |_| Reply::json(200, &json!({"access_token": "good", "expires_in": 3599})));
    let logins = [("basic", basic()), ("ntlm", ntlm("pw")), ("oauth", oauth(tokens.url("/token")))];
    actix::System::new().block_on(async {
        for (name, login) in logins {
            for access in [EwsAccess::Impersonation, EwsAccess::Delegate] {
                let mailbox = format!("{name}-{access:?}@corp.test").to_lowercase();
                let ca = Some(exchange.ca.clone());
                let ews = channel(&Ews { ca, access, ..settings(exchange.url(), login.clone()) });
                let items = vec![by_mail("missed", &mailbox), voice("voice", &mailbox, &wav)];
                assert_eq!(told(&ews, LONG, items).await, (Delivered, String::new()), "{mailbox}");
                let kept = exchange.items(&mailbox).await;
                assert_eq!(kept.len(), 2, "{mailbox}");
                assert_eq!(kept[0]["class"], "IPM.Note.Microsoft.Missed.Voice");
                assert_eq!(kept[1]["class"], "IPM.Note.Microsoft.Voicemail.UM.CA");
                for item in &kept {
                    assert_eq!((&item["folder"], &item["read"]), (&json!("inbox"), &json!("false")));
                    assert_eq!(item["ext"]["0x0E07"], "0", "no draft");
                    assert_eq!(item["ext"]["0x6802"], "+4544890101");
                    assert_eq!(item["ext"]["X-CallingTelephoneNumber"], "+4544890101");
                }
                let mime = STANDARD.decode(kept[1]["mime"].as_str().expect("MIME")).expect("base64");
                let mail = MessageParser::default().parse(&mime).expect("a mail");
                let audio = mail.attachment(0).expect("an attachment");
                assert_eq!(audio.contents(), b"RIFF of a recording");
                assert_eq!(kept[1]["ext"]["0x6805"].as_str(), audio.attachment_name());
            }
        }
        assert_eq!(exchange.count("ntlm").await, 4);
        assert_eq!((exchange.count("bad_requests").await, exchange.count("bad_responses").await), (0, 0));
        assert_eq!(exchange.count("find").await, 0, "nothing is looked for that is new");
    });
    assert_eq!(tokens.asked().len(), 2, "a token serves a channel's notices");
}

#[test]
fn t30_faults_end_with_one_item_and_as_late_as_the_server_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(exchange) = Emulator::start(folder.path()) else { return };
    let code = |value: &str| json!({"kind": "code", "value": value});
    let table = [
        ("busy", json!({"kind": "busy", "ms": 700}), 700, Delivered),
        ("http503", json!({"kind": "http", "code": 503, "retry_after": 1}), 1000, Delivered),
        ("http429", json!({"kind": "http", "code": 429, "retry_after": 1}), 1000, Delivered),
        ("http500", json!({"kind": "http", "code": 500}), 0, Delivered),
        ("http502", json!({"kind": "http", "code": 502}), 0, Delivered),
        ("http413", json!({"kind": "http", "code": 413}), 0, Dead),
        ("drop", json!({"kind": "drop"}), 0, Delivered),
        ("drop-after", json!({"kind": "drop-after"}), 0, Delivered),
        ("garbage", json!({"kind": "garbage"}), 0, Delivered),
        ("quota", code("ErrorQuotaExceeded"), 0, Delivered),
        ("moved", code("ErrorMailboxMoveInProgress"), 0, Delivered),
        ("store", code("ErrorMailboxStoreUnavailable"), 0, Delivered),
        ("mime", code("ErrorMimeContentInvalid"), 0, Dead),
        ("nobody", code("ErrorNonExistentMailbox"), 0, Dead),
    ];
    actix::System::new().block_on(async {
        for (name, fault, wait, end) in table {
            let ews = channel(&Ews { ca: Some(exchange.ca.clone()), ..settings(exchange.url(), basic()) });
            let mailbox = format!("{name}@corp.test");
            exchange.fails(&[fault]).await;
            let begun = Instant::now();
            let (status, reason) = told(&ews, LONG, vec![by_mail(name, &mailbox)]).await;
            assert_eq!(status, end, "{name}: {reason}");
            assert!(begun.elapsed() >= Duration::from_millis(wait), "{name}: {:?}", begun.elapsed());
            let items = exchange.items(&mailbox).await.len();
            assert_eq!(items, usize::from(end == Delivered), "{name}");
        }
        assert_eq!((exchange.count("bad_requests").await, exchange.count("bad_responses").await), (0, 0));
    });
}

#[test]
fn t30_a_server_that_wants_to_be_left_alone_hears_of_no_other_notice_either() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(exchange) = Emulator::start(folder.path()) else { return };
    actix::System::new().block_on(async {
        let ews = channel(&Ews { ca: Some(exchange.ca.clone()), ..settings(exchange.url(), basic()) });
        exchange.fails(&[json!({"kind": "busy", "ms": 60_000})]).await;
        let give_up = Duration::from_millis(200);
        let items = vec![by_mail("1", "tu@corp.test"), by_mail("2", "tu@corp.test")];
        assert_eq!(told(&ews, give_up, items).await.0, Dead);
        assert_eq!(exchange.count("requests").await, 1, "the second one was not even tried");
    });
}

#[test]
fn wrong_passwords_make_no_item_and_are_not_told_to_anybody() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(exchange) = Emulator::start(folder.path()) else { return };
    actix::System::new().block_on(async {
        let wrong = Secret("hunter2".into());
        for login in [EwsLogin::Basic { user: "svc@corp.test".into(), password: wrong }, ntlm("hunter2")] {
            let ews = channel(&Ews { ca: Some(exchange.ca.clone()), ..settings(exchange.url(), login) });
            let items = vec![by_mail("1", "tu@corp.test")];
            let (status, reason) = told(&ews, Duration::from_millis(200), items).await;
            assert_eq!((status, reason.contains("refuses the user name")), (Dead, true), "{reason}");
            assert!(!reason.contains("hunter2"));
        }
        assert_eq!(exchange.items("tu@corp.test").await.len(), 0);
    });
}

#[test]
fn t15_exchange_takes_every_hostile_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(exchange) = Emulator::start(folder.path()) else { return };
    let names = [
        "</t:Subject><t:IsRead>true</t:IsRead>",
        "\"/><t:EmailAddress>mallory@x.test</t:EmailAddress>",
        "]]></t:Value><!--",
        "x\r\nBcc: mallory@x.test\r\n\r\n.\r\n",
        "a\u{0}b\u{1}c\u{b}d\u{85}e\u{FFFE}",
        "\u{202E}evil\u{2066}",
        "👩‍🚀 山田 مرحبا",
        "&lt;&#0;&nope;",
    ];
    actix::System::new().block_on(async {
        let ews = channel(&Ews { ca: Some(exchange.ca.clone()), ..settings(exchange.url(), basic()) });
        let items = names.iter().enumerate().map(|(at, name)| {
            let item = by_mail(&format!("{at}{name}"), "tu@corp.test");
            let named = Some((*name).to_owned());
            let caller = Caller { name: named.clone(), number: named, ..Caller::default() };
            Item { notice: Notice { caller, ..item.notice.clone() }, ..item }
        });
        assert_eq!(told(&ews, LONG, items.collect()).await.0, Delivered);
        let kept = exchange.items("tu@corp.test").await;
        assert_eq!(kept.len(), names.len());
        assert!(kept.iter().all(|item| item["read"] == "false"));
        assert!(kept[0]["subject"].as_str().expect("a subject").contains(names[0]), "{}", kept[0]["subject"]);
        assert_eq!(exchange.count("bad_requests").await, 0);
    });
}

#[test]
fn the_emulator_beside_the_project_takes_both_kinds() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(exchange) = Emulator::foreign(folder.path()) else { return };
    let wav = folder.path().join("a.wav");
    fs::write(&wav, b"RIFF of a recording").expect("a file");
    actix::System::new().block_on(async {
        let ews = channel(&Ews { ca: Some(exchange.ca.clone()), ..settings(exchange.url(), basic()) });
        let items = vec![by_mail("1", "tu@corp.test"), voice("2", "tu@corp.test", &wav)];
        assert_eq!(told(&ews, LONG, items).await, (Delivered, String::new()));
        let kept = exchange.items("svc@corp.test").await;
        let classes: Vec<_> = kept.iter().filter_map(|item| item["class"].as_str()).collect();
        assert_eq!(classes, ["IPM.Note.Microsoft.Missed.Voice", "IPM.Note.Microsoft.Voicemail.UM.CA"]);
        assert_eq!((exchange.count("bad_requests").await, exchange.count("bad_responses").await), (0, 0));
    });
}
