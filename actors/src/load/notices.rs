//! `[notices]` and `[user.notices]`: what users are told of, when, and who is. A user's key stands in place of the site's.

use std::{fmt::Display, str::FromStr};

use ringpost::{
    notify::{
        Filters, Hours, Tell,
        filter::{Listed, SpamHeader},
        hours::Days,
    },
    settings::Notices,
};

use super::{raw::Raw, section::Section, style, user};

/// Reads the keys that both tables have; what one leaves out is as in `usual`.
pub fn notices(section: &mut Section<'_>, usual: &Notices) -> Notices {
    let filters = filters(section, &usual.filters);
    let only_signed_in = section.optional("only_while_signed_in", Raw::flag).unwrap_or(usual.only_signed_in);
    let hours = hours(section, &usual.hours);
    let tell = section.optional("tell", tell).unwrap_or_else(|| usual.tell.clone());
    let manner = style::manner(section, usual.manner, usual.link.is_some());
    Notices {
        filters,
        min_ring: usual.min_ring,
        only_signed_in,
        hours,
        tell,
        manner,
        link: usual.link.clone(),
    }
}

/// Reads the keys of the site alone.
pub fn of_site(section: &mut Section<'_>) -> Notices {
    let spam_headers = section.list("spam_headers", spam_header);
    let voice_mail = section.optional("skip_voice_mail", Raw::flag).unwrap_or_default();
    let min_ring = section.optional("min_ring", Raw::duration_or_zero).unwrap_or_default();
    let filters = Filters { spam_headers, voice_mail, ..Filters::default() };
    let link = style::link(section);
    notices(section, &Notices { filters, min_ring, link, ..Notices::default() })
}

fn filters(section: &mut Section<'_>, usual: &Filters) -> Filters {
    let mut filters = usual.clone();
    if section.has("skip") {
        (filters.internal, filters.hidden, filters.spam) = (false, false, false);
    }
    section.list("skip", |raw| {
        match raw.text()? {
            "internal" => filters.internal = true,
            "hidden" => filters.hidden = true,
            "spam" => filters.spam = true,
            other => return Err(format!("wants \"internal\", \"hidden\" or \"spam\", not {other:?}")),
        }
        Ok(())
    });
    if let Some(numbers) = given(section, "skip_numbers", listed) {
        filters.numbers = numbers;
    }
    if let Some(numbers) = given(section, "own_numbers", |raw| number(raw.text()?).map(str::to_owned)) {
        filters.own_numbers = numbers;
    }
    filters
}

fn hours(section: &mut Section<'_>, usual: &Hours) -> Hours {
    let quiet = given(section, "quiet", parsed);
    let work_days = given(section, "work_days", |raw| {
        let day = raw.text()?;
        let known = Days::NAMES.into_iter().find(|name| *name == day);
        known.ok_or_else(|| format!("wants a day such as \"mon\", not {day:?}"))
    });
    if work_days.as_ref().is_some_and(Vec::is_empty) {
        section.refuse("work_days", "needs at least one day");
    }
    let work_hours = given(section, "work_hours", parsed);
    let holidays = given(section, "holidays", parsed);
    let voice_mail_at_once = section.optional("voice_mail_at_once", Raw::flag);
    let hours = Hours {
        quiet: quiet.unwrap_or_else(|| usual.quiet.clone()),
        work_days: work_days.filter(|days| !days.is_empty()).map_or(usual.work_days, Days::named),
        work_hours: work_hours.unwrap_or_else(|| usual.work_hours.clone()),
        holidays: holidays.unwrap_or_else(|| usual.holidays.clone()),
        voice_mail_at_once: voice_mail_at_once.unwrap_or(usual.voice_mail_at_once),
    };
    if !hours.leave_time() {
        let key = ["quiet", "work_hours", "work_days"].into_iter().find(|key| section.has(key));
        section.refuse(key.unwrap_or("quiet"), "leaves no time at which a notice could be told");
    }
    hours
}

/// A list that may be empty; `None` where the table has none.
fn given<T>(
    section: &mut Section<'_>,
    key: &'static str,
    parse: impl FnMut(&Raw<'_>) -> Result<T, String>,
) -> Option<Vec<T>> {
    let there = section.has(key);
    let entries = section.list(key, parse);
    there.then_some(entries)
}

fn parsed<T: FromStr<Err: Display>>(raw: &Raw<'_>) -> Result<T, String> {
    let text = raw.text()?;
    text.parse().map_err(|error: T::Err| format!("{error}, not {text:?}"))
}

fn tell(raw: &Raw<'_>) -> Result<Tell, String> {
    match raw.text()? {
        "first" => Ok(Tell::First),
        "last" => Ok(Tell::Last),
        "all" => Ok(Tell::All),
        text if text.contains('@') => user::mail(raw).map(Tell::Address),
        other => Err(format!("wants \"first\", \"last\", \"all\" or a mail address, not {other:?}")),
    }
}

fn listed(raw: &Raw<'_>) -> Result<Listed, String> {
    let text = raw.text()?;
    let stem = text.strip_suffix('*').unwrap_or(text);
    number(stem).map_err(|what| format!("{what}, or the beginning of numbers such as \"+49900*\""))?;
    Ok(Listed::from(text))
}

fn number(text: &str) -> Result<&str, String> {
    let legal = |octet: u8| octet.is_ascii_digit() || b"+-.()".contains(&octet);
    match text.bytes().all(legal) && text.bytes().any(|octet| octet.is_ascii_digit()) {
        true => Ok(text),
        false => Err("wants a number such as \"+4930123456\"".to_owned()),
    }
}

fn spam_header(raw: &Raw<'_>) -> Result<SpamHeader, String> {
    let wanted = || "wants a header and how its value begins, such as \"X-Spam: yes\"".to_owned();
    let (name, value) = raw.text()?.split_once(':').ok_or_else(wanted)?;
    let (name, value) = (name.trim(), value.trim());
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet);
    match !name.is_empty() && name.bytes().all(legal) && !value.is_empty() {
        true => Ok(SpamHeader { name: name.to_owned(), value: value.to_owned() }),
        false => Err(wanted()),
    }
}
