//! A Microsoft Graph of the test's own, with mailboxes, tokens and faults.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::ServerConfig;
use serde_json::{Value, json};

use crate::support::http::{Asked, Reply, Server};

/// What goes wrong with one request.
pub enum Fault {
    /// An error of Graph, perhaps with Retry-After.
    Says(u16, &'static str, Option<&'static str>),
    /// These octets.
    Raw(Vec<u8>),
    /// So many octets behind a head that promises them.
    Flood(Vec<u8>, usize),
    Hang,
    /// The end, before anything is done.
    Drop,
    /// It is done, and the answer is lost.
    Lost,
    /// It is done, and a gateway says 504.
    Late,
    /// Nothing: the request passes.
    Passes,
}

/// A message in a mailbox.
#[derive(Clone, Debug)]
pub struct Kept {
    pub mailbox: String,
    pub folder: &'static str,
    /// The Message-ID.
    pub message_id: String,
    /// JSON, or a text: the MIME mail.
    pub content: Value,
    pub recording: Option<Vec<u8>>,
}

#[derive(Default)]
struct State {
    kept: Vec<Kept>,
    /// Whom mailboxes know.
    people: HashMap<String, Vec<Value>>,
    faults: VecDeque<Fault>,
    tokens: usize,
    /// Tokens up to this one are refused.
    refused: usize,
    /// The message that a session uploads to, and what has come.
    upload: Option<(usize, Vec<u8>)>,
    port: u16,
}

pub struct Exchange {
    pub server: Server,
    state: Arc<Mutex<State>>,
    tls: bool,
}

