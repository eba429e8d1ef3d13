//! `[[trunk]]` and `[outbound]`.

use std::{sync::Arc, time::Duration};

use ringpost::{
    numbers::{Affix, Lines, Numbering, Rules, Tel, Written, lines::Extensions, location::Profile},
    settings::{CallerId, DiversionHeader, FarEnd, KeepAlive, Outbound, Registration, Trunk, TrunkLogin},
    sip::digest::Login,
};

use super::{
    Claims, location,
    mail::password_file,
    raw::Raw,
    route::{Policies, caller_number},
    section::Section,
    sip::network,
    uri,
};

/// What a trunk is checked against.
pub struct Around<'s> {
    /// `[outbound]`.
    pub outbound: Option<&'s Outbound>,
    /// The profiles of the site.
    pub locations: &'s [Arc<Profile>],
    /// The site's voice policies.
    pub policies: &'s Policies,
}

/// Keys that mean nothing without `target`.
const OUTGOING: [&str; 16] = [
    "numbers",
    "prefixes",
    "host",
    "login",
    "password_file",
    "realm",
    "register",
    "expires",
    "retry",
    "keep_alive",
    "failures",
    "timeout",
    "ring_timeout",
    "caller_number",
    "caller_id",
    "diversion",
];

/// Reads `[outbound]`; `None` after a problem.
pub fn outbound(mut section: Section<'_>, locations: &[Arc<Profile>]) -> Option<Outbound> {
    let country = section.optional("country", |raw| digits(raw, 1..=3));
    let national = section.required("national_prefix", |raw| digits(raw, 0..=4));
    let international = section.required("international_prefix", |raw| digits(raw, 1..=5));
    let numbering = Numbering { country, national: national?, international: international? };
    let allowed_prefixes = section.list("allowed_prefixes", |raw| prefix(raw, &numbering));
    let ring_for = section.required("ring_for", Raw::duration);
    let location = section.optional("location", |raw| location::named(raw, locations));
    let rules_poll = section.required("rules_poll", Raw::duration);
    section.end();
    Some(Outbound { allowed_prefixes, numbering, ring_for: ring_for?, location, rules_poll: rules_poll? })
}

/// Reads one `[[trunk]]`; `None` after a problem.
pub fn trunk(mut section: Section<'_>, around: &Around<'_>, claims: &mut Claims) -> Option<Trunk> {
    let name = section.required("name", |raw| {
        let name = raw.text()?;
        claims.claim(raw, format!("trunk {name}"))?;
        Ok(name.to_owned())
    });
    let source = |raw: &Raw<'_>| {
        let source = network(raw)?;
        claims.claim(raw, format!("source {}/{}", source.address, source.prefix))?;
        Ok(source)
    };
    let sources = match section.has("register") || section.has("tls_names") {
        true => section.list("sources", source),
        false => section.at_least_one("sources", source),
    };
    let tls_names = section.list("tls_names", |raw| {
        let name = raw.text()?.to_ascii_lowercase();
        if !uri::is_host(&name) {
            return Err("wants a name such as \"pbx.example.com\"".to_owned());
        }
        claims.claim(raw, format!("tls name {name}"))?;
        Ok(name)
    });
    let trust_identity = section.optional("trust_identity", Raw::flag).unwrap_or(true);
    let early_media = section
        .optional("early_media", |raw| one_of(raw, &[("relay", true), ("ring", false)]))
        .unwrap_or(true);
    let transit = section.optional("transit", Raw::flag).unwrap_or(false);
    let voice_policy = section.optional("voice_policy", |raw| around.policies.name(raw));
    let called_location = section.optional("called_location", |raw| location::named(raw, around.locations));
    let caller_location = section.optional("caller_location", |raw| location::named(raw, around.locations));
    let rules = rules(&mut section, claims);
    let target = section.optional("target", target);
    let far = match target {
        Some((target, host)) => {
            let numbering = around.outbound.map(|outbound| &outbound.numbering);
            Some(far_end(&mut section, target, &host, numbering))
        }
        None => {
            let asked = OUTGOING.iter().find(|key| section.has(key) && !section.has("target"));
            if let Some(key) = asked {
                section.refuse(key, "means nothing without target");
            }
            OUTGOING.iter().for_each(|key| section.knows(key));
            None
        }
    };
    section.end();
    let far = match far {
        Some(far) => Some(far?),
        None => None,
    };
    Some(Trunk {
        name: name?,
        sources,
        tls_names,
        trust_identity,
        early_media,
        transit,
        called_location,
        caller_location,
        voice_policy,
        rules,
        far,
    })
}

