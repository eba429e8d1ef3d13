//! Logging: human or JSON on standard error, one line per event whatever a value holds.

use std::io::{self, Write};

use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt::MakeWriter};

/// How an event is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// Starts logging. `level` (a word such as `debug`, or directives as in `RUST_LOG`) wins over `RUST_LOG`; else `usual`.
///
/// # Errors
/// A level that cannot be read.
pub fn start(format: Format, level: Option<&str>, usual: &str) -> Result<(), String> {
    let from_environment = std::env::var("RUST_LOG").ok().filter(|level| !level.is_empty());
    let (name, level) = match (level, &from_environment) {
        (Some(level), _) => ("--log-level", level),
        (None, Some(level)) => ("RUST_LOG", level.as_str()),
        (None, None) => ("default", usual),
    };
    // The filter would take a misspelt level for a module's name, and nothing would be logged.
    let word = level.bytes().all(|octet| octet.is_ascii_alphabetic());
    if name == "--log-level" && word && level.parse::<LevelFilter>().is_err() {
        return Err(format!("{name}: {level:?} is none of error, warn, info, debug, trace, off"));
    }
    let filter = EnvFilter::try_new(level).map_err(|e| one_line(&format!("{name}: {e}")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Lines(format));
    let started = match format {
        Format::Human => log.try_init(),
        Format::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| e.to_string())
}

/// `text` with every character escaped that could end the line or change how it is shown.
pub fn one_line(text: &str) -> String {
    escaped(text, Format::Human)
}

/// Standard error for whole events, each made one line.
struct Lines(Format);

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Line<io::StderrLock<'static>>;

    fn make_writer(&'w self) -> Self::Writer {
        Line { format: self.0, to: io::stderr().lock() }
    }
}

/// Writes what comes in one piece as one line: the subscriber hands over one event at a time.
struct Line<W> {
    format: Format,
    to: W,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        // Nearly every event is plain already.
        if event.strip_suffix(b"\n").is_some_and(|text| text.iter().all(|octet| matches!(octet, b' '..=b'~')))
        {
            self.to.write_all(event)?;
            return Ok(event.len());
        }
        let text = String::from_utf8_lossy(event);
        let mut line = escaped(text.strip_suffix('\n').unwrap_or(&text), self.format);
        line.push('\n');
        self.to.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn escaped(text: &str, format: Format) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        match (format, letter) {
            (_, letter) if !unsafe_in_a_line(letter) => line.push(letter),
            // All of them are below U+FFFF, so one JSON escape is enough.
            (Format::Json, letter) => line.push_str(&format!("\\u{:04x}", u32::from(letter))),
            (Format::Human, letter) => line.extend(letter.escape_default()),
        }
    }
    line
}

/// Controls, line separators, and the marks that turn the direction of writing (T15).
fn unsafe_in_a_line(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_value_holds_an_event_is_one_line() {
        for (event, human, json) in [
            ("plain\n", "plain\n", "plain\n"),
            ("a\r\nb\u{1b}[2Jc\n", "a\\r\\nb\\u{1b}[2Jc\n", "a\\u000d\\u000ab\\u001b[2Jc\n"),
            (
                "\u{202e}evil \u{2028}\u{85}\u{7f}",
                "\\u{202e}evil \\u{2028}\\u{85}\\u{7f}\n",
                "\\u202eevil \\u2028\\u0085\\u007f\n",
            ),
            ("Zoë ☎\n", "Zoë ☎\n", "Zoë ☎\n"),
        ] {
            for (format, expected) in [(Format::Human, human), (Format::Json, json)] {
                let mut line = Line { format, to: Vec::new() };
                line.write_all(event.as_bytes()).expect("a vector takes everything");
                assert_eq!(String::from_utf8_lossy(&line.to), expected, "{event:?} as {format:?}");
            }
        }
    }
}
