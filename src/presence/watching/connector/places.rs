//! Which resources are watched, and by which subscription each of them is.

use std::sync::Arc;

use super::{super::subscription::Subscription, Connector, Key, Lists, Resource, Slot};

impl Connector {
    /// Watches that from now on.
    pub fn add(&mut self, key: Key) {
        if self.numbers.contains_key(&key) {
            return;
        }
        let at = self.vacant.pop().unwrap_or_else(|| {
            self.resources.push(None);
            self.resources.len() - 1
        });
        let subscription = self.place(&key, at);
        if key.trial > 0 && self.ready.back() == Some(&subscription) {
            // An admin waits, who may have put the login right.
            self.ready.rotate_right(1);
            self.rest = if self.unproved > 0 { 0 } else { self.rest };
        }
        self.resources[at] = Some(Resource { key: key.clone(), subscription, known: vec![], listed: None });
        self.numbers.insert(key, at);
    }

    /// The subscription that a resource becomes part of.
    pub(super) fn place(&mut self, key: &Key, at: usize) -> usize {
        let single = key.trial > 0 || self.lists_again.is_some();
        let (uri, list, most) = match &self.lists {
            _ if single => (Arc::clone(&key.uri), None, 1),
            Lists::None => (Arc::clone(&key.uri), None, 1),
            Lists::Server(uri) => (Arc::clone(uri), Some(false), usize::MAX),
            Lists::Request(uri, most) => (Arc::clone(uri), Some(true), *most),
        };
        // A list of ours takes no more members once it was sent.
        let has_room = |slot: &Slot| {
            let open = slot.list == Some(false) || slot.machine.tag() == 0;
            slot.list.is_some()
                && slot.trial.is_none()
                && slot.package == key.package
                && open
                && slot.members.len() < most
        };
        let found = list.and_then(|_| self.slots.iter().position(|slot| slot.as_ref().is_some_and(has_room)));
        if let Some(found) = found {
            if let Some(slot) = &mut self.slots[found] {
                slot.members.push(at);
                slot.machine.wants(true);
                // What the list said of it before is said again.
                slot.machine.doubt();
            }
            self.look(found);
            return found;
        }
        self.count = self.count.wrapping_add(1);
        // Serials of one that took the place of another must not be taken for that one's.
        let machine = Subscription::new(key.package, self.count << 12);
        self.begin(Slot { list, members: vec![at], ..Slot::new(machine, key.package, uri) })
    }

    /// A subscription's place; its number.
    pub(super) fn begin(&mut self, slot: Slot) -> usize {
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[number] = Some(slot);
        self.look(number);
        number
    }

    /// Watches that no more.
    pub fn remove(&mut self, key: &Key) {
        let Some(at) = self.numbers.remove(key) else { return };
        let Some(resource) = self.resources[at].take() else { return };
        self.vacant.push(at);
        let number = resource.subscription;
        if let Some(slot) = &mut self.slots[number] {
            slot.members.retain(|member| *member != at);
            slot.machine.wants(!slot.members.is_empty());
            self.look(number);
        }
    }
}
