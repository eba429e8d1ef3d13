//! Kamailio as the PBX in front and as the registrar behind.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::{Over, Peer, SDP, Sip, Site, peer::Dialog, ports, until};

/// A Kamailio that ends with its test.
struct Kamailio {
    child: Child,
    folder: tempfile::TempDir,
}

impl Kamailio {
    /// One that listens there, with a file of `tests/services` and further definitions; `None` and a word about it where
    /// it is not installed.
    fn start(config: &str, listen: SocketAddr, definitions: &[(&str, String)]) -> Option<Self> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
        folders.push("/usr/sbin".into());
        let Some(program) = folders.iter().map(|folder| folder.join("kamailio")).find(|path| path.is_file())
        else {
            println!("skipped: kamailio is not installed");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let log = File::create(folder.path().join("log")).expect("a log");
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services").join(config);
        let mut command = Command::new(program);
        command.arg("-f").arg(config).args(["-DD", "-E", "-m", "32", "-M", "4"]);
        command.arg("-Y").arg(folder.path()).arg("-A").arg(format!("LISTEN=udp:{listen}"));
        for (name, value) in definitions {
            command.arg("-A").arg(format!("{name}={value}"));
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("kamailio runs");
        let kamailio = Self { child, folder };
        let mut probe = Peer::new(Over::Udp, "127.0.0.1", listen);
        until(&format!("kamailio answers: {}", kamailio.log()), || {
            probe.request("OPTIONS", &format!("sip:{listen}"), "", "");
            probe.next(Duration::from_millis(200)).is_some()
        });
        Some(kamailio)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Kamailio {
    /// SIGTERM, so that its children go with it.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Both ends hang up a call in turn: `caller` has answered dialogs with `callee`.
fn talk_and_hang_up(caller: &mut Peer, callee: &mut Peer, invite: &Sip, ring: &Sip, callee_ends: bool) {
    callee.answer(ring, 180);
    caller.expect("180");
    let answer = callee.answer(ring, 200);
    let ok = caller.expect("200");
    assert_eq!(ok.body(), SDP);
    let mut near = Dialog::caller(invite, &ok);
    caller.inside(&mut near, "ACK", "", "");
    callee.expect("ACK");
    let mut far = Dialog::callee(ring, &answer);
    if callee_ends {
        callee.inside(&mut far, "BYE", "", "");
        let bye = caller.expect("BYE");
        caller.answer(&bye, 200);
        callee.expect("200");
    } else {
        caller.inside(&mut near, "BYE", "", "");
        let bye = callee.expect("BYE");
        callee.answer(&bye, 200);
        caller.expect("200");
    }
}

#[test]
fn kamailio_in_front_sends_calls_that_ring_end_and_are_told() {
    let front = SocketAddr::from(([127, 0, 0, 20], ports(1)));
    let site = Site::new();
    let definitions = [("RINGPOST", format!("\"sip:{}\"", site.sip))];
    let Some(kamailio) = Kamailio::start("kamailio-front.cfg", front, &definitions) else { return };
    let mut phone = site.peer(Over::Udp);
    let mut caller = Peer::new(Over::Udp, "127.0.0.30", front);
    let ringpost = site
        .maildir()
        .table("[[trunk]]\nname = \"kamailio\"\nsources = [\"127.0.0.20\"]")
        .user("1001", &[&phone], "missed_calls = \"mail\"\nmail = \"ada@corp.test\"")
        .start();
    for callee_ends in [false, true] {
        let invite = caller.invite("1001");
        let ring = phone.expect("INVITE");
        assert!(ring.first("Record-Route").is_empty(), "the hop before us is no business of the phone's");
        talk_and_hang_up(&mut caller, &mut phone, &invite, &ring, callee_ends);
    }
    // Given up: the phone hears it, and the mail names whom Kamailio vouches for.
    let invite = caller.invite("1001");
    let ring = phone.expect("INVITE");
    phone.answer(&ring, 180);
    caller.expect("180");
    caller.cancel(&invite, "");
    caller.expect("200");
    caller.refused(&invite, 487);
    let cancel = phone.expect("CANCEL");
    phone.answer(&cancel, 200);
    phone.answer(&ring, 487);
    phone.expect("ACK");
    let mails = ringpost.has_mails("ada@corp.test", 1);
    assert!(mails[0].1.contains("Tor Trunk") && mails[0].1.contains("+4544890199"), "{}", mails[0].1);
    drop((caller, phone, kamailio));
    ringpost.back_to_baseline();
}

#[test]
fn kamailio_behind_registers_ringpost_by_digest_and_calls_go_both_ways() {
    let provider = SocketAddr::from(([127, 0, 0, 21], ports(1)));
    let outside = Peer::new(Over::Udp, "127.0.0.30", provider);
    let definitions =
        [("OUTSIDE", format!("\"sip:{}\"", outside.address)), ("OUTSIDE_IP", "\"127.0.0.30\"".to_owned())];
    let Some(kamailio) = Kamailio::start("kamailio-registrar.cfg", provider, &definitions) else { return };
    let (mut world, site) = (outside, Site::new());
    std::fs::write(site.folder.path().join("password"), "correct horse\n").expect("written");
    let mut phone = site.peer(Over::Udp);
    let mut pbx = Peer::new(Over::Udp, "127.0.0.5", site.sip);
    let health = SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let ringpost = site
        .table(&format!(
            "[metrics]\nlisten = \"{health}\"\n[outbound]\nallowed_prefixes = [\"+49\"]\ncountry = \"49\"\n\
             [[trunk]]\nname = \"office\"\nsources = [\"127.0.0.5\"]\ntransit = true\n\
             [[trunk]]\nname = \"itsp\"\ntarget = \"sip:{provider}\"\nprefixes = [\"+\"]\ne164 = \"national\"\n\
             register = \"sip:+4930555@provider.test\"\nexpires = \"1m\"\nlogin = \"account\"\n\
             password_file = \"password\"\ncaller_id = \"pai\"\nkeep_alive = \"2s\""
        ))
        .user("+49305551", &[&phone], "missed_calls = \"off\"")
        .start();
    // 401, credentials, and Kamailio has us.
    until(&format!("registered\n{}", kamailio.log()), || {
        crate::registering::get(health, "/health").contains("green trunk itsp registration")
    });
    // The world calls the user: the Request-URI is our Contact, To says for whom.
    for callee_ends in [false, true] {
        let uri = "sip:030 5551@provider.test".replace(' ', "");
        let draft = world.draft("INVITE", &uri, "", SDP);
        world.send(draft.as_bytes());
        let invite = Sip::new(draft.as_bytes());
        let ring = phone.expect("INVITE");
        talk_and_hang_up(&mut world, &mut phone, &invite, &ring, callee_ends);
    }
    // The office calls the world: 407, credentials, and the number as the provider writes it.
    for callee_ends in [false, true] {
        let invite = pbx.invite("+4940777");
        let ring = world.expect("INVITE");
        assert!(ring.one("To").starts_with("<sip:040777@"), "{ring}");
        assert!(ring.one("From").starts_with("<sip:+4930555@provider.test>"), "{ring}");
        assert!(ring.one("P-Asserted-Identity").contains("sip:004544890101@provider.test"), "{ring}");
        assert_eq!(ring.first("Proxy-Authorization"), "", "Kamailio has taken them");
        talk_and_hang_up(&mut pbx, &mut world, &invite, &ring, callee_ends);
    }
    until("OPTIONS are answered", || {
        crate::registering::get(health, "/health").contains("green trunk itsp\n")
    });
    drop((pbx, phone, world));
    let log = ringpost.log();
    assert!(!log.contains("correct horse"), "{log}");
    ringpost.stops_well();
    drop(kamailio);
}
