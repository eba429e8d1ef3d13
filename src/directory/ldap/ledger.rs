//! Which entries are known, and in which state: what a poll has to ask for, and what has gone.

use std::{collections::HashMap, fmt::Write, time::Duration};

use jiff::{SignedDuration, civil::DateTime};

use super::{Attributes, Filter, Id, Meaning, Record};

/// When an entry was last changed, in its server's words.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stamp {
    /// `uSNChanged`: a number of that server alone.
    Number(u64),
    /// `modifyTimestamp`: the digits of a time (RFC 4517 §3.3.13) as a number, to the second.
    Time(u64),
}

/// Digits of a time to the second.
const DIGITS: usize = 14;

impl Stamp {
    /// Reads the value of the attribute; `None`: it is neither.
    pub fn read(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        match digits == text.len() {
            true => text.parse().ok().map(Self::Number),
            false if digits == DIGITS && text.ends_with('Z') => text[..DIGITS].parse().ok().map(Self::Time),
            false => None,
        }
    }

    /// What changes after this one have at least: the next number, or a time that lies back by as much as the copies of
    /// servers may lag behind one another.
    pub fn next(self, overlap: Duration) -> String {
        match self {
            Self::Number(number) => number.saturating_add(1).to_string(),
            Self::Time(digits) => {
                let earlier =
                    time(digits).and_then(|at| at.checked_sub(SignedDuration::try_from(overlap).ok()?).ok());
                match earlier {
                    Some(at) => at.strftime("%Y%m%d%H%M%SZ").to_string(),
                    None => format!("{digits:014}Z"),
                }
            }
        }
    }
}

fn time(digits: u64) -> Option<DateTime> {
    let part = |above: u64, modulus: u64| i8::try_from(digits / above % modulus).ok();
    let year = i16::try_from(digits / 10_000_000_000).ok()?;
    let (month, day) = (part(100_000_000, 100)?, part(1_000_000, 100)?);
    let (hour, minute, second) = (part(10_000, 100)?, part(100, 100)?, part(1, 100)?);
    DateTime::new(year, month, day, hour, minute, second.min(59), 0).ok()
}

/// How an entry is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mark {
    /// The value that names it, as it came.
    pub raw: Box<[u8]>,
    /// When it was last changed; `None`: the server does not say.
    pub stamp: Option<Stamp>,
}

impl Mark {
    /// What names the entry, and its mark; `None`: nothing names it.
    pub fn of(record: &Record, attributes: &Attributes) -> Option<(Id, Self)> {
        let raw = attributes.names(Meaning::Id).iter().find_map(|name| record.values(name).next())?;
        let changed = attributes.names(Meaning::Changed).iter().find_map(|name| record.values(name).next());
        Some((Id::of(raw), Self { raw: raw.into(), stamp: changed.and_then(Stamp::read) }))
    }
}

/// Every known entry.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ledger(pub HashMap<Id, Mark, ahash::RandomState>);

impl Ledger {
    /// The latest of all stamps; `None` also where an entry has none, so that changes cannot be asked for.
    pub fn latest(&self) -> Option<Stamp> {
        self.0.values().map(|mark| mark.stamp).min().flatten()?;
        self.0.values().filter_map(|mark| mark.stamp).max()
    }

    /// Of a list of all entries that there are, the values that name those which are to be looked at again: known ones that
    /// are not on it, and others whose stamp is not the known one. `fresh` are those that were read just now.
    pub fn doubtful(&self, listed: &Self, fresh: &Self) -> Vec<Box<[u8]>> {
        let known = |id: &Id| fresh.0.get(id).or_else(|| self.0.get(id));
        let other = listed.0.iter().filter(|(id, mark)| {
            // A change since then comes with the next poll, or is found here once more.
            known(id).is_none_or(|known| known.stamp != mark.stamp)
        });
        let other = other.map(|(_, mark)| mark.raw.clone());
        let gone = self.0.iter().filter(|(id, _)| !listed.0.contains_key(id));
        other.chain(gone.map(|(_, mark)| mark.raw.clone())).collect()
    }
}

/// The entries with these names and no others, as far as `persons` lets them pass.
pub fn named(persons: &Filter, attributes: &Attributes, names: &[Box<[u8]>]) -> Filter {
    let id = attributes.names(Meaning::Id).first().map_or("objectClass", String::as_str);
    let any = names.iter().map(|raw| Filter::equal(id, raw)).collect();
    Filter::And(vec![persons.clone(), Filter::Or(any)])
}

