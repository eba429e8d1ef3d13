//! Digest towards a trunk: what is answered, and what gets nothing (RFC 3261 §22; T14).

use std::time::Duration;

use crate::{
    Exchange,
    support::{
        Over, Sip, Site,
        peer::Dialog,
        sipp::{self, Sipp},
    },
};

/// An exchange whose trunk knows Ringpost as `account`, in the realm `provider.test`.
fn exchange(folder: &tempfile::TempDir) -> Exchange {
    let file = folder.path().join("password");
    std::fs::write(&file, "correct horse\n").expect("written");
    let login = format!("login = \"account\"\npassword_file = {file:?}\nrealm = \"provider.test\"");
    Exchange::new(Over::Udp, "transit = true", &[&login])
}

fn challenge(name: &str, realm: &str, more: &str) -> String {
    format!(
        "{name}: Digest realm=\"{realm}\", nonce=\"n{}\", algorithm=SHA-256, qop=\"auth\"{more}\r\n",
        more.len()
    )
}

/// The trunk challenges; gives what comes next behind the ACK.
fn challenges(exchange: &mut Exchange, invite: &Sip, code: u16, header: &str) -> Sip {
    exchange.trunks[0].answer_with(invite, code, header, "");
    exchange.trunks[0].expect("ACK");
    exchange.trunks[0].expect("INVITE")
}

#[test]
fn an_invite_comes_again_with_credentials() {
    let folder = tempfile::tempdir().expect("a folder");
    for (code, name, answer) in
        [(401, "WWW-Authenticate", "Authorization"), (407, "Proxy-Authenticate", "Proxy-Authorization")]
    {
        let mut exchange = exchange(&folder);
        let caller = exchange.pbx.invite("+4930123");
        let first = exchange.trunks[0].expect("INVITE");
        assert_eq!((first.first("Authorization"), first.first("Proxy-Authorization")), ("", ""));
        let second = challenges(&mut exchange, &first, code, &challenge(name, "provider.test", ""));
        for same in ["Call-ID", "From", "To", "Max-Forwards", "Contact"] {
            assert_eq!(second.one(same), first.one(same), "{same}");
        }
        assert_eq!((first.one("CSeq"), second.one("CSeq")), ("1 INVITE", "2 INVITE"));
        assert_ne!(first.one("Via"), second.one("Via"));
        assert_eq!((second.uri(), second.body()), (first.uri(), first.body()));
        let value = second.one(answer);
        for part in ["Digest username=\"account\"", "realm=\"provider.test\"", "nc=00000001", "qop=auth"] {
            assert!(value.contains(part), "{part} in {value}");
        }
        assert!(value.contains(&format!("uri=\"{}\"", second.uri())), "{value}");
        // The nonce has gone stale meanwhile; then all is well, and the dialog goes on counting from there.
        let stale = challenge(name, "provider.test", ", stale=true");
        let third = challenges(&mut exchange, &second, code, &stale);
        assert_eq!(third.one("CSeq"), "3 INVITE");
        assert_ne!(third.one(answer), value);
        let answered = exchange.trunks[0].answer(&third, 200);
        assert_eq!(exchange.trunks[0].expect("ACK").one("CSeq"), "3 ACK");
        let ok = exchange.pbx.expect("200");
        let mut dialog = Dialog::caller(&caller, &ok);
        exchange.pbx.inside(&mut dialog, "ACK", "", "");
        exchange.pbx.inside(&mut dialog, "BYE", "", "");
        exchange.pbx.expect("200");
        let bye = exchange.trunks[0].expect("BYE");
        assert_eq!(bye.one("CSeq"), "4 BYE");
        // T14: whoever answers our BYE with a challenge learns nothing by it.
        exchange.trunks[0].answer_with(&bye, code, &challenge(name, "provider.test", ""), "");
        exchange.trunks[0].silent_for(Duration::from_millis(100));
        assert!(answered.raw.starts_with(b"SIP/2.0 200"));
        let log = exchange.ringpost.log();
        assert!(!log.contains("correct horse") && !log.contains("ERROR"), "{log}");
    }
}

#[test]
fn a_challenge_that_is_not_the_trunks_gets_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut exchange = exchange(&folder);
    let own = challenge("WWW-Authenticate", "provider.test", "");
    for header in [
        challenge("WWW-Authenticate", "attacker.test", ""),
        challenge("WWW-Authenticate", "attacker.test", ", stale=true"),
        challenge("Proxy-Authenticate", "provider.test", ""),
        String::from("WWW-Authenticate: Basic realm=\"provider.test\"\r\n"),
        String::new(),
    ] {
        let caller = exchange.pbx.invite("+4930123");
        let invite = exchange.trunks[0].expect("INVITE");
        exchange.trunks[0].answer_with(&invite, 401, &header, "");
        exchange.trunks[0].expect("ACK");
        exchange.pbx.refused(&caller, 480);
        exchange.trunks[0].silent_for(Duration::from_millis(30));
    }
    // A login that is not taken is not offered again.
    let caller = exchange.pbx.invite("+4930123");
    let first = exchange.trunks[0].expect("INVITE");
    let second = challenges(&mut exchange, &first, 401, &own);
    exchange.trunks[0].answer_with(&second, 401, &own, "");
    exchange.trunks[0].expect("ACK");
    exchange.pbx.refused(&caller, 480);
    // A call that was taken back meanwhile does not come again.
    let caller = exchange.pbx.invite("+4930123");
    let invite = exchange.trunks[0].expect("INVITE");
    exchange.trunks[0].answer(&invite, 180);
    exchange.pbx.expect("180");
    exchange.pbx.cancel(&caller, "");
    exchange.pbx.expect("200");
    exchange.pbx.refused(&caller, 487);
    let cancel = exchange.trunks[0].expect("CANCEL");
    exchange.trunks[0].answer(&cancel, 200);
    exchange.trunks[0].answer_with(&invite, 401, &own, "");
    exchange.trunks[0].expect("ACK");
    exchange.trunks[0].silent_for(Duration::from_millis(50));
    // A phone of ours that challenges gets nothing either: only trunks have a login.
    let log = exchange.ringpost.log();
    assert!(log.contains("A trunk's challenge is not answered trunk="), "{log}");
}

#[test]
fn sipp_wants_a_password_for_each_call() {
    if !sipp::is_there() {
        return;
    }
    const CALLS: u32 = 5;
    let site = Site::new();
    std::fs::write(site.folder.path().join("password"), "secret\n").expect("written");
    let mut trunk = Sipp::new("uas_407.xml", Over::Udp, &site);
    let mut pbx = Sipp::new("caller_answer.xml", Over::Udp, &site);
    let target = trunk.uri().replace("peer@", "");
    let ringpost = site
        .replace("sources = [\"127.0.0.1\", \"::1\"]", "sources = [\"127.0.0.1\", \"::1\"]\ntransit = true")
        .table(&format!(
            "[outbound]\nallowed_prefixes = [\"+49\"]\n[[trunk]]\nname = \"itsp\"\nsources = [\"127.0.0.11\"]\n\
             target = {target:?}\nprefixes = [\"+49\"]\nlogin = \"account\"\npassword_file = \"password\"\n\
             realm = \"provider.test\""
        ))
        .start();
    trunk.start(CALLS, &["-d", "100"]);
    trunk.listens();
    pbx.call("+4930123", ringpost.sip, CALLS, &["-d", "200"]);
    trunk.succeeds();
    pbx.succeeds();
    ringpost.back_to_baseline();
}
