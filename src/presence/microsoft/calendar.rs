//! `calendarData`: free and busy times in slots of a quarter of an hour (R22).
//!
//! A slot is two bits. The printed reference reads as if the first slot were the highest bits of the first octet; those who
//! wrote to real servers put it into the lowest, and so it is here.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use crate::{
    calendar::{Change, Hours},
    xml::{element, escaped},
};

/// Slots that are published unless a site says otherwise: 32 hours.
pub const SLOTS: usize = 128;
const NAMESPACE: &str = "http://schemas.microsoft.com/2006/09/sip/calendarData";
/// The containers that see it, and those that are told that there is none.
pub const TOLD: [u16; 3] = [200, 300, 400];
/// See [`TOLD`].
pub const EMPTY: [u16; 3] = [1, 100, 32_000];

/// What somebody does for a quarter of an hour.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Slot {
    /// Nothing, or nobody knows.
    #[default]
    Free,
    /// Perhaps something.
    Tentative,
    /// Something.
    Busy,
    /// Not there.
    OutOfOffice,
}

impl Slot {
    const ALL: [Self; 4] = [Self::Free, Self::Tentative, Self::Busy, Self::OutOfOffice];

    /// As Exchange writes it in `MergedFreeBusy`; 4, no data, is free. `None`: no such digit.
    pub fn of_digit(digit: char) -> Option<Self> {
        match digit {
            '4' => Some(Self::Free),
            _ => Self::ALL.get(digit.to_digit(10)? as usize).copied(),
        }
    }
}

/// The slots as a server keeps them, in Base64.
pub fn pack(slots: &[Slot]) -> String {
    let octet = |four: &[Slot]| {
        let bits = four.iter().enumerate().map(|(at, slot)| (*slot as u8) << (2 * at));
        bits.fold(0, |octet, bits| octet | bits)
    };
    STANDARD.encode(slots.chunks(4).map(octet).collect::<Vec<u8>>())
}

/// The slots of somebody else's data, four to an octet; `None`: no Base64.
pub fn unpack(text: &str) -> Option<Vec<Slot>> {
    let octets = STANDARD.decode(text.trim()).ok()?;
    let four = |octet: u8| (0..4).map(move |at| Slot::ALL[usize::from(octet >> (2 * at) & 3)]);
    Some(octets.into_iter().flat_map(four).collect())
}

/// The document about a mailbox from `start` on, which is the beginning of a quarter of an hour.
pub fn write(mailbox: &str, start: Timestamp, slots: &[Slot]) -> String {
    let mut body = String::with_capacity(256);
    let start = start.strftime("%Y-%m-%dT%H:%M:%SZ");
    write!(
        body,
        "<calendarData xmlns=\"{NAMESPACE}\" mailboxID=\"{}\"><freeBusy startTime=\"{start}\" granularity=\"PT15M\" \
         encodingVersion=\"1\">{}</freeBusy></calendarData>",
        escaped(mailbox),
        pack(slots)
    )
    .expect("a String takes every text");
    body
}

/// The document about a mailbox's working hours, with the elements of Exchange in it.
pub fn hours(mailbox: &str, hours: &Hours) -> String {
    let mut body = format!(
        "<calendarData xmlns=\"{NAMESPACE}\" mailboxID=\"{}\"><WorkingHours \
         xmlns=\"http://schemas.microsoft.com/exchange/services/2006/types\"><TimeZone><Bias>{}</Bias>",
        escaped(mailbox),
        hours.bias
    );
    // A zone without summer time changes its clocks on the first of January, by nothing.
    let never = || Change { time: "00:00:00".into(), order: 1, month: 1, day: "Sunday".into(), bias: 0 };
    let changes = hours.changes.clone().unwrap_or_else(|| [never(), never()]);
    for (name, Change { bias, time, order, month, day }) in
        ["StandardTime", "DaylightTime"].iter().zip(&changes)
    {
        write!(body, "<{name}><Bias>{bias}</Bias>").expect("a String takes every text");
        element(&mut body, "Time", time);
        write!(body, "<DayOrder>{order}</DayOrder><Month>{month}</Month>")
            .expect("a String takes every text");
        element(&mut body, "DayOfWeek", day);
        write!(body, "</{name}>").expect("a String takes every text");
    }
    body.push_str("</TimeZone><WorkingPeriodArray>");
    for period in &hours.periods {
        body.push_str("<WorkingPeriod>");
        element(&mut body, "DayOfWeek", &period.days);
        write!(
            body,
            "<StartTimeInMinutes>{}</StartTimeInMinutes><EndTimeInMinutes>{}</EndTimeInMinutes></WorkingPeriod>",
            period.start, period.end
        )
        .expect("a String takes every text");
    }
    body.push_str("</WorkingPeriodArray></WorkingHours></calendarData>");
    body
}

/// The document for those who are not told.
pub fn nothing() -> String {
    format!("<calendarData xmlns=\"{NAMESPACE}\"/>")
}
