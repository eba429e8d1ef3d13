//! The embedded UM's own counts while they are watched: messages come, are heard and go (R207), and the program is killed.

use std::{fs, path::PathBuf, thread, time::Duration};

use rusqlite::Connection;

use crate::{
    baresip::{self, seconds_at},
    phone::{Phone, write_prompts},
    support::{Over, Peer, Ringpost, peer::Dialog, until, within},
    watcher::{Watcher, site},
};

/// 200 has voice mail and no phone; mailboxes are at 8000. Everybody calls from the PBX at 127.0.0.1.
fn started() -> Ringpost {
    let site = site("resume_within = \"1s\"").maildir();
    write_prompts(&site.folder.path().join("prompts"), "en");
    site.replace(
        "[voicemail]",
        "[voicemail]\nprompts = \"prompts\"\nmenu_silence = \"5s\"\nmin_message = \"1s\"",
    )
    .table("[um]\npilots = [\"8000\"]")
    .plan("own", &["embedded"])
    .user(
        "200",
        &[],
        "um_plan = \"own\"\nmail = \"alice@corp.test\"\nmissed_calls = \"mail\"\npin = \"2580\"",
    )
    .start()
}

fn store(ringpost: &Ringpost) -> Connection {
    Connection::open(ringpost.folder.path().join("store.db")).expect("SQLite")
}

/// The states of the messages, by the store.
fn states(ringpost: &Ringpost) -> Vec<String> {
    let store = store(ringpost);
    let mut rows = store.prepare("SELECT state FROM message ORDER BY id").expect("a table");
    let rows = rows.query_map([], |row| row.get(0)).expect("readable");
    rows.collect::<Result<_, _>>().expect("rows")
}

/// A caller and the media.
struct Caller {
    pbx: Peer,
    phone: Phone,
}

impl Caller {
    fn new(ringpost: &Ringpost) -> Self {
        Self { pbx: Peer::new(Over::Udp, "127.0.0.1", ringpost.sip), phone: Phone::new() }
    }

    /// Somebody leaves a message for 200.
    fn leaves_a_message(&mut self, ringpost: &Ringpost) {
        let before = states(ringpost).len();
        let recordings = ringpost.log().matches("Reported(Recording)").count();
        let uri = format!("sip:200@{}", ringpost.sip);
        let invite = self.pbx.request("INVITE", &uri, "", &self.phone.sdp());
        self.pbx.expect("181");
        let ok = self.pbx.expect("200");
        self.phone.speaks_to(&ok);
        let mut talk = Dialog::caller(&invite, &ok);
        self.pbx.inside(&mut talk, "ACK", "", "");
        self.phone.dials("#");
        until("the recording", || ringpost.log().matches("Reported(Recording)").count() > recordings);
        self.phone.says(Duration::from_millis(1_500));
        self.pbx.inside(&mut talk, "BYE", "", "");
        self.pbx.expect("200");
        until("the message is in the mailbox", || states(ringpost).len() == before + 1);
    }

    /// Calls the mailboxes and comes in by the PIN.
    fn comes_in(&mut self) -> Dialog {
        let talk = self.phone.calls(&mut self.pbx, "8000", "");
        self.phone.hears(&["mailbox-number"]);
        self.phone.dials("200#");
        self.phone.hears(&["pin"]);
        self.phone.dials("2580#");
        self.phone.hears(&["main-menu"]);
        talk
    }
}

