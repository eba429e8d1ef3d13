//! `application/pidf+xml`: PIDF (RFC 3863) with the data model (RFC 4479) and RPID (RFC 4480).
//!
//! Telephony and rich presence are two tuples, `phone` and `person` (R102); what does not fit into the standard's `basic`
//! stands in an element of our own in `status`, which others pass over.

use std::fmt::Write;

use jiff::Timestamp;

use super::{
    input::{Calendar, Device, Manual, Phone, Slot, SlotKind},
    state::{Presence, Standard, Telephony},
};
use crate::xml::{Element, XmlError, element, elements, escaped};

/// The media type.
pub const TYPE: &str = "application/pidf+xml";
/// The namespace of our own elements.
const OWN: &str = "urn:x-ringpost:presence";

/// The document about a user.
///
/// `entity`: the user's URI. `changed`: when the state began, in seconds since 1970.
pub fn write(presence: &Presence, entity: &str, changed: u64) -> String {
    let entity = escaped(entity);
    let mut body = String::with_capacity(1_024);
    body.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"",
    );
    body.push_str(" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\"");
    add(&mut body, format_args!(" xmlns:own=\"{OWN}\" entity=\"{entity}\">"));
    let time = i64::try_from(changed).ok().and_then(|at| Timestamp::from_second(at).ok());
    let time = time.map(|at| format!("<timestamp>{at}</timestamp>")).unwrap_or_default();
    let (telephony, rich) = (&presence.telephony, &presence.rich);
    let open = if presence.open { "open" } else { "closed" };
    let phone =
        if matches!(telephony, Telephony::Offline | Telephony::NotConfigured) { "closed" } else { open };
    add(
        &mut body,
        format_args!(
            "<tuple id=\"phone\"><status><basic>{phone}</basic><own:telephony{}",
            attributes(presence)
        ),
    );
    add(
        &mut body,
        format_args!(
            ">{}</own:telephony></status><contact>{entity}</contact>{time}</tuple>",
            telephony.name()
        ),
    );
    let state = rich.state.map_or("not-configured", Standard::name);
    let there = if rich.state == Some(Standard::Offline) { "closed" } else { open };
    add(&mut body, format_args!("<tuple id=\"person\"><status><basic>{there}</basic>"));
    add(&mut body, format_args!("<own:rich>{state}</own:rich></status><contact>{entity}</contact>"));
    if let Some(note) = &rich.note {
        element(&mut body, "note", note);
    }
    add(&mut body, format_args!("{time}</tuple><dm:person id=\"p\">"));
    activities(&mut body, presence);
    if let Some(note) = &rich.note {
        element(&mut body, "dm:note", note);
    }
    body.push_str("</dm:person></presence>\r\n");
    body
}

/// Where calls go and who says so, as attributes of the telephony element.
fn attributes(presence: &Presence) -> String {
    let mut text = String::new();
    if let Telephony::ForwardedToNumber(number) = &presence.telephony
        && !number.is_empty()
    {
        add(&mut text, format_args!(" to=\"{}\"", escaped(number)));
    }
    if let Some(by) = &presence.telephony_by {
        add(&mut text, format_args!(" by=\"{}\"", escaped(by)));
    }
    text
}

/// Further activities of RPID (RFC 4480 §3.2), which are told on as they were said: whoever does that is busy ...
const OCCUPIED: [&str; 5] = ["performance", "presentation", "spectator", "steering", "worship"];
/// ... or away.
const GONE: [&str; 8] =
    ["breakfast", "dinner", "in-transit", "lunch", "meal", "shopping", "sleeping", "travel"];

/// RPID activities: `busy` and `away` besides what they come from, for the many readers that look no further.
fn activities(body: &mut String, presence: &Presence) {
    let rich = &presence.rich;
    let quiet = presence.telephony == Telephony::DoNotDisturb;
    let general = match rich.state {
        _ if quiet => Some("busy"),
        Some(Standard::Busy | Standard::DoNotDisturb) => Some("busy"),
        Some(Standard::Inactive | Standard::Away | Standard::BeRightBack) => Some("away"),
        Some(Standard::Available | Standard::Offline) | None => None,
    };
    let own = rich.custom.as_deref().or(match rich.state {
        Some(state @ (Standard::DoNotDisturb | Standard::BeRightBack | Standard::Inactive)) => {
            Some(state.name())
        }
        _ => None,
    });
    if general.is_none() && rich.activities.is_empty() && own.is_none() {
        return;
    }
    body.push_str("<rpid:activities>");
    for text in [&rich.subject, &rich.location].into_iter().flatten() {
        element(body, "rpid:note", text);
    }
    for activity in &rich.activities {
        add(body, format_args!("<{}/>", activity.element()));
    }
    if let Some(general) = general {
        add(body, format_args!("<rpid:{general}/>"));
    }
    match own {
        Some(own) if OCCUPIED.contains(&own) || GONE.contains(&own) => {
            add(body, format_args!("<rpid:{own}/>"))
        }
        Some(own) => element(body, "rpid:other", own),
        None => {}
    }
    body.push_str("</rpid:activities>");
}

pub(super) fn add(body: &mut String, text: std::fmt::Arguments<'_>) {
    body.write_fmt(text).expect("a String takes every text");
}

