//! A person as octets: short texts behind their lengths, and texts that many share by their place in a pool.

use std::collections::HashMap;

use crate::{
    directory::{
        ldap::Id,
        person::{Control, Eum, Kind, Number, Person},
    },
    numbers::Tel,
    settings::Secret,
};

/// Texts that many persons share.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Pool {
    pub texts: Vec<Box<str>>,
    places: HashMap<Box<str>, usize, ahash::RandomState>,
}

impl Pool {
    pub fn of(texts: Vec<Box<str>>) -> Self {
        let places = texts.iter().cloned().enumerate().map(|(place, text)| (text, place)).collect();
        Self { texts, places }
    }

    fn place(&mut self, text: &str) -> usize {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        self.texts.push(text.into());
        self.places.insert(text.into(), self.texts.len() - 1);
        self.texts.len() - 1
    }
}

/// Writes octets.
pub(super) struct Writer<'w>(pub &'w mut Vec<u8>);

impl Writer<'_> {
    /// Seven bits in each octet, the lowest first; the highest bit says that more follow.
    pub fn count(&mut self, mut count: usize) {
        while count >= 0x80 {
            self.0.push((count & 0x7F) as u8 | 0x80);
            count >>= 7;
        }
        self.0.push(count as u8);
    }

    pub fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => {
                self.count(text.len() + 1);
                self.0.extend_from_slice(text.as_bytes());
            }
            None => self.count(0),
        }
    }

    fn shared(&mut self, text: Option<&str>, pool: &mut Pool) {
        self.count(text.map_or(0, |text| pool.place(text) + 1));
    }
}

/// Reads octets; `None` where they are none of ours.
#[derive(Clone)]
pub(super) struct Reader<'r>(pub &'r [u8]);

impl<'r> Reader<'r> {
    pub fn take(&mut self, length: usize) -> Option<&'r [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn octet(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    pub fn count(&mut self) -> Option<usize> {
        let mut count = 0_usize;
        for shift in (0..35).step_by(7) {
            let octet = self.octet()?;
            count |= usize::from(octet & 0x7F).checked_shl(shift)?;
            if octet & 0x80 == 0 {
                return Some(count);
            }
        }
        None
    }

    /// How many entries of at least one octet follow: never more than there are octets, so that no count makes room for
    /// what is not there.
    pub fn entries(&mut self) -> Option<usize> {
        self.count().filter(|count| *count <= self.0.len())
    }

    pub fn text(&mut self) -> Option<&'r str> {
        let length = self.count()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    fn optional(&mut self) -> Option<Option<&'r str>> {
        match self.count()? {
            0 => Some(None),
            length => std::str::from_utf8(self.take(length - 1)?).ok().map(Some),
        }
    }

    fn shared<'p>(&mut self, pool: &'p Pool) -> Option<Option<&'p str>> {
        match self.count()? {
            0 => Some(None),
            place => pool.texts.get(place - 1).map(|text| Some(&**text)),
        }
    }
}

const DISABLED: u8 = 1;
const SIP: u8 = 2;
const UM: u8 = 8;
const LINE: u8 = 32;

/// Writes a person behind the length of what is written. The id and the name come first, for whoever wants no more.
pub(super) fn write(person: &Person, pool: &mut Pool, to: &mut Vec<u8>) {
    let mut octets = Vec::with_capacity(256);
    let mut w = Writer(&mut octets);
    w.0.extend_from_slice(&person.id.0);
    w.text(&person.name);
    // Two bits for each: whether it is known, and what it is.
    let known = |flag: Option<bool>, bit: u8| flag.map_or(0, |flag| bit | if flag { bit << 1 } else { 0 });
    let bits = if person.disabled { DISABLED } else { 0 } | if person.line.is_some() { LINE } else { 0 };
    w.0.push(bits | known(person.sip_enabled, SIP) | known(person.um_enabled, UM));
    let (own, parent) = halves(&person.dn);
    w.text(own);
    w.shared(parent, pool);
    w.optional(person.given.as_deref());
    w.optional(person.surname.as_deref());
    for text in [&person.company, &person.department, &person.title, &person.um_plan, &person.control.server]
    {
        w.shared(text.as_deref(), pool);
    }
    w.count(person.control.flags as usize);
    w.optional(person.sip.as_deref());
    w.count(person.mails.len());
    person.mails.iter().for_each(|mail| w.text(mail));
    w.count(person.eum.len());
    for eum in &person.eum {
        w.0.push(u8::from(eum.primary));
        w.text(&eum.address);
        w.shared(Some(&eum.context), pool);
    }
    w.count(person.numbers.len());
    for number in &person.numbers {
        w.0.push(number.kind as u8);
        w.text(&number.text);
    }
    w.count(person.further.len());
    for (name, value) in &person.further {
        w.shared(Some(name), pool);
        w.text(value);
    }
    w.optional(person.password.as_ref().map(|password| password.0.as_str()));
    Writer(to).count(octets.len());
    to.extend_from_slice(&octets);
}

