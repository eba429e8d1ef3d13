//! What becomes of a notice that is not told yet when its user has talked with who called.

use jiff::Timestamp;

use super::{Fate, Item};
use crate::notify::Kind;

/// The two have talked: what becomes of the notice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AfterTalk {
    /// It goes as it is: it is about somebody else, or about a call that came later.
    Stays,
    /// It is not told.
    Dropped,
    /// It says that they have talked.
    Marked(Box<Item>),
}

/// What becomes of `item` when its user has talked at `at` with somebody of one of these numbers, which are written as
/// [`Returned`](super::Returned) has them. A digest is marked and never dropped: it tells of others, and its calls make
/// its name.
pub fn after_talk(item: &Item, with: &[String], at: Timestamp) -> AfterTalk {
    let Some(returned) = &item.wish.returned else { return AfterTalk::Stays };
    let is_meant = |call: usize, came_in: Timestamp| {
        let number = returned.numbers.get(call).and_then(Option::as_ref);
        came_in <= at && number.is_some_and(|number| with.contains(number))
    };
    let mut item = item.clone();
    match &mut item.notice.kind {
        // What was said on the tape was not said in the talk.
        Kind::VoiceMail { .. } => AfterTalk::Stays,
        Kind::Missed if !is_meant(0, item.notice.came_in) => AfterTalk::Stays,
        Kind::Missed if returned.fate == Fate::Drop => AfterTalk::Dropped,
        Kind::Missed => {
            item.notice.talked = Some(at);
            AfterTalk::Marked(Box::new(item))
        }
        Kind::Digest { calls } => {
            let mut marked = false;
            for (number, call) in calls.iter_mut().enumerate() {
                if is_meant(number, call.came_in) {
                    call.talked = Some(at);
                    marked = true;
                }
            }
            if marked { AfterTalk::Marked(Box::new(item)) } else { AfterTalk::Stays }
        }
    }
}
