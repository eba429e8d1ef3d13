//! One entry of the book, made of a user of the site or of a person of the directory.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    directory::person::{self, Person},
    notify::clean::shown,
    numbers::{Tel, lines},
    settings::User,
};

/// Numbers of one entry; nobody has more.
const MOST_NUMBERS: usize = 32;

/// What names an entry for good.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EntryId(pub [u8; 16]);

impl EntryId {
    /// Of a user of the site, by the address in whatever case.
    pub fn of_address(address: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(address.to_ascii_lowercase()).into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Where a number rings.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// At work.
    Work,
    /// A mobile.
    Mobile,
    /// At home.
    Home,
    /// A pager.
    Pager,
    /// A fax machine.
    Fax,
}

impl Kind {
    /// In files: `work`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Mobile => "mobile",
            Self::Home => "home",
            Self::Pager => "pager",
            Self::Fax => "fax",
        }
    }

    fn of(kind: person::Kind) -> Self {
        match kind {
            person::Kind::Line
            | person::Kind::Proxy
            | person::Kind::CallingLine
            | person::Kind::Telephone
            | person::Kind::OtherTelephone
            | person::Kind::IpPhone => Self::Work,
            person::Kind::Mobile | person::Kind::OtherMobile => Self::Mobile,
            person::Kind::Home | person::Kind::OtherHome => Self::Home,
            person::Kind::Pager => Self::Pager,
            person::Kind::Fax => Self::Fax,
        }
    }
}

/// A number in the normal form of the site.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Number {
    /// Where it rings.
    pub kind: Kind,
    /// `+` and E.164, or what is dialled inside.
    pub number: String,
    /// The extension behind it (R24).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ext: Option<String>,
}

impl Number {
    /// What a phone inside dials: the extension, where there is one (R69).
    pub fn dialled(&self) -> &str {
        self.ext.as_deref().unwrap_or(&self.number)
    }
}

/// One entry. All texts are single clean lines.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Entry {
    /// What names it for good.
    #[serde(skip)]
    pub id: EntryId,
    /// The name, never empty.
    pub name: String,
    /// The given name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// The surname.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surname: Option<String>,
    /// The company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// The department.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// The title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// The SIP address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Every number once.
    pub numbers: Vec<Number>,
}

impl Entry {
    /// Of a user of the site; `normal` gives a number its normal form. `None`: nothing of it can be shown.
    pub fn of_user(user: &User, normal: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let written = user.numbers.iter().map(|number| (Kind::Work, number.as_str()));
        let numbers = numbers(written, normal);
        let mail = shown(user.mail.as_deref());
        let address = shown(Some(&user.address));
        let name = shown(user.name.as_deref()).or_else(|| bare(&user.address))?;
        let id = EntryId::of_address(&user.address);
        Some(Self { id, name, mail, address, numbers, ..Self::default() })
    }

    /// Of a person of the directory; `None`: nothing of it can be shown.
    pub fn of_person(person: &Person, normal: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let written = person.numbers.iter().map(|number| (Kind::of(number.kind), number.text.as_str()));
        let numbers = numbers(written, normal);
        let mail = shown(person.mails.first().map(String::as_str));
        let address = shown(person.sip.as_deref());
        let name = shown(Some(&person.name)).or_else(|| mail.clone());
        let name = name.or_else(|| address.as_deref().and_then(bare));
        Some(Self {
            id: EntryId(person.id.0),
            name: name.or_else(|| numbers.first().map(|number| number.number.clone()))?,
            given: shown(person.given.as_deref()),
            surname: shown(person.surname.as_deref()),
            company: shown(person.company.as_deref()),
            department: shown(person.department.as_deref()),
            title: shown(person.title.as_deref()),
            mail,
            address,
            numbers,
        })
    }

    /// One entry of a person's and of what the site file says of the same user, which counts before it.
    #[must_use]
    pub fn and(self, own: &Self) -> Self {
        let mut numbers = own.numbers.clone();
        let new = |number: &Number| !own.numbers.iter().any(|known| known.dialled() == number.dialled());
        numbers.extend(self.numbers.into_iter().filter(new));
        numbers.truncate(MOST_NUMBERS);
        let nameless = own.address.as_deref().and_then(bare).is_some_and(|bare| bare == own.name);
        let name = if nameless { self.name } else { own.name.clone() };
        Self { name, numbers, mail: own.mail.clone().or(self.mail), address: own.address.clone(), ..self }
    }

    /// What readers search and sort by.
    pub fn sort(&self) -> String {
        self.name.to_lowercase()
    }

