//! Reliable provisional responses: each is sent again until its PRACK comes (RFC 3262). Times are in milliseconds.

use std::collections::VecDeque;

use super::{
    build::Draft,
    message::Message,
    name::Name,
    text::number,
    transaction::timer::{T1, T1_64},
};

/// How many provisional responses wait for the PRACK of the one before; further ones are dropped.
const WAITING: usize = 8;

/// What a caller wants of provisional responses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wish {
    /// It does not know reliable ones.
    None,
    /// It understands them.
    Able,
    /// It takes no others but 100.
    Must,
}

impl Wish {
    /// The wish in an INVITE (§3).
    pub fn of(invite: &Message) -> Self {
        let has = |name| invite.list(name).any(|tag| tag.eq_ignore_ascii_case(b"100rel"));
        match (has(Name::Require), has(Name::Supported)) {
            (true, _) => Self::Must,
            (false, true) => Self::Able,
            (false, false) => Self::None,
        }
    }
}

/// The number of a reliable provisional response; `None` where it is not one.
pub fn rseq(response: &Message) -> Option<u32> {
    let rseq = response.first(Name::RSeq)?;
    let required = response.list(Name::Require).any(|tag| tag.eq_ignore_ascii_case(b"100rel"));
    let provisional = response.code().is_some_and(|code| (101..200).contains(&code));
    number(rseq).filter(|_| required && provisional)
}

/// What a PRACK acknowledges.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RAck {
    /// The RSeq of the response.
    pub rseq: u32,
    /// The CSeq number of the INVITE.
    pub sequence: u32,
}

impl RAck {
    /// Reads `RAck: rseq cseq INVITE` (§7.2); `None` where it is missing, unreadable or about another method.
    pub fn read(prack: &Message) -> Option<Self> {
        let value = prack.first(Name::RAck)?;
        let mut words = value.split(|o| o.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let (rseq, sequence) = (number(words.next()?)?, number(words.next()?)?);
        (words.next()? == b"INVITE" && words.next().is_none()).then_some(Self { rseq, sequence })
    }
}

/// What is to be done about the response that has no PRACK.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due {
    /// Nothing: there is none.
    Nothing,
    /// Nothing for that many milliseconds.
    In(u64),
    /// It is sent again, and the next look is in that many milliseconds.
    Again(u64),
    /// 64*T1 are over: the INVITE is refused (§3).
    Lost,
}

/// The reliable provisional responses to one INVITE, in order. `T` is what such a response is made of.
#[derive(Debug)]
pub struct Sender<T> {
    sequence: u32,
    next: u32,
    open: Option<Open>,
    waiting: VecDeque<T>,
    finished: bool,
}

#[derive(Debug)]
struct Open {
    rseq: u32,
    wait: u64,
    again: u64,
    until: u64,
}

impl<T> Sender<T> {
    /// For the INVITE with that CSeq number; the first RSeq is a `random` one of 1..2^31 - 1.
    pub fn new(sequence: u32, random: u32) -> Self {
        Self {
            sequence,
            next: random % 0x7fff_ffff + 1,
            open: None,
            waiting: VecDeque::new(),
            finished: false,
        }
    }

    /// Takes one that is to be sent in its turn.
    pub fn push(&mut self, what: T) {
        if self.waiting.len() < WAITING && !self.finished {
            self.waiting.push_back(what);
        }
    }

    /// The next one to send, with its RSeq; `None` where none waits or the one before has no PRACK yet (§3).
    pub fn next(&mut self, now: u64) -> Option<(u32, T)> {
        if self.open.is_some() {
            return None;
        }
        let what = self.waiting.pop_front()?;
        let rseq = self.next;
        self.next = rseq.wrapping_add(1);
        self.open = Some(Open { rseq, wait: T1, again: now + T1, until: now + T1_64 });
        Some((rseq, what))
    }

    /// Whether one has no PRACK yet.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes a PRACK; false where it acknowledges nothing: 481.
    pub fn acknowledge(&mut self, rack: Option<RAck>) -> bool {
        let open = self.open.as_ref().map(|open| RAck { rseq: open.rseq, sequence: self.sequence });
        let matches = open.is_some() && rack == open;
        if matches {
            self.open = None;
        }
        matches
    }

