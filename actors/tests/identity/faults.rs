//! Servers that are dead, slow or lie: the notice goes with the number all the same, and in time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    Scene,
    authority::{Authority, params, server_config},
    exchange::{Exchange, Fault},
    keeps_quiet, listed, missed,
    program::{metrics, ports, until, within},
    subject,
    support::http::{Asked, Reply, Server},
};

const TIMEOUT: Duration = Duration::from_millis(700);

/// Names that are none, and numbers that are.
fn contacts(name: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><FindItemResponse><ResponseMessages>\
         <FindItemResponseMessage ResponseClass=\"Success\"><ResponseCode>NoError</ResponseCode>\
         <RootFolder TotalItemsInView=\"1\" IncludesLastItemInRange=\"true\"><Items><Contact><DisplayName>{name}</DisplayName>\
         <PhoneNumbers><Entry Key=\"MobilePhone\">+4544890101</Entry></PhoneNumbers></Contact></Items></RootFolder>\
         </FindItemResponseMessage></ResponseMessages></FindItemResponse></s:Body></s:Envelope>"
    )
}

fn good(name: &str) -> Reply {
    Reply::Say(200, vec![("Content-Type", "text/xml".into())], contacts(name).into_bytes())
}

fn head(length: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n").into_bytes()
}

/// A row of the table: the callee's number, what the server does, and who the mail says has called.
type Row = (&'static str, fn() -> Reply, &'static str);

const ROWS: [Row; 17] = [
    ("2001", || good("Ida Private"), "Ida Private"),
    ("2002", || Reply::Hang, "Ada Caller"),
    ("2003", || Reply::Drop, "Ada Caller"),
    ("2004", || Reply::Say(200, vec![], b"<html>proxy error".to_vec()), "Ada Caller"),
    ("2005", || Reply::Flood(head(100 << 20), 100 << 20), "Ada Caller"),
    ("2006", || Reply::Raw([head(5000), contacts("Half").into_bytes()].concat()), "Ada Caller"),
    (
        "2007",
        || Reply::Trickle([head(5000), contacts("Slow").into_bytes()].concat(), Duration::from_millis(20)),
        "Ada Caller",
    ),
    ("2008", || good("Ida&#13;&#10;Bcc: evil@x.test&#10;&#8238;Private"), "Ida Bcc: evil@x.test Private"),
    ("2009", || good(&"x".repeat(10_240)), "xxxxxxxxxxxxxxxxxxxx"),
    ("2010", || good("&#1;"), "Ada Caller"),
    ("2011", || good("   "), "Ada Caller"),
    ("2012", || good("{{ 7*7 }}&lt;script&gt;"), "{{ 7*7 }}<script>"),
    ("2013", || Reply::Say(401, vec![], vec![]), "Ada Caller"),
    ("2014", || Reply::Say(302, vec![("Location", "http://127.0.0.1:1/".into())], vec![]), "Ada Caller"),
    (
        "2015",
        || {
            Reply::Say(
                200,
                vec![],
                format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{}", contacts("&b;")).into_bytes(),
            )
        },
        "Ada Caller",
    ),
    (
        "2016",
        || Reply::Say(500, vec![], contacts("Ida").replace("NoError", "ErrorAccessDenied").into_bytes()),
        "Ada Caller",
    ),
    ("2017", || Reply::Raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), "Ada Caller"),
];

