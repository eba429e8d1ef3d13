//! Whose devices a call has rung, where it may ring those of several users, and who of them is told (R201).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ringpost::{
    call::{Leg, Outcome},
    notify::{
        Tell,
        group::{self, CALLED},
        not_missed,
    },
    policy::Party,
    settings::User,
};
use smallvec::SmallVec;

use super::CallActor;

/// The legs that rang, in the order in which they began to, with when they did and when they stopped.
#[derive(Default)]
pub(super) struct Rung(Vec<(Leg, Instant, Option<Instant>)>);

impl Rung {
    pub(super) fn rang(&mut self, leg: Leg) {
        if !self.0.iter().any(|(of, ..)| *of == leg) {
            self.0.push((leg, Instant::now(), None));
        }
    }

    pub(super) fn stopped(&mut self, leg: Leg) {
        if let Some((.., until)) = self.0.iter_mut().find(|(of, ..)| *of == leg) {
            until.get_or_insert_with(Instant::now);
        }
    }
}

/// A user whom a call was for, or whose devices it rang as well.
pub(super) struct Reached {
    pub(super) user: Arc<User>,
    /// How long the user's devices rang.
    pub(super) rang_for: Duration,
    /// Whether the user is one who may be told.
    pub(super) is_told: bool,
    /// Where a mail goes in place of the user's own address.
    pub(super) address: Option<String>,
}

impl CallActor {
    /// Who is reached: the user who was called comes first, then, of a call that was missed, those others who may be told.
    pub(super) fn reached(&self, outcome: Outcome) -> SmallVec<[Reached; 1]> {
        let called = |is_told, address| Reached {
            user: Arc::clone(&self.user),
            rang_for: self.rang_for(),
            is_told,
            address,
        };
        let tell = &self.user.notices.tell;
        let others = || self.planned.parties.iter().any(|party| self.is_other(party));
        if *tell == Tell::First || not_missed(outcome).is_some() || !others() {
            return [called(true, None)].into_iter().collect();
        }
        let mut others: Vec<(Arc<User>, Instant, Instant)> = vec![];
        let mut order = vec![];
        let now = Instant::now();
        for (leg, since, until) in &self.rung.0 {
            let until = until.unwrap_or(now);
            match self.stands_for(*leg) {
                Some(party @ Party::Device(user, _)) if self.is_other(party) => {
                    let known = others.iter().position(|(other, ..)| other.address == user.address);
                    let at = known.unwrap_or(others.len());
                    match others.get_mut(at) {
                        Some((.., last)) => *last = until.max(*last),
                        None => others.push((Arc::clone(user), *since, until)),
                    }
                    order.push(at as u8 + 1);
                }
                Some(Party::Device(..)) => order.push(CALLED),
                Some(Party::Outside(_)) | None => {}
            }
        }
        let own = |leg: &Leg| {
            self.stands_for(*leg)
                .is_some_and(|party| matches!(party, Party::Device(..)) && !self.is_other(party))
        };
        let told = group::told(tell, self.legs.iter().any(|(leg, _)| own(leg)), &order);
        let address = match tell {
            Tell::Address(address) => Some(address.clone()),
            Tell::First | Tell::Last | Tell::All => None,
        };
        let first = called(told.contains(&CALLED), address);
        let others = others.into_iter().enumerate().filter(|(at, _)| told.contains(&(*at as u8 + 1)));
        let others = others.map(|(_, (user, since, until))| Reached {
            user,
            rang_for: until.saturating_duration_since(since),
            is_told: true,
            address: None,
        });
        std::iter::once(first).chain(others).collect()
    }

    /// Whether a device of that user has said that the call is unwanted (607, RFC 8197) or rejected as spam (608, RFC 8688),
    /// or the caller's side has when it gave up.
    pub(super) fn is_unwanted_by(&self, user: &User) -> bool {
        let of_user = |leg: &Leg| match (leg, self.stands_for(*leg)) {
            (Leg::Phone(_), Some(Party::Device(of, _))) => of.address == user.address,
            // Without a policy every phone is the user's own.
            (Leg::Phone(_), None) => user.address == self.user.address,
            _ => false,
        };
        self.given_up_as_spam
            || self.refusals.iter().any(|(leg, said)| matches!(said.code(), Some(607 | 608)) && of_user(leg))
    }

    pub(super) fn stands_for(&self, leg: Leg) -> Option<&Party> {
        match leg {
            Leg::Phone(number) => self.planned.parties.get(usize::from(number)),
            Leg::Caller | Leg::Um(_) => None,
        }
    }

    fn is_other(&self, party: &Party) -> bool {
        matches!(party, Party::Device(user, _) if user.address != self.user.address)
    }
}
