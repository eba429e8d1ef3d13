//! The reader: children in any order, unknown elements passed over; no DTD, no entities, bounded in size and depth.

use std::time::Duration;

use jiff::Timestamp;
use quick_xml::{
    NsReader,
    events::{BytesRef, BytesStart, Event},
    name::ResolveResult,
};

use super::{ANONYMOUS, NAMESPACE, Notification, allowed};
use crate::{address::Caller, call::Outcome};

/// The largest body taken, in octets.
const LARGEST: usize = 64 * 1024;
/// The deepest nesting taken; the format needs three.
const DEEPEST: usize = 16;

/// Why a body is refused. The texts quote nothing of it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// More than 64 KiB.
    #[error("the notification is larger than 64 KiB")]
    TooLarge,
    /// Nested more than 16 deep.
    #[error("the notification is nested too deep")]
    TooDeep,
    /// Not UTF-8, or declared as something else.
    #[error("the notification is not UTF-8")]
    NotUtf8,
    /// Not well-formed XML 1.0.
    #[error("the notification is not well-formed: {0}")]
    NotXml(String),
    /// A document type or an entity of its own.
    #[error("the notification has a document type or an entity reference")]
    Dtd,
    /// Another root element.
    #[error("the notification is no UserNotification")]
    NotANotification,
    /// An element that must be there is not, or is empty.
    #[error("the notification has no {0}")]
    Missing(&'static str),
    /// An element is there twice.
    #[error("the notification has a second {0}")]
    Twice(&'static str),
    /// A time, number or name that cannot be read.
    #[error("the {0} of the notification cannot be read")]
    Bad(&'static str),
    /// An event other than `missed`.
    #[error("the notification tells no missed call")]
    OtherEvent,
}

/// Reads a body.
pub fn read(body: &[u8]) -> Result<Notification, ReadError> {
    if body.len() > LARGEST {
        return Err(ReadError::TooLarge);
    }
    let body = std::str::from_utf8(body).map_err(|_| ReadError::NotUtf8)?;
    let mut reader = NsReader::from_str(body.strip_prefix('\u{FEFF}').unwrap_or(body));
    reader.config_mut().expand_empty_elements = true;
    let mut found = Found::default();
    let mut path: Vec<Option<Field>> = Vec::new();
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(not_xml)?;
        let ours = matches!(&namespace, ResolveResult::Bound(n) if n.as_ref() == NAMESPACE.as_bytes());
        match event {
            Event::Start(start) => {
                if path.len() >= DEEPEST {
                    return Err(ReadError::TooDeep);
                }
                path.push(found.open(&path, ours, &start)?);
            }
            Event::End(_) => {
                path.pop();
            }
            Event::Text(text) => found.text(&path, &text.xml10_content().map_err(not_xml)?)?,
            Event::CData(text) => found.text(&path, &text.xml10_content().map_err(not_xml)?)?,
            Event::GeneralRef(name) => found.text(&path, reference(&name)?.encode_utf8(&mut [0; 4]))?,
            Event::Decl(decl) => match decl.encoding() {
                Some(Ok(name)) if !name.eq_ignore_ascii_case(b"utf-8") => return Err(ReadError::NotUtf8),
                Some(Err(error)) => return Err(not_xml(error)),
                Some(Ok(_)) | None => {}
            },
            Event::DocType(_) => return Err(ReadError::Dtd),
            Event::Eof if path.is_empty() => return found.finish(),
            Event::Eof => return Err(ReadError::NotXml("it ends early".to_owned())),
            Event::Comment(_) | Event::PI(_) | Event::Empty(_) => {}
        }
    }
}

/// The elements that are read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Root,
    Event,
    Value(usize),
}

/// Name, whether it is of our namespace, whether it is a child of `Event`.
const VALUES: [(&str, bool, bool); 10] = [
    ("User", false, false),
    ("EumProxyAddress", false, false),
    ("Time", false, false),
    ("CallId", false, true),
    ("From", false, true),
    ("FromName", true, true),
    ("FromNumber", true, true),
    ("Private", true, true),
    ("RangFor", true, true),
    ("Outcome", true, true),
];

#[derive(Default)]
struct Found {
    root: bool,
    event: bool,
    values: [Option<String>; VALUES.len()],
}

