//! `[attendant.NAME]`.

use std::time::Duration;

use ringpost::{
    address::Language,
    settings::{Attendant, Extensions},
};

use super::{Claims, raw::Raw, section::Section, um, user};

/// What an attendant does where the site says nothing.
const FIRST_DIGIT: Duration = Duration::from_secs(5);
const NEXT_DIGIT: Duration = Duration::from_secs(3);
const TRIES: i64 = 3;
const MAX_CALL: Duration = Duration::from_secs(180);

/// Reads every `[attendant.NAME]`.
pub fn attendants(section: Option<Section<'_>>, claims: &mut Claims) -> Vec<Attendant> {
    let named = section.map(Section::named).unwrap_or_default();
    named.into_iter().filter_map(|(name, section)| attendant(name, section, claims)).collect()
}

/// Reads one; `None` after a problem.
fn attendant(name: String, mut section: Section<'_>, claims: &mut Claims) -> Option<Attendant> {
    let numbers = section.at_least_one("numbers", |raw| user::number(raw, claims));
    let language = section.optional("language", user::language);
    let greeting = section.optional("greeting", um::greeting);
    let digits = section.optional("digits", |raw| raw.count(1..=15));
    let first_digit = section.optional("first_digit", Raw::duration);
    let next_digit = section.optional("next_digit", Raw::duration);
    let tries = section.optional("tries", |raw| raw.count(1..=10));
    let operator = section.optional("operator", |raw| raw.text().map(str::to_owned));
    let extensions = section.list("extensions", |raw| {
        Extensions::read(raw.text()?).ok_or_else(|| "wants \"200\" or \"200-299\", both as long".to_owned())
    });
    let max_call = section.optional("max_call", Raw::duration);
    // The name becomes the user part of its address.
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    if !name.bytes().all(plain) {
        section.refuse("numbers", format!("the name {name:?} may hold letters, digits, - and _ only"));
    }
    section.end();
    Some(Attendant {
        name,
        numbers,
        language: language.unwrap_or(Language::En),
        greeting,
        digits: digits.and_then(|digits| usize::try_from(digits).ok()),
        first_digit: first_digit.unwrap_or(FIRST_DIGIT),
        next_digit: next_digit.unwrap_or(NEXT_DIGIT),
        tries: u8::try_from(tries.unwrap_or(TRIES)).ok()?,
        operator,
        extensions,
        max_call: max_call.unwrap_or(MAX_CALL),
    })
}
