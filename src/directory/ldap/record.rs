//! One entry as a server has sent it.

use std::fmt;

use sha2::{Digest, Sha256};

use super::profile::{Attributes, Meaning};

/// What names an entry for good, whatever it is renamed to: `objectGUID`, `entryUUID`, or the digest of another attribute.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Id(pub [u8; 16]);

impl Id {
    /// Of the value of the attribute that names entries: 16 octets, a UUID as text, or anything else by its digest.
    pub fn of(value: &[u8]) -> Self {
        if let Ok(octets) = value.try_into() {
            return Self(octets);
        }
        let text = std::str::from_utf8(value).ok().and_then(Self::read);
        text.unwrap_or_else(|| {
            let digest: [u8; 32] = Sha256::digest(value).into();
            let [first, _] = [0, 16].map(|at| <[u8; 16]>::try_from(&digest[at..at + 16]).expect("16 octets"));
            Self(first)
        })
    }

    /// Reads `8-4-4-4-12` hexadecimal digits, with or without braces.
    pub fn read(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        let groups: Vec<_> = bare.split('-').collect();
        if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) {
            return None;
        }
        let digits = groups.concat();
        if !digits.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(&digits, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = format!("{:032x}", u128::from_be_bytes(self.0));
        write!(f, "{}-{}-{}-{}-{}", &all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..])
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An entry: its name and its attributes as they came.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Record {
    /// The distinguished name.
    pub dn: String,
    /// Each attribute's name, with options such as `;range=0-1499`, and its values.
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Record {
    /// The values of an attribute, whatever options its name came with; names do not differ by case.
    pub fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r [u8]> {
        let named = move |known: &str| known.split(';').next().is_some_and(|k| k.eq_ignore_ascii_case(name));
        let own = self.attributes.iter().filter(move |(known, _)| named(known));
        own.flat_map(|(_, values)| values.iter().map(Vec::as_slice))
    }

    /// What names the entry; `None` where it lacks the attribute.
    pub fn id(&self, attributes: &Attributes) -> Option<Id> {
        attributes.names(Meaning::Id).iter().find_map(|name| self.values(name).next()).map(Id::of)
    }

    /// What to ask for next, of attributes that came in part: `member;range=1500-*` after `member;range=0-1499`
    /// ([MS-ADTS] 3.1.1.3.1.3.3).
    pub fn missing(&self) -> Vec<String> {
        let parts = self.attributes.iter().filter_map(|(name, _)| range(name));
        let mut missing: Vec<(String, Option<u32>)> = vec![];
        for (base, _, end) in parts {
            let next = end.and_then(|end| end.checked_add(1));
            match missing.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(base)) {
                Some((_, known)) => *known = next.zip(*known).map(|(one, other)| one.max(other)),
                None => missing.push((base.to_owned(), next)),
            }
        }
        missing.into_iter().filter_map(|(base, next)| Some(format!("{base};range={}-*", next?))).collect()
    }

    /// Adds further parts of the same entry. `false` where they bring nothing on: whoever asks stops then.
    pub fn extend(&mut self, further: Self) -> bool {
        let before = self.missing();
        self.attributes.extend(further.attributes.into_iter().filter(|(name, _)| range(name).is_some()));
        self.missing() != before
    }
}

/// The name, the first and the last place of a part of an attribute; `None` as last place: it is the end.
pub fn range(name: &str) -> Option<(&str, u32, Option<u32>)> {
    let (base, options) = name.split_once(';')?;
    let part = options.split(';').find_map(|option| {
        option.get(..6).filter(|key| key.eq_ignore_ascii_case("range="))?;
        option[6..].split_once('-')
    })?;
    let end = if part.1 == "*" { None } else { Some(part.1.parse().ok()?) };
    Some((base, part.0.parse().ok()?, end))
}
