//! What becomes of a notice that is not told yet when its user has talked with who called.

use jiff::Timestamp;

use super::{Fate, Item, Way};
use crate::notify::{Action, CallRecord, Kind, MissedCall, Reason, Verdict};

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

impl AfterTalk {
    /// The lines of the call log that say so, one for each call of `before` that it concerns.
    pub fn lines(&self, before: &Item, at: Timestamp) -> Vec<CallRecord> {
        let action = match (self, &before.way) {
            (Self::Stays, _) => return vec![],
            (Self::Dropped, _) => Action::Silent,
            (Self::Marked(_), Way::Um { .. }) => Action::TellUm,
            (Self::Marked(_), Way::By { .. }) => Action::Mail,
        };
        let line = |call: MissedCall| CallRecord {
            call_id: call.call_id,
            user: before.notice.user.clone(),
            caller: call.caller,
            came_in: call.came_in,
            rang_for: call.rang_for,
            outcome: call.outcome,
            verdict: Verdict { action, reason: Reason::CallReturned },
            answered_by: None,
        };
        match self {
            Self::Marked(item) => match &item.notice.kind {
                Kind::Digest { calls } => {
                    calls.iter().filter(|call| call.talked == Some(at)).cloned().map(line).collect()
                }
                Kind::Missed | Kind::VoiceMail { .. } | Kind::Locked { .. } => {
                    vec![line(MissedCall::of(&item.notice))]
                }
            },
            Self::Dropped | Self::Stays => vec![line(MissedCall::of(&before.notice))],
        }
    }
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
        Kind::VoiceMail { .. } | Kind::Locked { .. } => AfterTalk::Stays,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        address::{Caller, Language},
        call::Outcome,
        notify::Notice,
        outbox::{Returned, Wish, gathered},
    };

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(60 * minute).expect("a timestamp")
    }

    /// A call of that number that came in at that minute.
    fn item(number: Option<&str>, minute: i64, fate: Option<Fate>) -> Item {
        let number = number.map(str::to_owned);
        let notice = Notice {
            kind: Kind::Missed,
            user: "sip:tu@x.test".into(),
            user_name: None,
            mail: None,
            language: Language::En,
            time_zone: "UTC".into(),
            call_id: format!("call-{minute}"),
            caller: Caller { number: number.clone(), ..Caller::default() },
            came_in: at(minute),
            rang_for: Duration::ZERO,
            outcome: Outcome::GaveUpRinging,
            talked: None,
            called: None,
        };
        let returned = fate.map(|fate| Returned { fate, numbers: vec![number] });
        Item { wish: Wish { returned, ..Wish::default() }, ..Item::new(notice, Way::mail(), at(minute)) }
    }

    #[test]
    fn a_talk_settles_what_was_about_that_caller_before_it() {
        let with = ["+4930".to_owned(), "201".to_owned()];
        let mut voice_mail = item(Some("201"), 1, Some(Fate::Drop));
        voice_mail.notice.kind =
            Kind::VoiceMail { recording: "x".into(), duration: Duration::ZERO, urgent: false };
        for (item, end) in [
            (item(Some("+4930"), 1, Some(Fate::Drop)), "dropped"),
            (item(Some("201"), 5, Some(Fate::Drop)), "dropped"),
            (item(Some("201"), 1, Some(Fate::Mark)), "marked"),
            (item(Some("201"), 1, None), "stays"),
            (item(Some("202"), 1, Some(Fate::Drop)), "stays"),
            (item(None, 1, Some(Fate::Mark)), "stays"),
            (item(Some("201"), 6, Some(Fate::Drop)), "stays"),
            (voice_mail, "stays"),
        ] {
            let after = after_talk(&item, &with, at(5));
            let lines = after.lines(&item, at(5));
            let said = match &after {
                AfterTalk::Stays => "stays",
                AfterTalk::Dropped => "dropped",
                AfterTalk::Marked(marked) => {
                    assert_eq!(marked.notice.talked, Some(at(5)));
                    "marked"
                }
            };
            assert_eq!((said, lines.len()), (end, usize::from(end != "stays")), "{item:?}");
            assert!(lines.iter().all(|line| line.verdict.reason == Reason::CallReturned));
        }
    }

    #[test]
    fn a_digest_is_marked_where_it_tells_of_that_caller_and_keeps_its_key() {
        let items = [
            item(Some("201"), 1, Some(Fate::Drop)),
            item(None, 2, None),
            item(Some("202"), 3, Some(Fate::Drop)),
            item(Some("201"), 9, Some(Fate::Drop)),
        ];
        let digest = gathered(&items, at(10)).expect("some");
        let after = after_talk(&digest, &["201".into()], at(5));
        let AfterTalk::Marked(marked) = &after else { panic!("{after:?}") };
        let Kind::Digest { calls } = &marked.notice.kind else { panic!("a digest") };
        let talked: Vec<_> = calls.iter().map(|call| call.talked.is_some()).collect();
        assert_eq!(talked, [true, false, false, false]);
        let key = |item: &Item| crate::outbox::Key::of(&item.notice);
        assert_eq!(key(marked), key(&digest));
        let lines: Vec<_> = after.lines(&digest, at(5)).into_iter().map(|line| line.call_id).collect();
        assert_eq!(lines, ["call-1"]);
        assert_eq!(after_talk(&digest, &["203".into()], at(5)), AfterTalk::Stays);
    }

    #[test]
    fn a_digest_tells_its_calls_in_order_and_names_who_called_alone() {
        assert_eq!(gathered(&[], at(1)), None);
        let single = item(Some("201"), 1, Some(Fate::Mark));
        assert_eq!(gathered(std::slice::from_ref(&single), at(9)), Some(single.clone()));
        let alone = gathered(&[single.clone(), item(Some("201"), 2, None)], at(9)).expect("some");
        assert_eq!(alone.notice.caller, single.notice.caller);
        assert_eq!((alone.posted, alone.notice.came_in), (at(9), at(2)));
        let returned = alone.wish.returned.expect("the first one asks");
        assert_eq!((returned.fate, returned.numbers), (Fate::Mark, vec![Some("201".to_owned()), None]));
        let two = gathered(&[single, item(Some("202"), 2, None)], at(9)).expect("some");
        assert_eq!(two.notice.caller, Caller::default());
    }
}