    /// Stands for all of it but the id: two entries of one digest are the same.
    pub fn digest(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        let mut add = |text: Option<&str>| {
            // The length keeps neighbours apart, and nothing from an empty text.
            hash.update(text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
            hash.update(text.unwrap_or_default());
        };
        add(Some(&self.name));
        for text in [
            &self.given,
            &self.surname,
            &self.company,
            &self.department,
            &self.title,
            &self.mail,
            &self.address,
        ] {
            add(text.as_deref());
        }
        for Number { kind, number, ext } in &self.numbers {
            add(Some(kind.name()));
            add(Some(number));
            add(ext.as_deref());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        half
    }
}

/// The user part of an address.
fn bare(address: &str) -> Option<String> {
    let rest = address.split_once(':').map_or(address, |(_, rest)| rest);
    shown(rest.split('@').next())
}

/// Every number once, in its first kind.
fn numbers<'n>(
    written: impl Iterator<Item = (Kind, &'n str)>,
    normal: &dyn Fn(&str) -> Option<String>,
) -> Vec<Number> {
    let mut numbers: Vec<Number> = vec![];
    for (kind, text) in written {
        let Some((number, ext)) = read(text, normal) else { continue };
        let known = numbers.iter().any(|known| known.number == number && known.ext == ext);
        if !known && numbers.len() < MOST_NUMBERS {
            numbers.push(Number { kind, number, ext });
        }
    }
    numbers
}

/// A number as people write it, and its extension; `None`: it is none that can be dialled.
fn read(text: &str, normal: &dyn Fn(&str) -> Option<String>) -> Option<(String, Option<String>)> {
    let parts = |number: String| match lines::split(&number) {
        Some((main, ext)) => (main.to_owned(), Some(ext.to_owned())),
        None => (number, None),
    };
    if let Ok(tel) = Tel::read(text) {
        let (number, own) = parts(normal(&tel.number)?);
        return Some((number, tel.ext.or(own)));
    }
    if lines::split(text).is_some() {
        return normal(text).map(parts);
    }
    // "+49 (0) 30 123": the 0 is for those who dial without the country code.
    let text = if text.trim_start().starts_with('+') { text.replacen("(0)", "", 1) } else { text.to_owned() };
    // What follows letters is an extension in somebody's own words: nobody can dial both in one.
    let plain = text.split(char::is_alphabetic).next().unwrap_or_default();
    let dialled: String = plain.chars().filter(|c| c.is_ascii_digit() || "+*#".contains(*c)).collect();
    let number = if dialled.is_empty() { None } else { normal(&dialled) };
    number.map(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Numbering;

    fn normal(number: &str) -> Option<String> {
        let here = Numbering { country: Some("49".into()), national: "0".into(), international: "00".into() };
        if number == "299" { Some("+4930123456;ext=299".into()) } else { here.normal(number) }
    }

    #[test]
    fn numbers_are_dialable_and_in_their_normal_form() {
        for (written, expected) in [
            ("030 / 123-456", Some(("+4930123456", None))),
            ("+49 (0)30 123456", Some(("+4930123456", None))),
            ("tel:+4930123456;ext=4711", Some(("+4930123456", Some("4711")))),
            // R24: as the line of a user of the site is kept, and as a rule may write an extension.
            ("+4930123456;ext=4711", Some(("+4930123456", Some("4711")))),
            ("299", Some(("+4930123456", Some("299")))),
            ("tel:299", Some(("+4930123456", Some("299")))),
            ("+4930123456 ext. 12", Some(("+4930123456", None))),
            ("4711", Some(("4711", None))),
            ("reception", None),
            ("", None),
            ("+", None),
        ] {
            let read = read(written, &normal);
            let read = read.as_ref().map(|(number, ext)| (number.as_str(), ext.as_deref()));
            assert_eq!(read, expected, "{written:?}");
        }
    }

    #[test]
    fn an_entry_shows_each_number_once_and_is_told_from_every_other() {
        let user = User {
            address: "sip:ada@corp.test".into(),
            name: Some("Ada\r\nX\u{202E}Y".into()),
            numbers: vec!["030123456".into(), "+4930123456".into(), "ada".into(), "12".into()],
            ..User::default()
        };
        let entry = Entry::of_user(&user, &normal).expect("an entry");
        assert_eq!(entry.name, "Ada XY");
        let dialled: Vec<&str> = entry.numbers.iter().map(Number::dialled).collect();
        assert_eq!(dialled, ["+4930123456", "12"]);
        assert_eq!(entry.id, EntryId::of_address("SIP:Ada@corp.test"));
        let nameless = Entry::of_user(&User { name: None, ..user.clone() }, &normal).expect("an entry");
        assert_eq!(nameless.name, "ada");
        // A text that moves from one field to the next makes another entry.
        let one = Entry { company: Some("x".into()), ..entry.clone() };
        let other = Entry { department: Some("x".into()), ..entry.clone() };
        let empty = Entry { company: Some(String::new()), ..entry.clone() };
        let digests = [entry.digest(), one.digest(), other.digest(), empty.digest()];
        assert!((0..4).all(|a| (0..a).all(|b| digests[a] != digests[b])), "{digests:?}");
        assert_eq!(Entry { id: EntryId([9; 16]), ..entry.clone() }.digest(), entry.digest());
    }
}
