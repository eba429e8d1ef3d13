//! A notice in words: subject, plain text and HTML in the user's language.

mod values;

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, Value, context};

pub(super) use self::values::{Medium, Values, values};
use super::{
    Kind, Notice,
    clean::{is_right_to_left, isolated, link, shown},
    dates, digest,
    phrases::Phrases,
};
use crate::{
    address::{Caller, Language},
    numbers::lines,
};

/// What the user reads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Words {
    /// One line, `Missed call from Luka A`.
    pub subject: String,
    /// Plain text, lines end with LF.
    pub text: String,
    /// A whole HTML page, every value escaped.
    pub html: String,
}

/// How the user hears the recording of a voice mail.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Hearing {
    /// It is attached.
    #[default]
    Attached,
    /// It is to be had at this URL.
    Link(String),
    /// It is kept, and the notice does not say where.
    Kept,
}

impl Hearing {
    /// The name in templates.
    fn name(&self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Link(_) => "link",
            Self::Kept => "kept",
        }
    }

    fn link(&self) -> Option<&str> {
        match self {
            Self::Link(url) => Some(url),
            Self::Attached | Self::Kept => None,
        }
    }

    fn note(&self, phrases: &Phrases) -> Option<&'static str> {
        match self {
            Self::Attached => Some(phrases.attached),
            Self::Link(_) => None,
            Self::Kept => Some(phrases.kept),
        }
    }
}

/// The subject as Ringpost words it.
pub(super) fn subject(notice: &Notice) -> String {
    let phrases = Phrases::of(notice.language);
    let subject = match &notice.kind {
        Kind::Missed => phrases.missed_from,
        Kind::VoiceMail { .. } => phrases.voice_mail_from,
        Kind::Digest { calls } => return digest::subject(notice, calls, phrases),
        Kind::Locked { .. } => phrases.locked,
    };
    subject.replace("{who}", &isolated(&Shown::of(notice).who))
}

/// The text as Ringpost words it.
pub(super) fn text(notice: &Notice, values: &Values) -> String {
    render(if notice.is_digest() { "digest.txt" } else { "notice.txt" }, values)
}

/// The page as Ringpost words it.
pub(super) fn html(notice: &Notice, values: &Values) -> String {
    render(if notice.is_digest() { "digest.html" } else { "notice.html" }, values)
}

/// The caller as a notice shows it: cleaned, and nothing at all of one who asked not to be named (RFC 3323).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// The name, else the number, else "unknown caller" in the user's language.
    pub who: String,
    /// The name.
    pub name: Option<String>,
    /// The number.
    pub number: Option<String>,
    /// The URI to call back.
    pub link: Option<String>,
}

impl Shown {
    /// The caller of a notice.
    pub fn of(notice: &Notice) -> Self {
        if let Kind::Digest { calls } = &notice.kind
            && let many @ 2.. = digest::callers(calls).len()
        {
            let who = Phrases::of(notice.language).callers.replace("{m}", &many.to_string());
            return Self { who, name: None, number: None, link: None };
        }
        Self::of_caller(&notice.caller, notice.language)
    }

    /// A caller; one without any name is unknown in that language.
    pub fn of_caller(caller: &Caller, language: Language) -> Self {
        let unknown = || Phrases::of(language).unknown.to_owned();
        if caller.private {
            return Self { who: unknown(), name: None, number: None, link: None };
        }
        let (name, number) = (shown(caller.name.as_deref()), shown(caller.number.as_deref()));
        let dialled = number.as_deref().filter(|number| {
            let main = lines::split(number).map_or(*number, |(main, _)| main);
            let digits = main.strip_prefix('+').unwrap_or(main);
            digits.len() > 2 && digits.bytes().all(|b| b.is_ascii_digit())
        });
        let link_of_number = dialled.map(|number| format!("tel:{number}"));
        let number = number.map(|number| lines::shown(&number));
        let given = caller.uri.as_deref().and_then(link).map(str::to_owned);
        Self {
            who: name.clone().or_else(|| number.clone()).unwrap_or_else(unknown),
            // A number can be called from any phone; a SIP URI only where its host is reached.
            link: link_of_number.or(given),
            name,
            number,
        }
    }
}

fn rows(notice: &Notice, phrases: &Phrases) -> Vec<(&'static str, String)> {
    if let Kind::Locked { .. } = notice.kind {
        let last = dates::moment(notice.came_in, &notice.time_zone, notice.language);
        return vec![(phrases.last_try, last), (phrases.tried_by, isolated(&Shown::of(notice).who))];
    }
    let mut rows = vec![
        (phrases.came_in, dates::moment(notice.came_in, &notice.time_zone, notice.language)),
        (phrases.rang_for, values::rang_for(notice, phrases)),
    ];
    if let Some(called) = shown(notice.called.as_deref()) {
        rows.push((phrases.call_for, isolated(&called)));
    }
    if let Kind::VoiceMail { duration, .. } = notice.kind {
        rows.push((phrases.length, dates::length(duration)));
    }
    rows
}

/// One colour per kind, on a light and on a dark ground (contrast at least 4.5:1 in both).
fn tone(kind: &Kind) -> Value {
    match kind {
        Kind::Missed | Kind::Digest { .. } | Kind::Locked { .. } => {
            context! { light => "#b42318", dark => "#ff9d92" }
        }
        Kind::VoiceMail { .. } => context! { light => "#175cd3", dark => "#8dbcff" },
    }
}

