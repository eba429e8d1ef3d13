//! GetUserAvailability of Exchange (PROTOCOLS §7.3): up to a hundred mailboxes in one question.

use std::{fmt::Write, sync::Arc};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::{Answers, Change, Event, Hours, MOST_EVENTS, Period, Schedule, Window, slots, text};
use crate::{
    notify::{
        clean::one_line,
        ews::request::{plain_envelope, utc},
    },
    presence::microsoft::calendar::Slot,
    settings::Ews,
    xml::{Element, XmlError, element, elements},
};

/// Mailboxes of one question.
pub const MOST: usize = 100;
/// Exchange answers about a day and more.
const SHORTEST: usize = 96;

/// The question. It is the service account's own, with the rights that everybody has on free and busy times.
pub fn request(settings: &Ews, mailboxes: &[Arc<str>], window: Window) -> String {
    let mut body = String::from("<m:GetUserAvailabilityRequest>");
    body.push_str(utc());
    body.push_str("<m:MailboxDataArray>");
    for mailbox in mailboxes {
        body.push_str("<t:MailboxData><t:Email>");
        element(&mut body, "t:Address", mailbox);
        body.push_str(
            "</t:Email><t:AttendeeType>Required</t:AttendeeType><t:ExcludeConflicts>false</t:ExcludeConflicts>\
             </t:MailboxData>",
        );
    }
    let end = Window { slots: window.slots.max(SHORTEST), ..window }.end();
    let [start, end] = [window.start, end].map(|at| at.strftime("%Y-%m-%dT%H:%M:%S").to_string());
    write!(
        body,
        "</m:MailboxDataArray><t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>{start}</t:StartTime>\
         <t:EndTime>{end}</t:EndTime></t:TimeWindow><t:MergedFreeBusyIntervalInMinutes>15\
         </t:MergedFreeBusyIntervalInMinutes><t:RequestedView>DetailedMerged</t:RequestedView>\
         </t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>"
    )
    .expect("a String takes every text");
    plain_envelope(settings, &body)
}

/// Why an answer says nothing of any mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unread {
    /// No XML that is read.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Not so many answers as questions.
    #[error("the answer is about other mailboxes")]
    Other,
}

/// Reads an answer; one for each mailbox, in their order.
pub fn read(body: &[u8], mailboxes: &[Arc<str>], window: Window) -> Result<Answers, Unread> {
    let elements = elements(body)?;
    let begins: Vec<usize> =
        (0..elements.len()).filter(|at| elements[*at].name == "FreeBusyResponse").collect();
    if begins.len() != mailboxes.len() {
        return Err(Unread::Other);
    }
    let ends = begins.iter().skip(1).copied().chain([elements.len()]);
    let parts = begins.iter().zip(ends).map(|(begin, end)| &elements[*begin..end]);
    Ok(parts.zip(mailboxes).map(|(part, mailbox)| schedule(part, mailbox, window)).collect())
}

fn schedule(part: &[Element], mailbox: &Arc<str>, window: Window) -> Result<Schedule, String> {
    let of = |name: &str| part.iter().find(|one| one.name == name);
    let code = of("ResponseCode").map_or("no code", |one| one.text.as_str());
    if code != "NoError" {
        return Err(one_line(code, 80));
    }
    let merged = of("MergedFreeBusy").map(|one| one.text.as_str());
    Ok(Schedule {
        mailbox: Arc::clone(mailbox),
        start: window.start,
        // Nothing at all: the account may not see even that.
        slots: slots(merged.ok_or("it shows no free and busy times")?, window.slots)?,
        events: of("CalendarEventArray").map(|_| events(part)),
        away: None,
        hours: hours(part),
    })
}

fn events(part: &[Element]) -> Vec<Event> {
    let begins: Vec<usize> = (0..part.len()).filter(|at| part[*at].name == "CalendarEvent").collect();
    let read = |at: &usize| {
        let depth = part[*at].depth;
        let below: Vec<&Element> = part[at + 1..].iter().take_while(|one| one.depth > depth).collect();
        let of = |name: &str| below.iter().find(|one| one.name == name).map(|one| one.text.as_str());
        let is = |name: &str| of(name).map(|text| text == "true" || text == "1");
        let slot = match of("BusyType")? {
            "Tentative" => Slot::Tentative,
            "Busy" => Slot::Busy,
            "OOF" => Slot::OutOfOffice,
            _ => return None,
        };
        let shown = |name: &str| of(name).filter(|_| is("IsPrivate") != Some(true)).and_then(text);
        let (from, until) = (time(of("StartTime")?)?, time(of("EndTime")?)?);
        let (subject, location) = (shown("Subject"), shown("Location"));
        (from < until).then_some(Event { from, until, slot, is_meeting: is("IsMeeting"), subject, location })
    };
    begins.iter().filter_map(read).take(MOST_EVENTS).collect()
}

/// Times without a zone are of the question's, which is UTC.
fn time(text: &str) -> Option<Timestamp> {
    let zoned = text.parse::<Timestamp>().ok();
    zoned.or_else(|| Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}

fn hours(part: &[Element]) -> Option<Hours> {
    let at = part.iter().position(|one| one.name == "WorkingHours")?;
    let depth = part[at].depth;
    let below: Vec<&Element> = part[at + 1..].iter().take_while(|one| one.depth > depth).collect();
    // What lies in the n-th element of that name.
    let inside = |name: &str, which: usize| -> Option<Vec<&Element>> {
        let (at, one) = below.iter().enumerate().filter(|(_, one)| one.name == name).nth(which)?;
        Some(below[at + 1..].iter().take_while(|next| next.depth > one.depth).copied().collect())
    };
    let number = |of: &[&Element], name: &str| {
        of.iter().find(|one| one.name == name).and_then(|one| one.text.parse::<i32>().ok())
    };
    let word = |of: &[&Element], name: &str| {
        let found = of.iter().find(|one| one.name == name).map(|one| one_line(&one.text, 80));
        found.filter(|text| text.chars().all(|c| c.is_ascii_alphanumeric() || " :".contains(c)))
    };
    let change = |name: &str| -> Option<Change> {
        let of = inside(name, 0)?;
        Some(Change {
            bias: number(&of, "Bias")?,
            time: word(&of, "Time")?,
            order: u8::try_from(number(&of, "DayOrder")?).ok()?,
            month: u8::try_from(number(&of, "Month")?).ok()?,
            day: word(&of, "DayOfWeek")?,
        })
    };
    let period = |which: usize| -> Option<Period> {
        let of = inside("WorkingPeriod", which)?;
        let minutes = |name| u16::try_from(number(&of, name)?).ok().filter(|minutes| *minutes <= 1_440);
        let (start, end) = (minutes("StartTimeInMinutes")?, minutes("EndTimeInMinutes")?);
        Some(Period { days: word(&of, "DayOfWeek")?, start, end })
    };
    let zone = inside("TimeZone", 0)?;
    let changes = change("StandardTime").zip(change("DaylightTime")).map(|(one, other)| [one, other]);
    Some(Hours { bias: number(&zone, "Bias")?, changes, periods: (0..14).map_while(period).collect() })
}
