//! Character classes and the escapes that stand for characters.

use super::{Fault, Text};

/// The general categories of Unicode that both dialects know by these names.
const CATEGORIES: [&str; 37] = [
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps",
    "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "C", "Cc", "Cf", "Cs", "Co",
    "Cn",
];
/// Nested subtractions more than this are nobody's.
const DEEPEST: usize = 8;

/// What an escape stands for.
pub(super) enum Escaped {
    /// One character.
    Char(char),
    /// Several: a class of `regex`, brackets included.
    Set(String),
}

/// A character as `regex` takes it anywhere.
pub(super) fn literal(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\x{{{:X}}}", c as u32) }
}

/// Reads what follows a backslash that is a character or a class; `inside` a class or not.
pub(super) fn escape(text: &mut Text, inside: bool) -> Result<Escaped, Fault> {
    let at = text.at - 1;
    let Some(c) = text.take() else { return text.fault(at, "a backslash stands at the end") };
    let set = |set: &str| Ok(Escaped::Set(set.to_owned()));
    match c {
        'd' => set("[0-9]"),
        'D' => set("[^0-9]"),
        'w' => set(r"[\p{L}\p{Mn}\p{Nd}\p{Pc}]"),
        'W' => set(r"[^\p{L}\p{Mn}\p{Nd}\p{Pc}]"),
        's' => set(r"[\f\n\r\t\v\x{85}\p{Z}]"),
        'S' => set(r"[^\f\n\r\t\v\x{85}\p{Z}]"),
        'p' | 'P' => category(text, at, c).map(Escaped::Set),
        't' => Ok(Escaped::Char('\t')),
        'n' => Ok(Escaped::Char('\n')),
        'r' => Ok(Escaped::Char('\r')),
        'f' => Ok(Escaped::Char('\x0C')),
        'v' => Ok(Escaped::Char('\x0B')),
        'a' => Ok(Escaped::Char('\x07')),
        'e' => Ok(Escaped::Char('\x1B')),
        'b' if inside => Ok(Escaped::Char('\x08')),
        'x' => hexadecimal(text, at, 2).map(Escaped::Char),
        'u' => hexadecimal(text, at, 4).map(Escaped::Char),
        'c' => control(text, at).map(Escaped::Char),
        '0' => octal(text, at).map(Escaped::Char),
        '1'..='9' if inside => {
            text.fault(at, "write this character as \\xHH: what a number means here is unclear")
        }
        '1'..='9' | 'k' => text.fault(at, "a back-reference would need more than linear time"),
        c if super::is_word(c) => text.fault(at, "there is no such escape"),
        c => Ok(Escaped::Char(c)),
    }
}

fn category(text: &mut Text, at: usize, letter: char) -> Result<String, Fault> {
    let name = if text.takes("{") { text.take_while(|c| c != '}') } else { String::new() };
    if !text.takes("}") {
        return text.fault(at, "a category wants a name in braces");
    }
    if name.starts_with("Is") {
        return text.fault(at, "named blocks are not supported: write the range of characters");
    }
    match CATEGORIES.contains(&name.as_str()) {
        true => Ok(format!("[\\{letter}{{{name}}}]")),
        false => text.fault(at, "there is no such category of characters"),
    }
}

fn hexadecimal(text: &mut Text, at: usize, digits: usize) -> Result<char, Fault> {
    let end = (text.at + digits).min(text.chars.len());
    let written: String = text.chars[text.at..end].iter().collect();
    let all = written.len() == digits && written.bytes().all(|o| o.is_ascii_hexdigit());
    let code = u32::from_str_radix(&written, 16).ok().filter(|_| all);
    let Some(c) = code.and_then(char::from_u32) else {
        return text.fault(at, "wants two hexadecimal digits after \\x, four after \\u, and no surrogate");
    };
    text.at = end;
    Ok(c)
}

fn control(text: &mut Text, at: usize) -> Result<char, Fault> {
    match text.take().map(|c| c.to_ascii_uppercase()) {
        Some(c @ '@'..='_') => Ok(char::from(c as u8 - b'@')),
        _ => text.fault(at, "there is no such control character"),
    }
}

/// `\0` and at most two further octal digits.
fn octal(text: &mut Text, at: usize) -> Result<char, Fault> {
    let end = (text.at + 2).min(text.chars.len());
    let written: String = text.chars[text.at..end].iter().take_while(|c| ('0'..='7').contains(*c)).collect();
    text.at += written.len();
    let code = if written.is_empty() { Ok(0) } else { u8::from_str_radix(&written, 8) };
    code.map(char::from).or_else(|_| text.fault(at, "there is no such escape"))
}

/// Reads a class behind its `[`; gives one of `regex`.
pub(super) fn class(text: &mut Text, deep: usize) -> Result<String, Fault> {
    let at = text.at - 1;
    if deep >= DEEPEST {
        return text.fault(at, "too many classes in each other");
    }
    let negated = text.takes("^");
    let (mut set, mut first) = (String::new(), true);
    loop {
        let here = text.at;
        let one = match text.take() {
            None => return text.fault(at, "a class is not closed"),
            Some(']') if !first => break,
            Some('-') if !first && text.takes("[") => {
                let other = class(text, deep + 1)?;
                if !text.takes("]") {
                    return text.fault(here, "a subtracted class has to be the last of its class");
                }
                return Ok(format!("[{}--{other}]", bracketed(negated, &set)));
            }
            Some('\\') => escape(text, true)?,
            Some(c) => Escaped::Char(c),
        };
        first = false;
        set += &ranged(text, here, one)?;
    }
    Ok(bracketed(negated, &set))
}

fn bracketed(negated: bool, set: &str) -> String {
    format!("[{}{set}]", if negated { "^" } else { "" })
}

/// A member of a class, or a range that begins with it.
fn ranged(text: &mut Text, here: usize, one: Escaped) -> Result<String, Fault> {
    let next = text.chars.get(text.at + 1).copied();
    let is_range = text.peek() == Some('-') && !matches!(next, None | Some(']' | '['));
    let from = match (one, is_range) {
        (Escaped::Set(set), false) => return Ok(set),
        (Escaped::Char(c), false) => return Ok(literal(c)),
        (Escaped::Set(_), true) => return text.fault(here, "a range wants a character at both ends"),
        (Escaped::Char(c), true) => c,
    };
    text.at += 1;
    let to = match text.take() {
        Some('\\') => escape(text, true)?,
        Some(c) => Escaped::Char(c),
        None => return text.fault(here, "a class is not closed"),
    };
    match to {
        Escaped::Char(to) if from <= to => Ok(format!("{}-{}", literal(from), literal(to))),
        Escaped::Char(_) => text.fault(here, "a range runs backwards"),
        Escaped::Set(_) => text.fault(here, "a range wants a character at both ends"),
    }
}
