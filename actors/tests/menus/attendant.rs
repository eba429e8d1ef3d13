//! The attendant: a caller dials an access number, hears it, dials an extension, and has a call of that user like any other.

use std::{net::SocketAddr, time::Duration};

use rusqlite::Connection;

use crate::{
    phone::{Phone, write_prompts},
    support::{Over, Peer, Ringpost, Site, peer::Dialog, ports, rtp_ports, sample, until},
};

/// An office with an attendant at 9000: 200 has a phone and voice mail, 201 a phone without, 0000… is nobody, 299 is
/// bypassed, 300 may not be dialled. 208 is the operator where `lines` say so.
struct Lobby {
    pbx: Peer,
    desk: Peer,
    other: Peer,
    operator: Peer,
    phone: Phone,
    ringpost: Ringpost,
}

fn lobby(lines: &str) -> Lobby {
    let site = Site::new().maildir();
    write_prompts(&site.folder.path().join("prompts"), "en");
    let [pbx, desk, other, operator] = [(); 4].map(|()| site.peer(Over::Udp));
    let um = "um_plan = \"own\"\nmail = \"alice@corp.test\"\nmissed_calls = \"mail\"";
    let way_out = operator.uri().replace("peer@", "");
    let fax = other.uri();
    let ringpost = site
        .replace("[voicemail]", "[voicemail]\nprompts = \"prompts\"")
        .table(&format!(
            "[attendant.main]\nnumbers = [\"9000\"]\nextensions = [\"200-299\"]\nnext_digit = \"400ms\"\n{lines}"
        ))
        .table(&format!("[[bypass]]\nnumbers = [\"299\"]\ntarget = {fax:?}"))
        .table(&format!(
            "[outbound]\nallowed_prefixes = [\"+\"]\ncountry = \"45\"\n[[trunk]]\nname = \"out\"\n\
             sources = [\"127.0.0.7\"]\ntarget = {way_out:?}\nprefixes = [\"+\"]"
        ))
        .plan("own", &["embedded"])
        .user("200", &[&desk], &format!("ring_for = \"1500ms\"\n{um}"))
        .user("201", &[&other], "ring_for = \"300ms\"\nmissed_calls = \"off\"")
        .user("300", &[&other], "missed_calls = \"off\"")
        .user("208", &[&operator], "missed_calls = \"off\"")
        .start();
    Lobby { pbx, desk, other, operator, phone: Phone::new(), ringpost }
}

impl Lobby {
    fn ends(self) {
        let Self { pbx, desk, other, operator, phone, ringpost } = self;
        drop((pbx, desk, other, operator, phone));
        ringpost.back_to_baseline();
    }

    fn hangs_up(&mut self, mut dialog: Dialog) {
        self.pbx.inside(&mut dialog, "BYE", "", "");
        self.pbx.expect("200");
    }

    /// How long each call of that user has rung, in milliseconds, by the call log.
    fn calls_of(&self, user: &str) -> Vec<i64> {
        let store = Connection::open(self.ringpost.folder.path().join("store.db")).expect("SQLite");
        let mut lines = store.prepare("SELECT rang_for FROM call WHERE user = ?1").expect("a call log");
        let address = format!("sip:{user}@corp.test");
        let lines = lines.query_map([address], |row| row.get(0)).expect("readable");
        lines.collect::<Result<_, _>>().expect("numbers")
    }
}

fn rings(peer: &mut Peer) -> crate::support::Sip {
    let invite = peer.expect("INVITE");
    peer.answer(&invite, 180);
    invite
}

#[test]
fn r69_an_extension_dialled_by_events_or_by_info_rings_its_user_who_talks_with_the_caller() {
    for by_info in [false, true] {
        let mut lobby = lobby("digits = 3");
        let mut talk = lobby.phone.calls(&mut lobby.pbx, "9000", "");
        lobby.phone.hears(&["welcome"]);
        match by_info {
            true => lobby.phone.informs(&mut lobby.pbx, &mut talk, "200"),
            false => lobby.phone.dials("200"),
        }
        let invite = rings(&mut lobby.desk);
        assert!(
            invite.one("From").contains("sip:+4544890101@pbx.test"),
            "the caller's own identity\n{invite}"
        );
        assert_eq!(invite.body(), lobby.phone.sdp(), "and media");
        lobby.phone.hears(&["connecting", "tone"]);
        let answer = lobby.desk.answer(&invite, 200);
        lobby.desk.expect("ACK");
        lobby.phone.meets(&mut lobby.pbx);
        // Nothing of the attendant is left: what the caller says goes to the phone.
        lobby.pbx.inside(&mut talk, "INFO", "Content-Type: x/y\r\n", "hello");
        let info = lobby.desk.expect("INFO");
        lobby.desk.answer(&info, 200);
        lobby.pbx.expect("200");
        lobby.desk.inside(&mut Dialog::callee(&invite, &answer), "BYE", "", "");
        lobby.desk.expect("200");
        let bye = lobby.pbx.expect("BYE");
        lobby.pbx.answer(&bye, 200);
        until("one line for the user, one for the attendant", || {
            lobby.calls_of("200").len() == 1 && lobby.calls_of("attendant.main").len() == 1
        });
        lobby.ends();
    }
}

