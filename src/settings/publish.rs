//! `[presence.publish.NAME]`: presence servers that Ringpost tells what is known of users (RFC 3903).

use std::time::Duration;

use super::TrunkLogin;
use crate::presence::{Sight, publication::Terms, subscription::Package};

/// A presence server.
#[derive(Clone, Debug)]
pub struct PublishServer {
    /// NAME: for logs and health.
    pub name: String,
    /// `server`: a SIP URI without user part, as it is written.
    pub target: String,
    /// `login`, `password_file`, `realm`: what its challenges are answered with.
    pub login: Option<TrunkLogin>,
    /// `users`: by number or address; `None`: all.
    pub users: Option<Vec<String>>,
    /// `packages`. Default presence.
    pub packages: Vec<Package>,
    /// `access`: what is told of a user. Default reduced.
    pub sight: Sight,
    /// `expires`: how long a publication lasts that nobody prolongs. Default 10 min.
    pub expires: Duration,
    /// `publish_gap`: the shortest time between two changes of one publication. Default 500 ms.
    pub gap: Duration,
    /// `keep_alive`: how often it is asked whether it lives. Default 2 s.
    pub keep_alive: Duration,
    /// `at_once`: requests under way at once. Default 16.
    pub at_once: usize,
}

impl PublishServer {
    /// What its publications need to know of it.
    pub fn terms(&self) -> Terms {
        let expires = u32::try_from(self.expires.as_secs()).unwrap_or(u32::MAX);
        Terms { expires, gap: self.gap.as_millis() as u64 }
    }
}
