//! A site as the rest of Ringpost sees it: checked, with units, no strings left to parse.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use crate::{notify::Style, numbers::location::Profile};

mod attendant;
mod book;
mod calendar;
mod channel;
mod connector;
mod directory;
mod dns;
mod ews;
mod graph;
mod http;
mod identity;
mod mail;
mod manner;
mod notices;
mod oauth;
mod policy;
mod presence;
mod publish;
mod rcc;
mod registrar;
mod route;
mod security;
mod sip;
mod tls;
mod trunk;
mod um;
mod user;
mod voicemail;

pub use attendant::{Attendant, Extensions};
pub use book::Book;
pub use calendar::CalendarServer;
pub use channel::{Channel, ChannelKind, Webhook};
pub use connector::Connector as PresenceConnector;
pub use directory::{
    DirectoryUm, DirectoryUsers, Ldap, LdapBind, LdapServer, LdapStrategy, LdapTalk, LdapTls,
};
pub use dns::Dns;
pub use ews::{Autodiscover, Ews, EwsAccess, EwsLogin, EwsServer, EwsVersion, Place};
pub use graph::{Graph, GraphDelivery};
pub use http::{Area, Http, HttpClient, HttpLimits, HttpListen, HttpScheme, PublicUrl};
pub use identity::{Identity, Source, SourceKind};
pub use mail::{Mail, MailAuth, MailTls, MailUrl, PASSWORD_REST};
pub use manner::{Audio, Manner, Recordings};
pub use notices::Notices;
pub use oauth::{OAuth, Proof, SigningAlgorithm};
pub use policy::{AcceptKey, Bypass, Delay, Feature, FeatureCodes, Policy, PolicyLimits, Quiet, Step, To};
pub use presence::{List as PresenceList, Presence, Seen, Watcher};
pub use publish::{PublishServer, PublishTo, PublishWhat, SipServer};
pub use rcc::{Controller, Delegate, Gateway as RccGateway, Rcc};
pub use registrar::{Registrar, UserLogin};
pub use route::{Route, Routing, VoicePolicy};
pub use security::Security;
pub use sip::{Listen, Network, Sip, Transport};
pub use tls::Tls;
pub use trunk::{CallerId, DiversionHeader, FarEnd, KeepAlive, Outbound, Registration, Trunk, TrunkLogin};
pub use um::{Um, UmPlan, UmServer};
pub use user::User;
pub use voicemail::Voicemail;

/// Everything a site file says, checked.
#[derive(Clone, Debug)]
pub struct Site {
    /// `[sip]`.
    pub sip: Sip,
    /// `[[trunk]]`: the peers that may send calls.
    pub trunks: Vec<Trunk>,
    /// `[outbound]`: what may leave by them.
    pub outbound: Outbound,
    /// `[location.NAME]`: what is dialled at a place.
    pub locations: Vec<Arc<Profile>>,
    /// Their `rules_file`s.
    pub rules_files: Vec<PathBuf>,
    /// `[[route]]`, `[voice_policy.NAME]`, `[routing]`: which of them a number takes.
    pub routing: Routing,
    /// `[registrar]`: how devices register.
    pub registrar: Registrar,
    /// `[um.plan.NAME]`: the dial plans.
    pub plans: Vec<UmPlan>,
    /// `[um]`: how UM servers are chosen and waited for.
    pub um: Um,
    /// `[voicemail]`: the embedded UM.
    pub voicemail: Voicemail,
    /// `[[user]]`.
    pub users: Vec<User>,
    /// `[attendant.NAME]`: numbers at which callers dial an extension.
    pub attendants: Vec<Attendant>,
    /// `[[bypass]]`: numbers that Ringpost leaves alone.
    pub bypass: Vec<Bypass>,
    /// `[policy]`.
    pub policy: PolicyLimits,
    /// `[feature_codes]`.
    pub feature_codes: FeatureCodes,
    /// `[mail]`; without it no mail leaves.
    pub mail: Option<Mail>,
    /// `[channel.NAME]`, and `[mail]` as the channel `mail`.
    pub channels: Vec<Channel>,
    /// `[notices]` and what users say otherwise: words, recordings, cards.
    pub style: Arc<Style>,
    /// `[outbox]`: the retry schedule.
    pub outbox: Outbox,
    /// `[store]`.
    pub store: Store,
    /// `[retention]`.
    pub retention: Retention,
    /// `[metrics]`.
    pub metrics: Metrics,
    /// `[http]`.
    pub http: Http,
    /// `[book]`.
    pub book: Book,
    /// `[security]`.
    pub security: Security,
    /// `[tls]`.
    pub tls: Tls,
    /// `[identity]`: who is asked what callers are called.
    pub identity: Identity,
    /// `[dns]`.
    pub dns: Dns,
    /// `[presence]`.
    pub presence: Presence,
    /// `[rcc]`.
    pub rcc: Rcc,
    /// `[directory]`: users, numbers and names by LDAP.
    pub ldap: Option<Arc<Ldap>>,
}

/// `[metrics]`: what a monitoring system may ask.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// `listen`: where `GET /metrics` and `GET /health` are answered; nowhere by default.
    pub listen: Option<SocketAddr>,
}

/// A password: never printed.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// `[outbox]`: the retry schedule of notices.
#[derive(Clone, Debug)]
pub struct Outbox {
    /// `first_retry`. Default 2 s; doubles from there.
    pub first_retry: Duration,
    /// `longest_retry`: the ceiling of the back-off. Default 5 min.
    pub longest_retry: Duration,
    /// `give_up_after`: when a notice becomes a dead letter. Default 3 days.
    pub give_up_after: Duration,
    /// `patience`: when the next channel of a chain, or the user's own channels after UM, take over. Default 10 min.
    pub patience: Duration,
}

/// `[retention]`: how long each kind of data is kept (R210); `None`: for ever.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// `delivered`: notices that are told. Default 30 days.
    pub delivered: Option<Duration>,
    /// `dead`: dead letters. Default 90 days.
    pub dead: Option<Duration>,
    /// `calls`: lines of the call log. Default 365 days.
    pub calls: Option<Duration>,
    /// `recordings`: voice mails that are told. Default 30 days.
    pub recordings: Option<Duration>,
}

/// `[store]`.
#[derive(Clone, Debug)]
pub struct Store {
    /// `path`: the SQLite file; `None` is `":memory:"`, for tests only.
    pub path: Option<PathBuf>,
}