#[test]
fn r69_a_user_who_does_not_answer_has_the_call_in_voice_mail_as_any_other() {
    let mut lobby = lobby("");
    let mut talk = lobby.phone.calls(&mut lobby.pbx, "9000", "");
    lobby.phone.hears(&["welcome"]);
    lobby.phone.dials("200#");
    let invite = rings(&mut lobby.desk);
    let cancel = lobby.desk.expect("CANCEL");
    lobby.desk.answer(&cancel, 200);
    lobby.desk.answer(&invite, 487);
    lobby.desk.expect("ACK");
    lobby.phone.meets(&mut lobby.pbx);
    lobby.phone.dials("#");
    lobby.ringpost.logs("Reported(Recording)");
    lobby.phone.says(Duration::from_secs(3));
    lobby.pbx.inside(&mut talk, "BYE", "", "");
    lobby.pbx.expect("200");
    let mails = lobby.ringpost.has_mails("alice@corp.test", 1);
    assert!(mails[0].1.contains("+4544890101"), "{}", mails[0].1);
    lobby.ringpost.logs("outcome=LeftMessage");
    lobby.ends();
}

#[test]
fn r69_a_caller_who_gives_up_while_it_rings_is_a_missed_call_of_the_user_with_the_right_time() {
    let mut lobby = lobby("");
    let talk = lobby.phone.calls(&mut lobby.pbx, "9000", "");
    lobby.phone.hears(&["welcome"]);
    lobby.phone.dials("200#");
    let invite = rings(&mut lobby.desk);
    lobby.ringpost.logs("Rang(Phone(0))");
    std::thread::sleep(Duration::from_millis(350));
    lobby.hangs_up(talk);
    let cancel = lobby.desk.expect("CANCEL");
    lobby.desk.answer(&cancel, 200);
    lobby.desk.answer(&invite, 487);
    lobby.desk.expect("ACK");
    let mails = lobby.ringpost.has_mails("alice@corp.test", 1);
    assert!(mails[0].1.contains("+4544890101"), "{}", mails[0].1);
    until("the call's line", || !lobby.calls_of("200").is_empty());
    let [rang] = lobby.calls_of("200")[..] else { panic!("one line") };
    assert!((350..3_000).contains(&rang), "rang for {rang} ms");
    lobby.ends();
}

#[test]
fn r69_who_is_busy_or_silent_or_unknown_sends_the_caller_back_to_the_attendant() {
    let mut lobby = lobby("tries = 4\nfirst_digit = \"30s\"");
    let talk = lobby.phone.calls(&mut lobby.pbx, "9000", "");
    lobby.phone.hears(&["welcome"]);
    lobby.phone.dials("201");
    let invite = lobby.other.expect("INVITE");
    lobby.other.answer(&invite, 486);
    lobby.other.expect("ACK");
    lobby.phone.hears(&["extension", "2", "0", "1", "busy", "try-again", "welcome"]);
    lobby.phone.dials("201");
    let invite = rings(&mut lobby.other);
    let cancel = lobby.other.expect("CANCEL");
    lobby.other.answer(&cancel, 200);
    lobby.other.answer(&invite, 487);
    lobby.other.expect("ACK");
    lobby.phone.hears(&["extension", "2", "0", "1", "no-answer", "try-again", "welcome"]);
    lobby.phone.dials("2#");
    lobby.phone.hears(&["extension", "2", "not-found", "try-again", "welcome"]);
    // A slip of the finger costs no try.
    lobby.phone.dials("29*");
    lobby.phone.hears(&["welcome"]);
    lobby.phone.dials("222#");
    lobby.phone.hears(&["extension", "2", "2", "2", "not-found", "goodbye"]);
    let bye = lobby.pbx.expect("BYE");
    lobby.pbx.answer(&bye, 200);
    drop(talk);
    lobby.ends();
}

