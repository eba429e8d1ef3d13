//! Normalization rules (PROTOCOLS §10): a pattern and what it makes of a number, in an order; the first match wins.

use std::fmt;

use serde::Serialize;

use super::dotnet::{self, Pattern, Template};

/// The longest number that rules are tried on, and the longest that they may make of it, in octets.
pub const LONGEST_NUMBER: usize = 128;
/// The longest name or description, in octets.
pub const LONGEST_NAME: usize = 200;

/// One rule as it is written.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Written {
    /// What an admin calls it; empty: nothing.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// `Pattern`: a regular expression as .NET writes them.
    pub pattern: String,
    /// `Translation`: a replacement as .NET writes them.
    pub translation: String,
    /// `InternalEnterpriseExtension`: what it makes is a number of the enterprise.
    pub internal: bool,
    /// `ApplicableForDeviceDialing`: phones may use it while digits are still dialled. Ringpost, which is told whole numbers,
    /// uses every rule.
    pub for_devices: bool,
}

/// A rule ready for use.
#[derive(Clone, Debug)]
pub struct Rule {
    /// As it is written.
    pub written: Written,
    pattern: Pattern,
    template: Template,
}

/// Which part of a rule cannot be used, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BadRule {
    /// The rule's name, else its place, `rule 3`.
    pub rule: String,
    /// `pattern`, `translation` or `name`.
    pub part: &'static str,
    /// What is wrong there.
    pub fault: dotnet::Fault,
}

impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} of {}: {}", self.part, self.rule, self.fault)
    }
}

impl std::error::Error for BadRule {}

/// What became of a number under rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tried {
    /// The place of the rule.
    pub rule: usize,
    /// Whether it matched.
    pub matched: bool,
}

/// What the first rule that matched makes of a number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Translated {
    /// The place of the rule.
    pub rule: usize,
    /// The number; `None` where what the rule makes is none: empty, too long, or with characters that none has.
    pub number: Option<String>,
}

/// Rules in their order.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

impl Rule {
    /// Compiles one rule; `place` from 0 names it where it has no name.
    ///
    /// # Errors
    /// What of it cannot be used.
    pub fn of(written: Written, place: usize) -> Result<Self, BadRule> {
        let rule = match written.name.as_str() {
            "" => format!("rule {}", place + 1),
            name => format!("rule {:?}", crate::notify::clean::one_line(name, 60)),
        };
        let bad = |part| move |fault| BadRule { rule, part, fault };
        if written.name.len() > LONGEST_NAME || written.description.len() > LONGEST_NAME {
            return Err(bad("name")(dotnet::Fault { at: 0, what: "is longer than 200 octets" }));
        }
        let pattern = match Pattern::of(&written.pattern) {
            Ok(pattern) => pattern,
            Err(fault) => return Err(bad("pattern")(fault)),
        };
        let template = Template::of(&written.translation, &pattern).map_err(bad("translation"))?;
        Ok(Self { written, pattern, template })
    }

    fn matches(&self, number: &str) -> bool {
        self.pattern.regex.is_match(number)
    }

    fn translate(&self, number: &str) -> Option<String> {
        let made = self.template.replace(&self.pattern, number, LONGEST_NUMBER)?;
        let legal = |o: u8| o.is_ascii_graphic() && !b"<>\"@".contains(&o);
        (!made.is_empty() && made.bytes().all(legal)).then_some(made)
    }
}

impl Rules {
    /// Compiles rules.
    ///
    /// # Errors
    /// Every rule that cannot be used.
    pub fn of(written: impl IntoIterator<Item = Written>) -> Result<Self, Vec<BadRule>> {
        let (mut rules, mut bad) = (vec![], vec![]);
        for (place, one) in written.into_iter().enumerate() {
            match Rule::of(one, place) {
                Ok(rule) => rules.push(rule),
                Err(why) => bad.push(why),
            }
        }
        if bad.is_empty() { Ok(Self(rules)) } else { Err(bad) }
    }

    /// The rules.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the first rule that matches makes of a dialled number; `None`: none matches, and the number stays as it is.
    pub fn translate(&self, dialled: &str) -> Option<Translated> {
        if dialled.len() > LONGEST_NUMBER || dialled.bytes().any(|octet| octet.is_ascii_control()) {
            return None;
        }
        let (place, rule) = self.0.iter().enumerate().find(|(_, rule)| rule.matches(dialled))?;
        Some(Translated { rule: place, number: rule.translate(dialled) })
    }

    /// Each rule that is looked at for a dialled number, up to the one that matches.
    pub fn tried(&self, dialled: &str) -> Vec<Tried> {
        let last = self.translate(dialled).map(|found| found.rule);
        let looked_at = last.map_or(self.0.len(), |last| last + 1);
        (0..looked_at).map(|rule| Tried { rule, matched: Some(rule) == last }).collect()
    }
}

#[cfg(test)]
mod tests;
