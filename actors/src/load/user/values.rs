//! What the keys of `[[user]]`, and those of the same kind elsewhere, may hold.

use jiff::tz::TimeZone;
use ringpost::{
    address::{Language, UserClass},
    numbers::{Tel, lines},
};

use super::{
    super::{Claims, raw::Raw, uri},
    Around,
};

/// An address of record that nobody else has.
pub fn address(raw: &Raw<'_>, claims: &mut Claims) -> Result<String, String> {
    let text = raw.text()?;
    let uri = uri::sip(text)?;
    let user = uri.user.ok_or("wants an address with a user part, such as \"sip:1001@example.com\"")?;
    claims.claim(raw, format!("address {user}@{}", uri.host))?;
    Ok(text.to_owned())
}

/// A number that nobody else has.
pub fn number(raw: &Raw<'_>, claims: &mut Claims) -> Result<String, String> {
    let text = raw.text()?;
    if lines::split(text).is_some() {
        return line(raw, claims);
    }
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"+*#-._".contains(&octet);
    if !text.bytes().all(legal) {
        return Err("wants a number such as \"+15550101\" or a user part, without spaces".to_owned());
    }
    claims.claim(raw, format!("number {text}"))?;
    Ok(text.to_owned())
}

/// A line, with or without `tel:`, as numbers are compared: `+4544890101`, `+4544890101;ext=200` (R24, R25).
pub fn line(raw: &Raw<'_>, claims: &mut Claims) -> Result<String, String> {
    const WANTED: &str = "wants a line such as \"tel:+4544890101\" or \"tel:+4544890101;ext=200\"";
    let text = raw.text()?;
    let uri = if text.starts_with("tel:") { text.to_owned() } else { format!("tel:{text}") };
    let tel = Tel::read(&uri).ok().filter(|tel| tel.is_global() && tel.params.is_empty());
    let tel = tel.filter(|tel| tel.isub.is_none() && tel.context.is_none()).ok_or(WANTED)?;
    let number = match &tel.ext {
        Some(ext) => lines::with_extension(&tel.number, ext),
        None => tel.number,
    };
    claims.claim(raw, format!("number {number}"))?;
    Ok(number)
}

/// The name of a dial plan.
pub fn plan(raw: &Raw<'_>, around: &Around<'_>) -> Result<String, String> {
    let (name, plans) = (raw.text()?, around.plans);
    // Which plans the directory has is known later.
    if around.directory || plans.iter().any(|plan| plan.name == name) {
        return Ok(name.to_owned());
    }
    let known: Vec<_> = plans.iter().map(|plan| plan.name.as_str()).collect();
    match known.as_slice() {
        [] => Err(format!("unknown plan {name:?}: the site has no [um.plan.{name}]")),
        known => Err(format!("unknown plan {name:?}; the site has {}", known.join(", "))),
    }
}

/// Who tells of missed calls.
pub fn user_class(raw: &Raw<'_>) -> Result<UserClass, String> {
    match raw.text()? {
        "um" => Ok(UserClass::Um),
        "mail" => Ok(UserClass::Mail),
        "pbx" => Ok(UserClass::Pbx),
        "off" => Ok(UserClass::Off),
        other => Err(format!("wants \"um\", \"mail\", \"pbx\" or \"off\", not {other:?}")),
    }
}

/// Whether every call goes to voice mail.
pub fn forward(raw: &Raw<'_>) -> Result<bool, String> {
    match raw.text()? {
        "voicemail" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("wants \"voicemail\" or \"off\", not {other:?}")),
    }
}

/// An IANA name of a time zone.
pub fn time_zone(raw: &Raw<'_>) -> Result<String, String> {
    let name = raw.text()?;
    match TimeZone::get(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => {
            Err(format!("unknown time zone {name:?}; wants an IANA name such as \"Europe/Copenhagen\""))
        }
    }
}

/// A language by its code (ISO 639-1).
pub fn language(raw: &Raw<'_>) -> Result<Language, String> {
    let code = raw.text()?;
    Language::ALL.into_iter().find(|language| language.code() == code).ok_or_else(|| {
        let known = Language::ALL.map(Language::code).join(", ");
        format!("unknown language {code:?}; known: {known}")
    })
}

/// A name as it stands between quotes.
pub fn auth_name(raw: &Raw<'_>) -> Result<String, String> {
    match raw.text()? {
        text if text.contains(['"', '\\', ':']) => {
            Err("must not hold a quote, a backslash or a colon".to_owned())
        }
        text => Ok(text.to_owned()),
    }
}

/// A mail address without a name, its domain as every server takes it (RFC 5891): only a mailbox beyond ASCII wants SMTPUTF8.
pub fn mail(raw: &Raw<'_>) -> Result<String, String> {
    let wanted = |_| "wants a mail address such as \"user@example.com\"".to_owned();
    let address: lettre::Address = raw.text()?.parse().map_err(wanted)?;
    match url::Host::parse(address.domain()) {
        Ok(url::Host::Domain(domain)) if !address.domain().is_ascii() => {
            Ok(format!("{}@{domain}", address.user()))
        }
        _ => Ok(address.to_string()),
    }
}
