//! Clients that nobody here wrote: exchangelib reads what Ringpost has put into a mailbox, and drives the foreign emulator.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use ringpost::{
    outbox::Status::Delivered,
    settings::{Ews, EwsAccess},
};
use serde_json::Value;

use crate::{
    basic, channel,
    emulator::{Emulator, services},
    settings,
    support::{by_mail, service},
    told, voice,
};

/// A Python with exchangelib; `None` and a word about it where there is none.
fn python() -> Option<String> {
    let found = Command::new(service("ews/exchangelib.sh")).output().ok();
    let python = found.filter(|done| done.status.success() && !done.stdout.is_empty());
    if python.is_none() {
        println!("skipped: no Python with exchangelib, and it cannot be installed");
    }
    python.map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

#[test]
fn exchangelib_reads_what_ringpost_has_put_into_the_inbox() {
    let folder = tempfile::tempdir().expect("a folder");
    let (Some(exchange), Some(python)) = (Emulator::start(folder.path()), python()) else { return };
    let wav = folder.path().join("a.wav");
    fs::write(&wav, b"RIFF of a recording\0\xFF").expect("a file");
    let mut hostile = by_mail("hostile", "tu@corp.test");
    hostile.notice.caller.name = Some("</t:Subject>Eve\r\nBcc: a@b\u{202E}<!-- \u{1}".into());
    for access in [EwsAccess::Impersonation, EwsAccess::Delegate] {
        let mailbox = format!("{access:?}@corp.test").to_lowercase();
        let mut items = vec![by_mail("missed", &mailbox), voice("voice", &mailbox, &wav), hostile.clone()];
        items[2].notice.mail = Some(mailbox.clone());
        let ews =
            channel(&Ews { ca: Some(exchange.ca.clone()), access, ..settings(exchange.url(), basic()) });
        let end = actix::System::new().block_on(told(&ews, Duration::from_secs(20), items));
        assert_eq!(end, (Delivered, String::new()));
        let read = Command::new(&python)
            .arg(service("ews/read.py"))
            .arg(exchange.port.to_string())
            .arg(&exchange.ca)
            .arg(&mailbox)
            .output()
            .expect("Python starts");
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        let text = String::from_utf8(read.stdout).expect("UTF-8");
        let read: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let [missed, voice, hostile] = read.as_slice() else { panic!("{text}") };
        for (item, class, subject, call_id) in [
            (missed, "IPM.Note.Microsoft.Missed.Voice", "Missed call from Luka Å", "missed"),
            (voice, "IPM.Note.Microsoft.Voicemail.UM.CA", "Voice mail from Luka Å", "voice"),
            (
                hostile,
                "IPM.Note.Microsoft.Missed.Voice",
                "Missed call from </t:Subject>Eve Bcc: a@b<!--",
                "hostile",
            ),
        ] {
            assert_eq!(item["class"], class);
            assert_eq!(item["subject"], subject);
            assert_eq!((&item["header"], &item["number"]), (&call_id.into(), &"+4544890101".into()));
            assert_eq!((&item["from"], &item["read"]), (&"um@corp.test".into(), &false.into()));
            let body = item["body"].as_str().expect("a body");
            assert!(body.contains("+4544890101") && body.contains("</html>"), "{body}");
            assert!(!body.contains("</t:Subject>"), "{body}");
        }
        assert_eq!(missed["attachments"], Value::Array(vec![]));
        let attached = &voice["attachments"][0];
        assert!(attached[0].as_str().expect("a name").ends_with(".wav"), "{attached}");
        assert_eq!(
            (&attached[1], &attached[2]),
            (&"audio/wav".into(), &"RIFF of a recording\0\u{FF}".into())
        );
    }
    actix::System::new().block_on(async {
        let bad = (exchange.count("bad_requests").await, exchange.count("bad_responses").await);
        assert_eq!(bad, (0, 0), "what either client says, and what it hears, is as the schema wants it");
    });
}

#[test]
fn the_foreign_emulator_passes_exchangelib() {
    let folder = tempfile::tempdir().expect("a folder");
    let (Some(exchange), Some(python)) = (Emulator::foreign(folder.path()), python()) else { return };
    let checked = Command::new(python)
        .arg(services().join("ews-emulator/check_exchangelib.py"))
        .arg(exchange.port.to_string())
        .arg(&exchange.ca)
        .stderr(Stdio::null())
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && !said.contains("FAIL"), "{said}");
    assert!(said.matches("ok  ").count() >= 9, "{said}");
}
