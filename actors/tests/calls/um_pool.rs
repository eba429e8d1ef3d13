//! UM servers that die, hang, are busy and come back (R14–R16): whole calls and INFO, on the wire.

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use crate::{
    office::{is_cancelled, refuses},
    support::{
        Over, Peer, Ringpost, Sip, Site,
        metrics::number,
        peer::Dialog,
        ports,
        sipp::{self, Sipp},
        until,
    },
};

/// A PBX, two UM servers, a user without a phone.
struct Pair {
    pbx: Peer,
    first: Peer,
    second: Peer,
    ringpost: Ringpost,
    metrics: u16,
}

impl Pair {
    fn new(um: &str, user: &str) -> Self {
        let (site, metrics) = (Site::new().maildir(), ports(1));
        let [pbx, first, second] = [(); 3].map(|()| site.peer(Over::Udp));
        let ringpost = site
            .table(&format!(
                "[um]\nstrategy = \"round-robin\"\n{um}\n[metrics]\nlisten = \"127.0.0.1:{metrics}\""
            ))
            .table("[outbox]\nfirst_retry = \"100ms\"\nlongest_retry = \"200ms\"")
            .plan("lab", &[&first.uri(), &second.uri()])
            .user("1001", &[], &format!("um_plan = \"lab\"\n{user}"))
            .start();
        Self { pbx, first, second, ringpost, metrics }
    }

    /// A call that the second server takes; gives how long it took to reach it. The first hears nothing of it.
    fn second_takes_a_call(&mut self) -> Duration {
        let since = Instant::now();
        let invite = self.pbx.invite("1001");
        self.pbx.expect("181");
        let to_um = self.second.expect("INVITE");
        let took = since.elapsed();
        takes(&mut self.pbx, &mut self.second, &invite, &to_um);
        took
    }

    /// Whichever server is asked takes the call, until the first has come back by one of them.
    fn calls_until_the_first_is_back(&mut self) {
        while number(self.metrics, "um_readmitted_total") == 0 {
            let invite = self.pbx.invite("1001");
            self.pbx.expect("181");
            let end = Instant::now() + Duration::from_secs(10);
            let (server, to_um) = loop {
                assert!(Instant::now() < end, "a server is asked");
                if let Some(call) = self.first.next(Duration::from_millis(5)) {
                    break (&mut self.first, call);
                }
                if let Some(call) = self.second.next(Duration::from_millis(5)) {
                    break (&mut self.second, call);
                }
            };
            assert_eq!(to_um.what(), "INVITE");
            takes(&mut self.pbx, server, &invite, &to_um);
        }
    }

    fn ends(self) {
        drop((self.pbx, self.first, self.second));
        self.ringpost.stops_well();
    }

    fn status(&self) -> Output {
        let status = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args(["status", "--config"])
            .arg(self.ringpost.folder.path().join("site.toml"))
            .output();
        status.expect("the program runs")
    }

    /// The line of the first server.
    fn state_of_first(&self) -> String {
        let output = self.status();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let line = text.lines().find(|line| line.contains(&self.first.uri()));
        line.unwrap_or_else(|| panic!("not in {text}")).to_owned()
    }
}

/// The server takes the call; it is hung up.
pub fn takes(pbx: &mut Peer, server: &mut Peer, invite: &Sip, to_um: &Sip) {
    server.answer(to_um, 200);
    server.expect("ACK");
    let ok = pbx.expect("200");
    let mut talk = Dialog::caller(invite, &ok);
    pbx.inside(&mut talk, "ACK", "", "");
    pbx.ends(&mut talk, server);
}

