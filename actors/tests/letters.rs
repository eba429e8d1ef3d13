//! What goes along with a notice, through a channel (issue 4): the recording attached as WAV, PCM or Opus, linked, or neither, as site
//! and user say; and what real decoders make of it.

mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use mail_parser::{Message, MessageParser, MimeHeaders};
use ringpost::{
    call::Outcome,
    identity::{breaker::Rules, memory::Bounds},
    notify::{Kind, Style, Templates},
    outbox::{Delivery, Item},
    settings::{Audio, Identity, Manner, Notices, Recordings, User},
    voicemail::{g711::Codec, wav},
};
use ringpost_actors::channel::{Channel, Letters, Maildir};
use support::by_mail;

const LINK: &str = "https://voicemail.example.com/{id}.wav";
const STEM: &str = "20260411T091233Z-00112233445566778899aabbccddeeff";
const LENGTH: Duration = Duration::from_millis(2_345);

/// The site attaches WAV; each user has another manner.
fn letters(users: &[(&str, Manner)]) -> Letters {
    let second = Duration::from_secs(1);
    let identity = Identity {
        sources: vec![],
        bounds: Bounds { keep: second, keep_unknown: second, most: 1 },
        rules: Rules { failures: 1, rest: second },
    };
    let site = Notices { link: Some(LINK.into()), ..Notices::default() };
    let users: Vec<User> = users
        .iter()
        .map(|(mail, manner)| User {
            address: format!("sip:{mail}"),
            notices: Notices { manner: *manner, ..site.clone() }.into(),
            ..User::default()
        })
        .collect();
    Letters::new(Style::new(Templates::default(), &site, &users, &identity).into())
}

fn voice_mail(folder: &Path, mail: &str, octets: &[u8]) -> Item {
    let recording = folder.join(format!("{STEM}.wav"));
    fs::write(&recording, octets).expect("written");
    let mut item = by_mail(&format!("{mail}@pbx"), mail);
    item.notice.kind = Kind::VoiceMail { recording, duration: LENGTH, urgent: false };
    item.notice.outcome = Outcome::LeftMessage;
    item
}

fn tone() -> Vec<u8> {
    let tone = Codec::Pcma.tone(440.0, 0.3, LENGTH);
    let head = wav::header(Codec::Pcma, tone.len() as u32);
    [head.as_slice(), &tone, &[0x55][..tone.len() % 2]].concat()
}

/// Delivers into a Maildir, and gives the mail.
fn delivered(folder: &Path, letters: &Letters, item: &Item) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let root = folder.join(item.notice.mail.as_deref().expect("a user with a mail"));
    let channel = Maildir::new(root.clone(), "um@corp.test".into()).with_letters(letters.clone());
    assert_eq!(runtime.block_on(channel.deliver(item)), Delivery::Delivered);
    let user = fs::read_dir(&root).expect("a folder").next().expect("a user").expect("an entry").path();
    let mail = fs::read_dir(user.join("new")).expect("a folder").next().expect("a mail").expect("an entry");
    fs::read(mail.path()).expect("readable")
}

fn header<'m>(mail: &'m Message<'_>, name: &'m str) -> Option<&'m str> {
    mail.header_raw(name).map(str::trim)
}

