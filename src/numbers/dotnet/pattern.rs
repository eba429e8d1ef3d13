//! Patterns.

use regex::{Regex, RegexBuilder};

use super::{
    Fault, Text,
    class::{Escaped, class, escape, literal},
    is_word,
};

/// The longest pattern taken, in octets.
pub const LONGEST_PATTERN: usize = 1_000;
/// What a compiled pattern may take, in octets: a long counted repetition would take far more.
const LARGEST: usize = 256 * 1024;
/// Groups in each other.
const DEEPEST: usize = 32;

/// A pattern ready for use, and its groups as .NET counts them.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The pattern for `regex`; all its groups are without names.
    pub regex: Regex,
    /// Which group of `regex` a number is: .NET counts the groups without a name first, then those with one.
    pub numbers: Vec<usize>,
    /// Which group of `regex` a name is.
    pub names: Vec<(String, usize)>,
}

impl Pattern {
    /// Translates and compiles a pattern.
    ///
    /// # Errors
    /// What is not supported or wrong, and where.
    pub fn of(written: &str) -> Result<Self, Fault> {
        if written.len() > LONGEST_PATTERN {
            return Err(Fault { at: 0, what: "is longer than 1,000 octets" });
        }
        let mut reader = Reader { text: Text::of(written), out: String::new(), groups: vec![], deep: 0 };
        reader.alternatives()?;
        if reader.text.peek().is_some() {
            return reader.text.fault(reader.text.at, "a ) closes nothing");
        }
        let regex = RegexBuilder::new(&reader.out).size_limit(LARGEST).dfa_size_limit(LARGEST).build();
        let regex = regex.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => Fault { at: 0, what: "is too large: count repetitions lower" },
            _ => Fault { at: 0, what: "is no regular expression that can be used" },
        })?;
        let indexed = || reader.groups.iter().enumerate().map(|(at, name)| (at + 1, name));
        let bare = indexed().filter(|(_, name)| name.is_none());
        let named = indexed().filter_map(|(at, name)| Some((name.clone()?, at)));
        let names: Vec<_> = named.collect();
        let numbers = bare.map(|(at, _)| at).chain(names.iter().map(|(_, at)| *at)).collect();
        Ok(Self { regex, numbers, names })
    }
}

struct Reader {
    text: Text,
    out: String,
    /// The groups in the order of their opening, each with its name.
    groups: Vec<Option<String>>,
    deep: usize,
}

/// What may stand before a quantifier.
enum Piece {
    Something,
    /// The beginning, `|`, an option: nothing that could be repeated.
    Nothing,
}

impl Reader {
    /// Everything up to the end or a `)`.
    fn alternatives(&mut self) -> Result<(), Fault> {
        let mut before = Piece::Nothing;
        while let Some(c) = self.text.peek().filter(|c| *c != ')') {
            let at = self.text.at;
            if let Some(quantifier) = self.quantifier()? {
                if matches!(before, Piece::Nothing) {
                    return self.text.fault(at, "a quantifier has nothing to repeat");
                }
                self.out += &quantifier;
                let next = self.text.at;
                if self.quantifier()?.is_some() {
                    return self
                        .text
                        .fault(next, "a quantifier stands behind another; there are no possessive ones");
                }
                continue;
            }
            self.text.at += 1;
            before = self.piece(c)?;
        }
        Ok(())
    }

    fn piece(&mut self, c: char) -> Result<Piece, Fault> {
        match c {
            '|' => {
                self.out.push('|');
                return Ok(Piece::Nothing);
            }
            '^' | '.' => self.out.push(c),
            '$' => self.out.push('$'),
            '(' => return self.group(),
            '[' => self.out += &class(&mut self.text, 0)?,
            '\\' => self.backslash()?,
            c => self.out += &literal(c),
        }
        Ok(Piece::Something)
    }

    /// An anchor, a character, a class.
    fn backslash(&mut self) -> Result<(), Fault> {
        let at = self.text.at - 1;
        let anchor = match self.text.peek() {
            Some('A') => r"\A",
            Some('z' | 'Z') => r"\z",
            Some('b') => r"\b",
            Some('B') => r"\B",
            Some('G') => {
                return self.text.fault(at, "\\G is not supported: what is matched begins at the beginning");
            }
            _ => {
                match escape(&mut self.text, false)? {
                    Escaped::Char(c) => self.out += &literal(c),
                    Escaped::Set(set) => self.out += &set,
                }
                return Ok(());
            }
        };
        self.text.at += 1;
        self.out += anchor;
        Ok(())
    }

