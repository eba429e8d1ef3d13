//! A site as the rest of Ringpost sees it: checked, with units, no strings left to parse.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    address::{Language, UserClass},
    notify::Style,
    numbers::{Tel, location::Profile},
    outbox::{Entries, Fate, Gather},
    sip::session_timer::Terms,
    um::{health::Rules, pool::Strategy},
};

mod attendant;
mod book;
mod channel;
mod directory;
mod dns;
mod ews;
mod graph;
mod http;
mod identity;
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
mod tls;
mod trunk;

pub use attendant::{Attendant, Extensions};
pub use book::Book;
pub use channel::{Channel, ChannelKind, Webhook};
pub use directory::{
    DirectoryUm, DirectoryUsers, Ldap, LdapBind, LdapServer, LdapStrategy, LdapTalk, LdapTls,
};
pub use dns::Dns;
pub use ews::{Autodiscover, Ews, EwsAccess, EwsLogin, EwsServer, EwsVersion, Place};
pub use graph::{Graph, GraphDelivery};
pub use http::{Area, Http, HttpClient, HttpLimits, HttpListen, HttpScheme, PublicUrl};
pub use identity::{Identity, Source, SourceKind};
pub use manner::{Audio, Manner, Recordings};
pub use notices::Notices;
pub use oauth::{OAuth, Proof, SigningAlgorithm};
pub use policy::{AcceptKey, Bypass, Delay, Feature, FeatureCodes, Policy, PolicyLimits, Quiet, Step, To};
pub use presence::{List as PresenceList, Presence, Seen, Watcher};
pub use publish::{PublishServer, PublishTo, PublishWhat, SipServer};
pub use rcc::{Controller, Delegate, Rcc};
pub use registrar::{Registrar, UserLogin};
pub use route::{Route, Routing, VoicePolicy};
pub use security::Security;
pub use tls::Tls;
pub use trunk::{CallerId, DiversionHeader, FarEnd, KeepAlive, Outbound, Registration, Trunk, TrunkLogin};

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

/// `[sip]`: the listeners and the limits of the SIP engine.
#[derive(Clone, Debug)]
pub struct Sip {
    /// `listen`: where Ringpost listens, at least one.
    pub listen: Vec<Listen>,
    /// `domain`: the domain of the users' addresses.
    pub domain: String,
    /// `advertise`: the address put into Via and Contact where a listener is bound to a wildcard.
    pub advertise: Option<IpAddr>,
    /// `lanes`: threads that carry calls; default half of the cores, at least one.
    pub lanes: usize,
    /// `max_calls`: calls open at once; above it 503 with Retry-After. Default 20,000.
    pub max_calls: usize,
    /// `max_message`: the largest SIP message taken, in octets. Default 64 KiB.
    pub max_message: usize,
    /// `max_connections`: TCP connections open at once. Default 1,000.
    pub max_connections: usize,
    /// `origins`: the web pages whose scripts may open a WebSocket; empty: all.
    pub origins: Vec<String>,
    /// `idle_timeout`: when a silent TCP connection is closed. Default 120 s.
    pub idle_timeout: Duration,
    /// `max_transfers`: how often the parties of one call may be referred to others. Default 20.
    pub max_transfers: usize,
    /// `drain`: how long running calls may go on after SIGTERM. Default 30 s.
    pub drain: Duration,
    /// `device_timeout`: how long a device that answers nothing at all is waited for. Default 32 s (Timer B).
    pub silence: Duration,
    /// `max_udp`: a larger request goes by TCP (RFC 3261 §18.1.1). Default 1,300 octets.
    pub max_udp: usize,
    /// `udp_fallback`: how long opening that connection may take before the request goes by UDP all the same. Default 1 s.
    pub udp_fallback: Duration,
    /// `tcp_retry`: how long such requests then go there by UDP at once. Default 10 min.
    pub tcp_retry: Duration,
    /// `session_expires` (default none, `0s`) and `min_se` (default and least 90 s), in whole seconds (RFC 4028).
    pub session: Terms,
}

/// A transport and where it listens, `udp:127.0.0.1:5060`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Listen {
    /// The transport.
    pub transport: Transport,
    /// Address and port.
    pub address: SocketAddr,
}

/// A SIP transport (RFC 3261 §18).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Transport {
    /// Datagrams: Ringpost retransmits.
    Udp,
    /// A stream: the transport retransmits.
    Tcp,
    /// A stream behind TLS.
    Tls,
    /// A WebSocket (RFC 7118): devices open it, Ringpost never does.
    Ws,
    /// A WebSocket behind TLS.
    Wss,
}

