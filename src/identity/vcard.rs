//! Contacts as vCards: what the versions 2.1, 3.0 (RFC 2426) and 4.0 (RFC 6350) have in common.

use super::{Book, Fault};

/// A card while it is read.
#[derive(Default)]
struct Card {
    began: usize,
    formatted: String,
    structured: String,
    numbers: Vec<String>,
}

/// Reads a whole file.
pub fn read(text: &str) -> Result<Book, Vec<Fault>> {
    let (mut book, mut faults) = (Book::default(), vec![]);
    let mut open: Option<Card> = None;
    for (line, text) in unfolded(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        let Some((head, value)) = text.split_once(':') else {
            faults.push(Fault { line, what: "no property: a colon is missing".into() });
            continue;
        };
        let mut parts = head.split(';');
        let property = parts.next().unwrap_or_default();
        let property = property.rsplit('.').next().unwrap_or_default().trim().to_ascii_uppercase();
        let printable = parts.any(|part| {
            let encoding = part.rsplit('=').next().unwrap_or_default();
            encoding.eq_ignore_ascii_case("quoted-printable")
        });
        let value = if printable { unquoted(value) } else { Some(value.to_owned()) };
        let Some(value) = value else {
            faults.push(Fault { line, what: format!("{property} is no quoted-printable UTF-8") });
            continue;
        };
        match (property.as_str(), &mut open) {
            ("BEGIN", None) => open = Some(Card { began: line, ..Card::default() }),
            ("BEGIN", Some(_)) => faults.push(Fault { line, what: "BEGIN inside a card".into() }),
            ("END", card) => match card.take() {
                Some(card) => closed(card, &mut book, &mut faults),
                None => faults.push(Fault { line, what: "END outside a card".into() }),
            },
            ("FN", Some(card)) => card.formatted = unescaped(&value),
            ("N", Some(card)) => card.structured = joined(&value),
            ("TEL", Some(card)) => card.numbers.push(number(&value)),
            (_, Some(_)) => {}
            (_, None) => faults.push(Fault { line, what: format!("{property} outside a card") }),
        }
    }
    if let Some(card) = open {
        faults.push(Fault { line: card.began, what: "a card that never ends".into() });
    }
    if faults.is_empty() { Ok(book) } else { Err(faults) }
}

fn closed(card: Card, book: &mut Book, faults: &mut Vec<Fault>) {
    let names = [card.formatted, card.structured];
    match names.iter().find(|name| !name.trim().is_empty()) {
        Some(name) => card.numbers.iter().for_each(|number| book.add(name, number)),
        None if card.numbers.is_empty() => {}
        None => faults.push(Fault { line: card.began, what: "a card with TEL but neither FN nor N".into() }),
    }
}

/// Logical lines with the numbers of their first ones: folded lines (RFC 6350 §3.2) and soft breaks joined, blank ones left out.
fn unfolded(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = vec![];
    for (at, line) in text.lines().enumerate() {
        match lines.last_mut() {
            Some((_, last)) if line.starts_with([' ', '\t']) => last.push_str(&line[1..]),
            Some((_, last))
                if last.ends_with('=') && last.to_ascii_uppercase().contains("QUOTED-PRINTABLE") =>
            {
                last.pop();
                last.push_str(line);
            }
            _ if line.trim().is_empty() => {}
            _ => lines.push((at + 1, line.to_owned())),
        }
    }
    lines
}

/// `None` where it is not quoted-printable (RFC 2045 §6.7), or no UTF-8.
fn unquoted(value: &str) -> Option<String> {
    let (mut octets, mut rest) = (vec![], value.bytes());
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'=' => {
                let digit = |octet: Option<u8>| char::from(octet?).to_digit(16);
                (digit(rest.next())? * 16 + digit(rest.next())?) as u8
            }
            octet => octet,
        });
    }
    String::from_utf8(octets).ok()
}

fn unescaped(value: &str) -> String {
    let (mut text, mut rest) = (String::new(), value.chars());
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('n' | 'N') | None => text.push(' '),
                Some(other) => text.push(other),
            },
            c => text.push(c),
        }
    }
    text
}

/// Given name and family name of N (family; given; …).
fn joined(value: &str) -> String {
    let (mut parts, mut part, mut escaped) = (vec![], String::new(), false);
    for c in value.chars() {
        if c == ';' && !escaped {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(part);
    let part = |at: usize| parts.get(at).map(|part| unescaped(part)).unwrap_or_default();
    format!("{} {}", part(1).trim(), part(0).trim()).trim().to_owned()
}

/// A number, or a `tel:` URI without its parameters.
fn number(value: &str) -> String {
    let bare = match value.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => {
            value[4..].split(';').next().unwrap_or_default()
        }
        _ => value,
    };
    bare.trim().to_owned()
}
