//! Numbers as people and trunks write them, and the one form in which they are compared: `+` and E.164.

pub mod country;
pub mod dotnet;
pub mod lines;
pub mod location;
pub mod rules;
pub mod tel;

pub use lines::Lines;
pub use tel::Tel;

use crate::call::wire::strip_visual;

/// The shortest E.164 number with its country code; what is shorter and has no prefix is an extension or a service.
const SHORTEST: usize = 7;

/// How numbers are written where the site is: what makes a dialled number an E.164 number.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Numbering {
    /// The country code without `+`, such as `49`; without it national numbers stay as they are.
    pub country: Option<String>,
    /// What stands before a national number: `0`; empty where nothing does (Denmark, Spain).
    pub national: String,
    /// What stands before an international number: `00`, or `011` in North America.
    pub international: String,
}

/// How a trunk writes E.164 numbers, towards it and from it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Written {
    /// As dialled: nothing is changed.
    #[default]
    AsDialled,
    /// `+4930123456`.
    Plus,
    /// `4930123456`.
    Digits,
    /// `030123456`, and other countries with the international prefix.
    National,
    /// `004930123456`.
    International,
}

/// What a trunk adds to a number or cuts off it: first cut, then add.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Affix {
    /// How many characters are cut off the front.
    pub strip: usize,
    /// What is put before the rest.
    pub prefix: String,
}

/// The rules of one trunk.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// How it writes E.164 numbers.
    pub written: Written,
    /// What is changed at numbers that come from it, before they are read.
    pub incoming: Affix,
    /// What is changed at numbers that go to it, after they are written.
    pub outgoing: Affix,
    /// `main_number`, `extensions`: the lines behind its main number.
    pub lines: Option<Lines>,
}

impl Affix {
    fn apply(&self, number: &str) -> String {
        let rest: String = number.chars().skip(self.strip).collect();
        format!("{}{rest}", self.prefix)
    }

    fn is_nothing(&self) -> bool {
        self.strip == 0 && self.prefix.is_empty()
    }
}

impl Rules {
    /// Whether they change nothing.
    pub fn are_none(&self) -> bool {
        self.written == Written::AsDialled
            && self.incoming.is_nothing()
            && self.outgoing.is_nothing()
            && self.lines.is_none()
    }

    /// A number from the trunk without what it adds, and with what it leaves out.
    pub fn cut(&self, number: &str) -> String {
        self.incoming.apply(number)
    }

    /// The whole number of one of its extensions, written alone.
    pub fn line(&self, cut: &str) -> Option<String> {
        self.lines.as_ref()?.whole(cut)
    }

    /// A number from the trunk as Ringpost compares it. What is no number (a name) stays as it is.
    pub fn read(&self, number: &str, here: &Numbering) -> String {
        if let Some((main, ext)) = lines::split(number) {
            return lines::with_extension(&self.read(main, here), ext);
        }
        let cut = self.incoming.apply(number);
        match self.written {
            Written::AsDialled => cut,
            Written::Digits if is_digits(&cut) && cut.len() >= SHORTEST => format!("+{cut}"),
            Written::Plus | Written::Digits | Written::National | Written::International => {
                here.normal(&cut).unwrap_or(cut)
            }
        }
    }

    /// A number of Ringpost as the trunk wants it; `number` is normal, or a short one that has no E.164 form.
    ///
    /// The PBX that has a line gets its extension alone; to others, who could not reach it otherwise, it is its main number.
    pub fn write(&self, number: &str, here: &Numbering) -> String {
        if let Some((main, _)) = lines::split(number) {
            let own = self.lines.as_ref().and_then(|lines| lines.extension(number));
            return own.map_or_else(|| self.write(main, here), |ext| self.outgoing.apply(ext));
        }
        let written = match (self.written, number.strip_prefix('+')) {
            (Written::AsDialled | Written::Plus, _) | (_, None) => number.to_owned(),
            (Written::Digits, Some(digits)) => digits.to_owned(),
            (Written::International, Some(digits)) => format!("{}{digits}", here.international),
            (Written::National, Some(digits)) => match here.at_home(digits) {
                Some(rest) => format!("{}{rest}", here.national),
                None => format!("{}{digits}", here.international),
            },
        };
        self.outgoing.apply(&written)
    }
}