impl Transport {
    /// The transport of a URI: its `transport` parameter, or TLS for `sips:`; `None` where neither says.
    pub fn of_uri(uri: &crate::sip::uri::Uri<'_>) -> Option<Self> {
        let secure = uri.scheme.eq_ignore_ascii_case(b"sips");
        let Some(written) = uri.param("transport") else { return secure.then_some(Self::Tls) };
        let all = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];
        let named = all.into_iter().find(|one| one.name().as_bytes().eq_ignore_ascii_case(written));
        match (named, secure) {
            (Some(Self::Ws), true) => Some(Self::Wss),
            (Some(Self::Udp | Self::Tcp) | None, true) => Some(Self::Tls),
            (named, _) => named,
        }
    }

    /// As it stands in Via and, in either case, in URIs and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// Whether TLS is below it.
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether SIP comes in WebSocket frames.
    pub fn is_web(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

/// An address or a CIDR network, `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network {
    /// The network's address.
    pub address: IpAddr,
    /// Its prefix length in bits.
    pub prefix: u8,
}

/// `[um]`: shared by all dial plans (R15, R16).
#[derive(Clone, Debug)]
pub struct Um {
    /// `attempts`: servers tried for one call. Default 2.
    pub attempts: u8,
    /// `ring_limit`: how long one server may ring before the next is tried. Default 10 s.
    pub ring_limit: Duration,
    /// `timeout`: how long one may leave the INVITE without any response at all. Default 4 s.
    pub silence: Duration,
    /// `strategy`: how the first one is picked. Default random.
    pub strategy: Strategy,
    /// `failures`, `probe`, `probe_after`, `probe_longest`, `probe_ramp`: how they leave the set and come back.
    pub rules: Rules,
    /// `pilots`: numbers of voice mail itself: the caller's own mailbox, or that of the user who diverted (R115).
    pub pilots: Vec<String>,
}

/// `[um.plan.NAME]`.
#[derive(Clone, Debug)]
pub struct UmPlan {
    /// The NAME.
    pub name: String,
    /// `servers`: the working set.
    pub servers: Vec<UmServer>,
}

/// One UM server of a dial plan.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum UmServer {
    /// `"embedded"`: Ringpost's own.
    Embedded,
    /// A SIP URI.
    Sip(String),
}

/// `[voicemail]`: the embedded UM.
#[derive(Clone, Debug)]
pub struct Voicemail {
    /// `address`: where its SIP and RTP live. Default 127.0.0.1.
    pub address: IpAddr,
    /// `rtp_ports`: first and last port, inclusive. Default 16384-17383; even ports are used.
    pub rtp_ports: (u16, u16),
    /// `recordings`: the folder of recordings. Default `recordings` beside the store.
    pub recordings: PathBuf,
    /// `greetings`: a folder whose `<language>.wav` files replace the shipped greetings.
    pub greetings: Option<PathBuf>,
    /// `prompts`: a folder whose `<language>/<name>.wav` files replace the shipped words of the menus.
    pub prompts: Option<PathBuf>,
    /// `min_message`: voiced audio below it is no message. Default 2 s.
    pub min_message: Duration,
    /// `max_message`: when a recording is cut. Default 20 min.
    pub max_message: Duration,
    /// `silence`: how much silence ends a recording. Default 5 s.
    pub silence: Duration,
    /// `language`: of the mailboxes' menu until it is known whose mailbox it is. Default `en`.
    pub language: Language,
    /// `menu_silence`: how long a menu waits for a key before it repeats itself. Default 6 s.
    pub menu_silence: Duration,
    /// `max_visit`: how long a caller may stay at the mailboxes. Default 30 min.
    pub max_visit: Duration,
    /// `max_greeting`: the longest greeting that a user records by phone. Default 2 min.
    pub max_greeting: Duration,
    /// `pin_at_own_phone`: a registered device of the owner's needs the PIN as well. Default no.
    pub pin_at_own_phone: bool,
    /// `pin_tries`: wrong PINs that lock a mailbox, and whoever has tried them. Default 5.
    pub pin_tries: u32,
    /// `pin_lock`: for how long. Default 30 min.
    pub pin_lock: Duration,
}

