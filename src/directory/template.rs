//! Texts with placeholders for what the directory says of a person: `sip:{extension}@192.0.2.10`.

use std::fmt;

use super::person::Person;

/// A text with placeholders.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    Value(String),
}

/// The placeholders that are no attributes.
pub const KNOWN: [&str; 7] = ["extension", "number", "user", "domain", "mail", "mail_user", "name"];

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// One sentence on what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (vec![], text);
        while let Some((head, tail)) = rest.split_once('{') {
            let (name, tail) = tail.split_once('}').ok_or("a \"{\" without its \"}\"")?;
            if !super::ldap::filter::is_description(name) && !KNOWN.contains(&name) {
                return Err(format!("{{{name}}} names no attribute"));
            }
            parts.push(Part::Text(head.to_owned()));
            parts.push(Part::Value(name.to_owned()));
            rest = tail;
        }
        if rest.contains('}') {
            return Err("a \"}\" without its \"{\"".to_owned());
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self(parts))
    }

    /// The attributes that it wants to know.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Value(name) if !KNOWN.contains(&name.as_str()) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The text for a person; `None` where a placeholder has no value, or one that cannot stand in a URI.
    pub fn fill(&self, person: &Person) -> Option<String> {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Value(name) => value(person, name).filter(|value| fits(value)),
        });
        parts.collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Value(name) => write!(f, "{{{name}}}"),
        })
    }
}

fn value<'p>(person: &'p Person, name: &str) -> Option<&'p str> {
    let sip = || person.sip.as_deref()?.strip_prefix("sip:")?.split_once('@');
    let mail = || person.mails.first().map(String::as_str);
    match name {
        "extension" => person.extension(),
        "number" => person.line.as_ref().map(|line| line.number.as_str()),
        "user" => sip().map(|(user, _)| user),
        "domain" => sip().map(|(_, domain)| domain),
        "mail" => mail(),
        "mail_user" => mail()?.split_once('@').map(|(user, _)| user),
        "name" => Some(person.name.as_str()).filter(|name| !name.is_empty()),
        name => person.further(name),
    }
}

/// Whether a value may stand in a URI's user part or host: it ends nothing there.
fn fits(value: &str) -> bool {
    value
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,".contains(&octet) || !octet.is_ascii())
}
