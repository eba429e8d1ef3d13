//! How numbers are dialled and written in one country, by libphonenumber's metadata: compiled once, asked without a lock.

use std::fmt::Write as _;

use phonenumber::{Metadata, Type, metadata::DATABASE};
use regex::{Regex, RegexBuilder};

use super::{is_digits, rules::Written};

/// The digits that a number with its country code may have (ITU-T E.164 §6.2.1); shorter ones are services.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// What a compiled pattern may take, in octets: some countries describe their numbers at length.
const LARGEST: usize = 16 * 1024 * 1024;
/// Kinds of number that are somebody's.
const KINDS: [Type; 10] = [
    Type::FixedLine,
    Type::Mobile,
    Type::TollFree,
    Type::PremiumRate,
    Type::SharedCost,
    Type::PersonalNumber,
    Type::Voip,
    Type::Pager,
    Type::Uan,
    Type::Voicemail,
];

/// One region of libphonenumber, ready for use.
#[derive(Clone, Debug)]
pub struct Country {
    region: String,
    code: String,
    international: Option<Regex>,
    trunk: Option<Trunk>,
    /// Numbers of this region, roughly.
    own: Regex,
    /// Numbers that are somebody's, of every region with the same code.
    valid: Regex,
    /// The ways in which national numbers are written.
    formats: Vec<Format>,
    rules: Vec<Written>,
}

/// What stands before a national number where it is dialled at home.
#[derive(Clone, Debug)]
struct Trunk {
    prefix: Regex,
    /// What the prefix and the groups in it become: in some countries it holds a part of the number.
    becomes: Option<String>,
}

/// A way in which national numbers are written.
#[derive(Clone, Debug)]
struct Format {
    leading: Option<Regex>,
    digits: Regex,
    /// The trunk prefix belongs to it.
    wants_prefix: bool,
}

impl Format {
    fn of(format: &phonenumber::metadata::Format, has_prefix: bool) -> Option<Self> {
        let leading = format.leading_digits().last().map(|leading| pattern(leading.as_str()));
        let rule = format.national_prefix().filter(|rule| rule.contains("$NP"));
        Some(Self {
            leading: leading.and_then(|leading| begins(&leading)),
            digits: whole(&pattern(format.pattern().as_str()))?,
            wants_prefix: has_prefix && rule.is_some() && !format.is_national_prefix_optional(),
        })
    }

    fn is_of(&self, national: &str) -> bool {
        self.leading.as_ref().is_none_or(|leading| leading.is_match(national))
            && self.digits.is_match(national)
    }
}

impl Country {
    /// The region of that name, two letters of ISO 3166-1 such as `DK`; `None` where libphonenumber knows none.
    pub fn of(region: &str) -> Option<Self> {
        // `001` stands for the networks that are no region's.
        let data = DATABASE.by_id(region).filter(|_| region.len() == 2)?;
        let regions = DATABASE.by_code(&data.country_code())?;
        let main = regions.first().copied().unwrap_or(data);
        let general = pattern(data.descriptors().general().national_number().as_str());
        let kinds =
            regions.iter().flat_map(|one| KINDS.iter().filter_map(|kind| one.descriptors().get(*kind)));
        let mut kinds: Vec<String> = kinds.map(|kind| pattern(kind.national_number().as_str())).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let prefix =
            data.national_prefix_for_parsing().map(|prefix| prefix.as_str()).or(data.national_prefix());
        let prefix = prefix.map(pattern);
        let trunk = prefix.as_ref().and_then(|prefix| {
            let becomes = data.national_prefix_transform_rule().map(str::to_owned);
            Some(Trunk { prefix: begins(prefix)?, becomes })
        });
        let international = data.international_prefix().map(|prefix| pattern(prefix.as_str()));
        let code = data.country_code().to_string();
        let has_prefix = data.national_prefix().is_some();
        let trunk_prefix = literal_prefix(data, prefix.as_deref());
        let rules = described(data, (&code, international.as_deref(), trunk_prefix.as_deref()));
        Some(Self {
            region: region.to_owned(),
            international: international.and_then(|prefix| begins(&prefix)),
            trunk,
            own: whole(&general)?,
            valid: whole(&kinds.join("|"))?,
            formats: main.formats().iter().filter_map(|one| Format::of(one, has_prefix)).collect(),
            rules,
            code,
        })
    }

    /// Its two letters.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The same as rules that others can use: a plain reading of it, without the peculiarities of some countries.
    pub fn rules(&self) -> &[Written] {
        &self.rules
    }

    /// A number as it is dialled or written in the country, as `+` and E.164; `None` where it is no number of anybody's: a
    /// service, an extension, a local number without its area code. Nothing is guessed.
    pub fn normal(&self, written: &str) -> Option<String> {
        let bare = bare(written)?;
        let digits = bare.trim_start_matches('+');
        if bare.len() > digits.len() {
            return self.international(digits);
        }
        if let Some(prefix) = self.international.as_ref().and_then(|prefix| prefix.find(digits)) {
            let rest = &digits[prefix.end()..];
            if let Some(number) = self.international(rest) {
                return Some(number);
            }
        }
        self.national(digits)
    }

