//! The three layers of a site, defaults below the file below the environment, and where each setting stands.

use std::{
    cell::RefCell,
    ffi::OsString,
    path::{Path, PathBuf},
};

use config::{Config, Environment, File, FileFormat, Value, ValueKind};
use toml_edit::{Document, Item, TableLike};

use super::{
    key::{KeyPath, Step},
    problem::{Place, Problem},
    section::Section,
};

/// Every key with its default: the lowest layer.
pub const DEFAULTS: &str = include_str!("../../../config/ringpost.toml");

/// What `config` names as the origin of a value from the environment.
const ENVIRONMENT: &str = "the environment";

/// The merged layers, and the problems found in them so far.
pub struct Layers {
    name: String,
    folder: PathBuf,
    document: Document<String>,
    /// The offset of every line break: a site of thousands of users asks for many lines.
    breaks: Vec<usize>,
    merged: config::Map<String, Value>,
    problems: RefCell<Vec<Problem>>,
}

impl Layers {
    /// Merges the layers. `variables` may be the whole environment.
    ///
    /// # Errors
    /// The problem that keeps the file from being TOML at all.
    pub fn merge(
        file: &Path,
        text: String,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Problem> {
        let name = file.display().to_string();
        let document = Document::parse(text.clone()).map_err(|e| not_toml(&name, &text, &e))?;
        let (settings, problems) = settings(variables);
        let environment = Environment::with_prefix("RINGPOST").prefix_separator("_").separator("__");
        let merged = Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .add_source(File::from_str(document.raw(), FileFormat::Toml))
            .add_source(environment.source(Some(settings)))
            .build()
            .and_then(|merged| merged.cache.into_table())
            .map_err(|e| whole_file(&name, e.to_string()))?;
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        let breaks =
            text.bytes().enumerate().filter(|(_, octet)| *octet == b'\n').map(|(at, _)| at).collect();
        Ok(Self { name, folder, document, breaks, merged, problems: RefCell::new(problems) })
    }

    /// The top of the site.
    pub fn root(&self) -> Section<'_> {
        Section::new(self, KeyPath::default(), self.merged.clone())
    }

    /// Notes that the setting at `path` is wrong.
    pub fn refuse(&self, path: &KeyPath, value: Option<&Value>, what: impl Into<String>) {
        let place = self.place(path, value);
        self.problems.borrow_mut().push(Problem { place, key: path.clone(), what: what.into() });
    }

    /// All problems found, in the order of the file.
    pub fn problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| match &problem.place {
            Place::File { line, .. } => (0, line.unwrap_or(0)),
            Place::Environment(_) => (1, 0),
        });
        problems
    }

    /// Where a value stands: its variable, its line, or the line of the table that lacks it.
    pub fn place(&self, path: &KeyPath, value: Option<&Value>) -> Place {
        if let Some(from) = value.and_then(|value| from_environment(value, path)) {
            return Place::Environment(from.variable());
        }
        let line = line_of(self.document.as_table(), path.steps(), None);
        let line = line.map(|start| self.breaks.partition_point(|at| *at < start) + 1);
        Place::File { name: self.name.clone(), line }
    }

    /// The folder of the site file: its relative paths count from there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The path of a value that came from the environment, or of the first such value below it.
pub fn from_environment(value: &Value, path: &KeyPath) -> Option<KeyPath> {
    match &value.kind {
        ValueKind::Table(entries) => {
            entries.iter().find_map(|(key, value)| from_environment(value, &path.key(key)))
        }
        _ => (value.origin() == Some(ENVIRONMENT)).then(|| path.clone()),
    }
}

/// The offset of the setting at `steps`, or of the innermost table on the way that the file holds.
fn line_of(table: &dyn TableLike, steps: &[Step], outer: Option<usize>) -> Option<usize> {
    let Some((Step::Key(key), rest)) = steps.split_first() else { return outer };
    let Some((key, item)) = table.get_key_value(key) else { return outer };
    let here = key.span().map(|span| span.start).or(outer);
    match (item, rest) {
        (Item::ArrayOfTables(tables), [Step::Index(index), rest @ ..]) => match tables.get(*index) {
            Some(table) => line_of(table, rest, table.span().map(|span| span.start).or(here)),
            None => here,
        },
        (Item::Value(value), [Step::Index(index), rest @ ..]) => {
            let Some(entry) = value.as_array().and_then(|entries| entries.get(*index)) else { return here };
            let start = entry.span().map(|span| span.start).or(here);
            entry.as_inline_table().map_or(start, |table| line_of(table, rest, start))
        }
        (item, rest) => {
            let start = item.as_table().and_then(|table| table.span()).map(|span| span.start).or(here);
            item.as_table_like().map_or(start, |table| line_of(table, rest, start))
        }
    }
}

/// The variables that are settings, and the problems of those that look like settings but are none.
fn settings(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> (config::Map<String, String>, Vec<Problem>) {
    let (mut settings, mut problems) = (config::Map::new(), Vec::new());
    for (name, value) in variables {
        let Ok(name) = name.into_string() else { continue };
        let Some(key) = name.strip_prefix("RINGPOST_") else { continue };
        let mut refuse = |what: String| {
            let place = Place::Environment(name.clone());
            problems.push(Problem { place, key: KeyPath::default(), what });
        };
        match (key.split_once("__"), value.into_string()) {
            (Some(_), Ok(value)) => drop(settings.insert(name, value)),
            (Some(_), Err(_)) => refuse("is not UTF-8".to_owned()),
            // Variables of other programs are let pass; one that begins like a section is a slip of the pen.
            (None, _) => match key.split_once('_') {
                Some((section, key)) if super::SECTIONS.contains(&section.to_lowercase().as_str()) => refuse(
                    format!("two underscores stand between section and key: RINGPOST_{section}__{key}"),
                ),
                Some(_) | None => {}
            },
        }
    }
    (settings, problems)
}

fn not_toml(name: &str, text: &str, error: &toml_edit::TomlError) -> Problem {
    let line = error.span().map(|span| line_at(text.as_bytes(), span.start));
    Problem {
        place: Place::File { name: name.to_owned(), line },
        key: KeyPath::default(),
        what: format!("not TOML: {}", error.message()),
    }
}

/// The line, from 1, of an offset.
pub fn line_at(text: &[u8], offset: usize) -> usize {
    text.iter().take(offset).filter(|octet| **octet == b'\n').count() + 1
}

/// A problem of the whole file, without a line.
pub fn whole_file(name: &str, what: String) -> Problem {
    Problem { place: Place::File { name: name.to_owned(), line: None }, key: KeyPath::default(), what }
}
