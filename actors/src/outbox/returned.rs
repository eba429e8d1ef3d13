//! "Call returned": notices that still wait while their user talks with who called.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use actix::prelude::*;
use jiff::Timestamp;
use ringpost::{
    directory::Talk,
    notify::CallRecord,
    outbox::{AfterTalk, Fate, Returned, Wish, after_talk},
};
use tracing::{error, info, warn};

use super::Outbox;
use crate::{
    metrics::METRICS,
    store::{Change, ItemId, Row, Scribe, Written},
};

/// Why a notice is closed without having been told.
pub const TALKED: &str = "not told: the user has talked with the caller";

/// How many open notices want to hear of talks; the lanes look before they tell. Where no user has asked for it, that is
/// all that a call pays.
#[derive(Clone, Debug, Default)]
pub struct Asking(Arc<AtomicUsize>);

impl Asking {
    /// Whether there is one.
    pub fn any(&self) -> bool {
        self.0.load(Relaxed) > 0
    }
}

/// Users have talked, since then.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Talked(pub Vec<Talk>, pub Timestamp);

/// The open notices that want to hear of talks, by their users.
#[derive(Default)]
pub struct Returnable {
    users: HashMap<Arc<str>, BTreeMap<ItemId, Returned>>,
    items: HashMap<ItemId, Arc<str>>,
    asking: Asking,
}

impl Returnable {
    pub fn asking(&self) -> Asking {
        self.asking.clone()
    }

    /// Notes a notice, if it wants to hear of talks.
    pub fn note(&mut self, id: ItemId, user: &str, wish: &Wish) {
        let Some(returned) = &wish.returned else { return };
        let user = self.users.get_key_value(user).map_or_else(|| user.into(), |(known, _)| known.clone());
        self.users.entry(user.clone()).or_default().insert(id, returned.clone());
        self.items.insert(id, user);
        self.asking.0.store(self.items.len(), Relaxed);
    }

    pub fn forget(&mut self, id: ItemId) {
        let Some(user) = self.items.remove(&id) else { return };
        if let Some(items) = self.users.get_mut(&user) {
            items.remove(&id);
            if items.is_empty() {
                self.users.remove(&user);
            }
        }
        self.asking.0.store(self.items.len(), Relaxed);
    }

    /// The notices that a talk may concern, and whether each is to be dropped; a digest never is.
    fn concerned(&self, talk: &Talk) -> Vec<(ItemId, bool)> {
        let items = self.users.get(talk.user.as_str()).into_iter().flatten();
        let meant = items.filter(|(_, returned)| {
            returned.numbers.iter().flatten().any(|number| talk.with.contains(number))
        });
        meant
            .map(|(id, returned)| (*id, returned.fate == Fate::Drop && returned.numbers.len() == 1))
            .collect()
    }
}

impl Outbox {
    /// Whether any notice wants to hear of talks.
    pub fn asking(&self) -> Asking {
        self.returnable.asking()
    }
}

impl Handler<Talked> for Outbox {
    type Result = ();

    fn handle(&mut self, Talked(talks, at): Talked, ctx: &mut Context<Self>) {
        self.guarded(ctx, |this, ctx| {
            let mut concerned = vec![];
            for talk in talks {
                for (id, drop) in this.returnable.concerned(&talk) {
                    // What is being sent right now is told.
                    if drop && this.unqueue(id) == Some(true) {
                        concerned.push((id, talk.with.clone()));
                    } else if !drop && this.waits(id) {
                        // Whoever sends it next reads it afresh.
                        this.fresh.remove(&id);
                        concerned.push((id, talk.with.clone()));
                    }
                }
            }
            if !concerned.is_empty() {
                let scribe = this.scribe.clone();
                let settled = settled(scribe, concerned, at).into_actor(this);
                ctx.spawn(settled.map(|done, this, ctx| {
                    if !done {
                        this.load(0, 0, ctx);
                    }
                }));
            }
        });
    }
}

/// Writes down what becomes of each notice, and its line in the call log (R211). False: one has left its queue, and still
/// has to be told.
async fn settled(scribe: Scribe, concerned: Vec<(ItemId, Vec<String>)>, at: Timestamp) -> bool {
    let (mut logged, mut all_read) = (BTreeSet::new(), true);
    for (id, with) in concerned {
        let item = match scribe.load(id).await {
            Some(Ok(Some((item, _)))) => item,
            Some(Ok(None)) | None => continue,
            Some(Err(error)) => {
                error!(item = id, %error, "A notice cannot be read from the store");
                all_read = false;
                continue;
            }
        };
        let after = after_talk(&item, &with, at);
        let lines = after.lines(&item, at);
        let change = match after {
            AfterTalk::Stays => {
                all_read = false;
                continue;
            }
            AfterTalk::Dropped => Change::Untold { reason: TALKED.into() },
            AfterTalk::Marked(item) => Change::Rewrite(Row::of(*item).expect("it was written once already")),
        };
        let dropped = matches!(change, Change::Untold { .. });
        if scribe.change(id, change).await != Some(Written::Done) {
            continue;
        }
        METRICS.notices_returned_total.one();
        info!(item = id, call = item.notice.call_id, dropped, "A user has talked with who called");
        let new = |line: &CallRecord| logged.insert((line.user.clone(), line.call_id.clone()));
        let lost = lines.into_iter().filter(new).filter(|line| !scribe.record(line.clone())).count();
        if lost > 0 {
            warn!(lost, "Lines of the call log are lost, the store is too slow");
        }
    }
    all_read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lanes_look_at_one_number_which_is_zero_as_long_as_nobody_asks() {
        let mut notices = Returnable::default();
        let asking = notices.asking();
        let number = |number: &str| Some(number.to_owned());
        let wish = |fate, numbers| Wish { returned: Some(Returned { fate, numbers }), ..Wish::default() };
        notices.note(1, "sip:a@x.test", &Wish::default());
        assert!(!asking.any(), "nobody asks");
        notices.note(2, "sip:a@x.test", &wish(Fate::Drop, vec![number("201")]));
        notices.note(2, "sip:a@x.test", &wish(Fate::Drop, vec![number("201")]));
        notices.note(3, "sip:a@x.test", &wish(Fate::Mark, vec![number("201")]));
        notices.note(4, "sip:a@x.test", &wish(Fate::Drop, vec![number("202"), None]));
        notices.note(5, "sip:b@x.test", &wish(Fate::Drop, vec![number("201")]));
        assert!(asking.any());
        for (user, with, concerned) in [
            ("sip:a@x.test", &["201"][..], &[(2, true), (3, false)][..]),
            ("sip:a@x.test", &["202", "203"], &[(4, false)]),
            ("sip:b@x.test", &["201"], &[(5, true)]),
            ("sip:c@x.test", &["201"], &[]),
        ] {
            let with = with.iter().map(|number| (*number).to_owned()).collect();
            let talk = Talk { user: user.to_owned(), with };
            assert_eq!(notices.concerned(&talk), concerned, "{talk:?}");
        }
        (1..=5).for_each(|id| notices.forget(id));
        assert!(!asking.any());
    }
}