/// The lines behind a main number; an extension belongs to one trunk with that number.
fn lines(section: &mut Section<'_>, claims: &mut Claims) -> Option<Lines> {
    let main = section.optional("main_number", |raw| {
        let text = raw.text()?;
        let number = Tel::of(text).filter(Tel::is_global);
        number
            .map(|tel| tel.number)
            .ok_or_else(|| "wants a number with + and country, such as \"+4544890101\"".to_owned())
    });
    let mut extensions: Vec<Extensions> = vec![];
    let all = section.list("extensions", |raw| {
        let range = Extensions::read(raw.text()?)?;
        if let Some(other) = extensions.iter().find(|other| other.overlaps(&range)) {
            return Err(format!("overlaps with {other}"));
        }
        if let Some(main) = &main {
            claims.claim_extensions(raw, main, range)?;
        }
        extensions.push(range);
        Ok(range)
    });
    for (key, needs) in [("main_number", "extensions"), ("extensions", "main_number")] {
        if section.has(key) && !section.has(needs) {
            section.refuse(key, format!("needs {needs} as well"));
        }
    }
    Some(Lines { main: main?, extensions: all }).filter(|lines| !lines.extensions.is_empty())
}

fn rules(section: &mut Section<'_>, claims: &mut Claims) -> Rules {
    let written = section.optional("e164", |raw| {
        one_of(
            raw,
            &[
                ("as-dialled", Written::AsDialled),
                ("plus", Written::Plus),
                ("digits", Written::Digits),
                ("national", Written::National),
                ("international", Written::International),
            ],
        )
    });
    let strip = |raw: &Raw<'_>| raw.count(0..=20).map(|count| usize::try_from(count).unwrap_or(0));
    let affix = |raw: &Raw<'_>| {
        let text = raw.word()?;
        match text.bytes().all(|octet| octet.is_ascii_digit() || b"+*#".contains(&octet)) {
            true => Ok(text.to_owned()),
            false => Err("wants digits, +, * and # only".to_owned()),
        }
    };
    Rules {
        written: written.unwrap_or_default(),
        incoming: Affix {
            strip: section.optional("strip_in", strip).unwrap_or(0),
            prefix: section.optional("prefix_in", affix).unwrap_or_default(),
        },
        outgoing: Affix {
            strip: section.optional("strip_out", strip).unwrap_or(0),
            prefix: section.optional("prefix_out", affix).unwrap_or_default(),
        },
        lines: lines(section, claims),
    }
}

fn far_end(
    section: &mut Section<'_>,
    target: String,
    target_host: &str,
    here: Option<&Numbering>,
) -> Option<FarEnd> {
    let here = here.cloned().unwrap_or_default();
    let numbers = section.list("numbers", |raw| {
        here.normal(raw.text()?).ok_or_else(|| "wants a number such as \"+4930123456\" or \"112\"".to_owned())
    });
    let prefixes = section.list("prefixes", |raw| prefix(raw, &here));
    let host = section.optional("host", |raw| match uri::is_host(raw.text()?) {
        true => Ok(raw.text()?.to_ascii_lowercase()),
        false => Err("wants a host name such as \"sbc.example.com\"".to_owned()),
    });
    let registration = registration(section);
    let registered_host = registration.as_ref().map(|(_, host)| host.as_str());
    let login = login(section, registered_host.unwrap_or(target_host));
    let keep_alive = keep_alive(section);
    let timeout = section.optional("timeout", Raw::duration).unwrap_or(Duration::from_secs(4));
    let ring_timeout = section.optional("ring_timeout", Raw::duration).unwrap_or(Duration::from_secs(15));
    let caller_number = section.optional("caller_number", |raw| caller_number(raw, &here));
    let caller_id = section.optional("caller_id", |raw| {
        one_of(raw, &[("from", CallerId::From), ("pai", CallerId::Asserted), ("rpid", CallerId::RemoteParty)])
    });
    let diversion = section.optional("diversion", |raw| {
        one_of(
            raw,
            &[
                ("diversion", DiversionHeader::Diversion),
                ("history-info", DiversionHeader::HistoryInfo),
                ("none", DiversionHeader::None),
            ],
        )
    });
    Some(FarEnd {
        target,
        numbers,
        prefixes,
        host,
        login: login?,
        registration: registration.map(|(registration, _)| registration),
        keep_alive,
        timeout,
        ring_timeout,
        caller_number,
        caller_id: caller_id.unwrap_or_default(),
        diversion: diversion.unwrap_or_default(),
    })
}

