//! `[presence]` and `[user.presence]`: who is told what of users, and by whom.

use std::{collections::BTreeMap, time::Duration};

use crate::presence::{Access, Standard, aggregate::Idle, microsoft::stage::Enhanced, subscription::Terms};

/// `[presence]`.
#[derive(Clone, Debug)]
pub struct Presence {
    /// `enabled`: whether anybody is told anything. Default false.
    pub enabled: bool,
    /// `expires`, `min_expires`, `max_expires`: how long subscriptions and publications last. Default 1 h, 1 min, 1 d.
    pub terms: Terms,
    /// `notify_gap`: the shortest time between two NOTIFYs of one subscription. Default 200 ms.
    pub gap: Duration,
    /// `resume_within`: after a restart every watcher is told within this time, or later where they are very many. Default 20 s.
    pub resume: Duration,
    /// `max_subscriptions`: in all. Default 500,000.
    pub most: usize,
    /// `max_publications`: of one user. Default 20.
    pub publications: usize,
    /// `inactive_after`, `away_after` (R56). Default 5 min, 15 min.
    pub idle: Idle,
    /// `unsolicited_messages`: whether registered devices are told their message counts unasked (R207). Default false.
    pub unsolicited: bool,
    /// `messages_from`: trunks whose unasked NOTIFYs of users' message counts are believed (R207). Default none.
    pub messages_from: Vec<String>,
    /// `messages_last`: for how long. Default 7 days.
    pub messages_last: Duration,
    /// `messages_to`: trunks to which users' counts are told unasked whose phones hang there. Default none.
    pub messages_to: Vec<String>,
    /// `publishers`: trunks that may publish for users (R63). Default none.
    pub publishers: Vec<String>,
    /// `users`, `trunks`, `full`, `reduced`, `polite`, `block`: who sees what of a user.
    pub seen: Seen,
    /// `[[presence.state]]`: users' own states and what they mean (R81).
    pub states: BTreeMap<String, Standard>,
    /// `[[presence.list]]`.
    pub lists: Vec<List>,
    /// `max_list`: resources of one list. Default 200.
    pub longest_list: usize,
    /// `[presence.publish.NAME]`: by name.
    pub publish: Vec<super::PublishServer>,
    /// `[presence.calendar.NAME]`: by name.
    pub calendars: Vec<super::CalendarServer>,
    /// `[[presence.connector]]`.
    pub connectors: Vec<super::PresenceConnector>,
}

/// Who sees what of a user (R58).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// What other users see; `None`: as the site says.
    pub users: Option<Access>,
    /// What trunks see; `None`: as the site says.
    pub trunks: Option<Access>,
    /// What some see: a user by address or number, or a trunk as `trunk:NAME`.
    pub named: Vec<(String, Access)>,
    /// `enhanced`, `rich_mode`, of a user alone: the way to enhanced presence (R46–R50).
    pub enhanced: Enhanced,
}

/// `[[presence.list]]`: several users under one address (RFC 4662).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct List {
    /// `address`: its URI.
    pub address: String,
    /// `members`: addresses or numbers of users.
    pub members: Vec<String>,
}

/// Who wants to see something.
#[derive(Clone, Copy, Debug)]
pub enum Watcher<'a> {
    /// A user, by address and numbers.
    User(&'a super::User),
    /// A trunk, by its name.
    Trunk(&'a str),
}

impl Watcher<'_> {
    fn is(&self, named: &str) -> bool {
        match self {
            Self::User(user) => {
                user.address.eq_ignore_ascii_case(named) || user.numbers.iter().any(|number| number == named)
            }
            Self::Trunk(trunk) => named.strip_prefix("trunk:") == Some(trunk),
        }
    }
}

impl Presence {
    /// The connector through which addresses of a foreign host are watched (R104).
    pub fn connector_of(&self, host: &str) -> Option<&super::PresenceConnector> {
        self.connectors.iter().find(|one| one.serves(host))
    }

    /// What a watcher may see of a user: all of oneself; else what the user says of it by name, then what the site says by
    /// name, then what the user says of such watchers, then what the site says.
    pub fn access(&self, watcher: Watcher<'_>, of: &super::User) -> Access {
        if let Watcher::User(user) = watcher
            && user.address == of.address
        {
            return Access::Full;
        }
        let named = of.presence.named.iter().chain(&self.seen.named);
        if let Some((_, access)) = named.into_iter().find(|(named, _)| watcher.is(named)) {
            return *access;
        }
        let (own, site) = match watcher {
            Watcher::User(_) => (of.presence.users, self.seen.users),
            Watcher::Trunk(_) => (of.presence.trunks, self.seen.trunks),
        };
        own.or(site).unwrap_or_default()
    }
}
