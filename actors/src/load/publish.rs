//! `[presence.publish.NAME]`.

use std::time::Duration;

use ringpost::{
    notify::graph::presence::LASTS,
    outbox::ChannelName,
    presence::{Access, Sight, subscription::Package},
    settings::{Channel, ChannelKind, PublishServer, PublishTo, PublishWhat, SipServer},
};

use super::{
    channel::Known,
    raw::Raw,
    section::Section,
    trunk::{login, one_of, target},
};

/// No publication lasts longer.
const DAY: Duration = Duration::from_secs(24 * 3_600);

#[derive(Clone, Copy)]
enum Kind {
    Sip,
    Microsoft,
    Teams,
}

/// Reads every server.
pub fn servers(section: Option<Section<'_>>, channels: &[Channel], known: &[Known]) -> Vec<PublishServer> {
    let named = section.map(Section::named).unwrap_or_default();
    let mut servers: Vec<PublishServer> = vec![];
    for (name, section) in named {
        servers.extend(server(name, section, (channels, known), &servers));
    }
    servers
}

fn server(
    name: String,
    mut section: Section<'_>,
    (channels, known): (&[Channel], &[Known]),
    others: &[PublishServer],
) -> Option<PublishServer> {
    let kinds = [("sip", Kind::Sip), ("microsoft", Kind::Microsoft), ("teams", Kind::Teams)];
    let kind = section.optional("kind", |raw| one_of(raw, &kinds)).unwrap_or(Kind::Sip);
    let to = match kind {
        Kind::Sip => sip(&mut section, packages).map(PublishTo::Sip),
        Kind::Microsoft => sip(&mut section, categories).map(PublishTo::Sip),
        Kind::Teams => teams(&mut section, channels, known),
    };
    let listed = section.has("users");
    let users = section.list("users", |raw| raw.text().map(str::to_owned));
    let gap = section.optional("publish_gap", Raw::duration_or_zero);
    let at_once = section.optional("at_once", |raw| raw.count(1..=1_000));
    let read = to.map(|to| PublishServer {
        name,
        to,
        users: listed.then_some(users),
        gap: gap.unwrap_or(Duration::from_millis(500)),
        at_once: at_once.and_then(|most| usize::try_from(most).ok()).unwrap_or(16),
    });
    if let Some(read) = &read {
        let (key, longest) = longest_gap(&read.to);
        if read.gap > longest {
            let longest = longest.as_secs_f32();
            section.refuse(
                "publish_gap",
                format!("must not be longer than {longest} s, when publications are told anew ({key})"),
            );
        }
        if let Some(other) = others.iter().find(|other| clash(read, other)) {
            let key = if let PublishTo::Teams { .. } = read.to { "channel" } else { "server" };
            let what =
                format!("[presence.publish.{}] tells it the same of the same users already", other.name);
            section.refuse(key, what);
        }
    }
    section.end();
    read
}

/// The longest time between two changes that lets no publication end meanwhile, and the key that says so.
fn longest_gap(to: &PublishTo) -> (&'static str, Duration) {
    match to {
        PublishTo::Teams { expires, .. } => ("half of expires", *expires / 2),
        PublishTo::Sip(sip) => match sip.what {
            PublishWhat::Packages { expires, .. } => ("half of expires", expires / 2),
            PublishWhat::Categories { refresh, .. } => ("refresh", refresh),
        },
    }
}

/// Whether two tables would publish the same twice.
fn clash(one: &PublishServer, other: &PublishServer) -> bool {
    let same = match (&one.to, &other.to) {
        (PublishTo::Teams { channel: one, .. }, PublishTo::Teams { channel: other, .. }) => one == other,
        (PublishTo::Sip(one), PublishTo::Sip(other)) if one.target.eq_ignore_ascii_case(&other.target) => {
            match (&one.what, &other.what) {
                (PublishWhat::Packages { packages, .. }, PublishWhat::Packages { packages: others, .. }) => {
                    packages.iter().any(|package| others.contains(package))
                }
                (PublishWhat::Categories { .. }, PublishWhat::Categories { .. }) => true,
                _ => false,
            }
        }
        _ => false,
    };
    same && match (&one.users, &other.users) {
        (Some(users), Some(others)) => users.iter().any(|user| others.contains(user)),
        _ => true,
    }
}

fn sip(section: &mut Section<'_>, what: impl FnOnce(&mut Section<'_>) -> PublishWhat) -> Option<SipServer> {
    let server = section.required("server", target);
    let login = login(section, server.as_ref().map_or("", |(_, host)| host));
    let what = what(section);
    let access = section
        .optional("access", |raw| one_of(raw, &[Access::Full, Access::Reduced].map(|one| (one.name(), one))));
    let sight = access.and_then(Access::sight).unwrap_or(Sight::Reduced);
    let keep_alive = section.optional("keep_alive", |raw| at_least(raw, Duration::from_secs(1)));
    Some(SipServer {
        target: server?.0,
        login: login?,
        sight,
        keep_alive: keep_alive.unwrap_or(Duration::from_secs(2)),
        what,
    })
}

fn teams(section: &mut Section<'_>, channels: &[Channel], known: &[Known]) -> Option<PublishTo> {
    let channel = section.required("channel", |raw| {
        let name = ChannelName::from(raw.text()?);
        match channels.iter().find(|channel| channel.name == name) {
            Some(Channel { kind: ChannelKind::Graph(_), .. }) => Ok(name),
            // What is wrong with the channel itself has been said.
            None if known.iter().any(|known| known.name == name) => Ok(name),
            Some(_) | None => Err("wants the name of a [channel.NAME] of kind \"graph\"".to_owned()),
        }
    });
    let expires = section.optional("expires", |raw| match raw.duration()? {
        time if (LASTS[0]..=LASTS[1]).contains(&time) && time.as_secs().is_multiple_of(60) => Ok(time),
        _ => Err("wants whole minutes from 5m to 4h".to_owned()),
    });
    Some(PublishTo::Teams { channel: channel?, expires: expires.unwrap_or(LASTS[0]) })
}

fn packages(section: &mut Section<'_>) -> PublishWhat {
    let mut packages =
        section.list("packages", |raw| one_of(raw, &Package::ALL.map(|one| (one.name(), one))));
    packages.dedup();
    if packages.is_empty() {
        packages.push(Package::Presence);
    }
    let expires = section.optional("expires", |raw| within(raw, Duration::from_secs(60), DAY));
    PublishWhat::Packages { packages, expires: expires.unwrap_or(Duration::from_secs(600)) }
}

fn categories(section: &mut Section<'_>) -> PublishWhat {
    let refresh = section.optional("refresh", |raw| within(raw, Duration::from_secs(60), DAY));
    let message_waiting = section.optional("message_waiting", Raw::flag);
    let calendar = section.optional("calendar", Raw::flag);
    PublishWhat::Categories {
        refresh: refresh.unwrap_or(Duration::from_secs(1_800)),
        message_waiting: message_waiting.unwrap_or(true),
        calendar: calendar.unwrap_or(true),
    }
}

fn within(raw: &Raw<'_>, least: Duration, most: Duration) -> Result<Duration, String> {
    match at_least(raw, least)? {
        long if long > most => Err(format!("must be {} h or shorter", most.as_secs() / 3_600)),
        time => Ok(time),
    }
}

fn at_least(raw: &Raw<'_>, least: Duration) -> Result<Duration, String> {
    match raw.duration()? {
        short if short < least => Err(format!("must be {} s or longer", least.as_secs())),
        time => Ok(time),
    }
}
