//! An entry becomes a person.

use super::{Control, Eum, Fault, Kind, Number, Person, clean::Cleaned};
use crate::{
    directory::ldap::{Attributes, Meaning, Record},
    numbers::Tel,
    settings::Secret,
    sip::uri::Uri,
};

/// The longest number that is kept, in octets, with everything that makes it readable.
const LONGEST_NUMBER: usize = 64;
/// The most numbers that are kept of a person.
const MOST_NUMBERS: usize = 64;

/// Reads an entry. `None` in place of a person: it has nothing that names it for good. And what was left out of it.
pub fn person(record: &Record, attributes: &Attributes) -> (Option<Person>, Vec<Fault>) {
    let mut values = Cleaned::new(record);
    let Some(id) = record.id(attributes) else {
        values.refuse(name_of(attributes, Meaning::Id), "is missing: the entry is left out");
        return (None, values.faults);
    };
    let mut first = |meaning| values.first(attributes.names(meaning));
    let (given, surname) = (first(Meaning::Given), first(Meaning::Surname));
    let whole = || [given.as_deref(), surname.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let name = first(Meaning::Name).unwrap_or_else(whole);
    let mut person = Person {
        id,
        dn: crate::notify::clean::one_line(&record.dn, 1024),
        name,
        company: first(Meaning::Company),
        department: first(Meaning::Department),
        title: first(Meaning::Title),
        um_plan: first(Meaning::UmPlanLink),
        given,
        surname,
        ..Person::default()
    };
    flags(&mut person, &mut values, attributes);
    let proxies = values.all(attributes.names(Meaning::Proxies));
    addresses(&mut person, &mut values, attributes, &proxies);
    line(&mut person, &mut values, attributes);
    numbers(&mut person, &mut values, attributes, &proxies);
    further(&mut person, &mut values, attributes);
    password(&mut person, &mut values, record, attributes);
    (Some(person), values.faults)
}

fn name_of(attributes: &Attributes, meaning: Meaning) -> &str {
    attributes.names(meaning).first().map_or("", String::as_str)
}

fn flags(person: &mut Person, values: &mut Cleaned<'_>, attributes: &Attributes) {
    let mut bits = |meaning| {
        let text = values.first(attributes.names(meaning))?;
        // Active Directory writes a set of bits as a signed number.
        let bits = text.parse::<i64>().ok().and_then(|number| {
            u32::try_from(number).ok().or_else(|| i32::try_from(number).ok().map(i32::cast_unsigned))
        });
        if bits.is_none() {
            values.refuse(name_of(attributes, meaning), "is no whole number");
        }
        bits
    };
    person.disabled = bits(Meaning::AccountControl).is_some_and(|bits| bits & 2 != 0);
    person.um_enabled = bits(Meaning::UmFlags).map(|bits| bits & 1 != 0);
    person.control.flags = bits(Meaning::OptionFlags).unwrap_or_default();
    let enabled = values.first(attributes.names(Meaning::SipEnabled));
    person.sip_enabled = enabled.and_then(|text| match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => {
            values.refuse(name_of(attributes, Meaning::SipEnabled), "is neither TRUE nor FALSE");
            None
        }
    });
    let server = values.first(attributes.names(Meaning::LineServer));
    person.control = Control { server: server.and_then(|server| sip(&server)), flags: person.control.flags };
}

fn addresses(person: &mut Person, values: &mut Cleaned<'_>, attributes: &Attributes, proxies: &[String]) {
    let own = values.all(attributes.names(Meaning::Mail));
    // `SMTP:` in capitals is the primary one.
    let (mut primary, mut others) = (vec![], vec![]);
    let (mut eum, mut sips) = (vec![], vec![]);
    for proxy in proxies {
        let Some((scheme, rest)) = proxy.split_once(':') else { continue };
        match scheme.to_ascii_lowercase().as_str() {
            "smtp" if scheme == "SMTP" => primary.push(rest.to_owned()),
            "smtp" => others.push(rest.to_owned()),
            "sip" => sips.push(proxy.as_str()),
            "eum" => match Eum::read(proxy) {
                Some(address) => eum.push(address),
                None => values
                    .refuse(name_of(attributes, Meaning::Proxies), "has an EUM address without a dial plan"),
            },
            _ => {}
        }
    }
    let mut mails: Vec<String> = vec![];
    for mail in own.into_iter().chain(primary).chain(others) {
        match mail.parse::<lettre::Address>() {
            Ok(_) if mails.iter().any(|known| known.eq_ignore_ascii_case(&mail)) => {}
            Ok(_) => mails.push(mail),
            Err(_) => {
                values.refuse(name_of(attributes, Meaning::Mail), "has a value that is no mail address")
            }
        }
    }
    person.mails = mails;
    eum.sort_by_key(|one| !one.primary);
    person.eum = eum;
    let written = values.first(attributes.names(Meaning::Sip));
    person.sip = written.as_deref().and_then(sip).or_else(|| sips.into_iter().find_map(sip));
    if written.is_some_and(|written| sip(&written).is_none()) {
        values.refuse(name_of(attributes, Meaning::Sip), "is no SIP address");
    }
}

