//! `[um]`, its plans, and `[voicemail]`.

use std::{fs::File, io::Read, path::PathBuf};

use ringpost::{
    settings::{Store, Um, UmPlan, UmServer, Voicemail},
    um::{
        health::{Probe, Rules},
        pool::Strategy,
    },
};

use super::{Claims, raw::Raw, section::Section, sip, trunk::one_of, uri, user};
use crate::voicemail::LONGEST_GREETING;

/// Reads `[um]` with every `[um.plan.NAME]`; `None` after a problem in `[um]` itself.
pub fn um(mut section: Section<'_>, claims: &mut Claims) -> Option<(Um, Vec<UmPlan>)> {
    let attempts = section.required("attempts", |raw| raw.count(1..=10));
    let ring_limit = section.required("ring_limit", Raw::duration);
    let silence = section.required("timeout", Raw::duration);
    let strategy = section.required("strategy", |raw| {
        one_of(raw, &[("random", Strategy::Random), ("round-robin", Strategy::RoundRobin)])
    });
    let rules = rules(&mut section);
    let ramp = section.required("probe_ramp", Raw::duration);
    let pilots = section.list("pilots", |raw| user::number(raw, claims));
    let plans = section.table("plan").map(Section::named).unwrap_or_default();
    section.end();
    let plans = plans.into_iter().map(|(name, section)| plan(name, section)).collect();
    let attempts = u8::try_from(attempts?).expect("attempts were read within 1 to 10");
    let um = Um {
        attempts,
        ring_limit: ring_limit?,
        silence: silence?,
        strategy: strategy?,
        rules: Rules { ramp: ramp?, ..rules? },
        pilots,
    };
    Some((um, plans))
}

/// How servers, and the gateways of routes, leave the working set and come back. A ramp is read for servers alone: a gateway
/// that is back takes its turn as any other.
pub fn rules(section: &mut Section<'_>) -> Option<Rules> {
    let failures = section.required("failures", |raw| raw.count(1..=30));
    let probe =
        section.required("probe", |raw| one_of(raw, &[("options", Probe::Options), ("calls", Probe::Calls)]));
    let first = section.required("probe_after", Raw::duration);
    let longest = section.required("probe_longest", Raw::duration);
    if longest.is_some() && first > longest {
        section.refuse("probe_after", "must not be longer than probe_longest");
    }
    let failures = u8::try_from(failures?).ok()?;
    Some(Rules { failures, probe: probe?, first: first?, longest: longest?, ramp: first? })
}

/// Reads `[voicemail]`; `None` after a problem.
pub fn voicemail(mut section: Section<'_>, store: Option<&Store>) -> Option<Voicemail> {
    let address = section.required("address", sip::address);
    let rtp_ports = section.required("rtp_ports", rtp_ports);
    let recordings = section.optional("recordings", Raw::path);
    let greetings = section.optional("greetings", folder);
    let prompts = section.optional("prompts", folder);
    let min_message = section.required("min_message", Raw::duration_or_zero);
    let max_message = section.required("max_message", Raw::duration);
    let silence = section.required("silence", Raw::duration);
    let language = section.required("language", user::language);
    let menu_silence = section.required("menu_silence", Raw::duration);
    let max_visit = section.required("max_visit", Raw::duration);
    let max_greeting = section.required("max_greeting", Raw::duration);
    let pin_at_own_phone = section.required("pin_at_own_phone", Raw::flag);
    let pin_tries = section.required("pin_tries", |raw| raw.count(1..=100));
    let pin_lock = section.required("pin_lock", Raw::duration);
    if max_greeting.is_some_and(|longest| longest > LONGEST_GREETING) {
        section.refuse("max_greeting", "must not be longer than 5m");
    }
    if min_message >= max_message && max_message.is_some() {
        section.refuse("min_message", "must be shorter than max_message");
    }
    section.end();
    Some(Voicemail {
        address: address?,
        rtp_ports: rtp_ports?,
        recordings: recordings.unwrap_or_else(|| beside(store, "recordings")),
        greetings,
        prompts,
        min_message: min_message?,
        max_message: max_message?,
        silence: silence?,
        language: language?,
        menu_silence: menu_silence?,
        max_visit: max_visit?,
        max_greeting: max_greeting?,
        pin_at_own_phone: pin_at_own_phone?,
        pin_tries: u32::try_from(pin_tries?).ok()?,
        pin_lock: pin_lock?,
    })
}

/// A folder that can be read.
fn folder(raw: &Raw<'_>) -> Result<PathBuf, String> {
    let folder = raw.path()?;
    folder.read_dir().map_err(|e| format!("folder cannot be read: {e}"))?;
    Ok(folder)
}

/// A WAV file that can be read.
pub fn greeting(raw: &Raw<'_>) -> Result<PathBuf, String> {
    let path = raw.path()?;
    let mut opening = [0; 12];
    let read = File::open(&path).and_then(|mut file| file.read_exact(&mut opening));
    match (read, &opening) {
        (Ok(()), [b'R', b'I', b'F', b'F', .., b'W', b'A', b'V', b'E']) => Ok(path),
        (Err(e), _) if e.kind() != std::io::ErrorKind::UnexpectedEof => {
            Err(format!("greeting cannot be read: {e}"))
        }
        (Ok(()) | Err(_), _) => Err("greeting is no WAV file".to_owned()),
    }
}

fn plan(name: String, mut section: Section<'_>) -> UmPlan {
    let servers = section.at_least_one("servers", |raw| match raw.text()? {
        "embedded" => Ok(UmServer::Embedded),
        text => uri::sip(text)
            .map(|_| UmServer::Sip(text.to_owned()))
            .map_err(|e| format!("neither \"embedded\" nor a SIP URI: {e}")),
    });
    section.end();
    UmPlan { name, servers }
}

/// RTP takes the even ports (RFC 3550 §11), so there has to be one.
fn rtp_ports(raw: &Raw<'_>) -> Result<(u16, u16), String> {
    let ports = raw.text()?.split_once('-');
    let ports = ports.and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
    match ports {
        Some((first, last)) if first >= 1024 && first < last => Ok((first, last)),
        Some(_) => Err("wants a first port from 1024 and a last port above it".to_owned()),
        None => Err("wants the first and the last port, such as \"16384-17383\"".to_owned()),
    }
}

/// A folder beside the store; a store in memory is for tests, so it goes with the temporary files.
pub fn beside(store: Option<&Store>, name: &str) -> PathBuf {
    let file = store.and_then(|store| store.path.as_deref());
    file.and_then(|file| file.parent()).map_or_else(
        || std::env::temp_dir().join(format!("ringpost-{}", std::process::id())).join(name),
        |folder| folder.join(name),
    )
}
