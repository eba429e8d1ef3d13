//! Autodiscover on the wire (R28): the order, redirects, where credentials go, and how long an answer is believed.

use std::{
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use ringpost::{
    outbox::Status::{self, Dead, Delivered},
    settings::{Autodiscover, Ews, EwsServer, Place},
};
use ringpost_actors::channel::{Ews as Channel, token::Tokens};

use crate::{
    authority::{Authority, Pair, params, server_config},
    basic, settings,
    support::{
        by_mail,
        http::{Asked, Reply, Server},
    },
    told,
};

const PATH: &str = "/autodiscover/autodiscover.xml";
const NAMES: [&str; 5] =
    ["corp.test", "autodiscover.corp.test", "cas.corp.test", "evil.test", "mail.corp.test"];
const DONE: &str = "<Envelope><Body><CreateItemResponseMessage><ResponseCode>NoError</ResponseCode></CreateItemResponseMessage></Body></Envelope>";

/// Status, and Location or body, for a request to a host.
type Answers = Vec<(&'static str, u16, String)>;

struct World {
    https: Server,
    http: Server,
    /// Mailboxes have moved: EWS says so once.
    moved: Arc<Mutex<bool>>,
    _folder: tempfile::TempDir,
    settings: Ews,
}

fn host(asked: &Asked) -> String {
    asked.header("host").and_then(|host| host.split(':').next()).unwrap_or_default().to_owned()
}

fn reply(answers: &Answers, asked: &Asked) -> Reply {
    let of = |name: &str| answers.iter().find(|(host, ..)| *host == name);
    match of(&host(asked)) {
        Some((_, status @ 300..400, to)) => Reply::Say(*status, vec![("Location", to.clone())], vec![]),
        Some((_, status, body)) => Reply::Say(*status, vec![], body.clone().into_bytes()),
        None => Reply::Say(404, vec![], vec![]),
    }
}

/// A world whose hosts answer so; `{port}` in an answer is the https one's.
fn world(over_https: Answers, over_http: Answers, keep: Duration) -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("ours");
    let pair: Pair = authority.signs(&params(&NAMES));
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, authority.pem()).expect("a file");
    let moved = Arc::new(Mutex::new(false));
    let (port, moves) = (Arc::new(Mutex::new(0)), moved.clone());
    let known = port.clone();
    let filled = move |answers: &Answers| -> Answers {
        let port = known.lock().expect("whole").to_string();
        answers.iter().map(|(host, status, text)| (*host, *status, text.replace("{port}", &port))).collect()
    };
    let fill = filled.clone();
    let https = Server::start(Some(server_config(&pair)), move |asked| {
        if asked.path != PATH {
            let moved = std::mem::take(&mut *moves.lock().expect("whole"));
            let said =
                if moved { DONE.replace("NoError", "ErrorMailboxMoveInProgress") } else { DONE.into() };
            return Reply::Say(200, vec![], said.into_bytes());
        }
        reply(&fill(&over_https), asked)
    });
    *port.lock().expect("whole") = https.port;
    let http = Server::start(None, move |asked| reply(&filled(&over_http), asked));
    let server = EwsServer::Autodiscover(Autodiscover {
        order: Place::ALL.to_vec(),
        hosts: vec![],
        keep,
        ports: (https.port, http.port),
    });
    let settings = Ews { server, ca: Some(ca), ..settings(String::new(), basic()) };
    World { https, http, moved, _folder: folder, settings }
}

fn found() -> String {
    "<Autodiscover><Response><Account><Protocol><Type>EXCH</Type><EwsUrl>https://mail.corp.test:{port}/EWS</EwsUrl>\
     </Protocol></Account></Response></Autodiscover>"
        .into()
}

impl World {
    /// Tells so many notices; how the last one ended.
    fn tells(&self, channel: &Arc<Channel>, calls: &[&str]) -> Status {
        let items = calls.iter().map(|call| by_mail(call, "tu@corp.test")).collect();
        actix::System::new().block_on(told(channel, Duration::from_millis(500), items)).0
    }

    fn channel(&self) -> Arc<Channel> {
        let names: Vec<_> = NAMES.map(|name| (name.to_owned(), ([127, 0, 0, 1], 0).into())).into();
        Arc::new(Channel::resolving(self.settings.clone(), &Tokens::default(), &names).expect("a channel"))
    }

    /// The hosts that were asked over https, those for EWS in brackets.
    fn asked(&self) -> Vec<String> {
        let told = |asked: Asked| {
            assert!(asked.header("authorization").is_some_and(|value| value.starts_with("Basic ")));
            if asked.path == PATH { host(&asked) } else { format!("({})", host(&asked)) }
        };
        self.https.asked().into_iter().map(told).collect()
    }
}

#[test]
fn r28_places_are_asked_in_their_order_and_credentials_stay_on_https() {
    let ews = "(mail.corp.test)";
    let hour = Duration::from_secs(3600);
    let to_cas = || vec![("autodiscover.corp.test", 302, format!("https://cas.corp.test:{{port}}{PATH}"))];
    let to_evil = || vec![("autodiscover.corp.test", 302, format!("https://evil.test:{{port}}{PATH}"))];
    let (domain, auto) = ("corp.test", "autodiscover.corp.test");
    for (over_https, over_http, asked, plain) in [
        (vec![(domain, 200, found())], vec![], vec![domain, ews], 0),
        (vec![(auto, 200, found())], vec![], vec![domain, auto, ews], 0),
        (vec![("cas.corp.test", 200, found())], to_cas(), vec![domain, auto, "cas.corp.test", ews], 1),
    ] {
        let world = world(over_https, over_http, hour);
        assert_eq!(world.tells(&world.channel(), &["1"]), Delivered, "{asked:?}");
        assert_eq!(world.asked(), asked);
        let on_http = world.http.asked();
        assert_eq!(on_http.len(), plain);
        for asked in on_http {
            assert_eq!((asked.method.as_str(), asked.header("authorization")), ("GET", None));
            assert!(asked.body.is_empty());
        }
    }
    let world = world(vec![("evil.test", 200, found())], to_evil(), hour);
    assert_eq!(world.tells(&world.channel(), &["1"]), Dead);
    assert!(!world.asked().contains(&"evil.test".to_owned()), "no credentials by a redirect of plain http");
}

#[test]
fn an_answer_is_believed_for_its_time_and_until_the_mailbox_moves() {
    let answers = || vec![("corp.test", 200, found())];
    let ews = "(mail.corp.test)";
    let whole = world(answers(), vec![], Duration::from_secs(3600));
    let channel = whole.channel();
    assert_eq!(whole.tells(&channel, &["1", "2"]), Delivered);
    assert_eq!(whole.asked(), ["corp.test", ews, ews]);
    *whole.moved.lock().expect("whole") = true;
    assert_eq!(whole.tells(&channel, &["3"]), Delivered);
    // A server that has the mailbox no more has made nothing, so nothing is looked for.
    assert_eq!(whole.asked()[3..], [ews, "corp.test", ews]);
    let short = world(answers(), vec![], Duration::ZERO);
    assert_eq!(short.tells(&short.channel(), &["1", "2"]), Delivered);
    assert_eq!(short.asked(), ["corp.test", ews, "corp.test", ews]);
}
