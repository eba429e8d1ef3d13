//! `[presence.calendar.NAME]`.

use std::time::Duration;

use ringpost::{
    calendar::SLOT,
    outbox::ChannelName,
    presence::microsoft::calendar::SLOTS,
    settings::{CalendarServer, Channel, ChannelKind},
};

use super::{channel::Known, raw::Raw, section::Section};

/// Reads every server. `channels` are those of the site without a problem, `known` all of them.
pub fn servers(section: Option<Section<'_>>, channels: &[Channel], known: &[Known]) -> Vec<CalendarServer> {
    let named = section.map(Section::named).unwrap_or_default();
    let mut claimed = Claimed::default();
    let server = |(name, section)| server(name, section, (channels, known), &mut claimed);
    named.into_iter().filter_map(server).collect()
}

/// Whose calendars are asked for, and by which table (R57).
#[derive(Default)]
struct Claimed {
    named: Vec<(String, String)>,
    all: Option<String>,
}

fn server(
    name: String,
    mut section: Section<'_>,
    (channels, known): (&[Channel], &[Known]),
    claimed: &mut Claimed,
) -> Option<CalendarServer> {
    let channel = section.required("channel", |raw| {
        let name = ChannelName::from(raw.text()?);
        match channels.iter().find(|channel| channel.name == name) {
            Some(Channel { kind: ChannelKind::Ews(_) | ChannelKind::Graph(_), .. }) => Ok(name),
            // What is wrong with the channel itself has been said.
            None if known.iter().any(|known| known.name == name) => Ok(name),
            Some(_) | None => {
                Err("wants the name of a [channel.NAME] of kind \"ews\" or \"graph\"".to_owned())
            }
        }
    });
    let listed = section.has("users");
    let users = section.list("users", |raw| {
        let user = raw.text()?;
        // R57: one writer for each user.
        match claimed.named.iter().find(|(claimed, _)| claimed == user) {
            Some((_, by)) => Err(format!("{user:?} has a calendar at [presence.calendar.{by}] already")),
            None => {
                claimed.named.push((user.to_owned(), name.clone()));
                Ok(user.to_owned())
            }
        }
    });
    match &claimed.all {
        Some(by) if !listed => {
            let what = format!(
                "is missing: [presence.calendar.{by}] asks for everybody else already, nobody is left"
            );
            section.refuse("users", what);
        }
        _ if !listed => claimed.all = Some(name.clone()),
        _ => {}
    }
    let every = section.optional("every", |raw| match raw.duration()? {
        short if short < Duration::from_secs(1) => Err("must be a second or longer".to_owned()),
        time => Ok(time),
    });
    let keep = section.optional("keep", Raw::duration);
    let slots = section.optional("slots", |raw| raw.count(4..=672));
    let slots =
        if section.has("slots") { slots.and_then(|slots| usize::try_from(slots).ok()) } else { Some(SLOTS) };
    let out_of_office = section.optional("out_of_office", Raw::flag);
    let every = every.unwrap_or(Duration::from_secs(900));
    let keep = keep.unwrap_or(Duration::from_secs(4 * 3_600));
    if keep < every {
        section.refuse("keep", "must not be shorter than every");
    }
    if let Some(slots) = slots
        && slots < least(every)
    {
        let what = format!(
            "{slots} quarters of an hour are over before the calendar is asked for again: wants {} or more, or a shorter every",
            least(every)
        );
        section.refuse(if section.has("slots") { "slots" } else { "every" }, what);
    }
    section.end();
    Some(CalendarServer {
        name,
        channel: channel?,
        users: listed.then_some(users),
        every,
        keep,
        slots: slots?,
        out_of_office: out_of_office.unwrap_or(true),
    })
}

/// The slots that leave no gap: they begin with the one that has begun, and the next answer comes after `every`.
fn least(every: Duration) -> usize {
    let slot = SLOT.unsigned_abs().as_secs();
    usize::try_from(every.as_secs().div_ceil(slot) + 1).unwrap_or(usize::MAX)
}