/// The octets of the person that begins at `start`.
pub(super) fn at(heap: &[u8], start: usize) -> Option<Reader<'_>> {
    let mut reader = Reader(heap.get(start..)?);
    let length = reader.count()?;
    reader.take(length).map(Reader)
}

/// The id and the name of a person.
pub(super) fn head<'r>(reader: &mut Reader<'r>) -> Option<(Id, &'r str)> {
    let id = Id(reader.take(16)?.try_into().ok()?);
    Some((id, reader.text()?))
}

/// Reads a person.
pub(super) fn read(mut r: Reader<'_>, pool: &Pool) -> Option<Person> {
    let (id, name) = head(&mut r)?;
    let bits = r.octet()?;
    let known = |bit: u8| (bits & bit != 0).then_some(bits & (bit << 1) != 0);
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let (own, parent) = (r.text()?, r.shared(pool)?);
    let dn = parent.map_or_else(|| own.to_owned(), |parent| format!("{own},{parent}"));
    let (given, surname) = (owned(r.optional()?), owned(r.optional()?));
    let [company, department, title] =
        [owned(r.shared(pool)?), owned(r.shared(pool)?), owned(r.shared(pool)?)];
    let (um_plan, server) = (owned(r.shared(pool)?), owned(r.shared(pool)?));
    let control = Control { server, flags: u32::try_from(r.count()?).ok()? };
    let sip = owned(r.optional()?);
    let mails = (0..r.entries()?).map(|_| r.text().map(str::to_owned)).collect::<Option<_>>()?;
    let eum = |r: &mut Reader<'_>| {
        let (primary, address) = (r.octet()? != 0, r.text()?.to_owned());
        Some(Eum { address, context: r.shared(pool)??.to_owned(), primary })
    };
    let eum = (0..r.entries()?).map(|_| eum(&mut r)).collect::<Option<_>>()?;
    let number = |r: &mut Reader<'_>| {
        let kind = *Kind::ALL.get(usize::from(r.octet()?))?;
        Some(Number { kind, text: r.text()?.to_owned() })
    };
    let numbers = (0..r.entries()?).map(|_| number(&mut r)).collect::<Option<Vec<_>>>()?;
    let pair = |r: &mut Reader<'_>| Some((r.shared(pool)??.to_owned(), r.text()?.to_owned()));
    let further = (0..r.entries()?).map(|_| pair(&mut r)).collect::<Option<_>>()?;
    let password = owned(r.optional()?).map(Secret);
    let line = match bits & LINE {
        0 => None,
        _ => Some(Tel::read(&numbers.iter().find(|number| number.kind == Kind::Line)?.text).ok()?),
    };
    let (sip_enabled, um_enabled, disabled) = (known(SIP), known(UM), bits & DISABLED != 0);
    let name = name.to_owned();
    Some(Person {
        id,
        dn,
        name,
        given,
        surname,
        company,
        department,
        title,
        mails,
        sip,
        sip_enabled,
        disabled,
        um_enabled,
        um_plan,
        eum,
        line,
        numbers,
        control,
        further,
        password,
    })
}

/// The numbers of a person, without the rest.
pub(super) fn numbers<'r>(mut r: Reader<'r>, pool: &Pool) -> Option<Vec<(Kind, &'r str)>> {
    head(&mut r)?;
    r.octet()?;
    r.text()?;
    r.count()?;
    r.optional()?;
    r.optional()?;
    for _ in 0..5 {
        r.shared(pool)?;
    }
    r.count()?;
    r.optional()?;
    for _ in 0..r.entries()? {
        r.text()?;
    }
    for _ in 0..r.entries()? {
        r.octet()?;
        r.text()?;
        r.count()?;
    }
    let number = |r: &mut Reader<'r>| Some((*Kind::ALL.get(usize::from(r.octet()?))?, r.text()?));
    (0..r.entries()?).map(|_| number(&mut r)).collect()
}

/// A distinguished name as its first part, and the rest, which its neighbours share.
fn halves(dn: &str) -> (&str, Option<&str>) {
    let mut escaped = false;
    for (at, octet) in dn.bytes().enumerate() {
        if octet == b',' && !escaped {
            return (&dn[..at], Some(&dn[at + 1..]));
        }
        escaped = octet == b'\\' && !escaped;
    }
    (dn, None)
}