/// `[[user]]`.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// `address`: the address of record, `sip:1001@example.test`.
    pub address: String,
    /// `name`: the display name.
    pub name: Option<String>,
    /// `line`, then `numbers`: every number or user part that reaches the user.
    pub numbers: Vec<String>,
    /// `devices`: SIP URIs that ring at once, beside those that have registered; none of either means offline (R8).
    pub devices: Vec<String>,
    /// `auth_name`, `password`, `password_file`: how the user's devices prove themselves; `None`: they cannot register.
    pub login: Option<UserLogin>,
    /// `ring_for`: the user's own time-out (R2). Default 20 s.
    pub ring_for: Duration,
    /// `um_plan`: a name of `[um.plan.NAME]`; `None`: no UM.
    pub um_plan: Option<String>,
    /// `missed_calls`: who tells.
    pub missed_calls: UserClass,
    /// `forward = "voicemail"`: straight to UM, no device rings (R8).
    pub forward_to_voicemail: bool,
    /// `min_ring`: a caller who gives up after a shorter ring is not told of (R202). Default zero.
    pub min_ring: Duration,
    /// `channels`: the own channels, each entry with those that take over; where left out, those of `[notices]` that can
    /// reach the user.
    pub channels: Entries,
    /// `mail_if_um_refuses`: the own channels tell when UM refuses the INFO for good. Default true where there are any.
    pub mail_if_um_refuses: bool,
    /// `digest_calls`, `digest_within`: missed calls are told together; `None`: each by itself. Default that of `[notices]`.
    pub digest: Option<Gather>,
    /// `returned`: what becomes of a notice that is not told yet when the two have talked; `None`: it is told. Default that
    /// of `[notices]`.
    pub returned: Option<Fate>,
    /// `mail`: the mail address.
    pub mail: Option<String>,
    /// `time_zone`: IANA name. Default `UTC`.
    pub time_zone: String,
    /// `language`. Default `en`.
    pub language: Language,
    /// `pin`, `pin_file`: the mailbox's PIN over the phone, until the user changes it there; `None`: only the own phone gets in.
    pub pin: Option<Secret>,
    /// `greeting`: the user's own WAV file.
    pub greeting: Option<PathBuf>,
    /// `location`: the profile of what the user dials. Default that of `[outbound]`.
    pub location: Option<Arc<Profile>>,
    /// `voicemail_numbers`: numbers that go straight to the user's UM (R115).
    pub voicemail_numbers: Vec<String>,
    /// `voice_policy`: a name of `[voice_policy.NAME]`; `None`: the one of `[routing]`.
    pub voice_policy: Option<String>,
    /// `[user.policy]`.
    pub policy: Policy,
    /// `[user.presence]`, over `[presence]`.
    pub presence: Seen,
    /// `[user.notices]`, over `[notices]`.
    pub notices: Arc<Notices>,
    /// The line, `tel:+4544890101;ext=200` (R24, R25).
    pub line: Option<Tel>,
    /// The keys of `[[user]]` that the site file has: they count before what a directory says.
    pub said: Vec<&'static str>,
}

impl User {
    /// Whether the site file has that key for the user.
    pub fn said(&self, key: &str) -> bool {
        self.said.contains(&key)
    }
}

/// `[mail]`.
#[derive(Clone, Debug)]
pub struct Mail {
    /// `url`.
    pub url: MailUrl,
    /// `from`: the sender's address.
    pub from: String,
    /// `ca`: a PEM file of certificates that are believed beside the system's.
    pub ca: Option<PathBuf>,
    /// `auth`: how the URL's user logs in.
    pub auth: MailAuth,
    /// `password_rest`: how long a refused password is not tried again. Default 15 min.
    pub password_rest: Duration,
}

/// How a mail client logs in (RFC 4954).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum MailAuth {
    /// `password`: PLAIN or LOGIN, whichever the server has.
    #[default]
    Password,
    /// `xoauth2`: the password is an access token; one from a file is read at every login, since it does not live long.
    XOauth2 {
        /// `password_file`.
        file: Option<PathBuf>,
    },
    /// `xoauth2` with a `token_url`: a token of the identity provider, by OAuth 2.0 client credentials.
    OAuth(Box<OAuth>),
}

/// How long a refused password is not tried again, where the site does not say: a directory that locks accounts counts
/// wrong passwords over 10 to 30 minutes.
pub const PASSWORD_REST: Duration = Duration::from_secs(15 * 60);

/// Where mails go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MailUrl {
    /// `smtp://[user@]host:port` or `smtps://…`, `?starttls=required|opportunistic|never`.
    Smtp {
        /// Host name or address.
        host: String,
        /// Port; 25, or 465 with TLS from the start.
        port: u16,
        /// How TLS is used.
        tls: MailTls,
        /// User name and the password, read from `password_file` or the environment.
        login: Option<(String, Secret)>,
    },
    /// `maildir:PATH`: one Maildir per user below PATH.
    Maildir(PathBuf),
}

/// How a mail connection is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MailTls {
    /// TLS from the first octet (`smtps://`).
    Implicit,
    /// STARTTLS or no mail.
    Required,
    /// STARTTLS where the server offers it, with the certificate checked.
    Opportunistic,
    /// Plain text (loopback).
    Never,
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
