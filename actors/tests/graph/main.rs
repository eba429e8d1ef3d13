//! Notices by Microsoft Graph, from the outbox to a mailbox, through every fault (T24 for Graph).

#[allow(dead_code, reason = "a part of it serves here")]
#[path = "../transports/authority.rs"]
mod authority;
mod checked;
mod emulator;
mod exchange;
mod faults;
mod site;
#[path = "../support/mod.rs"]
mod support;

use std::{fs, path::Path, sync::Arc, time::Duration};

use exchange::{Exchange, Kept};
use mail_parser::MessageParser;
use ringpost::{
    notify::{Kind, Notice},
    outbox::{Item, Status},
    settings::{self, GraphDelivery, OAuth, Proof, Secret},
};
use ringpost_actors::{
    channel::{Graph, token::Tokens},
    outbox::Post,
};
use support::{by_mail, list, mail_only, outbox, schedule, settled};

fn settings(exchange: &Exchange, deliver: GraphDelivery) -> settings::Graph {
    settings::Graph {
        url: exchange.url("/v1.0"),
        from: "um@contoso.com".into(),
        deliver,
        ca: None,
        oauth: OAuth {
            token_url: exchange.url("/t/token"),
            client_id: "app".into(),
            scope: "https://graph.microsoft.com/.default".into(),
            proof: Proof::Secret(Secret("s3cret".into())),
        },
    }
}

fn channel(settings: &settings::Graph) -> Arc<Graph> {
    let graph = Graph::new(settings, &Tokens::default()).expect("a channel");
    Arc::new(graph.patient_for(Duration::from_millis(400)))
}

fn voice(call_id: &str, recording: &Path) -> Item {
    let item = by_mail(call_id, "tu@contoso.com");
    let kind =
        Kind::VoiceMail { recording: recording.to_owned(), duration: Duration::from_secs(9), urgent: false };
    Item { notice: Notice { kind, ..item.notice.clone() }, ..item }
}

/// How each notice ended, by its Call-ID: the status, and why.
fn ends(graph: &Arc<Graph>, items: Vec<Item>) -> Vec<(String, Status, String)> {
    actix::System::new().block_on(async {
        let (outbox, scribe) = outbox(None, schedule(Duration::from_secs(3)), &mail_only(graph.clone()));
        for item in items {
            outbox.send(Post(item)).await.expect("alive").expect("written");
            settled(&scribe).await;
        }
        let listed = list(&scribe, None).await.into_iter();
        let mut ends: Vec<_> =
            listed.map(|one| (one.item.notice.call_id, one.status, one.reason.unwrap_or_default())).collect();
        ends.sort();
        ends
    })
}

fn one(graph: &Arc<Graph>, item: Item) -> (Status, String) {
    let (_, status, reason) = ends(graph, vec![item]).remove(0);
    (status, reason)
}

fn property<'a>(kept: &'a Kept, id: &str) -> Option<&'a str> {
    let all = kept.content["singleValueExtendedProperties"].as_array()?;
    all.iter().find(|one| one["id"] == id)?["value"].as_str()
}

#[test]
fn each_delivery_brings_the_notice_with_one_token_for_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let wav = folder.path().join("a.wav");
    fs::write(&wav, b"RIFF of a recording").expect("a file");
    for (deliver, mailbox, place) in [
        (GraphDelivery::Mime, "um@contoso.com", "sent"),
        (GraphDelivery::Json, "um@contoso.com", "sent"),
        (GraphDelivery::Inbox, "tu@contoso.com", "inbox"),
    ] {
        let exchange = Exchange::start(None);
        let graph = channel(&settings(&exchange, deliver));
        let ends = ends(&graph, vec![by_mail("missed", "tu@contoso.com"), voice("voice", &wav)]);
        assert!(ends.iter().all(|(_, status, _)| *status == Status::Delivered), "{ends:?}");
        let kept = exchange.kept();
        assert_eq!(kept.len(), 2);
        assert!(kept.iter().all(|one| one.mailbox == mailbox && one.folder == place), "{kept:?}");
        if deliver == GraphDelivery::Mime {
            // Microsoft's metadata knows no sendMail by MIME, so another reader of mails says whether it is one.
            let mail = kept[1].content.as_str().expect("a mail");
            assert!(mail.contains("Content-Class: voice-ca\r\n"), "{mail}");
            let mail = MessageParser::default().parse(mail).expect("a mail");
            let to: Vec<_> = mail.to().expect("To").iter().filter_map(|one| one.address.clone()).collect();
            assert_eq!(to, ["tu@contoso.com"]);
            assert_eq!(mail.attachment(0).expect("audio").contents(), b"RIFF of a recording");
            let sent = &exchange.server.asked()[2];
            assert_eq!(sent.header("content-type"), Some("text/plain"));
        } else {
            assert_eq!(kept[0].content["toRecipients"][0]["emailAddress"]["address"], "tu@contoso.com");
            assert_eq!(property(&kept[0], "String 0x001A"), Some("IPM.Note.Microsoft.Missed.Voice"));
            assert_eq!(kept[1].recording.as_deref(), Some(&b"RIFF of a recording"[..]));
        }
        let asked = exchange.server.asked();
        assert_eq!(asked.iter().filter(|asked| asked.path == "/t/token").count(), 1);
        assert_eq!(asked.len(), 3, "nothing is looked up for a notice that is new");
        let id = asked[1].header("client-request-id").expect("an id");
        assert_eq!(id.len(), 36, "{id}");
    }
}

#[test]
fn a_long_recording_is_uploaded_in_pieces_and_an_interrupted_upload_taken_up_without_a_second_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let wav = folder.path().join("long.wav");
    let octets: Vec<u8> = (0..7_000_000_u32).map(|n| (n / 3) as u8).collect();
    fs::write(&wav, &octets).expect("a file");
    for (deliver, place) in
        [(GraphDelivery::Mime, "sent"), (GraphDelivery::Json, "sent"), (GraphDelivery::Inbox, "inbox")]
    {
        let exchange = Exchange::start(None);
        let graph = channel(&settings(&exchange, deliver));
        // The second piece is lost on its way.
        use exchange::Fault::{Drop, Passes};
        exchange.fails([Passes, Passes, Passes, Drop]);
        let end = one(&graph, voice("long", &wav));
        assert_eq!(end.0, Status::Delivered, "{end:?}");
        let kept = exchange.kept();
        assert_eq!((kept.len(), kept[0].folder), (1, place));
        assert_eq!(kept[0].recording.as_deref(), Some(&octets[..]));
        let requests = exchange.requests();
        let mut wanted =
            vec!["POST messages", "POST messages/ID/attachments/createUploadSession", "PUT piece"];
        if deliver == GraphDelivery::Inbox {
            wanted[0] = "POST mailFolders/inbox/messages";
        }
        wanted.extend(["PUT piece", "GET messages", "POST messages/ID/attachments/createUploadSession"]);
        wanted.extend(["PUT piece"; 3]);
        if deliver != GraphDelivery::Inbox {
            wanted.push("POST messages/ID/send");
        }
        assert_eq!(requests, wanted);
    }
}
