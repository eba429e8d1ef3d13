//! Trunks that Ringpost registers at, and whether they live (RFC 3261 §10, §11).

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::support::{Over, Peer, Ringpost, Site, peer::Dialog, ports, until};

const CHALLENGE: &str =
    "WWW-Authenticate: Digest realm=\"provider.test\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n";

/// A provider, a user with a phone, and where Ringpost shows its health.
struct Provider {
    provider: Peer,
    phone: Peer,
    health: SocketAddr,
    ringpost: Ringpost,
}

impl Provider {
    /// The provider is at 127.0.0.11, without `sources`; `lines` are further ones of its trunk.
    fn new(over: Over, lines: &str) -> Self {
        let health = SocketAddr::from(([127, 0, 0, 1], ports(1)));
        let site = Site::new();
        std::fs::write(site.folder.path().join("password"), "secret\n").expect("written");
        let provider = Peer::new(over, "127.0.0.11", site.sip);
        let phone = site.peer(over);
        let target = provider.uri().replace("peer@", "");
        let ringpost = site
            .table(&format!(
                "[metrics]\nlisten = \"{health}\"\n[outbound]\nallowed_prefixes = [\"+49\"]\n\
                 [[trunk]]\nname = \"office\"\nsources = [\"127.0.0.5\"]\ntransit = true\n\
                 [[trunk]]\nname = \"itsp\"\ntarget = {target:?}\nprefixes = [\"+\"]\n{lines}"
            ))
            .user("+49305551", &[&phone], "missed_calls = \"off\"")
            .start();
        Self { provider, phone, health, ringpost }
    }

    fn registering(over: Over, lines: &str) -> Self {
        let register =
            "register = \"sip:+4930555@provider.test\"\nlogin = \"account\"\npassword_file = \"password\"";
        Self::new(over, &format!("{register}\n{lines}"))
    }

    fn get(&self, path: &str) -> String {
        get(self.health, path)
    }

    fn shows(&self, line: &str) {
        until(line, || self.get("/health").contains(line));
    }

    /// A call from a PBX that may call through.
    fn calls_out(&mut self, pbx: &mut Peer) -> crate::support::Sip {
        pbx.invite("+4930999")
    }
}

/// What Ringpost tells a monitoring system.
pub fn get(health: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(health).expect("metrics are served");
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).expect("written");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("read");
    text
}

#[test]
fn a_provider_registers_us_and_calls_come_from_where_it_is() {
    for over in Over::BOTH {
        let mut office = Provider::registering(over, "expires = \"10m\"");
        let first = office.provider.expect("REGISTER");
        assert_eq!((first.uri(), first.one("Expires")), ("sip:provider.test", "600"));
        assert_eq!(first.one("To"), "<sip:+4930555@provider.test>");
        // Nobody is known at that address yet.
        let early = office.provider.request("INVITE", "sip:+49305551@provider.test", "", "");
        office.provider.refused(&early, 403);
        office.provider.answer_with(&first, 401, CHALLENGE, "");
        let second = office.provider.expect("REGISTER");
        assert_eq!((first.one("CSeq"), second.one("CSeq")), ("1 REGISTER", "2 REGISTER"));
        assert_eq!(first.one("Call-ID"), second.one("Call-ID"));
        assert_eq!(first.one("From"), second.one("From"));
        assert!(second.one("Authorization").contains("username=\"account\""));
        let contact = second.contact().to_owned();
        assert!(contact.starts_with(&format!("sip:+4930555@{}", office.ringpost.sip)), "{contact}");
        let granted = format!("Contact: <{contact}>;expires=4\r\n");
        office.provider.answer_with(&second, 200, &granted, "");
        office.shows("green trunk itsp registration");
        // A call to the registered Contact; To says for whom. Then one with the number in the Request-URI.
        let uri = contact.clone();
        let draft = office.provider.draft("INVITE", &uri, "", crate::support::SDP);
        let draft = draft.replace(&format!("To: <{uri}>"), "To: <sip:+49305551@provider.test>");
        for text in [draft, office.provider.draft("INVITE", "sip:+49305551@x.test", "", crate::support::SDP)]
        {
            office.provider.send(text.as_bytes());
            let invite = crate::support::Sip::new(text.as_bytes());
            let ring = office.phone.expect("INVITE");
            office.phone.answer(&ring, 200);
            office.phone.expect("ACK");
            let ok = office.provider.expect("200");
            let mut dialog = Dialog::caller(&invite, &ok);
            office.provider.inside(&mut dialog, "ACK", "", "");
            office.provider.ends(&mut dialog, &mut office.phone);
        }
        // It is refreshed before its time is over, in the same series.
        let refresh = office.provider.expect("REGISTER");
        assert_eq!((refresh.one("Call-ID"), refresh.one("CSeq")), (first.one("Call-ID"), "3 REGISTER"));
        let granted = format!("Contact: <{contact}>;expires=600\r\n");
        office.provider.answer_with(&refresh, 200, &granted, "");
        office.ringpost.signal("TERM");
        let farewell = office.provider.expect("REGISTER");
        assert_eq!((farewell.one("Expires"), farewell.contact()), ("0", &contact[..]));
        office.provider.answer(&farewell, 200);
        assert_eq!(office.ringpost.ended().code(), Some(0));
        assert!(!office.ringpost.log().contains("secret"));
    }
}

