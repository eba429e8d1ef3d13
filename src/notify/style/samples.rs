//! Notices that a template is tried with before it may tell any.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    address::{Caller, Language},
    call::Outcome,
    notify::{Kind, MissedCall, Notice, wording::Hearing},
};

/// The name of a caller who wants to be markup.
pub const MARKUP: &str = "<b class=\"x\">&'";

/// Notices of a kind as bad as notices get, and how their recordings are heard.
pub fn samples(kind: &str, language: Language) -> Vec<(Notice, Hearing)> {
    let number = || Some("+15550101".to_owned());
    let named = |name: &str| Caller { name: Some(name.to_owned()), number: number(), ..Caller::default() };
    let callers = [
        Caller { uri: Some("tel:+15550101".to_owned()), ..named("Ada Example") },
        named(&"Wolfeschlegelsteinhausenbergerdorff".repeat(9)),
        named("مريم الخطيب"),
        named(MARKUP),
        Caller { number: number(), ..Caller::default() },
        Caller { number: None, ..named("Ada Example") },
        Caller::default(),
        Caller { private: true, ..Caller::default() },
    ];
    let hearings = match kind {
        "voice-mail" => {
            vec![Hearing::Attached, Hearing::Link("https://example.com/x".to_owned()), Hearing::Kept]
        }
        _ => vec![Hearing::Attached],
    };
    let each = callers
        .into_iter()
        .flat_map(|caller| hearings.iter().map(move |hearing| (caller.clone(), hearing.clone())));
    let mut all: Vec<_> = each.map(|(caller, hearing)| (notice(kind, language, caller), hearing)).collect();
    if kind == "missed-calls" {
        // Every caller alone, twice; and all of them together.
        let calls: Vec<MissedCall> = all.iter().map(|(one, _)| MissedCall::of(one)).collect();
        for ((one, _), call) in all.iter_mut().zip(&calls) {
            one.kind = Kind::Digest { calls: vec![call.clone(), call.clone()] };
        }
        let together = Notice { kind: Kind::Digest { calls }, ..all[0].0.clone() };
        all.push((together, Hearing::Attached));
    }
    all
}

fn notice(kind: &str, language: Language, caller: Caller) -> Notice {
    let (kind, outcome) = match kind {
        "voice-mail" => {
            let duration = Duration::from_millis(64_200);
            (
                Kind::VoiceMail { recording: "sample.wav".into(), duration, urgent: false },
                Outcome::LeftMessage,
            )
        }
        _ => (Kind::Missed, Outcome::GaveUpRinging),
    };
    Notice {
        kind,
        user: "sip:1001@example.com".to_owned(),
        user_name: caller.name.clone(),
        mail: caller.number.as_ref().map(|_| "1001@example.com".to_owned()),
        language,
        time_zone: "UTC".to_owned(),
        call_id: "sample@example.com".to_owned(),
        came_in: Timestamp::UNIX_EPOCH,
        talked: caller.private.then_some(Timestamp::UNIX_EPOCH),
        called: caller.private.then(|| "Sales".to_owned()),
        rang_for: if caller.private { Duration::ZERO } else { Duration::from_secs(23) },
        caller,
        outcome,
    }
}
