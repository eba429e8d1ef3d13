//! `tel:` URIs (RFC 3966): a user's line, a caller's number.

use std::fmt;

/// The longest URI that is read, in octets.
const LONGEST: usize = 512;

/// A `tel:` URI without what only makes it readable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tel {
    /// `+` and digits of a global number; digits, `*`, `#` and the letters A to D of a local one.
    pub number: String,
    /// `ext`: digits.
    pub ext: Option<String>,
    /// `isub`, as it is written.
    pub isub: Option<String>,
    /// `phone-context`: a domain in lower case, or the beginning of a global number.
    pub context: Option<String>,
    /// What else stands behind, names in lower case.
    pub params: Vec<(String, Option<String>)>,
}

/// Why a text is no `tel:` URI.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoTel {
    /// Another scheme, or none.
    #[error("it does not begin with tel:")]
    Scheme,
    /// Too long to be a number.
    #[error("it is longer than 512 octets")]
    Long,
    /// No digit, or what is no digit.
    #[error("its number is no number")]
    Number,
    /// A parameter that is malformed or stands there twice.
    #[error("one of its parameters is malformed, or there twice")]
    Parameter,
}

impl Tel {
    /// A number alone; `None` where it is none.
    pub fn of(number: &str) -> Option<Self> {
        let number = digits(number)?;
        Some(Self { number, ext: None, isub: None, context: None, params: vec![] })
    }

    /// Reads a whole URI. A local number without `phone-context` is taken as well, since lines in directories are
    /// written that way (RFC 3966 §5.1.5 asks for one).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(written: &str) -> Result<Self, NoTel> {
        if written.len() > LONGEST {
            return Err(NoTel::Long);
        }
        let scheme = written.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("tel:"));
        let rest = &written[scheme.ok_or(NoTel::Scheme)?.len()..];
        let mut parts = rest.split(';');
        let mut tel = Self::of(parts.next().unwrap_or_default()).ok_or(NoTel::Number)?;
        for part in parts {
            tel.take(part)?;
        }
        Ok(tel)
    }

    fn take(&mut self, part: &str) -> Result<(), NoTel> {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) if !value.is_empty() => (name, Some(value)),
            Some(_) => return Err(NoTel::Parameter),
            None => (part, None),
        };
        let is_plain = |octet: u8| octet.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&octet);
        let named = !name.is_empty() && name.bytes().all(|o| o.is_ascii_alphanumeric() || o == b'-');
        if !named || !value.unwrap_or_default().bytes().all(is_plain) {
            return Err(NoTel::Parameter);
        }
        let name = name.to_ascii_lowercase();
        let place = match name.as_str() {
            "ext" => {
                let ext = value.and_then(digits).filter(|ext| ext.bytes().all(|o| o.is_ascii_digit()));
                return once(&mut self.ext, ext);
            }
            "phone-context" => {
                let context = value.map(|value| match value.strip_prefix('+') {
                    Some(_) => digits(value),
                    None => Some(value.trim_end_matches('.').to_ascii_lowercase()),
                });
                return once(&mut self.context, context.flatten());
            }
            "isub" => return once(&mut self.isub, value.map(str::to_owned)),
            _ => &mut self.params,
        };
        if place.iter().any(|(known, _)| *known == name) {
            return Err(NoTel::Parameter);
        }
        place.push((name, value.map(str::to_owned)));
        Ok(())
    }

    /// Whether the number is global: it begins with `+`.
    pub fn is_global(&self) -> bool {
        self.number.starts_with('+')
    }

    /// Whether both mean the same (RFC 3966 §4): the same digits, the same parameters in any order.
    pub fn is(&self, other: &Self) -> bool {
        let same = |one: &Option<String>, other: &Option<String>| match (one, other) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        self.number.eq_ignore_ascii_case(&other.number)
            && self.ext == other.ext
            && same(&self.isub, &other.isub)
            && same(&self.context, &other.context)
            && self.params.len() == other.params.len()
            && self.params.iter().all(|(name, value)| {
                other.params.iter().any(|(known, other)| known == name && same(value, other))
            })
    }
}

/// Notes a parameter that may stand there once.
fn once(place: &mut Option<String>, value: Option<String>) -> Result<(), NoTel> {
    match (place.is_none(), value) {
        (true, Some(value)) => *place = Some(value),
        _ => return Err(NoTel::Parameter),
    }
    Ok(())
}

/// The digits of a number without visual separators (RFC 3966 §5.1.1); `None` where anything else stands among them.
fn digits(written: &str) -> Option<String> {
    let (plus, rest) = match written.strip_prefix('+') {
        Some(rest) => ("+", rest),
        None => ("", written),
    };
    let rest = rest.replace("%23", "#");
    let bare: String = rest.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect();
    let fits = |octet: u8| match octet {
        b'0'..=b'9' => true,
        b'*' | b'#' | b'A'..=b'D' | b'a'..=b'd' => plus.is_empty(),
        _ => false,
    };
    let any = bare.bytes().any(|o| o.is_ascii_digit() || matches!(o, b'*' | b'#'));
    (any && bare.bytes().all(fits)).then(|| format!("{plus}{}", bare.to_ascii_uppercase()))
}

impl fmt::Display for Tel {
    /// The URI in the order of RFC 3966 §3: `isub` or `ext`, then `phone-context`, then the others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tel:{}", self.number.replace('#', "%23"))?;
        for (name, value) in [("ext", &self.ext), ("isub", &self.isub), ("phone-context", &self.context)] {
            if let Some(value) = value {
                write!(f, ";{name}={value}")?;
            }
        }
        self.params.iter().try_for_each(|(name, value)| match value {
            Some(value) => write!(f, ";{name}={value}"),
            None => write!(f, ";{name}"),
        })
    }
}
