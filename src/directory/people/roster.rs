//! All persons of a directory, packed: half a million take some 100 MB, and the next roster copies most as it stands.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::pack::{self, Pool};
use crate::directory::{
    dial_plan::DialPlan,
    ldap::Id,
    person::{Kind, Person},
};

/// All persons and dial plans of a directory, in the order of their ids.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    pub(super) heap: Bytes,
    /// Where each person begins in the heap, by id.
    pub(super) starts: Vec<u32>,
    pub(super) pool: Pool,
    /// The UM dial plans.
    pub plans: Vec<DialPlan>,
    /// How far the directory has been read, for whoever reads on.
    pub state: Vec<u8>,
}

/// What has happened to a person.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Is new, or is another now.
    Put(Box<Person>),
    /// Is gone.
    Remove(Id),
}

impl Roster {
    /// Packs persons; of two with one id the later one counts. Persons beyond 4 GiB are left out.
    pub fn of(persons: impl IntoIterator<Item = Person>, plans: Vec<DialPlan>, state: Vec<u8>) -> Self {
        let (mut heap, mut pool, mut starts) = (vec![], Pool::default(), vec![]);
        for person in persons {
            starts.extend(put(&person, &mut pool, &mut heap).map(|start| (person.id, start)));
        }
        heap.shrink_to_fit();
        // A stable sort keeps the order of arrival, so the last of equal ids is the latest.
        starts.sort_by_key(|(id, _)| *id);
        let mut ordered: Vec<(Id, u32)> = Vec::with_capacity(starts.len());
        for (id, start) in starts {
            match ordered.last_mut() {
                Some((last, known)) if *last == id => *known = start,
                _ => ordered.push((id, start)),
            }
        }
        let starts = ordered.into_iter().map(|(_, start)| start).collect();
        Self { heap: heap.into(), starts, pool, plans, state }
    }

    /// The next roster. `plans`: what takes the place of all dial plans; `None`: they stay.
    #[must_use]
    pub fn with(
        &self,
        changes: impl IntoIterator<Item = Change>,
        plans: Option<Vec<DialPlan>>,
        state: Vec<u8>,
    ) -> Self {
        let mut changed = BTreeMap::new();
        for change in changes {
            match change {
                Change::Put(person) => changed.insert(person.id, Some(person)),
                Change::Remove(id) => changed.insert(id, None),
            };
        }
        let mut pool = self.pool.clone();
        let (mut heap, mut starts) = (Vec::with_capacity(self.heap.len()), Vec::with_capacity(self.len()));
        let mut changed = changed.into_iter().peekable();
        for place in 0..self.starts.len() {
            let Some(reader) = self.reader(place) else { continue };
            let Some((id, _)) = pack::head(&mut reader.clone()) else { continue };
            while let Some((_, person)) = changed.next_if(|(new, _)| *new < id) {
                starts.extend(person.and_then(|person| put(&person, &mut pool, &mut heap)));
            }
            match changed.next_if(|(new, _)| *new == id) {
                Some((_, person)) => {
                    starts.extend(person.and_then(|person| put(&person, &mut pool, &mut heap)))
                }
                None => starts.extend(copy(reader.0, &mut heap)),
            }
        }
        for (_, person) in changed {
            starts.extend(person.and_then(|person| put(&person, &mut pool, &mut heap)));
        }
        let plans = plans.unwrap_or_else(|| self.plans.clone());
        Self { heap: heap.into(), starts, pool, plans, state }
    }

    /// How many persons.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// All persons, in the order of their ids.
    pub fn persons(&self) -> impl Iterator<Item = Person> {
        (0..self.len()).filter_map(|place| self.at(place))
    }

    /// All ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = Id> {
        (0..self.len()).filter_map(|place| Some(pack::head(&mut self.reader(place)?)?.0))
    }

    /// The person of that id.
    pub fn find(&self, id: Id) -> Option<Person> {
        let place = |place: usize| pack::head(&mut self.reader(place)?).map(|(id, _)| id);
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if place(middle)? < id { low = middle + 1 } else { high = middle }
        }
        self.at(low).filter(|person| person.id == id)
    }

    /// What it takes of the memory, in octets, as far as it grows with the directory.
    pub fn octets(&self) -> usize {
        self.heap.len() + self.starts.capacity() * size_of::<u32>()
    }

    pub(in crate::directory) fn at(&self, place: usize) -> Option<Person> {
        pack::read(self.reader(place)?, &self.pool)
    }

    pub(in crate::directory) fn name(&self, place: usize) -> Option<&str> {
        Some(pack::head(&mut self.reader(place)?)?.1)
    }

    pub(in crate::directory) fn numbers(&self, place: usize) -> Vec<(Kind, &str)> {
        self.reader(place).and_then(|reader| pack::numbers(reader, &self.pool)).unwrap_or_default()
    }

    fn reader(&self, place: usize) -> Option<pack::Reader<'_>> {
        pack::at(&self.heap, *self.starts.get(place)? as usize)
    }
}

fn put(person: &Person, pool: &mut Pool, heap: &mut Vec<u8>) -> Option<u32> {
    let start = u32::try_from(heap.len()).ok()?;
    pack::write(person, pool, heap);
    Some(start)
}

fn copy(packed: &[u8], heap: &mut Vec<u8>) -> Option<u32> {
    let start = u32::try_from(heap.len()).ok()?;
    pack::Writer(heap).count(packed.len());
    heap.extend_from_slice(packed);
    Some(start)
}
