//! ROBUSTNESS T29: a mail server that fails in every way, and one that is away.

mod logins;
#[path = "../support/mod.rs"]
mod support;
mod tls;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ringpost::{
    outbox::{Delivery, Status},
    settings::{Mail, MailAuth, MailTls, MailUrl, PASSWORD_REST, Secret},
};
use ringpost_actors::{
    channel::{Channel, Smtp},
    outbox::Post,
};

use support::{
    Running, by_mail, free_port, list, mail_only, outbox, python, schedule, service, settled, until,
};

fn smtp(port: u16) -> Arc<Smtp> {
    let url = MailUrl::Smtp { host: "127.0.0.1".into(), port, tls: MailTls::Never, login: None };
    let settings = Mail {
        url,
        from: "um@x.test".into(),
        ca: None,
        auth: MailAuth::Password,
        password_rest: PASSWORD_REST,
    };
    Arc::new(Smtp::trusting(&settings, None, Duration::from_millis(700)).expect("a transport"))
}

/// Starts the fake server and waits until it listens.
fn fake(python: &str, port: u16, folder: &Path, more: &[&str]) -> Running {
    let script = service("smtp-fake/fake_smtp.py");
    Running::when_ready(Command::new(python).arg(script).arg(port.to_string()).arg(folder).args(more)).0
}

/// What the server has stored, as (recipient, mail).
fn stored(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut stored = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let envelope: serde_json::Value =
                serde_json::from_slice(&fs::read(&path).expect("readable")).expect("JSON");
            let to = envelope["to"].as_array().expect("recipients");
            assert_eq!(to.len(), 1, "one recipient");
            let mail = fs::read(path.with_extension("eml")).expect("readable");
            stored.push((to[0].as_str().expect("text").to_owned(), mail));
        }
    }
    stored.sort();
    stored
}

#[test]
fn every_fault_ends_as_it_should() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let _server = fake(&python, port, folder.path(), &[]);
    let faults =
        ["ok", "rcpt450", "rcpt550", "data451", "data552", "drop-data", "hang-data", "once450", "lost-250"];
    actix::System::new().block_on(async {
        let give_up = Duration::from_millis(300);
        let (outbox, scribe) = outbox(None, schedule(give_up), &mail_only(smtp(port)));
        for fault in faults {
            // A domain each, so that none rests for the faults of another.
            let item = by_mail(fault, &format!("{fault}@{fault}.test"));
            outbox.send(Post(item)).await.expect("alive").expect("written");
        }
        settled(&scribe).await;
        let mut ends: Vec<(String, Status, u32, String)> = list(&scribe, None)
            .await
            .into_iter()
            .map(|listed| {
                let tries = if listed.status == Status::Dead { listed.effort.tries.min(2) } else { 0 };
                let mut reason = listed.reason.unwrap_or_default();
                if reason.starts_with("network error") || reason.starts_with("response error") {
                    // A reset is seen as this or that, as the packets happen to come.
                    reason = "network error".to_owned();
                }
                (listed.item.notice.call_id, listed.status, tries, reason)
            })
            .collect();
        ends.sort();
        let end =
            |fault: &str, status, tries, reason: &str| (fault.to_owned(), status, tries, reason.to_owned());
        // A dead letter with two tries or more was given up for its time, one with none at the first refusal.
        assert_eq!(
            ends,
            [
                end("data451", Status::Dead, 2, "transient error (451): 4.3.0 try later"),
                end("data552", Status::Dead, 0, "permanent error (552): 5.3.4 too big"),
                end("drop-data", Status::Dead, 2, "network error"),
                end("hang-data", Status::Dead, 2, "the mail server did not answer in time"),
                end("lost-250", Status::Delivered, 0, ""),
                end("ok", Status::Delivered, 0, ""),
                end("once450", Status::Delivered, 0, ""),
                end("rcpt450", Status::Dead, 2, "transient error (450): 4.2.0 mailbox busy"),
                end("rcpt550", Status::Dead, 0, "permanent error (550): 5.1.1 no such user"),
            ]
        );
    });
    let stored = stored(folder.path());
    let recipients: Vec<&str> = stored.iter().map(|(to, _)| to.as_str()).collect();
    assert_eq!(
        recipients,
        ["lost-250@lost-250.test", "lost-250@lost-250.test", "ok@ok.test", "once450@once450.test"]
    );
    assert_eq!(stored[0].1, stored[1].1, "the duplicate is the same mail, with the same Message-ID");
}

#[test]
fn a_server_that_is_away_or_shuts_down_gets_the_mail_once_when_it_is_back() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    actix::System::new().block_on(async {
        let (outbox, scribe) = outbox(None, schedule(Duration::from_secs(600)), &mail_only(smtp(port)));
        for n in 0..20 {
            let item = by_mail(&format!("{n}"), &format!("ok{n}@x.test"));
            outbox.send(Post(item)).await.expect("alive").expect("written");
        }
        let delayed = async || {
            let delayed = list(&scribe, Some(Status::Delayed)).await;
            delayed.len() == 20 && delayed.iter().all(|item| item.effort.tries > 2)
        };
        until("all are delayed", delayed).await;
        let shutting_down = fake(&python, port, folder.path(), &["--banner421"]);
        until("all have seen the 421", async || {
            let delayed = list(&scribe, Some(Status::Delayed)).await;
            delayed
                .iter()
                .filter(|item| item.reason.as_deref().is_some_and(|why| why.contains("421")))
                .count()
                == 20
        })
        .await;
        drop(shutting_down);
        let _server = fake(&python, port, folder.path(), &[]);
        settled(&scribe).await;
        assert_eq!(list(&scribe, Some(Status::Delivered)).await.len(), 20);
    });
    let mut recipients: Vec<String> = stored(folder.path()).into_iter().map(|(to, _)| to).collect();
    assert_eq!(recipients.len(), 20);
    recipients.dedup();
    assert_eq!(recipients.len(), 20, "each once");
}

