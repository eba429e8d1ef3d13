//! The waiting room: notices that do not go yet, each with its time, and those that go together. Time is a duration since
//! some beginning, so that no clock moves it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use super::{ChannelName, Wait};

/// Calls that one digest tells at most; more are told by several.
pub const MOST: usize = 100;

/// Who gathers: a user, for one channel.
pub type Group = (Arc<str>, ChannelName);

/// What may go now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Leaving<I> {
    /// This one.
    Held(I),
    /// These, as one: in the order in which they came. At least one.
    Gathered(Vec<I>),
}

/// The room; `I` names a notice, later ones are greater.
#[derive(Debug)]
pub struct Room<I> {
    all: BTreeMap<I, Place>,
    alone: BTreeSet<(Duration, I)>,
    groups: HashMap<Group, Gathering<I>>,
    due: BTreeSet<(Duration, Group)>,
}

#[derive(Debug)]
enum Place {
    Alone(Duration),
    In(Group),
}

#[derive(Debug)]
struct Gathering<I> {
    members: BTreeMap<I, Member>,
    all: Member,
    due: Duration,
}

/// A member, or what all of them together are.
#[derive(Clone, Copy, Debug)]
struct Member {
    /// None of them goes before.
    from: Duration,
    /// The first of them has waited long enough then.
    until: Duration,
    /// So many are enough.
    calls: u32,
}

impl Member {
    fn and(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            until: self.until.min(other.until),
            calls: self.calls.min(other.calls),
        }
    }
}

impl<I> Default for Room<I> {
    fn default() -> Self {
        Self { all: BTreeMap::new(), alone: BTreeSet::new(), groups: HashMap::new(), due: BTreeSet::new() }
    }
}

impl<I: Copy + Ord> Room<I> {
    /// Takes a notice in, unless it is here already.
    pub fn enter(&mut self, one: I, wait: Wait, group: Group, now: Duration) {
        if self.has(one) {
            return;
        }
        let from = now + wait.hold;
        let Some((patience, calls)) = wait.gather else {
            self.all.insert(one, Place::Alone(from));
            self.alone.insert((from, one));
            return;
        };
        self.all.insert(one, Place::In(group.clone()));
        let member = Member { from, until: now + patience, calls };
        let gathering = self.groups.entry(group.clone()).or_insert_with(|| Gathering {
            members: BTreeMap::new(),
            all: member,
            due: Duration::MAX,
        });
        gathering.members.insert(one, member);
        gathering.all = gathering.all.and(member);
        self.plan(&group);
    }

    /// Takes a notice out; false: it is not here.
    pub fn take(&mut self, one: I) -> bool {
        match self.all.remove(&one) {
            Some(Place::Alone(at)) => self.alone.remove(&(at, one)),
            Some(Place::In(group)) => {
                if let Some(gathering) = self.groups.get_mut(&group) {
                    gathering.members.remove(&one);
                    let rest = gathering.members.values().copied();
                    gathering.all = rest.reduce(Member::and).unwrap_or(gathering.all);
                }
                self.plan(&group);
                true
            }
            None => false,
        }
    }

