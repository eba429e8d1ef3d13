//! T24 and T30: answers that are none, and servers that want to be left alone, for every channel that speaks HTTP.

use std::{
    env, fs,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use ringpost::{
    outbox::Status,
    settings::{
        Ews as EwsSettings, EwsAccess, EwsLogin, EwsServer, EwsVersion, Graph as GraphSettings,
        GraphDelivery, OAuth, PASSWORD_REST, Proof, Secret, Webhook as WebhookSettings,
    },
};
use ringpost_actors::{
    channel::{Channel, Ews, Graph, Webhook, token::Tokens},
    outbox::Post,
};

use crate::{
    http::{Asked, Reply, Server},
    outbox::{by_mail, list, mail_only, outbox, schedule, settled},
    receivers::{Ledger, ews_answers, graph_answers, webhook_answers},
};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Webhook,
    Ews,
    Graph,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Webhook, Self::Ews, Self::Graph];

    fn answers(self, asked: &Asked, kept: &Ledger) -> Reply {
        match self {
            Self::Webhook => webhook_answers(asked, kept),
            Self::Ews => ews_answers(asked, kept),
            Self::Graph => graph_answers(asked, kept),
        }
    }

    fn channel(self, server: &Server) -> Arc<dyn Channel> {
        let patience = Duration::from_millis(700);
        let (url, tokens) = (server.url("/v1.0"), Tokens::default());
        match self {
            Self::Webhook => {
                let (secret, token, ca, template) = (None, None, None, None);
                let settings = WebhookSettings { url, secret, token, ca, timeout: patience, template };
                Arc::new(Webhook::new(settings).expect("a client"))
            }
            Self::Ews => {
                let login = EwsLogin::Basic { user: "svc".into(), password: Secret("pw".into()) };
                let settings = EwsSettings {
                    server: EwsServer::Url(url),
                    login,
                    from: "um@corp.test".into(),
                    access: EwsAccess::Impersonation,
                    version: EwsVersion::Exchange2013,
                    ca: None,
                    request_timeout: patience,
                    password_rest: PASSWORD_REST,
                };
                Arc::new(Ews::new(settings, &tokens).expect("a channel"))
            }
            Self::Graph => {
                let oauth = OAuth {
                    token_url: server.url("/token"),
                    client_id: "app".into(),
                    scope: "https://graph.test/.default".into(),
                    proof: Proof::Secret(Secret("s3cret".into())),
                };
                let (from, deliver) = ("um@corp.test".into(), GraphDelivery::Mime);
                let settings = GraphSettings { url, from, deliver, ca: None, oauth };
                Arc::new(Graph::new(&settings, &tokens).expect("a channel").patient_for(patience))
            }
        }
    }
}

/// What came of a notice.
struct End {
    status: Status,
    /// How often the receiver has done its work.
    deeds: usize,
    /// When it was asked, tokens aside.
    asked: Vec<Instant>,
}

/// Tells a notice to a server whose first answer is `fault`, once it has done its work or without.
async fn told(kind: Kind, done: bool, fault: impl Fn() -> Reply + Send + Sync + 'static) -> End {
    let (ledger, count, times) = (Ledger::default(), AtomicUsize::new(0), Arc::new(Mutex::new(Vec::new())));
    let (kept, noted) = (ledger.clone(), times.clone());
    let server = Server::start(None, move |asked| {
        if asked.path == "/token" {
            return kind.answers(asked, &kept);
        }
        noted.lock().expect("no panic").push(Instant::now());
        if count.fetch_add(1, SeqCst) > 0 {
            return kind.answers(asked, &kept);
        }
        if done {
            kind.answers(asked, &kept);
        }
        fault()
    });
    let channel = kind.channel(&server);
    let (outbox, scribe) = outbox(None, schedule(Duration::from_secs(20)), &mail_only(channel));
    outbox.send(Post(by_mail("1", "tu@corp.test"))).await.expect("alive").expect("written");
    settled(&scribe).await;
    let status = list(&scribe, None).await[0].status;
    let calls = ledger.calls();
    assert!(calls.len() <= 1 && calls.values().flatten().all(|one| one.key == calls["1"][0].key), "one key");
    let asked = times.lock().expect("no panic").clone();
    End { status, deeds: ledger.len(), asked }
}

