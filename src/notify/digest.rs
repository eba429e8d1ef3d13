//! Missed calls that are told together, in words: one line for each caller, who called last comes first.

use jiff::Timestamp;
use minijinja::{Value, context};

use super::{
    MissedCall, Notice,
    clean::{self, isolated},
    dates,
    phrases::Phrases,
    wording::{Medium, Shown, initials},
};

/// The calls of one caller, newest first.
#[derive(Debug)]
pub struct Group<'c>(Vec<&'c MissedCall>);

/// The calls by their callers, who called last comes first.
pub fn callers(calls: &[MissedCall]) -> Vec<Group<'_>> {
    let mut newest: Vec<&MissedCall> = calls.iter().collect();
    newest.sort_by_key(|call| std::cmp::Reverse(call.came_in));
    let mut groups: Vec<Group<'_>> = vec![];
    for call in newest {
        match groups.iter_mut().find(|group| is_same(group.0[0], call)) {
            Some(group) => group.0.push(call),
            None => groups.push(Group(vec![call])),
        }
    }
    groups
}

/// Whether the two calls are shown as one caller's. Those who asked not to be named cannot be told apart.
fn is_same(one: &MissedCall, other: &MissedCall) -> bool {
    let who = |call: &MissedCall| {
        let caller = &call.caller;
        let named = || caller.name.clone().map(|name| (name, true));
        let number = caller.number.clone().map(|number| (number, false));
        number.or_else(named).filter(|_| !caller.private)
    };
    who(one) == who(other)
}

/// The subject.
pub(super) fn subject(notice: &Notice, calls: &[MissedCall], phrases: &Phrases) -> String {
    let groups = callers(calls);
    let subject = match groups.as_slice() {
        [one] => phrases.missed_calls_from.replace("{who}", &isolated(&shown(one, notice).who)),
        groups => phrases.missed_calls_of.replace("{m}", &groups.len().to_string()),
    };
    subject.replace("{n}", &calls.len().to_string())
}

/// A line for each caller.
pub(super) fn lines(notice: &Notice, calls: &[MissedCall], phrases: &Phrases, medium: Medium) -> Vec<Value> {
    callers(calls).iter().map(|group| line(group, notice, phrases, medium)).collect()
}

fn shown(group: &Group<'_>, notice: &Notice) -> Shown {
    Shown::of_caller(&group.0[0].caller, notice.language)
}

fn line(group: &Group<'_>, notice: &Notice, phrases: &Phrases, medium: Medium) -> Value {
    let caller = shown(group, notice);
    let times: Vec<Timestamp> = group.0.iter().map(|call| call.came_in).collect();
    let mut called: Vec<String> =
        group.0.iter().filter_map(|call| clean::shown(call.called.as_deref())).collect();
    called.sort();
    called.dedup();
    let called: Vec<String> = called.into_iter().map(|name| medium.own(name)).collect();
    let talked = group.0.iter().filter_map(|call| call.talked).max();
    context! {
        initials => initials(caller.name.as_deref()),
        count => times.len(),
        calls => phrases.calls(times.len()),
        times => dates::times(&times, &notice.time_zone, notice.language),
        talked => talked.map(|at| phrases.talked(at, notice)),
        who => medium.own(caller.who),
        name => caller.name.map(|name| medium.own(name)),
        number => caller.number.map(|number| medium.own(number)),
        link => caller.link,
        called => (!called.is_empty()).then(|| called.join(", ")),
    }
}

#[cfg(test)]
mod tests;
