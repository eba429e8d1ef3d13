use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::{
    address::{Caller, Language},
    call::Outcome,
    notify::{Kind, Letter, Notice, Style},
    settings::GraphDelivery,
    voicemail::sound::Sound,
};

fn notice(name: &str, kind: Kind) -> Notice {
    Notice {
        kind,
        user: "sip:tu@contoso.com".into(),
        user_name: Some("Tu \"the\" Ø".into()),
        mail: Some("tu@contoso.com".into()),
        language: Language::En,
        time_zone: "UTC".into(),
        call_id: "7f3c@pbx".into(),
        caller: Caller {
            name: Some(name.into()),
            number: Some("+4544890101".into()),
            uri: None,
            ..Caller::default()
        },
        came_in: "2008-04-11T09:12:33Z".parse().expect("a timestamp"),
        rang_for: Duration::from_secs(23),
        outcome: Outcome::GaveUpRinging,
        talked: None,
        called: None,
    }
}

fn voice() -> Kind {
    Kind::VoiceMail { recording: "a.wav".into(), duration: Duration::from_millis(4100), urgent: false }
}

fn letter(notice: &Notice) -> Letter<'_> {
    let sound = Some(Sound::recorded(b"RIFF".to_vec()));
    Style::default().letter(notice, sound).expect("a letter")
}

fn made_of(notice: &Notice, enclosed: Enclosed, deliver: GraphDelivery) -> Value {
    message(&letter(notice), "um@contoso.com", enclosed, Timestamp::UNIX_EPOCH, deliver).expect("a message")
}

fn property<'a>(message: &'a Value, id: &str) -> Option<&'a str> {
    let all = message["singleValueExtendedProperties"].as_array().expect("properties");
    all.iter().find(|one| one["id"] == id).and_then(|one| one["value"].as_str())
}

#[test]
fn a_message_in_the_inbox_is_a_received_missed_call() {
    let message = made_of(&notice("Luka A", Kind::Missed), Enclosed::Inline, GraphDelivery::Inbox);
    assert_eq!(message["subject"], "Missed call from Luka A");
    assert_eq!(message["isRead"], false);
    let from = json!({"emailAddress": {"name": "Luka A (+4544890101)", "address": "um@contoso.com"}});
    assert_eq!(message["from"], from);
    assert_eq!(message["sender"], from);
    assert_eq!(message["internetMessageId"], "<1c43106b8088ee644809e50a3daf77ee@contoso.com>");
    assert_eq!(message.get("internetMessageHeaders"), None);
    for (id, value) in [
        ("String 0x001A", Some("IPM.Note.Microsoft.Missed.Voice")),
        ("Integer 0x0E07", Some("0")),
        ("SystemTime 0x0E06", Some("1970-01-01T00:00:00Z")),
        ("String 0x6802", Some("+4544890101")),
        ("String 0x6806", Some("7f3c@pbx")),
        ("String {00020386-0000-0000-C000-000000000046} Name X-CallingTelephoneNumber", Some("+4544890101")),
        ("Integer 0x6801", None),
    ] {
        assert_eq!(property(&message, id), value, "{id}");
    }
}

#[test]
fn a_voice_mail_carries_its_recording_or_is_refused_without() {
    let notice = notice("Luka A", voice());
    let message_of = made_of(&notice, Enclosed::Inline, GraphDelivery::Json);
    let name = "voice-mail-2008-04-11-0912-0a4bd64c.wav";
    let name =
        message_of["attachments"][0]["name"].as_str().filter(|n| n.len() == name.len()).expect("a name");
    assert_eq!(message_of["attachments"][0]["contentBytes"], "UklGRg==");
    assert_eq!(message_of["attachments"][0]["@odata.type"], "#microsoft.graph.fileAttachment");
    assert_eq!(property(&message_of, "String 0x001A"), Some("IPM.Note.Microsoft.Voicemail.UM.CA"));
    assert_eq!(property(&message_of, "Integer 0x6801"), Some("5"), "seconds, rounded up");
    assert_eq!(property(&message_of, "String 0x6805"), Some(name));
    assert_eq!(property(&message_of, "Integer 0x0E07"), None, "it is to be sent");
    let headers = message_of["internetMessageHeaders"].as_array().expect("headers");
    assert!(
        headers.len() <= 5 && headers.iter().all(|h| h["name"].as_str().is_some_and(|n| n.starts_with("X-")))
    );
    assert_eq!(made_of(&notice, Enclosed::Behind, GraphDelivery::Inbox).get("attachments"), None);
    assert_eq!(
        upload(letter(&notice).sound.as_ref().expect("a recording")),
        json!({"AttachmentItem": {"attachmentType": "file", "name": name, "contentType": "audio/WAV", "size": 4}})
    );
}