/// The registration and the host of its address.
fn registration(section: &mut Section<'_>) -> Option<(Registration, String)> {
    let address = section.optional("register", |raw| {
        let text = raw.text()?;
        let uri = uri::sip(text)?;
        match (uri.user, text.contains([';', '?'])) {
            (Some(_), false) => Ok((text.to_owned(), uri.host)),
            _ => Err("wants an address of record such as \"sip:+4930123@provider.example\"".to_owned()),
        }
    });
    let expires = section.optional("expires", |raw| match raw.duration()? {
        short if short < Duration::from_secs(60) => Err("must be a minute or longer".to_owned()),
        time => Ok(time),
    });
    let retry = section.optional("retry", Raw::duration).unwrap_or(Duration::from_secs(30));
    for key in ["expires", "retry"] {
        if section.has(key) && !section.has("register") {
            section.refuse(key, "means nothing without register");
        }
    }
    let expires = expires.unwrap_or(Duration::from_secs(3_600));
    let (address, host) = address?;
    Some((Registration { address, expires, retry }, host))
}

/// `Some(None)`: none asked for; `None` after a problem.
pub(super) fn login(section: &mut Section<'_>, host: &str) -> Option<Option<TrunkLogin>> {
    let user = section.optional("login", |raw| raw.text().map(str::to_owned));
    let password = section.optional("password_file", password_file);
    let realm = section.optional("realm", |raw| raw.text().map(str::to_owned));
    for (key, needs) in [("login", "password_file"), ("password_file", "login"), ("realm", "login")] {
        if section.has(key) && !section.has(needs) {
            section.refuse(key, format!("needs {needs} as well"));
            return None;
        }
    }
    if !section.has("login") {
        return Some(None);
    }
    let login = Login { user: user?, password: password? };
    Some(Some(TrunkLogin { login, realm: realm.unwrap_or_else(|| host.to_owned()) }))
}

fn keep_alive(section: &mut Section<'_>) -> Option<KeepAlive> {
    let every = section.optional("keep_alive", |raw| match raw.duration()? {
        short if short < Duration::from_secs(1) => Err("must be a second or longer".to_owned()),
        time => Ok(time),
    });
    let failures = section.optional("failures", |raw| raw.count(1..=100));
    if failures.is_some() && !section.has("keep_alive") {
        section.refuse("failures", "means nothing without keep_alive");
    }
    Some(KeepAlive { every: every?, failures: failures.map_or(2, |count| u32::try_from(count).unwrap_or(2)) })
}

/// The URI and its host.
pub(super) fn target(raw: &Raw<'_>) -> Result<(String, String), String> {
    let text = raw.text()?;
    let uri = uri::sip(text)?;
    match uri.user {
        None => Ok((text.to_owned(), uri.host)),
        Some(_) => Err("wants no user part: the number takes its place".to_owned()),
    }
}

/// The beginning of a number in its normal form: `+49`, `+` for every number with a country code, `11`.
fn prefix(raw: &Raw<'_>, here: &Numbering) -> Result<String, String> {
    let text = raw.text()?;
    match text {
        "+" => Ok(text.to_owned()),
        // National digits are left as they are: "0" would otherwise mean a whole country without anybody noticing.
        _ if text.starts_with(['+', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#']) => here
            .normal(text)
            .ok_or_else(|| "wants the beginning of a number such as \"+49\" or \"112\"".to_owned()),
        _ => Err("wants the beginning of a number with its country, such as \"+49\"".to_owned()),
    }
}

fn digits(raw: &Raw<'_>, length: std::ops::RangeInclusive<usize>) -> Result<String, String> {
    let text = raw.word()?;
    match length.contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err(format!("wants {} to {} digits", length.start(), length.end())),
    }
}

/// One of some words.
pub fn one_of<T: Copy>(raw: &Raw<'_>, words: &[(&str, T)]) -> Result<T, String> {
    let text = raw.text()?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("wants one of {}", known.join(", "))
    })
}