    /// Whether a notice is here.
    pub fn has(&self, one: I) -> bool {
        self.all.contains_key(&one)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes out what may go now.
    pub fn leave(&mut self, now: Duration) -> Vec<Leaving<I>> {
        let mut leaving = vec![];
        while let Some((_, one)) = self.alone.first().copied().filter(|(at, _)| *at <= now) {
            self.alone.pop_first();
            self.all.remove(&one);
            leaving.push(Leaving::Held(one));
        }
        while let Some((_, group)) = self.due.first().filter(|(at, _)| *at <= now).cloned() {
            self.due.pop_first();
            let members = self.groups.remove(&group).map(|gathering| gathering.members).unwrap_or_default();
            let members: Vec<I> = members.into_keys().collect();
            members.iter().for_each(|one| drop(self.all.remove(one)));
            leaving.extend(members.chunks(MOST).map(|some| Leaving::Gathered(some.to_vec())));
        }
        leaving
    }

    /// When something may go next.
    pub fn next_at(&self) -> Option<Duration> {
        let alone = self.alone.first().map(|(at, _)| *at);
        alone.into_iter().chain(self.due.first().map(|(at, _)| *at)).min()
    }

    /// Notes when a group is due: when its first member has waited long enough or there are enough of them, and none of
    /// them is held any more.
    fn plan(&mut self, group: &Group) {
        let Some(gathering) = self.groups.get_mut(group) else { return };
        self.due.remove(&(gathering.due, group.clone()));
        if gathering.members.is_empty() {
            self.groups.remove(group);
            return;
        }
        let Member { from, until, calls } = gathering.all;
        let full = gathering.members.len() >= calls as usize;
        gathering.due = if full { from } else { from.max(until) };
        self.due.insert((gathering.due, group.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Leaving::{Gathered, Held};

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn group(user: &str) -> Group {
        (user.into(), ChannelName::mail().clone())
    }

    /// Those who enter: (number, at, held for, gathers for, user); digests of three calls.
    type Comes = (u32, u64, u64, Option<u64>, &'static str);

    type Row<'r> = (&'r str, &'r [Comes], u64, &'r [Leaving<u32>]);

    fn room(comes: &[Comes]) -> Room<u32> {
        let mut room = Room::default();
        for (one, at, hold, gathers, user) in comes {
            let gather = gathers.map(|seconds| (secs(seconds), 3));
            room.enter(*one, Wait { hold: secs(*hold), gather }, group(user), secs(*at));
        }
        room
    }

    #[test]
    fn each_goes_in_its_time_and_those_that_gather_together() {
        #[rustfmt::skip]
        let table: [Row<'_>; 11] = [
            ("held", &[(1, 0, 10, None, "a"), (2, 5, 3, None, "a")], 8, &[Held(2)]),
            ("held until then", &[(1, 0, 10, None, "a")], 10, &[Held(1)]),
            ("a single call, not yet", &[(1, 0, 0, Some(30), "a")], 29, &[]),
            ("a single call", &[(1, 0, 0, Some(30), "a")], 30, &[Gathered(vec![1])]),
            ("the first one's window", &[(1, 0, 0, Some(30), "a"), (2, 29, 0, Some(30), "a")], 30, &[Gathered(vec![1, 2])]),
            ("enough", &[(1, 0, 0, Some(30), "a"), (2, 1, 0, Some(30), "a"), (3, 2, 0, Some(30), "a")], 2, &[Gathered(vec![1, 2, 3])]),
            ("each user for itself", &[(1, 0, 0, Some(30), "a"), (2, 1, 0, Some(30), "b")], 30, &[Gathered(vec![1])]),
            ("enough, but held", &[(1, 0, 9, Some(5), "a"), (2, 1, 8, Some(5), "a"), (3, 2, 7, Some(5), "a")], 8, &[]),
            ("enough and held no more", &[(1, 0, 9, Some(5), "a"), (2, 1, 8, Some(5), "a"), (3, 2, 7, Some(5), "a")], 9, &[Gathered(vec![1, 2, 3])]),
            ("one of them is held", &[(1, 0, 0, Some(5), "a"), (2, 1, 20, Some(5), "a")], 20, &[]),
            ("and then not", &[(1, 0, 0, Some(5), "a"), (2, 1, 20, Some(5), "a")], 21, &[Gathered(vec![1, 2])]),
        ];
        for (what, comes, now, leaving) in table {
            let mut room = room(comes);
            let before = room.len();
            assert_eq!(room.leave(secs(now)), leaving, "{what}");
            let gone = leaving.iter().map(|one| match one {
                Held(_) => 1,
                Gathered(members) => members.len(),
            });
            assert_eq!(before - room.len(), gone.sum::<usize>(), "{what}");
        }
    }

    #[test]
    fn who_is_taken_out_counts_no_more_and_opens_no_window() {
        let mut room = room(&[(1, 0, 0, Some(30), "a"), (2, 10, 0, Some(30), "a"), (3, 10, 9, None, "a")]);
        assert_eq!(room.next_at(), Some(secs(19)));
        assert!(room.take(3) && !room.take(3) && room.take(1));
        assert_eq!((room.next_at(), room.len()), (Some(secs(40)), 1));
        room.enter(2, Wait::default(), group("a"), secs(11));
        assert_eq!(room.leave(secs(39)), [], "it was there already");
        assert_eq!(room.leave(secs(40)), [Gathered(vec![2])]);
        assert!(room.is_empty() && room.next_at().is_none() && !room.has(2));
        room.enter(4, Wait { gather: Some((secs(1), 1)), ..Wait::default() }, group("a"), secs(50));
        assert!(room.take(4) && room.next_at().is_none());
    }

    #[test]
    fn a_night_of_thousands_of_calls_is_told_in_pieces() {
        let mut room = Room::default();
        for one in 0..250 {
            room.enter(one, Wait { hold: secs(60), gather: Some((secs(5), 3)) }, group("a"), Duration::ZERO);
        }
        let sizes: Vec<usize> = room
            .leave(secs(60))
            .iter()
            .map(|one| match one {
                Held(_) => 0,
                Gathered(members) => members.len(),
            })
            .collect();
        assert_eq!(sizes, [100, 100, 50]);
    }
}