/// The entries that were changed since then.
pub fn changed_since(persons: &Filter, attributes: &Attributes, since: Stamp, overlap: Duration) -> Filter {
    let changed = attributes.names(Meaning::Changed).first().map_or("modifyTimestamp", String::as_str);
    Filter::And(vec![persons.clone(), Filter::at_least(changed, since.next(overlap))])
}

/// `1a2b…`: octets that name something, for the log.
pub fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a string takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ldap::Profile;

    #[test]
    fn stamps_are_numbers_or_times() {
        let rows: [(&str, Option<Stamp>); 8] = [
            ("12345", Some(Stamp::Number(12345))),
            ("20261121160102Z", Some(Stamp::Time(20_261_121_160_102))),
            ("20261121160102.0Z", Some(Stamp::Time(20_261_121_160_102))),
            ("20261121160102.123456Z", Some(Stamp::Time(20_261_121_160_102))),
            ("20261121160102+0100", None),
            ("99999999999999999999999", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(Stamp::read(text.as_bytes()), expected, "{text}");
        }
        assert!(Stamp::read(&[0xff]).is_none());
        let next = |text: &str, overlap| {
            Stamp::read(text.as_bytes()).map(|stamp| stamp.next(Duration::from_secs(overlap)))
        };
        assert_eq!(next("41", 120).as_deref(), Some("42"));
        assert_eq!(next("20260301000100Z", 120).as_deref(), Some("20260228235900Z"));
        assert_eq!(next("20261231235960Z", 0).as_deref(), Some("20261231235959Z"));
        assert_eq!(next("20269931235960Z", 10).as_deref(), Some("20269931235960Z"));
    }

    fn ledger(entries: &[(u8, Option<u64>)]) -> Ledger {
        let mark = |id: u8, at: Option<u64>| Mark { raw: [id; 16].into(), stamp: at.map(Stamp::Number) };
        Ledger(entries.iter().map(|(id, at)| (Id([*id; 16]), mark(*id, *at))).collect())
    }

    #[test]
    fn a_list_tells_what_came_changed_and_went() {
        let known = ledger(&[(1, Some(10)), (2, Some(11)), (3, Some(12))]);
        assert_eq!(known.latest(), Some(Stamp::Number(12)));
        assert_eq!(ledger(&[(1, Some(10)), (2, None)]).latest(), None);
        let doubtful = |listed: &[(u8, Option<u64>)], fresh: &[(u8, Option<u64>)]| {
            let mut found: Vec<u8> =
                known.doubtful(&ledger(listed), &ledger(fresh)).iter().map(|raw| raw[0]).collect();
            found.sort_unstable();
            found
        };
        let same = [(1, Some(10)), (2, Some(11)), (3, Some(12))];
        assert!(doubtful(&same, &[]).is_empty());
        // Read as changed just now.
        assert!(doubtful(&[(1, Some(10)), (2, Some(20)), (3, Some(12))], &[(2, Some(20))]).is_empty());
        // Changed without being told: another came, one is older than it was, one went.
        assert_eq!(doubtful(&[(1, Some(9)), (2, Some(11)), (4, Some(1))], &[]), [1, 3, 4]);
        // Changed once more since it was read.
        assert_eq!(doubtful(&[(1, Some(10)), (2, Some(21)), (3, Some(12))], &[(2, Some(20))]), [2]);
    }

    #[test]
    fn filters_name_entries_by_their_octets() {
        let persons = Filter::Written(Profile::ActiveDirectory.persons().to_owned());
        let attributes = Attributes::of(Profile::ActiveDirectory);
        let one = named(&persons, &attributes, &[vec![b'*'; 2].into(), vec![0, 0x41].into()]);
        assert_eq!(
            one.to_string(),
            "(&(&(objectCategory=person)(objectClass=user))(|(objectGUID=\\2a\\2a)(objectGUID=\\00A)))"
        );
        let since = changed_since(&persons, &attributes, Stamp::Number(7), Duration::ZERO);
        assert!(since.to_string().ends_with("(uSNChanged>=8))"), "{since}");
        assert_eq!(hexadecimal(&[0, 0xab]), "00ab");
    }
}
