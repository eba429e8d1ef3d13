//! Lists that the server has refused are tried once more. Whoever is on them has a subscription of its own until the server has
//! told such a list.

use std::{collections::HashSet, sync::Arc};

use super::{super::subscription::Subscription, Connector, GRACE, Key, Lists, Slot};
use crate::presence::subscription::Package;

/// What is known by a dialog of another subscription: no dialog has that number.
const ELSEWHERE: u32 = u32::MAX;

impl Connector {
    /// Asks once more for lists, beside what there is.
    pub(super) fn try_lists(&mut self) {
        let on_trial: HashSet<&Key> =
            self.slots.iter().flatten().filter_map(|slot| slot.trial.as_ref()).flatten().collect();
        let is_tried = !on_trial.is_empty();
        let singles = |package: Package| -> Vec<Key> {
            let is_single = |(key, at): &(&Key, &usize)| {
                key.package == package && key.trial == 0 && !self.is_listed(**at) && !on_trial.contains(*key)
            };
            let found = self.numbers.iter().filter(is_single);
            found.map(|(key, _)| key.clone()).collect()
        };
        let mut tried: Vec<(Arc<str>, bool, Package, Vec<Key>)> = vec![];
        for package in Package::ALL {
            let keys = singles(package);
            match &self.lists {
                _ if keys.is_empty() => {}
                Lists::None => {}
                Lists::Server(uri) => tried.push((Arc::clone(uri), false, package, keys)),
                Lists::Request(uri, most) => {
                    let parts = keys.chunks((*most).max(1));
                    tried.extend(parts.map(|part| (Arc::clone(uri), true, package, part.to_vec())));
                }
            }
        }
        self.lists_again = (is_tried || !tried.is_empty()).then_some(u64::MAX);
        for (uri, ours, package, keys) in tried {
            self.count = self.count.wrapping_add(1);
            let machine = Subscription::new(package, self.count << 12);
            self.begin(Slot { list: Some(ours), trial: Some(keys), ..Slot::new(machine, package, uri) });
        }
    }

    fn is_listed(&self, at: usize) -> bool {
        let resource = self.resources[at].as_ref();
        let slot = resource.and_then(|one| self.slots.get(one.subscription)).and_then(Option::as_ref);
        slot.is_some_and(|slot| slot.list.is_some())
    }

    /// A list on trial is told: its resources move there, and what was known of them holds until the list has said it.
    pub(super) fn stands(&mut self, at: usize, now: u64) {
        let Some(slot) = &mut self.slots[at] else { return };
        let Some(keys) = slot.trial.take() else { return };
        for key in keys {
            let Some(member) = self.numbers.get(&key).copied().filter(|member| !self.is_listed(*member))
            else {
                continue;
            };
            let Some(resource) = &mut self.resources[member] else { continue };
            let before = std::mem::replace(&mut resource.subscription, at);
            for known in &mut resource.known {
                (known.dialog, known.ends) = (ELSEWHERE, known.ends.min(now + GRACE));
            }
            if let Some(slot) = &mut self.slots[at] {
                slot.members.push(member);
            }
            if let Some(single) = &mut self.slots[before] {
                single.members.clear();
                single.machine.wants(false);
            }
            self.look(before);
        }
        if let Some(slot) = &mut self.slots[at] {
            slot.machine.wants(!slot.members.is_empty());
        }
        let is_tried = |slot: &Slot| slot.trial.is_some();
        // Where another package was refused meanwhile, that is left alone until its time.
        if self.lists_again == Some(u64::MAX) && !self.slots.iter().flatten().any(is_tried) {
            // Who has come meanwhile has a subscription alone.
            self.try_lists();
        }
    }
}
