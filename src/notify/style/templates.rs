//! Templates of a site in place of the shipped ones, file by file: `KIND.LANGUAGE.PART`, else `KIND.PART`, else ours.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, escape_formatter};

use super::samples::{MARKUP, samples};
use crate::{
    address::Language,
    notify::{
        Kind, Notice,
        clean::one_line,
        wording::{Medium, Values, values},
    },
};

/// The largest file, in octets.
pub const LARGEST: usize = 256 << 10;
/// The most that a template may write, in octets.
const LONGEST: usize = 1 << 20;
/// The steps that a template may take; the shipped page takes some hundreds.
const FUEL: u64 = 100_000;
/// The longest subject, in characters.
const LONGEST_SUBJECT: usize = 300;
const KINDS: [&str; 3] = ["missed", "voice-mail", "missed-calls"];

/// What a template writes of a notice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// `.subject`: one line.
    Subject,
    /// `.txt`: the plain text.
    Text,
    /// `.html`: the page; values are escaped.
    Html,
}

impl Part {
    const ALL: [Self; 3] = [Self::Subject, Self::Text, Self::Html];

    fn suffix(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "txt",
            Self::Html => "html",
        }
    }

    fn medium(self) -> Medium {
        match self {
            Self::Subject | Self::Text => Medium::Text,
            Self::Html => Medium::Html,
        }
    }
}

/// What is wrong with a file of the site.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct TemplateFault {
    /// The file's name in the folder.
    pub file: String,
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// What, on one line.
    pub what: String,
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// The site's files.
#[derive(Debug, Default)]
pub struct Templates {
    environment: Environment<'static>,
    /// Each with whether it has failed already.
    files: BTreeMap<String, AtomicBool>,
}

impl Templates {
    /// Whether a file of this name is meant to be a template; others in the folder are nobody's business.
    pub fn is_meant(name: &str) -> bool {
        Part::ALL.iter().any(|part| name.rsplit_once('.').is_some_and(|(_, suffix)| suffix == part.suffix()))
    }

    /// Takes files, names with contents, and tries each with sample notices in every language it may be used for.
    ///
    /// # Errors
    /// Every fault of every file.
    pub fn read(files: Vec<(String, String)>) -> Result<Self, Vec<TemplateFault>> {
        let mut templates = Self { environment: environment(), files: BTreeMap::new() };
        let mut faults = BTreeSet::new();
        for (file, source) in files {
            match templates.take(&file, source) {
                Ok(()) => drop(templates.files.insert(file, AtomicBool::new(false))),
                Err(fault) => drop(faults.insert(fault)),
            }
        }
        for file in templates.files.keys() {
            faults.extend(templates.unknown_names(file));
        }
        // Who has misspelt a name need not hear of it a second time.
        let known = |fault: &TemplateFault| {
            !faults.iter().any(|other| other.file == fault.file && other.line == fault.line)
        };
        let tried: Vec<_> = templates.tried().into_iter().filter(known).collect();
        faults.extend(tried);
        if faults.is_empty() { Ok(templates) } else { Err(faults.into_iter().collect()) }
    }

    fn take(&mut self, file: &str, source: String) -> Result<(), TemplateFault> {
        let fault = |line, what: String| TemplateFault { file: file.to_owned(), line, what };
        if !names().any(|known| known == file) {
            let codes = Language::ALL.map(Language::code).join(", ");
            let what = format!(
                "no name of a template: wants KIND.LANGUAGE.PART or KIND.PART, of {}; {codes}; subject, txt, html",
                KINDS.join(", ")
            );
            return Err(fault(None, what));
        }
        if source.len() > LARGEST {
            return Err(fault(None, "is larger than 256 KiB".to_owned()));
        }
        let taken = self.environment.add_template_owned(file.to_owned(), source);
        taken.map_err(|error| fault(error.line(), said(&error)))
    }

    /// Variables that nobody gives, also where no sample comes by.
    fn unknown_names(&self, file: &str) -> Vec<TemplateFault> {
        let Ok(template) = self.environment.get_template(file) else { return Vec::new() };
        let mut known = values(&samples("missed", Language::En)[0].0, &Default::default(), Medium::Text);
        if !file.ends_with(".subject") {
            known.insert("subject", Value::UNDEFINED);
        }
        let globals: BTreeSet<&str> = self.environment.globals().map(|(name, _)| name).collect();
        let unknown = template.undeclared_variables(false).into_iter();
        let unknown =
            unknown.filter(|name| !known.contains_key(name.as_str()) && !globals.contains(name.as_str()));
        let names = known.keys().copied().collect::<Vec<_>>().join(", ");
        unknown
            .map(|name| TemplateFault {
                file: file.to_owned(),
                line: line_of(template.source(), &name),
                what: format!("unknown variable {name:?}; known here: {names}"),
            })
            .collect()
    }

