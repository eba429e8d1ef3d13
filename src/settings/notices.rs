//! `[notices]` and, key by key in its place, `[user.notices]`: what a user is told of, when, and who else is.

use std::time::Duration;

use super::Manner;
use crate::notify::{Filters, Hours, Tell};

/// How a user is told of missed calls and voice mails. The default tells everything at once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Notices {
    /// `skip`, `skip_numbers`, `own_numbers`: what the user is not told of.
    pub filters: Filters,
    /// `min_ring` of the site, for users who have none of their own. Default zero.
    pub min_ring: Duration,
    /// `only_while_signed_in`: whether Ringpost itself tells of calls only while a device of the user is registered (R10). Default
    /// false.
    pub only_signed_in: bool,
    /// `quiet`, `work_days`, `work_hours`, `holidays`: when notices wait.
    pub hours: Hours,
    /// `tell`: who is told of a call that rang others too. Default `first`.
    pub tell: Tell,
    /// `voicemail`, `audio`, `vcard`: what goes along.
    pub manner: Manner,
    /// `link` of the site: where recordings can be heard, with `{id}` for the recording.
    pub link: Option<String>,
}
