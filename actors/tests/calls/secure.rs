//! Two real phones of different make register over TLS, check our certificate, and call each other through us.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::{
    authority::Authority,
    baresip::{Phone, files, seconds_at},
    linphone::Linphone,
    support::{Ringpost, Site, metrics::number, ports, until},
};

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// 1001 and 1003 are baresip's, which knows no algorithm but MD5; 1002 is linphone's. Nobody but the test's probe uses UDP.
struct Office {
    ringpost: Ringpost,
    folder: PathBuf,
    tls: u16,
    metrics: u16,
}

impl Office {
    fn new(authority: &Authority) -> Self {
        let site = Site::new();
        let (sip, tls) = (site.sip, SocketAddr::from(([127, 0, 0, 1], ports(1))));
        let keys = authority.site(site.folder.path(), &NAMES).replace("\"1s\"", "\"10s\"");
        let folder = site.folder.path().to_owned();
        let login = "password = \"secret\"\nmissed_calls = \"off\"";
        let site = site.listen(&format!("[\"udp:{sip}\", \"tls:{tls}\"]")).table(&keys);
        let site = ["1001", "1002", "1003"].into_iter().fold(site, |site, user| site.user(user, &[], login));
        let metrics = ports(1);
        let ringpost = site
            .table(&format!(
                "[registrar]\nalgorithms = [\"MD5\"]\n[metrics]\nlisten = \"127.0.0.1:{metrics}\""
            ))
            .start();
        Self { ringpost, folder, tls: tls.port(), metrics }
    }

    fn ca(&self) -> PathBuf {
        self.folder.join("ca/own.pem")
    }

    fn bare(&self, user: &str, ca: &Path) -> Option<Phone> {
        let at = format!("127.0.0.1:{}", self.tls);
        Phone::secure(user, &self.folder, ("auto", 440), &at, ca)
    }

    /// A baresip that has registered.
    fn registered_bare(&self, user: &str) -> Option<Phone> {
        let phone = self.bare(user, &self.ca())?;
        until("baresip has registered", || phone.log().contains("200 OK"));
        Some(phone)
    }

    fn lin(&self, ca: &Path) -> Option<Linphone> {
        let sip = format!("root_ca={}\nverify_server_certs=1\nverify_server_cn=1", ca.display());
        let mut phone = Linphone::new("1002", &self.folder, &sip, "")?;
        phone.says(&format!("register sip:1002@corp.test {} secret", self.at("")), "secret");
        Some(phone)
    }

    fn registered_lin(&self) -> Option<Linphone> {
        let phone = self.lin(&self.ca())?;
        until("linphone has registered", || phone.log().contains("LinphoneRegistrationOk"));
        Some(phone)
    }

    /// A user by us, for linphone, which checks names but no addresses.
    fn at(&self, user: &str) -> String {
        let at = if user.is_empty() { "" } else { "@" };
        format!("sip:{user}{at}localhost:{};transport=tls", self.tls)
    }
}

fn dial(phone: &Phone, user: &str) {
    phone.says(&format!("{{\"command\":\"dial\",\"params\":\"sip:{user}@corp.test\"}}"));
}

#[test]
fn registered_phones_of_different_make_call_each_other_over_tls_and_hold() {
    let office = Office::new(&Authority::new("own"));
    let Some(bare) = office.registered_bare("1001") else { return };
    let Some(mut lin) = office.registered_lin() else { return };
    lin.says(&format!("call {}", office.at("1001")), "Media streams established");
    let at_lin = lin.plays(1_000.0);
    talk();
    lin.says("pause", "is now paused");
    lin.says("resume 1", "Media streams established");
    until("two re-INVITEs at baresip", || bare.log().matches("got re-INVITE").count() == 2);
    talk();
    lin.says("terminate", "ended");
    lin.says("autoanswer enable", "Auto answer enabled");
    dial(&bare, "1002");
    lin.shows("Media streams established");
    bare.says("{\"command\":\"hold\"}");
    lin.shows("has been paused by");
    bare.says("{\"command\":\"resume\"}");
    lin.shows("Media streams established");
    bare.says("{\"command\":\"hangup\"}");
    lin.shows("ended");
    assert!(!lin.log().contains("SIP/2.0/UDP"), "all of it went over TLS");
    drop((lin, bare));
    assert!(seconds_at(&at_lin, 440.0) > 1.0, "linphone heard too little of baresip");
    // Each call has a file of its own.
    let at_bare = files(&office.folder.join("baresip/1001"), "dec.wav");
    let seconds: f64 = at_bare.iter().map(|heard| seconds_at(heard, 1_000.0)).sum();
    assert!(seconds > 1.0, "baresip heard {seconds} s of linphone in {at_bare:?}");
    office.ringpost.stops_well();
}

