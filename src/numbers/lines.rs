//! Lines behind a main number (R24, R25): `+4544890101;ext=200` inside, `200` towards the PBX that has them.

use std::fmt;

/// The longest extension, in digits.
const LONGEST: usize = 10;

/// The extensions behind the main number of a PBX.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lines {
    /// `main_number`: `+` and E.164.
    pub main: String,
    /// `extensions`.
    pub extensions: Vec<Extensions>,
}

/// Extensions of one length: `200`, `200-299`, `2xx`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extensions {
    length: usize,
    first: u64,
    last: u64,
}

impl Extensions {
    /// Reads `200`, `200-299` or `2xx`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(written: &str) -> Result<Self, &'static str> {
        const WANTED: &str = "wants extensions such as \"200\", \"200-299\" or \"2xx\"";
        let (first, last) = match written.split_once('-') {
            Some((first, last)) => (first.to_owned(), last.to_owned()),
            None => {
                let stem = written.trim_end_matches(['x', 'X']);
                let open = written.len() - stem.len();
                (format!("{stem}{}", "0".repeat(open)), format!("{stem}{}", "9".repeat(open)))
            }
        };
        if first.len() != last.len() {
            return Err("the first and the last extension have the same length");
        }
        if first.is_empty() || first.len() > LONGEST {
            return Err("an extension has one to ten digits");
        }
        let number = |text: &str| text.parse::<u64>().ok().filter(|_| super::is_digits(text)).ok_or(WANTED);
        let range = Self { length: first.len(), first: number(&first)?, last: number(&last)? };
        if range.first > range.last { Err("the last extension comes before the first") } else { Ok(range) }
    }

    /// Whether `dialled` is one of them.
    pub fn has(&self, dialled: &str) -> bool {
        dialled.len() == self.length
            && super::is_digits(dialled)
            && dialled.parse().is_ok_and(|number: u64| (self.first..=self.last).contains(&number))
    }

    /// Whether both have an extension in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.length == other.length && self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.length;
        match self.first == self.last {
            true => write!(f, "{:0width$}", self.first),
            false => write!(f, "{:0width$}-{:0width$}", self.first, self.last),
        }
    }
}

impl Lines {
    /// The whole number of an extension that is dialled alone; `None` where it is none of these.
    pub fn whole(&self, dialled: &str) -> Option<String> {
        let known = self.extensions.iter().any(|range| range.has(dialled));
        known.then(|| with_extension(&self.main, dialled))
    }

    /// The extension of a whole number behind this main number.
    pub fn extension<'n>(&self, number: &'n str) -> Option<&'n str> {
        let (main, ext) = split(number)?;
        (main == self.main).then_some(ext)
    }

    /// Whether a whole number is one of these.
    pub fn has(&self, number: &str) -> bool {
        self.extension(number).is_some_and(|ext| self.extensions.iter().any(|range| range.has(ext)))
    }
}

/// `+4544890101;ext=200`: the form in which such numbers are kept and compared (RFC 3966 §3, without `tel:`).
pub fn with_extension(main: &str, ext: &str) -> String {
    format!("{main};ext={ext}")
}

/// The main number and the extension of a number in that form.
pub fn split(number: &str) -> Option<(&str, &str)> {
    number.split_once(";ext=").filter(|(main, ext)| !main.is_empty() && super::is_digits(ext))
}

/// The number as people read it: `+4544890101 ext. 200`; one without extension as it is.
pub fn shown(number: &str) -> String {
    split(number).map_or_else(|| number.to_owned(), |(main, ext)| format!("{main} ext. {ext}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_ranges_of_one_length() {
        for (written, inside, outside) in [
            ("200", &["200"][..], &["201", "0200", "20", "2000", ""][..]),
            ("200-299", &["200", "250", "299"], &["300", "199", "2000", "25"]),
            ("2xx", &["200", "299"], &["300", "2x0", "29"]),
            ("XX", &["00", "99"], &["1", "100"]),
            ("0100-0199", &["0100", "0150"], &["100", "150"]),
        ] {
            let range = Extensions::read(written).expect(written);
            assert!(inside.iter().all(|one| range.has(one)), "{written}");
            assert!(!outside.iter().any(|one| range.has(one)), "{written}");
        }
        assert_eq!(Extensions::read("01x").map(|range| range.to_string()).as_deref(), Ok("010-019"));
        for (written, why) in [
            ("", "one to ten digits"),
            ("2x0", "wants"),
            ("200-29", "same length"),
            ("299-200", "before"),
            ("a", "wants"),
            ("+2", "wants"),
            ("20-+3", "wants"),
            ("12345678901", "one to ten"),
        ] {
            let wrong = Extensions::read(written).expect_err(written);
            assert!(wrong.contains(why), "{written}: {wrong}");
        }
        let range = |text| Extensions::read(text).expect(text);
        assert!(range("2xx").overlaps(&range("250-350")) && !range("2xx").overlaps(&range("2xxx")));
        assert!(!range("2xx").overlaps(&range("300")));
    }

    #[test]
    fn a_whole_number_is_its_extension_where_it_belongs() {
        let lines =
            Lines { main: "+4544890101".into(), extensions: vec![Extensions::read("2xx").expect("a range")] };
        assert_eq!(lines.whole("200").as_deref(), Some("+4544890101;ext=200"));
        assert_eq!(lines.whole("300"), None);
        assert_eq!(lines.extension("+4544890101;ext=300"), Some("300"));
        assert!(lines.has("+4544890101;ext=200") && !lines.has("+4544890101;ext=300"));
        assert!(!lines.has("+4544890102;ext=200") && !lines.has("+4544890101") && !lines.has("200"));
        assert_eq!(shown("+4544890101;ext=200"), "+4544890101 ext. 200");
        assert_eq!(shown("+4544890101"), "+4544890101");
        assert_eq!(split("+45;ext=2x"), None);
    }
}
