//! What templates are given. `examples/templates/README.md` lists it for those who write some.

use std::collections::BTreeMap;

use minijinja::{Value, context};

use super::{Hearing, Shown, initials, rows, tone};
use crate::notify::{
    Kind, MissedCall, Notice,
    clean::{LONGEST, isolated, one_line, shown},
    dates, digest,
    phrases::Phrases,
};

/// Values by their names.
pub type Values = BTreeMap<&'static str, Value>;

/// Where values go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Medium {
    /// Into text: what is written from right to left is isolated by characters.
    Text,
    /// Into HTML, which isolates by `<bdi>`.
    Html,
}

impl Medium {
    /// What somebody else has written, for this medium.
    pub fn own(self, text: String) -> String {
        match self {
            Self::Text => isolated(&text),
            Self::Html => text,
        }
    }
}

/// All values but `subject`, which text and page have besides.
pub fn values(notice: &Notice, hearing: &Hearing, medium: Medium) -> Values {
    let mut values = about_the_call(notice);
    values.extend(about_people(notice, medium));
    values.extend(about_the_recording(notice, hearing));
    values
}

fn about_the_call(notice: &Notice) -> Values {
    let phrases = Phrases::of(notice.language);
    let (kind, title) = match &notice.kind {
        Kind::Missed => ("missed", phrases.missed),
        Kind::VoiceMail { .. } => ("voice-mail", phrases.voice_mail),
        Kind::Digest { .. } => ("missed-calls", phrases.missed_calls),
        Kind::Locked { .. } => ("mailbox-locked", phrases.locked),
    };
    BTreeMap::from([
        ("kind", kind.into()),
        ("title", title.into()),
        ("language", notice.language.code().into()),
        ("call_id", one_line(&notice.call_id, 2 * LONGEST).into()),
        ("came_in", dates::moment(notice.came_in, &notice.time_zone, notice.language).into()),
        ("came_in_utc", notice.came_in.to_string().into()),
        ("local", local(notice)),
        ("rang_for", rang_for(notice, phrases).into()),
        ("rang_seconds", notice.rang_for.as_secs().into()),
        ("outcome", notice.outcome.name().into()),
        ("ended", ended(notice, phrases).into()),
        ("talked", notice.talked.map(|at| phrases.talked(at, notice)).into()),
        ("rows", rows(notice, phrases).into()),
        ("tone", tone(&notice.kind)),
        ("words", words(phrases)),
    ])
}

fn about_people(notice: &Notice, medium: Medium) -> Values {
    let caller = Shown::of(notice);
    let own = |text: String| medium.own(text);
    let calls: &[MissedCall] = if let Kind::Digest { calls } = &notice.kind { calls } else { &[] };
    BTreeMap::from([
        ("user", one_line(&notice.user, LONGEST).into()),
        ("called", shown(notice.called.as_deref()).map(own).into()),
        ("user_name", shown(notice.user_name.as_deref()).map(own).into()),
        ("mail", shown(notice.mail.as_deref()).into()),
        ("initials", initials(caller.name.as_deref()).into()),
        ("who", own(caller.who).into()),
        ("name", caller.name.map(own).into()),
        ("number", caller.number.map(own).into()),
        // Nobody calls back who has guessed PINs.
        ("link", caller.link.filter(|_| !matches!(notice.kind, Kind::Locked { .. })).into()),
        ("count", calls.len().max(1).into()),
        ("lines", digest::lines(notice, calls, Phrases::of(notice.language), medium).into()),
    ])
}

/// All `none` where there is no recording.
fn about_the_recording(notice: &Notice, hearing: &Hearing) -> Values {
    let phrases = Phrases::of(notice.language);
    let length = match &notice.kind {
        Kind::Missed | Kind::Digest { .. } | Kind::Locked { .. } => None,
        Kind::VoiceMail { duration, .. } => Some(*duration),
    };
    let hearing = length.map(|_| hearing);
    BTreeMap::from([
        ("length", length.map(dates::length).into()),
        ("length_seconds", length.map(|length| length.as_secs()).into()),
        ("recording", hearing.map(Hearing::name).into()),
        ("recording_link", hearing.and_then(Hearing::link).into()),
        ("recording_note", hearing.and_then(|hearing| hearing.note(phrases)).into()),
    ])
}

/// What has happened, as sentences.
fn ended(notice: &Notice, phrases: &Phrases) -> String {
    match notice.kind {
        Kind::Locked { tries, until } => phrases.locked_until(tries, until, notice),
        Kind::Missed | Kind::VoiceMail { .. } | Kind::Digest { .. } => {
            phrases.ended(notice.outcome).to_owned()
        }
    }
}

/// How long the user's devices rang, in words.
pub fn rang_for(notice: &Notice, phrases: &Phrases) -> String {
    match notice.rang_for.is_zero() {
        true => phrases.did_not_ring.to_owned(),
        false => dates::length(notice.rang_for),
    }
}

/// The moment in parts, for whoever writes dates in another way.
fn local(notice: &Notice) -> Value {
    let local = dates::local(notice.came_in, &notice.time_zone);
    context! {
        year => i64::from(local.year()),
        month => i64::from(local.month()),
        day => i64::from(local.day()),
        weekday => i64::from(local.weekday().to_monday_one_offset()),
        hour => i64::from(local.hour()),
        minute => i64::from(local.minute()),
        clock => local.strftime("%H:%M").to_string(),
        zone => dates::zone_name(&local),
    }
}

/// What is said in the user's language whoever calls.
fn words(phrases: &Phrases) -> Value {
    context! {
        missed => phrases.missed,
        voice_mail => phrases.voice_mail,
        unknown => phrases.unknown,
        came_in => phrases.came_in,
        rang_for => phrases.rang_for,
        length => phrases.length,
        call_back => phrases.call_back,
        call_for => phrases.call_for,
        listen => phrases.listen,
        footer => phrases.footer,
    }
}
