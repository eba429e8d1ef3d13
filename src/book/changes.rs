//! What became of the entries since they were last seen: two ordered lists, read side by side.

use std::{cmp::Ordering, iter::Peekable};

use super::{Entry, EntryId};

/// An entry as it was last seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Known {
    /// Its id.
    pub id: EntryId,
    /// Its digest.
    pub digest: [u8; 16],
    /// It was gone already, and is remembered for those who have not heard of it.
    pub gone: bool,
}

/// What has happened to an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// It is new, is back, or is another now.
    Put(Box<Entry>),
    /// It is gone.
    Gone(EntryId),
}

/// The changes from `known` to `entries`, both in the order of their ids. Of entries with one id the first counts. An error among
/// `entries` comes through and ends the list: what came before it is worth nothing.
pub fn changes<E>(
    known: impl IntoIterator<Item = Known>,
    entries: impl IntoIterator<Item = Result<Entry, E>>,
) -> impl Iterator<Item = Result<Change, E>> {
    let (mut known, mut entries) = (known.into_iter().peekable(), entries.into_iter().peekable());
    let mut broken = false;
    std::iter::from_fn(move || {
        while !broken {
            let step = step(&mut known, &mut entries)?;
            broken = step.is_err();
            if let Some(change) = step.transpose() {
                return Some(change);
            }
        }
        None
    })
}

/// One id further; `None` at the end, and within it nothing where nothing has changed.
fn step<E>(
    known: &mut Peekable<impl Iterator<Item = Known>>,
    entries: &mut Peekable<impl Iterator<Item = Result<Entry, E>>>,
) -> Option<Result<Option<Change>, E>> {
    let order = match (known.peek(), entries.peek()) {
        (None, None) => return None,
        (_, Some(Err(_))) | (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(old), Some(Ok(new))) => old.id.cmp(&new.id),
    };
    if order == Ordering::Less {
        let old = known.next()?;
        return Some(Ok((!old.gone).then_some(Change::Gone(old.id))));
    }
    let new = match entries.next()? {
        Ok(new) => new,
        Err(error) => return Some(Err(error)),
    };
    while entries.next_if(|next| next.as_ref().is_ok_and(|next| next.id == new.id)).is_some() {}
    let old = if order == Ordering::Equal { known.next() } else { None };
    let same = old.is_some_and(|old| !old.gone && old.digest == new.digest());
    Some(Ok((!same).then(|| Change::Put(Box::new(new)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u8, name: &str) -> Entry {
        Entry { id: EntryId([id; 16]), name: name.into(), ..Entry::default() }
    }

    fn known(id: u8, name: &str, gone: bool) -> Known {
        Known { id: EntryId([id; 16]), digest: entry(id, name).digest(), gone }
    }

    #[test]
    fn what_is_new_other_back_or_gone_is_a_change_and_nothing_else_is() {
        let before = [
            known(1, "same", false),
            known(2, "other", false),
            known(3, "leaves", false),
            known(4, "is gone", true),
            known(5, "is back", true),
            known(9, "leaves at last", false),
        ];
        let now =
            [entry(0, "new"), entry(1, "same"), entry(2, "Other"), entry(5, "is back"), entry(5, "twice")];
        let found: Result<Vec<_>, ()> = changes(before, now.clone().map(Ok)).collect();
        let put = |at: usize| Change::Put(Box::new(now[at].clone()));
        let gone = |id: u8| Change::Gone(EntryId([id; 16]));
        assert_eq!(found, Ok(vec![put(0), put(2), gone(3), put(3), gone(9)]));
    }

    #[test]
    fn what_breaks_off_says_so_and_no_more() {
        let entries = [Ok(entry(1, "a")), Err("cut off"), Ok(entry(2, "b"))];
        let found: Vec<_> = changes([known(3, "c", false)], entries).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1], Err("cut off"), "nobody is gone only because the rest never came");
    }
}