    /// A quantifier with its laziness; `None` where none comes, and `{` then stands for itself.
    fn quantifier(&mut self) -> Result<Option<String>, Fault> {
        let at = self.text.at;
        let mut written = match self.text.peek() {
            Some(c @ ('*' | '+' | '?')) => {
                self.text.at += 1;
                c.to_string()
            }
            Some('{') => match self.counted() {
                Some(counted) => counted,
                None => {
                    self.text.at = at;
                    return Ok(None);
                }
            },
            _ => return Ok(None),
        };
        if let Some((least, most)) = written.trim_matches(['{', '}']).split_once(',') {
            let count = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
            if !most.is_empty() && count(least) > count(most) {
                return self.text.fault(at, "a quantifier counts backwards");
            }
        }
        if self.text.takes("?") {
            written.push('?');
        }
        Ok(Some(written))
    }

    /// `{2}`, `{2,}`, `{2,4}`.
    fn counted(&mut self) -> Option<String> {
        self.text.take();
        let mut counted = format!("{{{}", self.digits()?);
        if self.text.takes(",") {
            counted.push(',');
            counted += &self.digits().unwrap_or_default();
        }
        self.text.takes("}").then(|| counted + "}")
    }

    fn digits(&mut self) -> Option<String> {
        Some(self.text.take_while(|c| c.is_ascii_digit())).filter(|digits| !digits.is_empty())
    }

    /// A group behind its `(`.
    fn group(&mut self) -> Result<Piece, Fault> {
        let at = self.text.at - 1;
        if !self.text.takes("?") {
            self.groups.push(None);
            self.out.push('(');
            return self.body(at);
        }
        let Some(kind) = self.text.take() else { return self.text.fault(at, "a group is not closed") };
        match kind {
            ':' => {
                self.out += "(?:";
                self.body(at)
            }
            '=' | '!' => self.text.fault(at, "look-ahead would need more than linear time"),
            '>' => self.text.fault(at, "atomic groups are not supported"),
            '#' => self.text.fault(at, "comments inside a pattern are not supported"),
            '(' => self.text.fault(at, "conditionals are not supported"),
            '<' | '\'' => {
                let end = if kind == '<' { '>' } else { kind };
                let name = self.name(at, end)?;
                self.groups.push(Some(name));
                self.out.push('(');
                self.body(at)
            }
            _ => {
                self.text.at -= 1;
                self.options(at)
            }
        }
    }

    fn name(&mut self, at: usize, end: char) -> Result<String, Fault> {
        if end == '>' && matches!(self.text.peek(), Some('=' | '!')) {
            return self.text.fault(at, "look-behind would need more than linear time");
        }
        let name = self.text.take_while(is_word);
        match self.text.take() {
            Some('-') => self.text.fault(at, "balancing groups are not supported"),
            Some(c) if c == end && name.starts_with(|c: char| c.is_ascii_digit()) => {
                self.text.fault(at, "a group with a number of its own is not supported: give it a name")
            }
            Some(c) if c == end && self.groups.iter().flatten().any(|known| *known == name) => {
                self.text.fault(at, "two groups have the same name")
            }
            Some(c) if c == end && !name.is_empty() => Ok(name),
            _ => self.text.fault(at, "there is no such group"),
        }
    }

    /// `(?i)`, `(?i:…)`, `(?s-i)`.
    fn options(&mut self, at: usize) -> Result<Piece, Fault> {
        let options = self.text.take_while(|c| c.is_ascii_alphabetic() || c == '-');
        if options.contains(['n', 'x']) {
            return self.text.fault(at, "the options n and x are not supported");
        }
        let known = options.trim_start_matches('-').chars().all(|c| "ims-".contains(c));
        if !known || options.matches('-').count() > 1 || options.ends_with('-') || options.is_empty() {
            return self.text.fault(at, "there is no such group");
        }
        match self.text.take() {
            Some(')') => {
                self.out += &format!("(?{options})");
                Ok(Piece::Nothing)
            }
            Some(':') => {
                self.out += &format!("(?{options}:");
                self.body(at)
            }
            _ => self.text.fault(at, "there is no such group"),
        }
    }

    fn body(&mut self, at: usize) -> Result<Piece, Fault> {
        self.deep += 1;
        if self.deep > DEEPEST {
            return self.text.fault(at, "too many groups in each other");
        }
        self.alternatives()?;
        self.deep -= 1;
        if !self.text.takes(")") {
            return self.text.fault(at, "a group is not closed");
        }
        self.out.push(')');
        Ok(Piece::Something)
    }
}