fn server(scene: &Scene, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (Server, String) {
    let ours = Authority::new("ours");
    ours.site(scene.site.folder.path(), &["127.0.0.1"]);
    let server = Server::start(Some(server_config(&ours.signs(&params(&["127.0.0.1"])))), answer);
    let url = format!("https://127.0.0.1:{}/EWS/Exchange.asmx", server.port);
    (server, url)
}

#[test]
fn t24_t35_whatever_a_source_answers_the_notice_goes_in_time_and_its_text_is_clean() {
    let scene = Scene::new();
    let (_server, url) = server(&scene, |asked| {
        let row = ROWS.iter().find(|(user, ..)| asked.text().contains(&format!("{user}@corp.test")));
        row.expect("a mailbox of the table").1()
    });
    let scene = scene
        .with("[identity]\nfailures = 100")
        .exchange(&url, &format!("timeout = \"{}ms\"", TIMEOUT.as_millis()));
    let Scene { site, mut pbx, mut desk } = ROWS.iter().fold(scene, |scene, (user, ..)| scene.user(user));
    let ringpost = site.start();
    let before = ringpost.resident();
    for (user, _, name) in ROWS {
        missed(&mut pbx, &mut desk, user, || {});
        let ended = Instant::now();
        let mails = ringpost.has_mails(&format!("{user}@corp.test"), 1);
        // It was asked when it rang; what comes on top is the disk's and the test's.
        assert!(ended.elapsed() < TIMEOUT + Duration::from_secs(2), "{user}: {:?}", ended.elapsed());
        assert!(subject(&mails[0].1).contains(name), "{user}: {}", mails[0].1);
        assert!(!mails[0].1.lines().any(|line| line.starts_with("Bcc:")), "{user}");
        assert!(mails[0].1.contains("+4544890101"), "{user}: the number in any case");
    }
    assert!(
        ringpost.resident() < before + 60_000,
        "100 MB were not kept: {} KiB",
        ringpost.resident() - before
    );
    keeps_quiet(&ringpost, &["Ida", "4489", "evil"]);
    ringpost.is_well();
}

#[test]
fn t21_a_source_with_a_wrong_certificate_or_none_at_all_is_told_nothing() {
    let ours = Authority::new("ours");
    let others = Authority::new("others").signs(&params(&["127.0.0.1"]));
    let wrong_name = ours.signs(&params(&["mail.corp.test"]));
    let closed = ports(1);
    for (what, pair) in
        [("another CA", Some(others)), ("another name", Some(wrong_name)), ("nobody there", None)]
    {
        let server = pair.map(|pair| Server::start(Some(server_config(&pair)), |_| good("Ida Private")));
        let port = server.as_ref().map_or(closed, |server| server.port);
        let scene = Scene::new();
        ours.site(scene.site.folder.path(), &["127.0.0.1"]);
        let url = format!("https://127.0.0.1:{port}/EWS/Exchange.asmx");
        let Scene { site, mut pbx, mut desk } = scene.exchange(&url, "timeout = \"30s\"").user("2001");
        let ringpost = site.start();
        missed(&mut pbx, &mut desk, "2001", || {});
        let mails = ringpost.has_mails("2001@corp.test", 1);
        assert!(subject(&mails[0].1).contains("Ada Caller"), "{what}, and at once: {}", mails[0].1);
        assert_eq!(server.map_or(0, |server| server.asked().len()), 0, "{what}");
    }
}

#[test]
fn t24_t35_graph_may_answer_what_it_likes() {
    let scene = Scene::new();
    let ours = Authority::new("ours");
    ours.site(scene.site.folder.path(), &["127.0.0.1"]);
    let graph = Exchange::start(Some(server_config(&ours.signs(&params(&["127.0.0.1"])))));
    std::fs::write(scene.site.folder.path().join("online.secret"), "s3cret\n").expect("a file");
    let faults: [(&str, Option<Fault>); 9] = [
        ("2001", Some(Fault::Says(429, "TooManyRequests", Some("1")))),
        ("2002", Some(Fault::Says(503, "ServiceUnavailable", None))),
        ("2003", Some(Fault::Says(403, "ErrorAccessDenied", None))),
        ("2004", Some(Fault::Says(404, "ErrorNonExistentMailbox", None))),
        (
            "2005",
            Some(Fault::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n<html>proxy error".to_vec())),
        ),
        ("2006", Some(Fault::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"value\": [".to_vec()))),
        ("2007", Some(Fault::Flood(head(100 << 20), 100 << 20))),
        ("2008", Some(Fault::Hang)),
        ("2009", None),
    ];
    for (user, _) in &faults {
        let one = json!({"displayName": "Ida Online", "mobilePhone": "+45 4489 0101"});
        graph.knows(&format!("{user}@corp.test"), vec![one]);
    }
    let scene = scene.with("[identity]\nfailures = 100").with(&format!(
        "[channel.online]\nkind = \"graph\"\nurl = {:?}\ntoken_url = {:?}\nclient_id = \"app\"\n\
         client_secret_file = \"online.secret\"\nfrom = \"um@corp.test\"\nca = \"ca/own.pem\"\n\
         [identity.source.own]\nkind = \"graph\"\nchannel = \"online\"\ntimeout = \"{}ms\"",
        graph.url("/v1.0"),
        graph.url("/t/token"),
        TIMEOUT.as_millis()
    ));
    let Scene { site, mut pbx, mut desk } = faults.iter().fold(scene, |scene, (user, _)| scene.user(user));
    let ringpost = site.start();
    for (user, fault) in faults {
        let name = if fault.is_none() { "Ida Online" } else { "Ada Caller" };
        graph.fails(fault);
        // It rings until it is asked, so that each fault meets its own call.
        let asked = graph.requests().len();
        missed(&mut pbx, &mut desk, user, || until("it is asked", || graph.requests().len() > asked));
        let ended = Instant::now();
        let mails = ringpost.has_mails(&format!("{user}@corp.test"), 1);
        assert!(ended.elapsed() < TIMEOUT + Duration::from_secs(2), "{user}: {:?}", ended.elapsed());
        assert!(subject(&mails[0].1).contains(name), "{user}: {}", mails[0].1);
    }
    keeps_quiet(&ringpost, &["Ida", "4489", "alice"]);
}

/// Contact number `at` of three, one in each part.
fn part(asked: &Asked) -> Vec<u8> {
    let at: usize = (0..3).rfind(|at| asked.text().contains(&format!("Offset=\"{at}\""))).expect("a part");
    let number = if at == 2 { "+4544890101".to_owned() } else { format!("+45{at}") };
    contacts("Ida Private")
        .replace("+4544890101", &number)
        .replace(
            "IncludesLastItemInRange=\"true\"",
            &format!("IndexedPagingOffset=\"{}\" IncludesLastItemInRange=\"{}\"", at + 1, at == 2),
        )
        .into_bytes()
}

#[test]
fn a_list_that_takes_too_long_for_one_call_is_there_for_the_next() {
    let scene = Scene::new();
    let (server, url) = server(&scene, |asked| {
        // Three parts take longer than a notice waits, each of them does not.
        std::thread::sleep(Duration::from_millis(800));
        Reply::Say(200, vec![("Content-Type", "text/xml".into())], part(asked))
    });
    let scene = scene.exchange(&url, "timeout = \"1500ms\"");
    let Scene { site, mut pbx, mut desk } = scene.user("2001");
    let ringpost = site.start();
    missed(&mut pbx, &mut desk, "2001", || {});
    let mails = ringpost.has_mails("2001@corp.test", 1);
    assert!(subject(&mails[0].1).contains("Ada Caller"), "in time, with the number: {}", mails[0].1);
    until("the list is read", || server.asked().len() == 3);
    let mut count = 1;
    until("the list is there", || {
        count += 1;
        missed(&mut pbx, &mut desk, "2001", || {});
        let mails = ringpost.has_mails("2001@corp.test", count);
        mails.iter().any(|(_, mail)| subject(mail).contains("Ida Private"))
    });
    assert_eq!(server.asked().len(), 3, "nobody has read it again");
    assert!(!ringpost.log().contains("is left alone"), "slow is not dead");
}

#[test]
fn t35_what_was_known_of_a_dead_source_serves_on_at_once() {
    let scene = Scene::new();
    let dead = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&dead);
    let (server, url) =
        server(&scene, move |_| if state.load(SeqCst) { Reply::Hang } else { good("Ida Private") });
    let scene = scene.with("[identity]\nkeep = \"50ms\"\nfailures = 1\nrest = \"1h\"");
    let scene = scene.exchange(&url, "refresh = \"50ms\"\ntimeout = \"300ms\"");
    let Scene { site, mut pbx, mut desk } = scene.user("2001");
    let ringpost = site.start();
    missed(&mut pbx, &mut desk, "2001", || {});
    ringpost.has_mails("2001@corp.test", 1);
    dead.store(true, SeqCst);
    desk.silent_for(Duration::from_millis(60));
    missed(&mut pbx, &mut desk, "2001", || until("it is asked again", || server.asked().len() == 2));
    ringpost.has_mails("2001@corp.test", 2);
    ringpost.logs("A source of names is left alone for a while");
    missed(&mut pbx, &mut desk, "2001", || {});
    let mails = ringpost.has_mails("2001@corp.test", 3);
    assert!(mails.iter().all(|(_, mail)| subject(mail).contains("Ida Private")), "{mails:?}");
    assert_eq!(server.asked().len(), 2, "and nobody asks");
}

