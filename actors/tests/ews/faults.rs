//! T24, and tokens that run out: answers that are none, from a server that does what a test says.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use ringpost::{
    notify::ews::{
        answer::read,
        autodiscover::{Heard, Next, Search},
        contacts,
    },
    outbox::{
        Delivery,
        Status::{Dead, Delivered},
    },
    settings::{EwsLogin, Secret},
};
use ringpost_actors::{
    channel::{Channel, Ews, token::Tokens},
    metrics::{METRICS, State},
};
use serde_json::json;

use crate::{
    basic, channel, oauth, settings,
    support::{
        by_mail,
        http::{Asked, Reply, Server},
    },
    told,
};

const LONG: Duration = Duration::from_secs(20);

/// A success, or what a search finds: nothing, or what it asked for.
fn soap(asked: &Asked, there: bool) -> Reply {
    let operation = if asked.text().contains("<m:FindItem") { "FindItem" } else { "CreateItem" };
    let key = asked.text().split("<t:Constant Value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let value = key.filter(|_| there).map(|key| format!("<t:Value>{key}</t:Value>")).unwrap_or_default();
    let body = format!(
        "<s:Envelope xmlns:s=\"urn:s\" xmlns:t=\"urn:t\"><s:Body><{operation}ResponseMessage ResponseClass=\"Success\">\
         <ResponseCode>NoError</ResponseCode>{value}</{operation}ResponseMessage></s:Body></s:Envelope>"
    );
    Reply::Say(200, vec![("Content-Type", "text/xml".into())], body.into_bytes())
}

fn creates(server: &Server) -> usize {
    server.asked().iter().filter(|asked| asked.text().contains("<m:CreateItem")).count()
}

/// Makes the fault of a row.
type Fault = fn() -> Reply;

#[test]
fn t24_answers_that_are_none_are_bounded_and_looked_into_before_a_second_try() {
    let table: [(&str, Fault); 7] = [
        ("longer than its length", || {
            Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<s:Envelope>".to_vec())
        }),
        ("shorter than its length", || {
            Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n<s:Envelope>".to_vec())
        }),
        ("100 MB", || {
            Reply::Flood(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n".to_vec(), 104_857_600)
        }),
        ("HTML", || Reply::Say(200, vec![], b"<html><body>Sign in</body></html>".to_vec())),
        ("a DTD", || Reply::Say(200, vec![], b"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>".to_vec())),
        ("nothing", || Reply::Drop),
        ("no HTTP", || Reply::Raw(b"220 mail.corp.test ESMTP\r\n".to_vec())),
    ];
    for (name, fault) in table {
        // Whether the server had done its work behind that answer.
        for done in [true, false] {
            let count = AtomicUsize::new(0);
            let server = Server::start(None, move |asked| match count.fetch_add(1, SeqCst) {
                0 => fault(),
                _ => soap(asked, done),
            });
            let ews = channel(&settings(server.url("/EWS"), basic()));
            let end = actix::System::new().block_on(told(&ews, LONG, vec![by_mail("1", "tu@corp.test")]));
            assert_eq!(end, (Delivered, String::new()), "{name}");
            assert_eq!(creates(&server), if done { 1 } else { 2 }, "{name}, done: {done}");
        }
    }
}

#[test]
fn t30_a_token_that_runs_out_is_replaced_once() {
    let count = AtomicUsize::new(0);
    let server = Server::start(None, move |asked| {
        if asked.path == "/token" {
            let number = count.fetch_add(1, SeqCst) + 1;
            return Reply::json(200, &json!({"access_token": format!("t-{number}"), "expires_in": 3599}));
        }
        match asked.header("authorization") {
            Some("Bearer t-2") => soap(asked, false),
            _ => Reply::Say(401, vec![("WWW-Authenticate", "Bearer".into())], vec![]),
        }
    });
    let ews = channel(&settings(server.url("/EWS"), oauth(server.url("/token"))));
    let items = vec![by_mail("1", "tu@corp.test"), by_mail("2", "tu@corp.test")];
    let end = actix::System::new().block_on(told(&ews, LONG, items));
    assert_eq!(end.0, Delivered);
    let paths: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/token", "/EWS", "/token", "/EWS", "/EWS"]);
    let own = server.asked().into_iter().find(|asked| asked.path == "/EWS").expect("asked");
    assert_eq!(own.header("x-anchormailbox"), Some("tu@corp.test"));
}

#[test]
fn a_token_that_is_never_good_is_asked_for_twice_for_a_try_and_no_more() {
    let server = Server::start(None, |asked| match asked.path.as_str() {
        "/token" => Reply::json(200, &json!({"access_token": "bad", "expires_in": 3599})),
        _ => Reply::Say(401, vec![], vec![]),
    });
    let ews = channel(&settings(server.url("/EWS"), oauth(server.url("/token"))));
    let items = vec![by_mail("1", "tu@corp.test")];
    let (status, reason) = actix::System::new().block_on(told(&ews, Duration::from_millis(10), items));
    assert_eq!((status, reason.contains("refuses the credentials")), (Dead, true), "{reason}");
    let asked = server.asked();
    let tries = asked.iter().filter(|asked| asked.path == "/EWS").count();
    let tokens = asked.iter().filter(|asked| asked.path == "/token").count();
    assert!(tokens <= tries, "{tokens} tokens for {tries} requests");
}

#[test]
fn a_redirect_of_ews_itself_carries_no_notice_anywhere() {
    let other = Server::start(None, |asked| soap(asked, false));
    let to = other.url("/EWS");
    let server = Server::start(None, move |_| Reply::Say(307, vec![("Location", to.clone())], vec![]));
    let ews = channel(&settings(server.url("/EWS"), basic()));
    let items = vec![by_mail("1", "tu@corp.test")];
    let end = actix::System::new().block_on(told(&ews, Duration::from_millis(10), items));
    assert_eq!((end.0, other.asked().len()), (Dead, 0));
}

/// A directory locks an account after a few wrong passwords: one is shown, and then none for a quarter of an hour.
#[test]
fn a_refused_password_is_shown_once_and_then_left_alone() {
    // The shortest challenge of [MS-NLMP] §2.2.1.2: nothing but its kind, flags, eight octets and an end.
    let mut challenge = b"NTLMSSP\0\x02\0\0\0\0\0\0\0\x30\0\0\0\x05\x82\x88\xa212345678".to_vec();
    challenge.extend([0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 4, 0, 0x30, 0, 0, 0, 0, 0, 0, 0]);
    let offer = format!("NTLM {}", STANDARD.encode(challenge));
    let ntlm = EwsLogin::Ntlm { user: "CORP\\svc".into(), password: Secret("wrong".into()) };
    for (name, login) in [("basic", basic()), ("ntlm", ntlm)] {
        let offer = offer.clone();
        let server =
            Server::start(None, move |_| Reply::Say(401, vec![("WWW-Authenticate", offer.clone())], vec![]));
        let ews =
            Ews::new(settings(server.url("/EWS"), login), &Tokens::default()).expect("a channel").named(name);
        let items: Vec<_> = (0..20).map(|n| by_mail(&format!("{n}"), "tu@corp.test")).collect();
        let ends = actix::System::new().block_on(join_all(items.iter().map(|item| ews.deliver(item))));
        for end in ends {
            let Delivery::Down { reason, not_before: Some(rest) } = end else { panic!("{end:?}") };
            assert!(rest > Duration::from_secs(800), "{rest:?}");
            assert!(reason.contains("(HTTP 401)") && reason.contains("account"), "{reason}");
        }
        let asked = server.asked();
        let proofs = asked.iter().filter(|asked| {
            let shown = asked.header("authorization").unwrap_or_default();
            // The third message of NTLM, or the password itself.
            shown.starts_with("Basic ") || shown.starts_with("NTLM TlRMTVNTUAAD")
        });
        assert_eq!(proofs.count(), 1, "{name}");
        let part = format!("login of {name} at 127.0.0.1:{}", server.port);
        let parts = METRICS.health.parts();
        let (_, state) = parts.iter().find(|(known, _)| *known == part).expect("it is shown");
        assert!(matches!(state, State::Yellow(why) if why.contains("no more tries")), "{state:?}");
    }
}

/// How long this thread has had a processor.
fn has_run() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(told.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number"))
}

/// T6: what no XML reader should take is refused at once, whatever it is an answer to, and nothing is fetched.
#[test]
fn t6_hostile_xml_is_refused_within_a_moment() {
    let attributes: String = (0..20_000).map(|n| format!(" b{n}=\"\"")).collect();
    let laughs: String = (1..20).map(|n| format!("<!ENTITY l{n} \"&l{0};&l{0};&l{0};\">", n - 1)).collect();
    let utf16: Vec<u8> = "\u{FEFF}<Envelope/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let documents: [(&str, Vec<u8>); 8] = [
        (
            "an external entity",
            b"<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><Envelope>&b;</Envelope>".to_vec(),
        ),
        ("an external DTD", b"<!DOCTYPE a SYSTEM \"http://127.0.0.1:1/a.dtd\"><Envelope/>".to_vec()),
        (
            "billion laughs",
            format!("<!DOCTYPE a [<!ENTITY l0 \"lol\">{laughs}]><Envelope>&l19;</Envelope>").into_bytes(),
        ),
        ("depth 100,000", "<a>".repeat(100_000).into_bytes()),
        ("20,000 attributes", format!("<Envelope{attributes}/>").into_bytes()),
        ("UTF-16", utf16),
        (
            "an encoding it is not in",
            b"<?xml version=\"1.0\" encoding=\"EBCDIC-CP-US\"?><Envelope/>".to_vec(),
        ),
        ("octets of no encoding", b"<Envelope>\xC3\x28</Envelope>".to_vec()),
    ];
    let settings = settings::Autodiscover {
        order: vec![settings::Place::Domain],
        hosts: vec![],
        keep: LONG,
        ports: (443, 80),
    };
    for (name, document) in documents {
        // The best of three, and what this thread has run: the machine may have other things to do.
        let took = (0..3).map(|_| {
            let begun = has_run();
            let refused = read(&document).is_err();
            assert!(refused, "{name}");
            has_run() - begun
        });
        let took = took.min().expect("three");
        let contacts = contacts::read(&document, None);
        let mut search = Search::new(&settings, "tu@x.test");
        search.start();
        let found = search.heard(Heard::Answer { status: 200, location: None, body: &document });
        assert!(contacts.is_err(), "{name}");
        assert!(matches!(&found, Next::Nowhere(why) if why.contains("no XML")), "{name}: {found:?}");
        assert!(took < Duration::from_millis(50), "{name}: {took:?}");
    }
}
