//! What a document of somebody else says of a user's telephone and of the person (R102, R110): one place for all that PBXs
//! write, beside the standards.

use std::sync::Arc;

use crate::{
    call::wire::strip_visual,
    presence::{
        Call, Forward, Phone, Standard, Telephony, dialog_info,
        input::Said,
        pidf,
        subscription::Package,
        summary::{self, Summary},
    },
    sip::uri::Uri,
    xml::XmlError,
};

/// What is known by one document, or by several.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Meant {
    /// The telephone. Where it forwards to is a number as it was written: whether that is voice mail, the site says (R115).
    pub phone: Option<Phone>,
    /// The person, without telephone.
    pub person: Said,
    /// The mailbox.
    pub summary: Option<Summary>,
}

/// What one document has said: [`Meant`], and what the next one changes of it.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// So far.
    pub meant: Meant,
    version: Option<u64>,
}

/// What became of a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Read {
    /// It was read.
    Whole,
    /// It tells changes to something that is not known here: the whole is to be asked for.
    Gap,
    /// It is older than what is known.
    Old,
}

impl Reading {
    /// Takes a document of an event package. `custom` maps states of the user's own (R81); `times`: now, and until when it
    /// holds, in seconds since 1970.
    ///
    /// # Errors
    /// It cannot be read, or is not of that package.
    pub fn take(
        &mut self,
        package: Package,
        body: &[u8],
        custom: impl Fn(&str) -> Option<Standard>,
        times: (u64, u64),
    ) -> Result<Read, XmlError> {
        match package {
            Package::Presence => {
                let read = pidf::read(body)?;
                let person = Said { phone: None, ..read.inputs(custom, times) };
                self.meant = Meant { phone: Some(phone(&read)), person, summary: None };
                Ok(Read::Whole)
            }
            Package::Dialog => self.dialogs(dialog_info::read(body)?),
            Package::MessageSummary => {
                let summary = Summary::read(body).map_err(|_| XmlError::NotXml)?;
                self.meant = Meant { summary: Some(summary), ..Meant::default() };
                Ok(Read::Whole)
            }
        }
    }

    /// RFC 4235 §4.3: partial documents build on the one before.
    fn dialogs(&mut self, read: dialog_info::Read) -> Result<Read, XmlError> {
        let (last, version) = (self.version, read.version);
        // CSeq has kept the order already; but what builds on something may be told twice.
        if let (Some(last), Some(version), false) = (last, version, read.full)
            && version <= last
        {
            return Ok(Read::Old);
        }
        self.version = version.or(last.map(|last| last.saturating_add(1)));
        let mut calls: Vec<Call> = match (&self.meant.phone, read.full) {
            (Some(phone), false) => phone.calls.clone(),
            _ => vec![],
        };
        calls.retain(|known| {
            !read.over.iter().any(|id| **id == *known.id) && !read.calls.iter().any(|one| one.id == known.id)
        });
        calls.extend(read.calls);
        // Ends that were never told: those that began first have ended most likely, and the whole is asked for.
        let too_many = calls.len().saturating_sub(dialog_info::MOST);
        calls.drain(..too_many);
        self.meant.phone = Some(Phone { calls, reachable: Some(true), ..Phone::default() });
        let follows =
            read.full || last.zip(version).is_none_or(|(last, version)| last.checked_add(1) == Some(version));
        Ok(if follows && too_many == 0 && (read.full || last.is_some()) { Read::Whole } else { Read::Gap })
    }
}

/// Whether a package's documents are of that media type, parameters aside.
pub fn is_of(package: Package, kind: &[u8]) -> bool {
    super::list::is_kind(kind, package.media_type())
        || package == Package::MessageSummary && super::list::is_kind(kind, summary::TYPE)
}

/// R110: the telephone in a PIDF document. Ringpost's own element says it all; RPID knows `busy` and `on-the-phone`; for the rest
/// PBXs have words of their own, in an activity or a note.
fn phone(read: &pidf::Read) -> Phone {
    let own = read.own.0.as_deref();
    let has = |names: &[&str]| read.activities.iter().any(|one| names.contains(&one.as_str()));
    let words: Vec<String> =
        [&read.other, &read.note].into_iter().flatten().map(|text| text.trim().to_lowercase()).collect();
    let quiet = own == Some(Telephony::DoNotDisturb.name())
        || has(&["dnd", "do-not-disturb", "donotdisturb"])
        || words.iter().any(|text| matches!(text.as_str(), "dnd" | "do-not-disturb" | "do not disturb"));
    let forward = match own {
        Some("forwarded-to-voice-mail") => Some(Forward::VoiceMail),
        Some("forwarded-to-number") => Some(to(read.own.1.as_deref().unwrap_or(""))),
        Some(_) => None,
        None => words.iter().find_map(|text| forwarded(text)).or_else(|| elsewhere(read)),
    };
    let busy = match own {
        Some(state) => state == Telephony::Busy.name(),
        None => has(&["on-the-phone", "busy", "in-call"]),
    };
    let reachable = match own {
        Some("offline" | "not-configured") => Some(false),
        _ => read.open.or((!read.activities.is_empty()).then_some(true)),
    };
    Phone {
        conference: has(&["in-a-conference"]),
        calls: vec![],
        busy,
        do_not_disturb: Some(quiet),
        // A server that does not know of it says nothing.
        forward: forward.map(Some),
        reachable,
    }
}

