//! ROBUSTNESS T15: what a caller calls himself gets out of no JSON, no form and no XML.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::*;
use crate::{
    address::{Caller, Language},
    call::Outcome,
    notify::{Kind, MissedCall, Notice, Style, clean::shown},
};

const HOSTILE: [&str; 12] = [
    "x\", \"to\": \"+1900\"",
    "\\\",\"a\":{}}",
    "x\r\nBcc: a@b\r\n\r\n",
    "{{ 7*7 }}{% for i in range(9) %}",
    "&to=+1900&x=",
    "%26to%3D%2B1900",
    "</name><to>+1900</to><name>",
    "]]><!-- <?x ?>",
    "<script>alert(1)</script>",
    "\0\u{1}\u{202E}\u{2028}",
    "${jndi:ldap://x}'; DROP TABLE x; --",
    "Ørsted 👩‍🚀",
];

fn notice(name: &str) -> Notice {
    Notice {
        kind: Kind::Missed,
        user: "sip:tu@contoso.com".into(),
        user_name: Some(name.into()),
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

fn written(source: &str, body: Body, name: &str) -> String {
    let template = Template::new(source.to_owned(), body).expect("a good template");
    String::from_utf8(template.write(&Style::default().told(&notice(name))).expect("written")).expect("UTF-8")
}

#[test]
fn an_event_of_several_calls_lists_them() {
    let calls: Vec<MissedCall> = HOSTILE.iter().map(|name| MissedCall::of(&notice(name))).collect();
    let digest = Notice { kind: Kind::Digest { calls }, ..notice("Tu") };
    let event = event(&Style::default().told(&digest), Timestamp::UNIX_EPOCH);
    let read: Value = serde_json::from_slice(&event).expect("JSON");
    assert_eq!(read["type"], "ringpost.missed-calls");
    let names: Vec<_> = read["data"]["calls"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|call| &call["caller"]["name"])
        .collect();
    let clean: Vec<_> = HOSTILE.map(|name| shown(Some(name)).map_or(Value::Null, Value::String)).into();
    assert_eq!(names, clean.iter().collect::<Vec<_>>());
}

#[test]
fn a_hostile_name_stays_one_value_of_the_event() {
    for name in HOSTILE {
        let notice = notice(name);
        let event = event(&Style::default().told(&notice), Timestamp::UNIX_EPOCH);
        let read: Value = serde_json::from_slice(&event).expect("JSON");
        let clean = shown(Some(name)).map_or(Value::Null, Value::String);
        assert_eq!((&read["data"]["caller"]["name"], &read["data"]["user_name"]), (&clean, &clean));
        assert_eq!(read.as_object().map(serde_json::Map::len), Some(8), "{name:?}");
        assert_eq!(read["data"].as_object().map(serde_json::Map::len), Some(11), "{name:?}");
    }
}

#[test]
fn a_hostile_name_stays_one_value_of_every_template() {
    for name in HOSTILE {
        let clean = shown(Some(name)).unwrap_or_default();
        let json = written("{\"text\": {{ caller_name }}, \"to\": \"1\"}", Body::Json, name);
        let read: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read["text"].as_str().unwrap_or_default(), clean, "{json}");
        assert_eq!(read.as_object().map(serde_json::Map::len), Some(2), "{json}");
        let form = written("from={{ caller_name }}&to=1", Body::Form, name);
        let pairs: Vec<_> = form.split('&').collect();
        assert_eq!((pairs.len(), pairs[1]), (2, "to=1"), "{form}");
        assert_eq!(decoded(pairs[0].trim_start_matches("from=")), clean, "{form}");
        let xml = written("<m><n>{{ caller_name }}</n></m>", Body::Xml, name);
        let inside = xml.strip_prefix("<m><n>").and_then(|rest| rest.strip_suffix("</n></m>"));
        assert!(!inside.expect("the frame is whole").contains(['<', '>', '"']), "{xml}");
        let plain = written("{{ caller_name }}|{{ user }}", Body::Plain, name);
        assert_eq!(plain, format!("{clean}|sip:tu@contoso.com"));
    }
}

fn decoded(text: &str) -> String {
    let (mut octets, mut rest) = (Vec::new(), text.bytes());
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => b' ',
            b'%' => {
                let mut digit =
                    || char::from(rest.next().expect("a digit")).to_digit(16).expect("a digit") as u8;
                digit() << 4 | digit()
            }
            other => other,
        });
    }
    String::from_utf8(octets).expect("UTF-8")
}

#[test]
fn templates_that_would_fail_later_fail_at_the_check() {
    for (source, body, why) in [
        ("{\"text\": \"{{ summary }}\"}", Body::Json, "writes no JSON"),
        ("{\"text\": {{ sumary }}}", Body::Json, "line 1: "),
        ("\n\n{{ summary", Body::Plain, "line 3: "),
        ("to={{ nobody }}", Body::Form, "line 1: "),
    ] {
        let refused = Template::new(source.to_owned(), body).expect_err(source);
        assert!(refused.starts_with(why) && !refused.contains('\n'), "{source}: {refused}");
    }
    for (content_type, body) in [
        ("application/json", Some(Body::Json)),
        ("application/vnd.sms+json; charset=utf-8", Some(Body::Json)),
        ("Text/XML", Some(Body::Xml)),
        ("application/octet-stream", None),
    ] {
        assert_eq!(Body::of(content_type), body, "{content_type}");
    }
}

#[test]
fn a_caller_who_asks_not_to_be_named_is_not() {
    let mut private = notice("Luka A");
    private.caller.private = true;
    let event =
        String::from_utf8(event(&Style::default().told(&private), Timestamp::UNIX_EPOCH)).expect("UTF-8");
    let template = Template::new("{{ caller }} {{ caller_number }}".into(), Body::Plain).expect("good");
    let plain =
        String::from_utf8(template.write(&Style::default().told(&private)).expect("written")).expect("UTF-8");
    for text in [event.replace("\"user_name\":\"Luka A\"", ""), plain] {
        assert!(!text.contains("Luka") && !text.contains("4489"), "{text}");
    }
}

#[test]
fn a_signature_counts_for_its_secret_time_and_body_within_five_minutes() {
    // RFC 4231 has no time in front, so this vector was made with another implementation (openssl dgst -sha256 -hmac).
    let header = sign(b"key", 1_700_000_000, b"{}");
    assert_eq!(header, "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae");
    let old = header.replace("1700000000", "1700000001");
    for (secret, header, now, body, end) in [
        ("key", header.as_str(), 1_700_000_000, "{}", Ok(())),
        ("key", &header, 1_700_000_300, "{}", Ok(())),
        ("key", &header, 1_699_999_700, "{}", Ok(())),
        ("key", &header, 1_700_000_301, "{}", Err(SignatureError::Old)),
        ("key", &header, 1_699_999_699, "{}", Err(SignatureError::Old)),
        ("kez", &header, 1_700_000_000, "{}", Err(SignatureError::Wrong)),
        ("key", &header, 1_700_000_000, "{ }", Err(SignatureError::Wrong)),
        ("key", &old, 1_700_000_000, "{}", Err(SignatureError::Wrong)),
        ("key", "t=1700000000,v1=", 1_700_000_000, "{}", Err(SignatureError::Wrong)),
        ("key", "t=1700000000,v1=f", 1_700_000_000, "{}", Err(SignatureError::Malformed)),
        ("key", "v1=ff", 1_700_000_000, "{}", Err(SignatureError::Malformed)),
    ] {
        assert_eq!(verify(secret.as_bytes(), header, now, body.as_bytes()), end, "{secret} {header} {now}");
    }
}
