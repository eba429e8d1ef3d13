//! The mailbox over the phone: T20 and R207 whole, with kills in between.

use std::{fs, net::SocketAddr, time::Duration};

use rusqlite::Connection;

use crate::{
    device::{PASSWORD, Phone as Device},
    phone::{Phone, write_prompts},
    support::{Over, Peer, Ringpost, Site, peer::Dialog, ports, rtp_ports, sample, until},
};

/// 200 has voice mail and no phone; mailboxes are at 8000. Everybody calls from +4544890101, which is nobody's number.
struct House {
    pbx: Peer,
    out: Peer,
    phone: Phone,
    ringpost: Ringpost,
}

fn house(lines: &str) -> House {
    let site = Site::new().maildir();
    write_prompts(&site.folder.path().join("prompts"), "en");
    let [pbx, out] = [(); 2].map(|()| site.peer(Over::Udp));
    let way_out = out.uri().replace("peer@", "");
    let ringpost = site
        .replace("[voicemail]", "[voicemail]\nprompts = \"prompts\"\nmenu_silence = \"3s\"\nmin_message = \"1s\"")
        .table("[um]\npilots = [\"8000\"]")
        .table(&format!(
            "[outbound]\nallowed_prefixes = [\"+45\"]\ncountry = \"45\"\n[[trunk]]\nname = \"out\"\n\
             sources = [\"127.0.0.7\"]\ntarget = {way_out:?}\nprefixes = [\"+\"]"
        ))
        .plan("own", &["embedded"])
        .user(
            "200",
            &[],
            &format!("um_plan = \"own\"\nmail = \"alice@corp.test\"\nmissed_calls = \"mail\"\npin = \"2580\"\n{lines}"),
        )
        .start();
    House { pbx, out, phone: Phone::new(), ringpost }
}

impl House {
    /// Somebody leaves a message for 200.
    fn leaves_a_message(&mut self, headers: &str) {
        let before = self.messages().len();
        let uri = format!("sip:200@{}", self.ringpost.sip);
        let invite = self.pbx.request("INVITE", &uri, headers, &self.phone.sdp());
        self.pbx.expect("181");
        let ok = self.pbx.expect("200");
        self.phone.speaks_to(&ok);
        let mut talk = Dialog::caller(&invite, &ok);
        self.pbx.inside(&mut talk, "ACK", "", "");
        let recordings = self.ringpost.log().matches("Reported(Recording)").count();
        self.phone.dials("#");
        until("the recording", || self.ringpost.log().matches("Reported(Recording)").count() > recordings);
        self.phone.says(Duration::from_millis(1_500));
        self.hangs_up(talk);
        until("the message is in the mailbox", || self.messages().len() == before + 1);
    }

    /// Calls the mailboxes and comes in by the PIN.
    fn comes_in(&mut self, pin: &str) -> Dialog {
        let talk = self.phone.calls(&mut self.pbx, "8000", "");
        self.phone.hears(&["mailbox-number"]);
        self.phone.dials("200#");
        self.phone.hears(&["pin"]);
        self.phone.dials(pin);
        self.phone.dials("#");
        talk
    }

    fn hangs_up(&mut self, mut talk: Dialog) {
        self.pbx.inside(&mut talk, "BYE", "", "");
        self.pbx.expect("200");
    }

    fn is_hung_up(&mut self) {
        let bye = self.pbx.expect("BYE");
        self.pbx.answer(&bye, 200);
    }

    /// The states of the messages, by the store.
    fn messages(&self) -> Vec<(String, bool)> {
        let store = Connection::open(self.ringpost.folder.path().join("store.db")).expect("SQLite");
        let mut rows = store.prepare("SELECT state, urgent FROM message ORDER BY id").expect("a table");
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("readable");
        rows.collect::<Result<_, _>>().expect("rows")
    }

    fn recordings(&self) -> usize {
        let folder = self.ringpost.folder.path().join("recordings");
        fs::read_dir(folder).map_or(0, |all| {
            all.filter(|one| one.as_ref().is_ok_and(|one| one.path().extension().is_some_and(|e| e == "wav")))
                .count()
        })
    }

    fn killed(&mut self) {
        self.ringpost.kill();
        self.ringpost.restart();
    }

