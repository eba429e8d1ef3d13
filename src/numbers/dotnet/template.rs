//! Replacements.

use regex::Captures;

use super::{Fault, Pattern, Text, is_word};

/// The longest translation taken, in octets.
pub const LONGEST_TRANSLATION: usize = 500;

/// What takes the place of a match.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    /// A group of `regex`; 0 is the whole match.
    Group(usize),
    /// What stands before the match, behind it, and the whole input.
    Before,
    Behind,
    Whole,
}

impl Template {
    /// Reads a replacement for a pattern. What .NET would leave as it stands, because no group is meant, is refused: nobody
    /// wants to dial `$3`.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn of(written: &str, pattern: &Pattern) -> Result<Self, Fault> {
        if written.len() > LONGEST_TRANSLATION {
            return Err(Fault { at: 0, what: "is longer than 500 octets" });
        }
        let (mut text, mut parts) = (Text::of(written), vec![]);
        while let Some(c) = text.take() {
            match c {
                '$' => parts.push(substitution(&mut text, pattern)?),
                c if c.is_control() || c.is_whitespace() || "<>\"@".contains(c) => {
                    return text.fault(text.at - 1, "no number holds this character");
                }
                c => match parts.last_mut() {
                    Some(Part::Text(literal)) => literal.push(c),
                    _ => parts.push(Part::Text(c.to_string())),
                },
            }
        }
        Ok(Self(parts))
    }

    /// Every match in `input` replaced, as `Regex.Replace` does it; `None` where nothing matches or the result is longer than
    /// `longest` octets.
    pub fn replace(&self, pattern: &Pattern, input: &str, longest: usize) -> Option<String> {
        let (mut out, mut copied, mut at) = (String::new(), 0, 0);
        let mut found = false;
        while let Some(captures) = pattern.regex.captures_at(input, at) {
            found = true;
            let matched = captures.get_match();
            out.push_str(&input[copied..matched.start()]);
            self.fill(&captures, input, &mut out);
            copied = matched.end();
            if out.len() > longest || matched.is_empty() && matched.end() >= input.len() {
                break;
            }
            // .NET also finds the empty match that touches the end of the one before.
            let step = if matched.is_empty() { input[matched.end()..].chars().next() } else { None };
            at = matched.end() + step.map_or(0, char::len_utf8);
        }
        out.push_str(&input[copied..]);
        (found && out.len() <= longest).then_some(out)
    }

    fn fill(&self, captures: &Captures<'_>, input: &str, out: &mut String) {
        let matched = captures.get_match();
        for part in &self.0 {
            out.push_str(match part {
                Part::Text(text) => text,
                Part::Group(group) => captures.get(*group).map_or("", |group| group.as_str()),
                Part::Before => &input[..matched.start()],
                Part::Behind => &input[matched.end()..],
                Part::Whole => input,
            });
        }
    }
}

/// What follows a `$`.
fn substitution(text: &mut Text, pattern: &Pattern) -> Result<Part, Fault> {
    let at = text.at - 1;
    let braced = text.takes("{");
    let number = text.take_while(|c| c.is_ascii_digit());
    if !number.is_empty() {
        // .NET takes all the digits that follow: `$15` is group 15, and never group 1 and a 5.
        let closed = !braced || text.takes("}");
        let group = number.parse().ok().and_then(|number| group(pattern, number));
        return match group {
            Some(group) if closed => Ok(Part::Group(group)),
            Some(_) => text.fault(at, "a brace is not closed"),
            None if braced => text.fault(at, "the pattern has no group of that number"),
            None => {
                text.fault(at, "the pattern has no group of that number: write ${1}5 for group 1 and a 5")
            }
        };
    }
    if braced {
        let name = text.take_while(is_word);
        if !text.takes("}") {
            return text.fault(at, "a brace is not closed");
        }
        let named = pattern.names.iter().find(|(known, _)| *known == name);
        return match named {
            Some((_, group)) => Ok(Part::Group(*group)),
            None => text.fault(at, "the pattern has no group of that name"),
        };
    }
    match text.take() {
        Some('$') => Ok(Part::Text("$".to_owned())),
        Some('&') => Ok(Part::Group(0)),
        Some('`') => Ok(Part::Before),
        Some('\'') => Ok(Part::Behind),
        Some('_') => Ok(Part::Whole),
        Some('+') => Ok(Part::Group(pattern.numbers.last().copied().unwrap_or(0))),
        _ => {
            text.fault(at, "$ wants a number, a name in braces, or one of $ & ` ' + _; write $$ for a dollar")
        }
    }
}

fn group(pattern: &Pattern, number: usize) -> Option<usize> {
    match number {
        0 => Some(0),
        number => pattern.numbers.get(number - 1).copied(),
    }
}