/// Each change reaches the watcher; a kill between the commit and the NOTIFY loses none.
#[test]
fn r207_a_watcher_sees_messages_come_be_heard_and_go_and_a_kill_in_between_hides_none() {
    let mut ringpost = started();
    let mut caller = Caller::new(&ringpost);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "200");
    assert!(watcher.subscribes("200", "message-summary", "").body().contains("0/0 (0/0)"));
    caller.leaves_a_message(&ringpost);
    let lit = watcher.notified();
    assert_eq!(
        lit.body(),
        "Messages-Waiting: yes\r\nMessage-Account: sip:8000@corp.test\r\nVoice-Message: 1/0 (0/0)\r\n"
    );
    // One NOTIFY is under way, and not answered: the next one waits while the second message is committed.
    watcher.refresh(600);
    let held = watcher.peer.expect("NOTIFY");
    assert!(held.body().contains("1/0"), "{held}");
    caller.leaves_a_message(&ringpost);
    ringpost.kill();
    ringpost.restart();
    watcher.sees("Voice-Message: 2/0 (0/0)");
    let mut talk = caller.comes_in();
    caller.phone.dials("1");
    caller.phone.hears(&["message", "from"]);
    watcher.sees("Voice-Message: 1/1 (0/0)");
    caller.phone.hears(&["message-menu"]);
    caller.phone.dials("3");
    caller.phone.hears(&["deleted"]);
    watcher.sees("Voice-Message: 1/0 (0/0)");
    caller.phone.dials("3");
    caller.phone.hears(&["deleted", "no-more"]);
    assert!(watcher.sees("Voice-Message: 0/0 (0/0)").body().starts_with("Messages-Waiting: no\r\n"));
    caller.pbx.inside(&mut talk, "BYE", "", "");
    caller.pbx.expect("200");
    ringpost.is_well();
}

/// A real phone leaves a tone, and hears it again by real keys (RFC 4733) at the mailbox; its lamp follows.
#[test]
fn r207_baresip_leaves_a_message_and_hears_it_at_the_pilot_number_by_its_keys() {
    let ringpost = started();
    let folder = ringpost.folder.path().to_owned();
    let Some(phone) = baresip::Phone::new("caller", &folder, "manual", 440) else { return };
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "200");
    watcher.subscribes("200", "message-summary", "");
    let dials = |number: &str| {
        phone.says(&format!("{{\"command\":\"dial\",\"params\":\"sip:{number}@{}\"}}", ringpost.sip));
    };
    let presses = |keys: &str| {
        keys.chars().for_each(|key| phone.says(&format!("{{\"command\":\"sndcode\",\"params\":\"{key}\"}}")));
    };
    dials("200");
    ringpost.logs("Reported(Greeting)");
    presses("#");
    within(Duration::from_secs(20), "the recording begins", || {
        ringpost.log().contains("Reported(Recording)")
    });
    thread::sleep(Duration::from_secs(3));
    phone.says("{\"command\":\"hangup\"}");
    watcher.sees("Voice-Message: 1/0 (0/0)");
    let recordings = baresip::files(&folder.join("recordings"), ".wav");
    assert!(recordings.iter().any(|one| seconds_at(one, 440.0) > 2.0), "{recordings:?}");
    dials("8000");
    // Each step is asked for by a prompt of its own; the menu is the third.
    ringpost.logs("happened=Played(1)");
    presses("200#2580#");
    ringpost.logs("happened=Played(3)");
    presses("1");
    // Heard to its end it is an old one.
    watcher.sees("Voice-Message: 0/1 (0/0)");
    presses("3");
    watcher.sees("Voice-Message: 0/0 (0/0)");
    phone.says("{\"command\":\"hangup\"}");
    let heard: Vec<PathBuf> = {
        phone.heard();
        baresip::files(&folder.join("baresip/caller"), "dec.wav")
    };
    assert!(heard.iter().any(|one| seconds_at(one, 440.0) > 1.5), "its own tone came back: {heard:?}");
    ringpost.is_well();
}

/// What an owner does at the mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Deed {
    Delete,
    Save,
    Greeting,
}

impl Deed {
    /// What is said when it is done.
    fn word(self) -> &'static str {
        match self {
            Self::Delete => "deleted",
            Self::Save => "saved",
            Self::Greeting => "greeting-kept",
        }
    }

    /// Up to the last key, which is pressed by the test.
    fn is_prepared(self, caller: &mut Caller) -> &'static str {
        match self {
            Self::Delete | Self::Save => {
                caller.phone.dials("1");
                caller.phone.hears(&["message"]);
                if self == Self::Delete { "3" } else { "2" }
            }
            Self::Greeting => {
                caller.phone.dials("2");
                caller.phone.hears(&["greeting-menu"]);
                caller.phone.dials("2");
                caller.phone.hears(&["record", "tone"]);
                thread::sleep(Duration::from_millis(600));
                "2"
            }
        }
    }
}

