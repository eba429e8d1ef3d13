//! Who is told of a missed call that rang several users: delegates, hunts, forwarding, numbers that ring along (R201, R209).

use smallvec::SmallVec;

/// `tell`: who is told of a call to this user that rang others too.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Tell {
    /// The user who was called.
    #[default]
    First,
    /// Whose devices began to ring last.
    Last,
    /// Everybody whose devices rang.
    All,
    /// An address of the group, in place of the user's own.
    Address(String),
}

/// A user whom a call reached: 0 is who was called, the others are numbered by whoever asks.
pub type Party = u8;

/// Who was called.
pub const CALLED: Party = 0;

/// Who is told, each once. `rung` are those whose devices rang, in the order in which they did; where that is nobody the
/// user who was called is told, so that no call is lost. Whoever was called counts as reached (`called`) where a device of
/// the user's own was called at all, be it busy; a number that stands for a group and has none does not.
pub fn told(tell: &Tell, called: bool, rung: &[Party]) -> SmallVec<[Party; 2]> {
    match tell {
        Tell::First | Tell::Address(_) => [CALLED].into_iter().collect(),
        Tell::Last => [rung.last().copied().unwrap_or(CALLED)].into_iter().collect(),
        Tell::All => {
            let mut all = SmallVec::new();
            if (called || rung.is_empty()) && !rung.contains(&CALLED) {
                all.push(CALLED);
            }
            for party in rung {
                if !all.contains(party) {
                    all.push(*party);
                }
            }
            all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way in which four users can ring in turn, some of them twice, with what each setting makes of it.
    #[test]
    fn r201_who_is_told_reads_as_printed() {
        let address = Tell::Address("sales@corp.test".into());
        let orders: [&[Party]; 9] =
            [&[], &[0], &[1], &[0, 1], &[1, 0], &[0, 1, 2], &[2, 1], &[1, 1, 2, 1], &[0, 2, 0, 3]];
        let mut table = String::new();
        for rung in orders {
            for called in [true, false] {
                // Whoever rang was called.
                if !called && rung.contains(&CALLED) {
                    continue;
                }
                let row =
                    [&Tell::First, &Tell::Last, &Tell::All, &address].map(|tell| told(tell, called, rung));
                for told in &row {
                    assert!(!told.is_empty(), "a call is lost");
                    let mut once = told.to_vec();
                    once.sort_unstable();
                    once.dedup();
                    assert_eq!(once.len(), told.len(), "told twice");
                    let strangers = told.iter().filter(|party| **party != CALLED && !rung.contains(party));
                    assert_eq!(strangers.count(), 0, "told without a ring");
                }
                let [first, last, all, group] = row.map(|told| format!("{:?}", &told[..]));
                let (rung, called) = (format!("{rung:?}"), if called { "called" } else { "no device" });
                table += &format!(
                    "{rung:<13} {called:<9} first {first} last {last} all {all:<10} address {group}\n"
                );
            }
        }
        crate::notify::golden::golden("told.txt", &table);
    }
}
