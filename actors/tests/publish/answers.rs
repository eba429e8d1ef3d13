//! A presence server that answers as a test says (T31).

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::support::{Over, PATIENCE, Peer, Ringpost, Sip, Site, peer::Dialog};

/// The server, and a call that makes changes.
struct Stage {
    server: Peer,
    pbx: Peer,
    phone: Peer,
    ringpost: Ringpost,
}

fn started(lines: &str) -> Stage {
    let site = Site::new();
    fs::write(site.folder.path().join("password"), "correct horse\n").expect("written");
    let server = Peer::new(Over::Udp, "127.0.0.24", site.sip);
    let (pbx, phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let address: SocketAddr = server.address;
    let ringpost = site
        .table(&format!(
            "[presence]\nenabled = true\n[presence.publish.front]\nserver = \"sip:{address}\"\npublish_gap = \"10ms\"\n{lines}"
        ))
        .user("1001", &[&phone], "")
        .start();
    Stage { server, pbx, phone, ringpost }
}

impl Stage {
    /// The next PUBLISH; questions whether it lives are answered.
    fn published(&mut self) -> Sip {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let message =
                self.server.next(left).unwrap_or_else(|| panic!("no PUBLISH\n{}", self.ringpost.log()));
            match message.what() {
                "OPTIONS" => drop(self.server.answer(&message, 200)),
                "PUBLISH" => return message,
                what => panic!("{what}: {message}"),
            }
        }
    }

    fn takes(&mut self, publish: &Sip, tag: &str) {
        let expires = publish.one("Expires").to_owned();
        self.server.answer_with(publish, 200, &format!("SIP-ETag: {tag}\r\nExpires: {expires}\r\n"), "");
    }

    fn call(&mut self) -> Dialog {
        let invite = self.pbx.invite("1001");
        let ringing = self.phone.expect("INVITE");
        self.pbx.talks(&invite, &mut self.phone, &ringing)
    }

    fn hang_up(&mut self, mut talk: Dialog) {
        self.pbx.ends(&mut talk, &mut self.phone);
    }
}

/// Digest; then 412, 500, 423 and a tag as long as a datagram, each at a change.
#[test]
fn every_answer_leads_to_the_present_state() {
    let mut stage = started(
        "login = \"ringpost\"\npassword_file = \"password\"\nrealm = \"pres.test\"\nkeep_alive = \"30s\"",
    );
    let first = stage.published();
    assert_eq!((first.one("Event"), first.one("Expires")), ("presence", "600"));
    assert!(first.one("To").contains("sip:1001@corp.test") && first.first("SIP-If-Match").is_empty());
    let challenge = "WWW-Authenticate: Digest realm=\"pres.test\", nonce=\"n1\", qop=\"auth\"\r\n";
    stage.server.answer_with(&first, 401, challenge, "");
    let again = stage.published();
    assert!(again.one("Authorization").contains("username=\"ringpost\""), "{again}");
    assert_eq!(again.one("Call-ID"), first.one("Call-ID"));
    assert!(again.body().contains(">available</own:telephony>"), "{again}");
    stage.takes(&again, "e1");
    let mut tag = "e1".to_owned();
    let (long, last) = ("x".repeat(50_000), "e9");
    for (code, lines, next) in [
        (412, "", "e2"),
        (500, "", "e3"),
        (423, "Min-Expires: 900\r\n", "e4"),
        (200, "", &*long),
        (200, "", last),
    ] {
        let call = stage.call();
        let change = stage.published();
        let known = if tag.len() > 512 { "" } else { &tag };
        assert_eq!(change.first("SIP-If-Match"), known, "{code}");
        assert!(change.body().contains(">busy</own:telephony>"), "{change}");
        if code == 200 {
            stage.takes(&change, next);
        } else {
            stage.server.answer_with(&change, code, lines, "");
            let anew = stage.published();
            assert_eq!(anew.first("SIP-If-Match"), if code == 423 { known } else { "" }, "{code}");
            assert_eq!(anew.one("Expires"), if code == 423 { "900" } else { "600" });
            assert!(anew.body().contains(">busy</own:telephony>"), "{anew}");
            stage.takes(&anew, next);
        }
        stage.hang_up(call);
        let free = stage.published();
        assert_eq!(free.first("SIP-If-Match"), if next.len() > 512 { "" } else { next });
        assert!(free.body().contains(">available</own:telephony>"), "{free}");
        tag = if next == long { "after".to_owned() } else { format!("{next}a") };
        stage.takes(&free, &tag);
    }
    drop((stage.pbx, stage.phone, stage.server));
    stage.ringpost.stops_well();
}

