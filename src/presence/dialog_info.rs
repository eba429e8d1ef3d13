//! `application/dialog-info+xml` (RFC 4235): the calls of a user. Always the full state.

use std::sync::Arc;

use super::{
    pidf::add,
    state::{Call, Direction, Presence, Progress},
};
use crate::xml::{Element, XmlError, elements, escaped};

/// The media type.
pub const TYPE: &str = "application/dialog-info+xml";
/// Calls that are read of one document, and known of one telephone.
pub const MOST: usize = 256;

/// The document about a user in two halves: the version of a subscription stands between them.
///
/// `entity`: the user's URI.
pub fn write(presence: &Presence, entity: &str) -> (String, String) {
    let entity = escaped(entity);
    let mut head = String::with_capacity(128);
    head.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n");
    head.push_str("<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"");
    let mut tail = String::with_capacity(128 + 512 * presence.calls.len());
    add(&mut tail, format_args!("\" state=\"full\" entity=\"{entity}\">"));
    presence.calls.iter().for_each(|call| dialog(&mut tail, call, &entity));
    tail.push_str("</dialog-info>\r\n");
    (head, tail)
}

fn dialog(body: &mut String, call: &Call, entity: &str) {
    add(body, format_args!("<dialog id=\"{}\"", escaped(&call.id)));
    let (call_id, local, remote) = &call.dialog;
    for (name, value) in [("call-id", call_id), ("local-tag", local), ("remote-tag", remote)] {
        if !value.is_empty() {
            add(body, format_args!(" {name}=\"{}\"", escaped(value)));
        }
    }
    if let Some(direction) = call.direction {
        add(body, format_args!(" direction=\"{}\"", direction.name()));
    }
    add(body, format_args!("><state>{}</state>", call.progress.name()));
    add(body, format_args!("<local><identity>{entity}</identity><target uri=\"{entity}\"/></local>"));
    if !call.remote.is_empty() {
        let uri = escaped(&call.remote);
        let name = call.name.as_deref().map(|name| format!(" display-name=\"{}\"", escaped(name)));
        let name = name.unwrap_or_default();
        add(body, format_args!("<remote><identity{name}>{uri}</identity><target uri=\"{uri}\"/></remote>"));
    }
    body.push_str("</dialog>");
}

/// What a document of somebody else says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Read {
    /// `entity`.
    pub entity: String,
    /// `version`; `None`: not readable, which counts as later than any before.
    pub version: Option<u64>,
    /// Whether what it does not name is over.
    pub full: bool,
    /// Calls that go on.
    pub calls: Vec<Call>,
    /// The ids of those that it names as over.
    pub over: Vec<String>,
}

/// Reads a document; what is not known or wrong in it counts for nothing.
///
/// # Errors
/// It is no XML, too large, or has entities of its own; or it is another document.
pub fn read(document: &[u8]) -> Result<Read, XmlError> {
    let all = elements(document)?;
    let root = all.first().filter(|root| root.name == "dialog-info").ok_or(XmlError::NotXml)?;
    let mut read = Read {
        entity: root.attribute("entity").unwrap_or("").to_owned(),
        version: root.attribute("version").and_then(|version| version.trim().parse().ok()),
        full: root.attribute("state") != Some("partial"),
        ..Read::default()
    };
    for dialog in split(&all) {
        if read.calls.len() + read.over.len() >= MOST {
            return Err(XmlError::TooLarge);
        }
        let id = dialog[0].attribute("id").unwrap_or("");
        match call(id, dialog) {
            Some(call) => read.calls.push(call),
            None => read.over.push(id.to_owned()),
        }
    }
    Ok(read)
}

/// The elements of each dialog, itself first.
fn split(all: &[Element]) -> impl Iterator<Item = &[Element]> {
    let starts = all.iter().enumerate().filter(|(_, one)| one.depth == 1 && one.name == "dialog");
    starts.map(|(at, _)| {
        let length = all[at + 1..].iter().take_while(|one| one.depth > 1).count();
        &all[at..=at + length]
    })
}

/// `None` where it is over, or so odd that nobody can tell.
fn call(id: &str, dialog: &[Element]) -> Option<Call> {
    let state = dialog.iter().find(|one| one.depth == 2 && one.name == "state")?;
    let progress = match state.text.to_ascii_lowercase().as_str() {
        "trying" => Progress::Trying,
        "proceeding" => Progress::Proceeding,
        "early" => Progress::Early,
        "confirmed" => Progress::Confirmed,
        _ => return None,
    };
    let value = |name: &str| -> Arc<str> { dialog[0].attribute(name).unwrap_or("").into() };
    let remote = dialog.iter().position(|one| one.depth == 2 && one.name == "remote");
    let remote = remote.map_or(&[][..], |at| {
        let length = dialog[at + 1..].iter().take_while(|one| one.depth > 2).count();
        &dialog[at + 1..=at + length]
    });
    let identity = remote.iter().find(|one| one.name == "identity");
    let target = remote.iter().find(|one| one.name == "target").and_then(|one| one.attribute("uri"));
    let uri = identity.map(|one| one.text.as_str()).filter(|uri| !uri.is_empty()).or(target);
    Some(Call {
        id: id.into(),
        dialog: (value("call-id"), value("local-tag"), value("remote-tag")),
        direction: match dialog[0].attribute("direction") {
            Some("initiator") => Some(Direction::Initiator),
            Some("recipient") => Some(Direction::Recipient),
            _ => None,
        },
        progress,
        remote: uri.unwrap_or("").into(),
        // The schema says `display-name`, the examples of RFC 4235 and who follows them `display`.
        name: identity
            .and_then(|one| one.attribute("display-name").or_else(|| one.attribute("display")))
            .map(Into::into),
    })
}