#[test]
fn r205_a_dead_source_hides_no_other_and_delays_it_no_longer_than_its_time_out() {
    let scene = Scene::new();
    let ours = Authority::new("ours");
    ours.site(scene.site.folder.path(), &["127.0.0.1"]);
    let tls = || Some(server_config(&ours.signs(&params(&["127.0.0.1"]))));
    let (dead, well) = (Server::start(tls(), |_| Reply::Hang), Server::start(tls(), |_| good("Ida Private")));
    let url = |server: &Server| format!("https://127.0.0.1:{}/EWS/Exchange.asmx", server.port);
    let scene = scene.with("[identity]\norder = [\"own\", \"second\", \"users\"]");
    let scene =
        scene.exchange(&url(&dead), &format!("timeout = \"{}ms\"", TIMEOUT.as_millis())).with(&format!(
            "[channel.second]\nkind = \"ews\"\nurl = {:?}\nauth = \"basic\"\nuser = \"svc@corp.test\"\n\
         password_file = \"exchange.password\"\nfrom = \"um@corp.test\"\nca = \"ca/own.pem\"\n\
         [identity.source.second]\nkind = \"ews\"\nchannel = \"second\"\ntimeout = \"30s\"",
            url(&well)
        ));
    let Scene { site, mut pbx, mut desk } = scene.user("2001");
    let ringpost = site.start();
    let began = Instant::now();
    missed(&mut pbx, &mut desk, "2001", || {
        until("both are asked", || dead.asked().len() + well.asked().len() == 2)
    });
    let mails = ringpost.has_mails("2001@corp.test", 1);
    let took = began.elapsed();
    assert!(subject(&mails[0].1).contains("Ida Private"), "{}", mails[0].1);
    assert!(took >= TIMEOUT && took < TIMEOUT + Duration::from_secs(2), "{took:?}");
    assert_eq!(listed(&ringpost)[0]["item"]["notice"]["caller"]["source"], "second");
}