/// A SIP address of record, with its scheme and its host in lower case; a bare `tu@contoso.com` is one too.
pub fn sip(written: &str) -> Option<String> {
    let bare = match written.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips") => {
            rest
        }
        Some(_) => return None,
        None => written,
    };
    let (user, host) = bare.split_once('@')?;
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>\"@;?".contains(c);
    let fits = !user.is_empty() && user.chars().all(plain) && host.len() <= 255;
    let uri = format!("sip:{user}@{}", host.to_ascii_lowercase());
    let read = Uri::read(uri.as_bytes())?;
    (fits && read.params.is_empty() && read.headers.is_empty() && !read.host.is_empty()).then_some(uri)
}

fn line(person: &mut Person, values: &mut Cleaned<'_>, attributes: &Attributes) {
    let names = attributes.names(Meaning::Number(Kind::Line));
    let Some(written) = values.first(names) else { return };
    match Tel::read(&written).ok().or_else(|| Tel::of(&written)) {
        Some(line) => person.line = Some(line),
        None => values.refuse(name_of(attributes, Meaning::Number(Kind::Line)), "is no tel: URI"),
    }
}

fn numbers(person: &mut Person, values: &mut Cleaned<'_>, attributes: &Attributes, proxies: &[String]) {
    let mut numbers: Vec<Number> = vec![];
    let mut add = |kind, text: String| {
        let known = numbers.iter().any(|number| number.text == text);
        let number = text.bytes().any(|octet| octet.is_ascii_digit()) && text.len() <= LONGEST_NUMBER;
        if !known && number && numbers.len() < MOST_NUMBERS {
            numbers.push(Number { kind, text });
        }
        number && numbers.len() < MOST_NUMBERS
    };
    if let Some(line) = &person.line {
        add(Kind::Line, line.to_string());
    }
    for proxy in proxies.iter().filter(|proxy| proxy.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("tel:")))
    {
        if let Ok(tel) = Tel::read(proxy) {
            add(Kind::Proxy, tel.to_string());
        }
    }
    for ext in person.eum.iter().filter_map(Eum::extension) {
        add(Kind::Proxy, ext.to_owned());
    }
    for kind in Kind::ALL.into_iter().filter(|kind| !matches!(kind, Kind::Line | Kind::Proxy)) {
        let names = attributes.names(Meaning::Number(kind));
        for text in values.all(names) {
            if !add(kind, text) {
                values.refuse(
                    name_of(attributes, Meaning::Number(kind)),
                    "has a value that is no number, or too many",
                );
            }
        }
    }
    person.numbers = numbers;
}

/// The meanings whose values a user's settings are made of.
pub(crate) const SETTINGS: [Meaning; 5] =
    [Meaning::AuthName, Meaning::RingFor, Meaning::TimeZone, Meaning::Language, Meaning::MissedCalls];

fn further(person: &mut Person, values: &mut Cleaned<'_>, attributes: &Attributes) {
    let own = SETTINGS.into_iter().flat_map(|meaning| attributes.names(meaning)).chain(&attributes.further);
    for name in own {
        if person.further(name).is_none()
            && let Some(value) = values.first(std::slice::from_ref(name))
        {
            person.further.push((name.clone(), value));
        }
    }
}

/// A password is taken to the letter.
fn password(person: &mut Person, values: &mut Cleaned<'_>, record: &Record, attributes: &Attributes) {
    let names = attributes.names(Meaning::Password);
    let Some(value) = names.iter().find_map(|name| record.values(name).next()) else { return };
    let text = std::str::from_utf8(value).ok();
    match text.filter(|text| !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control)) {
        Some(text) if !text.starts_with('{') => person.password = Some(Secret(text.to_owned())),
        // `{SSHA}…`: what is stored is no password, and proves nothing in a digest.
        Some(_) => values.refuse(name_of(attributes, Meaning::Password), "is hashed"),
        None => values
            .refuse(name_of(attributes, Meaning::Password), "is no password that a phone could be given"),
    }
}
