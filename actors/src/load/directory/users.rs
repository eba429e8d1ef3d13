//! `[directory.users]`: who of the directory is a user, and what the directory does not say.

use ringpost::{
    directory::{ldap::filter::is_description, person::Kind, template::Template},
    settings::{DirectoryUsers, User},
};

use super::dn;
use crate::load::{
    channel,
    raw::Raw,
    section::Section,
    user::{Around, RING_FOR, forward, language, plan, time_zone, user_class},
};

/// What a person in need dials: whoever may write a number into the directory must not be called then.
const EMERGENCY: [&str; 4] = ["000", "112", "911", "999"];

/// Whether a site has users by its directory.
pub fn has_users(section: &Section<'_>) -> bool {
    section.has("users")
}

/// Reads the table; `None` after a problem.
pub fn users(mut section: Section<'_>, around: &Around<'_>) -> Option<DirectoryUsers> {
    let address = section.optional("address", template);
    let kinds = section.has("numbers_of").then(|| section.list("numbers_of", kind));
    if kinds.is_none() {
        section.knows("numbers_of");
    }
    let numbers_not = section.has("numbers_not").then(|| section.list("numbers_not", number));
    if numbers_not.is_none() {
        section.knows("numbers_not");
    }
    let numbers_within = section.list("numbers_within", beginning);
    let devices = section.list("devices", template);
    let below = section.list("below", dn);
    let only = section.list("only", condition);
    let must_be_enabled = section.optional("must_be_enabled", Raw::flag);
    let ring_for = section.optional("ring_for", Raw::duration);
    let um_plan = section.optional("um_plan", |raw| plan(raw, around));
    let missed_calls = section.optional("missed_calls", user_class);
    let forward = section.optional("forward", forward);
    let min_ring = section.optional("min_ring", Raw::duration_or_zero);
    let mail_if_um_refuses = section.optional("mail_if_um_refuses", Raw::flag);
    let time_zone = section.optional("time_zone", time_zone);
    let language = section.optional("language", language);
    let voice_policy = section.optional("voice_policy", |raw| around.policies.name(raw));
    let channels = if section.has("channels") {
        let (own, seen) = channel::entries(&mut section, around.channels, |_| Ok(()));
        (own.len() == seen).then(|| channel::for_users(&own, around.channels))
    } else {
        section.knows("channels");
        Some(around.usual.clone())
    };
    let mut said = vec![];
    said.extend(section.has("missed_calls").then_some("missed_calls"));
    said.extend(section.has("mail_if_um_refuses").then_some("mail_if_um_refuses"));
    section.end();
    let usual = || vec![Kind::Line, Kind::Proxy, Kind::Telephone];
    Some(DirectoryUsers {
        like: User {
            ring_for: ring_for.unwrap_or(RING_FOR),
            um_plan,
            missed_calls: missed_calls.unwrap_or_default(),
            forward_to_voicemail: forward.unwrap_or_default(),
            min_ring: min_ring.unwrap_or(around.notices.min_ring),
            mail_if_um_refuses: mail_if_um_refuses.unwrap_or_default(),
            digest: around.telling.digest(),
            returned: around.telling.returned(),
            time_zone: time_zone.unwrap_or_else(|| "UTC".to_owned()),
            language: language.unwrap_or_default(),
            voice_policy,
            notices: around.notices.clone(),
            said,
            ..User::default()
        },
        channels: channels?,
        kinds: kinds.unwrap_or_else(usual),
        numbers_not: numbers_not.unwrap_or_else(|| EMERGENCY.map(str::to_owned).to_vec()),
        numbers_within,
        devices,
        address,
        below,
        only,
        must_be_enabled: must_be_enabled.unwrap_or_default(),
    })
}

/// A number as it is compared.
fn number(raw: &Raw<'_>) -> Result<String, String> {
    let text = raw.text()?;
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| text.to_owned()).ok_or_else(|| "wants a number such as \"112\"".to_owned())
}

/// The beginning of numbers with their country.
fn beginning(raw: &Raw<'_>) -> Result<String, String> {
    let text = number(raw).ok().filter(|text| text.starts_with('+'));
    text.ok_or_else(|| "wants the beginning of numbers with their country, such as \"+454489\"".to_owned())
}

/// A SIP URI with placeholders.
fn template(raw: &Raw<'_>) -> Result<Template, String> {
    let text = raw.text()?;
    let scheme = text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sip:"));
    if !scheme || text.contains([' ', '<', '>', '"']) {
        return Err("wants a SIP URI such as \"sip:{extension}@192.0.2.10\"".to_owned());
    }
    Template::read(text)
}

fn kind(raw: &Raw<'_>) -> Result<Kind, String> {
    let name = raw.text()?;
    Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let known = Kind::ALL.map(|kind| format!("{:?}", kind.name()));
        format!("wants one of {}, not {name:?}", known.join(", "))
    })
}

/// `attribute=value`.
fn condition(raw: &Raw<'_>) -> Result<(String, String), String> {
    let parts = raw.text()?.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
    match parts.filter(|(name, value)| is_description(name) && !value.is_empty()) {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err("wants \"attribute=value\", or \"attribute=*\"".to_owned()),
    }
}