/// What a document of somebody else says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Read {
    /// `entity`.
    pub entity: String,
    /// Whether any tuple is open; `None`: there is none.
    pub open: Option<bool>,
    /// RPID activities in lower case, without `other`.
    pub activities: Vec<String>,
    /// The text of `other`.
    pub other: Option<String>,
    /// The person's note, or any.
    pub note: Option<String>,
    /// Where tuples say that the user is reached.
    pub contacts: Vec<String>,
    /// When any device was last touched, where a document says so of idle ones.
    pub idle_since: Option<u64>,
    /// The states that Ringpost writes beside the standard ones: telephony, where to, and rich.
    pub own: (Option<String>, Option<String>, Option<String>),
}

/// Reads a document; elements that are not known, and those that are wrong, count for nothing.
///
/// # Errors
/// It is no XML, too large, or has entities of its own; or it is another document.
pub fn read(document: &[u8]) -> Result<Read, XmlError> {
    let all = elements(document)?;
    let root = all.first().filter(|root| root.name == "presence").ok_or(XmlError::NotXml)?;
    let mut read = Read { entity: root.attribute("entity").unwrap_or("").to_owned(), ..Read::default() };
    let mut path: Vec<&Element> = vec![];
    for one in &all {
        path.truncate(one.depth);
        let parent = path.last().map_or("", |parent| parent.name.as_str());
        take(&mut read, one, parent);
        path.push(one);
    }
    Ok(read)
}

fn take(read: &mut Read, one: &Element, parent: &str) {
    let text = || Some(one.text.clone()).filter(|text| !text.is_empty());
    match (parent, one.name.as_str()) {
        ("status", "basic") => {
            let open = one.text.eq_ignore_ascii_case("open");
            read.open = Some(read.open.unwrap_or(false) || open);
        }
        ("status", "telephony") => {
            read.own.0 = text();
            read.own.1 = one.attribute("to").map(str::to_owned);
        }
        ("status", "rich") => read.own.2 = text(),
        ("tuple", "contact") => read.contacts.extend(text()),
        ("activities", "other") => read.other = text(),
        ("activities", "note") => {}
        // As drafts before RPID had it, and some phones have it still.
        ("activities", "activity") => read.activities.extend(text().map(|text| text.to_ascii_lowercase())),
        ("activities", name) => read.activities.push(name.to_ascii_lowercase()),
        ("person", "note") => read.note = text().or(read.note.take()),
        ("tuple" | "presence", "note") => read.note = read.note.take().or_else(text),
        (_, "user-input") if one.text.eq_ignore_ascii_case("idle") => {
            let at = one.attribute("last-input").and_then(|at| at.parse::<Timestamp>().ok());
            read.idle_since = at.and_then(|at| u64::try_from(at.as_second()).ok());
        }
        _ => {}
    }
}

impl Read {
    /// What it says of each input. `custom` maps the user's own states (R81); a slot that it speaks of lasts until `ends`.
    pub fn inputs(
        &self,
        custom: impl Fn(&str) -> Option<Standard>,
        (now, ends): (u64, u64),
    ) -> super::input::Said {
        let has = |name: &str| self.activities.iter().any(|one| one == name);
        let own_state = self.own.2.as_deref().and_then(Standard::named);
        let mapped = self.other.as_deref().and_then(|name| custom(name).or_else(|| Standard::spoken(name)));
        let calls = has("on-the-phone");
        let slots: Vec<_> = [
            ("meeting", SlotKind::Meeting),
            ("appointment", SlotKind::Appointment),
            ("vacation", SlotKind::OutOfOffice),
            ("holiday", SlotKind::OutOfOffice),
        ]
        .into_iter()
        .filter(|(name, _)| has(name))
        .map(|(_, kind)| Slot { from: now, until: ends, kind, subject: None, location: None })
        .collect();
        // `busy` beside a call or a meeting says no more than these.
        let plain = if has("busy") && !calls && slots.is_empty() {
            Some(Standard::Busy)
        } else if has("away") || has("permanent-absence") {
            Some(Standard::Away)
        } else {
            None
        };
        let further = self.activities.iter().find_map(|one| {
            let state = if OCCUPIED.contains(&one.as_str()) { Standard::Busy } else { Standard::Away };
            (state == Standard::Busy || GONE.contains(&one.as_str())).then_some((one.as_str(), state))
        });
        let state = own_state.or(mapped).or(further.map(|(_, state)| state)).or(plain);
        let note = self.note.as_deref().map(Into::into);
        let is_own = |name: &&str| custom(name).is_some() || Standard::spoken(name).is_none();
        let custom = self.other.as_deref().filter(is_own);
        let custom = custom.or(further.map(|(name, _)| name)).map(Into::into);
        let says = state.is_some() || note.is_some();
        let telephony = self.own.0.as_deref();
        let forward = match telephony {
            Some("forwarded-to-voice-mail") => Some(Some(super::Forward::VoiceMail)),
            Some("forwarded-to-number") => {
                Some(Some(super::Forward::Number(self.own.1.as_deref().unwrap_or("").into())))
            }
            _ => None,
        };
        let quiet = telephony == Some("do-not-disturb");
        let phone = calls || quiet || forward.is_some() || telephony == Some("busy");
        super::input::Said {
            user: says.then_some(Manual { state, custom, note }),
            phone: phone.then(|| Phone {
                busy: calls || telephony == Some("busy"),
                conference: has("in-a-conference"),
                do_not_disturb: quiet.then_some(true),
                forward,
                ..Phone::default()
            }),
            calendar: (!slots.is_empty()).then_some(Calendar { slots }),
            device: self.open.map(|open| Device { open, touched: self.idle_since }),
        }
    }
}
