//! `[presence.calendar.NAME]`.

use std::time::Duration;

use ringpost::{
    outbox::ChannelName,
    presence::microsoft::calendar::SLOTS,
    settings::{CalendarServer, Channel, ChannelKind},
};

use super::{channel::Known, raw::Raw, section::Section};

/// Reads every server. `channels` are those of the site without a problem, `known` all of them.
pub fn servers(section: Option<Section<'_>>, channels: &[Channel], known: &[Known]) -> Vec<CalendarServer> {
    let named = section.map(Section::named).unwrap_or_default();
    let mut claimed: Vec<(String, String)> = vec![];
    let server = |(name, section)| server(name, section, (channels, known), &mut claimed);
    named.into_iter().filter_map(server).collect()
}

fn server(
    name: String,
    mut section: Section<'_>,
    (channels, known): (&[Channel], &[Known]),
    claimed: &mut Vec<(String, String)>,
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
        match claimed.iter().find(|(claimed, _)| claimed == user) {
            Some((_, by)) => Err(format!("{user:?} has a calendar at [presence.calendar.{by}] already")),
            None => {
                claimed.push((user.to_owned(), name.clone()));
                Ok(user.to_owned())
            }
        }
    });
    let every = section.optional("every", |raw| match raw.duration()? {
        short if short < Duration::from_secs(1) => Err("must be a second or longer".to_owned()),
        time => Ok(time),
    });
    let keep = section.optional("keep", Raw::duration);
    let slots = section.optional("slots", |raw| raw.count(4..=672));
    let out_of_office = section.optional("out_of_office", Raw::flag);
    let every = every.unwrap_or(Duration::from_secs(900));
    let keep = keep.unwrap_or(Duration::from_secs(4 * 3_600));
    if keep < every {
        section.refuse("keep", "must not be shorter than every");
    }
    section.end();
    Some(CalendarServer {
        name,
        channel: channel?,
        users: listed.then_some(users),
        every,
        keep,
        slots: slots.and_then(|slots| usize::try_from(slots).ok()).unwrap_or(SLOTS),
        out_of_office: out_of_office.unwrap_or(true),
    })
}
