//! Whole programs whose users are in the directory alone: a call is missed and told, with and without the directory (R7, R32,
//! R78), and nothing on a call's way waits for it (T35).

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use crate::{
    authority::lasting,
    program::{Over, Peer, Ringpost, Site, within},
    slapd::{self, BASE, PASSWORD, READER, Slapd, USERS, user},
};

/// A PBX, one phone for everybody, and a Ringpost whose users slapd has.
pub struct Town {
    pub slapd: Slapd,
    pub ringpost: Ringpost,
    pub pbx: Peer,
    pub desk: Peer,
}

impl Town {
    pub fn new(count: usize, poll: &str) -> Self {
        let slapd = Slapd::start(lasting("ours"), &slapd::people(count), "");
        let port = slapd.ldaps;
        Self::on(slapd, &[port], poll)
    }

    /// It asks these ports by TLS.
    pub fn on(slapd: Slapd, ports: &[u16], lines: &str) -> Self {
        Self::with(slapd, ports, lines, "")
    }

    /// With further tables.
    pub fn with(slapd: Slapd, ports: &[u16], lines: &str, tables: &str) -> Self {
        let site = Site::new().maildir();
        let (pbx, desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
        fs::write(site.folder.path().join("password"), PASSWORD).expect("a file");
        let servers: Vec<_> = ports.iter().map(|port| format!("ldaps://127.0.0.1:{port}")).collect();
        let device = desk.uri().replacen("sip:", "sip:{mail_user}.", 1);
        let ca = slapd.file("ca.pem");
        let site = site.table(&format!(
            "[directory]\nservers = {servers:?}\nprofile = \"openldap\"\nfilter = \"(objectClass=user)\"\n\
             bind_name = \"{READER}\"\npassword_file = \"password\"\nca = {ca:?}\nbases = [\"{BASE}\"]\n{lines}\n\
             [directory.users]\ndevices = [{device:?}]\nmissed_calls = \"mail\"\n{tables}"
        ));
        let ringpost = site.start();
        Self { slapd, ringpost, pbx, desk }
    }

    /// Waits until the directory was read so many times with changes.
    pub fn read(&self, times: usize) {
        let count = || self.ringpost.log().matches("The directory was read").count();
        within(Duration::from_secs(20), "the directory was read", || count() >= times);
    }

    /// A call from one user to another that nobody takes; all mails to that one by now.
    pub fn missed(&mut self, from: usize, to: usize, mails: usize) -> String {
        let caller = format!("P-Asserted-Identity: <tel:+493090{from:06}>\r\n");
        let invite = self.pbx.invite_with(&format!("+493090{to:06}"), &caller);
        let rings = self.desk.expect("INVITE");
        assert!(rings.uri().starts_with(&format!("sip:user{to}.")), "{}", rings.uri());
        self.desk.answer(&rings, 486);
        self.desk.expect("ACK");
        self.pbx.refused(&invite, 486);
        let mails = self.ringpost.has_mails(&format!("user{to}@corp.test"), mails);
        mails.into_iter().map(|(_, mail)| mail).collect()
    }

    /// `ringpost directory …` for this site: exit code, output, complaints.
    pub fn asks(&self, words: &[&str]) -> (i32, String, String) {
        let asked = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .arg("directory")
            .args(words)
            .arg("--config")
            .arg(self.ringpost.folder.path().join("site.toml"))
            .output()
            .expect("it runs");
        let text = |octets: Vec<u8>| String::from_utf8(octets).expect("UTF-8");
        (asked.status.code().unwrap_or(-1), text(asked.stdout), text(asked.stderr))
    }

    fn snapshot(&self) -> &Path {
        self.ringpost.folder.path()
    }
}

#[test]
fn users_of_the_directory_alone_are_called_told_and_named_with_and_without_it() {
    if !slapd::is_there() {
        return;
    }
    let mut town = Town::new(50, "poll = \"500ms\"");
    town.read(1);
    let mail = town.missed(2, 1, 1);
    assert!(mail.contains("First2 Last2"), "{mail}");
    // One who comes is called within a poll, one who goes is not any more.
    town.slapd.changes(&user(51).replace("objectClass: user", "changetype: add\nobjectClass: user"));
    town.read(2);
    town.missed(1, 51, 1);
    town.slapd.changes(&format!("dn: cn=User 3,{USERS}\nchangetype: delete\n"));
    town.read(3);
    let invite = town.pbx.invite("+493090000003");
    town.pbx.refused(&invite, 404);
    // A call that began before a change goes on to its own end.
    let invite = town.pbx.invite("+493090000004");
    let rings = town.desk.expect("INVITE");
    town.slapd.changes(&format!("dn: cn=User 4,{USERS}\nchangetype: delete\n"));
    town.read(4);
    town.desk.answer(&rings, 486);
    town.desk.expect("ACK");
    town.pbx.refused(&invite, 486);
    town.ringpost.has_mails("user4@corp.test", 1);
    // Without the directory, before and after a restart.
    town.slapd.dies();
    town.ringpost.logs("The directory cannot be read");
    town.missed(5, 1, 2);
    town.ringpost.kill();
    town.ringpost.restart();
    assert!(town.ringpost.log().contains("Begins with the snapshot of the directory"));
    let mail = town.missed(51, 1, 3);
    assert!(mail.contains("First51 Last51"), "{mail}");
    // And it is back at once when the directory is.
    town.slapd.goes_on();
    town.read(5);
    // A snapshot that is spoilt is told and costs a read.
    town.ringpost.kill();
    let snapshot = town.snapshot().join("directory.snapshot");
    let mut octets = fs::read(&snapshot).expect("a snapshot");
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    fs::write(&snapshot, octets).expect("a file");
    town.ringpost.restart();
    town.read(6);
    assert!(town.ringpost.log().contains("The snapshot of the directory cannot be used"));
    town.missed(6, 1, 4);
    for line in town.ringpost.log().lines().filter(|line| !line.contains("DEBUG")) {
        let personal = ["Last", "user1@", "cn=User", "+49309"].iter().any(|word| line.contains(word));
        assert!(!personal || line.contains("TRACE"), "{line}");
    }
}

#[test]
fn an_admin_looks_into_the_directory_and_has_it_read_at_once() {
    // R78; T17: what is looked for stands in the filter as a value, whatever it holds.
    if !slapd::is_there() {
        return;
    }
    let mut town = Town::new(20, "");
    town.read(1);
    assert_eq!(town.asks(&["sync-now"]).0, 0);
    town.slapd.changes(&user(21).replace("objectClass: user", "changetype: add\nobjectClass: user"));
    let (code, told, _) = town.asks(&["sync-now"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("1 new, 0 changed, 0 gone\n21 persons, 21 users"), "{told}");
    town.missed(1, 21, 1);
    // The site read again leaves the directory's users where they are, and has everything read.
    town.ringpost.signal("HUP");
    town.ringpost.logs("Read the site file again users=0");
    town.missed(1, 21, 2);
    let (_, json, _) = town.asks(&["sync-now", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((json["persons"].as_u64(), json["added"].as_u64()), (Some(21), Some(0)));
    for who in ["sip:user7@corp.test", "user7@corp.test", "+493090000007", "USER7@corp.test"] {
        let (code, shown, complaint) = town.asks(&["show", who]);
        assert_eq!(code, 0, "{who}: {complaint}");
        assert!(shown.contains("First7 Last7") && shown.contains("sip:user7@corp.test"), "{shown}");
        assert!(shown.contains("user         sip:user7@corp.test"), "{shown}");
    }
    assert_eq!(town.asks(&["show", "nobody@corp.test"]).0, 1);
    let (code, shown, complaint) = town.asks(&["show", "--live", "user7@corp.test"]);
    assert!(code == 0 && shown.contains("First7 Last7"), "{shown}{complaint}");
    let long = "x".repeat(10_000);
    for (hostile, escaped) in [
        ("*)(objectClass=*", "(mail=\\2A\\29\\28objectclass=\\2A)"),
        ("\\2a", "(mail=\\5C2a)"),
        ("user7*", "(mail=user7\\2A)"),
        (long.as_str(), &long[..100]),
        ("a)(|(cn=*", "(mail=a\\29\\28|\\28cn=\\2A)"),
    ] {
        let (code, shown, complaint) = town.asks(&["show", "--live", hostile]);
        assert_eq!((code, shown.as_str()), (1, ""), "{hostile}");
        assert!(complaint.contains("knows nobody"), "{complaint}");
        let log = town.slapd.log();
        let asked = log.lines().rfind(|line| line.contains("SRCH base")).unwrap_or_default();
        assert!(asked.contains(escaped), "{asked}");
    }
    // While the directory is down, and when nobody runs.
    town.slapd.dies();
    let (code, _, complaint) = town.asks(&["sync-now"]);
    assert!(code == 1 && complaint.contains("no connection"), "{complaint}");
    assert_eq!(town.asks(&["show", "user7@corp.test"]).0, 0);
    town.ringpost.kill();
    let (code, _, complaint) = town.asks(&["sync-now"]);
    assert!(code == 1 && complaint.contains("no Ringpost of this site is running"), "{complaint}");
}

#[test]
fn whoever_is_called_before_the_directory_was_ever_read_is_to_be_called_again() {
    if !slapd::is_there() {
        return;
    }
    let mut slapd = Slapd::start(lasting("ours"), &slapd::people(5), "");
    let port = slapd.ldaps;
    slapd.dies();
    let mut town = Town::on(slapd, &[port], "");
    // Nobody knows yet that it is nobody's number.
    let invite = town.pbx.invite("+493090000001");
    assert_eq!(town.pbx.refused(&invite, 503).one("Retry-After"), "5");
    // What somebody else has put there does not lend its rights to the snapshot.
    let folder = town.snapshot().to_owned();
    fs::write(folder.join("directory.snapshot.new"), "x").expect("a file");
    fs::set_permissions(folder.join("directory.snapshot.new"), fs::Permissions::from_mode(0o666))
        .expect("its owner");
    town.slapd.goes_on();
    town.read(1);
    town.missed(2, 1, 1);
    let snapshot = || fs::metadata(folder.join("directory.snapshot"));
    within(Duration::from_secs(5), "a snapshot", || snapshot().is_ok());
    assert_eq!(snapshot().expect("a snapshot").permissions().mode() & 0o777, 0o600);
    let invite = town.pbx.invite("+493090000099");
    town.pbx.refused(&invite, 404);
}
