//! Notices by HTTP: what a receiver gets, and what its answers mean (ROBUSTNESS T15, T21, T30).

mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use ringpost::{
    notify::webhook::{Body, Template, verify},
    outbox::{Delivery, Key, Status},
    settings::{self, ChannelKind, Secret},
};
use ringpost_actors::{
    channel::{Channel, Webhook},
    load,
    outbox::PostAll,
};
use serde_json::Value;
use support::{
    Running, by_mail,
    certificates::{Ca, Flaw},
    chain,
    http::{Reply, Server},
    list, outbox, schedule, settled,
};

const SECRET: &str = "a long secret";

fn settings(url: String) -> settings::Webhook {
    settings::Webhook {
        url,
        secret: Some(Secret(SECRET.into())),
        token: None,
        ca: None,
        timeout: Duration::from_millis(700),
        template: None,
    }
}

fn hook(url: String) -> Arc<dyn Channel> {
    Arc::new(Webhook::new(settings(url)).expect("a client"))
}

fn run(test: impl Future<Output = ()>) {
    actix::System::new().block_on(test);
}

#[test]
fn a_notice_is_one_signed_cloud_event() {
    run(async {
        let server = Server::start(None, |_| Reply::Say(202, vec![], vec![]));
        let mut settings = settings(server.url("/in?x=1"));
        settings.token = Some(("X-Api-Key".into(), Secret("t0ken".into())));
        let item = by_mail("c1@pbx", "tu@x.test");
        let delivered = Webhook::new(settings).expect("a client").deliver(&item).await;
        assert_eq!(delivered, Delivery::Delivered);
        let asked = &server.asked()[0];
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/in?x=1"));
        assert_eq!(asked.header("content-type"), Some("application/cloudevents+json; charset=utf-8"));
        assert_eq!(asked.header("x-api-key"), Some("t0ken"));
        let key = Key::of(&item.notice);
        assert_eq!(asked.header("idempotency-key"), Some(key.as_str()));
        let signature = asked.header("ringpost-signature").expect("a signature");
        let now = jiff::Timestamp::now().as_second();
        assert_eq!(verify(SECRET.as_bytes(), signature, now, &asked.body), Ok(()));
        let event: Value = serde_json::from_slice(&asked.body).expect("JSON");
        for (pointer, value) in [
            ("/specversion", "1.0"),
            ("/id", key.as_str()),
            ("/source", "/ringpost"),
            ("/type", "ringpost.missed-call"),
            ("/subject", "sip:tu@x.test"),
            ("/time", &item.posted.to_string()),
            ("/data/caller/number", "+4544890101"),
            ("/data/came_in", "2026-04-11T09:12:33Z"),
            ("/data/summary", "Missed call from Luka Å"),
        ] {
            assert_eq!(event.pointer(pointer).and_then(Value::as_str), Some(value), "{pointer} of {event}");
        }
    });
}

#[test]
fn every_answer_means_what_it_should() {
    run(async {
        let server = Server::start(None, |asked| match asked.path.trim_start_matches('/') {
            "hang" => Reply::Hang,
            "drop" => Reply::Drop,
            "noise" => Reply::Raw(b"\0\xff no HTTP at all\r\n\r\n".to_vec()),
            "302" => Reply::Say(302, vec![("Location", "http://127.0.0.1:1/elsewhere".into())], vec![]),
            "rest" => Reply::Say(503, vec![("Retry-After", "120".into())], vec![]),
            "slow-down" => Reply::Say(429, vec![("Retry-After", "7".into())], vec![]),
            status => Reply::Say(
                status.parse().expect("a status"),
                vec![],
                b"no reason that anybody reads".to_vec(),
            ),
        });
        for (path, end, rest) in [
            ("200", "delivered", None),
            ("204", "delivered", None),
            ("302", "never", None),
            ("400", "never", None),
            ("401", "down", Some(60)),
            ("403", "down", Some(60)),
            ("404", "never", None),
            ("410", "never", None),
            ("413", "never", None),
            ("408", "later", None),
            ("425", "later", None),
            ("500", "later", None),
            ("429", "down", None),
            ("slow-down", "down", Some(7)),
            ("502", "down", None),
            ("503", "down", None),
            ("rest", "down", Some(120)),
            ("504", "down", None),
            ("hang", "down", None),
            ("drop", "down", None),
            ("noise", "down", None),
        ] {
            let delivery = hook(server.url(&format!("/{path}"))).deliver(&by_mail("1", "tu@x.test")).await;
            let (found, not_before) = match &delivery {
                Delivery::Delivered => ("delivered", None),
                Delivery::Never { .. } => ("never", None),
                Delivery::Later { not_before, .. } => ("later", *not_before),
                Delivery::Down { not_before, .. } => ("down", *not_before),
                Delivery::Lost { wait, .. } => ("lost", Some(*wait)),
                Delivery::Unsure(_) => ("unsure", None),
            };
            assert_eq!((found, not_before), (end, rest.map(Duration::from_secs)), "{path}: {delivery:?}");
        }
        let redirected = server.asked().iter().filter(|asked| asked.path == "/302").count();
        assert_eq!(redirected, 1, "a redirect is not followed");
    });
}