/// T15, T16, T18: no name leaves its string, and none says what it should not.
#[test]
fn hostile_names_stay_names() {
    for (name, shown_as) in [
        (r#"x","isRead":true,"a":"b"#, r#"x","isRead":true,"a":"b"#),
        (
            r#"\"}],"bccRecipients":[{"emailAddress":{"address":"a@b"}}],"z":[{"\u0000"#,
            r#"\"}],"bccRecipients":[{"emailAddress":{"address":"a@b"}}],"z":[{"\u0000"#,
        ),
        ("x\r\nBcc: a@b\r\n\r\n.\r\n", "x Bcc: a@b ."),
        ("\u{202E}evil\u{0}\u{1}\u{FEFF}", "evil"),
        ("</script><img src=x onerror=alert(1)>", "</script><img src=x onerror=alert(1)>"),
        ("{{7*7}}{% raw %}${x}", "{{7*7}}{% raw %}${x}"),
        ("\u{2028}\u{2029}line", "line"),
        ("@odata.type", "@odata.type"),
        ("👩‍🚀 Ada", "👩‍🚀 Ada"),
    ] {
        for (deliver, kind) in [
            (GraphDelivery::Inbox, Kind::Missed),
            (GraphDelivery::Json, Kind::Missed),
            (GraphDelivery::Inbox, voice()),
        ] {
            let plain = made_of(&notice("Luka A", kind.clone()), Enclosed::Behind, deliver);
            let hostile = made_of(&notice(name, kind), Enclosed::Behind, deliver);
            let again: Value = serde_json::from_str(&sent(&hostile).to_string()).expect("JSON");
            assert_eq!(again["message"], hostile, "{name:?}");
            assert_eq!(shape(&hostile), shape(&plain), "no key came in or went: {name:?}");
            assert!(
                hostile["subject"].as_str().is_some_and(|s| s.ends_with(&format!(" from {shown_as}"))),
                "{name:?}"
            );
            assert_eq!(hostile["from"]["emailAddress"]["name"], format!("{shown_as} (+4544890101)"));
            assert_eq!(hostile["from"]["emailAddress"]["address"], "um@contoso.com");
            assert!(!hostile["body"]["content"].as_str().is_some_and(|html| html.contains("<img")));
        }
    }
}

/// A document without its texts.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(all) => all.iter().map(shape).collect(),
        _ => Value::Null,
    }
}

#[test]
fn no_address_leaves_its_segment() {
    let place = |mailbox| Place { url: "https://g.test/v1.0", mailbox };
    for (mailbox, url) in [
        ("tu@contoso.com", "https://g.test/v1.0/users/tu@contoso.com/sendMail"),
        ("a/../b?x#y@z", "https://g.test/v1.0/users/a%2F..%2Fb%3Fx%23y@z/sendMail"),
        ("..", "https://g.test/v1.0/users/%2E%2E/sendMail"),
        ("sø@x", "https://g.test/v1.0/users/s%C3%B8@x/sendMail"),
    ] {
        assert_eq!(place(mailbox).send_mail(), url);
    }
    let tu = place("tu@contoso.com");
    let quoted = tu.find("<a'b&c=d@x>");
    let filter = "$filter=internetMessageId%20eq%20%27%3Ca%27%27b%26c%3Dd@x%3E%27&";
    assert!(quoted.contains(filter), "{quoted}");
    assert_eq!(
        tu.upload("AA/+="),
        "https://g.test/v1.0/users/tu@contoso.com/messages/AA%2F%2B%3D/attachments/createUploadSession"
    );
    let key = Key::of(&notice("Luka A", Kind::Missed));
    assert_eq!(request_id(&key), "1c43106b-8088-ee64-4809-e50a3daf77ee");
}

