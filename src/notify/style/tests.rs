use std::time::Duration;

use super::{samples::samples, *};
use crate::{
    address::{Caller, Language, SourceName},
    identity::{Book, breaker::Rules, memory::Bounds},
    settings::{Audio, Source, SourceKind},
};

fn templates(files: &[(&str, &str)]) -> Result<Templates, Vec<String>> {
    let files = files.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect();
    Templates::read(files).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn style(files: &[(&str, &str)]) -> Style {
    let templates = templates(files).expect("good templates");
    Style { templates, ..Style::default() }
}

fn mannered(manner: Manner, link: Option<&str>) -> Style {
    let site = Notices { manner, link: link.map(str::to_owned), ..Notices::default() };
    let kinds = [("users", SourceKind::Users), ("files", SourceKind::File(Book::default()))];
    let sources = kinds.into_iter().map(|(name, kind)| Source { name: name.into(), kind });
    Style::new(Templates::default(), &site, &[], &identity(sources.collect()))
}

fn identity(sources: Vec<Source>) -> Identity {
    let second = Duration::from_secs(1);
    Identity {
        sources,
        bounds: Bounds { keep: second, keep_unknown: second, most: 1 },
        rules: Rules { failures: 1, rest: second },
    }
}

fn notice(kind: &str, language: Language, caller: Caller) -> Notice {
    Notice { caller, ..samples(kind, language)[0].0.clone() }
}

fn ada() -> Caller {
    Caller { name: Some("Ada Example".into()), number: Some("+15550101".into()), ..Caller::default() }
}

#[test]
fn a_file_stands_in_place_of_ours_and_the_rest_stays() {
    let style = style(&[
        ("missed.da.subject", "Ring til {{ who }}!\n"),
        ("missed.html", "<p>{{ name }} {{ words.call_back }} {{ subject }}</p>"),
        ("missed.da.html", "<p>dansk</p>"),
        ("voice-mail.txt", "{{ length_seconds }} s, {{ recording }}"),
    ]);
    let plain = Style::default();
    for (kind, language, subject, text, html) in [
        ("missed", Language::Da, Some("Ring til Ada Example!"), None, Some("<p>dansk</p>")),
        (
            "missed",
            Language::En,
            None,
            None,
            Some("<p>Ada Example Call back Missed call from Ada Example</p>"),
        ),
        ("voice-mail", Language::De, None, Some("64 s, attached"), None),
    ] {
        let notice = notice(kind, language, ada());
        let (own, shipped) = (style.told(&notice).words, plain.told(&notice).words);
        assert_eq!(own.subject, subject.unwrap_or(&shipped.subject));
        assert_eq!(own.html, html.unwrap_or(&shipped.html));
        match text {
            Some(text) => assert_eq!(own.text, text),
            None => assert!(
                own.text.starts_with(&own.subject),
                "the text opens with the subject, also with the site's"
            ),
        }
    }
}

#[test]
fn every_fault_of_every_file_is_named_with_its_line() {
    let known = "known here: call_id, called, came_in, came_in_utc, count, ended, initials, kind, language, length, length_seconds, lines, link, local, \
                 mail, name, number, outcome, rang_for, rang_seconds, recording, recording_link, recording_note, rows, \
                 subject, talked, title, tone, user, user_name, who, words";
    for (files, wanted) in [
        (
            &[("missed.en.html", "<p>\n{{ nmae }}\n{% if never %}{{ length.x }}{% endif %}</p>")][..],
            vec![
                format!("missed.en.html:2: unknown variable \"nmae\"; {known}"),
                format!("missed.en.html:3: unknown variable \"never\"; {known}"),
            ],
        ),
        (&[("missed.txt", "a\n{{ name")], vec!["missed.txt:2: syntax error: unexpected end of input, expected end of variable block".into()]),
        (&[("missed.de.subject", "{{ subject }}")], vec![format!(
            "missed.de.subject:1: unknown variable \"subject\"; {}", known.replace("subject, ", ""))]),
        (&[("missed.subject", " \r\n ")], vec!["missed.subject: writes an empty subject".into()]),
        (&[("missed.html", "{{ name|safe }}")], vec!["missed.html:1: unknown filter: filter safe is unknown".into()]),
        (
            &[("missed.html", "{% autoescape false %}{{ name }}{% endautoescape %}")],
            vec!["missed.html: writes a caller's name without escaping it".into()],
        ),
        (&[("missed.txt", "{{ tone.midnight.x }}")], vec!["missed.txt:1: undefined value".into()]),
        (
            &[("missed.txt", "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}")],
            vec!["missed.txt:1: takes too long".into()],
        ),
        (
            &[("missed.txt", "{% for a in range(9000) %}{{ words.footer * 9 }}{% endfor %}")],
            vec!["missed.txt: writes more than 1 MiB".into()],
        ),
        (
            &[("mised.nl.txt", "")],
            vec!["mised.nl.txt: no name of a template: wants KIND.LANGUAGE.PART or KIND.PART, of missed, voice-mail, missed-calls; \
                  en, de, fr, da, es; subject, txt, html".into()],
        ),
        (&[("missed.txt", "{% include 'voice-mail.txt' %}")], vec!["missed.txt:1: template not found".into()]),
    ] {
        let faults = templates(files).expect_err(files[0].0);
        let same = faults.len() == wanted.len() && faults.iter().zip(&wanted).all(|(fault, wanted)| fault.starts_with(wanted.as_str()));
        assert!(same, "{faults:#?}\n{wanted:#?}");
    }
    let long = "x".repeat(LARGEST + 1);
    assert_eq!(
        templates(&[("missed.txt", &long)]).expect_err("too large"),
        ["missed.txt: is larger than 256 KiB"]
    );
}

#[test]
fn a_template_that_fails_leaves_the_notice_to_ours_and_says_so_once() {
    let source = "{% if name == 'Boom' %}{{ 1 + name }}{% endif %}mine";
    let style = style(&[("missed.txt", source)]);
    let fine = notice("missed", Language::En, ada());
    let boom = notice("missed", Language::En, Caller { name: Some("Boom".into()), ..ada() });
    assert_eq!(style.told(&fine).words.text, "mine");
    for faults in [1, 0, 0] {
        let letter = style.told(&boom);
        assert_eq!(letter.words, Style::default().told(&boom).words);
        assert_eq!(letter.faults.len(), faults, "{:?}", letter.faults);
    }
    assert_eq!(style.told(&fine).words.text, "mine", "it serves others as before");
}

#[test]
fn names_of_another_direction_are_isolated_in_text_and_marked_in_html() {
    let rtl = notice("missed", Language::En, Caller { name: Some("مريم الخطيب".into()), ..ada() });
    let words = Style::default().told(&rtl).words;
    assert_eq!(words.subject, "Missed call from \u{2068}مريم الخطيب\u{2069}");
    assert!(words.text.starts_with(&words.subject));
    assert!(words.html.contains("<bdi>مريم الخطيب</bdi>"), "{}", words.html);
    let own = style(&[("missed.subject", "{{ who }} rang")]).told(&rtl).words;
    assert_eq!(
        own.subject, "\u{2068}مريم الخطيب\u{2069} rang",
        "the characters that isolate are no line noise"
    );
}

#[test]
fn a_recording_is_attached_linked_or_neither() {
    let recording = || Some(Sound::recorded(b"RIFF".to_vec()));
    let mut voice = notice("voice-mail", Language::En, ada());
    let stem = "20261121T031713Z-000000000000000000000000000000ff";
    voice.kind = Kind::VoiceMail {
        recording: format!("/v/{stem}.wav").into(),
        duration: Duration::from_secs(3),
        urgent: false,
    };
    let link = "https://pbx.example.com/v/{id}.wav";
    let url = link.replace("{id}", stem);
    for (voicemail, says, not, attached) in [
        (Recordings::Attach, "attached to this mail", "Listen", true),
        (Recordings::Link, url.as_str(), "attached", false),
        (Recordings::None, "kept by your telephone system", "attached", false),
    ] {
        let style = mannered(Manner { voicemail, ..Manner::default() }, Some(link));
        let letter = style.letter(&voice, recording()).expect("a letter");
        let Words { text, html, .. } = &letter.words;
        assert!(text.contains(says) && html.replace("&#x2f;", "/").contains(says), "{text}");
        assert!(!text.contains(not) && !html.contains(not), "{text}");
        assert_eq!((letter.sound.is_some(), style.encloses(&voice)), (attached, attached));
        assert_eq!(letter.recording_link.is_some(), voicemail == Recordings::Link);
        assert_eq!(style.letter(&voice, None).is_err(), attached, "without its recording");
    }
    // A name that Ringpost has not given gets into no URL.
    voice.kind =
        Kind::VoiceMail { recording: "x/../%2e\"><b>.wav".into(), duration: Duration::ZERO, urgent: false };
    let style = mannered(Manner { voicemail: Recordings::Link, ..Manner::default() }, Some(link));
    assert_eq!(style.told(&voice).recording_link, None);
}

#[test]
fn a_user_may_have_another_manner_than_the_site() {
    let own = Manner { voicemail: Recordings::None, audio: Audio::Opus, vcard: false };
    let users = [("sip:1001@example.com", own), ("sip:1002@example.com", Manner::default())];
    let users = users.map(|(address, manner)| User {
        address: address.into(),
        notices: Notices { manner, ..Notices::default() }.into(),
        ..User::default()
    });
    let style = Style::new(Templates::default(), &Notices::default(), &users, &identity(vec![]));
    assert_eq!(style.manner("SIP:1001@example.com"), own);
    assert_eq!(style.manner("sip:1002@example.com"), Manner::default());
    assert_eq!(style.manner("sip:nobody@example.com"), Manner::default());
}

#[test]
fn a_caller_whom_a_source_has_named_goes_along_as_a_card() {
    let from = |source: Option<&str>| Caller { source: source.map(SourceName::from), ..ada() };
    let off = Manner { vcard: false, ..Manner::default() };
    for (caller, manner, goes) in [
        (from(Some("files")), Manner::default(), true),
        (from(Some("gone")), Manner::default(), false),
        (from(Some("files")), off, false),
        (from(Some("users")), Manner::default(), false),
        (from(None), Manner::default(), false),
        (Caller { number: None, ..from(Some("files")) }, Manner::default(), false),
        (Caller { private: true, ..from(Some("files")) }, Manner::default(), false),
    ] {
        let notice = notice("missed", Language::En, caller);
        let card = mannered(manner, None).letter(&notice, None).expect("a letter").card;
        assert_eq!(card.is_some(), goes, "{:?} {manner:?}", notice.caller);
        if let Some(card) = card {
            let text = String::from_utf8(card.octets).expect("UTF-8");
            assert!(text.contains("\r\nFN:Ada Example\r\nTEL;TYPE=VOICE:+15550101\r\n"), "{text}");
        }
    }
}
