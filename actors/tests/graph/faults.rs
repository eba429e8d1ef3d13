//! A table of faults × outcome.

use std::time::{Duration, Instant};

use ringpost::{
    outbox::{
        Delivery,
        Status::{self, Dead, Delivered},
    },
    settings::{GraphDelivery, OAuth},
};
use ringpost_actors::{
    channel::Channel,
    store::{Scribe, Sqlite},
};

use crate::{
    channel,
    exchange::{Exchange, Fault},
    one, settings,
    support::{by_mail, free_port, list, mail_only, outbox, schedule, settled},
};

const DELIVERIES: [GraphDelivery; 3] = [GraphDelivery::Mime, GraphDelivery::Json, GraphDelivery::Inbox];

fn raw(text: &str) -> Fault {
    Fault::Raw(text.as_bytes().to_vec())
}

#[test]
fn every_fault_of_the_service_ends_as_it_should_and_tells_once() {
    type Make = fn() -> Vec<Fault>;
    let table: Vec<(&str, Make, Status, usize, &str)> = vec![
        ("429", || vec![Fault::Says(429, "TooManyRequests", Some("0"))], Delivered, 1, ""),
        ("503", || vec![Fault::Says(503, "ServiceUnavailable", None)], Delivered, 1, ""),
        ("500 twice", || vec![Fault::Says(500, "X", None), Fault::Says(500, "X", None)], Delivered, 1, ""),
        ("drop", || vec![Fault::Drop], Delivered, 1, ""),
        ("hang", || vec![Fault::Hang], Delivered, 1, ""),
        ("lost answer", || vec![Fault::Lost], Delivered, 1, ""),
        ("504 after the deed", || vec![Fault::Late], Delivered, 1, ""),
        ("lost, and the search fails", || vec![Fault::Lost, Fault::Drop], Delivered, 1, ""),
        ("a page", || vec![raw("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")], Delivered, 1, ""),
        ("no HTTP", || vec![raw("220 mail.test ESMTP\r\n")], Delivered, 1, ""),
        ("half a head", || vec![raw("HTTP/1.1 20")], Delivered, 1, ""),
        (
            "a redirect",
            || vec![raw("HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")],
            Delivered,
            1,
            "",
        ),
        (
            "100 MB",
            || vec![Fault::Flood(b"HTTP/1.1 500 X\r\nContent-Length: 104857600\r\n\r\n".to_vec(), 100 << 20)],
            Delivered,
            1,
            "",
        ),
        ("403, put right later", || vec![Fault::Says(403, "ErrorAccessDenied", Some("0"))], Delivered, 1, ""),
        (
            "refused",
            || vec![Fault::Says(400, "ErrorInvalidRecipients", None)],
            Dead,
            0,
            "Graph answered 400 (ErrorInvalidRecipients)",
        ),
        ("too large", || vec![Fault::Says(413, "", None)], Dead, 0, "Graph answered 413"),
    ];
    for deliver in DELIVERIES {
        for (name, faults, status, kept, reason) in &table {
            let exchange = Exchange::start(None);
            exchange.fails(faults());
            let end = one(&channel(&settings(&exchange, deliver)), by_mail("a", "tu@contoso.com"));
            assert_eq!(end, (*status, (*reason).to_owned()), "{name}, {deliver:?}");
            assert_eq!(exchange.kept().len(), *kept, "{name}, {deliver:?}");
        }
    }
}

/// T24: the status was there; what becomes of the body behind it makes no second message.
#[test]
fn a_confirmed_notice_is_never_repeated_whatever_the_body_does() {
    for deliver in DELIVERIES {
        let status = if deliver == GraphDelivery::Inbox { 201 } else { 202 };
        for (name, body) in [
            ("longer than it says", "Content-Length: 2\r\n\r\n{}{}{}{}".to_owned()),
            ("shorter than it says", "Content-Length: 400\r\n\r\n{".to_owned()),
            ("a page", "Content-Length: 6\r\n\r\n<html>".to_owned()),
            ("cut in a chunk", "Transfer-Encoding: chunked\r\n\r\nff\r\n{".to_owned()),
        ] {
            let exchange = Exchange::start(None);
            exchange.fails([raw(&format!("HTTP/1.1 {status} X\r\n{body}"))]);
            let end = one(&channel(&settings(&exchange, deliver)), by_mail("a", "tu@contoso.com"));
            assert_eq!((end.0, exchange.requests().len()), (Delivered, 1), "{name}, {deliver:?}");
        }
    }
}

