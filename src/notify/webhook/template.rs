//! A body by a template of the site, for gateways with a format of their own. Every value is escaped for the content type:
//! in JSON `{{ caller }}` is a whole string with its quotes.

use std::{fmt::Write, sync::LazyLock, time::Duration};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, context, escape_formatter};

use crate::{
    address::{Caller, Language},
    call::Outcome,
    notify::{
        Kind, Letter, Notice, Style,
        clean::{LONGEST, one_line, shown},
        dates,
        wording::Shown,
    },
    outbox::Key,
};

/// What a template writes; it decides how values are escaped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Body {
    /// Values are JSON texts, numbers or null.
    Json,
    /// `application/x-www-form-urlencoded`: values are percent-encoded.
    Form,
    /// Values are escaped as in XML and HTML.
    Xml,
    /// Values are lines without control characters.
    Plain,
}

impl Body {
    /// By a content type; `None` where nobody knows how to escape for it.
    pub fn of(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/x-www-form-urlencoded" => Some(Self::Form),
            "text/plain" => Some(Self::Plain),
            "application/json" => Some(Self::Json),
            "application/xml" | "text/xml" | "text/html" => Some(Self::Xml),
            other if other.ends_with("+json") => Some(Self::Json),
            other if other.ends_with("+xml") => Some(Self::Xml),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "template.json",
            Self::Form => "template.form",
            Self::Xml => "template.xml",
            Self::Plain => "template.txt",
        }
    }
}

/// A template that has been tried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    source: String,
    body: Body,
}

impl Template {
    /// A template, tried with notices whose callers are as bad as callers get.
    ///
    /// # Errors
    /// What is wrong with it, on one line.
    pub fn new(source: String, body: Body) -> Result<Self, String> {
        let template = Self { source, body };
        for kind in [
            Kind::Missed,
            Kind::VoiceMail { recording: "".into(), duration: Duration::from_secs(7), urgent: false },
        ] {
            let written = template.write(&Style::default().told(&sample(kind)))?;
            if body == Body::Json {
                let read: Result<serde_json::Value, _> = serde_json::from_slice(&written);
                read.map_err(|error| {
                    format!("writes no JSON ({error}): a value brings its quotes along, as in \"text\": {{{{ summary }}}}")
                })?;
            }
        }
        Ok(template)
    }

    /// The body for a notice.
    ///
    /// # Errors
    /// What the template does not allow, on one line.
    pub fn write(&self, letter: &Letter<'_>) -> Result<Vec<u8>, String> {
        let written = ENVIRONMENT.render_named_str(self.body.name(), &self.source, values(letter));
        written.map(String::into_bytes).map_err(|error| {
            let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
            let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            one_line(&format!("{line}{what}"), 300)
        })
    }
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    // A misspelt name is an error of the check and not an empty text in a thousand messages.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| match name.rsplit_once('.') {
        Some((_, "json")) => AutoEscape::Json,
        Some((_, "xml")) => AutoEscape::Html,
        Some((_, "form")) => AutoEscape::Custom("form".into()),
        _ => AutoEscape::None,
    });
    environment.set_formatter(|out, state, value| match state.auto_escape() {
        AutoEscape::Custom(_) if value.is_undefined() => Err(ErrorKind::UndefinedError.into()),
        AutoEscape::Custom(_) => {
            let text = if value.is_none() { String::new() } else { value.to_string() };
            out.write_str(&form(&text)).map_err(minijinja::Error::from)
        }
        AutoEscape::None if value.is_none() => Ok(()),
        AutoEscape::Html if value.is_none() => Ok(()),
        _ => escape_formatter(out, state, value),
    });
    environment
});

/// One value of a form, everything percent-encoded that is not plain.
fn form(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'*' => {
                written.push(char::from(octet));
            }
            b' ' => written.push('+'),
            other => write!(written, "%{other:02X}").expect("a text grows"),
        }
    }
    written
}

/// Everything that a template may name; all text is one clean line, but `text`.
fn values(letter: &Letter<'_>) -> Value {
    let notice = letter.notice;
    let caller = Shown::of(notice);
    let (kind, length) = match &notice.kind {
        Kind::Missed => ("missed-call", None),
        Kind::VoiceMail { duration, .. } => ("voice-mail", Some(duration.as_secs())),
        Kind::Digest { .. } => ("missed-calls", None),
        Kind::Locked { .. } => ("mailbox-locked", None),
    };
    let count = if let Kind::Digest { calls } = &notice.kind { calls.len() } else { 1 };
    context! {
        id => Key::of(notice).as_str(),
        kind,
        user => one_line(&notice.user, LONGEST),
        user_name => shown(notice.user_name.as_deref()),
        mail => shown(notice.mail.as_deref()),
        language => notice.language.code(),
        call_id => one_line(&notice.call_id, 2 * LONGEST),
        caller => caller.who,
        caller_name => caller.name,
        caller_number => caller.number,
        caller_uri => caller.link,
        came_in => notice.came_in.to_string(),
        came_in_local => dates::moment(notice.came_in, &notice.time_zone, notice.language),
        rang_seconds => notice.rang_for.as_secs(),
        length_seconds => length,
        count => count,
        recording_link => &letter.recording_link,
        summary => &letter.words.subject,
        text => &letter.words.text,
    }
}

fn sample(kind: Kind) -> Notice {
    let hostile = "\"'<&>\\{{ 7*7 }}%0A;=\u{e9}\r\nBcc: x";
    Notice {
        kind,
        user: "sip:1001@example.com".into(),
        user_name: Some(hostile.into()),
        mail: None,
        language: Language::En,
        time_zone: "UTC".into(),
        call_id: hostile.into(),
        caller: Caller {
            name: Some(hostile.into()),
            number: Some(hostile.into()),
            uri: Some("tel:+15550101".into()),
            ..Caller::default()
        },
        came_in: jiff::Timestamp::UNIX_EPOCH,
        rang_for: Duration::from_secs(20),
        outcome: Outcome::GaveUpRinging,
        talked: None,
        called: None,
    }
}
