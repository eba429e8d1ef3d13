//! Beside a Ringpost that runs: its ports are its own, and it is asked what only it can know.

use std::{fs, net::SocketAddr, time::Duration};

use ringpost::doctor::{Report, Verdict};
use ringpost_actors::doctor::{Asked, examine};

use crate::{
    calls::{Over, Peer, Ringpost, SDP, ports, until},
    sip::Answerer,
    town::{step, verdicts},
};

struct Office {
    ringpost: Ringpost,
    provider: Answerer,
    desk: Peer,
}

impl Office {
    fn new(code: u16) -> Self {
        let provider = Answerer::udp();
        provider.says(code);
        let (sip, metrics, rtp) =
            (SocketAddr::from(([127, 0, 0, 1], ports(1))), ports(1), (ports(10) + 1) & !1);
        let last = rtp + 7;
        let desk = Peer::new(Over::Udp, "127.0.0.1", sip);
        let device = desk.uri();
        let site = format!(
            "[sip]\nlisten = [\"udp:{sip}\", \"tcp:{sip}\"]\ndomain = \"corp.test\"\nlanes = 2\nmax_connections = 100\n\
             [[trunk]]\nname = \"pbx\"\nsources = [\"127.0.0.1\"]\n\
             [[trunk]]\nname = \"provider\"\ntarget = \"sip:{}\"\nregister = \"sip:4930@provider.test\"\nprefixes = [\"+\"]\n\
             [um.plan.main]\nservers = [\"embedded\"]\n[voicemail]\nrtp_ports = \"{rtp}-{last}\"\n\
             [[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\nmissed_calls = \"off\"\ndevices = [{device:?}]\n\
             [store]\npath = \"store.db\"\n[metrics]\nlisten = \"127.0.0.1:{metrics}\"\n",
            provider.address
        );
        let folder = tempfile::tempdir().expect("a folder");
        Self { ringpost: Ringpost::of(folder, sip, &site), provider, desk }
    }

    fn report(&self) -> Report {
        let file = self.ringpost.folder.path().join("site.toml");
        let asked = Asked { file, user: None, only: None, timeout: Duration::from_secs(5) };
        let report = actix::System::new().block_on(async { examine(&asked).await });
        report.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits until the Ringpost that runs knows of its registration.
    fn knows(&self, verdict: Verdict) -> Report {
        until("the registration is known", || {
            step(&self.report(), "trunk.provider.registration").found.verdict == verdict
        });
        self.report()
    }
}

/// R31: everything well, in the middle of a call, which notices nothing.
#[test]
fn r31_beside_a_ringpost_that_runs_its_ports_are_its_own_and_its_calls_go_on() {
    let mut office = Office::new(200);
    let mut pbx = Peer::new(Over::Udp, "127.0.0.1", office.ringpost.sip);
    let invite = pbx.invite("1001");
    let rings = office.desk.expect("INVITE");
    office.desk.answer(&rings, 180);
    pbx.expect("180");
    let report = office.knows(Verdict::Ok);
    let pid = office.ringpost.pid();
    for (name, verdict) in verdicts(&report) {
        let expected = match name.as_str() {
            "trunk.pbx.options" => Verdict::Skipped,
            _ => Verdict::Ok,
        };
        assert_eq!(verdict, expected, "{name}\n{}", report.text(false));
    }
    let running = &step(&report, "program.running").found.said;
    assert!(running.starts_with(&format!("it runs as process {pid}")), "{running}");
    let sip = office.ringpost.sip;
    for name in [format!("port.udp:{sip}"), format!("port.tcp:{sip}")] {
        assert_eq!(step(&report, &name).found.said, "held by the Ringpost that runs");
    }
    assert!(step(&report, "host.files").found.said.starts_with("the running Ringpost may open"));
    office.desk.answer_with(&rings, 200, "", SDP);
    let ok = pbx.expect("200");
    pbx.acknowledges(&invite, &ok);
    office.desk.expect("ACK");
    let log = office.ringpost.log();
    assert!(!log.contains("broke off") && !log.contains(" WARN "), "it is troubled:\n{log}");
}

/// R31: what only the running one can know, and a provider that does not answer OPTIONS well either.
#[test]
fn r31_a_registration_that_is_refused_is_told_by_the_one_that_runs() {
    let office = Office::new(403);
    let report = office.knows(Verdict::Failed);
    let found = &step(&report, "trunk.provider.registration").found;
    assert!(found.said.contains("is not registered") && found.said.contains("403"), "{}", found.said);
    assert!(found.remedy.as_deref().is_some_and(|remedy| remedy.contains("password_file and realm")));
    assert_eq!(step(&report, "trunk.provider.options").found.verdict, Verdict::Note);
    assert_eq!(step(&report, "program.running").found.verdict, Verdict::Warning);
    assert_eq!(report.exit_code(), 1);
    office.provider.says(200);
}

/// Beside nobody it says so, and that a second site's Ringpost is no one of this site.
#[test]
fn r31_another_sites_ringpost_is_a_stranger_at_the_port() {
    let mut office = Office::new(200);
    let text = office.ringpost.site().replace("store.db", "other.db");
    fs::write(office.ringpost.folder.path().join("site.toml"), text).expect("written");
    let report = office.report();
    let found = &step(&report, &format!("port.udp:{}", office.ringpost.sip)).found;
    assert_eq!(found.verdict, Verdict::Failed);
    assert_eq!(found.said, format!("held by ringpost (process {})", office.ringpost.pid()));
    office.ringpost.kill();
    let report = office.report();
    assert_eq!(step(&report, &format!("port.udp:{}", office.ringpost.sip)).found.said, "free");
    assert_eq!(step(&report, "program.running").found.said, "none of this site runs");
    assert_eq!(step(&report, "trunk.provider.registration").found.verdict, Verdict::Skipped);
}
