//! Whose a number is (R7, R205): the whole number first, then an extension, then the last digits where nobody else has them.
//!
//! Numbers are packed into words and sorted; a lookup reads two short stretches of memory. Half a million persons with three
//! numbers each take some 40 MB.

use super::{people::Roster, person::Kind};
use crate::numbers::Tel;

/// How numbers are compared.
pub struct Rule<'r> {
    /// A number as people write it in the form in which numbers are compared: `+` and E.164, or digits.
    pub normal: &'r dyn Fn(&str) -> Option<String>,
    /// How many digits at the end name an owner; 0: all are compared.
    pub last_digits: usize,
}

/// Numbers and their owners, by the owners' places in the roster.
#[derive(Debug, Default)]
pub struct Index {
    whole: Table,
    ends: Table,
    last_digits: usize,
}

/// The owner of a number that several have who are called differently.
const SHARED: u32 = u32::MAX;
/// The most digits of a number; E.164 has 15.
const MOST: usize = 17;
/// Every so manieth key is in the upper table.
const STRIDE: usize = 64;

impl Index {
    /// Indexes every number of a roster but faxes.
    pub fn of(roster: &Roster, rule: &Rule<'_>) -> Self {
        let last_digits = rule.last_digits.min(MOST);
        let (mut whole, mut ends) = (vec![], vec![]);
        for place in 0..roster.len() {
            let Ok(owner) = u32::try_from(place) else { break };
            for (kind, text) in roster.numbers(place).into_iter().filter(|(kind, _)| *kind != Kind::Fax) {
                for (rank, number) in written(kind, text, rule.normal) {
                    whole.extend(number.key().map(|key| (key, rank as u8, owner)));
                    ends.extend(number.end(last_digits).map(|end| (end, 0, owner)));
                }
            }
        }
        let same = |one: u32, other: u32| roster.name(one as usize) == roster.name(other as usize);
        Self { whole: Table::of(whole, &same), ends: Table::of(ends, &same), last_digits }
    }

    /// The place of a number's owner; `normal` as in the [`Rule`]. The first kind of [`Kind`] in which anybody has the whole
    /// number counts; who shares it there with somebody who is called differently does not have it.
    pub fn owner(&self, number: &str, normal: impl Fn(&str) -> Option<String>) -> Option<usize> {
        if self.whole.keys.is_empty() {
            return None;
        }
        let (bare, ext) = split(number);
        let normal = normal(bare)?;
        let numbers = [
            ext.map(|ext| Number { digits: normal.as_str(), ext }),
            Some(Number { digits: normal.as_str(), ext: "" }).filter(|_| ext.is_none()),
            ext.map(|ext| Number { digits: ext, ext: "" }),
        ];
        let whole = numbers.into_iter().flatten().find_map(|number| self.whole.find(number.key()?));
        let end = || self.ends.find(Number { digits: normal.as_str(), ext: "" }.end(self.last_digits)?);
        let owner = whole.or_else(|| if ext.is_none() { end() } else { None })?;
        (owner != SHARED).then_some(owner as usize)
    }

    /// How many numbers it knows.
    pub fn len(&self) -> usize {
        self.whole.keys.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.whole.keys.is_empty()
    }

    /// What it takes of the memory, in octets.
    pub fn octets(&self) -> usize {
        self.whole.octets() + self.ends.octets()
    }
}

/// A number in the normal form, with an extension or without.
struct Number<D, E = D> {
    digits: D,
    ext: E,
}

impl<D: AsRef<str>, E: AsRef<str>> Number<D, E> {
    /// The number as a word: two bits for its form, four for the length of the extension, and its digits behind a 1, which
    /// keeps zeros in front. `None`: it is no number, or too long for one.
    fn key(&self) -> Option<u64> {
        let (digits, ext) = (self.digits.as_ref(), self.ext.as_ref());
        let (form, digits) = match digits.strip_prefix('+') {
            Some(digits) => (1, digits),
            None => (0, digits),
        };
        let length = digits.len() + ext.len();
        if digits.is_empty() || length > MOST || ext.len() > 15 {
            return None;
        }
        let mut word = 1_u64;
        for octet in digits.bytes().chain(ext.bytes()) {
            word = word * 10 + u64::from(octet.checked_sub(b'0').filter(|digit| *digit < 10)?);
        }
        Some(form << 62 | (ext.len() as u64) << 58 | word)
    }