    fn ends(self) {
        let Self { pbx, out, phone, ringpost } = self;
        drop((pbx, out, phone));
        ringpost.stops_well();
    }
}

const NUMBER: [&str; 10] = ["4", "5", "4", "4", "8", "9", "0", "1", "0", "1"];

#[test]
fn r207_messages_are_heard_saved_and_deleted_and_a_kill_brings_none_back() {
    let mut house = house("");
    house.leaves_a_message("");
    house.leaves_a_message("Priority: urgent\r\n");
    let talk = house.comes_in("2580");
    house.phone.hears(&["you-have", "2", "new", "main-menu"]);
    house.phone.dials("1");
    house.phone.hears(&["urgent", "from"]);
    house.phone.hears(&NUMBER);
    house.phone.hears(&["tone"]);
    house.phone.hears(&["message-menu"]);
    // Heard to its end, it is an old one; the other is still new.
    until("heard", || house.messages() == [("new".to_owned(), false), ("old".to_owned(), true)]);
    house.phone.dials("2");
    house.phone.hears(&["saved", "message", "from"]);
    house.phone.dials("3");
    house.phone.hears(&["deleted", "no-more", "main-menu"]);
    // What was said to be done is done, whatever happens now.
    house.killed();
    assert_eq!(house.messages().last(), Some(&("old".to_owned(), true)));
    drop(talk);
    until("the deleted one's recording goes, the mail keeps its own", || house.recordings() == 1);
    house.ringpost.has_mails("alice@corp.test", 2);
    until("nothing is left of it", || house.messages() == [("old".to_owned(), true)]);
    let talk = house.comes_in("2580");
    house.phone.hears(&["you-have", "no-new", "one-old", "main-menu"]);
    house.phone.dials("1#");
    house.phone.hears(&["no-more", "main-menu"]);
    house.hangs_up(talk);
    house.ends();
}

#[test]
fn t20_five_wrong_pins_lock_mailbox_and_source_over_a_restart_and_nothing_is_done_before() {
    let mut house = house("");
    house.leaves_a_message("");
    for (turn, wrong) in [["1111", "2222", "3333"], ["4444", "5555", "2580"]].iter().enumerate() {
        let mut talk = Some(house.phone.calls(&mut house.pbx, "8000", ""));
        for (at, pin) in wrong.iter().enumerate() {
            house.phone.hears(&["mailbox-number"]);
            // Neither a message nor a call nor a menu before the PIN.
            house.phone.dials("*");
            house.phone.hears(&["mailbox-number"]);
            house.phone.dials("200#");
            house.phone.hears(&["pin"]);
            house.phone.dials(&format!("{pin}#"));
            match (turn, at) {
                (0, 2) => house.phone.hears(&["wrong", "goodbye"]),
                (1, 2) => house.phone.hears(&["locked", "goodbye"]),
                _ => house.phone.hears(&["wrong"]),
            }
        }
        house.is_hung_up();
        drop(talk.take());
    }
    house.ringpost.logs("is locked after too many wrong PINs");
    // The owner is told, once: also after a restart, and though the lock is met again.
    let locked = |mails: &[(String, String)]| {
        mails.iter().filter(|(_, mail)| mail.contains("Subject: Your mailbox is locked")).count()
    };
    until("the owner is told", || locked(&house.ringpost.mails("alice@corp.test")) == 1);
    house.killed();
    let _talk = house.comes_in("2580");
    house.phone.hears(&["locked", "goodbye"]);
    house.is_hung_up();
    house.out.silent_for(Duration::from_millis(50));
    assert_eq!(house.messages(), [("new".to_owned(), false)], "nobody has heard it");
    let mails = house.ringpost.has_mails("alice@corp.test", 2);
    assert_eq!(locked(&mails), 1);
    let mail =
        mails.iter().find(|(_, mail)| mail.contains("is locked")).map(|(_, mail)| mail.replace("=\r\n", ""));
    let mail = mail.expect("seen above");
    assert!(mail.contains("5 wrong PINs") && mail.contains("Tried from: +4544890101"), "{mail}");
    assert!(!mail.contains("2580") && !mail.contains("tel:"), "no PIN, and nobody to call back: {mail}");
    let store = fs::read(house.ringpost.folder.path().join("store.db")).expect("a store");
    assert!(!store.windows(4).any(|some| some == b"4444"), "no PIN that was tried is kept");
    house.ends();
}