/// Killed, it goes on with the tags that it has: also of a user whom the site does not publish any more.
#[test]
fn r206_tags_outlive_a_kill_and_who_is_gone_is_taken_back() {
    let mut stage = started("keep_alive = \"30s\"");
    let first = stage.published();
    stage.takes(&first, "before");
    let store = rusqlite::Connection::open(stage.ringpost.folder.path().join("store.db")).expect("a store");
    let kept = || -> i64 {
        store
            .query_row("SELECT count(*) FROM presence WHERE name LIKE 'o %'", [], |row| row.get(0))
            .expect("a table")
    };
    crate::support::until("the tag is kept", || kept() == 1);
    stage.ringpost.kill();
    stage.ringpost.restart();
    let again = stage.published();
    assert_eq!((again.first("SIP-If-Match"), again.one("Expires")), ("before", "600"), "{again}");
    assert!(again.body().contains(">available</own:telephony>"), "{again}");
    assert_ne!(again.one("Call-ID"), first.one("Call-ID"));
    // A server that knows it no more is told anew.
    stage.server.answer_with(&again, 412, "", "");
    let anew = stage.published();
    assert!(anew.first("SIP-If-Match").is_empty() && anew.body().contains("available"), "{anew}");
    stage.takes(&anew, "after");
    crate::support::until("the tag is kept", || kept() == 1);
    std::thread::sleep(Duration::from_millis(200));
    stage.ringpost.kill();
    let site = stage.ringpost.site();
    fs::write(
        stage.ringpost.folder.path().join("site.toml"),
        site.replace("publish_gap", "users = []\npublish_gap"),
    )
    .expect("written");
    stage.ringpost.restart();
    let gone = stage.published();
    assert_eq!((gone.first("SIP-If-Match"), gone.one("Expires"), gone.body()), ("after", "0", ""), "{gone}");
    stage.server.answer_with(&gone, 200, "SIP-ETag: none\r\nExpires: 0\r\n", "");
    crate::support::until("nothing is kept", || kept() == 0);
    stage.ringpost.is_well();
}

/// T31: a tag of 100 KB, which no message may hold, and an answer that never comes whole, over TCP: the server counts as silent
/// until it answers otherwise, and has the present state within five seconds then.
#[test]
fn t31_a_tag_larger_than_any_message_costs_one_try() {
    let site = Site::new();
    let mut server = Peer::new(Over::Tcp, "127.0.0.24", site.sip);
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site
        .table(&format!(
            "[presence]\nenabled = true\n[presence.publish.front]\nserver = \"sip:{};transport=tcp\"\npublish_gap = \"10ms\"\n\
             keep_alive = \"1s\"",
            server.address
        ))
        .user("1001", &[&phone], "")
        .start();
    let huge = "e".repeat(100_000);
    let mut seen = 0;
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 200);
    let mut talk = Dialog::caller(&invite, &pbx.expect("200"));
    pbx.inside(&mut talk, "ACK", "", "");
    phone.expect("ACK");
    let mut well = None;
    let taken = loop {
        let message = server.expect_any();
        if message.what() == "OPTIONS" {
            server.answer(&message, 200);
            continue;
        }
        seen += 1;
        if seen <= 2 {
            let answer =
                server.response(&message, 200, "t", &format!("SIP-ETag: {huge}\r\nExpires: 600\r\n"), "");
            server.sends(&answer.raw);
            well = Some(Instant::now());
            ringpost.is_well();
        } else {
            server.answer_with(&message, 200, "SIP-ETag: short\r\nExpires: 600\r\n", "");
            break message;
        }
    };
    assert!(taken.body().contains(">busy</own:telephony>"), "{taken}");
    let took = well.expect("it was answered so").elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    ringpost.is_well();
    assert!(!ringpost.log().contains("panicked"));
}

