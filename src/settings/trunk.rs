//! `[[trunk]]` and `[outbound]`: the peers of a site, and what may go out to them.

use std::{sync::Arc, time::Duration};

use super::Network;
use crate::{
    identity::contact,
    numbers::{Numbering, Rules, location::Profile},
    sip::digest::Login,
};

/// `[[trunk]]`: a PBX, a gateway or a provider.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// `name`: for logs and metrics.
    pub name: String,
    /// `sources`: addresses and networks that it sends from. May be empty where Ringpost registers: calls then come from
    /// where the registrar answered.
    pub sources: Vec<Network>,
    /// `tls_names`: who shows a verified certificate of one of these names is this trunk, wherever it sends from.
    pub tls_names: Vec<String>,
    /// `trust_identity`: whether its P-Asserted-Identity is believed (RFC 3325). Default true.
    pub trust_identity: bool,
    /// `early_media`: `relay` or `ring`; whether its callers hear what devices send before the answer. Default true.
    pub early_media: bool,
    /// `transit`: whether its calls to numbers that are no users may leave by other trunks. Default false.
    pub transit: bool,
    /// `voice_policy`: by which `[voice_policy.NAME]` its calls leave by other trunks, where no user makes them.
    pub voice_policy: Option<String>,
    /// `e164`, `strip_in`, `prefix_in`, `strip_out`, `prefix_out`, `main_number`, `extensions`: how it writes numbers.
    pub rules: Rules,
    /// `called_location`: the profile of the numbers that it calls.
    pub called_location: Option<Arc<Profile>>,
    /// `caller_location`: the profile of its callers' numbers.
    pub caller_location: Option<Arc<Profile>>,
    /// `target` and what belongs to it; without it no call goes out there.
    pub far: Option<FarEnd>,
}

/// The far end of a trunk, as Ringpost calls it.
#[derive(Clone, Debug)]
pub struct FarEnd {
    /// `target`: a SIP URI without user part, as it is written.
    pub target: String,
    /// `numbers`: numbers that it serves, in their normal form.
    pub numbers: Vec<String>,
    /// `prefixes`: beginnings of the numbers that it serves.
    pub prefixes: Vec<String>,
    /// `host`: the name of this Ringpost towards it, in Contact and From; Teams wants one. Default: our address and `sip.domain`.
    pub host: Option<String>,
    /// `login`, `password_file`, `realm`: what its challenges are answered with.
    pub login: Option<TrunkLogin>,
    /// `register`, `expires`, `retry`: what Ringpost registers there.
    pub registration: Option<Registration>,
    /// `keep_alive`, `failures`: OPTIONS.
    pub keep_alive: Option<KeepAlive>,
    /// `timeout`: how long it may leave an INVITE without any answer before the next trunk is tried. Default 4 s.
    pub timeout: Duration,
    /// `ring_timeout`: how long it may take from the INVITE to the first ringing, as a gateway of a route. Default 15 s.
    pub ring_timeout: Duration,
    /// `caller_number`: the number that it is shown in place of the caller's own, in its normal form.
    pub caller_number: Option<String>,
    /// `caller_id`. Default `from`.
    pub caller_id: CallerId,
    /// `diversion`. Default `diversion`.
    pub diversion: DiversionHeader,
}

/// What answers a trunk's challenges (RFC 7616).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrunkLogin {
    /// `login` and the first line of `password_file`.
    pub login: Login,
    /// `realm`: a challenge for any other is not answered. Default: the host of `register`, else of `target`.
    pub realm: String,
}

/// What Ringpost registers at a provider (RFC 3261 §10).
#[derive(Clone, Debug)]
pub struct Registration {
    /// `register`: the address of record.
    pub address: String,
    /// `expires`: how long one registration lasts; the provider may shorten it. Default 1 h.
    pub expires: Duration,
    /// `retry`: how long the first failure waits for the next try; it doubles up to 30 min. Default 30 s.
    pub retry: Duration,
}

/// OPTIONS that tell whether a trunk lives.
#[derive(Clone, Copy, Debug)]
pub struct KeepAlive {
    /// `keep_alive`: how often.
    pub every: Duration,
    /// `failures`: how many in a row without an answer make it down. Default 2.
    pub failures: u32,
}

/// Where a trunk looks for the caller's number.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum CallerId {
    /// In From.
    #[default]
    From,
    /// In P-Asserted-Identity (RFC 3325); From is the account.
    Asserted,
    /// In Remote-Party-ID (draft-ietf-sip-privacy-04); From is the account.
    RemoteParty,
}

/// How a trunk is told that a call was diverted.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum DiversionHeader {
    /// Diversion (RFC 5806).
    #[default]
    Diversion,
    /// History-Info (RFC 7044).
    HistoryInfo,
    /// Not at all.
    None,
}

/// `[outbound]`: what may leave by the trunks.
#[derive(Clone, Debug, Default)]
pub struct Outbound {
    /// `allowed_prefixes`: beginnings of the numbers that may be called, in their normal form; none by default.
    pub allowed_prefixes: Vec<String>,
    /// `country`, `national_prefix`, `international_prefix`.
    pub numbering: Numbering,
    /// `ring_for`: how long a number outside may ring. Default 3 min.
    pub ring_for: Duration,
    /// `location`: the profile of what users dial who have none of their own.
    pub location: Option<Arc<Profile>>,
    /// `rules_poll`: how often the files of rules are looked at for changes (R32). Default 5 min.
    pub rules_poll: Duration,
}

impl Outbound {
    /// A number of a directory as somebody has typed it, in the form in which numbers are compared: by the location, else by
    /// the country code and the prefixes. `None`: it is none.
    pub fn contact(&self, written: &str) -> Option<String> {
        self.contact_at(self.location.as_deref(), written)
    }

    /// The same of a number in the contacts of somebody who dials by that profile.
    pub fn contact_at(&self, location: Option<&Profile>, written: &str) -> Option<String> {
        let known = location.and_then(|location| location.contact(written));
        let known = known.map(|number| self.numbering.normal(&number).unwrap_or(number));
        known.or_else(|| contact::normal(written, &self.numbering))
    }

    /// A caller's number in the form in which contacts are kept: a whole one as it stands, another as a contact would be read.
    pub fn caller(&self, number: &str) -> Option<String> {
        let normal = self.numbering.normal(number)?;
        match &self.location {
            Some(_) if !normal.starts_with('+') => self.contact(number).or(Some(normal)),
            Some(_) | None => Some(normal),
        }
    }
}
