//! T28 for EWS: a crash between the request and its answer makes no second item.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use ringpost::settings::Ews;
use ringpost_actors::outbox::{Post, Stop};
use serde_json::json;

use crate::{
    basic, channel,
    emulator::Emulator,
    settings,
    support::{Running, by_mail, mail_only, outbox, schedule, settled, until},
};

const MAILBOX: &str = "tu@corp.test";

fn own(url: String, folder: &Path) -> Ews {
    let request_timeout = Duration::from_secs(20);
    Ews { ca: Some(folder.join("ca/own.pem")), request_timeout, ..settings(url, basic()) }
}

/// The process that is killed.
#[test]
fn child() {
    let Some(folder) = env::var_os("RINGPOST_EWS_FOLDER").map(PathBuf::from) else { return };
    let (url, call) = (env::var("RINGPOST_EWS_URL"), env::var("RINGPOST_EWS_CALL"));
    let (url, call) = (url.expect("set by the parent"), call.expect("set by the parent"));
    actix::System::new().block_on(async {
        let ews = channel(&own(url, &folder));
        let (outbox, scribe) =
            outbox(Some(&folder.join("store.db")), schedule(Duration::from_secs(3600)), &mail_only(ews));
        outbox.send(Post(by_mail(&call, MAILBOX))).await.expect("alive").expect("written");
        settled(&scribe).await;
    });
}

#[test]
fn t28_killed_between_the_request_and_its_answer_it_makes_no_second_item() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(exchange) = Emulator::start(folder.path()) else { return };
    actix::System::new().block_on(async {
        for round in 1..=5 {
            exchange.fails(&[json!({"kind": "hang-after"})]).await;
            let child = Command::new(env::current_exe().expect("this test"))
                .args(["killed::child", "--exact", "--nocapture"])
                .env("RINGPOST_EWS_FOLDER", folder.path())
                .env("RINGPOST_EWS_URL", exchange.url())
                .env("RINGPOST_EWS_CALL", format!("call-{round}"))
                .stdout(Stdio::null())
                .spawn()
                .expect("this test starts again");
            let child = Running(child);
            until("the item is there", async || exchange.items(MAILBOX).await.len() == round).await;
            // SIGKILL.
            drop(child);
            let ews = channel(&own(exchange.url(), folder.path()));
            let store = folder.path().join("store.db");
            let (outbox, scribe) = outbox(Some(&store), schedule(Duration::from_secs(3600)), &mail_only(ews));
            settled(&scribe).await;
            // The next child wants the store.
            outbox.send(Stop(Duration::from_secs(5))).await.expect("alive");
            assert_eq!(exchange.items(MAILBOX).await.len(), round, "one item for each call");
            assert_eq!(exchange.count("find").await, round as u64, "found, not made again");
        }
        assert_eq!(exchange.count("create").await, 5);
    });
}
