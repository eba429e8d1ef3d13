//! What Ringpost counts and how its parts are: numbers that any thread may bump, written out in the text form of Prometheus.
//!
//! A new number is one line in `numbers!`; it is bumped by `METRICS.name.one()` and shows as `ringpost_name`.

pub mod channels;
pub mod http;
pub mod routes;

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The numbers of this process.
pub static METRICS: Metrics = Metrics::new();

/// A number that only grows.
#[derive(Debug)]
pub struct Counter(AtomicU64);

/// A number that goes up and down.
#[derive(Debug)]
pub struct Gauge(AtomicU64);

impl Counter {
    const KIND: &'static str = "counter";

    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    const KIND: &'static str = "gauge";

    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// So many.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// How many now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! numbers {
    ($($kind:ident $name:ident: $help:literal;)*) => {
        /// Every number by its name, and the health of every part.
        #[derive(Debug)]
        pub struct Metrics {
            $(#[doc = $help] pub $name: $kind,)*
            /// How the parts are.
            pub health: Health,
            /// What each channel has done.
            pub channels: channels::Channels,
            /// What each gateway of each route has done.
            pub routes: routes::Routes,
        }

        impl Metrics {
            const fn new() -> Self {
                Self { $($name: $kind(AtomicU64::new(0)),)* health: Health::new(), channels: channels::Channels::new(), routes: routes::Routes::new() }
            }

            /// Every number as it is now.
            pub fn samples(&self) -> Vec<Sample> {
                vec![$(Sample {
                    name: stringify!($name),
                    kind: $kind::KIND,
                    help: $help,
                    value: self.$name.get(),
                },)*]
            }
        }
    };
}

numbers! {
    Counter calls_total: "Calls begun.";
    Counter notices_returned_total: "Notices dropped or marked because their users had talked with the callers meanwhile.";
    Gauge notices_held: "Notices that wait for their time: quiet hours, digests.";
    Gauge calls_open: "Calls open now.";
    Counter calls_refused_full_total: "Calls answered 503 because max_calls was reached or Ringpost was stopping.";
    Counter calls_refused_toll_total: "Calls to numbers outside, by callers or users' policies, that allowed_prefixes does not allow.";
    Counter calls_refused_voice_policy_total: "Calls to numbers outside, by callers or users' policies, that no usage of a voice policy covers.";
    Counter routed_total: "Calls to numbers outside that left by a route, each once.";
    Counter routes_failed_total: "Calls to numbers outside that every gateway of their routes has failed.";
    Counter gateways_out_total: "Times that a gateway of a route failed a call and is tried last, or not at all, from then on.";
    Counter gateways_back_total: "Times that such a gateway was back.";
    Counter gateway_probes_total: "OPTIONS sent to such gateways.";
    Counter notices_filtered_total: "Missed calls that a user is not told of because of a filter.";
    Counter transfers_total: "Requests to transfer somebody (REFER) that were tried.";
    Counter transfers_refused_total: "Requests to transfer somebody that were refused because of max_transfers.";
    Counter replaced_total: "Legs whose place an INVITE with Replaces has taken.";
    Counter attendant_calls_total: "Calls that an attendant has answered.";
    Counter attendant_led_total: "Callers whom an attendant has led to whom they wanted.";
    Counter attendant_failed_total: "Extensions dialled at an attendant that led to nobody who answers.";
    Counter mailbox_visits_total: "Calls to mailboxes over the phone.";
    Counter wrong_pins_total: "Wrong PINs of mailboxes.";
    Counter mailbox_lock_outs_total: "Mailboxes and sources locked after too many wrong PINs.";
    Counter trunk_next_total: "Calls that went on to the next trunk because one did not take them.";
    Counter trunk_challenges_answered_total: "Digest challenges of trunks that were answered.";
    Counter trunk_challenges_refused_total: "Digest challenges that got no credentials: another realm, inside a dialog, or the login was not taken.";
    Counter trunk_registrations_failed_total: "Registrations at trunks that failed.";
    Counter connections_refused_total: "Connections closed at once because max_connections was reached.";
    Gauge bindings: "Registered devices, counted every ten seconds.";
    Gauge subscriptions: "Subscriptions to users' presence, calls and mailboxes.";
    Gauge rcc_dialogs: "Dialogs of programs that control users' telephones.";
    Counter rcc_requests_total: "Requests of such programs that were let in.";
    Counter rcc_refused_total: "Those of them that were refused.";
    Counter rcc_events_total: "Events that such programs were told.";
    Counter rcc_dialogs_lost_total: "Dialogs that ended because their program did not answer.";
    Gauge rcc_lines: "Telephones that PBXs' CSTA gateways tell of now.";
    Counter rcc_gateway_events_total: "Events that such gateways have told.";
    Counter rcc_gateway_failures_total: "Requests that such gateways have refused or not answered.";
    Counter rcc_gateway_refused_total: "Challenges of such gateways that were not answered.";
    Counter rcc_unknown_ends_total: "Calls that rang at PBXs' telephones when their gateway was lost, and had ended when it was back; nobody is told of them.";
    Counter rcc_missed_total: "Notices of calls that were missed at PBXs' telephones and never came here.";
    Gauge publications: "Publications of users' presence and calls that are valid now.";
    Counter subscribes_total: "SUBSCRIBE requests of watchers that were let in.";
    Counter subscriptions_refused_total: "Those of them that were refused.";
    Counter publishes_total: "PUBLISH requests that were let in.";
    Counter forwarded_counts_total: "Message counts that UM servers at trunks have told (presence.messages_from).";
    Counter forwarded_counts_refused_total: "NOTIFY requests of theirs that were refused.";
    Counter notifies_total: "NOTIFY requests sent to watchers.";
    Counter notify_failures_total: "Subscriptions that ended because their watcher did not take a NOTIFY.";
    Gauge publications_out: "Publications of ours at presence servers ([presence.publish.NAME]).";
    Counter publishes_sent_total: "PUBLISH requests sent to them, further tries after a challenge aside.";
    Gauge subscriptions_out: "Subscriptions of ours at PBXs and presence servers ([[presence.connector]]).";
    Counter subscribes_sent_total: "SUBSCRIBE requests sent to them, further tries after a challenge aside.";
    Counter subscribe_failures_total: "Those of them that were not taken.";
    Counter notifies_heard_total: "NOTIFY requests of such subscriptions.";
    Counter notifies_refused_total: "Those of them that were not taken.";
    Counter publish_failures_total: "Those of them that were not taken.";
    Counter calendar_polls_total: "Questions asked for users' calendars ([presence.calendar.NAME]).";
    Counter calendar_failures_total: "Those of them that were not answered.";
    Gauge calendars: "Users whose calendars are asked for.";
    Counter registers_total: "REGISTER requests answered 200.";
    Counter challenges_total: "Requests answered 401.";
    Counter wrong_passwords_total: "Requests with a wrong password or an unknown user name.";
    Counter lock_outs_total: "Sources locked out for a user after too many wrong passwords.";
    Gauge sources: "Sources (addresses that are no trunk's) that the gate remembers.";
    Gauge banned_sources: "Sources that are banned.";
    Counter bans_total: "Sources banned so far.";
    Counter banned_dropped_total: "Messages of banned sources, dropped in silence.";
    Counter scanners_total: "Requests that named themselves a scanner's.";
    Counter over_rate_total: "Requests answered 503 or not at all because their source sent too many.";
    Counter refusals_silenced_total: "Refusals not sent because their source was told no too often.";
    Counter oversized_total: "Requests refused for too many header fields or Vias or a body too large.";
    Counter forks_refused_total: "Calls refused for their Max-Breadth, or that rang fewer devices because of max_forks.";
    Counter source_connections_refused_total: "Connections closed at once because of connections_per_source or a ban.";
    Counter half_sent_total: "Connections closed because a message was not complete within message_timeout.";
    Counter handshakes_failed_total: "TLS and WebSocket handshakes that failed; the log says why.";
    Counter handshakes_refused_total: "Connections closed at once because tls.handshakes was reached.";
    Counter source_handshakes_refused_total: "Connections closed at once because tls.handshakes_per_source was reached.";
    Counter tls_names_refused_total: "Names that were not looked up because tls.max_names was reached.";
    Counter accept_failures_total: "Times that a listener could not accept a connection; out of files, most likely.";
    Gauge certificate_end: "When the first certificate that `[tls]` names ends, in seconds since 1970; 0: there is none.";
    Gauge certificates_ending: "Certificates that `[tls]` names that end within tls.expiry_warning, or have ended.";
    Counter tls_reloads_total: "Times that changed certificates were read again.";
    Counter dns_cache_hits_total: "Requests to names whose addresses were all known.";
    Counter dns_queries_total: "Questions asked of DNS servers.";
    Counter dns_failures_total: "Questions that no DNS server answered, or not with what helps.";
    Counter dns_timeouts_total: "Requests that waited for the DNS until `[dns] timeout`.";
    Counter dns_stale_total: "Questions that an old answer had to serve for.";
    Counter dns_refused_total: "Questions not asked because of `[dns] max_queries`.";
    Counter targets_failed_total: "SIP servers found by name that did not answer or said 503, so that the next was tried.";
    Counter too_large_for_udp_total: "Requests that went by TCP because of max_udp.";
    Counter back_to_udp_total: "Those of them that went by UDP after all, because nobody took a connection.";
    Gauge um_servers: "UM servers that the dial plans name.";
    Gauge um_servers_out: "UM servers that are out of the working set, or on trial.";
    Counter um_failures_total: "Calls, INFO and OPTIONS that a UM server failed at.";
    Counter um_left_total: "Times that a UM server left the working set.";
    Counter um_readmitted_total: "Times that a UM server came back into the working set.";
    Counter um_probes_total: "OPTIONS sent to UM servers that had left the working set.";
    Counter template_failures_total: "Templates of the site that failed on a notice, which went in Ringpost's own words; each counts once until the site is read again.";
    Counter audio_failures_total: "Recordings that went as they were recorded because their format could not be made.";
    Counter identity_asked_total: "Questions for a caller's name put to a server ([identity.source.NAME]).";
    Counter identity_found_total: "Callers whose name a server has told.";
    Counter identity_failures_total: "Those questions that no answer came to, or one that nobody could read.";
    Counter identity_late_total: "Those that a server that works did not answer in time.";
    Counter identity_spared_total: "Questions not put to a server because it did not answer others.";
    Counter identity_waits_total: "Notices that waited for their caller's name.";
    Gauge directory_persons: "Persons of the directory by LDAP.";
    Gauge directory_users: "Users among them.";
    Gauge directory_read: "When the directory was last read, in seconds since 1970; 0: not yet.";
    Counter directory_polls_total: "Times that the directory was read or asked for changes as a whole.";
    Counter directory_failures_total: "Times that a directory server failed or could not be reached.";
    Counter directory_changes_total: "Entries that came, changed or went.";
    Counter directory_referrals_total: "Referrals that were not followed.";
    Gauge book_entries: "Entries of the address book.";
    Gauge book_made: "When the address book was last made or found unchanged, in seconds since 1970; 0: not since the start.";
    Counter book_failures_total: "Times that it could not be made.";
    Gauge http_connections: "Connections open now at the listeners of `[http]`.";
    Counter http_requests_total: "Requests to them.";
    Counter http_refused_total: "Connections to them closed at once because http.max_connections was reached.";
    Counter http_source_refused_total: "The same because of http.connections_per_source.";
    Counter http_slow_total: "Connections to them closed because a handshake, a request or the taking of an answer was too slow.";
    Counter http_wrong_passwords_total: "Requests to them with a wrong password or an unknown name.";
    Counter http_lock_outs_total: "Sources locked out there after too many of these.";
    Counter logins_refused_total: "Times that a mail server or Exchange refused the user name or the password.";
    Counter faults_total: "Faults (panics) that were caught; each is a bug worth a report.";
    Counter restarts_total: "Parts that ended by a fault and were started again.";
}

/// A number as it was.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Its name without the prefix `ringpost_`.
    pub name: &'static str,
    /// `counter` or `gauge`.
    pub kind: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Its value.
    pub value: u64,
}

