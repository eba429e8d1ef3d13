//! A connector that breaks is started again alone (R118, T39).

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use actix::System;
use ringpost::settings::Site;
use tempfile::TempDir;

use super::{Command, Connectors, Filter, feeds::LOOKS, part};
use crate::{
    load,
    metrics::{METRICS, State},
    stage::Running,
};

impl Connectors {
    /// Breaks a connector.
    fn breaks(&self, name: &str) {
        let commands = self.running().get(name).cloned().expect("it runs");
        assert!(commands.send(Command::Break).is_ok());
    }
}

fn state(name: &str) -> Option<State> {
    let part = part(name);
    METRICS.health.parts().into_iter().find(|(known, _)| *known == part).map(|(_, state)| state)
}

async fn until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A site of one user with these connectors, and the folder that it needs.
fn site(connectors: &str) -> (TempDir, Site) {
    let folder = tempfile::tempdir().expect("a folder");
    let probe = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|probe| probe.local_addr());
    let port = probe.expect("a port").port();
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:{port}\"]\nlanes = 1\ndrain = \"0s\"\n[store]\npath = \"{}\"\n[presence]\nenabled = true\n\
         {connectors}[[user]]\naddress = \"sip:1@lab.test\"\nnumbers = [\"1\"]\nmissed_calls = \"off\"\n",
        folder.path().join("store.db").display()
    );
    let site = load::text(&folder.path().join("site.toml"), &text).expect("a good site");
    (folder, site)
}

/// R104: begins and ends of watching somebody elsewhere cost the same however many users there are.
#[test]
fn a_stranger_is_looked_at_alone_and_no_user_is() {
    let _alone = crate::keeper::tests::alone();
    let (_folder, site) = site(
        "[[presence.connector]]\nname = \"far\"\nserver = \"127.0.0.1:9\"\ndomains = [\"else.test\"]\nmax_users = 12\n",
    );
    System::new().block_on(async move {
        let running = Running::start(site).await.expect("it starts");
        until("it runs", || matches!(state("far"), Some(State::Yellow(_)))).await;
        let presence = Arc::clone(&running.connectors.presence);
        let directory = presence.directory.load_full();
        let rows = async |expected: usize| {
            let end = Instant::now() + Duration::from_secs(10);
            loop {
                let rows = running.connectors.report(&Filter::default()).await.connectors[0].rows.len();
                if rows == expected {
                    return;
                }
                assert!(Instant::now() < end, "{rows} rows, never {expected}");
            }
        };
        rows(1).await;
        let before = LOOKS.load(Relaxed);
        let found = |number: u8| presence.foreign(&directory, &format!("sip:{number}@else.test"));
        let cells: Vec<_> = (0..12).filter_map(found).collect();
        for (at, cell) in cells.iter().enumerate().take(10) {
            cell.watched_by(0);
            presence.stranger_is_watched(cell);
            rows(at + 2).await;
        }
        for cell in &cells[..5] {
            cell.left_by(0);
            presence.stranger_is_watched(cell);
        }
        rows(6).await;
        assert_eq!(LOOKS.load(Relaxed), before, "no user was looked at");
        // Whoever found no place gets one that is left.
        let mut all: Vec<_> = (0..13).filter_map(found).collect();
        for cell in all.iter().filter(|cell| !cell.is_watched()) {
            cell.watched_by(0);
            presence.stranger_is_watched(cell);
        }
        rows(13).await;
        let gone = all.remove(0);
        gone.left_by(0);
        presence.stranger_is_watched(&gone);
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let known = running.connectors.report(&Filter::default()).await;
            if known.connectors[0].rows.iter().any(|row| row.user == "sip:12@else.test") {
                break;
            }
            assert!(Instant::now() < end, "never: {known:?}");
        }
        rows(13).await;
        running.stop().await;
    });
}

#[test]
fn a_connector_that_breaks_begins_anew_alone_and_rests_where_it_breaks_too_often() {
    let _alone = crate::keeper::tests::alone();
    let (_folder, site) = site(
        "[[presence.connector]]\nname = \"frail\"\nserver = \"127.0.0.1:9\"\n[[presence.connector]]\nname = \"sound\"\n\
         server = \"127.0.0.1:9\"\n",
    );
    System::new().block_on(async move {
        let running = Running::start(site).await.expect("it starts");
        let waits = |name: &str| matches!(state(name), Some(State::Yellow(_)));
        until("both run", || waits("frail") && waits("sound")).await;
        let red = || state("frail") == Some(State::Red("broken by a test".into()));
        for _ in 0..5 {
            running.connectors.breaks("frail");
            until("it is red", red).await;
            let since = Instant::now();
            until("it is back", || waits("frail")).await;
            assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
            assert!(waits("sound"), "the other one goes on");
        }
        // Once too often: it rests, and nobody else does.
        running.connectors.breaks("frail");
        until("it is red", red).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(red() && waits("sound"));
        let report = running.connectors.report(&super::Filter::default()).await;
        let names: Vec<_> = report.connectors.iter().map(|one| (one.name.as_str(), one.rows.len())).collect();
        assert_eq!(names, [("frail", 0), ("sound", 1)]);
        running.stop().await;
    });
}