impl Numbering {
    /// A dialled number in its normal form: `+` and digits where it can be told, else its digits (short numbers, service
    /// codes); `None` where it is no number. This form decides what a call may cost, so nothing is guessed.
    pub fn normal(&self, dialled: &str) -> Option<String> {
        if let Some((main, ext)) = lines::split(dialled) {
            return self.normal(main).map(|main| lines::with_extension(&main, ext));
        }
        let bare = strip_visual(dialled);
        if let Some(digits) = bare.strip_prefix('+') {
            return is_digits(digits).then_some(bare);
        }
        if bare.is_empty() || !bare.bytes().all(|o| o.is_ascii_digit() || matches!(o, b'*' | b'#')) {
            return None;
        }
        let behind = |prefix: &str| {
            bare.strip_prefix(prefix).filter(|rest| !prefix.is_empty() && is_digits(rest)).map(str::to_owned)
        };
        if let Some(digits) = behind(&self.international) {
            return Some(format!("+{digits}"));
        }
        match (&self.country, behind(&self.national)) {
            (Some(country), Some(rest)) => Some(format!("+{country}{rest}")),
            _ => Some(bare),
        }
    }

    /// What follows the country code of a number of this country.
    fn at_home<'n>(&self, digits: &'n str) -> Option<&'n str> {
        digits.strip_prefix(self.country.as_deref()?)
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn germany() -> Numbering {
        Numbering { country: Some("49".into()), national: "0".into(), international: "00".into() }
    }

    #[test]
    fn a_dialled_number_has_one_normal_form() {
        let denmark = Numbering { country: Some("45".into()), national: String::new(), ..germany() };
        for (here, dialled, normal) in [
            (germany(), "+49-(30).123", Some("+4930123")),
            (germany(), "004930123", Some("+4930123")),
            (germany(), "030123", Some("+4930123")),
            (germany(), "112", Some("112")),
            (germany(), "*98#", Some("*98#")),
            (germany(), "0", Some("0")),
            (germany(), "00", Some("+490")),
            (germany(), "bob", None),
            (germany(), "+", None),
            (germany(), "+49x", None),
            (germany(), "0049%301", None),
            (germany(), "", None),
            (denmark, "44890101", Some("44890101")),
            (Numbering::default(), "030123", Some("030123")),
        ] {
            assert_eq!(here.normal(dialled).as_deref(), normal, "{dialled}");
        }
    }

    #[test]
    fn each_trunk_writes_and_reads_numbers_its_own_way() {
        let here = germany();
        for (written, number, on_the_wire) in [
            (Written::Plus, "+4930123", "+4930123"),
            (Written::Digits, "+4930123", "4930123"),
            (Written::International, "+4930123", "004930123"),
            (Written::National, "+4930123", "030123"),
            (Written::National, "+4544890101", "004544890101"),
            (Written::AsDialled, "+4930123", "+4930123"),
        ] {
            let rules = Rules { written, ..Rules::default() };
            assert_eq!(rules.write(number, &here), on_the_wire, "{written:?}");
            assert_eq!(rules.read(on_the_wire, &here), number, "{written:?}");
            assert_eq!(rules.write("112", &here), "112", "{written:?}");
            assert_eq!(rules.read("alice", &here), "alice", "{written:?}");
            assert_eq!(rules.read("201", &here), "201", "{written:?}");
        }
    }

    #[test]
    fn r25_a_line_is_its_extension_at_its_own_pbx_and_its_main_number_elsewhere() {
        let lines = Lines {
            main: "+4544890101".into(),
            extensions: vec![lines::Extensions::read("2xx").expect("a range")],
        };
        let pbx = Rules { lines: Some(lines), ..Rules::default() };
        let line = "+4544890101;ext=200";
        assert_eq!((pbx.line("200").as_deref(), pbx.line("300")), (Some(line), None));
        assert_eq!(pbx.read(line, &germany()), line);
        assert_eq!(pbx.write(line, &germany()), "200");
        assert!(!pbx.are_none());
        let provider = Rules { written: Written::International, ..Rules::default() };
        assert_eq!(provider.write(line, &germany()), "004544890101");
        assert_eq!(germany().normal("0045-44890101;ext=200").as_deref(), Some("+4544890101;ext=200"));
        assert_eq!(germany().normal("0045;ext=x"), None);
    }

    #[test]
    fn what_is_cut_and_added_goes_both_ways() {
        let rules = Rules {
            written: Written::National,
            incoming: Affix { strip: 3, prefix: "0".into() },
            outgoing: Affix { strip: 1, prefix: "9".into() },
            lines: None,
        };
        assert_eq!(rules.write("+4930123", &germany()), "930123");
        assert_eq!(rules.read("77730123", &germany()), "+4930123");
        assert_eq!(rules.read("1", &germany()), "0", "shorter than what is cut off");
        assert!(Rules::default().are_none() && !rules.are_none());
    }
}
