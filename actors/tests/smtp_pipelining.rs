//! PIPELINING (RFC 2920) and connections that are kept, against a mail server that counts segments.

mod support;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use ringpost::{
    outbox::Delivery,
    settings::{Mail, MailAuth, MailTls, MailUrl},
};
use ringpost_actors::channel::{Channel, Smtp};
use support::by_mail;

/// What a server does besides taking mails.
#[derive(Clone, Copy, Default)]
struct Manner {
    pipelines: bool,
    /// Says nothing more and closes after so many mails of a connection.
    mails: usize,
    /// Says 421 to the next one instead.
    politely: bool,
    /// Takes DATA even where it has refused the recipient.
    gullible: bool,
}

/// What came in: one text per segment, `open` for a connection.
type Heard = Arc<Mutex<Vec<String>>>;

fn server(manner: Manner) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    let heard = Heard::default();
    let told = heard.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            told.lock().expect("alive").push("open".to_owned());
            let told = told.clone();
            thread::spawn(move || serve(stream, manner, &told));
        }
    });
    (port, heard)
}

fn serve(mut stream: TcpStream, manner: Manner, told: &Heard) -> Option<()> {
    stream.write_all(b"220 mail.x.test\r\n").ok()?;
    let (mut octets, mut mail, mut taken, mut refused) = ([0; 65_536], None::<String>, 0, false);
    loop {
        let length = stream.read(&mut octets).ok().filter(|length| *length > 0)?;
        let segment = String::from_utf8_lossy(&octets[..length]).into_owned();
        told.lock().expect("alive").push(segment.clone());
        if let Some(text) = &mut mail {
            *text += &segment;
            if text.ends_with("\r\n.\r\n") {
                (mail, taken) = (None, taken + 1);
                stream.write_all(b"250 taken\r\n").ok()?;
                if taken == manner.mails && !manner.politely {
                    return None;
                }
            }
            continue;
        }
        for line in segment.split_terminator("\r\n") {
            let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" if manner.pipelines => "250-mail.x.test\r\n250 PIPELINING",
                "MAIL" if manner.politely && taken == manner.mails => "421 4.4.2 idle for too long",
                "RCPT" if line.contains("nobody") => {
                    refused = true;
                    "550 5.1.1 no such user"
                }
                "DATA" if refused && !manner.gullible => "554 5.5.1 no valid recipients",
                "DATA" => {
                    mail = Some(String::new());
                    "354 go on"
                }
                "RSET" => {
                    refused = false;
                    "250 fine"
                }
                "QUIT" => "221 bye",
                _ => "250 fine",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
        }
    }
}

fn smtp(port: u16) -> Smtp {
    let url = MailUrl::Smtp { host: "127.0.0.1".into(), port, tls: MailTls::Never, login: None };
    let settings = Mail {
        url,
        from: "um@x.test".into(),
        ca: None,
        auth: MailAuth::Password,
        password_rest: Duration::from_secs(900),
    };
    Smtp::trusting(&settings, None, Duration::from_secs(5)).expect("a channel")
}

fn send(port: u16, users: &[&str]) -> Vec<Delivery> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let smtp = smtp(port);
    let mails = users.iter().enumerate();
    let sent = mails.map(|(n, user)| {
        let item = by_mail(&format!("call {n}"), &format!("{user}@x.test"));
        runtime.block_on(smtp.deliver(&item))
    });
    sent.collect()
}

/// How often a segment that begins so came in.
fn count(heard: &Heard, begins: &str) -> usize {
    heard.lock().expect("alive").iter().filter(|segment| segment.starts_with(begins)).count()
}

#[test]
fn an_envelope_is_one_segment_where_the_server_allows_it() {
    for pipelines in [true, false] {
        let (port, heard) = server(Manner { pipelines, ..Manner::default() });
        assert_eq!(send(port, &["a", "b", "c"]), vec![Delivery::Delivered; 3]);
        let segments = heard.lock().expect("alive").clone();
        let whole =
            segments.iter().filter(|one| one.starts_with("MAIL") && one.ends_with("DATA\r\n")).count();
        assert_eq!((count(&heard, "open"), whole), (1, if pipelines { 3 } else { 0 }), "{segments:#?}");
        // A connection that is kept is not asked whether it lives where a lost envelope costs nothing.
        assert_eq!(count(&heard, "NOOP"), if pipelines { 0 } else { 3 });
    }
}

#[test]
fn a_kept_connection_that_is_closed_meanwhile_delays_no_mail_and_doubles_none() {
    for politely in [true, false] {
        let (port, heard) = server(Manner { pipelines: true, mails: 1, politely, ..Manner::default() });
        assert_eq!(send(port, &["a", "b", "c"]), vec![Delivery::Delivered; 3], "{politely}");
        let told = |n: usize| {
            heard.lock().expect("alive").iter().filter(|one| one.contains(&format!("call {n}"))).count()
        };
        assert_eq!((count(&heard, "open"), [0, 1, 2].map(told)), (3, [1; 3]), "{politely}");
    }
}

#[test]
fn a_refused_recipient_costs_neither_the_connection_nor_the_next_mail() {
    for gullible in [false, true] {
        let (port, heard) = server(Manner { pipelines: true, gullible, ..Manner::default() });
        let sent = send(port, &["a", "nobody", "b"]);
        assert!(
            matches!(&sent[1], Delivery::Never { reason } if reason.contains("no such user")),
            "{sent:?}"
        );
        assert_eq!([&sent[0], &sent[2]], [&Delivery::Delivered; 2]);
        // Where the server waits for the mail all the same, the end of the connection says that there is none.
        assert_eq!(count(&heard, "open"), if gullible { 2 } else { 1 });
        let mails = heard.lock().expect("alive").iter().filter(|one| one.contains("call 1")).count();
        assert_eq!(mails, 0, "nobody got it");
    }
}