#[test]
fn t20_who_knows_the_pin_calls_back_as_the_owner_and_only_where_that_one_may() {
    for (allowed, number) in [(true, "+4544890101"), (false, "+4944890101")] {
        let mut house = house("");
        let from = format!("P-Asserted-Identity: <sip:{number}@pbx.test>\r\n");
        house.leaves_a_message(if allowed { "" } else { &from });
        let mut talk = house.comes_in("2580");
        house.phone.hears(&["main-menu"]);
        house.phone.dials("1");
        house.phone.hears(&["message", "from"]);
        house.phone.dials("8");
        if !allowed {
            house.phone.hears(&["not-possible", "message-menu"]);
            house.out.silent_for(Duration::from_millis(50));
            house.hangs_up(talk);
            house.ends();
            continue;
        }
        let invite = house.out.expect("INVITE");
        assert!(invite.uri().starts_with("sip:+4544890101@"), "{invite}");
        house.out.answer(&invite, 486);
        house.out.expect("ACK");
        house.phone.hears(&["not-possible", "message-menu"]);
        house.phone.dials("8");
        let invite = house.out.expect("INVITE");
        house.out.answer(&invite, 200);
        house.out.expect("ACK");
        house.phone.meets(&mut house.pbx);
        house.pbx.ends(&mut talk, &mut house.out);
        house.ends();
    }
}

#[test]
fn r207_greeting_pin_and_notices_are_the_owners_to_change_and_outlast_a_kill() {
    let mut house = house("");
    let talk = house.comes_in("2580");
    house.phone.hears(&["you-have", "no-new", "main-menu"]);
    house.phone.dials("3");
    house.phone.hears(&["notices-off", "main-menu"]);
    house.phone.dials("4");
    house.phone.hears(&["new-pin"]);
    house.phone.dials("1234#");
    house.phone.hears(&["pin-weak", "new-pin"]);
    house.phone.dials("1357#");
    house.phone.hears(&["pin-again"]);
    house.phone.dials("1358#");
    house.phone.hears(&["pin-differs", "new-pin"]);
    house.phone.dials("1357#");
    house.phone.hears(&["pin-again"]);
    house.phone.dials("1357#");
    house.phone.hears(&["pin-changed", "main-menu"]);
    house.phone.dials("2");
    house.phone.hears(&["greeting-menu"]);
    house.phone.dials("2");
    house.phone.hears(&["record", "tone"]);
    std::thread::sleep(Duration::from_millis(600));
    house.phone.says(Duration::from_millis(1_500));
    house.phone.dials("#");
    house.phone.hears(&["recorded-menu"]);
    house.phone.dials("1");
    house.phone.hears(&["tone"]);
    house.phone.hears(&["recorded-menu"]);
    house.phone.dials("2");
    house.phone.hears(&["greeting-kept", "greeting-menu"]);
    house.killed();
    drop(talk);
    // The old PIN is none any more, the new one is.
    let talk = house.comes_in("2580");
    house.phone.hears(&["wrong", "mailbox-number"]);
    house.phone.dials("200#");
    house.phone.hears(&["pin"]);
    house.phone.dials("1357#");
    house.phone.hears(&["you-have", "no-new", "main-menu"]);
    house.hangs_up(talk);
    let greetings =
        fs::read_dir(house.ringpost.folder.path().join("recordings/greetings")).expect("a folder");
    assert_eq!(greetings.count(), 1);
    // Who hangs up in the greeting is a missed call that nobody is told of now.
    let uri = format!("sip:200@{}", house.ringpost.sip);
    let invite = house.pbx.request("INVITE", &uri, "", &house.phone.sdp());
    house.pbx.expect("181");
    let ok = house.pbx.expect("200");
    let mut talk = Dialog::caller(&invite, &ok);
    house.pbx.inside(&mut talk, "ACK", "", "");
    house.phone.hears(&["tone"]);
    house.hangs_up(talk);
    house.ringpost.logs("action=Silent reason=missed: notices are switched off for this user");
    assert_eq!(house.ringpost.mails("alice@corp.test").len(), 0);
    let talk = house.comes_in("1357");
    house.phone.hears(&["main-menu"]);
    house.phone.dials("3");
    house.phone.hears(&["notices-on", "main-menu"]);
    house.phone.dials("23");
    house.phone.hears(&["greeting-removed", "greeting-menu"]);
    house.hangs_up(talk);
    let greetings =
        fs::read_dir(house.ringpost.folder.path().join("recordings/greetings")).expect("a folder");
    assert_eq!(greetings.count(), 0);
    house.ends();
}

