//! `ringpost demo` as a person runs it: the program, its words, and what it leaves in the folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use mail_parser::{MessageParser, MimeHeaders};
use ringpost::voicemail::{
    g711::Codec,
    wav::{Format, Wav},
};

#[test]
fn five_stories_come_out_as_they_should_and_leave_their_mails() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let folder = parent.path().join("demo");
    let shown = run(&folder);
    let (said, complaints) = (text(&shown.stdout), text(&shown.stderr));
    assert_eq!(shown.status.code(), Some(0), "{said}\n{complaints}");
    assert_eq!(complaints, "");
    reads_well(&said);
    tells_every_story(&said);

    let mut mails: Vec<_> = [maildir(&folder, "ada"), maildir(&folder, "cleo")].concat();
    mails.sort();
    let expected = [
        (
            "ada",
            "missedcall",
            "Missed call from Luka A",
            "The caller hung up while your phones were ringing.",
        ),
        (
            "ada",
            "missedcall",
            "Missed call from Luka A",
            "The caller reached your voice mail and left no message.",
        ),
        ("ada", "voice-ca", "Voice mail from Luka A", "The caller left a message."),
        ("cleo", "missedcall", "Missed call from Luka A", "The caller hung up before voice mail answered."),
    ];
    let expected = expected.map(|(user, class, subject, why)| [user, class, subject, why].map(str::to_owned));
    assert_eq!(mails, expected);
    assert_eq!(folders(&folder.join("mail")), ["ada@demo.example", "cleo@demo.example"], "and nobody else's");
    is_the_tone(&only_recording(&folder));

    let site = folder.join("site.toml").display().to_string();
    assert_eq!(
        ringpost(&["check", "--config", &site]).status.code(),
        Some(0),
        "the site is there to look at"
    );
    let again = run(&folder);
    assert_eq!(again.status.code(), Some(64), "a folder that is not empty may be somebody's");
    assert!(text(&again.stderr).contains("is not empty"), "{}", text(&again.stderr));
}

/// No colour where nobody sits, and nothing wider than a page.
fn reads_well(said: &str) {
    assert!(!said.contains('\u{1b}'), "{said}");
    for line in said.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

fn tells_every_story(said: &str) {
    let stories: Vec<_> = said.split("\nStory ").collect();
    let expected: [(&str, &[&str]); 5] = [
        ("1 of 5 · Answered at the desk", &["CANCEL (Call completed elsewhere)", "silent: not missed"]),
        (
            "2 of 5 · Missed while ringing",
            &["487 Request Terminated", "tell-um: missed", "took the INFO and wrote"],
        ),
        (
            "3 of 5 · Missed while being forwarded",
            &[
                "── (2) ",
                "181 Call Is Being Forwarded",
                "<Event type=\"missed\">",
                "tell-um: missed",
                "mail: missed",
            ],
        ),
        ("4 of 5 · Missed in the greeting", &["── (3) ", "packets of greeting", "silent: UM had the call"]),
        ("5 of 5 · Voice mail left", &["── (4) ", "RTP 150 packets, a tone", "3.0 s of PCMA"]),
    ];
    assert_eq!(stories.len(), 6, "{said}");
    for ((title, words), story) in expected.into_iter().zip(&stories[1..]) {
        assert!(story.starts_with(title), "{story}");
        for word in words.iter().chain(&["── (1) ", "Call log", "✓ as it should be"]) {
            assert!(story.contains(word), "{word:?} is missing in {story}");
        }
    }
}

/// Each mail of a user: the user, Content-Class, Subject, and the sentence that says why.
fn maildir(folder: &Path, user: &str) -> Vec<[String; 4]> {
    let maildir = folder.join(format!("mail/{user}@demo.example"));
    let read = |path: PathBuf| {
        let octets = fs::read(path).expect("a mail can be read");
        let mail = MessageParser::default().parse(&octets).expect("a mail");
        let class = mail.header_raw("Content-Class").expect("a class").trim().to_owned();
        let body = mail.body_text(0).expect("a text").into_owned();
        let why = body.lines().find(|line| line.starts_with("The caller")).expect("a reason").to_owned();
        let attached = mail.attachments().filter_map(|part| part.attachment_name()).count();
        assert_eq!(attached, usize::from(class == "voice-ca"));
        [user.to_owned(), class, mail.subject().expect("a subject").to_owned(), why]
    };
    assert_eq!(folders(&maildir.join("cur")).len() + folders(&maildir.join("tmp")).len(), 0);
    folders(&maildir.join("new")).into_iter().map(|name| read(maildir.join("new").join(name))).collect()
}

fn only_recording(folder: &Path) -> PathBuf {
    let files = folders(&folder.join("recordings"));
    let [recording] = files.as_slice() else { panic!("one recording, and its note is gone: {files:?}") };
    folder.join("recordings").join(recording)
}

/// Three seconds of 440 Hz: the sine and the cosine of that pitch hold nearly all of the power.
fn is_the_tone(path: &Path) {
    let file = fs::read(path).expect("the recording can be read");
    let wav = Wav::read(&file).expect("a WAV file");
    assert_eq!(wav.format, Format::G711(Codec::Pcma));
    assert_eq!(wav.samples.len(), 24_000, "three seconds");
    let (mut sine, mut cosine, mut power) = (0.0, 0.0, 0.0);
    for (n, octet) in wav.samples.iter().enumerate() {
        let sample = f64::from(Codec::Pcma.decode(*octet));
        let angle = n as f64 * 440.0 * std::f64::consts::TAU / 8000.0;
        (sine, cosine, power) =
            (sine + sample * angle.sin(), cosine + sample * angle.cos(), power + sample * sample);
    }
    let share = 2.0 * (sine * sine + cosine * cosine) / (power * 24_000.0);
    assert!(share > 0.99, "{share}");
}

fn folders(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn run(folder: &Path) -> Output {
    ringpost(&["demo", "--dir", &folder.display().to_string()])
}

fn ringpost(arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    program.args(arguments).env_remove("RUST_LOG");
    program.output().expect("the program starts")
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
