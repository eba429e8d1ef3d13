//! `[presence.calendar.NAME]`: whom users' calendars are asked of.

use std::time::Duration;

use crate::outbox::ChannelName;

/// A server that has calendars.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CalendarServer {
    /// NAME: for logs and health.
    pub name: String,
    /// `channel`: an `ews` or `graph` channel, whose server, login and trust are used.
    pub channel: ChannelName,
    /// `users`: by number or address; `None`: all with a `mail` that no other table names.
    pub users: Option<Vec<String>>,
    /// `every`: how often each calendar is asked for. Default 15 min.
    pub every: Duration,
    /// `keep`: how long the last answer counts. Default 4 h.
    pub keep: Duration,
    /// `slots`: how far ahead, in quarters of an hour (R22). Default 128.
    pub slots: usize,
    /// `out_of_office`: whether automatic replies are looked at too, where the server has them apart. Default true.
    pub out_of_office: bool,
}