/// A nonce that is stale, a time that is cut short, a tag that is another one after each refresh, 412 for a refresh, a body of
/// several parts in an answer, 503 with Retry-After and 403 for a change: the state of now gets there by the one publication.
#[test]
fn whatever_a_server_says_there_is_one_publication() {
    let mut stage = started(
        "login = \"ringpost\"\npassword_file = \"password\"\nrealm = \"pres.test\"\nkeep_alive = \"30s\"",
    );
    let first = stage.published();
    let challenge =
        |more: &str| format!("WWW-Authenticate: Digest realm=\"pres.test\", qop=\"auth\", {more}\r\n");
    stage.server.answer_with(&first, 401, &challenge("nonce=\"n1\""), "");
    let second = stage.published();
    stage.server.answer_with(&second, 401, &challenge("nonce=\"n2\", stale=true"), "");
    let third = stage.published();
    assert!(third.one("Authorization").contains("nonce=\"n2\""), "{third}");
    stage.server.answer_with(&third, 200, "SIP-ETag: e1\r\nExpires: 2\r\n", "");
    let parts = "--b\r\nContent-Type: text/plain\r\n\r\nSIP-ETag: evil\r\n--b\r\n\r\n\r\n--b--\r\n";
    for (tag, next) in [("e1", "e2"), ("e2", "e3")] {
        let since = Instant::now();
        let refresh = stage.published();
        assert_eq!((refresh.first("SIP-If-Match"), refresh.body()), (tag, ""), "{refresh}");
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
        let lines = format!("SIP-ETag: {next}\r\nExpires: 2\r\nContent-Type: multipart/mixed;boundary=b\r\n");
        stage.server.answer_with(&refresh, 200, &lines, parts);
    }
    let lost = stage.published();
    assert_eq!(lost.first("SIP-If-Match"), "e3");
    stage.server.answer_with(&lost, 412, "", "");
    let anew = stage.published();
    assert!(anew.first("SIP-If-Match").is_empty() && anew.body().contains("available"), "{anew}");
    stage.takes(&anew, "e4");
    let call = stage.call();
    let change = stage.published();
    stage.server.answer_with(&change, 503, "Retry-After: 1\r\n", "");
    let since = Instant::now();
    let again = stage.published();
    assert_eq!(again.first("SIP-If-Match"), "e4", "it has forgotten nothing");
    assert!(again.body().contains(">busy</own:telephony>"), "{again}");
    assert!(since.elapsed() >= Duration::from_millis(900), "{:?}", since.elapsed());
    stage.takes(&again, "e5");
    stage.hang_up(call);
    let change = stage.published();
    stage.server.answer_with(&change, 403, "", "");
    let again = stage.published();
    assert_eq!(again.first("SIP-If-Match"), "e5");
    assert!(again.body().contains(">available</own:telephony>"), "{again}");
    stage.takes(&again, "e6");
    stage.ringpost.is_well();
}

/// The next PUBLISH over TCP; questions whether it lives are answered.
fn asked(server: &mut Peer) -> Sip {
    loop {
        let message = server.expect_any();
        match message.what() {
            "OPTIONS" => drop(server.answer(&message, 200)),
            _ => return message,
        }
    }
}