#[test]
fn a_dead_server_delays_one_call_and_comes_back_by_options() {
    // R16: it leaves the set, is asked, and gets calls again.
    let timing =
        "timeout = \"300ms\"\nprobe_after = \"400ms\"\nprobe_longest = \"400ms\"\nprobe_ramp = \"100ms\"";
    let mut pair = Pair::new(timing, "missed_calls = \"off\"");
    until("the pool is shown", || number(pair.metrics, "um_servers") == 2);
    let late = pair.second_takes_a_call();
    assert!(late >= Duration::from_millis(250), "the first one was waited for: {late:?}");
    assert_eq!(pair.first.expect("INVITE").what(), "INVITE");
    assert!(pair.state_of_first().starts_with("yellow um server "), "{}", pair.state_of_first());
    until("the gauge follows", || number(pair.metrics, "um_servers_out") == 1);
    for _ in 0..6 {
        let soon = pair.second_takes_a_call();
        assert!(soon < Duration::from_millis(250), "no call waits for a dead server twice: {soon:?}");
    }
    // It is asked again and again, and calls nobody but the second.
    let probe = pair.first.expect("OPTIONS");
    pair.second_takes_a_call();
    drop(probe);
    let probe = pair.first.expect("OPTIONS");
    pair.first.answer(&probe, 200);
    pair.ringpost.logs("A UM server answers again");
    // On trial it gets calls, and the first that it takes readmits it.
    pair.calls_until_the_first_is_back();
    assert!(pair.state_of_first().starts_with("green um server "), "{}", pair.state_of_first());
    until("the gauge follows", || number(pair.metrics, "um_servers_out") == 0);
    pair.ends();
}

#[test]
fn a_dead_server_comes_back_by_calls_where_nobody_asks_it() {
    // R16: live-call probes. The first call that it takes readmits it, and no OPTIONS are sent.
    let timing = "timeout = \"300ms\"\nprobe = \"calls\"\nprobe_after = \"300ms\"\nprobe_longest = \"300ms\"\n\
                  probe_ramp = \"100ms\"";
    let mut pair = Pair::new(timing, "missed_calls = \"off\"");
    assert!(pair.second_takes_a_call() >= Duration::from_millis(250));
    assert_eq!(pair.first.expect("INVITE").what(), "INVITE");
    let soon = pair.second_takes_a_call();
    assert!(soon < Duration::from_millis(250), "before its time it gets none: {soon:?}");
    pair.calls_until_the_first_is_back();
    assert_eq!((number(pair.metrics, "um_left_total"), number(pair.metrics, "um_probes_total")), (1, 0));
    assert!(pair.state_of_first().starts_with("green um server "), "{}", pair.state_of_first());
    pair.ends();
}

#[test]
fn a_server_that_hangs_is_left_like_a_dead_one() {
    let mut pair = Pair::new("ring_limit = \"300ms\"", "missed_calls = \"off\"");
    let invite = pair.pbx.invite("1001");
    pair.pbx.expect("181");
    let hung = pair.first.expect("INVITE");
    pair.first.answer(&hung, 180);
    pair.pbx.expect("180");
    is_cancelled(&mut pair.first, &hung, "");
    let to_um = pair.second.expect("INVITE");
    takes(&mut pair.pbx, &mut pair.second, &invite, &to_um);
    for _ in 0..4 {
        pair.second_takes_a_call();
    }
    pair.first.silent_for(Duration::from_millis(30));
    pair.ends();
}

#[test]
fn a_busy_server_gets_its_rest_even_where_there_is_no_other() {
    // RFC 3261 §21.5.4: what says Retry-After hears nothing until then, calls end at once, and the notice waits its turn.
    let probing = "probe = \"calls\"\nprobe_after = \"100ms\"\nprobe_longest = \"100ms\"";
    let mut pair = Pair::new(probing, "missed_calls = \"um\"");
    let invite = pair.pbx.invite("1001");
    pair.pbx.expect("181");
    let since = Instant::now();
    for server in [&mut pair.first, &mut pair.second] {
        let call = server.expect("INVITE");
        server.answer_with(&call, 503, "Retry-After: 2 (full)\r\n", "");
        server.expect("ACK");
    }
    pair.pbx.refused(&invite, 503);
    let next = pair.pbx.invite("1001");
    pair.pbx.expect("181");
    pair.pbx.refused(&next, 480);
    assert!(since.elapsed() < Duration::from_millis(1_500), "nobody was waited for");
    // One pool for calls and INFO: the notices come after the rest, and the good reply readmits.
    let mut told = 0;
    while told < 2 {
        for server in [&mut pair.first, &mut pair.second] {
            if let Some(info) = server.next(Duration::from_millis(10)) {
                assert_eq!(info.what(), "INFO");
                assert!(since.elapsed() >= Duration::from_secs(2), "its rest: {:?}", since.elapsed());
                server.answer(&info, 200);
                told += 1;
            }
        }
        assert!(since.elapsed() < Duration::from_secs(20), "told in the end");
    }
    until("both are delivered", || pair.ringpost.log().matches("A notice is delivered").count() == 2);
    assert!(number(pair.metrics, "um_readmitted_total") >= 1);
    pair.ends();
}