impl Exchange {
    pub fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, secure) = (state.clone(), tls.is_some());
        let server = Server::start(tls, move |asked| locked(&shared).answer(asked, secure));
        locked(&state).port = server.port;
        Self { server, state, tls: secure }
    }

    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}{path}", self.server.port)
    }

    pub fn fails(&self, faults: impl IntoIterator<Item = Fault>) {
        locked(&self.state).faults.extend(faults);
    }

    /// Every token so far has ended before its time.
    pub fn ends_tokens(&self) {
        let mut state = locked(&self.state);
        state.refused = state.tokens;
    }

    /// Whom a mailbox knows, as Graph shows contacts.
    #[allow(dead_code, reason = "one of two test binaries asks for contacts")]
    pub fn knows(&self, mailbox: &str, people: Vec<Value>) {
        locked(&self.state).people.insert(mailbox.to_owned(), people);
    }

    /// What the mailboxes hold.
    pub fn kept(&self) -> Vec<Kept> {
        locked(&self.state).kept.clone()
    }

    /// Requests to Graph itself, as `POST sendMail`.
    pub fn requests(&self) -> Vec<String> {
        let short = |asked: &Asked| {
            let path = asked.path.split('?').next().unwrap_or_default();
            let rest = path.splitn(5, '/').nth(4).unwrap_or("piece");
            let rest = rest.split('/').map(|part| if part.starts_with("AA") { "ID" } else { part });
            format!("{} {}", asked.method, rest.collect::<Vec<_>>().join("/"))
        };
        self.server.asked().iter().filter(|asked| asked.path != "/t/token").map(short).collect()
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fault(status: u16, code: &str, retry_after: Option<&str>) -> Reply {
    let body = json!({"error": {"code": code, "message": "not for logs: alice@contoso.com"}});
    let headers = retry_after.map(|value| ("Retry-After", value.to_owned())).into_iter().collect();
    Reply::Say(status, headers, body.to_string().into_bytes())
}

impl State {
    fn answer(&mut self, asked: &Asked, secure: bool) -> Reply {
        if asked.path == "/t/token" {
            self.tokens += 1;
            return Reply::json(200, &json!({"access_token": self.tokens.to_string(), "expires_in": 3599}));
        }
        if asked.path.starts_with("/upload/") {
            assert_eq!(asked.header("authorization"), None, "the token goes to Graph only");
        } else {
            let token = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
            let token: usize = token.and_then(|token| token.parse().ok()).expect("a token");
            if token <= self.refused {
                return fault(401, "InvalidAuthenticationToken", None);
            }
        }
        match self.faults.pop_front() {
            None | Some(Fault::Passes) => self.act(asked, secure),
            Some(Fault::Says(status, code, retry_after)) => fault(status, code, retry_after),
            Some(Fault::Raw(octets)) => Reply::Raw(octets),
            Some(Fault::Flood(head, zeros)) => Reply::Flood(head, zeros),
            Some(Fault::Hang) => Reply::Hang,
            Some(Fault::Drop) => Reply::Drop,
            Some(Fault::Lost) => {
                self.act(asked, secure);
                Reply::Drop
            }
            Some(Fault::Late) => {
                self.act(asked, secure);
                fault(504, "UnknownError", None)
            }
        }
    }

    fn act(&mut self, asked: &Asked, secure: bool) -> Reply {
        if asked.path.starts_with("/upload/") {
            return self.piece(asked);
        }
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let rest = path.strip_prefix("/v1.0/users/").expect("Graph's path");
        let (mailbox, rest) = rest.split_once('/').expect("a mailbox");
        let parts: Vec<&str> = rest.split('/').collect();
        match (asked.method.as_str(), &parts[..]) {
            ("POST", ["sendMail"]) => self.send(mailbox, asked),
            ("POST", ["mailFolders", "inbox", "messages"]) => self.make(mailbox, "inbox", asked),
            ("POST", ["messages"]) => self.make(mailbox, "drafts", asked),
            ("GET", ["messages"]) => self.find(mailbox, query),
            ("GET", ["contacts"]) => self.contacts(asked, mailbox, query, secure),
            ("POST", ["messages", id, "attachments", "createUploadSession"]) => {
                self.upload = Some((number(id), Vec::new()));
                let scheme = if secure { "https" } else { "http" };
                let url = format!("{scheme}://127.0.0.1:{}/upload/1", self.port);
                Reply::json(201, &json!({"uploadUrl": url, "nextExpectedRanges": ["0-"]}))
            }
            ("POST", ["messages", id, "send"]) => {
                self.kept[number(id)].folder = "sent";
                Reply::Say(202, vec![], vec![])
            }
            _ => fault(400, "BadRequest", None),
        }
    }

    fn send(&mut self, mailbox: &str, asked: &Asked) -> Reply {
        let content = if asked.header("content-type") == Some("text/plain") {
            let mail = STANDARD.decode(&asked.body).expect("base64");
            Value::String(String::from_utf8(mail).expect("ASCII"))
        } else {
            let body: Value = serde_json::from_slice(&asked.body).expect("JSON");
            assert_eq!(body["saveToSentItems"], false);
            body["message"].clone()
        };
        self.keep(mailbox, "sent", content);
        Reply::Say(202, vec![], vec![])
    }

    fn make(&mut self, mailbox: &str, folder: &'static str, asked: &Asked) -> Reply {
        self.keep(mailbox, folder, serde_json::from_slice(&asked.body).expect("JSON"));
        Reply::json(201, &json!({"id": format!("AA{}==", self.kept.len() - 1)}))
    }

    fn keep(&mut self, mailbox: &str, folder: &'static str, content: Value) {
        let in_mime = |mail: &str| {
            let line = mail.lines().find_map(|line| line.strip_prefix("Message-ID: "));
            line.expect("a Message-ID").to_owned()
        };
        let in_json = || content["internetMessageId"].as_str().expect("a Message-ID").to_owned();
        let message_id = content.as_str().map_or_else(in_json, in_mime);
        let inline = content["attachments"][0]["contentBytes"].as_str();
        let recording = inline.map(|bytes| STANDARD.decode(bytes).expect("base64"));
        self.kept.push(Kept { mailbox: mailbox.to_owned(), folder, message_id, content, recording });
    }

    fn find(&self, mailbox: &str, query: &str) -> Reply {
        let has = |(_, kept): &(usize, &Kept)| {
            let id = kept.message_id.replace('<', "%3C").replace('>', "%3E");
            kept.mailbox == mailbox
                && query.starts_with(&format!("$filter=internetMessageId%20eq%20%27{id}%27&"))
        };
        let show = |(at, kept): (usize, &Kept)| {
            let (draft, attached) = (kept.folder == "drafts", kept.recording.is_some());
            json!({"id": format!("AA{at}=="), "isDraft": draft, "hasAttachments": attached})
        };
        let found: Vec<Value> = self.kept.iter().enumerate().filter(has).map(show).collect();
        Reply::json(200, &json!({"value": found}))
    }

    /// Four at a time, whatever is asked for; further parts as Graph leads to them.
    fn contacts(&self, asked: &Asked, mailbox: &str, query: &str, secure: bool) -> Reply {
        assert!(asked.header("authorization").is_some() && query.contains("$select=displayName,"));
        let skip = query.split('&').find_map(|pair| pair.strip_prefix("$skip=")?.parse().ok()).unwrap_or(0);
        let all = self.people.get(mailbox).map_or(&[][..], Vec::as_slice);
        let part = &all[skip..(skip + 4).min(all.len())];
        let mut list = json!({ "value": part });
        if skip + 4 < all.len() {
            let scheme = if secure { "https" } else { "http" };
            let rest = format!("$select=displayName,x&$skip={}", skip + 4);
            let place = format!("127.0.0.1:{}/v1.0/users/{mailbox}/contacts", self.port);
            list["@odata.nextLink"] = json!(format!("{scheme}://{place}?{rest}"));
        }
        Reply::json(200, &list)
    }

    fn piece(&mut self, asked: &Asked) -> Reply {
        let range = asked.header("content-range").and_then(|range| range.strip_prefix("bytes "));
        let (range, total) = range.and_then(|range| range.split_once('/')).expect("a range");
        let (first, last) = range.split_once('-').expect("a range");
        let [first, last, total] = [first, last, total].map(|n| n.parse::<usize>().expect("a number"));
        let (at, come) = self.upload.as_mut().expect("a session");
        assert_eq!((first, last + 1 - first), (come.len(), asked.body.len()));
        assert!(last + 1 == total || asked.body.len().is_multiple_of(320 * 1024));
        assert!(asked.body.len() < 4 << 20);
        come.extend_from_slice(&asked.body);
        if come.len() < total {
            return Reply::json(200, &json!({"nextExpectedRanges": [format!("{}-", come.len())]}));
        }
        self.kept[*at].recording = Some(std::mem::take(come));
        Reply::Say(201, vec![], vec![])
    }
}

fn number(id: &str) -> usize {
    let id = id.strip_suffix("%3D%3D").and_then(|id| id.strip_prefix("AA")).expect("an id");
    id.parse().expect("a number")
}
