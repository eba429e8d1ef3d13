//! The messages for Microsoft Graph against Microsoft's own CSDL: no property that is not there, each of its type.

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use quick_xml::{Reader, events::Event};
use ringpost::{
    address::{Caller, Language},
    call::Outcome,
    notify::{
        Kind, MissedCall, Notice, Style,
        graph::{Enclosed, Place, message, upload},
    },
    settings::GraphDelivery,
    voicemail::sound::Sound,
};
use serde_json::Value;

/// The types by name: their base, and the types of their properties.
#[derive(Default)]
struct Schema(HashMap<String, (Option<String>, HashMap<String, String>)>);

impl Schema {
    /// `None` where the corpora are not there.
    fn read() -> Option<Self> {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
        let file =
            env::var_os("RINGPOST_CORPORA").map_or_else(beside, PathBuf::from).join("graph/v1.0-csdl.xml");
        let Ok(text) = fs::read_to_string(&file) else {
            println!("skipped: {} is missing", file.display());
            return None;
        };
        let (mut schema, mut reader, mut current) = (Self::default(), Reader::from_str(&text), String::new());
        loop {
            match reader.read_event().expect("well-formed") {
                Event::Eof => return Some(schema),
                Event::Start(tag) | Event::Empty(tag) => {
                    let get = |name: &str| {
                        let found = tag.try_get_attribute(name).expect("attributes")?;
                        Some(String::from_utf8(found.value.into_owned()).expect("UTF-8"))
                    };
                    match tag.local_name().as_ref() {
                        b"EntityType" | b"ComplexType" => {
                            current = get("Name").expect("a name");
                            schema.0.entry(current.clone()).or_default().0 = get("BaseType");
                        }
                        b"EnumType" | b"Action" | b"Function" => current.clear(),
                        b"Property" | b"NavigationProperty" if !current.is_empty() => {
                            let (name, kind) = (get("Name").expect("a name"), get("Type").expect("a type"));
                            schema.0.entry(current.clone()).or_default().1.insert(name, kind);
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }

    fn property(&self, of: &str, name: &str) -> Option<&str> {
        let (base, own) = self.0.get(of)?;
        let inherited = || self.property(short(base.as_deref()?), name);
        own.get(name).map(String::as_str).or_else(inherited)
    }

    /// What is wrong with a value of this type, by its path.
    fn wrong(&self, value: &Value, kind: &str, path: &str) -> Vec<String> {
        if let Some(inner) = kind.strip_prefix("Collection(").and_then(|kind| kind.strip_suffix(')')) {
            let Some(all) = value.as_array() else { return vec![format!("{path}: no collection")] };
            return all.iter().flat_map(|one| self.wrong(one, inner, path)).collect();
        }
        let right = match kind {
            "Edm.Boolean" => value.is_boolean(),
            "Edm.Int32" | "Edm.Int64" => value.is_i64(),
            kind if kind.starts_with("Edm.") => value.is_string(),
            kind if self.0.contains_key(short(kind)) => return self.wrong_object(value, short(kind), path),
            _ => value.is_string(),
        };
        if right { vec![] } else { vec![format!("{path}: {value} is no {kind}")] }
    }

    fn wrong_object(&self, value: &Value, kind: &str, path: &str) -> Vec<String> {
        let Some(object) = value.as_object() else { return vec![format!("{path}: no object")] };
        let said = object.get("@odata.type").and_then(Value::as_str);
        let kind = said.map_or(kind, |said| short(said.trim_start_matches('#')));
        let known = object.iter().filter(|(name, _)| !name.starts_with('@'));
        known
            .flat_map(|(name, value)| match self.property(kind, name) {
                Some(kind) => self.wrong(value, kind, &format!("{path}.{name}")),
                None => vec![format!("{path}: {kind} has no {name}")],
            })
            .collect()
    }
}

/// `graph.message` and `microsoft.graph.message` as `message`.
fn short(kind: &str) -> &str {
    kind.rsplit('.').next().unwrap_or(kind)
}

fn notice(name: &str, kind: Kind) -> Notice {
    Notice {
        kind,
        user: "sip:tu@contoso.com".into(),
        user_name: Some("Tu".into()),
        mail: Some("tu@contoso.com".into()),
        language: Language::Da,
        time_zone: "Europe/Copenhagen".into(),
        call_id: "7f3c@pbx\u{1}\"}".into(),
        caller: Caller {
            name: Some(name.into()),
            number: Some("+4544890101".into()),
            uri: None,
            ..Caller::default()
        },
        came_in: Timestamp::UNIX_EPOCH,
        rang_for: Duration::ZERO,
        outcome: Outcome::GaveUpRinging,
        talked: None,
        called: None,
    }
}

/// Two missed calls, one after the other.
fn digest(name: &str) -> Kind {
    let call = MissedCall::of(&notice(name, Kind::Missed));
    Kind::Digest { calls: vec![call.clone(), call] }
}

#[test]
fn every_message_keeps_to_the_published_schema() {
    let Some(schema) = Schema::read() else { return };
    let voice =
        || Kind::VoiceMail { recording: "a.wav".into(), duration: Duration::from_secs(3), urgent: false };
    for name in ["Luka A", "", "x\",\"isDraft\":true,\"y\":\"", "x\r\nBcc: a@b", "\u{202E}\u{0}", "</script>"]
    {
        for (kind, enclosed) in [
            (Kind::Missed, Enclosed::Inline),
            (digest(name), Enclosed::Inline),
            (voice(), Enclosed::Inline),
            (voice(), Enclosed::Behind),
        ] {
            for deliver in [GraphDelivery::Mime, GraphDelivery::Json, GraphDelivery::Inbox] {
                let mut notice = notice(name, kind.clone());
                if name.is_empty() {
                    (notice.caller, notice.user_name) = (Caller::default(), None);
                }
                let sound = Some(Sound::recorded(b"RIFF".to_vec()));
                let letter = Style::default().letter(&notice, sound).expect("a letter");
                let made = message(&letter, "um@contoso.com", enclosed, Timestamp::UNIX_EPOCH, deliver);
                let wrong = schema.wrong(&made.expect("a message"), "graph.message", "message");
                assert!(wrong.is_empty(), "{name:?} {deliver:?}: {wrong:#?}");
                if let Some(sound) = &letter.sound {
                    let item = &upload(sound)["AttachmentItem"];
                    assert_eq!(schema.wrong(item, "graph.attachmentItem", "item"), [""; 0]);
                }
            }
        }
    }
    let bad = serde_json::json!({"subjct": "x", "isRead": "no", "toRecipients": [{"emailAddress": {"addres": "a"}}]});
    assert_eq!(schema.wrong(&bad, "graph.message", "message").len(), 3, "the check can fail");
}

#[test]
fn what_is_asked_of_contacts_is_in_the_published_schema() {
    let Some(schema) = Schema::read() else { return };
    let url = Place { url: "https://graph.test/v1.0", mailbox: "tu@contoso.com" }.contacts();
    let (_, asked) = url.split_once("?$select=").expect("fields");
    let fields: Vec<_> = asked.split('&').next().unwrap_or_default().split(',').collect();
    assert_eq!(fields.len(), 6, "{url}");
    for field in fields {
        let kind = if field.ends_with("Phones") { "Collection(Edm.String)" } else { "Edm.String" };
        assert_eq!(schema.property("contact", field), Some(kind), "{field}");
    }
    assert_eq!(schema.property("user", "contacts"), Some("Collection(graph.contact)"));
}
