//! Search filters (RFC 4515). They are built from parts, never pasted together, so that no value can end its own (T17).

use std::fmt::{self, Write};

/// A filter; as text by `Display`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Filter {
    /// All of them; none: always true (RFC 4526).
    And(Vec<Filter>),
    /// One of them; none: never true (RFC 4526).
    Or(Vec<Filter>),
    /// Not that one.
    Not(Box<Filter>),
    /// The attribute has a value.
    Present(String),
    /// The attribute has that value.
    Equal(String, Vec<u8>),
    /// The attribute has a value that begins so.
    Begins(String, Vec<u8>),
    /// At least that value, by the attribute's ordering.
    AtLeast(String, Vec<u8>),
    /// A filter of the site, checked by [`is_filter`], as it is.
    Written(String),
}

impl Filter {
    /// `(name=value)`.
    pub fn equal(name: &str, value: impl AsRef<[u8]>) -> Self {
        Self::Equal(name.to_owned(), value.as_ref().to_vec())
    }

    /// `(name>=value)`.
    pub fn at_least(name: &str, value: impl AsRef<[u8]>) -> Self {
        Self::AtLeast(name.to_owned(), value.as_ref().to_vec())
    }

    /// `(name=value*)`.
    pub fn begins(name: &str, value: impl AsRef<[u8]>) -> Self {
        Self::Begins(name.to_owned(), value.as_ref().to_vec())
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut all) => {
                all.push(other);
                Self::And(all)
            }
            one => Self::And(vec![one, other]),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = |sign: char, parts: &[Filter]| {
            write!(f, "({sign}")?;
            parts.iter().try_for_each(|part| write!(f, "{part}"))?;
            f.write_char(')')
        };
        match self {
            Self::And(parts) => set('&', parts),
            Self::Or(parts) => set('|', parts),
            Self::Not(part) => write!(f, "(!{part})"),
            Self::Present(name) => write!(f, "({}=*)", description(name)),
            Self::Equal(name, value) => write!(f, "({}={})", description(name), escaped(value)),
            Self::Begins(name, value) if value.is_empty() => write!(f, "({}=*)", description(name)),
            Self::Begins(name, value) => write!(f, "({}={}*)", description(name), escaped(value)),
            Self::AtLeast(name, value) => write!(f, "({}>={})", description(name), escaped(value)),
            Self::Written(filter) => f.write_str(filter),
        }
    }
}

/// A value as it stands in a filter: `*`, `(`, `)`, `\`, NUL and everything that is no printable ASCII as `\` and two
/// hexadecimal digits (RFC 4515 §3).
pub fn escaped(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    for octet in value {
        match octet {
            b'*' | b'(' | b')' | b'\\' => write!(text, "\\{octet:02x}").expect("a string takes everything"),
            b' '..=b'~' => text.push(char::from(*octet)),
            _ => write!(text, "\\{octet:02x}").expect("a string takes everything"),
        }
    }
    text
}

/// Whether a text is an attribute's description: a name or an OID, with options (RFC 4512 §2.5).
pub fn is_description(name: &str) -> bool {
    let mut parts = name.split(';');
    let fits = |part: &str| !part.is_empty() && part.bytes().all(|o| o.is_ascii_alphanumeric() || o == b'-');
    let first = parts.next().unwrap_or_default();
    name.len() <= 256
        && (fits(first) || !first.is_empty() && first.split('.').all(|arc| arc.parse::<u64>().is_ok()))
        && parts.all(fits)
}

/// What cannot be a description is one that no entry has, so that the filter stays a filter.
fn description(name: &str) -> &str {
    if is_description(name) { name } else { "1.1" }
}

/// Whether a text is one whole filter by its form: parentheses that pair, something between them.
pub fn is_filter(text: &str) -> bool {
    let (mut depth, mut leaf) = (0_usize, false);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'(' if !leaf && (depth > 0 || at == 0) => depth += 1,
            b')' if depth > 0 => {
                depth -= 1;
                leaf = false;
            }
            b'(' | b')' | 0 => return false,
            b'&' | b'|' | b'!' if !leaf && text.as_bytes()[..at].ends_with(b"(") => {}
            _ if depth == 0 => return false,
            _ => leaf = true,
        }
    }
    depth == 0 && text.len() > 2 && text.contains('=')
}
