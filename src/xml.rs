//! XML of strangers, read within bounds, and our own, written so that no text becomes markup.

use std::{borrow::Cow, fmt::Write};

use quick_xml::{Reader, escape::escape, events::Event};

/// The largest document taken, in octets.
const LARGEST: usize = 1 << 20;
/// The deepest nesting taken; the formats need some fifteen.
const DEEPEST: usize = 64;
/// Attributes of one element; each is compared with those before it.
const MOST_ATTRIBUTES: usize = 64;

/// An element with its own text, children aside.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Element {
    /// Zero for the root.
    pub depth: usize,
    /// The local name.
    pub name: String,
    /// Local names and values.
    pub attributes: Vec<(String, String)>,
    /// The text, without white space at its ends.
    pub text: String,
}

impl Element {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Why a document is not read; quotes nothing of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum XmlError {
    /// More than 1 MiB, nested deeper than 64, or an element with more than 64 attributes.
    #[error("the answer is too large")]
    TooLarge,
    /// A document type or an entity of its own.
    #[error("the answer has a document type or an entity of its own")]
    Dtd,
    /// Not UTF-8 or not well-formed.
    #[error("the answer is no XML")]
    NotXml,
}

/// The elements of a document in the order in which they begin.
pub fn elements(document: &[u8]) -> Result<Vec<Element>, XmlError> {
    if document.len() > LARGEST {
        return Err(XmlError::TooLarge);
    }
    let text = std::str::from_utf8(document).map_err(|_| XmlError::NotXml)?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{FEFF}').unwrap_or(text));
    reader.config_mut().expand_empty_elements = true;
    let (mut elements, mut open) = (Vec::<Element>::new(), Vec::<usize>::new());
    loop {
        let event = reader.read_event().map_err(|_| XmlError::NotXml)?;
        let piece = match &event {
            Event::Start(_) if open.len() >= DEEPEST => return Err(XmlError::TooLarge),
            // A second root is no XML.
            Event::Start(_) if open.is_empty() && !elements.is_empty() => return Err(XmlError::NotXml),
            Event::Start(start) => {
                open.push(elements.len());
                let name = utf8(start.local_name().as_ref())?;
                let mut element = Element { depth: open.len() - 1, name, ..Element::default() };
                for (number, attribute) in start.attributes().enumerate() {
                    if number >= MOST_ATTRIBUTES {
                        return Err(XmlError::TooLarge);
                    }
                    let attribute = attribute.map_err(|_| XmlError::NotXml)?;
                    let value = attribute.unescape_value().map_err(|_| XmlError::Dtd)?;
                    element.attributes.push((utf8(attribute.key.local_name().as_ref())?, value.into_owned()));
                }
                elements.push(element);
                continue;
            }
            Event::End(_) => {
                if let Some(ended) = open.pop() {
                    let trimmed = elements[ended].text.trim().to_owned();
                    elements[ended].text = trimmed;
                }
                continue;
            }
            Event::Text(text) => text.xml10_content().map_err(|_| XmlError::NotXml)?.into_owned(),
            Event::CData(text) => text.xml10_content().map_err(|_| XmlError::NotXml)?.into_owned(),
            Event::GeneralRef(reference) => {
                let name = utf8(reference.as_ref())?;
                quick_xml::escape::unescape(&format!("&{name};")).map_err(|_| XmlError::Dtd)?.into_owned()
            }
            Event::DocType(_) => return Err(XmlError::Dtd),
            Event::Eof if open.is_empty() && !elements.is_empty() => return Ok(elements),
            Event::Eof => return Err(XmlError::NotXml),
            Event::Decl(declaration) => match declaration.encoding() {
                Some(Ok(name)) if !name.eq_ignore_ascii_case(b"utf-8") => return Err(XmlError::NotXml),
                Some(Err(_)) => return Err(XmlError::NotXml),
                Some(Ok(_)) | None => continue,
            },
            Event::Comment(_) | Event::PI(_) | Event::Empty(_) => continue,
        };
        match open.last() {
            Some(current) => elements[*current].text.push_str(&piece),
            None if piece.trim().is_empty() => {}
            None => return Err(XmlError::NotXml),
        }
    }
}

fn utf8(name: &[u8]) -> Result<String, XmlError> {
    std::str::from_utf8(name).map(str::to_owned).map_err(|_| XmlError::NotXml)
}

/// `<name>text</name>`; `opening` may have attributes behind the name. Characters that XML 1.0 §2.2 does not allow are
/// left out, and line ends come out of a reader as they went in (§2.11).
pub fn element(body: &mut String, opening: &str, text: &str) {
    let name = opening.split(' ').next().unwrap_or(opening);
    write!(body, "<{opening}>{}</{name}>", escaped(text)).expect("a String takes every text");
}

/// Text fit for an element or for an attribute in double quotes.
pub fn escaped(text: &str) -> Cow<'_, str> {
    // Most of what is written are names and numbers in ASCII.
    let plain = |octet: &u8| matches!(octet, b' '..=b'~') && !b"<>&'\"".contains(octet);
    if text.as_bytes().iter().all(plain) {
        return Cow::Borrowed(text);
    }
    let allowed = |c: &char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    let allowed: String = text.chars().filter(allowed).collect();
    let written = escape(allowed.as_str()).replace('\r', "&#13;").replace('\n', "&#10;");
    Cow::Owned(written.replace('\t', "&#9;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t6_hostile_documents_are_refused() {
        let deep = "<a>".repeat(100_000);
        let long = format!("<a>{}</a>", "x".repeat(LARGEST));
        let many: String = (0..90_000).map(|n| format!(" b{n}=\"\"")).collect();
        let many = format!("<a{many}/>");
        assert!(many.len() < LARGEST, "{}", many.len());
        let laughs = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        let outside = "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>";
        for (document, error) in [
            (deep.as_str(), XmlError::TooLarge),
            (&long, XmlError::TooLarge),
            (laughs, XmlError::Dtd),
            (outside, XmlError::Dtd),
            ("<a>&b;</a>", XmlError::Dtd),
            ("<a b=\"&c;\"/>", XmlError::Dtd),
            ("", XmlError::NotXml),
            ("not XML", XmlError::NotXml),
            ("<a><b></a>", XmlError::NotXml),
            ("<a>", XmlError::NotXml),
            ("<a/><b/>", XmlError::NotXml),
            ("<a/>text", XmlError::NotXml),
            ("<?xml version=\"1.0\" encoding=\"utf-7\"?><a/>", XmlError::NotXml),
            ("<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>", XmlError::NotXml),
            (&many, XmlError::TooLarge),
        ] {
            assert_eq!(elements(document.as_bytes()), Err(error), "{:.60}", document);
        }
        assert_eq!(elements(b"\xFF\xFE<\0a\0/\0>\0"), Err(XmlError::NotXml));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut body = String::from("<r>");
        element(&mut body, "t:a b=\"1\"", "</t:a><evil/>]]>&amp;\r\n\u{1}x\u{FFFE}");
        body.push_str("</r>");
        let elements = elements(body.as_bytes()).expect("well-formed");
        assert_eq!(elements.len(), 2, "{body}");
        assert_eq!((elements[1].depth, elements[1].name.as_str()), (1, "a"));
        assert_eq!(elements[1].text, "</t:a><evil/>]]>&amp;\r\nx");
        assert_eq!(elements[1].attribute("b"), Some("1"));
    }
}