#[test]
fn a_hostile_caller_stays_one_mail_to_one_recipient_on_the_wire() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let _server = fake(&python, port, folder.path(), &[]);
    actix::System::new().block_on(async {
        let (outbox, scribe) = outbox(None, schedule(Duration::from_secs(600)), &mail_only(smtp(port)));
        let texts =
            ["x\r\nBcc: a@b\r\n\r\n.\r\n", "a\n.\nb", ".", "..\r\n.\r\nMAIL FROM:<a@b>", "\0\u{1}\u{202E}"];
        for (n, text) in texts.into_iter().enumerate() {
            let mut item = by_mail(&format!("{n}{text}"), &format!("ok{n}@x.test"));
            item.notice.caller.name = Some(text.into());
            item.notice.caller.number = Some(text.into());
            outbox.send(Post(item)).await.expect("alive").expect("written");
        }
        settled(&scribe).await;
    });
    let stored = stored(folder.path());
    assert_eq!(stored.len(), 5);
    for (to, mail) in stored {
        let mail = String::from_utf8(mail).expect("ASCII");
        assert_eq!(mail.replace("\r\n", "").matches(['\r', '\n', '\0']).count(), 0, "{to}: a bare CR or LF");
        let head = mail.split("\r\n\r\n").next().expect("a head").to_lowercase();
        assert!(!head.contains("\r\nbcc:"), "{head}");
    }
}

fn delivery(settings: Mail, root: Option<&str>, to: &str) -> Delivery {
    let patience = Duration::from_secs(5);
    let smtp = Smtp::trusting(&settings, root.map(str::as_bytes), patience).expect("a transport");
    actix::System::new().block_on(async { smtp.deliver(&by_mail("1", to)).await })
}

fn server(port: u16, tls: MailTls, login: Option<(&str, &str)>) -> Mail {
    let login = login.map(|(user, password)| (user.to_owned(), Secret(password.to_owned())));
    let url = MailUrl::Smtp { host: "127.0.0.1".into(), port, tls, login };
    Mail { url, from: "um@x.test".into(), ca: None, auth: MailAuth::Password, password_rest: PASSWORD_REST }
}

/// A server of one line for each line: what it offers, and what it has heard. It takes what holds `taken` after AUTH.
fn scripted(offers: &'static [&'static str], taken: &'static str) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    let (told, heard) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let told = told.clone();
            thread::spawn(move || script(stream, offers, taken, &told));
        }
    });
    (port, heard)
}

fn script(stream: TcpStream, offers: &[&str], taken: &str, told: &Sender<String>) {
    let mut out = stream.try_clone().expect("a stream");
    let mut say = |line: &str| out.write_all(format!("{line}\r\n").as_bytes()).is_ok();
    say("220 scripted");
    let (mut data, mut login) = (false, 0);
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let _ = told.send(line.clone());
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let decoded =
            |text: &str| String::from_utf8(STANDARD.decode(text).unwrap_or_default()).unwrap_or_default();
        let proof = decoded(line.rsplit(' ').next().unwrap_or_default());
        let judge = |proof: &str| match proof.contains(taken) {
            true => "235 2.7.0 welcome",
            false => "535 5.7.8 wrong",
        };
        match (data, login, verb.as_str()) {
            (true, ..) => {
                if line == "." {
                    data = !say("250 2.0.0 taken");
                }
            }
            // LOGIN: the user, then the password. XOAUTH2: an empty line after the explanation.
            (_, 2, _) => {
                login = 1;
                say("334 UGFzc3dvcmQ6");
            }
            (_, 1, _) => {
                login = 0;
                say(judge(&proof));
            }
            (_, _, "EHLO") => {
                say("250-scripted");
                offers.iter().for_each(|offer| _ = say(&format!("250-{offer}")));
                say("250 SIZE 100000");
            }
            (_, _, "AUTH") if line == "AUTH LOGIN" => {
                login = 2;
                say("334 VXNlcm5hbWU6");
            }
            (_, _, "AUTH") if line.starts_with("AUTH XOAUTH2") && !proof.contains(taken) => {
                login = 1;
                say("334 eyJzdGF0dXMiOiI0MDEifQ==");
            }
            (_, _, "AUTH") => _ = say(judge(&proof)),
            (_, _, "DATA") => data = say("354 go on"),
            (_, _, "STARTTLS") => {
                // Whoever is on the way: replies of his own, before TLS can begin.
                say("220 go on\r\n250-scripted\r\n250 AUTH PLAIN\r\n235 2.7.0 welcome\r\n250 ok\r\n250 ok");
            }
            _ => _ = say("250 2.0.0 fine"),
        }
    }
}

#[test]
fn an_address_beyond_ascii_goes_with_smtputf8_or_never() {
    let (port, heard) = scripted(&["SMTPUTF8", "8BITMIME"], "");
    assert_eq!(delivery(server(port, MailTls::Never, None), None, "søren@x.test"), Delivery::Delivered);
    let from = heard.iter().find(|line| line.starts_with("MAIL ")).expect("a sender");
    assert!(from.contains("SMTPUTF8"), "{from}");
    assert_eq!(
        heard.iter().find(|line| line.starts_with("RCPT ")).as_deref(),
        Some("RCPT TO:<søren@x.test>")
    );
    let (port, _heard) = scripted(&["8BITMIME"], "");
    let end = delivery(server(port, MailTls::Never, None), None, "søren@x.test");
    assert!(matches!(end, Delivery::Never { .. }), "{end:?}");
}