#[test]
fn every_try_of_a_notice_says_the_same_name() {
    let scene = Scene::new();
    let (_exchange, url) = server(&scene, {
        let asked = AtomicUsize::new(0);
        move |_| if asked.fetch_add(1, SeqCst) == 0 { good("Ida Private") } else { good("Eva Later") }
    });
    let takes = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&takes);
    let hook =
        Server::start(None, move |_| Reply::Say(if state.load(SeqCst) { 204 } else { 503 }, vec![], vec![]));
    let scene = scene
        .exchange(&url, "")
        .with(&format!("[channel.hook]\nkind = \"webhook\"\nurl = {:?}", hook.url("/in")));
    let Scene { site, mut pbx, mut desk } = scene;
    let user = "missed_calls = \"mail\"\nmail = \"2001@corp.test\"\nchannels = [\"hook\"]";
    let mut ringpost = site.user("2001", &[&desk], user).start();
    missed(&mut pbx, &mut desk, "2001", || {});
    until("it is tried", || !hook.asked().is_empty());
    ringpost.kill();
    takes.store(true, SeqCst);
    ringpost.restart();
    until("it is told", || listed(&ringpost)[0]["status"] == "delivered");
    for asked in hook.asked() {
        let event: Value = serde_json::from_slice(&asked.body).expect("JSON");
        assert_eq!(event["data"]["caller"]["name"], "Ida Private", "{event}");
    }
    assert!(hook.asked().len() >= 2);
}

