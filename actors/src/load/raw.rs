//! One value as it stands in a layer, and the kinds that it is read as.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use bytesize::ByteSize;
use config::{Value, ValueKind};
use jiff::{Span, SpanRelativeTo};

use super::{
    key::KeyPath,
    layers::{Layers, from_environment},
    problem::Place,
};

/// A value before it is read.
pub struct Raw<'l> {
    value: Value,
    path: KeyPath,
    layers: &'l Layers,
}

impl<'l> Raw<'l> {
    /// The value at `path`.
    pub fn new(value: Value, path: KeyPath, layers: &'l Layers) -> Self {
        Self { value, path, layers }
    }

    /// Text without control characters, not empty.
    pub fn text(&self) -> Result<&str, String> {
        match &self.value.kind {
            ValueKind::String(text) if text.trim().is_empty() => Err("is empty".to_owned()),
            ValueKind::String(text) if text.chars().any(char::is_control) => {
                Err("holds a control character".to_owned())
            }
            ValueKind::String(text) => Ok(text),
            _ => Err(format!("wants text, not {}", kind(&self.value))),
        }
    }

    /// A text, or the texts of a list; at least one.
    pub fn words(&self) -> Result<Vec<&str>, String> {
        let ValueKind::Array(words) = &self.value.kind else { return Ok(vec![self.text()?]) };
        if words.is_empty() {
            return Err("is an empty list".to_owned());
        }
        let texts = words.iter().map(|value| match &value.kind {
            ValueKind::String(text) if !text.trim().is_empty() => Ok(text.as_str()),
            _ => Err(format!("wants a list of texts, not of {}", kind(value))),
        });
        texts.collect()
    }

    /// Text that may be empty.
    pub fn word(&self) -> Result<&str, String> {
        match &self.value.kind {
            ValueKind::String(text) if text.is_empty() => Ok(text),
            _ => self.text(),
        }
    }

    /// `true` or `false`.
    pub fn flag(&self) -> Result<bool, String> {
        match &self.value.kind {
            ValueKind::Boolean(flag) => Ok(*flag),
            ValueKind::String(text) if self.is_from_environment() => {
                text.parse().map_err(|_| "wants true or false".to_owned())
            }
            _ => Err(format!("wants true or false, not {}", kind(&self.value))),
        }
    }

    /// A whole number within bounds.
    pub fn count(&self, bounds: RangeInclusive<i64>) -> Result<i64, String> {
        let wanted = || format!("wants a number from {} to {}", bounds.start(), bounds.end());
        let count = match &self.value.kind {
            ValueKind::I64(count) => Some(*count),
            ValueKind::String(text) if self.is_from_environment() => text.parse().ok(),
            _ => return Err(format!("{}, not {}", wanted(), kind(&self.value))),
        };
        count.filter(|count| bounds.contains(count)).ok_or_else(wanted)
    }

    /// A time with its unit, above zero.
    pub fn duration(&self) -> Result<Duration, String> {
        self.duration_or_zero().and_then(|time| match time {
            Duration::ZERO => Err("must be longer than zero".to_owned()),
            time => Ok(time),
        })
    }

    /// A time with its unit.
    pub fn duration_or_zero(&self) -> Result<Duration, String> {
        const WANTED: &str = "wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\"";
        let ValueKind::String(text) = &self.value.kind else {
            return Err(format!("{WANTED}, not {}", kind(&self.value)));
        };
        let span: Span = text.parse().map_err(|_| format!("{WANTED}, not {text:?}"))?;
        if span.is_negative() {
            return Err(format!("must not be negative: {text:?}"));
        }
        // A setting knows no calendar: a day is 24 hours, a month has no length.
        let time = span.to_duration(SpanRelativeTo::days_are_24_hours());
        let time = time.ok().and_then(|time| Duration::try_from(time).ok());
        // Added to any clock of today it still is a time.
        time.filter(|time| *time <= LONGEST).ok_or_else(|| format!("{WANTED}, at most 3650 days"))
    }

    /// A size with its unit, in octets.
    pub fn size(&self, bounds: RangeInclusive<usize>) -> Result<usize, String> {
        const WANTED: &str = "wants a size with its unit, such as \"64KiB\"";
        let ValueKind::String(text) = &self.value.kind else {
            return Err(format!("{WANTED}, not {}", kind(&self.value)));
        };
        let with_unit = Some(text).filter(|text| text.ends_with(['B', 'b']));
        let size = with_unit.and_then(|text| text.parse::<ByteSize>().ok());
        let size = size.ok_or_else(|| format!("{WANTED}, not {text:?}"))?;
        usize::try_from(size.as_u64()).ok().filter(|size| bounds.contains(size)).ok_or_else(|| {
            let show = |octets: &usize| ByteSize(*octets as u64).display().iec().to_string();
            format!("must be from {} to {}", show(bounds.start()), show(bounds.end()))
        })
    }

    /// A path: in the file it counts from the file's folder, in the environment from the current one.
    pub fn path(&self) -> Result<PathBuf, String> {
        self.text().map(|text| self.rooted(text))
    }

    /// See [`Raw::path`].
    pub fn rooted(&self, path: &str) -> PathBuf {
        match self.is_from_environment() {
            true => PathBuf::from(path),
            false => self.layers.folder().join(Path::new(path)),
        }
    }

    /// Whether the value came from the environment.
    pub fn is_from_environment(&self) -> bool {
        from_environment(&self.value, &self.path).is_some()
    }

    /// Notes that this value is wrong.
    pub fn refuse(&self, what: String) {
        self.layers.refuse(&self.path, Some(&self.value), what);
    }

    /// How to point at this value: `user[0].numbers[1] (line 12)`.
    pub fn pointer(&self) -> String {
        match self.layers.place(&self.path, Some(&self.value)) {
            Place::File { line: Some(line), .. } => format!("{} (line {line})", self.path),
            Place::File { line: None, .. } => self.path.to_string(),
            Place::Environment(variable) => variable,
        }
    }
}

/// No setting waits longer than ten years.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// The kind of a value in words, for a message.
pub fn kind(value: &Value) -> &'static str {
    match &value.kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => {
            "a number without quotes"
        }
        ValueKind::Float(_) => "a number with a decimal point",
        ValueKind::String(_) => "text in quotes",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    }
}
