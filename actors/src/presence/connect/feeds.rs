//! Whom a connector is asked about, and for what of them (R102, R103).

use std::{collections::HashMap, sync::Arc};

use ringpost::{
    directory::Directory,
    numbers::lines,
    presence::{
        Forward, Kind, Source,
        input::Said,
        subscription::Package,
        watching::{
            connector::Key,
            meaning::{Meant, number},
        },
    },
    settings::{PresenceConnector, User},
};

use super::super::cell::Cell;

/// What a resource tells.
#[derive(Clone)]
pub enum Feed {
    /// The telephone of the user with that address.
    Telephony(Arc<str>),
    /// The person.
    Rich(Arc<str>),
    /// The mailbox.
    Messages(Arc<str>),
    /// Both, of somebody who is no user.
    Foreign(Arc<Cell>),
    /// Nobody but an admin: the person, or else the telephone.
    Trial(bool),
}

impl Feed {
    /// What sets it apart from the others of a resource.
    pub fn name(&self) -> (u8, &str) {
        match self {
            Self::Telephony(user) => (0, user),
            Self::Rich(user) => (1, user),
            Self::Messages(user) => (2, user),
            Self::Foreign(cell) => (3, &cell.user),
            Self::Trial(_) => (4, ""),
        }
    }
}

/// All feeds of each resource.
pub type Feeds = HashMap<Key, Vec<Feed>, ahash::RandomState>;

/// The name under which a connector speaks of persons: apart from that of telephones, since each replaces all that its source
/// has said before.
pub fn of_persons(name: &str) -> String {
    format!("{name} persons")
}

/// Who says something of that kind.
pub fn source(settings: &PresenceConnector, person: bool) -> Source {
    let name = if person { of_persons(&settings.name) } else { settings.name.clone() };
    Source { preferred: settings.preferred, ..Source::new(Kind::Sip, &name) }
}

/// How often all users were looked at.
#[cfg(test)]
pub static LOOKS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// What the site wants to know of its users by a connector.
pub fn wanted(directory: &Directory, settings: &PresenceConnector) -> Feeds {
    #[cfg(test)]
    LOOKS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut feeds = Feeds::default();
    for user in users(directory, settings).into_iter().take(settings.most) {
        for (key, feed) in of_user(settings, user) {
            feeds.entry(key).or_default().push(feed);
        }
    }
    feeds
}

/// Says so where there are more users than a connector may be asked for.
pub fn check(directory: &Directory, settings: &PresenceConnector) {
    let users = users(directory, settings).len();
    if users > settings.most {
        let connector = &settings.name;
        tracing::warn!(connector, users, "More users than max_users: the others are not asked for");
    }
}

/// What a connector is asked for of one user.
pub fn of_user(settings: &PresenceConnector, user: &User) -> Vec<(Key, Feed)> {
    let address: Arc<str> = user.address.as_str().into();
    let telephony = settings.telephony.zip(extension(user)).map(|(package, number)| {
        let key = Key { uri: settings.extension(number), package, trial: 0 };
        (key, Feed::Telephony(Arc::clone(&address)))
    });
    let rich = settings.rich.then(|| {
        let key = Key { uri: Arc::clone(&address), package: Package::Presence, trial: 0 };
        (key, Feed::Rich(Arc::clone(&address)))
    });
    let messages = settings.messages.then(|| extension(user)).flatten().map(|number| {
        let package = Package::MessageSummary;
        let key = Key { uri: settings.extension(number), package, trial: 0 };
        (key, Feed::Messages(Arc::clone(&address)))
    });
    telephony.into_iter().chain(rich).chain(messages).collect()
}

/// The first extension, as a URI can have it (R103).
pub fn extension(user: &User) -> Option<&str> {
    let first = user.numbers.first()?;
    let number = lines::split(first).map_or(first.as_str(), |(_, extension)| extension);
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"+*-_.!~".contains(&octet);
    Some(number).filter(|number| !number.is_empty() && number.bytes().all(legal))
}

/// Those a connector is asked about. Names that are nobody's are passed over, for a directory may bring them later.
fn users<'d>(directory: &'d Directory, settings: &PresenceConnector) -> Vec<&'d User> {
    match &settings.users {
        None => directory.site.users.iter().collect(),
        Some(named) => {
            named.iter().filter_map(|name| directory.of_uri_or_number(name)).map(Arc::as_ref).collect()
        }
    }
}

/// Whether a connector is asked about the telephone of a user.
pub fn asks_about(directory: &Directory, settings: &PresenceConnector, user: &User) -> bool {
    let of_user = |(_, feed): &(Key, Feed)| matches!(feed, Feed::Telephony(_));
    users(directory, settings).iter().any(|one| one.address == user.address)
        && self::of_user(settings, user).iter().any(of_user)
}

/// What is known of a telephone, with the numbers of voice mail read as such (R115).
pub fn telephone(meant: &Meant, directory: &Directory, settings: &PresenceConnector) -> Said {
    let mut phone = meant.phone.clone();
    if let Some(Some(Some(forward))) = phone.as_mut().map(|phone| &mut phone.forward)
        && let Forward::Number(to) = forward
        && is_voice_mail(to, directory, settings)
    {
        *forward = Forward::VoiceMail;
    }
    Said { phone, ..Said::default() }
}

/// Whether a number is the pilot's or a voice-mail number of a user, however each of them is written.
fn is_voice_mail(to: &str, directory: &Directory, settings: &PresenceConnector) -> bool {
    let numbering = &directory.site.outbound.numbering;
    let normal = |written: &str| {
        let bare = number(written);
        numbering.normal(&bare).unwrap_or_else(|| bare.to_string())
    };
    let wanted = normal(to);
    let pilots = settings.pilots.iter().chain(&directory.site.um.pilots);
    let own = directory.site.users.iter().flat_map(|user| &user.voicemail_numbers);
    directory.mailbox(to).is_some() || pilots.chain(own).any(|pilot| normal(pilot) == wanted)
}
