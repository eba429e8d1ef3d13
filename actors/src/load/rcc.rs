//! `[rcc]`.

use std::time::Duration;

use ringpost::{
    rcc::Edition,
    settings::{Delegate, Rcc, RccGateway},
    sip::session_timer::FLOOR,
};

use super::{
    raw::Raw,
    section::Section,
    trunk::{login, one_of},
    uri,
};

/// Reads `[rcc]`; `None` after a problem. `trunks` are the site's, by name.
pub fn rcc(mut section: Section<'_>, trunks: &[&str]) -> Option<Rcc> {
    let enabled = section.required("enabled", Raw::flag);
    let session = section.required("session", session);
    let most = section.required("max_dialogs", |raw| raw.count(1..=1_000_000));
    let per_user = section.required("max_user_dialogs", |raw| raw.count(1..=1_000));
    let last_used = section.required("make_call", |raw| one_of(raw, &[("all", false), ("last-used", true)]));
    let trusted = section.list("trunks", |raw| trunk(raw, trunks));
    let gateways = section.table("gateway").map(Section::named).unwrap_or_default();
    let gateways =
        gateways.into_iter().filter_map(|(name, section)| gateway(name, section, trunks)).collect();
    let delegates = section.tables("delegate").into_iter().filter_map(delegate).collect();
    section.end();
    Some(Rcc {
        enabled: enabled?,
        session: session?,
        most: usize::try_from(most?).ok()?,
        per_user: usize::try_from(per_user?).ok()?,
        last_used: last_used?,
        trunks: trusted,
        delegates,
        gateways,
    })
}

fn session(raw: &Raw<'_>) -> Result<u32, String> {
    match raw.duration()?.as_secs() {
        seconds if seconds < u64::from(FLOOR) => Err("a session lasts 90 s at least (RFC 4028)".to_owned()),
        seconds => Ok(u32::try_from(seconds).unwrap_or(u32::MAX)),
    }
}

fn trunk(raw: &Raw<'_>, trunks: &[&str]) -> Result<String, String> {
    match raw.text()? {
        name if trunks.contains(&name) => Ok(name.to_owned()),
        name => Err(format!("there is no trunk {name:?}")),
    }
}

fn gateway(name: String, mut section: Section<'_>, trunks: &[&str]) -> Option<RccGateway> {
    let server = section.required("server", |raw| {
        let text = raw.text()?;
        uri::sip(text).map(|uri| (text.to_owned(), uri.host))
    });
    let login = login(&mut section, server.as_ref().map_or("", |(_, host)| host));
    let from = section.optional("from", |raw| {
        let text = raw.text()?;
        uri::sip(text).map(|_| text.to_owned())
    });
    let listed = section.has("users");
    let users = section.list("users", |raw| raw.text().map(str::to_owned));
    let device = section.optional("device", |raw| match raw.text()? {
        text if text.contains("{number}") || text.contains("{address}") => Ok(text.to_owned()),
        _ => Err("wants {number} or {address} in it, such as \"tel:{number}\"".to_owned()),
    });
    let reads = section.optional("trunk", |raw| trunk(raw, trunks));
    let per_user = section.optional("dialog_per_user", Raw::flag);
    let edition = section.optional("edition", |raw| raw.count(1..=99));
    let lasts = section.optional("session", session);
    let at_least = |raw: &Raw<'_>, least: Duration| match raw.duration()? {
        short if short < least => Err(format!("must be {} ms or longer", least.as_millis())),
        time => Ok(time),
    };
    let poll = section.optional("poll", |raw| at_least(raw, Duration::from_secs(1)));
    let gap = section.optional("monitor_gap", Raw::duration_or_zero);
    let timeout = section.optional("timeout", |raw| at_least(raw, Duration::from_millis(500)));
    let retry = section.optional("retry", |raw| at_least(raw, Duration::from_millis(100)));
    let longest = section.optional("longest_retry", |raw| at_least(raw, Duration::from_millis(100)));
    let retry = (retry.unwrap_or(Duration::from_secs(1)), longest.unwrap_or(Duration::from_secs(120)));
    if retry.0 > retry.1 {
        section.refuse("retry", "must not be longer than longest_retry");
    }
    section.end();
    Some(RccGateway {
        name,
        target: server?.0,
        login: login?,
        from,
        users: listed.then_some(users),
        device: device.unwrap_or_else(|| "tel:{number}".to_owned()),
        trunk: reads,
        per_user: per_user.unwrap_or(false),
        edition: edition.map_or_else(Edition::default, |number| Edition(u8::try_from(number).unwrap_or(3))),
        session: lasts.unwrap_or(1_800),
        poll: poll.unwrap_or(Duration::from_secs(60)),
        gap: gap.unwrap_or(Duration::from_millis(20)),
        timeout: timeout.unwrap_or(Duration::from_secs(8)),
        retry,
    })
}

fn delegate(mut section: Section<'_>) -> Option<Delegate> {
    let user = section.required("user", |raw| raw.text().map(str::to_owned));
    let lines = section.at_least_one("lines", |raw| raw.text().map(str::to_owned));
    section.end();
    Some(Delegate { user: user?, lines })
}