/// `Forwarded to 5000`, `Call forward: voicemail`.
fn forwarded(text: &str) -> Option<Forward> {
    let rest = [
        "call forwarding",
        "call forwarded",
        "call forward",
        "forwarding",
        "forwarded",
        "forward",
        "cfu",
        "cfwd",
    ]
    .iter()
    .find_map(|word| text.strip_prefix(word))?;
    let rest = rest.trim_start_matches([':', '=', '-', '>', ' ']);
    let rest = rest.strip_prefix("all calls ").or_else(|| rest.strip_prefix("all ")).unwrap_or(rest);
    let target = rest.strip_prefix("to ").unwrap_or(rest).trim();
    match target {
        "" => None,
        "voicemail" | "voice mail" | "voice-mail" => Some(Forward::VoiceMail),
        _ => Some(to(target)),
    }
}

/// A tuple that says that the user is reached at a telephone number, which no device is.
fn elsewhere(read: &pidf::Read) -> Option<Forward> {
    let is_number = |uri: &&String| uri.trim().to_ascii_lowercase().starts_with("tel:");
    let own = number(&read.entity);
    let contact = read.contacts.iter().find(is_number).map(|uri| number(uri))?;
    Some(contact).filter(|contact| *contact != own && !contact.is_empty()).map(Forward::Number)
}

fn to(target: &str) -> Forward {
    Forward::Number(number(target))
}

/// The number of a URI or of a text, without what only makes it easier to read.
pub fn number(written: &str) -> Arc<str> {
    let written = written.trim();
    let uri = Uri::read(written.as_bytes()).filter(Uri::is_sip);
    let user = uri.and_then(|uri| uri.bare_user()).and_then(|user| std::str::from_utf8(user).ok());
    let bare = match user {
        Some(user) => user,
        None => {
            let rest = written.split_once(':').map_or(written, |(_, rest)| rest);
            rest.split([';', '@', '>']).next().unwrap_or(rest)
        }
    };
    let digits: String = strip_visual(bare).split_whitespace().collect();
    if digits.is_empty() { bare.into() } else { digits.into() }
}

/// The state of a telephone by itself, as it is shown for one server (R110, R113).
pub fn telephony(phone: &Phone) -> Telephony {
    use crate::presence::Progress;
    let talks = phone.busy || phone.calls.iter().any(|call| call.progress == Progress::Confirmed);
    match (&phone.forward, phone.do_not_disturb) {
        (_, Some(true)) => Telephony::DoNotDisturb,
        (Some(Some(Forward::VoiceMail)), _) => Telephony::ForwardedToVoiceMail,
        (Some(Some(Forward::Number(number))), _) => Telephony::ForwardedToNumber(Arc::clone(number)),
        _ if talks => Telephony::Busy,
        _ if phone.reachable.unwrap_or(!phone.calls.is_empty()) => Telephony::Available,
        _ => Telephony::Offline,
    }
}

impl Meant {
    /// What several dialogs of one subscription, or forks, say together: all calls, and whatever any of them knows.
    pub fn join(&mut self, other: &Self) {
        match (&mut self.phone, &other.phone) {
            (Some(one), Some(more)) => {
                for call in &more.calls {
                    if !one.calls.iter().any(|known| known.id == call.id && known.dialog == call.dialog) {
                        one.calls.push(call.clone());
                    }
                }
                one.busy |= more.busy;
                one.do_not_disturb = one.do_not_disturb.max(more.do_not_disturb);
                one.forward = one.forward.take().or_else(|| more.forward.clone());
                one.reachable = one.reachable.max(more.reachable);
            }
            (None, more) => self.phone.clone_from(more),
            (Some(_), None) => {}
        }
        let (one, more) = (&mut self.person, &other.person);
        one.user = one.user.take().or_else(|| more.user.clone());
        one.calendar = one.calendar.take().or_else(|| more.calendar.clone());
        one.device = one.device.take().or_else(|| more.device.clone());
        self.summary = self.summary.take().or_else(|| other.summary.clone());
    }
}
