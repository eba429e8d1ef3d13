//! A server for every channel, each of which writes down what it has been told and when.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    authority::{Authority, params, server_config},
    http::{Asked, Reply, Server},
    support::Peer,
};

/// A notice as a receiver has taken it.
#[derive(Clone, Debug)]
pub struct Told {
    pub at: Instant,
    /// The caller's Call-ID.
    pub call: String,
    /// What tells it from others and is the same for each copy: the key of its Message-ID.
    pub key: String,
}

/// What a receiver has taken, in order.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<Told>>>);

impl Ledger {
    pub fn told(&self) -> Vec<Told> {
        self.kept().clone()
    }

    pub fn len(&self) -> usize {
        self.kept().len()
    }

    /// The same by calls.
    pub fn calls(&self) -> BTreeMap<String, Vec<Told>> {
        let mut calls = BTreeMap::<_, Vec<Told>>::new();
        self.told().into_iter().for_each(|told| calls.entry(told.call.clone()).or_default().push(told));
        calls
    }

    fn notes(&self, call: &str, key: &str) {
        let told = Told { at: Instant::now(), call: call.to_owned(), key: key.to_owned() };
        self.kept().push(told);
    }

    /// Notes a mail by its headers.
    fn notes_mail(&self, mail: &str) {
        let header = |name: &str| {
            let line = mail.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            line.unwrap_or_else(|| panic!("no {name} in {mail}"))
        };
        self.notes(header("X-CallID: "), local_part(header("Message-ID: ")));
    }

    fn has_key(&self, key: &str) -> bool {
        self.kept().iter().any(|told| told.key == key)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `KEY` of `<KEY@domain>`.
fn local_part(message_id: &str) -> &str {
    message_id.trim_start_matches('<').split('@').next().unwrap_or(message_id)
}

/// A mail server that takes everything.
pub fn smtp(port: u16) -> Ledger {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let ledger = Ledger::default();
    let kept = ledger.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let kept = kept.clone();
            thread::spawn(move || takes_mails(stream, &kept, [Duration::ZERO; 2]));
        }
    });
    ledger
}

