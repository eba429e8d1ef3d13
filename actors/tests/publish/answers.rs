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