/// The first letters of the first and the last word, `LA`; `?` without a name. Letters that are written from right to left would
/// join to a word of their own, so there is one of them.
pub(super) fn initials(name: Option<&str>) -> String {
    let mut letters = name
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.chars().find(|c| c.is_alphabetic()));
    let first = letters.next();
    let last = letters.next_back().filter(|_| !first.is_some_and(is_right_to_left));
    let both: String = first.into_iter().chain(last).flat_map(char::to_uppercase).collect();
    if both.is_empty() { "?".to_owned() } else { both }
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut shipped = Environment::new();
    shipped.set_auto_escape_callback(|name| match name.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    for (name, source) in [
        // What both pages have in common.
        ("page.html", include_str!("templates/page.html")),
        ("notice.txt", include_str!("templates/notice.txt")),
        ("notice.html", include_str!("templates/notice.html")),
        ("digest.txt", include_str!("templates/digest.txt")),
        ("digest.html", include_str!("templates/digest.html")),
    ] {
        shipped.add_template(name, source).expect("the shipped templates compile");
    }
    shipped
});

fn render(name: &str, values: &Values) -> String {
    let template = TEMPLATES.get_template(name).expect("all templates are added above");
    template.render(Value::from(values)).expect("the shipped templates use only values that are given")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        address::{Caller, Language},
        call::Outcome,
        notify::Style,
    };
    use std::time::Duration;

    fn missed(caller: Caller) -> Notice {
        Notice {
            kind: Kind::Missed,
            user: "sip:tu@contoso.com".into(),
            user_name: None,
            mail: None,
            language: Language::En,
            time_zone: "UTC".into(),
            call_id: "7f3c@pbx".into(),
            caller,
            came_in: "2008-04-11T09:12:33Z".parse().expect("a timestamp"),
            rang_for: Duration::from_secs(23),
            outcome: Outcome::GaveUpRinging,
            talked: None,
            called: None,
        }
    }

    fn caller(name: Option<&str>, number: Option<&str>, uri: Option<&str>, private: bool) -> Caller {
        Caller {
            name: name.map(str::to_owned),
            number: number.map(str::to_owned),
            uri: uri.map(str::to_owned),
            private,
            ..Caller::default()
        }
    }

    #[test]
    fn the_caller_is_named_as_well_as_known_and_never_against_his_will() {
        let number = Some("+4544890101");
        for (caller, who, link) in [
            (caller(Some("Luka A"), number, None, false), "Luka A", Some("tel:+4544890101")),
            (caller(None, number, Some("sip:x@y"), false), "+4544890101", Some("tel:+4544890101")),
            (
                caller(None, Some("+4544890101;ext=200"), None, false),
                "+4544890101 ext. 200",
                Some("tel:+4544890101;ext=200"),
            ),
            (caller(None, Some("x@y"), Some("sip:x@y"), false), "x@y", Some("sip:x@y")),
            (caller(Some("\r\n\0"), Some("11"), None, false), "11", None),
            (caller(None, Some("anonymous"), Some("javascript:1"), false), "anonymous", None),
            (caller(None, None, None, false), "unknown caller", None),
            (caller(Some("Luka A"), number, Some("tel:+4544890101"), true), "unknown caller", None),
        ] {
            let notice = missed(caller);
            let shown = Shown::of(&notice);
            assert_eq!((shown.who.as_str(), shown.link.as_deref()), (who, link));
            assert_eq!(subject(&notice), format!("Missed call from {who}"));
        }
    }

    #[test]
    fn html_escapes_what_the_caller_calls_himself() {
        let notice = missed(caller(Some("<script>alert(1)</script> & \"x\""), None, None, false));
        let words = Style::default().told(&notice).words;
        assert!(!words.html.contains("<script>"), "{}", words.html);
        assert!(words.html.contains("&lt;script&gt;"));
        assert!(words.text.contains("<script>"));
    }

    #[test]
    fn r201_who_is_told_of_a_call_to_somebody_else_reads_whom_it_was_for() {
        for (language, line) in [
            (Language::En, "Call for: Sales <b>"),
            (Language::De, "Anruf für: Sales <b>"),
            (Language::Fr, "Appel pour: Sales <b>"),
            (Language::Da, "Opkald til: Sales <b>"),
            (Language::Es, "Llamada para: Sales <b>"),
        ] {
            let own = Notice { language, ..missed(caller(Some("Luka A"), None, None, false)) };
            let other = Notice { called: Some("Sales\r\n <b>".to_owned()), ..own.clone() };
            let [own, other] = [own, other].map(|notice| Style::default().told(&notice).words);
            assert!(other.text.lines().any(|one| one == line), "{}", other.text);
            assert!(other.html.contains("Sales &lt;b&gt;") && !other.html.contains("<b>"), "{}", other.html);
            assert_eq!(other.text.lines().count(), own.text.lines().count() + 1, "one line more");
        }
    }

    #[test]
    fn initials_are_letters_of_any_alphabet() {
        for (name, letters) in [
            (Some("Luka A"), "LA"),
            (Some("ångström"), "Å"),
            (Some("Иван Петрович Сидоров"), "ИС"),
            (Some("مريم الخطيب"), "م"),
            (Some("42"), "?"),
            (None, "?"),
        ] {
            assert_eq!(initials(name), letters);
        }
    }
}