    /// A number behind `+` or the international prefix.
    fn international(&self, digits: &str) -> Option<String> {
        if digits.starts_with('0') || !is_digits(digits) {
            return None;
        }
        let home = digits.strip_prefix(&self.code);
        if home.is_some_and(|rest| self.valid.is_match(rest)) {
            return Some(format!("+{digits}"));
        }
        // `+49 (0) 30 …`: the trunk prefix does not belong there, but is written all the same.
        let mended = home.and_then(|rest| self.stripped(rest)).filter(|rest| self.valid.is_match(rest));
        let number = mended.map_or_else(|| digits.to_owned(), |rest| format!("{}{rest}", self.code));
        DIGITS.contains(&number.len()).then(|| format!("+{number}"))
    }

    fn national(&self, digits: &str) -> Option<String> {
        let full = |national: &str| format!("+{}{national}", self.code);
        if let Some(rest) = self.stripped(digits) {
            let is_no_prefix = self.own.is_match(digits) && !self.own.is_match(&rest);
            if !is_no_prefix && self.valid.is_match(&rest) {
                return Some(full(&rest));
            }
        }
        if self.valid.is_match(digits) {
            // Where the trunk prefix has to be dialled, this is a local number that only looks like a national one.
            return (!self.wants_prefix(digits)).then(|| full(digits));
        }
        let rest = digits.strip_prefix(&self.code).filter(|rest| self.valid.is_match(rest))?;
        Some(full(rest))
    }

    /// A national number without its trunk prefix; `None` where there is none.
    fn stripped(&self, digits: &str) -> Option<String> {
        let trunk = self.trunk.as_ref()?;
        let found = trunk.prefix.captures(digits)?;
        let rest = &digits[found.get_match().end()..];
        let last = found.get(found.len() - 1).filter(|_| found.len() > 1);
        if let (Some(becomes), Some(_)) = (&trunk.becomes, last) {
            let mut begins = String::new();
            found.expand(&braced(becomes), &mut begins);
            return Some(begins + rest);
        }
        (rest.len() < digits.len()).then(|| rest.to_owned())
    }

    fn wants_prefix(&self, national: &str) -> bool {
        self.formats.iter().find(|format| format.is_of(national)).is_some_and(|format| format.wants_prefix)
    }
}

/// Digits, with a `+` before them where one is written; `None` where anything else stands among them but what makes a number
/// readable.
fn bare(written: &str) -> Option<String> {
    let written = written.trim();
    let is_plus = |c: &char| matches!(c, '+' | '\u{FF0B}');
    let plus = written.chars().next().filter(is_plus).map_or("", |_| "+");
    let mut bare = String::from(plus);
    for c in written.chars().skip(plus.len()) {
        match c {
            '0'..='9' => bare.push(c),
            '\u{FF10}'..='\u{FF19}' => bare.push(char::from(b'0' + (c as u32 - 0xFF10) as u8)),
            '-' | '.' | '(' | ')' | '/' | '[' | ']' | '~' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
            c if c.is_whitespace() => {}
            _ => return None,
        }
    }
    is_digits(bare.trim_start_matches('+')).then_some(bare)
}

/// libphonenumber's files break their patterns over lines.
fn pattern(written: &str) -> String {
    written.chars().filter(|c| !c.is_whitespace()).collect()
}

fn compiled(pattern: &str) -> Option<Regex> {
    // Digits are what can be dialled; Unicode's would cost megabytes.
    let pattern = pattern.replace(r"\d", "[0-9]");
    RegexBuilder::new(&pattern).unicode(false).size_limit(LARGEST).build().ok()
}

fn begins(pattern: &str) -> Option<Regex> {
    compiled(&format!("^(?:{pattern})"))
}

fn whole(pattern: &str) -> Option<Regex> {
    compiled(&format!("^(?:{pattern})$"))
}

/// `$1` as `${1}`: the metadata writes `9$1`, and `$15` would be a group of its own.
fn braced(template: &str) -> String {
    let mut braced = String::new();
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('$', Some(digit)) if digit.is_ascii_digit() => {
                chars.next();
                write!(braced, "${{{digit}}}").expect("a String takes every text");
            }
            (c, _) => braced.push(c),
        }
    }
    braced
}

/// The trunk prefix as a pattern without groups; the plain digits where the country's own pattern has some.
fn literal_prefix(data: &Metadata, parsed: Option<&str>) -> Option<String> {
    let plain = parsed.filter(|parsed| !parsed.replace("(?:", "").contains('('));
    plain.map(str::to_owned).or_else(|| data.national_prefix().map(str::to_owned))
}

/// The country in rules.
fn described(
    data: &Metadata,
    (code, international, trunk): (&str, Option<&str>, Option<&str>),
) -> Vec<Written> {
    let lengths = data.descriptors().general().possible_length();
    let (least, most) = (lengths.iter().min().unwrap_or(&4), lengths.iter().max().unwrap_or(&15));
    let general = pattern(data.descriptors().general().national_number().as_str());
    let general = match general.len() {
        0..=600 => general,
        _ => format!("\\d{{{least},{most}}}"),
    };
    let rule = |name: &str, pattern: String, translation: String| Written {
        name: format!("{} {name}", data.id()),
        pattern,
        translation,
        for_devices: true,
        ..Written::default()
    };
    let abroad = international
        .map(|prefix| rule("abroad", format!("^(?:{prefix})([1-9]\\d{{6,14}})$"), "+$1".to_owned()));
    let national = match trunk {
        Some(prefix) => rule("national", format!("^(?:{prefix})({general})$"), format!("+{code}$1")),
        None => rule("national", format!("^({general})$"), format!("+{code}$1")),
    };
    abroad.into_iter().chain([national]).collect()
}

#[cfg(test)]
mod tests;
