//! A site with a user of every channel, each channel's server behind a proxy, and what the servers have been told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    http::Server,
    load::Over,
    proxy::Proxy,
    receivers::{self, Ledger},
    support::{Over as Transport, Peer, Ringpost, Site, metrics, ports, within},
};

/// Mail, a Maildir, a webhook, EWS, Graph, SIP INFO; the last one by a webhook and by mail.
pub const USERS: &[&str] = &["1001", "1002", "1003", "1004", "1005", "1006", "1007"];

/// The channels whose servers have TCP.
pub const REMOTE: [&str; 4] = ["mail", "hook", "exchange", "online"];

pub struct Town {
    ledgers: BTreeMap<&'static str, Ledger>,
    proxies: BTreeMap<&'static str, Proxy>,
    pub metrics: u16,
    um: Um,
    servers: [Server; 3],
}

/// The UM, and how it may be silenced.
struct Um {
    runs: Arc<AtomicBool>,
    answers: Arc<AtomicBool>,
}

impl Town {
    /// With these lines of `[outbox]`; the PBX and the phone of everybody.
    pub fn new(site: Site, outbox: &str) -> (Site, Self, Peer, Peer) {
        let (mail, watched) = (ports(1), ports(1));
        let [pbx, desk, um] = [(); 3].map(|()| site.peer(Transport::Udp));
        let ca = receivers::ca(site.folder.path());
        fs::write(site.folder.path().join("secret"), "pw\n").expect("written");
        let (hook, hooked) = receivers::webhook();
        let (ews, exchanged) = receivers::ews(&ca);
        let (graph, online) = receivers::graph(&ca);
        let mailed = receivers::smtp(mail);
        let um_uri = um.uri();
        let (informed, runs, answers) = receivers::um(um);
        let proxies: BTreeMap<_, _> =
            REMOTE.into_iter().zip([mail, hook.port, ews.port, graph.port].map(Proxy::before)).collect();
        let at = |name: &str| format!("localhost:{}", proxies[name].port);
        let (exchange_at, online_at) = (at("exchange"), at("online"));
        let from = "from = \"ringpost@corp.test\"";
        let site = site
            .table(&format!("[mail]\nurl = \"smtp://127.0.0.1:{}\"\n{from}", proxies["mail"].port))
            .table(&format!("[channel.folder]\nkind = \"maildir\"\npath = \"mail\"\n{from}"))
            .table(&format!(
                "[channel.hook]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{}/\"\ntimeout = \"1s\"",
                proxies["hook"].port
            ))
            .table(&format!(
                "[channel.exchange]\nkind = \"ews\"\nurl = \"https://{exchange_at}/EWS\"\nauth = \"basic\"\nuser = \"svc\"\n\
                 password_file = \"secret\"\n{from}\nca = \"ca.pem\"\nrequest_timeout = \"1s\""
            ))
            .table(&format!(
                "[channel.online]\nkind = \"graph\"\nurl = \"https://{online_at}/v1.0\"\ntoken_url = \"https://{online_at}/token\"\n\
                 client_id = \"app\"\nclient_secret_file = \"secret\"\n{from}\nca = \"ca.pem\""
            ))
            .table(&format!("[outbox]\n{outbox}"))
            .table("[um]\nprobe_after = \"500ms\"\nprobe_longest = \"2s\"\ntimeout = \"500ms\"\nprobe_ramp = \"500ms\"")
            .table(&format!("[metrics]\nlisten = \"127.0.0.1:{watched}\""))
            .plan("lab", &[&um_uri]);
        let names = [
            (0, "[\"mail\"]"),
            (1, "[\"folder\"]"),
            (2, "[\"hook\"]"),
            (3, "[\"exchange\"]"),
            (4, "[\"online\"]"),
        ];
        let user = |channels: &str| {
            format!("missed_calls = \"mail\"\nmail = \"ada@corp.test\"\nchannels = {channels}")
        };
        let site = names
            .into_iter()
            .fold(site, |site, (at, channels)| site.user(USERS[at], &[&desk], &user(channels)))
            .user(USERS[5], &[&desk], "um_plan = \"lab\"")
            .user(USERS[6], &[&desk], &user("[\"hook\", \"mail\"]"));
        let ledgers = [
            ("mail", mailed),
            ("hook", hooked),
            ("exchange", exchanged),
            ("online", online),
            ("um", informed),
        ];
        let town = Self {
            ledgers: ledgers.into_iter().collect(),
            proxies,
            metrics: watched,
            um: Um { runs, answers },
            servers: [hook, ews, graph],
        };
        (site, town, pbx, desk)
    }

    pub fn ledger(&self, name: &str) -> &Ledger {
        &self.ledgers[name]
    }

    pub fn ledgers(&self) -> impl Iterator<Item = (&'static str, &Ledger)> {
        self.ledgers.iter().map(|(name, ledger)| (*name, ledger))
    }

    pub fn proxy(&self, name: &str) -> &Proxy {
        &self.proxies[name]
    }

    /// How often Graph's provider has been asked for a token.
    pub fn tokens(&self) -> usize {
        self.servers[2].asked().iter().filter(|asked| asked.path == "/token").count()
    }

    /// Whether the UM says anything.
    pub fn um_answers(&self, so: bool) {
        self.um.answers.store(so, Relaxed);
    }

    /// Which of these calls a channel that owes a notice of them has not told.
    pub fn untold(&self, over: &[Over], ringpost: &Ringpost) -> Vec<(&'static str, String)> {
        let told: BTreeMap<_, BTreeSet<String>> = self
            .ledgers()
            .map(|(name, ledger)| (name, ledger.calls().into_keys().collect()))
            .chain([("folder", in_folder(ringpost).into_iter().map(|(call, _)| call).collect())])
            .collect();
        let owed = |over: &Over| {
            let channels: &[&'static str] = match over.user {
                "1001" => &["mail"],
                "1002" => &["folder"],
                "1003" => &["hook"],
                "1004" => &["exchange"],
                "1005" => &["online"],
                "1006" => &["um"],
                _ => &["hook", "mail"],
            };
            channels.iter().map(|channel| (*channel, over.call.clone())).collect::<Vec<_>>()
        };
        over.iter().flat_map(owed).filter(|(channel, call)| !told[channel].contains(call)).collect()
    }

    /// Waits until no notice is open any more.
    pub fn settles(&self, patience: Duration) {
        within(patience, "nothing is open any more", || {
            let numbers = self.numbers();
            let open: Vec<_> =
                numbers.lines().filter(|line| line.starts_with("ringpost_notices_open{")).collect();
            !open.is_empty() && open.into_iter().all(|line| line.ends_with(" 0"))
        });
    }

    /// Whether the breaker of a channel is open.
    pub fn is_down(&self, name: &str) -> bool {
        self.numbers().contains(&format!("ringpost_channel_down{{channel=\"{name}\"}} 1"))
    }

    fn numbers(&self) -> String {
        metrics::ask(self.metrics, "GET /metrics HTTP/1.0\r\n\r\n")
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        self.um.runs.store(false, Relaxed);
    }
}

/// The calls and keys of the Maildir.
pub fn in_folder(ringpost: &Ringpost) -> Vec<(String, String)> {
    let mails = ringpost.mails("ada@corp.test");
    let told = |(name, mail): (String, String)| {
        let call =
            mail.lines().find_map(|line| line.strip_prefix("X-CallID: ")).expect("every notice has it");
        let key = name.strip_suffix(".ringpost").expect("our suffix");
        (call.trim().to_owned(), key.to_owned())
    };
    mails.into_iter().map(told).collect()
}