#[test]
fn t35_a_dead_source_costs_its_time_out_a_few_times_then_nothing_and_comes_back_by_itself() {
    let scene = Scene::new();
    let well = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&well);
    let (server, url) =
        server(&scene, move |_| if state.load(SeqCst) { good("Ida Private") } else { Reply::Hang });
    let port = ports(1);
    let scene = scene
        .with(&format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\n[identity]\nfailures = 2\nrest = \"1s\""));
    let scene = scene.exchange(&url, &format!("timeout = \"{}ms\"", TIMEOUT.as_millis()));
    let users = ["2001", "2002", "2003", "2004"];
    let Scene { site, mut pbx, mut desk } = users.iter().fold(scene, |scene, user| scene.user(user));
    let ringpost = site.start();
    let mut told = |user: &str, count: usize| {
        let began = Instant::now();
        missed(&mut pbx, &mut desk, user, || {});
        let (call, mails) = (began.elapsed(), ringpost.has_mails(&format!("{user}@corp.test"), count));
        // T35: a call never waits for a source.
        assert!(call < Duration::from_millis(600), "the call took {call:?}");
        (began.elapsed(), mails.iter().filter(|(_, mail)| subject(mail).contains("Ida Private")).count())
    };
    for user in &users[..2] {
        let (time, named) = told(user, 1);
        assert!(time >= TIMEOUT && named == 0, "{user} waits for the time-out: {time:?}");
    }
    ringpost.logs("A source of names is left alone for a while source=\"own\"");
    let number = |name: &str| metrics::number(port, name);
    let asked = server.asked().len();
    let (time, named) = told(users[2], 1);
    assert!(named == 0 && (number("identity_spared_total") == 1 || time >= TIMEOUT), "{time:?}");
    assert!(server.asked().len() <= asked + 1);
    well.store(true, SeqCst);
    let back = Instant::now();
    let mut count = 0;
    within(Duration::from_secs(5), "it is asked again within 5 s", || {
        count += 1;
        told(users[3], count).1 > 0
    });
    assert!(back.elapsed() < Duration::from_secs(5));
    ringpost.logs("A source of names answers again source=\"own\"");
    assert!(number("identity_failures_total") >= 2 && number("identity_found_total") >= 1);
    ringpost.is_well();
}

#[test]
fn a_kill_while_a_name_is_looked_for_loses_neither_the_notice_nor_the_name() {
    let scene = Scene::new();
    let well = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&well);
    let (server, url) =
        server(&scene, move |_| if state.load(SeqCst) { good("Ida Private") } else { Reply::Hang });
    let Scene { site, mut pbx, mut desk } = scene.exchange(&url, "timeout = \"30s\"").user("2001");
    let mut ringpost = site.start();
    missed(&mut pbx, &mut desk, "2001", || until("it is asked", || !server.asked().is_empty()));
    // It is on the disk with its number, and waits.
    let waiting = listed(&ringpost);
    let caller = &waiting[0]["item"]["notice"]["caller"];
    assert_eq!(
        (caller["number"].as_str(), caller["sought"].as_bool()),
        (Some("+4544890101"), Some(true)),
        "{caller}"
    );
    assert_eq!(ringpost.mails("2001@corp.test").len(), 0);
    ringpost.kill();
    well.store(true, SeqCst);
    ringpost.restart();
    let mails = ringpost.has_mails("2001@corp.test", 1);
    assert!(subject(&mails[0].1).contains("Ida Private"), "{}", mails[0].1);
    until("it is closed", || listed(&ringpost)[0]["status"] == "delivered");
    let caller = &listed(&ringpost)[0]["item"]["notice"]["caller"];
    assert_eq!((caller["source"].as_str(), caller["sought"].as_bool()), (Some("own"), None), "{caller}");
}
