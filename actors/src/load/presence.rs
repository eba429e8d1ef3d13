//! `[presence]` and `[user.presence]`.

use ringpost::{
    presence::{Access, Standard, aggregate::Idle, microsoft::stage::Enhanced, subscription::Terms},
    settings::{Channel, Presence, PresenceList, Seen, Trunk},
};

use super::{calendar, channel::Known, connector, publish, raw::Raw, section::Section, uri};

/// Reads `[presence]`; `None` after a problem. `trunks` are the site's, and so are its channels, those without a problem and
/// all of them, and its domain.
pub fn presence(
    mut section: Section<'_>,
    trunks: &[Trunk],
    (channels, known, domain): (&[Channel], &[Known], &str),
) -> Option<Presence> {
    let enabled = section.required("enabled", Raw::flag);
    let seconds = |raw: &Raw<'_>| raw.duration().map(|time| time.as_secs().max(1));
    let expires = section.required("expires", seconds);
    let min_expires = section.required("min_expires", seconds);
    let max_expires = section.required("max_expires", seconds);
    let gap = section.required("notify_gap", Raw::duration_or_zero);
    let resume = section.required("resume_within", Raw::duration);
    let most = section.required("max_subscriptions", |raw| raw.count(1..=10_000_000));
    let publications = section.required("max_publications", |raw| raw.count(1..=1_000));
    let inactive = section.required("inactive_after", seconds);
    let away = section.required("away_after", seconds);
    let unsolicited = section.required("unsolicited_messages", Raw::flag);
    let messages_last = section.required("messages_last", Raw::duration);
    let mut named = |key: &'static str, callable: bool| {
        section.list(key, |raw| {
            let name = raw.text()?;
            match trunks.iter().find(|trunk| trunk.name == name) {
                Some(trunk) if callable && trunk.far.is_none() => {
                    Err(format!("trunk {name:?} has no target"))
                }
                Some(_) => Ok(name.to_owned()),
                None => Err(format!("there is no trunk {name:?}")),
            }
        })
    };
    let publishers = named("publishers", false);
    let messages_from = named("messages_from", false);
    let messages_to = named("messages_to", true);
    let seen = seen(&mut section);
    let states = section.tables("state").into_iter().filter_map(state).collect();
    let longest_list = section.required("max_list", |raw| raw.count(1..=10_000));
    let lists = section.tables("list").into_iter().filter_map(list).collect();
    let publish = publish::servers(section.table("publish"), channels, known);
    let calendars = calendar::servers(section.table("calendar"), channels, known);
    let connectors = connector::connectors(section.tables("connector"), domain);
    if max_expires.is_some() && (expires > max_expires || min_expires > expires) {
        section.refuse("expires", "must lie between min_expires and max_expires");
    }
    if away.is_some() && inactive > away {
        section.refuse("inactive_after", "must not be longer than away_after");
    }
    section.end();
    let short = |seconds: u64| u32::try_from(seconds).unwrap_or(u32::MAX);
    Some(Presence {
        enabled: enabled?,
        terms: Terms { usual: short(expires?), least: short(min_expires?), most: short(max_expires?) },
        gap: gap?,
        resume: resume?,
        most: usize::try_from(most?).ok()?,
        publications: usize::try_from(publications?).ok()?,
        idle: Idle { inactive: inactive?, away: away? },
        unsolicited: unsolicited?,
        messages_from,
        messages_last: messages_last?,
        messages_to,
        publishers,
        seen,
        states,
        lists,
        longest_list: usize::try_from(longest_list?).ok()?,
        publish,
        calendars,
        connectors,
    })
}

/// Reads `[user.presence]`.
pub fn of_user(mut section: Section<'_>) -> Seen {
    let flag = section.optional("enhanced", Raw::flag);
    let rich_mode = section.optional("rich_mode", Raw::flag);
    let seen = seen(&mut section);
    section.end();
    Seen { enhanced: Enhanced { flag, rich_mode }, ..seen }
}

fn seen(section: &mut Section<'_>) -> Seen {
    let users = section.optional("users", access);
    let trunks = section.optional("trunks", access);
    let mut named: Vec<(String, Access)> = vec![];
    let keys = [
        ("full", Access::Full),
        ("reduced", Access::Reduced),
        ("polite", Access::Polite),
        ("block", Access::Block),
    ];
    for (key, access) in keys {
        let names = section.list(key, |raw| {
            let name = raw.text()?;
            match named.iter().any(|(known, other)| known == name && *other != access) {
                true => Err(format!("{name:?} is in another of these lists too")),
                false => Ok(name.to_owned()),
            }
        });
        named.extend(names.into_iter().map(|name| (name, access)));
    }
    Seen { users, trunks, named, enhanced: Enhanced::default() }
}

fn access(raw: &Raw<'_>) -> Result<Access, String> {
    let text = raw.text()?;
    let known = Access::ALL.into_iter().find(|one| one.name() == text);
    known.ok_or_else(|| format!("wants \"block\", \"polite\", \"reduced\" or \"full\", not {text:?}"))
}

fn state(mut section: Section<'_>) -> Option<(String, Standard)> {
    let name = section.required("name", |raw| raw.text().map(str::to_owned));
    let means = section.required("means", |raw| {
        let text = raw.text()?;
        Standard::named(text).ok_or_else(|| {
            let known = Standard::ALL.map(Standard::name).join(", ");
            format!("unknown state {text:?}; known: {known}")
        })
    });
    section.end();
    name.zip(means)
}

fn list(mut section: Section<'_>) -> Option<PresenceList> {
    let address = section.required("address", |raw| {
        let text = raw.text()?;
        uri::sip(text).map(|_| text.to_owned())
    });
    let members = section.at_least_one("members", |raw| raw.text().map(str::to_owned));
    section.end();
    Some(PresenceList { address: address?, members })
}
