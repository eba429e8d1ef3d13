//! Missed calls that are told together.

use jiff::Timestamp;

use super::{Item, Returned, Wish};
use crate::{
    address::Caller,
    notify::{Kind, MissedCall, Notice, digest::callers},
};

/// One item for all of these, which are missed calls of one user, in the order in which they came; `posted` is its time.
/// `None` where there are none. A single one stays what it is.
pub fn gathered(items: &[Item], posted: Timestamp) -> Option<Item> {
    let (last, before) = items.split_last()?;
    if before.is_empty() {
        return Some(Item { wish: last.wish.clone().at_once(), ..last.clone() });
    }
    let calls: Vec<MissedCall> = items.iter().map(|item| MissedCall::of(&item.notice)).collect();
    // Who called alone is named as in any other notice.
    let alone = callers(&calls).len() == 1;
    let caller = if alone { last.notice.caller.clone() } else { Caller::default() };
    let kind = Kind::Digest { calls };
    let notice = Notice { kind, caller, talked: None, called: None, ..last.notice.clone() };
    Some(Item { wish: wish(items), ..Item::new(notice, last.way.clone(), posted) })
}

fn wish(items: &[Item]) -> Wish {
    let fate = items.iter().rev().find_map(|item| item.wish.returned.as_ref().map(|returned| returned.fate));
    let number = |item: &Item| item.wish.returned.as_ref()?.numbers.first()?.clone();
    let returned = fate.map(|fate| Returned { fate, numbers: items.iter().map(number).collect() });
    Wish { returned, ..Wish::default() }
}
