//! T28: kill -9 at any moment, under load, with every channel.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    http::Server,
    load::{Load, Over},
    receivers::{self, Ledger, Told},
    support::{Over as Transport, Peer, Ringpost, Site, metrics, ports, within},
};

/// By channels: mail, a Maildir, a webhook, EWS, Graph, SIP INFO; the last one by a webhook and by mail.
const USERS: &[&str] = &["1001", "1002", "1003", "1004", "1005", "1006", "1007"];

/// Every channel's server, and what it has heard.
struct Everybody {
    ledgers: Vec<(&'static str, Ledger)>,
    um: Arc<AtomicBool>,
    _servers: [Server; 3],
}

/// The program with a user of each channel.
fn site() -> (Site, Everybody, Peer, Peer, u16) {
    let (site, mail, watched) = (Site::new().log_level("info"), ports(1), ports(1));
    let [pbx, desk, um] = [(); 3].map(|()| site.peer(Transport::Udp));
    let folder = site.folder.path();
    let ca = receivers::ca(folder);
    fs::write(folder.join("secret"), "pw\n").expect("written");
    let (hook, hooked) = receivers::webhook();
    let (ews, exchanged) = receivers::ews(&ca);
    let (graph, online) = receivers::graph(&ca);
    let mailed = receivers::smtp(mail);
    let um_uri = um.uri();
    let (informed, runs) = receivers::um(um);
    let (ews_at, graph_at) =
        (format!("https://localhost:{}", ews.port), format!("https://localhost:{}", graph.port));
    let user =
        |channels: &str| format!("missed_calls = \"mail\"\nmail = \"ada@corp.test\"\nchannels = {channels}");
    let site = site
        .table(&format!("[mail]\nurl = \"smtp://127.0.0.1:{mail}\"\nfrom = \"ringpost@corp.test\""))
        .table("[channel.folder]\nkind = \"maildir\"\npath = \"mail\"\nfrom = \"ringpost@corp.test\"")
        .table(&format!("[channel.hook]\nkind = \"webhook\"\nurl = {:?}", hook.url("/")))
        .table(&format!(
            "[channel.exchange]\nkind = \"ews\"\nurl = \"{ews_at}/EWS\"\nauth = \"basic\"\nuser = \"svc\"\npassword_file = \"secret\"\n\
             from = \"ringpost@corp.test\"\nca = \"ca.pem\"\nrequest_timeout = \"3s\""
        ))
        .table(&format!(
            "[channel.online]\nkind = \"graph\"\nurl = \"{graph_at}/v1.0\"\ntoken_url = \"{graph_at}/token\"\nclient_id = \"app\"\n\
             client_secret_file = \"secret\"\nfrom = \"ringpost@corp.test\"\nca = \"ca.pem\""
        ))
        .table("[outbox]\nfirst_retry = \"100ms\"\nlongest_retry = \"500ms\"")
        .table(&format!("[metrics]\nlisten = \"127.0.0.1:{watched}\""))
        .plan("lab", &[&um_uri])
        .user("1001", &[&desk], &user("[\"mail\"]"))
        .user("1002", &[&desk], &user("[\"folder\"]"))
        .user("1003", &[&desk], &user("[\"hook\"]"))
        .user("1004", &[&desk], &user("[\"exchange\"]"))
        .user("1005", &[&desk], &user("[\"online\"]"))
        .user("1006", &[&desk], "um_plan = \"lab\"")
        .user("1007", &[&desk], &user("[\"hook\", \"mail\"]"));
    let ledgers = vec![
        ("mail", mailed),
        ("hook", hooked),
        ("exchange", exchanged),
        ("online", online),
        ("um", informed),
    ];
    let everybody = Everybody { ledgers, um: runs, _servers: [hook, ews, graph] };
    (site, everybody, pbx, desk, watched)
}

impl Everybody {
    fn ledger(&self, name: &str) -> &Ledger {
        &self.ledgers.iter().find(|(known, _)| *known == name).expect("a channel").1
    }