/// T28: killed at any moment (`RINGPOST_KILLS` for more of them) after the key, the deed is done or not done, never half; and done where that was said.
#[test]
fn r207_a_kill_at_any_moment_of_a_deed_at_the_mailbox_leaves_it_done_or_not_done() {
    let more: usize = std::env::var("RINGPOST_KILLS").ok().and_then(|more| more.parse().ok()).unwrap_or(2);
    let mut ringpost = started();
    let mut random = numbers();
    for deed in [Deed::Delete, Deed::Save, Deed::Greeting] {
        for turn in 0..more {
            // The first one at once; then anywhere in the time in which it is done and said.
            let after = if turn == 0 { 0 } else { random() % 60 };
            killed_after(&mut ringpost, deed, Duration::from_millis(after));
        }
    }
    ringpost.is_well();
    assert!(!ringpost.log().contains("panicked"));
}

/// Numbers that differ from run to run.
fn numbers() -> impl FnMut() -> u64 {
    let mut state = u64::from(std::process::id()) << 20
        | u64::from(
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(1, |t| t.subsec_micros()),
        );
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

fn killed_after(ringpost: &mut Ringpost, deed: Deed, after: Duration) {
    ringpost.kill();
    let folder = ringpost.folder.path().to_owned();
    let recording = folder.join("recordings").join(format!("20261121T031713Z-{:032x}.wav", 7));
    crate::phone::write_clip(&recording, 200, 8_000);
    let db = store(ringpost);
    db.execute("DELETE FROM message", []).expect("written");
    db.execute(
        "INSERT INTO message (user, recording, caller, came_in, duration, urgent, state)
         VALUES ('sip:200@corp.test', ?1, '{\"name\":null,\"number\":null,\"uri\":null,\"private\":false}', 0, 1000, 0, 'new')",
        [recording.to_string_lossy()],
    )
    .expect("written");
    drop(db);
    ringpost.restart();
    let mut caller = Caller::new(ringpost);
    let _talk = caller.comes_in();
    let key = deed.is_prepared(&mut caller);
    if deed == Deed::Greeting {
        caller.phone.says(Duration::from_millis(1_200));
        caller.phone.dials("#");
        caller.phone.hears(&["recorded-menu"]);
    }
    caller.phone.dials(key);
    thread::sleep(after);
    ringpost.kill();
    let said = caller.phone.heard().iter().any(|word| word == deed.word());
    let state = states(ringpost);
    let done = match deed {
        Deed::Delete => state.first().is_none_or(|state| state == "deleted"),
        Deed::Save => state == ["old"],
        Deed::Greeting => {
            let kept: Option<String> = store(ringpost)
                .query_row("SELECT body FROM mailbox WHERE user = 'sip:200@corp.test'", [], |row| row.get(0))
                .ok();
            let path = kept.as_deref().and_then(|body| {
                let own: serde_json::Value = serde_json::from_str(body).expect("JSON");
                own["greeting"].as_str().map(PathBuf::from)
            });
            // Where there is one, it is whole.
            path.is_some_and(|path| fs::metadata(path).is_ok_and(|file| file.len() > 4_000))
        }
    };
    assert!(done || !said, "{deed:?} after {after:?}: it was said, and is not so: {state:?}");
    if !done && deed != Deed::Greeting {
        assert_eq!(state, ["new"], "{deed:?} after {after:?}");
        assert!(recording.exists(), "a message without its recording");
    }
    ringpost.restart();
    // The counts are those of the store.
    let mut watcher = Watcher::new(ringpost, Over::Udp, "200");
    let told = watcher.subscribes("200", "message-summary", "Expires: 0\r\n");
    let counts = match (deed, done) {
        (Deed::Delete, true) => "0/0",
        (Deed::Save, true) => "0/1",
        _ => "1/0",
    };
    assert!(told.body().contains(counts), "{deed:?} after {after:?}: {told}");
}