/// Has a test run in a process of its own, whose memory no other test uses; false: this is that process.
pub fn runs_apart(test: &str) -> bool {
    const APART: &str = "RINGPOST_APART";
    if env::var_os(APART).is_some() {
        return false;
    }
    let mut apart = Command::new(env::current_exe().expect("this test"));
    apart.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(APART, test);
    let done = apart.output().expect("this test starts again");
    let said = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let whole = said(&done.stdout);
    assert!(done.status.success() && whole.contains("1 passed"), "{whole}{}", said(&done.stderr));
    true
}

/// The most memory that this process has had, in KiB.
pub fn most_memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is there");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn ok(length: usize, more: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{more}").into_bytes()
}

type Make = fn() -> Reply;

#[test]
fn t24_an_answer_that_is_none_loses_nothing_and_is_repeated_only_where_nothing_was_confirmed() {
    if runs_apart(
        "answers::t24_an_answer_that_is_none_loses_nothing_and_is_repeated_only_where_nothing_was_confirmed",
    ) {
        return;
    }
    // Whether a status has come: to a webhook that is all.
    let table: [(&str, bool, Make); 12] = [
        ("longer than its length", true, || Reply::Raw(ok(5, "<html><body>"))),
        ("shorter than its length", true, || Reply::Raw(ok(5_000, "<html>"))),
        ("half-closed", true, || Reply::HalfClosed(ok(5_000, "<html>"))),
        ("half-closed in its head", false, || Reply::HalfClosed(b"HTTP/1.1 200 OK\r\nContent-".to_vec())),
        ("100 MB", true, || Reply::Flood(ok(100 << 20, ""), 100 << 20)),
        ("a page", true, || Reply::Say(200, vec![], b"<html><body>Sign in</body></html>".to_vec())),
        ("JSON that is none", true, || Reply::Say(200, vec![], b"{\"value\": [".to_vec())),
        ("a body that trickles", true, || {
            Reply::Trickle(ok(5_000, &"x".repeat(5_000)), Duration::from_millis(4))
        }),
        ("a head that trickles", false, || Reply::Trickle(ok(5, "x"), Duration::from_millis(100))),
        ("a head of any length", false, || Reply::Flood(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), 100 << 20)),
        ("no HTTP", false, || Reply::Raw(b"220 mail.corp.test ESMTP\r\n".to_vec())),
        ("nothing", false, || Reply::Drop),
    ];
    actix::System::new().block_on(async {
        for (name, confirmed, fault) in table {
            let before = most_memory();
            let rows = Kind::ALL.into_iter().flat_map(|kind| [(kind, true), (kind, false)]);
            join_all(rows.map(|(kind, done)| async move {
                let End { status, deeds, asked } = told(kind, done, fault).await;
                let about = format!("{name}, {kind:?}, done: {done}: asked {} times", asked.len());
                assert_eq!(status, Status::Delivered, "{about}");
                let wanted = match (kind, confirmed) {
                    // A webhook that says 200 has the notice, and one that cannot be asked may get it twice.
                    (Kind::Webhook, true) => usize::from(done),
                    (Kind::Webhook, false) => 1 + usize::from(done),
                    (Kind::Ews | Kind::Graph, _) => 1,
                };
                assert_eq!(deeds, wanted, "{about}");
            }))
            .await;
            let more = (most_memory() - before) / 1024;
            assert!(more < 64, "{name}: {more} MiB for six answers of 100 MiB");
        }
    });
}

#[test]
fn t30_whoever_wants_to_be_left_alone_is_and_gets_the_notice_once() {
    let says = |status, retry_after: String| {
        move || Reply::Say(status, vec![("Retry-After", retry_after.clone())], vec![])
    };
    // A date has whole seconds.
    let date = || {
        let at = Timestamp::now().checked_add(SignedDuration::from_secs(3)).expect("a moment");
        at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    actix::System::new().block_on(async {
        let rows = Kind::ALL.into_iter().flat_map(|kind| {
            [429, 503].map(|status| async move {
                let seconds = told(kind, false, says(status, "2".into())).await;
                let until = told(kind, false, move || says(status, date())()).await;
                for (end, form) in [(seconds, "seconds"), (until, "a date")] {
                    let about = format!("{kind:?} {status} with {form}");
                    assert_eq!((end.status, end.deeds), (Status::Delivered, 1), "{about}");
                    // EWS looks for the notice before it makes it.
                    let pause = end.asked[1] - end.asked[0];
                    assert!(pause >= Duration::from_millis(1_990), "{about}: asked again after {pause:?}");
                    assert!(pause < Duration::from_secs(6), "{about}: asked again after {pause:?}");
                }
            })
        });
        join_all(rows).await;
    });
}