/// How a part of Ringpost is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// It works.
    Green,
    /// Something that others can do without is missing; why.
    Yellow(String),
    /// It does not work; why.
    Red(String),
}

impl State {
    /// 0 green, 1 yellow, 2 red.
    fn number(&self) -> u8 {
        match self {
            Self::Green => 0,
            Self::Yellow(_) => 1,
            Self::Red(_) => 2,
        }
    }
}

/// The health of every part by its name, such as `trunk pbx` or `lane 0 udp 127.0.0.1:5060`.
#[derive(Debug)]
pub struct Health(Mutex<BTreeMap<String, State>>);

impl Health {
    const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// A part is so from now on; for a change, not for every message.
    pub fn set(&self, part: &str, state: State) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(part.to_owned(), state);
    }

    /// A part that exists no more.
    pub fn forget(&self, part: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(part);
    }

    /// Every part, sorted by name.
    pub fn parts(&self) -> Vec<(String, State)> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().map(|(part, state)| (part.clone(), state.clone())).collect()
    }
}

/// Writes numbers and health in the text form of Prometheus (version 0.0.4).
pub fn exposition(samples: &[Sample], parts: &[(String, State)]) -> String {
    let mut text = String::new();
    for Sample { name, kind, help, value } in samples {
        let _ = writeln!(
            text,
            "# HELP ringpost_{name} {help}\n# TYPE ringpost_{name} {kind}\nringpost_{name} {value}"
        );
    }
    if !parts.is_empty() {
        text.push_str("# HELP ringpost_health 0 green, 1 yellow, 2 red.\n# TYPE ringpost_health gauge\n");
    }
    for (part, state) in parts {
        let part = part.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = writeln!(text, "ringpost_health{{part=\"{part}\"}} {}", state.number());
    }
    text
}

/// The answer to "how are you?": false where a part is red, and one line per part.
pub fn health(parts: &[(String, State)]) -> (bool, String) {
    let mut text = String::new();
    for (part, state) in parts {
        let _ = match state {
            State::Green => writeln!(text, "green {part}"),
            State::Yellow(why) => writeln!(text, "yellow {part}: {why}"),
            State::Red(why) => writeln!(text, "red {part}: {why}"),
        };
    }
    (!parts.iter().any(|(_, state)| matches!(state, State::Red(_))), text)
}