#[test]
fn only_a_server_with_a_certificate_for_it_hears_anything() {
    run(async {
        let ca = Ca::new();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        fs::write(&path, ca.pem()).expect("written");
        for (flaw, word) in [
            (Flaw::Nothing, ""),
            (Flaw::WrongName, "not valid for name"),
            (Flaw::Expired, "expired"),
            (Flaw::TooEarly, "not valid yet"),
            (Flaw::SelfSigned, "certificate"),
        ] {
            let server = Server::start(Some(ca.serves(flaw).config), |_| Reply::Say(200, vec![], vec![]));
            let url = format!("https://127.0.0.1:{}/", server.port);
            let settings = settings::Webhook { ca: Some(path.clone()), ..settings(url.clone()) };
            let delivery =
                Webhook::new(settings).expect("a client").deliver(&by_mail("1", "tu@x.test")).await;
            match (flaw, &delivery) {
                (Flaw::Nothing, delivery) => assert_eq!(*delivery, Delivery::Delivered),
                (_, Delivery::Down { reason, .. }) => assert!(reason.contains(word), "{flaw:?}: {reason}"),
                (_, other) => panic!("{flaw:?}: {other:?}"),
            }
            assert_eq!(server.asked().len(), usize::from(flaw == Flaw::Nothing), "{flaw:?}");
            // The system's roots know nothing of this CA.
            let unknown = hook(url).deliver(&by_mail("1", "tu@x.test")).await;
            assert!(matches!(unknown, Delivery::Down { .. }), "{unknown:?}");
        }
    });
}

#[test]
fn t30_a_server_that_asks_for_rest_gets_it_and_the_notice_goes_once() {
    run(async {
        let count = AtomicUsize::new(0);
        let server = Server::start(None, move |_| match count.fetch_add(1, SeqCst) {
            0 => Reply::Say(429, vec![("Retry-After", "1".into())], vec![]),
            1 => Reply::Say(503, vec![("Retry-After", "1".into())], vec![]),
            _ => Reply::Say(200, vec![], vec![]),
        });
        let (outbox, scribe) =
            outbox(None, schedule(Duration::from_secs(600)), &[("hook", hook(server.url("/")))]);
        let begun = Instant::now();
        let notice = by_mail("1", "tu@x.test").notice;
        let items = ringpost::outbox::items(
            &notice,
            &[chain(&["hook"])],
            jiff::Timestamp::now(),
            &Default::default(),
        );
        outbox.send(PostAll(items)).await.expect("alive").expect("written");
        settled(&scribe).await;
        assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
        let asked = server.asked();
        assert_eq!(asked.len(), 3);
        assert!(asked.iter().all(|one| one.body == asked[0].body), "every try is the same event");
    });
}

#[test]
fn the_receiver_of_the_examples_takes_our_notices_and_nobody_elses() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    fs::write(&secret, format!("{SECRET}\n")).expect("written");
    let Some((port, _running, mut lines)) = receiver(&secret) else {
        return println!("skipped: no python3");
    };
    let url = format!("http://127.0.0.1:{port}/");
    run(async {
        let (outbox, scribe) =
            outbox(None, schedule(Duration::from_secs(600)), &[("hook", hook(url.clone()))]);
        let mut item = by_mail("1", "tu@x.test");
        item.notice.caller.name = Some("Eve\", \"type\": \"x\r\n".into());
        let items = ringpost::outbox::items(&item.notice, &[chain(&["hook"])], item.posted, &item.wish);
        outbox.send(PostAll(items)).await.expect("alive").expect("written");
        settled(&scribe).await;
        assert_eq!(list(&scribe, Some(Status::Delivered)).await.len(), 1);
        // A try whose answer was lost comes again and is told once; who has another secret is refused.
        assert_eq!(hook(url.clone()).deliver(&item).await, Delivery::Delivered);
        let stranger = settings::Webhook { secret: Some(Secret("guessed".into())), ..settings(url.clone()) };
        let refused = Webhook::new(stranger).expect("a client").deliver(&item).await;
        assert!(matches!(refused, Delivery::Down { .. }), "{refused:?}");
        // What was heard six minutes ago does not count any more.
        let old = ringpost::notify::webhook::sign(
            SECRET.as_bytes(),
            jiff::Timestamp::now().as_second() - 360,
            b"{}",
        );
        let replayed = reqwest_post(&url, &old).await;
        assert_eq!(replayed, 401);
    });
    let told = lines.next().expect("a line").expect("text");
    assert_eq!(told, "ringpost.missed-call sip:tu@x.test Missed call from Eve\", \"type\": \"x");
}

