//! getSchedule of Microsoft Graph, and the automatic replies of one mailbox (PROTOCOLS §7.5).

use std::sync::Arc;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answers, Event, MOST_EVENTS, Schedule, Window, slots, text};
use crate::{notify::clean::one_line, presence::microsoft::calendar::Slot};

/// Mailboxes of one question.
pub const MOST: usize = 20;

/// The body of the question.
pub fn request(mailboxes: &[Arc<str>], window: Window) -> Value {
    let at =
        |at: Timestamp| json!({"dateTime": at.strftime("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "UTC"});
    let schedules: Vec<&str> = mailboxes.iter().map(|mailbox| &**mailbox).collect();
    json!({
        "schedules": schedules,
        "startTime": at(window.start),
        "endTime": at(window.end()),
        "availabilityViewInterval": 15,
    })
}

#[derive(Deserialize)]
struct Read {
    value: Vec<One>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct One {
    schedule_id: Option<String>,
    availability_view: Option<String>,
    schedule_items: Option<Vec<Item>>,
    error: Option<Trouble>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trouble {
    response_code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    status: Option<String>,
    start: Option<Moment>,
    end: Option<Moment>,
    subject: Option<String>,
    location: Option<String>,
    #[serde(default)]
    is_private: Option<bool>,
    is_meeting: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Moment {
    date_time: String,
    time_zone: Option<String>,
}

impl Moment {
    /// Graph answers in UTC unless asked otherwise.
    fn at(&self) -> Option<Timestamp> {
        let is_utc = self.time_zone.as_deref().is_none_or(|zone| zone.eq_ignore_ascii_case("UTC"));
        let at = self.date_time.trim_end_matches('Z').parse::<DateTime>().ok().filter(|_| is_utc)?;
        Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
    }
}

/// Reads an answer; one for each mailbox, in their order. `None`: it is none.
pub fn read(body: &[u8], mailboxes: &[Arc<str>], window: Window) -> Option<Answers> {
    let Read { value } = serde_json::from_slice(body).ok()?;
    let about = |mailbox: &Arc<str>| {
        let is = |one: &&One| one.schedule_id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(mailbox));
        let one = value.iter().find(is).ok_or("Graph says nothing of it")?;
        schedule(one, mailbox, window)
    };
    Some(mailboxes.iter().map(about).collect())
}

fn schedule(one: &One, mailbox: &Arc<str>, window: Window) -> Result<Schedule, String> {
    if let Some(error) = &one.error {
        return Err(one_line(error.response_code.as_deref().unwrap_or("an error without a code"), 80));
    }
    let view = one.availability_view.as_deref().ok_or("it shows no free and busy times")?;
    let events = one.schedule_items.as_ref();
    Ok(Schedule {
        mailbox: Arc::clone(mailbox),
        start: window.start,
        slots: slots(view, window.slots)?,
        events: events.map(|items| items.iter().filter_map(event).take(MOST_EVENTS).collect()),
        away: None,
        // Graph names the time zone, and does not say how it changes.
        hours: None,
    })
}

fn event(item: &Item) -> Option<Event> {
    let slot = match item.status.as_deref()? {
        "tentative" => Slot::Tentative,
        "busy" => Slot::Busy,
        "oof" => Slot::OutOfOffice,
        _ => return None,
    };
    let shown =
        |words: &Option<String>| words.as_deref().filter(|_| item.is_private != Some(true)).and_then(text);
    let (from, until) = (item.start.as_ref()?.at()?, item.end.as_ref()?.at()?);
    let (subject, location) = (shown(&item.subject), shown(&item.location));
    (from < until).then_some(Event { from, until, slot, is_meeting: item.is_meeting, subject, location })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replies {
    status: Option<String>,
    scheduled_start_date_time: Option<Moment>,
    scheduled_end_date_time: Option<Moment>,
}

/// Reads `automaticRepliesSetting`: since when and until when the user is out of office within the window. `None`: it is none.
pub fn read_replies(body: &[u8], window: Window) -> Option<Option<(Timestamp, Timestamp)>> {
    let replies: Replies = serde_json::from_slice(body).ok()?;
    Some(match replies.status.as_deref()? {
        "alwaysEnabled" => Some((window.start, window.end())),
        "scheduled" => {
            let at = |moment: &Option<Moment>| moment.as_ref().and_then(Moment::at);
            let (from, until) =
                (at(&replies.scheduled_start_date_time)?, at(&replies.scheduled_end_date_time)?);
            let (from, until) = (from.max(window.start), until.min(window.end()));
            (from < until).then_some((from, until))
        }
        _ => None,
    })
}
