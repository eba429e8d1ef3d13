//! A location profile as clients get it (R33): `LocationProfileDescription`, and the same as JSON.
//!
//! Reconstructed from PROTOCOLS §10 and the public text of [MS-SIPRE] §2.2.8 and §3.8.5.1; the namespace is from memory, so a
//! document of any namespace is read.

use std::fmt::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Profile;
use crate::{
    numbers::rules::Written,
    sip::uri::Uri,
    xml::{self, Element, XmlError, element},
};

/// The media type of the document.
pub const MEDIA_TYPE: &str = "application/ms-location-profile-definition+xml";
/// Its namespace.
pub const NAMESPACE: &str = "http://schemas.microsoft.com/2007/03/locationProfileDescription";
/// How long clients keep it, in seconds: they ask again every eight hours.
pub const MAX_AGE: u32 = 8 * 3_600;
/// The rules of one profile.
pub const MOST_RULES: usize = 1_000;

/// What the GRUU of such a request has behind `opaque=` ([MS-SIPRE] §2.2.3).
const OPAQUE: &[u8] = b"app:locationprofile:get";

/// Which profile somebody asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// `default`: the own one.
    Default,
    /// `phone-context=NAME`.
    Named(String),
    /// Neither.
    Ambiguous,
}

/// Whose profile the Request-URI of a SERVICE asks for, and which; `None` where it asks for something else.
pub fn wanted(uri: &[u8]) -> Option<(String, Wanted)> {
    let uri = Uri::read(uri).filter(Uri::is_sip)?;
    uri.param("opaque").filter(|opaque| opaque.eq_ignore_ascii_case(OPAQUE))?;
    let user = String::from_utf8_lossy(uri.bare_user()?).into_owned();
    let named = || uri.param("phone-context").filter(|name| !name.is_empty());
    let wanted = match (uri.param("default"), named()) {
        (Some(_), _) => Wanted::Default,
        (None, Some(name)) => Wanted::Named(String::from_utf8_lossy(name).into_owned()),
        (None, None) => Wanted::Ambiguous,
    };
    Some((user, wanted))
}

/// A profile as it is read from a document.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Described {
    /// `Name`.
    pub name: String,
    /// `Rule`, in the document's order.
    pub rules: Vec<Written>,
}

/// Why a document is not read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unread {
    /// Not XML, too large, or with a document type of its own.
    #[error("it cannot be read as XML: {0}")]
    Xml(XmlError),
    /// Another root element.
    #[error("it is no LocationProfileDescription")]
    Other,
    /// A rule lacks an element or has one twice, or a truth value is none.
    #[error("rule {0}: {1}")]
    Rule(usize, &'static str),
    /// More than 1,000.
    #[error("it has more than 1,000 rules")]
    Many,
}

/// Reads a document; what it holds beside name and rules is passed over.
///
/// # Errors
/// What is wrong with it.
pub fn read(document: &[u8]) -> Result<Described, Unread> {
    let elements = xml::elements(document).map_err(Unread::Xml)?;
    if elements.first().is_none_or(|root| root.name != "LocationProfileDescription") {
        return Err(Unread::Other);
    }
    let mut described = Described::default();
    let mut of_rule: Option<Vec<&Element>> = None;
    for one in elements.iter().skip(1) {
        match (one.depth, one.name.as_str(), &mut of_rule) {
            (1, name, open) => {
                finish(&mut described, open.take())?;
                match name {
                    "Name" => described.name.clone_from(&one.text),
                    "Rule" => of_rule = Some(vec![]),
                    _ => {}
                }
            }
            (2, _, Some(parts)) => parts.push(one),
            _ => {}
        }
    }
    finish(&mut described, of_rule)?;
    Ok(described)
}

/// A rule of the elements inside it.
fn finish(described: &mut Described, parts: Option<Vec<&Element>>) -> Result<(), Unread> {
    let Some(parts) = parts else { return Ok(()) };
    let place = described.rules.len() + 1;
    if place > MOST_RULES {
        return Err(Unread::Many);
    }
    let wrong = |what| Unread::Rule(place, what);
    let text = |name: &str| {
        let mut all = parts.iter().filter(|part| part.name == name).map(|part| part.text.clone());
        match (all.next(), all.next()) {
            (_, Some(_)) => Err(wrong("an element is there twice")),
            (one, None) => Ok(one),
        }
    };
    let flag = |name| match text(name)?.as_deref() {
        None | Some("" | "false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(wrong("a truth value is neither true nor false")),
    };
    described.rules.push(Written {
        name: text("Name")?.unwrap_or_default(),
        description: text("Description")?.unwrap_or_default(),
        pattern: text("Pattern")?.ok_or_else(|| wrong("it has no Pattern"))?,
        translation: text("Translation")?.ok_or_else(|| wrong("it has no Translation"))?,
        internal: flag("InternalEnterpriseExtension")?,
        for_devices: flag("ApplicableForDeviceDialing")?,
    });
    Ok(())
}

/// Writes a profile as XML. Names of rules stay here: the schema has no place for them.
pub fn xml(profile: &Profile) -> String {
    let mut document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<LocationProfileDescription xmlns=\"{NAMESPACE}\">"
    );
    element(&mut document, "Name", &profile.name);
    for rule in profile.described() {
        document.push_str("<Rule>");
        element(&mut document, "Pattern", &rule.pattern);
        element(&mut document, "Translation", &rule.translation);
        element(&mut document, "InternalEnterpriseExtension", truth(rule.internal));
        element(&mut document, "ApplicableForDeviceDialing", truth(rule.for_devices));
        document.push_str("</Rule>");
    }
    document + "</LocationProfileDescription>"
}

fn truth(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

/// Writes a profile as JSON: `name`, `description`, and `rules` with the members of [`Written`].
pub fn json(profile: &Profile) -> String {
    #[derive(Serialize)]
    struct Json<'a> {
        name: &'a str,
        description: &'a str,
        rules: Vec<&'a Written>,
    }
    let whole =
        Json { name: &profile.name, description: &profile.description, rules: profile.described().collect() };
    serde_json::to_string(&whole).expect("texts and flags are JSON")
}

/// The entity tag of a document (RFC 9110 §8.8.3), quotes included.
pub fn etag(document: &str) -> String {
    let digest = Sha256::digest(document.as_bytes());
    let mut tag = String::from("\"");
    for octet in &digest[..12] {
        write!(tag, "{octet:02x}").expect("a String takes every text");
    }
    tag + "\""
}
