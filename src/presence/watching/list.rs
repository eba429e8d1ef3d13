//! What a NOTIFY says of the resources of a list: `multipart/related` with RLMI in front (RFC 4662 §5).

use std::collections::HashMap;

use bytes::Bytes;

use crate::{
    presence::rlmi,
    sip::text::{param, trim},
    xml::{Element, XmlError, elements},
};

/// The media type of the whole.
pub const TYPE: &str = "multipart/related";
/// Parts, and resources, that are read of one document.
const MOST: usize = 10_000;
/// RFC 2046 §5.1.1.
const LONGEST_BOUNDARY: usize = 70;

/// A NOTIFY about a list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Listed {
    /// `version`; `None`: not readable.
    pub version: Option<u64>,
    /// Whether resources that it does not name are not in the list any more.
    pub full: bool,
    /// What it says of each.
    pub resources: Vec<Resource>,
}

/// What it says of one resource.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resource {
    /// Its URI, as the server writes it.
    pub uri: String,
    /// The state of its instances, taken together.
    pub state: State,
}

/// The state of a resource.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// Media type and body.
    Told(String, Bytes),
    /// Nothing known yet, or nothing new.
    Nothing,
    /// It may not be seen.
    Rejected,
    /// There is no such resource.
    NoResource,
    /// Over for another reason, which passes.
    Over,
}

/// One part.
struct Part<'b> {
    id: &'b [u8],
    kind: &'b [u8],
    body: &'b [u8],
}

/// Reads a body of that Content-Type.
///
/// # Errors
/// It is no such document, or too large.
pub fn read(kind: &[u8], body: &Bytes) -> Result<Listed, XmlError> {
    let parts = parts(kind, body)?;
    let is_root = |part: &&Part<'_>| is_kind(part.kind, rlmi::TYPE);
    let root = parts.iter().find(is_root).ok_or(XmlError::NotXml)?;
    let all = elements(root.body)?;
    let list = all.first().filter(|list| list.name == "list").ok_or(XmlError::NotXml)?;
    // There may be thousands of both: each instance finds its part at once.
    let mut by_id: HashMap<&[u8], &Part<'_>> = HashMap::new();
    parts.iter().for_each(|part| {
        by_id.entry(part.id).or_insert(part);
    });
    let mut listed = Listed {
        version: list.attribute("version").and_then(|version| version.trim().parse().ok()),
        full: matches!(list.attribute("fullState"), Some("true" | "1")),
        resources: vec![],
    };
    for one in &all[1..] {
        match (one.name.as_str(), one.depth) {
            ("resource", 1) => {
                if listed.resources.len() >= MOST {
                    return Err(XmlError::TooLarge);
                }
                let uri = one.attribute("uri").unwrap_or("").trim().to_owned();
                listed.resources.push(Resource { uri, state: State::Nothing });
            }
            ("instance", 2) => {
                let Some(resource) = listed.resources.last_mut() else { continue };
                let state = instance(one, &by_id, body);
                // What any instance tells is worth more than that another one is over.
                if matches!(resource.state, State::Nothing) || matches!(state, State::Told(..)) {
                    resource.state = state;
                }
            }
            _ => {}
        }
    }
    Ok(listed)
}

fn instance(one: &Element, parts: &HashMap<&[u8], &Part<'_>>, body: &Bytes) -> State {
    if one.attribute("state") == Some("terminated") {
        return match one.attribute("reason") {
            Some("rejected") => State::Rejected,
            Some("noresource") => State::NoResource,
            _ => State::Over,
        };
    }
    let Some(id) = one.attribute("cid").map(str::trim) else { return State::Nothing };
    let found = parts.get(id.as_bytes());
    let kind = |part: &Part<'_>| String::from_utf8_lossy(part.kind).into_owned();
    found.map_or(State::Nothing, |part| State::Told(kind(part), body.slice_ref(part.body)))
}

/// Whether a Content-Type is that media type, whatever its parameters.
pub fn is_kind(value: &[u8], kind: &str) -> bool {
    let bare = value.split(|octet| *octet == b';').next().unwrap_or(b"");
    trim(bare).eq_ignore_ascii_case(kind.as_bytes())
}

fn parts<'b>(kind: &[u8], body: &'b [u8]) -> Result<Vec<Part<'b>>, XmlError> {
    let tail = kind.iter().position(|octet| *octet == b';').map_or(&b""[..], |at| &kind[at..]);
    let boundary = param(tail, "boundary").map(unquoted).unwrap_or(b"");
    if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
        return Err(XmlError::NotXml);
    }
    let line = [b"--", boundary].concat();
    let mut parts: Vec<Part<'b>> = vec![];
    let mut begin: Option<usize> = None;
    for at in memchr::memmem::find_iter(body, &line) {
        // A delimiter stands at the beginning of a line.
        if at > 0 && body[at - 1] != b'\n' {
            continue;
        }
        if let Some(begin) = begin {
            if parts.len() >= MOST {
                return Err(XmlError::TooLarge);
            }
            parts.extend(part(&body[begin..at]));
        }
        let after = at + line.len();
        if body[after..].starts_with(b"--") {
            return Ok(parts);
        }
        begin = memchr::memchr(b'\n', &body[after..]).map(|end| after + end + 1);
    }
    // Without the last delimiter something was cut off.
    Err(XmlError::NotXml)
}

/// Head and body, without the line end in front of the delimiter.
fn part(octets: &[u8]) -> Option<Part<'_>> {
    let (end, begin) = match memchr::memmem::find(octets, b"\r\n\r\n") {
        Some(end) => (end, end + 4),
        None => memchr::memmem::find(octets, b"\n\n").map(|end| (end, end + 2))?,
    };
    let body = &octets[begin..];
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let mut found = Part { id: b"", kind: b"", body: body.strip_suffix(b"\r").unwrap_or(body) };
    for line in octets[..end].split(|octet| *octet == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (trim(&line[..colon]), trim(&line[colon + 1..]));
        if name.eq_ignore_ascii_case(b"content-id") {
            let value = value.strip_prefix(b"<").unwrap_or(value);
            found.id = value.strip_suffix(b">").unwrap_or(value);
        } else if name.eq_ignore_ascii_case(b"content-type") {
            found.kind = value;
        }
    }
    Some(found)
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}