#[test]
fn t19_an_attendant_leads_to_users_of_its_range_and_never_outside() {
    let mut lobby = lobby("tries = 10\nfirst_digit = \"30s\"");
    let talk = lobby.phone.calls(&mut lobby.pbx, "9000", "");
    lobby.phone.hears(&["welcome"]);
    // A number outside, however it is written; a bypassed one; a user out of range; the attendant itself.
    for dialled in ["004533112233", "4533112233", "299", "300", "9000", "222222222222222222222222"] {
        lobby.phone.dials(&format!("{dialled}#"));
        let digits: Vec<String> = dialled.chars().map(String::from).collect();
        let mut words = vec!["extension"];
        words.extend(digits.iter().map(String::as_str));
        // A digit twice in a row is heard twice, but the test's ears count by time.
        words.truncate(3);
        lobby.phone.hears(&words);
        lobby.phone.hears(&["not-found", "try-again", "welcome"]);
    }
    lobby.hangs_up(talk);
    for peer in [&mut lobby.desk, &mut lobby.other, &mut lobby.operator] {
        peer.silent_for(Duration::from_millis(50));
    }
    lobby.ends();
}

#[test]
fn r69_the_operator_gets_zero_and_who_dials_nothing_and_who_has_no_try_left() {
    for keys in ["0", "", "9#", "203#"] {
        let mut lobby = lobby("operator = \"208\"\nfirst_digit = \"300ms\"\ntries = 1");
        let mut talk = lobby.phone.calls(&mut lobby.pbx, "9000", "");
        lobby.phone.hears(&["welcome", "operator"]);
        lobby.phone.dials(keys);
        let invite = rings(&mut lobby.operator);
        lobby.operator.answer(&invite, 200);
        lobby.operator.expect("ACK");
        lobby.phone.meets(&mut lobby.pbx);
        lobby.pbx.ends(&mut talk, &mut lobby.operator);
        lobby.ends();
    }
}

/// The sample as it stands, on addresses of loopback.
#[test]
fn r26_the_sample_site_leads_a_caller_to_the_extension() {
    let sip = SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let mut pbx = Peer::new(Over::Udp, "127.0.0.1", sip);
    let folder = tempfile::tempdir().expect("a folder");
    write_prompts(&folder.path().join("prompts"), "da");
    let site = sample("attendant.toml")
        .replace("192.0.2.5:5060", &sip.to_string())
        .replace("@192.0.2.2", &pbx.uri()["sip:peer".len()..])
        .replace("192.0.2.2", "127.0.0.1")
        .replace("192.0.2.5", "127.0.0.1")
        .replace("[voicemail]\n", &format!("[voicemail]\nprompts = \"prompts\"\n{}\n", rtp_ports()));
    let ringpost = Ringpost::of(folder, sip, &site);
    // One has a number at the PBX, the other a line behind the access number alone.
    for extension in ["2001", "2002"] {
        let mut phone = Phone::new();
        let mut talk = phone.calls(&mut pbx, "+4533112200", "");
        phone.hears(&["welcome", "operator"]);
        phone.dials(extension);
        let invite = pbx.expect("INVITE");
        assert!(invite.uri().starts_with(&format!("sip:{extension}@")), "{invite}");
        pbx.answer(&invite, 200);
        pbx.expect("ACK");
        phone.meets(&mut pbx);
        // Both ends are at the PBX.
        pbx.inside(&mut talk, "BYE", "", "");
        pbx.expect("200");
        let bye = pbx.expect("BYE");
        pbx.answer(&bye, 200);
    }
    drop(pbx);
    ringpost.back_to_baseline();
}

#[test]
fn r69_nobody_stays_for_longer_than_allowed_and_nobody_who_dials_nothing_for_ever() {
    let mut lobby = lobby("tries = 2\nfirst_digit = \"200ms\"\nmax_call = \"20s\"");
    let _talk = lobby.phone.calls(&mut lobby.pbx, "9000", "");
    lobby.phone.hears(&["welcome"]);
    lobby.phone.hears(&["welcome"]);
    lobby.phone.hears(&["goodbye"]);
    let bye = lobby.pbx.expect("BYE");
    lobby.pbx.answer(&bye, 200);
    lobby.ends();
    let mut lobby = self::lobby("first_digit = \"30s\"\nmax_call = \"900ms\"");
    let _talk = lobby.phone.calls(&mut lobby.pbx, "9000", "");
    let bye = lobby.pbx.expect("BYE");
    lobby.pbx.answer(&bye, 200);
    lobby.ends();
}