#[test]
fn a_user_who_is_not_there_is_final_in_the_inbox_and_a_missing_sender_is_not() {
    for (deliver, status) in
        [(GraphDelivery::Inbox, Dead), (GraphDelivery::Mime, Delivered), (GraphDelivery::Json, Delivered)]
    {
        let exchange = Exchange::start(None);
        exchange.fails([Fault::Says(404, "ErrorInvalidUser", Some("0"))]);
        let end = one(&channel(&settings(&exchange, deliver)), by_mail("a", "tu@contoso.com"));
        assert_eq!(end.0, status, "{deliver:?} {end:?}");
    }
}

#[test]
fn retry_after_is_obeyed() {
    let exchange = Exchange::start(None);
    exchange.fails([Fault::Says(429, "TooManyRequests", Some("2"))]);
    let begun = Instant::now();
    let end = one(&channel(&settings(&exchange, GraphDelivery::Mime)), by_mail("a", "tu@contoso.com"));
    assert_eq!(end.0, Delivered);
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(exchange.requests(), ["POST sendMail", "POST sendMail"]);
}

#[test]
fn a_token_that_ended_early_is_replaced_within_the_try_and_a_refused_one_is_not_asked_for_again_and_again() {
    let exchange = Exchange::start(None);
    let graph = channel(&settings(&exchange, GraphDelivery::Json));
    assert_eq!(one(&graph, by_mail("a", "tu@contoso.com")).0, Delivered);
    exchange.ends_tokens();
    assert_eq!(one(&graph, by_mail("b", "tu@contoso.com")), (Delivered, String::new()));
    assert_eq!(exchange.requests(), ["POST sendMail"; 3]);
    let refusing = Exchange::start(None);
    let always = || (0..2).map(|_| Fault::Says(401, "InvalidAuthenticationToken", None));
    refusing.fails(always());
    let end = one(&channel(&settings(&refusing, GraphDelivery::Json)), by_mail("a", "tu@contoso.com"));
    assert_eq!(end.0, Delivered, "at the second try");
    assert_eq!(refusing.requests(), ["POST sendMail", "POST sendMail", "POST sendMail"]);
}

#[test]
fn a_service_or_a_provider_that_is_away_keeps_the_notice_to_its_end() {
    let exchange = Exchange::start(None);
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let good = settings(&exchange, GraphDelivery::Mime);
    let no_graph = ringpost::settings::Graph { url: nowhere.clone(), ..good.clone() };
    let oauth = OAuth { token_url: nowhere, ..good.oauth.clone() };
    let no_provider = ringpost::settings::Graph { oauth, ..good };
    for (settings, wanted) in
        [(no_graph, "Graph cannot be reached: "), (no_provider, "the identity provider cannot be reached: ")]
    {
        let (status, reason) = one(&channel(&settings), by_mail("a", "tu@contoso.com"));
        assert!(status == Dead && reason.starts_with(wanted), "{status} {reason}");
    }
    assert_eq!(exchange.kept().len(), 0);
}

/// What a crash has left under way is looked for, and only what is not there is sent: the store says what was begun.
#[test]
fn after_a_restart_an_old_notice_is_looked_for_first() {
    let (find, make) = ("GET messages", "POST mailFolders/inbox/messages");
    let exchange = Exchange::start(None);
    let graph = channel(&settings(&exchange, GraphDelivery::Inbox));
    let (told, untold) = (by_mail("told", "tu@contoso.com"), by_mail("untold", "tu@contoso.com"));
    actix::System::new().block_on(async {
        assert_eq!(graph.deliver(&told).await, Delivery::Delivered);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        {
            let (scribe, _late) =
                Scribe::start(Box::new(Sqlite::open(Some(&path)).expect("a store"))).expect("a thread");
            for item in [told, untold] {
                scribe.post(item).await.expect("written");
            }
            scribe.stop().await;
        }
        let (_outbox, scribe) =
            outbox(Some(&path), schedule(Duration::from_secs(3)), &mail_only(graph.clone()));
        settled(&scribe).await;
        assert_eq!(list(&scribe, Some(Delivered)).await.len(), 2);
    });
    assert_eq!(exchange.kept().len(), 2);
    let mut asked = exchange.requests();
    asked.sort();
    assert_eq!(asked, [find, find, make, make]);
}
