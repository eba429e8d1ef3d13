use std::time::Duration;

use super::*;
use crate::{
    address::{Caller, Language},
    call::Outcome,
    notify::{Notice, Style, golden::golden},
    voicemail::sound::Sound,
};

fn notice(kind: Kind, language: Language) -> Notice {
    Notice {
        kind,
        user: "sip:tu@contoso.com".into(),
        user_name: Some("Søren Ø".into()),
        mail: Some("tu@contoso.com".into()),
        language,
        time_zone: "Europe/Copenhagen".into(),
        call_id: "7f3c@pbx".into(),
        caller: Caller {
            name: Some("Luka A".into()),
            number: Some("+4544890101".into()),
            uri: Some("tel:+4544890101".into()),
            ..Caller::default()
        },
        came_in: "2008-04-11T09:12:33Z".parse().expect("a timestamp"),
        rang_for: Duration::from_secs(23),
        outcome: Outcome::GaveUpRinging,
        talked: None,
        called: None,
    }
}

fn built(notice: &Notice, recording: Option<Vec<u8>>) -> String {
    let posted = "2008-04-11T09:13:00Z".parse().expect("a timestamp");
    let letter = Style::default().letter(notice, recording.map(Sound::recorded)).expect("a letter");
    let mail = compose(&letter, "um@contoso.com", posted).expect("a mail");
    String::from_utf8(mail.formatted()).expect("mails are ASCII here")
}

#[test]
fn every_language_has_its_mails() {
    let kinds = [
        ("missed", Outcome::GaveUpRinging, Kind::Missed),
        (
            "voice-mail",
            Outcome::LeftMessage,
            Kind::VoiceMail {
                recording: "x.wav".into(),
                duration: Duration::from_millis(64_200),
                urgent: false,
            },
        ),
        (
            "locked",
            Outcome::TakenByUm,
            Kind::Locked { tries: 5, until: "2008-04-11T09:42:33Z".parse().expect("a timestamp") },
        ),
    ];
    for language in Language::ALL {
        for (name, outcome, kind) in kinds.clone() {
            let notice = Notice { outcome, ..notice(kind, language) };
            let wav = matches!(notice.kind, Kind::VoiceMail { .. }).then(|| b"RIFF----WAVE".to_vec());
            let code = language.code();
            golden(&format!("{name}.{code}.eml"), &built(&notice, wav));
            let words = Style::default().told(&notice).words;
            golden(&format!("{name}.{code}.html"), &words.html);
            golden(&format!("{name}.{code}.txt"), &words.text);
        }
    }
}

#[test]
fn no_text_of_the_caller_injects_anything() {
    for text in [
        "x\r\nBcc: a@b.test\r\n\r\n.\r\n",
        "a\n.\nb",
        "\0\u{1}\u{202E}moc.evil\u{2066}",
        "👩‍🚀 \"quoted\" <a@b.test>, c@d.test; (comment) \\",
        "=?utf-8?q?=0D=0ABcc:_a=40b.test?=",
        &"Å".repeat(5000),
        "",
        "<script>alert(1)</script>",
    ] {
        let mut hostile = notice(
            Kind::VoiceMail { recording: "x.wav".into(), duration: Duration::from_secs(3), urgent: false },
            Language::En,
        );
        hostile.caller = Caller {
            name: Some(text.into()),
            number: Some(text.into()),
            uri: Some(text.into()),
            ..Caller::default()
        };
        (hostile.call_id, hostile.user_name) = (text.into(), Some(text.into()));
        let sound = Some(Sound::recorded(vec![0; 300]));
        let letter = Style::default().letter(&hostile, sound).expect("a letter");
        let mail = compose(&letter, "um@contoso.com", Timestamp::UNIX_EPOCH).expect("a mail");
        let recipients: Vec<&str> = mail.envelope().to().iter().map(AsRef::as_ref).collect();
        assert_eq!(recipients, ["tu@contoso.com"], "{text:?}");
        let octets = String::from_utf8(mail.formatted()).expect("mails are ASCII here");
        let (head, _) = octets.split_once("\r\n\r\n").expect("a head and a body");
        let names: Vec<&str> = head
            .split("\r\n")
            .filter(|l| !l.starts_with([' ', '\t']))
            .filter_map(|l| l.split(':').next())
            .collect();
        let mut want =
            vec!["Message-ID", "Date", "From", "To", "Subject", "Auto-Submitted", "X-Auto-Response-Suppress"];
        want.extend(["Content-Language", "X-CallID"]);
        if Shown::of(&hostile).number.is_some() {
            want.push("X-CallingTelephoneNumber");
        }
        want.extend([
            "Content-Class",
            "X-VoiceMessageDuration",
            "X-VoiceMessageSenderName",
            "X-AttachmentOrder",
        ]);
        want.extend(["MIME-Version", "Content-Type"]);
        assert_eq!(names, want, "{head}");
        assert!(!octets.replace("\r\n", "").contains(['\r', '\n', '\0']), "a bare CR, LF or NUL");
        assert!(octets.split("\r\n").all(|line| line.len() <= 998), "RFC 5322 §2.1.1");
    }
}

#[test]
fn what_cannot_be_a_mail_says_why() {
    let missed = notice(Kind::Missed, Language::En);
    let voice = notice(
        Kind::VoiceMail { recording: "x.wav".into(), duration: Duration::ZERO, urgent: false },
        Language::En,
    );
    let injected = Notice { mail: Some("tu@contoso.com\r\nBcc: a@b.test".into()), ..missed.clone() };
    let nobody = Notice { mail: None, ..missed.clone() };
    for (notice, from, error) in [
        (&nobody, "um@contoso.com", "the user has no mail address"),
        (&injected, "um@contoso.com", "the user's address is not a mail address: Invalid email user"),
        (&missed, "nobody", "the sender's address is not a mail address: Missing domain or user"),
        (&voice, "um@contoso.com", "the recording of the voice mail is missing"),
    ] {
        let style = Style::default();
        let refused = style
            .letter(notice, None)
            .and_then(|letter| compose(&letter, from, Timestamp::UNIX_EPOCH))
            .expect_err("no mail");
        assert_eq!(refused.to_string(), error);
    }
}

#[test]
fn a_retry_is_the_same_mail() {
    let missed = notice(Kind::Missed, Language::Fr);
    assert_eq!(built(&missed, None), built(&missed, None));
}