    /// Which of these calls a channel that owes a notice of them has not told.
    fn untold(&self, over: &[Over], ringpost: &Ringpost) -> Vec<(&'static str, String)> {
        let told: BTreeMap<_, BTreeSet<String>> = self
            .ledgers
            .iter()
            .map(|(name, ledger)| (*name, ledger.calls().into_keys().collect()))
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
}

/// The calls and keys of the Maildir.
fn in_folder(ringpost: &Ringpost) -> Vec<(String, String)> {
    let mails = ringpost.mails("ada@corp.test");
    let told = |(name, mail): (String, String)| {
        let call =
            mail.lines().find_map(|line| line.strip_prefix("X-CallID: ")).expect("every notice has it");
        let key = name.strip_suffix(".ringpost").expect("our suffix");
        (call.trim().to_owned(), key.to_owned())
    };
    mails.into_iter().map(told).collect()
}

/// `RINGPOST_KILLS` is how often, `RINGPOST_SEED` at which moments.
#[test]
fn t28_killed_again_and_again_under_load_every_channel_tells_every_call_and_none_twice() {
    let number = |name: &str| env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let (kills, seed) = (number("RINGPOST_KILLS").unwrap_or(25), number("RINGPOST_SEED").unwrap_or(28));
    let mut moments = fastrand::Rng::with_seed(seed);
    let (site, everybody, pbx, desk, watched) = site();
    let mut ringpost = site.start();
    let begun = Instant::now();
    let load = Load::begin(pbx, desk, USERS, Duration::from_millis(8));
    let mut killed = Vec::new();
    for _ in 0..kills {
        thread::sleep(Duration::from_micros(moments.u64(2_000..200_000)));
        let at = Instant::now();
        ringpost.kill();
        ringpost.restart();
        killed.push((at, Instant::now()));
    }
    let over = load.end();
    let took = begun.elapsed();
    let mut untold = Vec::new();
    let settled = within_or(Duration::from_secs(60), || {
        untold = everybody.untold(&over, &ringpost);
        untold.is_empty()
    });
    assert!(settled, "{} of {} calls are lost: {untold:?}\n{}", untold.len(), over.len(), ringpost.log());
    // Whatever would come twice has come by then.
    within(Duration::from_secs(60), "nothing is open any more", || {
        let numbers = metrics::ask(watched, "GET /metrics HTTP/1.0\r\n\r\n");
        let open = numbers.lines().filter(|line| line.starts_with("ringpost_notices_open{"));
        open.clone().count() > 0 && open.into_iter().all(|line| line.ends_with(" 0"))
    });
    let (again, folder) = (copies(&everybody, &killed), in_folder(&ringpost));
    assert_eq!(
        folder.iter().map(|(call, _)| call).collect::<BTreeSet<_>>().len(),
        folder.len(),
        "none twice"
    );
    assert!(over.len() > 2 * usize::try_from(kills).expect("few"), "calls came in: {}", over.len());
    println!("{kills} kills in {took:?}, seed {seed}: {} calls were over; {again}", over.len());
    everybody.um.store(false, Relaxed);
    ringpost.is_well();
    assert_eq!(ringpost.terminate().code(), Some(0), "{}", ringpost.log());
}

/// Every call has one key wherever it is told, and between two copies lies a kill: from then until the next life, for what a
/// life has sent may be read after its end. What was told, for people.
fn copies(everybody: &Everybody, killed: &[(Instant, Instant)]) -> String {
    let mut words = Vec::new();
    for (name, ledger) in &everybody.ledgers {
        let (mut notices, mut again) = (0, 0);
        for (call, told) in ledger.calls() {
            let keys: BTreeSet<&String> = told.iter().map(|told| &told.key).collect();
            assert_eq!(keys.len(), 1, "{name} has told {call} under several keys");
            for pair in told.windows(2) {
                let between =
                    |pair: &[Told]| killed.iter().any(|(from, to)| *from <= pair[1].at && pair[0].at <= *to);
                assert!(between(pair), "{name} has told {call} twice without a kill in between: {told:?}");
            }
            (notices, again) = (notices + 1, again + told.len() - 1);
        }
        words.push(format!("{name} {notices} and {again} copies"));
    }
    let (hook, mail) = (everybody.ledger("hook").calls(), everybody.ledger("mail").calls());
    for (call, told) in &hook {
        if let Some(mailed) = mail.get(call) {
            assert_eq!(told[0].key, mailed[0].key, "one key for all channels");
        }
    }
    words.join(", ")
}

fn within_or(patience: Duration, mut so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    loop {
        if so() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        thread::sleep(Duration::from_millis(100));
    }
}