#[test]
fn a_provider_that_refuses_is_asked_again_later_and_the_password_stays_here() {
    let mut office = Provider::registering(Over::Udp, "expires = \"1m\"\nretry = \"200ms\"");
    let brief = office.provider.expect("REGISTER");
    office.provider.answer_with(&brief, 423, "Min-Expires: 120\r\n", "");
    let longer = office.provider.expect("REGISTER");
    assert_eq!((brief.one("Expires"), longer.one("Expires")), ("60", "120"));
    // T14: a challenge for another realm.
    office.provider.answer_with(&longer, 401, &CHALLENGE.replace("provider.test", "evil.test"), "");
    let again = office.provider.expect("REGISTER");
    assert_eq!(again.first("Authorization"), "");
    office.shows("yellow trunk itsp registration: 401: it is for a realm that is not the trunk's");
    // A password that is not taken is sent once for each try.
    office.provider.answer_with(&again, 401, CHALLENGE, "");
    let tried = office.provider.expect("REGISTER");
    office.provider.answer_with(&tried, 401, CHALLENGE, "");
    let later = office.provider.expect("REGISTER");
    assert_eq!(later.first("Authorization"), "");
    office.provider.answer_with(&later, 403, "", "");
    let last = office.provider.expect("REGISTER");
    assert!(office.get("/metrics").contains("ringpost_trunk_registrations_failed_total 3"));
    // Nothing leaves by a trunk that does not register us.
    let mut pbx = Peer::new(Over::Udp, "127.0.0.5", office.ringpost.sip);
    let invite = office.calls_out(&mut pbx);
    pbx.refused(&invite, 503);
    office.provider.answer(&last, 200);
    office.shows("green trunk itsp registration");
    office.calls_out(&mut pbx);
    office.provider.expect("INVITE");
}

#[test]
fn a_trunk_that_answers_no_options_is_down_until_it_does() {
    let mut office =
        Provider::new(Over::Udp, "sources = [\"127.0.0.11\"]\nkeep_alive = \"1s\"\nfailures = 2");
    let options = office.provider.expect("OPTIONS");
    assert_eq!(options.uri(), format!("sip:{}", office.provider.address));
    // Any answer is a sign of life, even one that knows no OPTIONS.
    office.provider.answer(&options, 405);
    office.shows("green trunk itsp\n");
    let mut pbx = Peer::new(Over::Udp, "127.0.0.5", office.ringpost.sip);
    let invite = office.calls_out(&mut pbx);
    let out = loop {
        let next = office.provider.next(Duration::from_secs(5)).expect("it is called");
        if next.what() == "INVITE" {
            break next;
        }
    };
    office.provider.answer(&out, 486);
    pbx.refused(&invite, 486);
    office.shows("yellow trunk itsp: OPTIONS is answered 408, or not at all");
    assert!(office.get("/metrics").contains("ringpost_health{part=\"trunk itsp\"} 1"));
    let invite = office.calls_out(&mut pbx);
    pbx.refused(&invite, 503);
    until("an OPTIONS that it answers", || {
        let next = office.provider.next(Duration::from_secs(2)).filter(|next| next.what() == "OPTIONS");
        next.map(|options| office.provider.answer(&options, 200));
        office.get("/health").contains("green trunk itsp\n")
    });
    office.calls_out(&mut pbx);
    until("it is called again", || {
        office.provider.next(Duration::from_secs(1)).is_some_and(|next| next.what() == "INVITE")
    });
}