#[test]
fn every_answer_has_its_judgement() {
    let fault = |code: &str| json!({"error": {"code": code, "message": "of alice@contoso.com"}}).to_string();
    let page = || "<html>502</html>".to_owned();
    for (status, body, user, sender) in [
        (202, String::new(), "done", "done"),
        (200, page(), "later", "later"),
        (204, String::new(), "later", "later"),
        (301, page(), "later", "later"),
        (400, fault("ErrorInvalidRecipients"), "never", "never"),
        (400, fault("RequestBodyRead"), "never", "never"),
        (400, fault("ErrorMessageSizeExceeded"), "never", "never"),
        (400, fault("ErrorTimeoutExpired"), "later", "later"),
        (400, page(), "later", "later"),
        (401, fault("InvalidAuthenticationToken"), "down", "down"),
        (403, fault("ErrorAccessDenied"), "down", "down"),
        (403, fault("ErrorSendAsDenied"), "down", "down"),
        (403, fault("ErrorQuotaExceeded"), "later", "later"),
        (404, fault("ErrorInvalidUser"), "never", "down"),
        (404, fault("MailboxNotEnabledForRESTAPI"), "never", "down"),
        (404, fault("Request_ResourceNotFound"), "never", "down"),
        (404, fault("ErrorItemNotFound"), "later", "later"),
        (404, page(), "later", "later"),
        (408, String::new(), "later", "later"),
        (409, fault("ErrorIrresolvableConflict"), "later", "later"),
        (410, fault("Gone"), "never", "never"),
        (412, fault("ErrorIrresolvableConflict"), "later", "later"),
        (413, page(), "never", "never"),
        (415, fault("UnsupportedMediaType"), "never", "never"),
        (423, fault("Locked"), "later", "later"),
        (429, fault("TooManyRequests"), "down", "down"),
        (429, fault("ApplicationThrottled"), "down", "down"),
        (429, page(), "down", "down"),
        (500, fault("ErrorInternalServerError"), "later", "later"),
        (500, fault("ErrorMailboxMoveInProgress"), "later", "later"),
        (501, fault("NotImplemented"), "never", "never"),
        (502, page(), "later", "later"),
        (503, fault("ServiceUnavailable"), "down", "down"),
        (504, fault("UnknownError"), "later", "later"),
        (507, fault("InsufficientStorage"), "later", "later"),
        (509, page(), "down", "down"),
    ] {
        for (whose, wanted) in [(Whose::User, user), (Whose::Sender, sender)] {
            let (name, reason) = match judged(status, 202, body.as_bytes(), whose) {
                Judgement::Done => ("done", String::new()),
                Judgement::Later(reason) => ("later", reason),
                Judgement::Down(reason) => ("down", reason),
                Judgement::Never(reason) => ("never", reason),
            };
            assert_eq!(name, wanted, "{status} {body} {whose:?}");
            assert!(!reason.contains("alice"), "{reason}");
        }
    }
    let hostile = fault("x\r\nINFO faked line");
    assert_eq!(
        judged(500, 202, hostile.as_bytes(), Whose::User),
        Judgement::Later("Graph answered 500".to_owned())
    );
}

#[test]
fn what_graph_has_is_read_and_nonsense_is_not() {
    let made_one = |id: &str, is_draft, has_attachments| Made { id: id.into(), is_draft, has_attachments };
    assert_eq!(found(br#"{"value":[]}"#), Some(None));
    let one = br#"{"value":[{"id":"AA=","isDraft":true,"hasAttachments":false,"x":1}]}"#;
    assert_eq!(found(one), Some(Some(made_one("AA=", true, false))));
    assert_eq!(made(br#"{"id":"AA="}"#), Some(made_one("AA=", false, false)));
    assert_eq!(
        session(br#"{"uploadUrl":"https://x/y","nextExpectedRanges":["0-"]}"#).as_deref(),
        Some("https://x/y")
    );
    for nonsense in [&b""[..], b"<html>", b"{}", b"[]", br#"{"value":[{"id":1}]}"#, br#"{"id":"#] {
        assert_eq!((found(nonsense), made(nonsense), session(nonsense)), (None, None, None));
    }
}
