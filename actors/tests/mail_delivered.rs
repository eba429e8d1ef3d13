//! Notices through a real Postfix into a real Dovecot, read back by IMAP.

mod support;

use std::{fs, path::Path, process::Command, time::Duration};

use ringpost::{
    address::Language,
    call::Outcome,
    identity::{Book, breaker::Rules, memory::Bounds},
    notify::{Kind, Style, Templates, clean::one_line},
    outbox::{Delivery, Item, Key},
    settings::{
        Audio, Identity, Mail, MailAuth, MailTls, MailUrl, Manner, Notices, PASSWORD_REST, Secret, Source,
        SourceKind,
    },
    voicemail::{g711::Codec, wav},
};
use ringpost_actors::channel::{Channel, Letters, Smtp};
use serde_json::Value;
use support::{by_mail, free_port, service};

struct Site {
    folder: tempfile::TempDir,
    plain: u16,
    submission: u16,
    smtps: u16,
    imap: u16,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = Command::new(service("mail/stop.sh")).arg(self.folder.path()).status();
    }
}

/// Starts both servers; `None` and a word about it where they cannot run.
fn site() -> Option<Site> {
    let folder = tempfile::tempdir().expect("a folder");
    let [plain, submission, smtps, imap] = [(); 4].map(|()| free_port());
    let ports = [plain, submission, smtps, imap].map(|port| port.to_string());
    let started =
        Command::new(service("mail/start.sh")).arg(folder.path()).args(ports).status().expect("bash");
    let site = Site { folder, plain, submission, smtps, imap };
    match started.code() {
        Some(0) => Some(site),
        Some(77) => {
            println!("skipped: Postfix, Dovecot, openssl or root is missing");
            None
        }
        other => panic!("the mail servers do not start: {other:?}"),
    }
}

impl Site {
    fn channel(&self, port: u16, tls: MailTls, password: Option<&str>, trusted: bool) -> Smtp {
        let login = password.map(|password| ("alice".to_owned(), Secret(password.to_owned())));
        let url = MailUrl::Smtp { host: "127.0.0.1".into(), port, tls, login };
        let root = fs::read(self.folder.path().join("etc/ca.pem")).expect("made by start.sh");
        let root = trusted.then_some(root.as_slice());
        let settings = Mail {
            url,
            from: "um@corp.test".into(),
            ca: None,
            auth: MailAuth::Password,
            password_rest: PASSWORD_REST,
        };
        Smtp::trusting(&settings, root, Duration::from_secs(10)).expect("a transport")
    }

    fn inbox(&self, user: &str, count: usize) -> Vec<Value> {
        let output = Command::new("python3")
            .arg(service("mail/read.py"))
            .args([self.imap.to_string(), user.to_owned(), count.to_string()])
            .output()
            .expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
            .stdout
            .split(|octet| *octet == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("JSON"))
            .collect()
    }
}

fn voice_mail(folder: &Path) -> Item {
    let recording = folder.join("recording.wav");
    fs::write(&recording, [b"RIFF".as_slice(), &[0x55; 40_000]].concat()).expect("written");
    let mut item = by_mail("voice@pbx", "alice@corp.test");
    item.notice.kind = Kind::VoiceMail { recording, duration: Duration::from_millis(4_600), urgent: false };
    item.notice.outcome = Outcome::LeftMessage;
    item.notice.language = Language::Da;
    item
}

#[test]
fn notices_arrive_whole_over_every_kind_of_connection() {
    let Some(site) = site() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let hostile = "Eve \u{202E}\r\nBcc: bob@corp.test\r\n\r\n.\r\nRCPT TO:<bob@corp.test>";
    let mut evil = by_mail("evil@pbx", "alice@corp.test");
    evil.notice.caller.name = Some(hostile.into());
    let missed = by_mail("missed@pbx", "alice@corp.test");
    let voice = voice_mail(site.folder.path());
    for (item, port, tls, password) in [
        (&missed, site.plain, MailTls::Never, None),
        (&voice, site.submission, MailTls::Required, Some("pw")),
        (&evil, site.smtps, MailTls::Implicit, Some("pw")),
    ] {
        let channel = site.channel(port, tls, password, true);
        assert_eq!(runtime.block_on(channel.deliver(item)), Delivery::Delivered, "{tls:?}");
    }
    let inbox = site.inbox("alice", 3);
    assert_eq!(inbox.len(), 3);
    for (item, subject, class, types) in [
        (&missed, "Missed call from Luka Å", "missedcall", 2),
        (&voice, "Talebesked fra Luka Å", "voice-ca", 3),
        (&evil, &*format!("Missed call from {}", one_line(hostile, 120)), "missedcall", 2),
    ] {
        let id = format!("<{}@corp.test>", Key::of(&item.notice));
        let mail = inbox.iter().find(|mail| mail["headers"]["Message-ID"] == *id).expect("it arrived");
        let headers = &mail["headers"];
        assert_eq!(headers["Subject"], subject);
        assert_eq!(headers["Content-Class"], class);
        assert_eq!(headers["To"], "Søren Ø <alice@corp.test>");
        assert_eq!(headers["X-CallingTelephoneNumber"], "+4544890101");
        assert_eq!(headers["X-CallID"], item.notice.call_id);
        assert_eq!(headers["Auto-Submitted"], "auto-generated");
        assert_eq!(mail["types"].as_array().map(Vec::len), Some(types));
        assert_eq!(mail["defects"], serde_json::json!([]), "well-formed");
        assert!(mail["text"].as_str().is_some_and(|text| text.contains("11:12 (CEST)")), "{}", mail["text"]);
        assert_eq!(headers.as_object().map(|all| all.keys().any(|name| name == "Bcc")), Some(false));
    }
    let voice = inbox.iter().find(|mail| mail["headers"]["Content-Class"] == "voice-ca").expect("seen above");
    assert_eq!(voice["attached"][0][1], 40_004);
    assert_eq!(voice["attached"][0][0], voice["headers"]["X-AttachmentOrder"]);
    assert_eq!(voice["headers"]["X-VoiceMessageDuration"], "5");
    assert_eq!(site.inbox("bob", 0).len(), 0, "nothing reached anybody else");
}

