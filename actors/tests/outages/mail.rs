//! T29: what else a mail server may do to a mail; the rest of the table is in `smtp_faults`.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use ringpost::{
    notify::Kind,
    outbox::{Item, Status},
    settings::{Mail, MailAuth, MailTls, MailUrl, PASSWORD_REST},
};
use ringpost_actors::{channel::Smtp, outbox::Post};
use socket2::SockRef;

use crate::{
    answers::{most_memory, runs_apart},
    outbox::{by_mail, list, mail_only, outbox, schedule, settled},
    receivers::{Ledger, takes_mails},
};

/// How long a mail may take, its octets aside.
const PATIENCE: Duration = Duration::from_millis(700);

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Nothing is ever said.
    Silent,
    /// These octets in place of a greeting, and the end.
    Greets(&'static str),
    /// A reply that never ends.
    Endless,
    /// The connection is reset in place of a reply to this.
    Resets(&'static str),
    /// Some other reply to this, and the end.
    Says(&'static str, &'static str),
    /// The mail is taken, and that is said too late.
    Late,
    /// The mail is read line by line.
    SlowReader,
}

/// A server whose first connection meets the fault.
fn server(fault: Fault) -> (u16, Ledger) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    let ledger = Ledger::default();
    let kept = ledger.clone();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let kept = kept.clone();
            thread::spawn(move || match number {
                0 => meets(stream, fault, &kept),
                _ => takes_mails(stream, &kept, [Duration::ZERO; 2]),
            });
        }
    });
    (port, ledger)
}

fn meets(mut stream: TcpStream, fault: Fault, kept: &Ledger) -> Option<()> {
    match fault {
        Fault::Silent => thread::sleep(Duration::from_secs(5)),
        Fault::Greets(words) => stream.write_all(words.as_bytes()).ok()?,
        Fault::Endless => loop {
            stream.write_all(&[b'2'; 1 << 16]).ok()?;
        },
        Fault::Resets(verb) => {
            until(&mut stream, verb)?;
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).ok()?;
        }
        Fault::Says(verb, words) => {
            until(&mut stream, verb)?;
            stream.write_all(words.as_bytes()).ok()?;
        }
        Fault::Late => takes_mails(stream, kept, [Duration::ZERO, 3 * PATIENCE])?,
        Fault::SlowReader => takes_mails(stream, kept, [Duration::from_micros(300), Duration::ZERO])?,
    }
    Some(())
}

/// Is a good server up to that line.
fn until(stream: &mut TcpStream, verb: &str) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    stream.write_all(b"220 mail.corp.test\r\n").ok()?;
    while !lines.next()?.starts_with(verb) {
        stream.write_all(b"250 fine\r\n").ok()?;
    }
    Some(())
}

fn channel(port: u16) -> Arc<Smtp> {
    let url = MailUrl::Smtp { host: "127.0.0.1".into(), port, tls: MailTls::Never, login: None };
    let (from, auth) = ("um@x.test".into(), MailAuth::Password);
    let settings = Mail { url, from, ca: None, auth, password_rest: PASSWORD_REST };
    Arc::new(Smtp::trusting(&settings, None, PATIENCE).expect("a transport"))
}

/// A voice mail of some 200 kB.
fn voice(folder: &Path) -> Item {
    let recording = folder.join("a.wav");
    fs::write(&recording, vec![7; 200_000]).expect("written");
    let mut item = by_mail("1", "tu@x.test");
    item.notice.kind = Kind::VoiceMail { recording, duration: Duration::from_secs(12), urgent: false };
    item
}

#[test]
fn t29_whatever_a_mail_server_does_the_mail_comes_and_only_an_unheard_yes_doubles_it() {
    if runs_apart("mail::t29_whatever_a_mail_server_does_the_mail_comes_and_only_an_unheard_yes_doubles_it") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let table = [
        (Fault::Silent, 1),
        (Fault::Greets("421 4.3.2 shutting down\r\n"), 1),
        (Fault::Greets("HTTP/1.1 400 Bad Request\r\n\r\n"), 1),
        (Fault::Greets(""), 1),
        (Fault::Endless, 1),
        (Fault::Resets("EHLO"), 1),
        (Fault::Resets("MAIL"), 1),
        (Fault::Resets("RCPT"), 1),
        (Fault::Resets("DATA"), 1),
        (Fault::Says("MAIL", "421 4.4.2 idle for too long\r\n"), 1),
        (Fault::Says("RCPT", "452 4.3.1 no room\r\n"), 1),
        (Fault::Says("DATA", "354 go\r\n354 on\r\n"), 1),
        (Fault::Says("DATA", "250 fine\r\n"), 1),
        (Fault::Late, 2),
        (Fault::SlowReader, 1),
    ];
    actix::System::new().block_on(async {
        for (fault, copies) in table {
            let before = most_memory();
            let (port, ledger) = server(fault);
            let (outbox, scribe) = outbox(None, schedule(Duration::from_secs(20)), &mail_only(channel(port)));
            // A long mail is given the time that a slow line takes.
            let item = match fault {
                Fault::SlowReader => voice(folder.path()),
                _ => by_mail("1", "tu@x.test"),
            };
            outbox.send(Post(item)).await.expect("alive").expect("written");
            settled(&scribe).await;
            assert_eq!(list(&scribe, None).await[0].status, Status::Delivered, "{fault:?}");
            let told = ledger.told();
            assert_eq!(told.len(), copies, "{fault:?}");
            assert!(told.iter().all(|one| one.key == told[0].key), "{fault:?}: one Message-ID");
            let more = (most_memory() - before) / 1024;
            assert!(more < 32, "{fault:?}: {more} MiB");
        }
    });
}