async fn reqwest_post(url: &str, signature: &str) -> u16 {
    let http = ringpost_actors::channel::http::Http::new(None).expect("a client");
    let request = http.client().post(url).header("Ringpost-Signature", signature).body("{}");
    request.send().await.expect("an answer").status().as_u16()
}

type Lines = std::io::Lines<BufReader<std::process::ChildStdout>>;

fn receiver(secret: &Path) -> Option<(u16, Running, Lines)> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/webhook_receiver.py");
    let child = Command::new("python3").arg(script).arg("0").arg(secret).stdout(Stdio::piped()).spawn();
    let mut running = Running(child.ok()?);
    let mut lines = BufReader::new(running.0.stdout.take().expect("piped")).lines();
    let ready = lines.next()?.expect("it speaks");
    Some((ready.strip_prefix("ready ")?.parse().expect("a port"), running, lines))
}

#[test]
fn a_gateway_gets_the_body_that_the_template_writes() {
    run(async {
        let server = Server::start(None, |_| Reply::Say(200, vec![], vec![]));
        let template =
            Template::new("to=%2B49&text={{ summary }}&ref={{ id }}".into(), Body::Form).expect("good");
        let content_type = "application/x-www-form-urlencoded".to_owned();
        let settings =
            settings::Webhook { template: Some((content_type, template)), ..settings(server.url("/sms")) };
        let mut item = by_mail("1", "tu@x.test");
        item.notice.caller.name = Some("A&to=+1900 %26".into());
        assert_eq!(Webhook::new(settings).expect("a client").deliver(&item).await, Delivery::Delivered);
        let asked = &server.asked()[0];
        assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
        let key = Key::of(&item.notice);
        assert_eq!(asked.text(), format!("to=%2B49&text=Missed+call+from+A%26to%3D%2B1900+%2526&ref={key}"));
    });
}

/// An SMS gateway and a push service, as the sample site has them: what each is posted, also of a caller who tries to
/// write his own.
#[test]
fn the_sample_site_sends_an_sms_and_a_push_message() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let folder = tempfile::tempdir().expect("a folder");
    for path in ["webhook/sms.form", "webhook/push.json"] {
        fs::create_dir_all(folder.path().join("webhook")).expect("a folder");
        fs::copy(examples.join(path), folder.path().join(path)).expect("an example");
    }
    let sites = folder.path().join("sites");
    fs::create_dir(&sites).expect("a folder");
    for file in ["sms.token", "push.token"] {
        fs::write(sites.join(file), "t0ken\n").expect("written");
    }
    let text = fs::read_to_string(examples.join("sites/sms-and-push.toml")).expect("the example");
    let site = load::text(&sites.join("site.toml"), &text).expect("the example loads");
    let ca = Ca::new();
    let path = folder.path().join("ca.pem");
    fs::write(&path, ca.pem()).expect("written");
    let server = Server::start(Some(ca.serves(Flaw::Nothing).config), |_| Reply::Say(200, vec![], vec![]));
    let mut item = by_mail("c1", "ada@example.com");
    item.notice.user = "sip:ada@example.com".into();
    item.notice.caller.name = Some("Eve\"}&To=+1900\r\n{{ id }} %26".into());
    run(async {
        for name in ["sms", "push"] {
            let channel = site.channels.iter().find(|one| one.name.as_str() == name).expect("it has one");
            let ChannelKind::Webhook(hook) = &channel.kind else { panic!("{name} is no webhook") };
            let url = format!("https://127.0.0.1:{}/{name}", server.port);
            let settings = settings::Webhook { url, ca: Some(path.clone()), ..(**hook).clone() };
            let delivered = Webhook::new(settings).expect("a client").deliver(&item).await;
            assert_eq!(delivered, Delivery::Delivered, "{name}");
        }
    });
    let (asked, key) = (server.asked(), Key::of(&item.notice));
    let [sms, push] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(sms.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(sms.header("authorization"), Some("Bearer t0ken"));
    let fields: Vec<_> = url::form_urlencoded::parse(&sms.body).into_owned().collect();
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["To", "From", "Body", "Reference"]);
    assert_eq!((fields[0].1.as_str(), fields[3].1.as_str()), ("+15550101", key.as_str()));
    assert!(fields[2].1.starts_with("Missed call from Eve\"}&To=+1900 {{ id }} %26 ("), "{:?}", fields[2]);
    assert_eq!(push.header("x-api-key"), Some("t0ken"));
    let body: Value = serde_json::from_slice(&push.body).expect("JSON");
    assert_eq!(body["title"], "Missed call from Eve\"}&To=+1900 {{ id }} %26");
    assert_eq!((&body["sequence_id"], &body["click"]), (&key.as_str().into(), &"tel:+4544890101".into()));
}
