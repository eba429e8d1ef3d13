//! What came of requests, and what follows of it for resources.

use super::{
    super::{message::Answer, subscription::Gone},
    Connector, Effect, GRACE,
};

/// A server that has lost one subscription has lost the others, most likely; but not all the time.
const DOUBTS: u64 = 30_000;

/// A login that was not taken so often in a row is taken for nobody.
const UNPROVED: u32 = 3;

impl Connector {
    /// What came of a request: the number of the subscription, the request's serial and its CSeq in the end.
    pub fn answered(
        &mut self,
        at: usize,
        (serial, sequence): (u32, u32),
        answer: Answer,
        now: u64,
        random: u32,
    ) {
        self.under_way = self.under_way.saturating_sub(1);
        match answer {
            Answer::Silent => self.misses_it(),
            _ => self.hears_of_it(Some(at)),
        }
        let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut) else { return };
        let (held, is_list, recent) = (slot.machine.is_held(), slot.list.is_some(), slot.epoch == self.epoch);
        match answer {
            Answer::Taken(_) => (self.unproved, self.admitted, self.denied) = (0, true, false),
            Answer::Unproved => {
                self.unproved += 1;
                // Others are let in by the same login: it may be this resource's own trouble, once or twice.
                if !self.admitted || self.unproved >= UNPROVED {
                    (self.admitted, self.rest) = (false, self.rest.max(now + self.pace.terms.recheck));
                }
            }
            Answer::Denied => self.denied = true,
            Answer::NotFound | Answer::Gone | Answer::Brief(_) | Answer::Unknown(_) => {
                self.admitted = self.unproved == 0;
            }
            Answer::Ill(Some(after)) => self.rest = now + 1_000 * u64::from(after.min(3_600)),
            _ => {}
        }
        let began = slot.machine.trouble().is_some();
        slot.machine.answered((serial, sequence), answer.clone(), &self.pace.terms, now, random);
        if matches!(answer, Answer::Taken(_)) && held {
            let prolonged: Vec<_> = slot.members.clone();
            for member in prolonged {
                self.prolong(member, at);
            }
        }
        self.settle(at, now);
        self.look(at);
        if is_list && began && matches!(answer, Answer::Unknown(_) | Answer::NotFound | Answer::Denied) {
            return self.refuses_list(at, now);
        }
        if answer == Answer::Gone && held && recent && now >= self.doubts {
            self.doubts = now + DOUBTS;
            self.epoch += 1;
            self.doubt_all(None);
        }
    }

    /// A list is not taken. One on trial ends the trial of its package, and what there is stays; any other ends all lists.
    pub(super) fn refuses_list(&mut self, at: usize, now: u64) {
        let Some(refused) = &self.slots[at] else { return };
        if refused.trial.is_none() {
            return self.single_out(now);
        }
        let package = refused.package;
        self.lists_again = Some(now + self.pace.terms.recheck);
        for at in 0..self.slots.len() {
            if let Some(slot) = &mut self.slots[at]
                && slot.package == package
                && slot.trial.take().is_some()
            {
                slot.machine.wants(false);
                self.look(at);
            }
        }
    }

    /// Lists are not taken: one subscription for each of their resources. That is asked again when a refusal for good is.
    fn single_out(&mut self, now: u64) {
        if self.lists_again.replace(now + self.pace.terms.recheck).is_none() {
            self.effects.push(Effect::NoLists);
        }
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots[at].as_mut().filter(|slot| slot.list.is_some()) else { continue };
            slot.machine.wants(false);
            slot.trial = None;
            for member in std::mem::take(&mut slot.members) {
                let Some(key) = self.resources[member].as_ref().map(|one| one.key.clone()) else { continue };
                let subscription = self.place(&key, member);
                if let Some(resource) = &mut self.resources[member] {
                    (resource.subscription, resource.listed) = (subscription, None);
                    // Nobody prolongs or takes back what the list has said.
                    resource.known.clear();
                }
                self.changed.insert(key);
            }
            self.look(at);
        }
    }

    fn prolong(&mut self, member: usize, at: usize) {
        let Some(slot) = &self.slots[at] else { return };
        let Some(resource) = &mut self.resources[member] else { return };
        let mut longer = false;
        for known in &mut resource.known {
            if let Some(ends) = slot.machine.ends(known.dialog).filter(|ends| *ends != known.ends) {
                (known.ends, longer) = (ends, true);
            }
        }
        if longer {
            self.effects.push(Effect::Prolonged(resource.key.clone()));
        }
    }

    /// After a subscription's machine was asked or told something: what its dialogs have said goes with them.
    pub(super) fn settle(&mut self, at: usize, now: u64) {
        let Some(slot) = &mut self.slots[at] else { return };
        let gone = slot.machine.gone();
        for Gone { dialog, followed } in gone {
            slot.versions.retain(|(of, _)| *of != dialog);
            for member in &slot.members {
                let Some(resource) = &mut self.resources[*member] else { continue };
                let before = resource.known.len();
                match followed {
                    true => resource
                        .known
                        .iter_mut()
                        .filter(|known| known.dialog == dialog)
                        .for_each(|known| known.ends = known.ends.min(now + GRACE)),
                    false => resource.known.retain(|known| known.dialog != dialog),
                }
                if followed || resource.known.len() < before {
                    self.changed.insert(resource.key.clone());
                }
            }
        }
        // Whatever the machine is in now is shown.
        if let Some(slot) = &self.slots[at] {
            if slot.machine.trouble().is_some() {
                let keys = slot.members.iter().filter_map(|member| self.resources[*member].as_ref());
                self.changed.extend(keys.map(|resource| resource.key.clone()));
            }
            if slot.machine.is_over() && slot.members.is_empty() {
                self.tags.remove(&slot.tag);
                if slot.tag != 0 {
                    self.effects.push(Effect::Ends(slot.tag));
                }
                self.slots[at] = None;
                self.free.push(at);
            }
        }
    }
}
