//! The whole path from the outbox to the emulator of the shared services, which checks each body against Microsoft's
//! CSDL and passes Microsoft's own SDK.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use ringpost::{
    outbox::Status::Delivered,
    settings::{Graph, GraphDelivery, OAuth, Proof, Secret},
};
use ringpost_actors::channel::http::{Http, ask};
use serde_json::{Value, json};

use crate::{
    authority::Authority,
    channel, ends,
    support::{Running, by_mail, free_port, service},
    voice,
};

/// The services and the corpora beside the project.
fn shared() -> PathBuf {
    let corpora = std::env::var_os("RINGPOST_CORPORA").map(PathBuf::from);
    let shared = corpora.as_deref().and_then(Path::parent).map(Path::to_owned);
    shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"))
}

/// Starts it; `None` and a word where it or its Python is missing.
fn start(folder: &Path, port: u16) -> Option<Running> {
    let shared = shared();
    let script = shared.join("services/graph-emulator/graph_emulator.py");
    let found = Command::new(service("graph/python.sh")).output().ok().filter(|out| out.status.success());
    let Some(python) = found.filter(|_| script.exists()) else {
        println!("skipped: no emulator of Graph, or no Python with lxml");
        return None;
    };
    let mut child = Command::new(String::from_utf8_lossy(&python.stdout).trim())
        .arg(script)
        .arg(port.to_string())
        .arg(shared.join("corpora/graph/v1.0-csdl.xml"))
        .args([folder.join("own.pem"), folder.join("own.key")])
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it speaks");
    assert_eq!(line.trim(), "ready");
    Some(Running(child))
}

fn asked(ca: &Path, url: &str, body: Option<Value>) -> Value {
    let http = Http::new(Some(ca)).expect("a client");
    let request = match body {
        Some(body) => http.client().post(url).body(body.to_string()),
        None => http.client().get(url),
    };
    let answer = actix::System::new().block_on(ask(request, Duration::from_secs(10))).expect("an answer");
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[test]
fn the_emulator_takes_every_notice_once_through_its_faults() {
    let folder = tempfile::tempdir().expect("a folder");
    Authority::new("ours").site(folder.path(), &["localhost"]);
    let (port, ca) = (free_port(), folder.path().join("ca/own.pem"));
    let Some(_emulator) = start(folder.path(), port) else { return };
    let at = |path: &str| format!("https://localhost:{port}{path}");
    let graph = channel(&Graph {
        url: at("/v1.0"),
        from: "svc@corp.test".into(),
        deliver: GraphDelivery::Json,
        ca: Some(ca.clone()),
        oauth: OAuth {
            token_url: at("/t/oauth2/v2.0/token"),
            client_id: "app".into(),
            scope: at("/.default"),
            proof: Proof::Secret(Secret("s3cret".into())),
        },
    });
    let next =
        json!({"next": [{"code": 429, "retry_after": 1}, {"code": 401}, {"code": 503, "retry_after": 1}]});
    asked(&ca, &at("/fault"), Some(next));
    let wav = folder.path().join("a.wav");
    std::fs::write(&wav, b"RIFF").expect("a file");
    let hostile = {
        let mut item = by_mail("hostile", "alice@corp.test");
        item.notice.caller.name = Some("x\"}],\"subjct\":\"\r\nBcc: a@b\u{0}\u{202E}".into());
        item
    };
    let ends = ends(&graph, vec![hostile, voice("voice", &wav)]);
    let state = asked(&ca, &at("/state"), None);
    let mails = state["mails"].as_array().expect("mails");
    assert!(ends.iter().all(|(_, status, _)| *status == Delivered), "{ends:?} {state}");
    assert_eq!(mails.len(), 2, "{state}");
    assert_eq!(state["stats"]["bad"], 0, "every body was as the schema wants it");
    assert_eq!(mails[0]["message"]["subject"], "Missed call from x\"}],\"subjct\":\" Bcc: a@b");
    assert_eq!(mails[1]["message"]["attachments"][0]["contentBytes"], "UklGRg==");
}

/// What takes our requests takes those of Microsoft's own client as well, so that it is no friend of ours alone.
#[test]
fn the_emulator_passes_microsofts_own_sdk() {
    let folder = tempfile::tempdir().expect("a folder");
    Authority::new("ours").site(folder.path(), &["localhost", "127.0.0.1"]);
    let port = free_port();
    let Some(_emulator) = start(folder.path(), port) else { return };
    let found = Command::new(service("graph/msgraph.sh")).stderr(Stdio::null()).output().ok();
    let python = found.filter(|out| out.status.success() && !out.stdout.is_empty());
    let Some(python) = python.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()) else {
        return println!("skipped: no Python with Microsoft's SDK, and it cannot be installed");
    };
    let checked = Command::new(python)
        .arg(shared().join("services/graph-emulator/check_msgraph.py"))
        .arg(port.to_string())
        .arg(folder.path().join("ca/own.pem"))
        .stderr(Stdio::null())
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && !said.contains("FAIL"), "{said}");
    assert!(said.matches("ok  ").count() >= 6, "{said}");
}