#[test]
fn a_recording_goes_along_as_site_and_user_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let manner = |voicemail, audio| Manner { voicemail, audio, ..Manner::default() };
    let rows = [
        ("site@x.test", Manner::default(), Some(("audio/WAV", ".wav")), Some("voice-ca")),
        ("pcm@x.test", manner(Recordings::Attach, Audio::Pcm), Some(("audio/WAV", ".wav")), Some("voice-ca")),
        // Outlook's form for voice mails cannot play it, so it is a mail with a file.
        (
            "opus@x.test",
            manner(Recordings::Attach, Audio::Opus),
            Some(("audio/ogg; codecs=opus", ".opus")),
            None,
        ),
        ("link@x.test", manner(Recordings::Link, Audio::Wav), None, None),
        ("none@x.test", manner(Recordings::None, Audio::Wav), None, None),
    ];
    let letters = letters(&rows.map(|(user, manner, ..)| (user, manner)));
    for (user, manner, attached, class) in rows {
        let octets = delivered(folder.path(), &letters, &voice_mail(folder.path(), user, &tone()));
        let mail = MessageParser::default().parse(&octets).expect("a mail");
        assert_eq!(header(&mail, "Content-Class"), class, "{user}");
        assert_eq!(header(&mail, "X-VoiceMessageDuration"), Some("3"), "{user}");
        let text = mail.body_text(0).expect("a text");
        let url = LINK.replace("{id}", STEM);
        assert_eq!(text.contains(&url), manner.voicemail == Recordings::Link, "{text}");
        assert_eq!(text.contains("attached"), attached.is_some(), "{text}");
        let Some((media_type, suffix)) = attached else {
            assert_eq!(mail.attachment_count(), 0, "{user}");
            assert_eq!(header(&mail, "X-AttachmentOrder"), None, "{user}");
            continue;
        };
        let file = mail.attachment(0).expect("an attachment");
        let name = file.attachment_name().expect("a name");
        assert!(name.ends_with(suffix), "{name}");
        assert_eq!(header(&mail, "X-AttachmentOrder"), Some(name));
        let raw = String::from_utf8_lossy(&octets);
        assert!(raw.contains(&format!("Content-Type: {}", media_type.to_lowercase())), "{user}: {raw:.3000}");
        let file_name = folder.path().join(format!("{user}{suffix}"));
        fs::write(&file_name, file.contents()).expect("written");
        sounds_right(&file_name, user);
    }
}

/// Length and tone, by decoders that are not ours: sox, and opusdec for Opus.
fn sounds_right(file: &Path, user: &str) {
    let there = |program: &str| {
        let asked =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok()
    };
    if !there("sox") || !there("opusdec") || !there("opusinfo") {
        println!("skipped: sox or opus-tools is missing");
        return;
    }
    let mut wav = file.to_owned();
    if file.extension().is_some_and(|suffix| suffix == "opus") {
        let info = Command::new("opusinfo").arg(file).output().expect("opusinfo runs");
        let said = String::from_utf8_lossy(&info.stdout).into_owned();
        assert!(info.status.success() && !said.to_lowercase().contains("warning"), "{said}");
        wav = file.with_extension("decoded.wav");
        let decoded =
            Command::new("opusdec").args(["--quiet", "--rate", "48000"]).arg(file).arg(&wav).status();
        assert!(decoded.expect("opusdec runs").success());
    }
    let stat = Command::new("sox").arg(&wav).args(["-n", "stat"]).output().expect("sox runs");
    let said = String::from_utf8_lossy(&stat.stderr).into_owned();
    let value = |name: &str| {
        let line =
            said.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {said}"));
        let value = line.rsplit(char::is_whitespace).next().unwrap_or_default();
        value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"))
    };
    assert!((value("Length (seconds)") - LENGTH.as_secs_f64()).abs() < 0.001, "{user}: {said}");
    assert!((value("Rough   frequency") - 440.0).abs() < 5.0, "{user}: {said}");
    assert!((0.25..0.35).contains(&value("Maximum amplitude")), "{user}: {said}");
}

#[test]
fn what_cannot_be_converted_goes_as_it_was_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let user = "opus@x.test";
    let letters = letters(&[(user, Manner { audio: Audio::Opus, ..Manner::default() })]);
    let broken = b"RIFF----WAVEnonsense".to_vec();
    let octets = delivered(folder.path(), &letters, &voice_mail(folder.path(), user, &broken));
    let mail = MessageParser::default().parse(&octets).expect("a mail");
    let file = mail.attachment(0).expect("an attachment");
    assert!(file.attachment_name().is_some_and(|name| name.ends_with(".wav")));
    assert_eq!(file.contents(), broken);
    assert_eq!(header(&mail, "Content-Class"), Some("voice-ca"));
}
