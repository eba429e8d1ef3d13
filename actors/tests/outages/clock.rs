//! T34: the machine's clock is put forward by two years, back by an hour and over both ends of summer time, while Ringpost runs
//! and while it does not. Needs libfaketime.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    proxy::Fault::{Pass, Refuse},
    support::{Peer, Ringpost, Site, faketime, metrics, until},
    town::Town,
};

const TWO_YEARS: i64 = 2 * 366 * 86_400;

/// The clock of the program.
struct Clock(PathBuf);

impl Clock {
    /// Shows so many seconds more than the clock of the test.
    fn is_ahead(&self, seconds: i64) {
        let new = self.0.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).expect("written");
        fs::rename(new, &self.0).expect("renamed");
    }

    /// Shows that moment now.
    fn shows(&self, moment: Timestamp) {
        self.is_ahead(moment.duration_since(Timestamp::now()).as_secs());
    }
}

fn faked(site: Site, library: &Path) -> (Site, Clock) {
    let clock = Clock(site.folder.path().join("clock"));
    clock.is_ahead(0);
    let file = clock.0.display().to_string();
    let site = site
        .env("LD_PRELOAD", &library.display().to_string())
        .env("FAKETIME_TIMESTAMP_FILE", &file)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("NO_FAKE_STAT", "1")
        .env("TZ", "Europe/Copenhagen");
    (site, clock)
}

struct Office {
    pbx: Peer,
    desk: Peer,
}

impl Office {
    /// A call that its caller gives up.
    fn misses(&mut self, user: &str) -> String {
        let invite = self.pbx.invite(user);
        let ring = self.desk.expect("INVITE");
        self.desk.answer(&ring, 180);
        self.pbx.expect("180");
        self.pbx.gives_up(&invite, &mut self.desk, &ring);
        invite.one("Call-ID").to_owned()
    }

    /// A call that rings for its two seconds while something is done to the clock.
    fn rings_out(&mut self, meanwhile: impl FnOnce()) {
        let invite = self.pbx.invite("1008");
        let ring = self.desk.expect("INVITE");
        self.desk.answer(&ring, 180);
        self.pbx.expect("180");
        let since = Instant::now();
        meanwhile();
        let cancel = self.desk.expect("CANCEL");
        let rang = since.elapsed();
        assert!((1_500..4_000).contains(&rang.as_millis()), "it rang for {rang:?} instead of 2 s");
        self.desk.answer(&cancel, 200);
        self.desk.answer(&ring, 487);
        self.desk.expect("ACK");
        self.pbx.refused(&invite, 480);
    }
}

/// Whether a channel has told a call, and once.
fn told(town: &Town, channel: &str, call: &str) -> bool {
    let told = town.ledger(channel).told().into_iter().filter(|told| told.call == call).count();
    assert!(told < 2, "{channel} has told {call} twice");
    told == 1
}

#[test]
fn t34_a_clock_that_jumps_delays_nothing_loses_nothing_and_judges_certificates() {
    let Some(library) = faketime() else { return };
    let outbox = "first_retry = \"200ms\"\nlongest_retry = \"1s\"";
    let (site, town, pbx, desk) = Town::new(Site::new(), outbox);
    let (site, clock) = faked(site, &library);
    let ring_out = "ring_for = \"2s\"\nmissed_calls = \"off\"";
    let mut ringpost = site.user("1008", &[&desk], ring_out).start();
    let mut office = Office { pbx, desk };
    let call = office.misses("1005");
    until("told by the right clock", || told(&town, "online", &call));
    // A notice waits while the clock goes everywhere.
    town.proxy("mail").set(Refuse);
    let waits = office.misses("1001");
    ringpost.logs("A notice is delayed");

    office.rings_out(|| clock.is_ahead(TWO_YEARS));
    for (user, channel) in [("1003", "hook"), ("1005", "online")] {
        let call = office.misses(user);
        until("told by a clock that is ahead", || told(&town, channel, &call));
    }
    assert_eq!(town.tokens(), 1, "the token lives by the time that has gone by");
    // The certificate of this server ends in a year.
    let later = office.misses("1004");
    until("the certificate has ended", || {
        ringpost.log().contains("Expired") || ringpost.log().contains("expired")
    });
    again(&mut ringpost);
    let call = office.misses("1003");
    until("told after a start two years later", || told(&town, "hook", &call));

    office.rings_out(|| clock.is_ahead(-3_600));
    until("the certificate is good again", || told(&town, "exchange", &later));
    let call = office.misses("1005");
    until("told by a clock that is behind", || told(&town, "online", &call));
    again(&mut ringpost);

    // Both ends of summer time, one second before.
    for end in ["2027-03-28T01:00:00Z", "2027-10-31T01:00:00Z"] {
        let end: Timestamp = end.parse().expect("a timestamp");
        let before = end.checked_sub(SignedDuration::from_secs(1)).expect("a moment");
        office.rings_out(|| clock.shows(before));
        let call = office.misses("1003");
        until("told over the end of summer time", || told(&town, "hook", &call));
    }
    clock.is_ahead(0);
    assert!(!told(&town, "mail", &waits), "nobody takes mails yet");
    assert!(dead(&town).iter().all(|line| line.ends_with(" 0")), "given up: {:?}", dead(&town));
    town.proxy("mail").set(Pass);
    until("the notice that has waited all the time", || told(&town, "mail", &waits));
    town.settles(Duration::from_secs(10));
    let twice = town.ledgers().flat_map(|(_, ledger)| ledger.calls()).filter(|(_, told)| told.len() > 1);
    assert_eq!(twice.count(), 0);
    drop(office);
    ringpost.stops_well();
}

/// A crash and a start by the clock as it is now.
fn again(ringpost: &mut Ringpost) {
    ringpost.kill();
    ringpost.restart();
}

/// How many notices each channel has given up.
fn dead(town: &Town) -> Vec<String> {
    let numbers = metrics::ask(town.metrics, "GET /metrics HTTP/1.0\r\n\r\n");
    let lines = numbers.lines().filter(|line| line.starts_with("ringpost_notices_dead"));
    lines.map(str::to_owned).collect()
}
