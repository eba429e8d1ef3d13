//! `[presence.publish.NAME]`: servers that Ringpost tells what is known of users.

use std::time::Duration;

use super::TrunkLogin;
use crate::{
    outbox::ChannelName,
    presence::{Sight, publication::Terms, subscription::Package},
};

/// A server.
#[derive(Clone, Debug)]
pub struct PublishServer {
    /// NAME: for logs and health.
    pub name: String,
    /// `kind` and what it wants.
    pub to: PublishTo,
    /// `users`: by number or address; `None`: all.
    pub users: Option<Vec<String>>,
    /// `publish_gap`: the shortest time between two changes of one publication. Default 500 ms.
    pub gap: Duration,
    /// `at_once`: requests under way at once. Default 16.
    pub at_once: usize,
}

/// What kind of server it is.
#[derive(Clone, Debug)]
pub enum PublishTo {
    /// A SIP server.
    Sip(SipServer),
    /// `kind = "teams"`: whether users are in a call, by Microsoft Graph.
    Teams {
        /// `channel`: the `graph` channel whose service, application and trust are used.
        channel: ChannelName,
        /// `expires`: how long a call is believed that nobody prolongs. Default 5 min.
        expires: Duration,
    },
}

/// A server that is told by SIP.
#[derive(Clone, Debug)]
pub struct SipServer {
    /// `server`: a SIP URI without user part, as it is written.
    pub target: String,
    /// `login`, `password_file`, `realm`: what its challenges are answered with.
    pub login: Option<TrunkLogin>,
    /// `access`: what is told of a user. Default reduced.
    pub sight: Sight,
    /// `keep_alive`: how often it is asked whether it lives. Default 2 s.
    pub keep_alive: Duration,
    /// What it is told.
    pub what: PublishWhat,
}

/// What a SIP server is told.
#[derive(Clone, Debug)]
pub enum PublishWhat {
    /// `kind = "sip"`: documents of event packages by PUBLISH (RFC 3903).
    Packages {
        /// `packages`. Default presence.
        packages: Vec<Package>,
        /// `expires`: how long a publication lasts that nobody prolongs. Default 10 min.
        expires: Duration,
    },
    /// `kind = "microsoft"`: categories of enhanced presence by SERVICE.
    Categories {
        /// `refresh`: how often all is told anew. Default 30 min (R23).
        refresh: Duration,
        /// `message_waiting`: what waits in the mailbox too. Default true.
        message_waiting: bool,
        /// `calendar`: free and busy times too. Default true.
        calendar: bool,
    },
}

impl PublishServer {
    /// Where it is: a SIP URI, or the name of a channel.
    pub fn target(&self) -> &str {
        match &self.to {
            PublishTo::Sip(sip) => &sip.target,
            PublishTo::Teams { channel, .. } => channel.as_str(),
        }
    }

    /// What its publications need to know of it.
    pub fn terms(&self) -> Terms {
        let lasts = match &self.to {
            PublishTo::Sip(SipServer { what: PublishWhat::Packages { expires, .. }, .. }) => *expires,
            // These do not end by time: it counts when they are told anew, which is so long before their end.
            PublishTo::Sip(SipServer { what: PublishWhat::Categories { refresh, .. }, .. }) => {
                *refresh + (*refresh).min(Duration::from_secs(600))
            }
            PublishTo::Teams { expires, .. } => *expires,
        };
        let expires = u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX);
        Terms { expires, gap: self.gap.as_millis() as u64 }
    }
}
