//! What people see of a notice, in a real browser: at the width of a phone and of a desk, light and dark, in every language, with names
//! that are long or written from right to left (issue 4, R204; T15). Nothing is wider than the screen, every text has a contrast of 4.5,
//! and names are isolated. With RINGPOST_SHOTS=FOLDER there are pictures too.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use ringpost::{
    address::{Caller, Language},
    call::Outcome,
    identity::{breaker::Rules, memory::Bounds},
    notify::{Kind, MissedCall, Notice, Style, Templates},
    settings::{Identity, Manner, Notices, Recordings},
};
use serde_json::{Value, json};

const WIDTHS: [u32; 3] = [320, 390, 1280];
const ARABIC: &str = "مريم عبد الرحمن الخطيب";

fn notice(kind: Kind, language: Language, name: Option<&str>) -> Notice {
    Notice {
        outcome: match kind {
            Kind::VoiceMail { .. } => Outcome::LeftMessage,
            Kind::Locked { .. } => Outcome::TakenByUm,
            Kind::Missed | Kind::Digest { .. } => Outcome::GaveUpRinging,
        },
        kind,
        user: "sip:tu@contoso.com".into(),
        user_name: Some("Søren Ø".into()),
        mail: Some("tu@contoso.com".into()),
        language,
        time_zone: "Europe/Copenhagen".into(),
        call_id: name.unwrap_or_default().into(),
        caller: Caller {
            name: name.map(str::to_owned),
            number: Some(format!("+454489{:04}", name.unwrap_or_default().len())),
            ..Caller::default()
        },
        came_in: "2008-04-11T09:12:33Z".parse().expect("a timestamp"),
        rang_for: Duration::from_secs(23),
        talked: None,
        called: (language == Language::De).then(long),
    }
}

fn kinds(language: Language) -> [(&'static str, Kind); 4] {
    let of = |name: &str| MissedCall::of(&notice(Kind::Missed, language, Some(name)));
    let talked =
        MissedCall { talked: Some("2008-04-11T10:00:00Z".parse().expect("a timestamp")), ..of(ARABIC) };
    let calls = vec![of("Luka A"), talked, of(&long()), of("Luka A")];
    let voice = Kind::VoiceMail {
        recording: "a-1.wav".into(),
        duration: Duration::from_millis(64_200),
        urgent: false,
    };
    let until = "2008-04-11T09:42:33Z".parse().expect("a timestamp");
    let locked = Kind::Locked { tries: 5, until };
    [
        ("missed", Kind::Missed),
        ("voice-mail", voice),
        ("missed-calls", Kind::Digest { calls }),
        ("mailbox-locked", locked),
    ]
}

fn long() -> String {
    "Wolfeschlegelsteinhausenbergerdorff".repeat(3)
}

/// The site gives links, so that there are two buttons.
fn linked() -> Style {
    let second = Duration::from_secs(1);
    let identity = Identity {
        sources: vec![],
        bounds: Bounds { keep: second, keep_unknown: second, most: 1 },
        rules: Rules { failures: 1, rest: second },
    };
    let manner = Manner { voicemail: Recordings::Link, ..Manner::default() };
    let site = Notices { manner, link: Some("https://pbx.test/{id}".into()), ..Notices::default() };
    Style::new(Templates::default(), &site, &[], &identity)
}

/// A mail as the browser gets it, and the names that have to be isolated.
fn mail(name: String, style: &Style, notice: &Notice) -> Value {
    let shown: Vec<&str> = match &notice.kind {
        Kind::Digest { calls } => calls.iter().filter_map(|call| call.caller.name.as_deref()).collect(),
        Kind::Missed | Kind::VoiceMail { .. } | Kind::Locked { .. } => {
            notice.caller.name.iter().map(String::as_str).collect()
        }
    };
    let direction = |text: &str| if text == ARABIC { "rtl" } else { "ltr" };
    let names: Vec<Value> =
        shown.iter().map(|text| json!({"text": text, "direction": direction(text)})).collect();
    json!({"name": name, "html": style.told(notice).words.html, "names": names})
}

fn mails() -> Vec<Value> {
    let (own, linked) = (Style::default(), linked());
    let mut mails = vec![];
    for language in Language::ALL {
        for (kind, what) in kinds(language) {
            mails.push(mail(
                format!("{kind} {}", language.code()),
                &own,
                &notice(what, language, Some("Luka A")),
            ));
        }
        let (_, voice) = kinds(language)[1].clone();
        mails.push(mail(
            format!("link {}", language.code()),
            &linked,
            &notice(voice, language, Some("Luka A")),
        ));
    }
    let long = long();
    for (what, name) in [("rtl", Some(ARABIC)), ("long", Some(long.as_str())), ("none", None)] {
        for (kind, kind_of) in [&kinds(Language::De)[0], &kinds(Language::De)[1]] {
            mails.push(mail(format!("{kind} {what}"), &own, &notice(kind_of.clone(), Language::De, name)));
        }
    }
    mails
}

fn chromium() -> Option<&'static str> {
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        let asked = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    });
    if found.is_none() {
        println!("skipped: Chromium is missing");
    }
    found
}

/// Chromium over a page, in one scheme.
fn browser(program: &str, profile: &Path, page: &Path, dark: bool, more: &[String]) -> String {
    let scheme = if dark { 0 } else { 1 };
    let done = Command::new("timeout")
        .args(["-k", "5", "100", program])
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args(["--disable-background-networking", "--hide-scrollbars", "--virtual-time-budget=30000"])
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(more)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .expect("timeout starts");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn every_mail_looks_right_at_every_width_light_and_dark() {
    let Some(program) = chromium() else { return };
    let folder = env::temp_dir().join(format!("ringpost-looks-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let harness = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/browser/looks.html");
    let harness = fs::read_to_string(harness).expect("readable");
    let mails = mails();
    for dark in [false, true] {
        let page = |name: &str, mails: &[Value], widths: &[u32]| {
            let given = json!({"mails": mails, "widths": widths, "dark": dark}).to_string();
            let path = folder.join(name);
            // Nothing in it ends the element that holds it.
            fs::write(&path, harness.replacen("MAILS", &given.replace('<', "\\u003c"), 1)).expect("written");
            path
        };
        let judged =
            browser(program, &folder, &page("looks.html", &mails, &WIDTHS), dark, &["--dump-dom".into()]);
        let found = judged.split_once(">FOUND").and_then(|(_, rest)| rest.split_once("END<"));
        let (found, _) = found.unwrap_or_else(|| panic!("the browser has judged nothing: {:.300}", judged));
        let found = found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let found: Vec<Value> = serde_json::from_str(&found).expect("JSON");
        assert_eq!(found.len(), mails.len() * WIDTHS.len());
        let wrong: Vec<&Value> = found.iter().filter(|one| one["wrong"] != json!([])).collect();
        assert!(wrong.is_empty(), "dark: {dark}, {} of {}: {wrong:#?}", wrong.len(), found.len());
        if let Some(shots) = env::var_os("RINGPOST_SHOTS") {
            for (part, some) in mails.chunks(4).enumerate() {
                let scheme = if dark { "dark" } else { "light" };
                let path = Path::new(&shots).join(format!("{scheme}-{part}.png"));
                let more = [format!("--screenshot={}", path.display()), "--window-size=1720,2400".to_owned()];
                browser(program, &folder, &page("shot.html", some, &[390, 1280]), dark, &more);
            }
        }
    }
    fs::remove_dir_all(&folder).expect("removed");
}