/// A caller whom a file knows, written from right to left, and a recording as Opus: nothing of it is bent on the way.
#[test]
fn what_goes_along_arrives_whole() {
    let Some(site) = site() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let second = Duration::from_secs(1);
    let files = Source { name: "files".into(), kind: SourceKind::File(Book::default()) };
    let identity = Identity {
        sources: vec![files],
        bounds: Bounds { keep: second, keep_unknown: second, most: 1 },
        rules: Rules { failures: 1, rest: second },
    };
    let manner = Manner { audio: Audio::Opus, ..Manner::default() };
    let notices = Notices { manner, ..Notices::default() };
    let style = Style::new(Templates::default(), &notices, &[], &identity);
    let mut item = voice_mail(site.folder.path());
    let Kind::VoiceMail { recording, .. } = &item.notice.kind else { panic!("it is a voice mail") };
    let tone = Codec::Pcmu.tone(440.0, 0.3, Duration::from_secs(2));
    fs::write(recording, [&wav::header(Codec::Pcmu, tone.len() as u32)[..], &tone].concat())
        .expect("written");
    item.notice.caller.name = Some("مريم الخطيب".into());
    item.notice.caller.source = Some("files".into());
    let channel = site.channel(site.submission, MailTls::Required, Some("pw"), true);
    let channel = channel.with_letters(Letters::new(style.into()));
    assert_eq!(runtime.block_on(channel.deliver(&item)), Delivery::Delivered);
    let inbox = site.inbox("alice", 1);
    let mail = inbox.first().expect("it arrived");
    assert_eq!(mail["headers"]["Subject"], "Talebesked fra \u{2068}مريم الخطيب\u{2069}");
    assert_eq!(
        mail["headers"]["From"]
            .as_str()
            .map(|from| from.contains("\u{2068}مريم الخطيب\u{2069} (+4544890101)")),
        Some(true),
        "{}",
        mail["headers"]["From"]
    );
    assert_eq!(mail["types"], serde_json::json!(["text/plain", "text/html", "audio/ogg", "text/vcard"]));
    assert_eq!(mail["defects"], serde_json::json!([]));
    assert_eq!(mail["attached"][0][0], mail["headers"]["X-AttachmentOrder"]);
    assert_eq!(mail["attached"][1][0], "contact.vcf");
    assert!(mail["html"].as_str().is_some_and(|html| html.contains("<bdi>مريم الخطيب</bdi>")));
}

#[test]
fn what_a_real_server_refuses_is_later_or_never() {
    let Some(site) = site() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let alice = by_mail("1", "alice@corp.test");
    let nobody = by_mail("2", "nobody@corp.test");
    for (item, port, tls, password, trusted, never, reason) in [
        (&nobody, site.plain, MailTls::Never, None, true, true, "550"),
        // A wrong password or a missing root is the site's fault and heals, the mail is not to blame.
        (&alice, site.submission, MailTls::Required, Some("wrong-secret"), true, false, "535"),
        (&alice, site.submission, MailTls::Required, Some("pw"), false, false, "certificate"),
        (&alice, site.submission, MailTls::Never, None, true, false, "530"),
        (&alice, site.smtps, MailTls::Implicit, Some("pw"), false, false, "certificate"),
        (&alice, free_port(), MailTls::Never, None, true, false, "refused"),
    ] {
        let delivery = runtime.block_on(site.channel(port, tls, password, trusted).deliver(item));
        let (was_never, why) = match delivery {
            Delivery::Never { reason } => (true, reason),
            Delivery::Later { reason, .. }
            | Delivery::Down { reason, .. }
            | Delivery::Lost { reason, .. } => (false, reason),
            other @ (Delivery::Delivered | Delivery::Unsure(_)) => panic!("{reason}: {other:?}"),
        };
        assert_eq!(was_never, never, "{why}");
        assert!(why.to_lowercase().contains(reason), "{why}");
        assert!(!why.contains("wrong-secret") && !why.contains("@corp.test"), "{why}");
    }
}
