//! Writes the mail of a missed call, in any of the five languages, as it leaves for the mail server.
//!
//!     cargo run -p ringpost --example missed_call_mail -- da
//!
//! The decision comes first: the same call to a user whom the PBX tells gives no mail.

use std::time::Duration;

use ringpost::{
    address::{Caller, Language, UserClass},
    call::Outcome,
    notify::{Action, Facts, Kind, Notice, Style, decide, mail::compose},
};

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_else(|| "en".to_owned());
    let language = Language::ALL.into_iter().find(|language| language.code() == wanted).unwrap_or_default();
    print!("{}", mail(UserClass::Mail, language).unwrap_or_else(|| "no mail\n".to_owned()));
}

/// The mail, or nothing where the decision is to stay silent.
pub fn mail(class: UserClass, language: Language) -> Option<String> {
    let rang_for = Duration::from_secs(17);
    let facts = Facts { rang_for, has_channel: true, ..Facts::default() };
    let verdict = decide(class, Outcome::GaveUpRinging, facts);
    if verdict.action != Action::Mail {
        return None;
    }
    let notice = Notice {
        kind: Kind::Missed,
        user: "sip:1001@example.test".to_owned(),
        user_name: Some("Ada Example".to_owned()),
        mail: Some("ada@example.test".to_owned()),
        language,
        time_zone: "Europe/Copenhagen".to_owned(),
        call_id: "7f3c@pbx.example.test".to_owned(),
        caller: Caller {
            name: Some("Luka Ærø".to_owned()),
            number: Some("+4544890101".to_owned()),
            uri: Some("sip:+4544890101@pbx.example.test".to_owned()),
            ..Caller::default()
        },
        came_in: "2026-04-11T09:12:33Z".parse().expect("a timestamp"),
        rang_for,
        outcome: Outcome::GaveUpRinging,
        talked: None,
        called: None,
    };
    let posted = "2026-04-11T09:12:51Z".parse().expect("a timestamp");
    let letter = Style::default().told(&notice);
    let mail = compose(&letter, "ringpost@example.test", posted).expect("the addresses are good");
    Some(String::from_utf8_lossy(&mail.formatted()).into_owned())
}
