//! The notice as a CloudEvents 1.0 event in structured mode.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    address::Language,
    call::Outcome,
    notify::{
        Kind, Letter, MissedCall,
        clean::{LONGEST, one_line, shown},
        wording::Shown,
    },
    outbox::Key,
};

/// The media type of an event in structured mode with UTF-8 JSON.
pub const MEDIA_TYPE: &str = "application/cloudevents+json; charset=utf-8";

#[derive(Serialize)]
struct Event<'n> {
    specversion: &'static str,
    /// With `source` it names the event for good: the same for every try.
    id: &'n str,
    source: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    subject: &'n str,
    time: String,
    datacontenttype: &'static str,
    data: Data<'n>,
}

#[derive(Serialize)]
struct Data<'n> {
    user: &'n str,
    user_name: Option<String>,
    mail: Option<&'n str>,
    language: &'static str,
    time_zone: &'n str,
    call_id: String,
    caller: Caller,
    came_in: String,
    rang_seconds: u64,
    outcome: Outcome,
    /// Only of a voice mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    length_seconds: Option<u64>,
    /// Only of a missed call after which the user has talked with the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    talked: Option<String>,
    /// Only of a call to another user, which rang this one as well: who was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    called: Option<String>,
    /// Only of several missed calls together, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calls: Vec<Call>,
    /// Only of a voice mail whose user is given a link: where its recording can be heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    recording_link: Option<&'n str>,
    /// One line in the user's language.
    summary: &'n str,
}

/// Who called; all null of one who asked not to be named.
#[derive(Serialize)]
struct Caller {
    name: Option<String>,
    number: Option<String>,
    uri: Option<String>,
}

/// One of several missed calls.
#[derive(Serialize)]
struct Call {
    call_id: String,
    caller: Caller,
    came_in: String,
    rang_seconds: u64,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    talked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    called: Option<String>,
}

impl Call {
    fn of(call: &MissedCall, language: Language) -> Self {
        let Shown { name, number, link, .. } = Shown::of_caller(&call.caller, language);
        Self {
            call_id: one_line(&call.call_id, 2 * LONGEST),
            caller: Caller { name, number, uri: link },
            came_in: call.came_in.to_string(),
            rang_seconds: call.rang_for.as_secs(),
            outcome: call.outcome,
            talked: call.talked.map(|at| at.to_string()),
            called: shown(call.called.as_deref()),
        }
    }
}

/// The octets of the event. The same arguments give the same octets.
pub fn event(letter: &Letter<'_>, posted: Timestamp) -> Vec<u8> {
    let notice = letter.notice;
    let Shown { name, number, link, .. } = Shown::of(notice);
    let calls: &[MissedCall] = if let Kind::Digest { calls } = &notice.kind { calls } else { &[] };
    let (kind, length_seconds) = match &notice.kind {
        Kind::Missed => ("ringpost.missed-call", None),
        Kind::VoiceMail { duration, .. } => ("ringpost.voice-mail", Some(duration.as_secs())),
        Kind::Digest { .. } => ("ringpost.missed-calls", None),
        Kind::Locked { .. } => ("ringpost.mailbox-locked", None),
    };
    let key = Key::of(notice);
    let event = Event {
        specversion: "1.0",
        id: key.as_str(),
        source: "/ringpost",
        kind,
        subject: &notice.user,
        time: posted.to_string(),
        datacontenttype: "application/json",
        data: Data {
            user: &notice.user,
            user_name: shown(notice.user_name.as_deref()),
            mail: notice.mail.as_deref(),
            language: notice.language.code(),
            time_zone: &notice.time_zone,
            call_id: one_line(&notice.call_id, 2 * LONGEST),
            caller: Caller { name, number, uri: link },
            came_in: notice.came_in.to_string(),
            rang_seconds: notice.rang_for.as_secs(),
            outcome: notice.outcome,
            length_seconds,
            talked: notice.talked.map(|at| at.to_string()),
            called: shown(notice.called.as_deref()),
            calls: calls.iter().map(|call| Call::of(call, notice.language)).collect(),
            recording_link: letter.recording_link.as_deref(),
            summary: &letter.words.subject,
        },
    };
    serde_json::to_vec(&event).expect("an event is text and numbers")
}
