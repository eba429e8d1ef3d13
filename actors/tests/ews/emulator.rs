//! The Exchange of tests/services/ews: every request is held against the published schema.

use std::{
    env,
    io::BufRead,
    path::{Path, PathBuf},
    process::Command,
};

use ringpost_actors::channel::http::Http;
use serde_json::{Value, json};

use crate::{
    authority::Authority,
    support::{Running, free_port, service},
};

pub struct Emulator {
    pub ca: PathBuf,
    pub port: u16,
    http: Http,
    _running: Running,
}

/// The services beside the project.
pub fn services() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/services");
    env::var_os("RINGPOST_SERVICES").map_or(beside, PathBuf::from)
}

impl Emulator {
    /// Ours; `None` and a word about it where something is missing.
    pub fn start(folder: &Path) -> Option<Self> {
        Authority::new("ours").site(folder, &["localhost", "127.0.0.1"]);
        Self::of(&service("ews/emulator.py"), (folder, free_port()), false)
    }

    /// The same once more, in the place of one that has ended.
    #[allow(dead_code, reason = "one of the test binaries kills it")]
    pub fn again(folder: &Path, port: u16) -> Self {
        Self::of(&service("ews/emulator.py"), (folder, port), false).expect("it was there before")
    }

    /// The one beside the project, which nobody here wrote for Ringpost.
    pub fn foreign(folder: &Path) -> Option<Self> {
        let script = services().join("ews-emulator/ews_emulator.py");
        if !script.exists() {
            println!("skipped: no foreign emulator of EWS");
            return None;
        }
        Authority::new("ours").site(folder, &["localhost", "127.0.0.1"]);
        Self::of(&script, (folder, free_port()), true)
    }

    fn of(script: &Path, (folder, port): (&Path, u16), wants_folder: bool) -> Option<Self> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
        let schemas = env::var_os("RINGPOST_CORPORA").map_or(beside, PathBuf::from).join("ews/xsd");
        if !schemas.join("messages.xsd").exists() {
            println!("skipped: no published schemas of EWS");
            return None;
        }
        let found = Command::new(service("ews/python.sh")).output().ok().filter(|done| done.status.success());
        let Some(python) = found.map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned()) else {
            println!("skipped: no Python with lxml and pyspnego, and it cannot be installed");
            return None;
        };
        let ca = folder.join("ca/own.pem");
        let mut server = Command::new(python);
        server.arg(script).arg(port.to_string()).arg(&schemas).args(wants_folder.then(|| folder.join("out")));
        let (running, says) =
            Running::when_ready(server.args([folder.join("own.pem"), folder.join("own.key")]));
        let lines = says.lines();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| println!("Exchange: {line}")));
        let http = Http::new(Some(&ca)).expect("a client");
        Some(Self { ca, port, http, _running: running })
    }

    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}/EWS/Exchange.asmx", self.port)
    }

    /// What the next requests meet.
    pub async fn fails(&self, next: &[Value]) {
        self.set("fault", &json!({ "next": next })).await;
    }

    /// Whom mailboxes know: `{mailbox: [{"name": …, "numbers": {"MobilePhone": …}}]}`.
    #[allow(dead_code, reason = "one of two test binaries asks for contacts")]
    pub async fn knows(&self, contacts: &Value) {
        self.set("contacts", contacts).await;
    }

    /// What lies in calendars; see the emulator.
    #[allow(dead_code, reason = "one of the test binaries asks for calendars")]
    pub async fn schedules(&self, calendars: &Value) {
        self.set("calendars", calendars).await;
    }

    async fn set(&self, path: &str, what: &Value) {
        let url = format!("https://127.0.0.1:{}/{path}", self.port);
        let set = self.http.client().post(url).json(what).send().await;
        assert!(set.expect("it answers").status().is_success());
    }

    async fn state(&self) -> Value {
        let url = format!("https://127.0.0.1:{}/state", self.port);
        let state = self.http.client().get(url).send().await.expect("it answers").text().await;
        serde_json::from_str(&state.expect("a body")).expect("JSON")
    }

    /// What a mailbox holds.
    pub async fn items(&self, mailbox: &str) -> Vec<Value> {
        self.state().await["box"][mailbox].as_array().cloned().unwrap_or_default()
    }

    /// `requests`, `bad_requests`, `bad_responses`, `find`, `contacts`, `create`, `ntlm`.
    pub async fn count(&self, name: &str) -> u64 {
        self.state().await["stats"][name].as_u64().expect("a number")
    }
}