/// One connection (RFC 5321), with a pause for each line of a mail and one before it is taken.
pub fn takes_mails(mut stream: TcpStream, kept: &Ledger, [line_by_line, late]: [Duration; 2]) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    stream.write_all(b"220 mail.corp.test\r\n").ok()?;
    while let Some(line) = lines.next() {
        let answer = match line.split([' ', ':']).next().unwrap_or("") {
            "DATA" => {
                stream.write_all(b"354 go on\r\n").ok()?;
                let (mut mail, mut whole) = (String::new(), false);
                for line in lines.by_ref() {
                    if !line_by_line.is_zero() {
                        thread::sleep(line_by_line);
                    }
                    whole = line == ".";
                    if whole {
                        break;
                    }
                    mail.push_str(&line);
                    mail.push('\n');
                }
                // What was cut off is no mail.
                if !whole {
                    return None;
                }
                kept.notes_mail(&mail);
                thread::sleep(late);
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
    }
    Some(())
}

/// A program that takes every event.
pub fn webhook() -> (Server, Ledger) {
    let ledger = Ledger::default();
    let kept = ledger.clone();
    let server = Server::start(None, move |asked| webhook_answers(asked, &kept));
    (server, ledger)
}

pub fn webhook_answers(asked: &Asked, kept: &Ledger) -> Reply {
    let event: Value = serde_json::from_slice(&asked.body).expect("JSON");
    let text = |pointer| event.pointer(pointer).and_then(Value::as_str).expect("a text");
    assert_eq!(asked.header("idempotency-key"), Some(text("/id")));
    kept.notes(text("/data/call_id"), text("/id"));
    Reply::Say(202, vec![], vec![])
}

/// The CA of the servers below; its certificate is `ca.pem` in the folder.
pub fn ca(folder: &Path) -> Authority {
    let ours = Authority::new("ours");
    std::fs::write(folder.join("ca.pem"), ours.pem()).expect("written");
    ours
}

/// An Exchange on premises that knows CreateItem and FindItem. Its certificate ends next year.
pub fn ews(ca: &Authority) -> (Server, Ledger) {
    let ledger = Ledger::default();
    let kept = ledger.clone();
    let mut content = params(&["localhost"]);
    content.not_after = rcgen::date_time_ymd(i32::from(jiff::Zoned::now().year()) + 1, 12, 31);
    let tls = server_config(&ca.signs(&content));
    let server = Server::start(Some(tls), move |asked| ews_answers(asked, &kept));
    (server, ledger)
}

pub fn ews_answers(asked: &Asked, kept: &Ledger) -> Reply {
    if let Some(mime) = between(asked.text(), "CharacterSet=\"UTF-8\">", "<") {
        kept.notes_mail(&decoded(mime));
        return soap("CreateItem", "");
    }
    let key = between(asked.text(), "<t:Constant Value=\"", "\"").expect("a search for a key");
    match kept.has_key(key) {
        true => soap("FindItem", &format!("<t:Value>{key}</t:Value>")),
        false => soap("FindItem", ""),
    }
}

fn soap(operation: &str, value: &str) -> Reply {
    let body = format!(
        "<s:Envelope xmlns:s=\"urn:s\" xmlns:t=\"urn:t\"><s:Body><{operation}ResponseMessage ResponseClass=\"Success\">\
         <ResponseCode>NoError</ResponseCode>{value}</{operation}ResponseMessage></s:Body></s:Envelope>"
    );
    Reply::Say(200, vec![("Content-Type", "text/xml".into())], body.into_bytes())
}

/// A Microsoft Graph that gives tokens and takes mails.
pub fn graph(ca: &Authority) -> (Server, Ledger) {
    let ledger = Ledger::default();
    let kept = ledger.clone();
    let tls = server_config(&ca.signs(&params(&["localhost"])));
    let server = Server::start(Some(tls), move |asked| graph_answers(asked, &kept));
    (server, ledger)
}

pub fn graph_answers(asked: &Asked, kept: &Ledger) -> Reply {
    if asked.path == "/token" {
        return Reply::json(200, &json!({"access_token": "good", "expires_in": 3599}));
    }
    assert_eq!(asked.header("authorization"), Some("Bearer good"));
    if asked.method == "POST" {
        kept.notes_mail(&decoded(asked.text()));
        return Reply::Say(202, vec![], vec![]);
    }
    let key = between(&asked.path, "%3C", "%40").or_else(|| between(&asked.path, "%3C", "@"));
    let found = kept.has_key(key.expect("a search for a Message-ID"));
    let messages =
        if found { json!([{"id": "AA", "isDraft": false, "hasAttachments": false}]) } else { json!([]) };
    Reply::json(200, &json!({"value": messages}))
}

fn decoded(base64: &str) -> String {
    String::from_utf8(STANDARD.decode(base64).expect("base64")).expect("ASCII")
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

/// A UM that takes every INFO and answers OPTIONS as long as the first flag is up, unless the second one says that it is
/// silent.
pub fn um(mut peer: Peer) -> (Ledger, Arc<AtomicBool>, Arc<AtomicBool>) {
    let ledger = Ledger::default();
    let [runs, answers] = [(); 2].map(|()| Arc::new(AtomicBool::new(true)));
    let (kept, go_on, speaks) = (ledger.clone(), runs.clone(), answers.clone());
    thread::spawn(move || {
        while go_on.load(Relaxed) {
            let moment = Duration::from_millis(50);
            if !speaks.load(Relaxed) {
                // What is repeated later is new to it.
                peer.octets(moment);
                continue;
            }
            let Some(request) = peer.next(moment) else { continue };
            if request.what() == "ACK" {
                continue;
            }
            if request.what() == "INFO" {
                let part = |name: &str| {
                    let (before, after) = (format!("<{name}>"), format!("</{name}>"));
                    between(request.body(), &before, &after).expect("it is there").to_owned()
                };
                // (user, Call-ID) of a missed call is its key.
                kept.notes(&part("CallId"), &format!("{} {}", part("User"), part("CallId")));
            }
            peer.answer(&request, 200);
        }
    });
    (ledger, runs, answers)
}