    /// The last digits of a number without an extension, that has as many.
    fn end(&self, last: usize) -> Option<u64> {
        let digits = self.digits.as_ref().trim_start_matches('+');
        let tail = digits.get(digits.len().checked_sub(last)?..)?;
        let fits =
            last > 0 && self.ext.as_ref().is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
        fits.then(|| tail.parse().ok()).flatten()
    }
}

/// What a number of a person is found by, each with the kind that it counts as. The number before an extension is that of
/// the whole office, so it counts no more than a number that is only written down.
fn written(kind: Kind, text: &str, normal: &dyn Fn(&str) -> Option<String>) -> Vec<(Kind, Number<String>)> {
    let whole = |digits: String| Number { digits, ext: String::new() };
    let (number, ext) = match Tel::read(text) {
        Ok(tel) if tel.is_global() => (Some(tel.number), tel.ext),
        Ok(tel) => (normal(&tel.number), tel.ext),
        Err(_) => {
            let (bare, ext) = split(text);
            (normal(bare), ext.map(str::to_owned))
        }
    };
    match (number, ext) {
        (Some(number), Some(ext)) => vec![
            (kind, Number { digits: number.clone(), ext: ext.clone() }),
            (kind, whole(ext)),
            (kind.max(Kind::Telephone), whole(number)),
        ],
        (Some(number), None) => vec![(kind, whole(number))],
        (None, _) => vec![],
    }
}

/// A number and the extension behind it: `…;ext=200`, `… ext. 200`, `… x200`.
pub(super) fn split(written: &str) -> (&str, Option<&str>) {
    let bytes = written.as_bytes();
    let digits = bytes.iter().rev().take_while(|octet| octet.is_ascii_digit()).count();
    let (head, ext) = written.split_at(written.len() - digits);
    let head = head.trim_end_matches([' ', '.', ':', '=']);
    let marked = ["ext", "x"].iter().find_map(|mark| {
        let at = head.len().checked_sub(mark.len())?;
        head.get(at..).filter(|tail| tail.eq_ignore_ascii_case(mark)).map(|_| &head[..at])
    });
    let number = marked.map(|number| number.trim_end_matches([' ', ';', ',', '(']));
    match number.filter(|number| !ext.is_empty() && number.bytes().any(|octet| octet.is_ascii_digit())) {
        Some(number) => (number, Some(ext)),
        None => (written, None),
    }
}

/// Words and owners, sorted.
#[derive(Debug, Default)]
struct Table {
    keys: Vec<u64>,
    owners: Vec<u32>,
    /// Every 64th key: small enough to stay in a cache.
    upper: Vec<u64>,
}

impl Table {
    /// Of keys, ranks and owners; `same` says whether two owners are called the same.
    fn of(mut entries: Vec<(u64, u8, u32)>, same: &dyn Fn(u32, u32) -> bool) -> Self {
        entries.sort_unstable();
        entries.dedup();
        let mut table = Self::default();
        for group in entries.chunk_by(|one, other| one.0 == other.0) {
            let (key, rank, owner) = group[0];
            let rivals = group.iter().take_while(|(_, other, _)| *other == rank);
            let shared = rivals.skip(1).any(|(_, _, other)| *other != owner && !same(owner, *other));
            table.keys.push(key);
            table.owners.push(if shared { SHARED } else { owner });
        }
        table.keys.shrink_to_fit();
        table.owners.shrink_to_fit();
        table.upper = table.keys.iter().copied().step_by(STRIDE).collect();
        table
    }

    fn find(&self, key: u64) -> Option<u32> {
        let block = self.upper.partition_point(|first| *first <= key).checked_sub(1)? * STRIDE;
        let keys = &self.keys[block..(block + STRIDE).min(self.keys.len())];
        keys.binary_search(&key).ok().map(|at| self.owners[block + at])
    }

    fn octets(&self) -> usize {
        size_of_val(&*self.keys) + size_of_val(&*self.owners) + size_of_val(&*self.upper)
    }
}