impl Found {
    /// What an opening tag means where it stands; `None`: nothing to us.
    fn open(
        &mut self,
        path: &[Option<Field>],
        ours: bool,
        start: &BytesStart<'_>,
    ) -> Result<Option<Field>, ReadError> {
        let name = start.local_name();
        let in_event = match path {
            [] if !self.root && name.as_ref() == b"UserNotification" => {
                self.root = true;
                return Ok(Some(Field::Root));
            }
            [] => return Err(ReadError::NotANotification),
            [Some(Field::Root)] => false,
            [Some(Field::Root), Some(Field::Event)] => true,
            _ => return Ok(None),
        };
        if !in_event && !ours && name.as_ref() == b"Event" {
            return self.open_event(start).map(Some);
        }
        let wanted = |(value, own, event): &(&str, bool, bool)| {
            value.as_bytes() == name.as_ref() && *own == ours && *event == in_event
        };
        let Some(index) = VALUES.iter().position(wanted) else { return Ok(None) };
        if self.values[index].replace(String::new()).is_some() {
            return Err(ReadError::Twice(VALUES[index].0));
        }
        Ok(Some(Field::Value(index)))
    }

    fn open_event(&mut self, start: &BytesStart<'_>) -> Result<Field, ReadError> {
        if std::mem::replace(&mut self.event, true) {
            return Err(ReadError::Twice("Event"));
        }
        let kind =
            start.try_get_attribute("type").map_err(not_xml)?.ok_or(ReadError::Missing("Event type"))?;
        if kind.value.as_ref() != b"missed" {
            return Err(ReadError::OtherEvent);
        }
        Ok(Field::Event)
    }

    fn text(&mut self, path: &[Option<Field>], text: &str) -> Result<(), ReadError> {
        if path.is_empty() && !text.trim().is_empty() {
            return Err(ReadError::NotXml("there is text outside the root".to_owned()));
        }
        if let Some(Some(Field::Value(index))) = path.last() {
            let value = self.values[*index].get_or_insert_default();
            value.extend(text.chars().filter(|c| allowed(*c)));
        }
        Ok(())
    }

    fn finish(self) -> Result<Notification, ReadError> {
        if !self.root {
            return Err(ReadError::NotANotification);
        }
        if !self.event {
            return Err(ReadError::Missing("Event"));
        }
        let [user, eum, time, call_id, from, name, number, private, rang_for, outcome] = self.values;
        let time = required("Time", time)?;
        let private = matches!(private.as_deref().map(str::trim), Some("true" | "1"));
        let kept = |text: Option<String>| text.filter(|text| !text.is_empty() && !private);
        Ok(Notification {
            user: required("User", user)?.trim().to_owned(),
            eum_proxy_address: eum.unwrap_or_default().trim().to_owned(),
            came_in: time.trim().parse::<Timestamp>().map_err(|_| ReadError::Bad("Time"))?,
            call_id: required("CallId", call_id)?,
            caller: Caller {
                name: kept(name),
                number: kept(number),
                uri: kept(from).filter(|uri| uri != ANONYMOUS),
                private,
                ..Caller::default()
            },
            rang_for: rang_for.map_or(Ok(Duration::ZERO), |text| millis(&text))?,
            outcome: outcome.map_or(Ok(Outcome::GaveUpRinging), |text| named(&text))?,
        })
    }
}

fn required(name: &'static str, value: Option<String>) -> Result<String, ReadError> {
    value.filter(|text| !text.trim().is_empty()).ok_or(ReadError::Missing(name))
}

fn millis(text: &str) -> Result<Duration, ReadError> {
    // A day is longer than any phone rings; a larger number is an error, not a fact.
    let millis = text.trim().parse::<u64>().ok().filter(|millis| *millis <= 86_400_000);
    millis.map(Duration::from_millis).ok_or(ReadError::Bad("RangFor"))
}

fn named(text: &str) -> Result<Outcome, ReadError> {
    let named = Outcome::ALL.into_iter().find(|outcome| outcome.name() == text.trim());
    named.ok_or(ReadError::Bad("Outcome"))
}

/// A character reference or one of the five entities of XML itself (XML 1.0 §4.6).
fn reference(name: &BytesRef<'_>) -> Result<char, ReadError> {
    if let Some(c) = name.resolve_char_ref().map_err(not_xml)? {
        return if allowed(c) { Ok(c) } else { Err(ReadError::NotXml("a forbidden character".to_owned())) };
    }
    match &name[..] {
        b"amp" => Ok('&'),
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"quot" => Ok('"'),
        b"apos" => Ok('\''),
        _ => Err(ReadError::Dtd),
    }
}

/// The parser's words, which may quote the sender's, made one short line.
fn not_xml(error: impl std::fmt::Display) -> ReadError {
    ReadError::NotXml(crate::notify::clean::one_line(&error.to_string(), 80))
}
