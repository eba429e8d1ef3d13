//! The Graph of the shared services, which holds each request against Microsoft's CSDL.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use ringpost_actors::channel::http::{Http, ask};
use serde_json::Value;

use crate::support::{Running, service};

pub struct Checked {
    pub port: u16,
    pub ca: PathBuf,
    /// None: it is away.
    pub running: Option<Running>,
}

/// The services and the corpora beside the project.
pub fn shared() -> PathBuf {
    let corpora = std::env::var_os("RINGPOST_CORPORA").map(PathBuf::from);
    let shared = corpora.as_deref().and_then(Path::parent).map(Path::to_owned);
    shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"))
}

impl Checked {
    /// Starts it, with the certificate in `folder`; `None` and a word where it or its Python is missing.
    pub fn start(folder: &Path, port: u16) -> Option<Self> {
        let mut graph = Self { port, ca: folder.join("ca/own.pem"), running: None };
        graph.again(folder).then_some(graph)
    }

    pub fn again(&mut self, folder: &Path) -> bool {
        let shared = shared();
        let script = shared.join("services/graph-emulator/graph_emulator.py");
        let found = Command::new(service("graph/python.sh")).output().ok().filter(|out| out.status.success());
        let Some(python) = found.filter(|_| script.exists()) else {
            println!("skipped: no emulator of Graph, or no Python with lxml");
            return false;
        };
        let mut server = Command::new(String::from_utf8_lossy(&python.stdout).trim());
        server.arg(script).arg(self.port.to_string()).arg(shared.join("corpora/graph/v1.0-csdl.xml"));
        self.running =
            Some(Running::when_ready(server.args([folder.join("own.pem"), folder.join("own.key")])).0);
        true
    }

    /// What it answers to a GET, or to that body.
    pub fn asked(&self, path: &str, body: Option<Value>) -> Value {
        let http = Http::new(Some(&self.ca)).expect("a client");
        let url = format!("https://localhost:{}{path}", self.port);
        let request = match body {
            Some(body) => http.client().post(url).body(body.to_string()),
            None => http.client().get(url),
        };
        let answer = actix::System::new().block_on(ask(request, Duration::from_secs(10))).expect("an answer");
        serde_json::from_slice(&answer.body).expect("JSON")
    }
}