    /// What is due now.
    pub fn due(&mut self, now: u64) -> Due {
        let Some(open) = self.open.as_mut().filter(|_| !self.finished) else { return Due::Nothing };
        if now >= open.until {
            return Due::Lost;
        }
        if now < open.again {
            return Due::In(open.again - now);
        }
        open.wait *= 2;
        open.again = (now + open.wait).min(open.until);
        Due::Again(open.again - now)
    }

    /// The INVITE has its final response: nothing is sent any more, but a PRACK that is under way is taken.
    pub fn finish(&mut self) {
        self.finished = true;
        self.waiting.clear();
    }
}

/// The lines of a reliable provisional response, line ends included.
pub fn lines(rseq: u32) -> Vec<u8> {
    format!("Require: 100rel\r\nRSeq: {rseq}\r\n").into_bytes()
}

/// A 2xx that may do without SDP, because a reliable 18x of the same dialog has brought the answer: with that answer, for
/// a caller that has not seen the 18x as such.
pub fn with_answer(ok: &Message, early: &Message) -> Option<Message> {
    let mut draft = Draft::status(ok.code()?, ok.reason_phrase());
    let own = |name| matches!(name, Name::ContentLength | Name::ContentType | Name::ContentEncoding);
    for field in ok.fields().filter(|field| !own(field.name)) {
        draft.lines(ok.written(field));
    }
    draft.copy(early, Name::ContentType).copy(early, Name::ContentEncoding);
    Message::read(draft.body(&early.body())).ok()
}

/// The reliable provisional responses of one dialog that a peer of ours sends.
#[derive(Debug)]
pub struct Heard(u32);

impl Heard {
    /// Begins with the first, whatever its number.
    pub fn first(rseq: u32) -> Self {
        Self(rseq)
    }

