//! Real phones with real audio, and a real mailbox: baresip, Postfix, Dovecot (R3, R4, R10).

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use crate::{
    baresip::{Phone, files, tone},
    support::{Over, Site, ports, within},
};

const MAIL: &str = "alice@corp.test";

#[test]
fn a_call_that_nobody_answers_leaves_a_recording_of_the_callers_tone() {
    // R3, R4: a voice mail and no missed call.
    let site = Site::new().maildir().plan("own", &["embedded"]);
    let mut desk = site.peer(Over::Udp);
    let user = format!("um_plan = \"own\"\nmail = {MAIL:?}\nring_for = \"300ms\"");
    let folder = site.folder.path().to_owned();
    let Some(caller) = Phone::new("caller", &folder, "manual", 440) else { return };
    let ringpost = site.user("1001", &[&desk], &user).start();
    caller.says(&format!("{{\"command\":\"dial\",\"params\":\"sip:1001@{}\"}}", ringpost.sip));
    let called = desk.expect("INVITE");
    desk.answer(&called, 180);
    crate::office::is_cancelled(&mut desk, &called, "");
    within(Duration::from_secs(20), "the recording begins", || {
        ringpost.log().contains("Reported(Recording)")
    });
    // The message itself: it has to last, or it is none.
    thread::sleep(Duration::from_secs(4));
    caller.says("{\"command\":\"hangup\"}");
    let mails = ringpost.has_mails(MAIL, 1);
    assert!(mails[0].1.contains("Content-Class: voice-ca"), "{}", mails[0].1);
    let recordings = files(&folder.join("recordings"), ".wav");
    assert_eq!(recordings.len(), 1, "{recordings:?}");
    let (seconds, share) = tone(&recordings[0], 440.0);
    assert!((3.0..6.0).contains(&seconds) && share > 0.9, "{seconds} s, {share} of it at 440 Hz");
    ringpost.logs("outcome=LeftMessage");
    drop((desk, caller));
    ringpost.back_to_baseline();
}

#[test]
fn two_phones_hear_each_other_through_us() {
    // R1, DESIGN decision 3: the audio flows between the phones.
    let site = Site::new();
    let folder = site.folder.path().to_owned();
    let Some(callee) = Phone::new("callee", &folder, "auto", 1_000) else { return };
    let Some(caller) = Phone::new("caller", &folder, "manual", 440) else { return };
    let mut soft = site.peer(Over::Udp);
    let devices = [callee.uri(), soft.uri()];
    let ringpost = site
        .table(&format!(
            "[[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\ndevices = {devices:?}"
        ))
        .start();
    caller.says(&format!("{{\"command\":\"dial\",\"params\":\"sip:1001@{}\"}}", ringpost.sip));
    // The softphone loses, or has not been fast enough to ring.
    let called = soft.expect("INVITE");
    soft.answer(&called, 180);
    crate::office::is_cancelled(&mut soft, &called, crate::office::ELSEWHERE);
    thread::sleep(Duration::from_secs(3));
    caller.says("{\"command\":\"hangup\"}");
    ringpost.logs("outcome=Talked");
    drop(soft);
    for (phone, hertz) in [(caller, 1_000.0), (callee, 440.0)] {
        let heard = phone.heard();
        let (seconds, share) = tone(&heard, hertz);
        assert!(seconds > 1.5 && share > 0.9, "{heard:?}: {seconds} s, {share} of it at {hertz} Hz");
    }
    ringpost.back_to_baseline();
}

#[test]
fn a_missed_call_is_a_readable_mail_in_a_real_mailbox() {
    // R10, R204.
    let site = Site::new();
    let (mut pbx, mut desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let Some(mailbox) = Mailbox::new() else { return };
    let user = format!(
        "missed_calls = \"mail\"\nmail = {MAIL:?}\ntime_zone = \"Europe/Copenhagen\"\nlanguage = \"da\""
    );
    let ringpost = site
        .table(&format!("[mail]\nurl = \"smtp://127.0.0.1:{}\"\nfrom = \"ringpost@corp.test\"", mailbox.smtp))
        .user("1001", &[&desk], &user)
        .start();
    let invite = pbx.invite("1001");
    let called = desk.expect("INVITE");
    desk.answer(&called, 180);
    pbx.expect("180");
    pbx.cancel(&invite, "");
    pbx.expect("200");
    crate::office::is_cancelled(&mut desk, &called, "");
    pbx.refused(&invite, 487);
    let mail = mailbox.reads();
    let headers = &mail["headers"];
    assert_eq!(headers["Subject"], "Mistet opkald fra Ada Caller");
    assert_eq!(headers["X-CallID"], invite.one("Call-ID"));
    assert_eq!(headers["X-CallingTelephoneNumber"], "+4544890101");
    assert_eq!(headers["To"], format!("User 1001 <{MAIL}>"));
    assert_eq!(mail["defects"], serde_json::json!([]), "well-formed");
    for part in ["text", "html"] {
        let shown = mail[part].as_str().unwrap_or("");
        assert!(shown.contains("Ada Caller") && shown.contains("+4544890101"), "{part}: {shown}");
    }
    drop((pbx, desk));
    ringpost.stops_well();
}

/// Postfix and Dovecot.
struct Mailbox {
    folder: tempfile::TempDir,
    smtp: u16,
    imap: u16,
}

impl Mailbox {
    /// `None` and a word about it where they cannot run.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let [smtp, submission, smtps, imap] = [(); 4].map(|()| ports(1));
        let all = [smtp, submission, smtps, imap].map(|port| port.to_string());
        let started = Command::new(service("start.sh")).arg(folder.path()).args(all).status().expect("bash");
        let mailbox = Self { folder, smtp, imap };
        match started.code() {
            Some(0) => Some(mailbox),
            Some(77) => {
                println!("skipped: Postfix, Dovecot, openssl or root is missing");
                None
            }
            other => panic!("the mail servers do not start: {other:?}"),
        }
    }

    /// Alice's one mail, as her mail program shows it.
    fn reads(&self) -> serde_json::Value {
        let read = Command::new("python3")
            .arg(service("read.py"))
            .args([&*self.imap.to_string(), "alice", "1"])
            .output();
        let output = read.expect("Python starts");
        let lines = String::from_utf8_lossy(&output.stdout);
        assert_eq!(lines.lines().count(), 1, "{lines}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&lines).expect("JSON")
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let _ = Command::new(service("stop.sh")).arg(self.folder.path()).status();
    }
}

fn service(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services/mail").join(name)
}