#[test]
fn registered_phones_hand_each_other_on_over_tls() {
    let office = Office::new(&Authority::new("own"));
    let Some(bare) = office.registered_bare("1001") else { return };
    let Some(third) = office.registered_bare("1003") else { return };
    let Some(mut lin) = office.registered_lin() else { return };
    // Blind, by linphone.
    lin.says(&format!("call {}", office.at("1001")), "Media streams established");
    lin.says(&format!("transfer 1 {}", office.at("1003")), "linphonec>");
    until("the third is called", || established(&third) == 1);
    lin.shows("ended");
    until("baresip is led to the third", || bare.log().contains("got re-INVITE"));
    bare.says("{\"command\":\"hangup\"}");
    until("the third is hung up", || ended(&third) == 1);
    // Blind, by baresip.
    lin.says("autoanswer enable", "Auto answer enabled");
    dial(&bare, "1002");
    lin.shows("Media streams established");
    bare.says(&format!(
        "{{\"command\":\"transfer\",\"params\":\"sip:1003@127.0.0.1:{};transport=tls\"}}",
        office.tls
    ));
    until("the third is called", || established(&third) == 2);
    until("baresip is out of it", || office.ringpost.log().matches("event=HungUp(Phone(0))").count() == 2);
    lin.says("terminate", "ended");
    until("the third is hung up", || ended(&third) == 2);
    // Attended, by linphone.
    lin.says(&format!("call {}", office.at("1001")), "Media streams established");
    lin.says("pause", "is now paused");
    lin.says(&format!("call {}", office.at("1003")), "Media streams established");
    until("the third talks to linphone", || established(&third) == 3);
    // It numbers its calls from 1 on.
    lin.says("transfer 3 --to-call 4", "linphonec>");
    lin.shows("ended");
    until("baresip and the third talk", || third.log().matches("got re-INVITE").count() >= 1);
    third.says("{\"command\":\"hangup\"}");
    until("baresip is hung up", || ended(&bare) == 1);
    drop((lin, bare, third));
    office.ringpost.stops_well();
}

/// R87: a phone that does not know our CA does not tell us its user.
#[test]
fn phones_that_do_not_know_our_authority_stay_away() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let office = Office::new(&own);
    let elsewhere = office.folder.join("elsewhere");
    other.site(&elsewhere, &NAMES);
    let ca = elsewhere.join("ca/own.pem");
    let failures = || office.ringpost.log().matches("A handshake failed").count();
    let Some(bare) = office.bare("1001", &ca) else { return };
    until("baresip refuses our certificate", || failures() > 0);
    drop(bare);
    let before = failures();
    let Some(lin) = office.lin(&ca) else { return };
    until("linphone refuses our certificate", || failures() > before);
    drop(lin);
    assert_eq!(number(office.metrics, "challenges_total"), 0, "nobody has even asked");
}

fn established(phone: &Phone) -> usize {
    phone.log().matches("Call established").count()
}

fn ended(phone: &Phone) -> usize {
    phone.log().matches("session closed").count()
}

/// Sound needs time to be heard.
fn talk() {
    thread::sleep(Duration::from_secs(2));
}