#[test]
fn t27_who_says_nothing_or_goes_at_once_leaves_the_mailboxes_as_they_were() {
    let mut house = house("");
    let _talk = house.phone.calls(&mut house.pbx, "8000", "");
    house.phone.hears(&["mailbox-number"]);
    house.phone.hears(&["mailbox-number"]);
    house.phone.hears(&["goodbye"]);
    house.is_hung_up();
    let talk = house.phone.calls(&mut house.pbx, "8000", "");
    house.hangs_up(talk);
    let talk = house.comes_in("2580");
    house.hangs_up(talk);
    house.ends();
}

/// A registered device of the owner's needs no PIN, unless the site wants it.
#[test]
fn r115_the_own_phone_hears_its_mailbox_at_once_or_by_its_pin_alone() {
    for (line, first) in [("", &["you-have", "no-new"][..]), ("pin_at_own_phone = true\n", &["pin"])] {
        let site = Site::new().maildir();
        write_prompts(&site.folder.path().join("prompts"), "en");
        let ringpost = site
            .replace("[voicemail]", &format!("[voicemail]\nprompts = \"prompts\"\n{line}"))
            .table("[um]\npilots = [\"8000\"]")
            .plan("own", &["embedded"])
            .user(
                "1001",
                &[],
                &format!(
                    "um_plan = \"own\"\nmissed_calls = \"off\"\nmail = \"a@corp.test\"\npin = \"2580\"\npassword = \"{PASSWORD}\""
                ),
            )
            .start();
        let mut device = Device::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
        let mut phone = Phone::new();
        let contact = format!("Contact: {}\r\n", device.contact);
        let (invite, ok) = device.asks("INVITE", "sip:8000@corp.test", &contact, &phone.sdp(), 0);
        assert_eq!(ok.what(), "200", "{ok}");
        phone.speaks_to(&ok);
        // The INVITE was sent twice, the second time with the proof.
        let mut talk = Dialog { sequence: device.sequence, ..Dialog::caller(&invite, &ok) };
        device.peer.inside(&mut talk, "ACK", "", "");
        phone.hears(first);
        if !line.is_empty() {
            phone.dials("2580#");
            phone.hears(&["you-have", "no-new", "main-menu"]);
        }
        phone.dials("*");
        phone.hears(&["goodbye"]);
        let bye = device.peer.expect("BYE");
        device.peer.answer(&bye, 200);
        drop((device, phone));
        ringpost.stops_well();
    }
}

/// The sample as it stands, on addresses of loopback.
#[test]
fn r115_the_sample_site_opens_a_mailbox_from_anywhere() {
    let sip = SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let mut pbx = Peer::new(Over::Udp, "127.0.0.1", sip);
    let folder = tempfile::tempdir().expect("a folder");
    write_prompts(&folder.path().join("prompts"), "da");
    fs::write(folder.path().join("2001.pin"), "2580\n").expect("written");
    let voicemail = format!("[voicemail]\nprompts = \"prompts\"\n{}\n", rtp_ports());
    let site = sample("mailboxes.toml")
        .replace("192.0.2.5:5060", &sip.to_string())
        .replace("@192.0.2.2", &pbx.uri()["sip:peer".len()..])
        .replace("192.0.2.2", "127.0.0.1")
        .replace("192.0.2.5", "127.0.0.1")
        .replace("[voicemail]\n", &voicemail);
    let ringpost = Ringpost::of(folder, sip, &site);
    let mut phone = Phone::new();
    let mut talk = phone.calls(&mut pbx, "+4533112299", "");
    phone.hears(&["mailbox-number"]);
    phone.dials("2001#");
    phone.hears(&["pin"]);
    phone.dials("2580#");
    phone.hears(&["you-have", "no-new", "main-menu"]);
    pbx.inside(&mut talk, "BYE", "", "");
    pbx.expect("200");
    drop((pbx, phone));
    ringpost.stops_well();
}
