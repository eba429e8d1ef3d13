//! Documents as the running program sends them, held against the published schemas (R101, R102), with lists.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    support::{Over, SDP, Sip, peer::Dialog},
    watcher::{Watcher, site},
};

/// The XML parts of a NOTIFY: the body, or each part of a list.
fn parts(notify: &Sip) -> Vec<String> {
    let body = notify.body();
    if !notify.one("Content-Type").starts_with("multipart/related") {
        return vec![body.to_owned()];
    }
    let boundary = notify.one("Content-Type").split("boundary=").nth(1).expect("a boundary").to_owned();
    let line = format!("--{}", boundary.split(';').next().unwrap_or("").trim_matches('"'));
    let all = body.split(&line).skip(1).filter(|part| !part.starts_with("--"));
    all.map(|part| part.split_once("\r\n\r\n").map_or("", |(_, text)| text).trim_end().to_owned()).collect()
}

#[test]
fn r101_what_watchers_are_sent_is_as_the_schemas_say() {
    let lines = "users = \"full\"\n[[presence.state]]\nname = \"Lab & <co>\"\nmeans = \"busy\"\n\
        [[presence.list]]\naddress = \"sip:team@corp.test\"\nmembers = [\"1001\", \"1003\", \"4711\"]";
    let site = site(lines);
    let (mut pbx, mut phone) = (site.peer(Over::Tcp), site.peer(Over::Udp));
    let ringpost = site
        .user("1001", &[&phone], "missed_calls = \"off\"")
        .user("1002", &[], "")
        .user("1003", &[], "[user.presence]\nblock = [\"1002\"]")
        .start();
    let lists = "Supported: eventlist\r\nAccept: application/pidf+xml, application/dialog-info+xml\r\n\
        Accept: application/rlmi+xml, multipart/related\r\n";
    let mut sent: Vec<(String, String)> = vec![];
    let rows = [
        ("1001", "presence", ""),
        ("1001", "dialog", ""),
        ("team", "presence", lists),
        ("team", "dialog", lists),
    ];
    let mut watchers: Vec<_> = rows
        .iter()
        .map(|(user, package, lines)| {
            let mut watcher = Watcher::new(&ringpost, Over::Tcp, "1002");
            let first = watcher.subscribes(user, package, lines);
            sent.extend(parts(&first).into_iter().map(|part| (format!("{user} {package} first"), part)));
            watcher
        })
        .collect();
    let mut own = Watcher::new(&ringpost, Over::Udp, "1001");
    let body = "<?xml version=\"1.0\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
        xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:1001@corp.test\"><tuple id=\"a\"><status><basic>open</basic>\
        </status></tuple><dm:person id=\"p\"><rpid:activities><rpid:other>Lab &amp; &lt;co&gt;</rpid:other></rpid:activities>\
        <dm:note>]]&gt; &#x202e; \"note\"</dm:note></dm:person></presence>";
    own.asks(
        "PUBLISH",
        "1001",
        "Event: presence\r\nExpires: 60\r\nContent-Type: application/pidf+xml\r\n",
        body,
    );
    own.peer.expect("200");
    let name = "From: \"Eve <script>&amp;\" <sip:+4544890101@pbx.test>";
    let text = pbx.draft("INVITE", &format!("sip:1001@{}", ringpost.sip), "", SDP);
    let text = text.replace("From: \"Ada Caller\" <sip:+4544890101@pbx.test>", name);
    pbx.send(text.as_bytes());
    let invite = Sip::new(text.as_bytes());
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    pbx.expect("180");
    phone.answer(&ringing, 200);
    let mut talk = Dialog::caller(&invite, &pbx.expect("200"));
    pbx.inside(&mut talk, "ACK", "", "");
    phone.expect("ACK");
    for (watcher, (user, package, _)) in watchers.iter_mut().zip(rows) {
        let last = watcher.sees(if package == "dialog" { "confirmed" } else { "on-the-phone" });
        sent.extend(parts(&last).into_iter().map(|part| (format!("{user} {package} talks"), part)));
    }
    ringpost.is_well();
    assert!(sent.len() >= 12, "{sent:#?}");
    for kind in ["<presence ", "<dialog-info ", "<list "] {
        assert!(sent.iter().filter(|(_, text)| text.contains(kind)).count() >= 2, "{kind}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let files: Vec<PathBuf> = sent
        .iter()
        .enumerate()
        .map(|(at, (_, text))| {
            let file = folder.path().join(format!("{at}.xml"));
            fs::write(&file, text).expect("written");
            file
        })
        .collect();
    let (lists, files): (Vec<_>, Vec<_>) =
        files.into_iter().zip(&sent).partition(|(_, (_, text))| text.contains("<list "));
    let lists: Vec<_> = lists.into_iter().map(|(file, _)| file).collect();
    let files: Vec<_> = files.into_iter().map(|(file, _)| file).collect();
    is_valid(&lists, &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/watching/rlmi.xsd"), &sent);
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let corpora = std::env::var_os("RINGPOST_CORPORA").map_or_else(beside, PathBuf::from);
    let schema = corpora.join("presence-xsd/all.xsd");
    if !schema.exists() {
        return println!("skipped: no corpora beside the project or in RINGPOST_CORPORA");
    }
    is_valid(&files, &schema, &sent);
}

/// Holds them against a schema; a word about it where nothing can.
fn is_valid(files: &[PathBuf], schema: &Path, sent: &[(String, String)]) {
    let mut checker = Command::new("xmllint");
    let checked = checker.args(["--noout", "--nonet", "--schema"]).arg(schema).args(files).output();
    let Ok(checked) = checked else { return println!("skipped: no xmllint") };
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}\n{sent:#?}");
    assert_eq!(said.matches(" validates").count(), files.len(), "{said}");
}