    /// What goes wrong with the samples.
    fn tried(&self) -> BTreeSet<TemplateFault> {
        let mut faults = BTreeSet::new();
        for (kind, language) in KINDS.iter().flat_map(|kind| Language::ALL.map(|language| (*kind, language)))
        {
            for part in Part::ALL {
                let Some(file) = self.file(kind, language.code(), part) else { continue };
                for (notice, hearing) in samples(kind, language) {
                    let mut given = values(&notice, &hearing, part.medium());
                    if part != Part::Subject {
                        given.insert("subject", "x".into());
                    }
                    faults.extend(
                        self.render(file, part, &given).and_then(|text| proper(file, part, &text)).err(),
                    );
                }
            }
        }
        faults
    }

    fn file(&self, kind: &str, language: &str, part: Part) -> Option<&str> {
        if self.files.is_empty() {
            return None;
        }
        let suffix = part.suffix();
        let names = [format!("{kind}.{language}.{suffix}"), format!("{kind}.{suffix}")];
        names.iter().find_map(|name| self.files.get_key_value(name)).map(|(name, _)| name.as_str())
    }

    /// A part of a notice by the site's template, where it has one.
    pub(super) fn write(
        &self,
        notice: &Notice,
        part: Part,
        values: &Values,
    ) -> Option<Result<String, TemplateFault>> {
        let kind = match notice.kind {
            Kind::Missed => KINDS[0],
            Kind::VoiceMail { .. } => KINDS[1],
            Kind::Digest { .. } => KINDS[2],
            // Ringpost's own business: no template is wanted for it.
            Kind::Locked { .. } => return None,
        };
        let file = self.file(kind, notice.language.code(), part)?;
        Some(self.render(file, part, values))
    }

    /// The fault, unless its file has failed before.
    pub(super) fn first_time(&self, fault: TemplateFault) -> Option<TemplateFault> {
        let before = self.files.get(&fault.file).is_none_or(|failed| failed.swap(true, Relaxed));
        (!before).then_some(fault)
    }

    fn render(&self, file: &str, part: Part, values: &Values) -> Result<String, TemplateFault> {
        let mut page = Page::default();
        let template = self.environment.get_template(file);
        let written = template
            .and_then(|template| template.render_captured_to(Value::from(values), &mut page).map(drop));
        let fault = |line, what| TemplateFault { file: file.to_owned(), line, what };
        if page.too_long {
            return Err(fault(None, "writes more than 1 MiB".to_owned()));
        }
        written.map_err(|error| fault(error.line(), said(&error)))?;
        let text = String::from_utf8_lossy(&page.octets).into_owned();
        match part {
            Part::Text | Part::Html => Ok(text),
            Part::Subject => match line(&text) {
                line if line.is_empty() => Err(fault(None, "writes an empty subject".to_owned())),
                line => Ok(line),
            },
        }
    }
}

/// What is rendered, up to a limit.
#[derive(Default)]
struct Page {
    octets: Vec<u8>,
    too_long: bool,
}

impl Write for Page {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.too_long |= self.octets.len() + octets.len() > LONGEST;
        if self.too_long {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.octets.extend(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Every name that a file may have.
fn names() -> impl Iterator<Item = String> {
    let each = KINDS.iter().flat_map(|kind| Part::ALL.map(|part| (kind, part.suffix())));
    each.flat_map(|(kind, suffix)| {
        let own = Language::ALL.map(|language| format!("{kind}.{}.{suffix}", language.code()));
        own.into_iter().chain([format!("{kind}.{suffix}")])
    })
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // A misspelt name is an error of the check and not an empty text in a thousand mails.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    // No value of a stranger's is markup.
    environment.remove_filter("safe");
    environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    environment.set_formatter(|out, state, value| match value.is_none() {
        true => Ok(()),
        false => escape_formatter(out, state, value),
    });
    environment
}

/// Whether a page has kept what looks like markup out of its markup.
fn proper(file: &str, part: Part, text: &str) -> Result<(), TemplateFault> {
    if part == Part::Html && text.contains(MARKUP) {
        let what = "writes a caller's name without escaping it".to_owned();
        return Err(TemplateFault { file: file.to_owned(), line: None, what });
    }
    Ok(())
}

/// One line; the characters that isolate directions stay.
fn line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(LONGEST_SUBJECT).collect()
}

/// An error on one line.
fn said(error: &Error) -> String {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => "takes too long".to_owned(),
        kind => error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
    };
    one_line(&what, 300)
}

/// The first line that has this name between the delimiters of an expression or a block.
fn line_of(source: &str, name: &str) -> Option<usize> {
    let (mut at, mut inside) = (0, false);
    while let Some(rest) = source.get(at..) {
        if rest.is_empty() {
            return None;
        }
        if rest.starts_with("{{") || rest.starts_with("{%") {
            inside = true;
        } else if rest.starts_with("}}") || rest.starts_with("%}") {
            inside = false;
        }
        let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
        let begins = rest.starts_with(name) && !part_of_word(source[..at].chars().next_back());
        if inside && begins && !rest[name.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return Some(source[..at].matches('\n').count() + 1);
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    None
}
