//! T32: a disk that takes nothing costs no subscription, no publication and no count; only what outlives a restart.

use std::path::Path;

use crate::{
    support::{Over, Peer, until},
    trace::{Attached, possible},
    watcher::{Watcher, site},
};

const BUSY: &str = "<?xml version=\"1.0\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
    xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:1001@corp.test\">\
    <tuple id=\"a\"><status><basic>open</basic></status></tuple><dm:person id=\"p\"><rpid:activities><rpid:busy/></rpid:activities>\
    </dm:person></presence>";

fn rows(store: &Path) -> i64 {
    let store = rusqlite::Connection::open_with_flags(store, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
    let count = |store: rusqlite::Connection| {
        store.query_row("SELECT count(*) FROM presence", [], |row| row.get(0)).unwrap_or(-1)
    };
    store.map_or(-1, count)
}

#[test]
fn t32_a_full_or_read_only_disk_costs_no_watcher_and_is_written_when_it_takes_it_again() {
    if !possible() {
        return;
    }
    for error in ["ENOSPC", "EROFS"] {
        let mut ringpost = site("users = \"full\"\nresume_within = \"1s\"\nmessages_from = [\"um\"]")
            .table("[[trunk]]\nname = \"um\"\nsources = [\"127.0.0.7\"]")
            .user("1001", &[], "")
            .user("1002", &[], "")
            .start();
        let store = ringpost.folder.path().join("store.db");
        let mut um = Peer::new(Over::Udp, "127.0.0.7", ringpost.sip);
        let inject = format!("inject=pwrite64:error={error}");
        let failing = Attached::to(
            ringpost.pid(),
            &ringpost.folder.path().join("trace"),
            &["-e", "trace=pwrite64", "-e", &inject],
        );
        let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
        watcher.subscribes("1001", "presence", "");
        let mut of_messages = Watcher::new(&ringpost, Over::Udp, "1001");
        of_messages.subscribes("1001", "message-summary", "");
        let mut phone = Watcher::new(&ringpost, Over::Udp, "1001");
        let lines = "Event: presence\r\nExpires: 600\r\nContent-Type: application/pidf+xml\r\n";
        phone.asks("PUBLISH", "1001", lines, BUSY);
        phone.peer.expect("200");
        watcher.sees("<own:rich>busy<");
        // Counts of a UM are answered when they are on the disk: it is asked to come again, and believed all the same.
        let lines = "Event: message-summary\r\nContent-Type: application/simple-message-summary\r\n";
        let body = "Messages-Waiting: yes\r\nVoice-Message: 3/0\r\n";
        um.request("NOTIFY", "sip:1001@corp.test", lines, body);
        let answer = um.expect_any();
        assert_eq!((answer.what(), answer.one("Retry-After")), ("503", "10"), "{error}: {answer}");
        of_messages.sees("Voice-Message: 3/0");
        ringpost.logs("ERROR");
        ringpost.is_well();
        watcher.refreshes(600);
        assert_eq!(rows(&store), 0, "{error}");
        // It takes it again: what was taken meanwhile outlives a kill.
        drop(failing);
        until("everything is written", || rows(&store) >= 4);
        ringpost.kill();
        ringpost.restart();
        watcher.sees("<own:rich>busy<");
        of_messages.sees("Voice-Message: 3/0");
        ringpost.is_well();
    }
}