#[test]
fn an_info_is_tried_until_um_is_back_and_a_failure_there_counts_for_calls() {
    let mut pair = Pair::new("probe_after = \"10s\"\nfailures = 1", "missed_calls = \"um\"");
    // Nobody answers for good: the caller goes, and the INFO meets a server that fails.
    let invite = pair.pbx.invite("1001");
    pair.pbx.expect("181");
    let to_um = pair.first.expect("INVITE");
    pair.first.answer(&to_um, 180);
    pair.pbx.expect("180");
    pair.pbx.cancel(&invite, "");
    pair.pbx.expect("200");
    is_cancelled(&mut pair.first, &to_um, "");
    pair.pbx.refused(&invite, 487);
    // The next in turn is the second; it fails, and the first takes the notice.
    let info = pair.second.expect("INFO");
    pair.second.answer(&info, 500);
    let info = pair.first.expect("INFO");
    pair.first.answer(&info, 200);
    pair.ringpost.logs("A notice is delivered");
    for _ in 0..4 {
        let invite = pair.pbx.invite("1001");
        pair.pbx.expect("181");
        let to_um = pair.first.expect("INVITE");
        takes(&mut pair.pbx, &mut pair.first, &invite, &to_um);
    }
    pair.second.silent_for(Duration::from_millis(30));
    // What is known outlives the reading of the site file.
    pair.ringpost.reload(&pair.ringpost.site());
    pair.ringpost.logs("Read the site file again");
    let invite = pair.pbx.invite("1001");
    pair.pbx.expect("181");
    let to_um = pair.first.expect("INVITE");
    refuses(&mut pair.first, &to_um, 486);
    pair.pbx.refused(&invite, 480);
    pair.ends();
}

#[test]
fn sipp_takes_every_call_while_the_other_server_is_dead() {
    if !sipp::is_there() {
        return;
    }
    for over in Over::BOTH {
        let site = Site::new();
        let phone = Sipp::new("uas_ring.xml", over, &site);
        let (mut pbx, mut um) =
            (Sipp::new("caller_answer.xml", over, &site), Sipp::new("uas_um_no-answer.xml", over, &site));
        let dead = site.peer(Over::Udp);
        let (mut phone, uri) = (phone, um.uri());
        let ringpost = site
            .table("[um]\ntimeout = \"300ms\"")
            .plan("lab", &[&dead.uri(), &uri])
            .table(&format!(
                "[[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\ndevices = [{:?}]\nring_for = \"500ms\"\n\
                 um_plan = \"lab\"",
                phone.uri()
            ))
            .start();
        phone.start(10, &[]);
        um.start(10, &[]);
        phone.listens();
        um.listens();
        pbx.call("1001", ringpost.sip, 10, &["-d", "200"]);
        pbx.succeeds();
        phone.succeeds();
        um.succeeds();
        drop(dead);
        ringpost.stops_well();
    }
}

#[test]
fn status_asks_the_running_process_and_says_where_it_cannot() {
    let pair = Pair::new("", "missed_calls = \"off\"");
    until("the pool is shown", || number(pair.metrics, "um_servers") == 2);
    let said = pair.status();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!(said.status.code(), Some(0), "{text}");
    for line in
        ["ringpost ", "calls_open 0", "um_servers 2", "green lane 0", "green um server sip:peer@127.0.0.1"]
    {
        assert!(text.contains(line), "{line} in {text}");
    }
    pair.ringpost.reload(&pair.ringpost.site());
    let folder = pair.ringpost.folder.path().join("site.toml");
    let site = pair.ringpost.site();
    std::fs::write(&folder, site.replace(&pair.metrics.to_string(), &ports(1).to_string())).expect("written");
    let nobody = pair.status();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("no answer at 127.0.0.1:"), "{nobody:?}");
    std::fs::write(&folder, site.replace("[metrics]\nlisten = ", "#")).expect("written");
    assert_eq!(pair.status().status.code(), Some(64));
    pair.ends();
}