/// A connection that is reset in the middle of an answer: the same is sent over the next one, by the same tag.
#[test]
fn an_answer_that_breaks_off_is_asked_for_again() {
    let site = Site::new();
    let mut server = Peer::new(Over::Tcp, "127.0.0.24", site.sip);
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site
        .table(&format!(
            "[presence]\nenabled = true\n[presence.publish.front]\nserver = \"sip:{};transport=tcp\"\npublish_gap = \"10ms\"\n\
             keep_alive = \"1s\"",
            server.address
        ))
        .user("1001", &[&phone], "")
        .start();
    let first = asked(&mut server);
    server.answer_with(&first, 200, "SIP-ETag: e1\r\nExpires: 600\r\n", "");
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    let mut talk = pbx.talks(&invite, &mut phone, &ringing);
    let change = loop {
        let message = asked(&mut server);
        if !message.body().is_empty() {
            break message;
        }
        // Its turn to be prolonged.
        server.answer_with(&message, 200, "SIP-ETag: e1\r\nExpires: 600\r\n", "");
    };
    assert_eq!(change.first("SIP-If-Match"), "e1");
    let answer = server.response(&change, 200, "t", "SIP-ETag: e2\r\nExpires: 600\r\n", "");
    assert!(server.sends(&answer.raw[..answer.raw.len() / 2]));
    server.hangs_up();
    let broke = Instant::now();
    let again = asked(&mut server);
    assert_eq!(again.first("SIP-If-Match"), "e1");
    assert!(again.body().contains(">busy</own:telephony>"), "{again}");
    assert!(broke.elapsed() < Duration::from_secs(8), "{:?}", broke.elapsed());
    server.answer_with(&again, 412, "", "");
    let anew = asked(&mut server);
    assert!(anew.first("SIP-If-Match").is_empty() && anew.body().contains(">busy</"), "{anew}");
    server.answer_with(&anew, 200, "SIP-ETag: e3\r\nExpires: 600\r\n", "");
    pbx.ends(&mut talk, &mut phone);
    ringpost.is_well();
}

/// A server that the site has no more is told so, and one that is there still hears nothing of it.
#[test]
fn r206_a_server_that_leaves_the_site_is_told_the_end() {
    let mut stage = started("keep_alive = \"30s\"");
    let first = stage.published();
    stage.takes(&first, "e1");
    let site = stage.ringpost.site();
    let (before, _) = site.split_once("[presence.publish.front]").expect("the table");
    let (_, users) = site.split_once("[[user]]").expect("a user");
    stage.ringpost.reload(&format!("{before}[[user]]{users}"));
    let end = stage.published();
    assert_eq!((end.first("SIP-If-Match"), end.one("Expires"), end.body()), ("e1", "0", ""), "{end}");
    stage.server.answer_with(&end, 200, "Expires: 0\r\n", "");
    // Back again.
    stage.ringpost.reload(&site);
    let anew = stage.published();
    assert!(anew.first("SIP-If-Match").is_empty() && anew.body().contains("available"), "{anew}");
    stage.takes(&anew, "e2");
    stage.ringpost.is_well();
}

/// A foreign realm gets no password; a server that refuses costs nothing but tries that become rare.
#[test]
fn a_stranger_learns_no_password() {
    let mut stage = started(
        "login = \"ringpost\"\npassword_file = \"password\"\nrealm = \"pres.test\"\nkeep_alive = \"30s\"",
    );
    let first = stage.published();
    let challenge = "WWW-Authenticate: Digest realm=\"evil.test\", nonce=\"n1\"\r\n";
    stage.server.answer_with(&first, 401, challenge, "");
    let since = Instant::now();
    let again = stage.published();
    assert!(again.first("Authorization").is_empty(), "{again}");
    assert!(since.elapsed() >= Duration::from_millis(450), "{:?}", since.elapsed());
    stage.server.answer_with(&again, 403, "", "");
    stage.ringpost.is_well();
}
