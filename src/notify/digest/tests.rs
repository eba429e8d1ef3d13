use std::time::Duration;

use crate::{
    address::{Caller, Language},
    call::Outcome,
    notify::{
        Kind, MissedCall, Notice, Style,
        golden::golden,
        mail::compose,
        wording::{Shown, Words},
    },
};

fn call(number: usize, (name, digits): (Option<&str>, Option<&str>), came_in: &str) -> MissedCall {
    MissedCall {
        call_id: format!("{number}@pbx"),
        caller: Caller {
            name: name.map(str::to_owned),
            number: digits.map(str::to_owned),
            uri: digits.map(|digits| format!("tel:{digits}")),
            private: digits.is_none(),
            ..Caller::default()
        },
        came_in: came_in.parse().expect("a timestamp"),
        rang_for: Duration::from_secs(20),
        outcome: Outcome::GaveUpRinging,
        talked: None,
        called: None,
    }
}

const LUKA: (Option<&str>, Option<&str>) = (Some("Luka A"), Some("+4544890101"));
const AASE: (Option<&str>, Option<&str>) = (Some("Åse <script>\r\nBcc: x@y.test"), Some("+4544890102"));
const NOBODY: (Option<&str>, Option<&str>) = (None, None);

fn digest(calls: Vec<MissedCall>, language: Language) -> Notice {
    let newest = calls.last().expect("some").clone();
    let alone = calls.iter().all(|call| call.caller == newest.caller);
    Notice {
        caller: if alone { newest.caller } else { Caller::default() },
        kind: Kind::Digest { calls },
        user: "sip:tu@contoso.com".into(),
        user_name: Some("Søren Ø".into()),
        mail: Some("tu@contoso.com".into()),
        language,
        time_zone: "Europe/Copenhagen".into(),
        call_id: newest.call_id,
        came_in: newest.came_in,
        rang_for: newest.rang_for,
        outcome: newest.outcome,
        talked: None,
        called: None,
    }
}

fn evening() -> Vec<MissedCall> {
    let mut calls = vec![
        call(1, LUKA, "2008-04-10T21:40:00Z"),
        call(2, AASE, "2008-04-11T08:55:00Z"),
        call(3, LUKA, "2008-04-11T09:05:10Z"),
        call(4, NOBODY, "2008-04-11T09:07:00Z"),
        call(5, LUKA, "2008-04-11T09:12:33Z"),
    ];
    calls[0].called = Some("Sales <b>".into());
    calls[1].talked = Some("2008-04-11T09:10:00Z".parse().expect("a timestamp"));
    calls
}

fn word(notice: &Notice) -> Words {
    Style::default().told(notice).words
}

#[test]
fn every_language_has_its_digests() {
    let posted = "2008-04-11T09:13:00Z".parse().expect("a timestamp");
    for language in Language::ALL {
        let code = language.code();
        let notice = digest(evening(), language);
        let letter = Style::default().letter(&notice, None).expect("a letter");
        let mail = compose(&letter, "um@contoso.com", posted).expect("a mail");
        golden(&format!("digest.{code}.eml"), &String::from_utf8(mail.formatted()).expect("ASCII"));
        golden(&format!("digest.{code}.html"), &word(&notice).html);
        golden(&format!("digest.{code}.txt"), &word(&notice).text);
    }
}

#[test]
fn one_and_many_have_their_forms() {
    let twice = || vec![call(1, LUKA, "2008-04-11T09:05:10Z"), call(2, LUKA, "2008-04-11T09:12:33Z")];
    for (language, alone, several, forms) in [
        (
            Language::En,
            "2 missed calls from Luka A",
            "5 missed calls from 3 callers",
            ["1 call,", "3 calls,"],
        ),
        (
            Language::De,
            "2 verpasste Anrufe von Luka A",
            "5 verpasste Anrufe von 3 Anrufern",
            ["1 Anruf,", "3 Anrufe,"],
        ),
        (
            Language::Fr,
            "2 appels manqués de Luka A",
            "5 appels manqués de 3 correspondants",
            ["1 appel,", "3 appels,"],
        ),
        (
            Language::Da,
            "2 mistede opkald fra Luka A",
            "5 mistede opkald fra 3 opkaldere",
            ["1 opkald,", "3 opkald,"],
        ),
        (
            Language::Es,
            "2 llamadas perdidas de Luka A",
            "5 llamadas perdidas de 3 personas",
            ["1 llamada,", "3 llamadas,"],
        ),
    ] {
        assert_eq!(word(&digest(twice(), language)).subject, alone);
        let words = word(&digest(evening(), language));
        assert_eq!(words.subject, several);
        assert!(forms.iter().all(|form| words.text.contains(form)), "{}", words.text);
    }
}

#[test]
fn who_called_last_comes_first_and_no_name_gets_out_of_its_line() {
    let words = word(&digest(evening(), Language::En));
    let places = ["Luka A", "unknown caller", "Åse"].map(|who| words.text.find(who).expect(who));
    assert!(places.is_sorted(), "{}", words.text);
    assert!(words.text.contains("Friday 11 April: 11:12, 11:05; Thursday 10 April: 23:40 (CEST)"));
    assert!(!words.html.contains("<script>") && !words.text.contains("\nBcc"), "{}", words.text);
    assert_eq!(words.text.matches("You have talked since, on Friday 11 April 2008 at 11:10").count(), 1);
}

#[test]
fn the_sender_is_the_caller_or_how_many_they_are() {
    for (calls, who) in [(evening(), "3 callers"), (evening().split_off(4), "Luka A")] {
        assert_eq!(Shown::of(&digest(calls, Language::En)).who, who);
    }
}