    /// Whether this is the next one; any other is neither acknowledged nor listened to (§4).
    pub fn takes(&mut self, rseq: u32) -> bool {
        let next = self.0.checked_add(1) == Some(rseq);
        if next {
            self.0 = rseq;
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(start: &str, headers: &str) -> Message {
        Message::read(format!("{start}\r\n{headers}\r\n\r\n").into()).expect("a message")
    }

    #[test]
    fn an_invite_says_what_it_wants() {
        let rows = [
            ("Subject: x", Wish::None),
            ("Supported: timer, 100REL", Wish::Able),
            ("k: 100rel", Wish::Able),
            ("Require: 100rel\r\nSupported: 100rel", Wish::Must),
            ("Require: timer\r\nRequire: 100rel", Wish::Must),
        ];
        for (headers, wish) in rows {
            assert_eq!(Wish::of(&message("INVITE sip:a@h SIP/2.0", headers)), wish, "{headers}");
        }
    }

    #[test]
    fn a_response_is_reliable_with_both_headers_alone() {
        let rows = [
            ("183 x", "Require: 100rel\r\nRSeq: 7", Some(7)),
            ("180 x", "Require: timer, 100rel\r\nRSeq: 4294967295", Some(u32::MAX)),
            ("180 x", "RSeq: 7", None),
            ("180 x", "Require: 100rel", None),
            ("180 x", "Require: 100rel\r\nRSeq: soon", None),
            ("100 x", "Require: 100rel\r\nRSeq: 7", None),
            ("200 x", "Require: 100rel\r\nRSeq: 7", None),
        ];
        for (start, headers, expected) in rows {
            assert_eq!(rseq(&message(&format!("SIP/2.0 {start}"), headers)), expected, "{start} {headers}");
        }
    }

    #[test]
    fn what_a_prack_acknowledges() {
        let rows = [
            ("RAck: 776656 1 INVITE", Some((776_656, 1))),
            ("rack:  7\t2  INVITE ", Some((7, 2))),
            ("RAck: 7 2 INFO", None),
            ("RAck: 7 INVITE", None),
            ("RAck: 7 2 INVITE x", None),
            ("RAck: -7 2 INVITE", None),
            ("RAck: 4294967296 2 INVITE", None),
            ("Subject: x", None),
        ];
        for (headers, expected) in rows {
            let rack = RAck::read(&message("PRACK sip:a@h SIP/2.0", headers));
            assert_eq!(rack.map(|rack| (rack.rseq, rack.sequence)), expected, "{headers}");
        }
    }

    #[test]
    fn one_at_a_time_and_each_number_is_the_next() {
        let mut sender = Sender::new(5, u32::MAX);
        sender.push("first");
        sender.push("second");
        let (rseq, what) = sender.next(0).expect("the first");
        assert_eq!((rseq, what), (u32::MAX % 0x7fff_ffff + 1, "first"));
        assert_eq!(sender.next(0), None, "no PRACK yet");
        for wrong in [None, Some((rseq + 1, 5)), Some((rseq, 6))] {
            let wrong = wrong.map(|(rseq, sequence)| RAck { rseq, sequence });
            assert!(!sender.acknowledge(wrong), "{wrong:?}");
        }
        let rack = Some(RAck { rseq, sequence: 5 });
        assert!(sender.acknowledge(rack));
        assert!(!sender.acknowledge(rack), "once");
        assert_eq!(sender.next(9), Some((rseq + 1, "second")));
        assert_eq!(Sender::<()>::new(1, 0).next, 1);
        assert_eq!(Sender::<()>::new(1, 0x7fff_fffe).next, 0x7fff_ffff);
    }

    #[test]
    fn it_is_sent_again_at_doubling_intervals_until_64_t1() {
        let mut sender = Sender::new(1, 0);
        assert_eq!(sender.due(0), Due::Nothing);
        sender.push(());
        sender.next(100).expect("sent");
        assert_eq!(sender.due(101), Due::In(499));
        let mut now = 100;
        let mut wait = 500;
        let mut sent = vec![];
        loop {
            now += wait;
            match sender.due(now) {
                Due::Again(next) => {
                    sent.push(now - 100);
                    wait = next;
                }
                Due::Lost => break,
                other => panic!("{other:?} at {now}"),
            }
        }
        assert_eq!(sent, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!(now, 32_100);
    }

    #[test]
    fn after_the_final_response_only_a_prack_is_taken() {
        let mut sender = Sender::new(1, 0);
        sender.push(1);
        sender.push(2);
        sender.next(0);
        sender.finish();
        sender.push(3);
        assert_eq!(sender.due(40_000), Due::Nothing);
        assert!(sender.acknowledge(Some(RAck { rseq: 1, sequence: 1 })));
        assert_eq!(sender.next(0), None);
    }

    #[test]
    fn a_flood_of_provisionals_is_bounded() {
        let mut sender = Sender::new(1, 0);
        (0..100).for_each(|n| sender.push(n));
        for n in 0..WAITING {
            let (rseq, what) = sender.next(0).expect("it waits");
            assert_eq!(what, n);
            assert!(sender.acknowledge(Some(RAck { rseq, sequence: 1 })));
        }
        assert_eq!(sender.next(0), None);
    }

    #[test]
    fn only_the_next_number_is_listened_to() {
        let mut heard = Heard::first(7);
        let rows = [(7, false), (9, false), (8, true), (8, false), (6, false), (9, true)];
        for (rseq, taken) in rows {
            assert_eq!(heard.takes(rseq), taken, "{rseq}");
        }
        assert!(!Heard::first(u32::MAX).takes(0));
    }

    #[test]
    fn an_answer_without_sdp_gets_that_of_the_early_dialog() {
        let ok = message("SIP/2.0 200 Fine", "X-A: b\r\nCSeq: 1 INVITE\r\nContent-Length: 0");
        let early = Message::read("SIP/2.0 183 x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n".into());
        let both = with_answer(&ok, &early.expect("a message")).expect("a message");
        assert_eq!((both.code(), &both.body()[..]), (Some(200), &b"v=0\r\n"[..]));
        let text = String::from_utf8_lossy(both.raw()).into_owned();
        for line in [
            "SIP/2.0 200 Fine",
            "X-A: b",
            "CSeq: 1 INVITE",
            "Content-Type: application/sdp",
            "Content-Length: 5",
        ] {
            assert_eq!(text.lines().filter(|own| *own == line).count(), 1, "{line} in {text}");
        }
    }
}
