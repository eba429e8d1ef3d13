//! The whole path from the outbox to the emulator of the shared services, which checks each body against Microsoft's
//! CSDL and passes Microsoft's own SDK.

use std::process::{Command, Stdio};

use ringpost::{
    outbox::Status::Delivered,
    settings::{Graph, GraphDelivery, OAuth, Proof, Secret},
};
use serde_json::json;

use crate::{
    authority::Authority,
    channel,
    checked::{Checked, shared},
    ends,
    support::{by_mail, free_port, service},
    voice,
};

#[test]
fn the_emulator_takes_every_notice_once_through_its_faults() {
    let folder = tempfile::tempdir().expect("a folder");
    Authority::new("ours").site(folder.path(), &["localhost"]);
    let port = free_port();
    let Some(emulator) = Checked::start(folder.path(), port) else { return };
    let at = |path: &str| format!("https://localhost:{port}{path}");
    let graph = channel(&Graph {
        url: at("/v1.0"),
        from: "svc@corp.test".into(),
        deliver: GraphDelivery::Json,
        ca: Some(emulator.ca.clone()),
        oauth: OAuth {
            token_url: at("/t/oauth2/v2.0/token"),
            client_id: "app".into(),
            scope: at("/.default"),
            proof: Proof::Secret(Secret("s3cret".into())),
        },
    });
    let next =
        json!({"next": [{"code": 429, "retry_after": 1}, {"code": 401}, {"code": 503, "retry_after": 1}]});
    emulator.asked("/fault", Some(next));
    let wav = folder.path().join("a.wav");
    std::fs::write(&wav, b"RIFF").expect("a file");
    let hostile = {
        let mut item = by_mail("hostile", "alice@corp.test");
        item.notice.caller.name = Some("x\"}],\"subjct\":\"\r\nBcc: a@b\u{0}\u{202E}".into());
        item
    };
    let ends = ends(&graph, vec![hostile, voice("voice", &wav)]);
    let state = emulator.asked("/state", None);
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
    let Some(emulator) = Checked::start(folder.path(), port) else { return };
    let found = Command::new(service("graph/msgraph.sh")).stderr(Stdio::null()).output().ok();
    let python = found.filter(|out| out.status.success() && !out.stdout.is_empty());
    let Some(python) = python.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()) else {
        return println!("skipped: no Python with Microsoft's SDK, and it cannot be installed");
    };
    let checked = Command::new(python)
        .arg(shared().join("services/graph-emulator/check_msgraph.py"))
        .arg(port.to_string())
        .arg(&emulator.ca)
        .stderr(Stdio::null())
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && !said.contains("FAIL"), "{said}");
    assert!(said.matches("ok  ").count() >= 6, "{said}");
}
