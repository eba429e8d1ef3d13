//! One subscription of ours, as a machine (RFC 6665 §4.1): answers, NOTIFYs and time in, requests out.
//!
//! A SUBSCRIBE may fork into several dialogs (§4.4.1), each of which is prolonged by itself; at most one request of a
//! subscription is under way. Whatever ends it, something is planned that heals it. Times are milliseconds of any clock that
//! only runs forward.

mod notices;

use super::{message::Answer, shown::Trouble};
use crate::{
    presence::{
        publication::{early, part},
        subscription::Package,
    },
    sip::dialog::Dialog,
};

/// Timer N (RFC 6665 §4.1.2.4): how long the first NOTIFY, and those of further forks, are waited for.
pub const TIMER_N: u64 = 32_000;
/// No subscription counts longer, whatever a server says, in seconds.
const LONGEST: u32 = 24 * 60 * 60;
/// Failures wait so long for the next try, and no longer than that.
const FIRST_RETRY: u64 = 1_000;
const LONGEST_RETRY: u64 = 30_000;
/// One that ends again and again begins anew no slower than that.
const LONGEST_PAUSE: u64 = 8_000;
/// A Retry-After counts up to an hour, in seconds.
const LONGEST_PENALTY: u32 = 3_600;
/// A subscription that ended sooner than this after its beginning does not begin anew at once again and again.
const SHORT_LIFE: u64 = 30_000;
/// A dialog whose refresh got no answer so often is given up: a new one may find another way.
const LOST: u32 = 2;

/// What a subscription needs to know of its server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// How long a subscription shall last, in seconds.
    pub expires: u32,
    /// How long after a refusal for good it is asked once more, in milliseconds.
    pub recheck: u64,
}

/// A SUBSCRIBE to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// Tells its answer from those to requests that do not matter any more.
    pub serial: u32,
    /// Our tag: that of the SUBSCRIBE that began it.
    pub tag: u64,
    /// The first lines ([`Dialog::head`]) and the URI of the next hop, inside a dialog.
    pub within: Option<(Vec<u8>, Vec<u8>)>,
    /// The CSeq number.
    pub sequence: u32,
    /// `Expires`, in seconds; 0 ends it.
    pub expires: u32,
}

/// What to do now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Send this, and tell [`Subscription::answered`] what came of it.
    Send(Request),
    /// Look again then; `None`: when something happens.
    Wait(Option<u64>),
}

/// What becomes of a NOTIFY.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heard {
    /// It is answered with that code, and says nothing.
    Refused(u16),
    /// It is answered 200; its body is what that dialog says until then.
    Taken(u32, u64),
    /// It is answered 200, and was the last of its dialog.
    Last,
}

/// A dialog that is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gone {
    /// Its number.
    pub dialog: u32,
    /// Another one is asked for at once: what this one has said may stay for a moment.
    pub followed: bool,
}

#[derive(Clone, Debug)]
struct Far {
    number: u32,
    dialog: Dialog,
    ends: u64,
    refresh: u64,
    lost: u32,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    serial: u32,
    /// The number of the dialog, if in one.
    within: Option<u32>,
    expires: u32,
    at: u64,
}

/// The subscription to one resource, or to one list.
#[derive(Clone, Debug)]
pub struct Subscription {
    package: Package,
    wanted: bool,
    dialogs: Vec<Far>,
    gone: Vec<Gone>,
    sent: Option<Sent>,
    serial: u32,
    /// Our tag; zero: none yet. CSeq of the SUBSCRIBE that began it, and when that was sent.
    tag: u64,
    sequence: u32,
    began: u64,
    /// What its last request asked for or was granted, in seconds.
    granted: u32,
    /// The number of the next dialog.
    next: u32,
    /// The first NOTIFY is waited for until then.
    patience: Option<u64>,
    /// The shortest time that the server takes, where it has said so.
    least: u32,
    raised: bool,
    failures: u32,
    short_lives: u32,
    not_before: u64,
    trouble: Trouble,
}

impl Subscription {
    /// One that is wanted and has not been asked for. `serial`: its requests count from there.
    pub fn new(package: Package, serial: u32) -> Self {
        Self {
            package,
            wanted: true,
            dialogs: vec![],
            gone: vec![],
            sent: None,
            serial,
            tag: 0,
            sequence: 0,
            began: 0,
            granted: 0,
            next: 1,
            patience: None,
            least: 0,
            raised: false,
            failures: 0,
            short_lives: 0,
            not_before: 0,
            trouble: Trouble::NotRequested,
        }
    }

    /// Whether it is wanted from now on; what is not wanted any more is ended.
    pub fn wants(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    /// Whether nothing is left of one that is not wanted.
    pub fn is_over(&self) -> bool {
        !self.wanted && self.dialogs.is_empty() && self.sent.is_none() && self.patience.is_none()
    }

    /// Whether it has a dialog.
    pub fn is_held(&self) -> bool {
        !self.dialogs.is_empty()
    }

    /// Why nothing is known by it; `None`: it has told something.
    pub fn trouble(&self) -> Option<Trouble> {
        self.dialogs.is_empty().then_some(self.trouble)
    }

    /// Our tag; zero: it was never asked for.
    pub fn tag(&self) -> u64 {
        self.tag
    }

    /// The server may have lost it: it is prolonged at the next chance.
    pub fn doubt(&mut self) {
        self.dialogs.iter_mut().for_each(|far| (far.refresh, far.lost) = (0, 0));
    }

    /// The server has come back: what failed for a while need not wait any longer.
    pub fn forgive(&mut self) {
        if matches!(self.trouble, Trouble::Error | Trouble::Requesting | Trouble::NotRequested) {
            (self.failures, self.not_before) = (0, 0);
        }
        if self.dialogs.is_empty() {
            // Whatever was under way has gone down with it.
            (self.sent, self.patience) = (None, None);
        }
    }

    /// The dialogs that have ended since the last time.
    pub fn gone(&mut self) -> Vec<Gone> {
        std::mem::take(&mut self.gone)
    }

    /// What to do now; a request that it returns counts as sent. `tag` is a fresh one, in case it begins.
    pub fn step(&mut self, terms: &Terms, now: u64, tag: u64, random: u32) -> Step {
        self.forget_ended(now);
        if self.sent.is_some() {
            return Step::Wait(self.next_end());
        }
        if let Some(until) = self.patience {
            if until > now {
                return Step::Wait(Some(until));
            }
            self.patience = None;
            if self.dialogs.is_empty() && self.wanted {
                self.fail(Trouble::Error, None, now, random);
            }
        }
        if !self.wanted {
            return match self.dialogs.first().map(|far| far.number) {
                Some(number) => self.within(number, 0, now),
                None => Step::Wait(None),
            };
        }
        let refresh = self.dialogs.iter().min_by_key(|far| far.refresh).map(|far| (far.refresh, far.number));
        let due = refresh.map_or(0, |(at, _)| at).max(self.not_before);
        if due > now {
            let ends = self.next_end();
            return Step::Wait(Some(ends.map_or(due, |end| end.min(due))));
        }
        let expires = terms.expires.max(self.least).min(LONGEST);
        match refresh {
            Some((_, number)) => self.within(number, expires, now),
            None => {
                (self.tag, self.sequence, self.began, self.granted) = (tag, 1, now, expires);
                if matches!(self.trouble, Trouble::NotRequested | Trouble::Error) {
                    self.trouble = Trouble::Requesting;
                }
                Step::Send(self.sends(None, 1, expires, now))
            }
        }
    }

    fn within(&mut self, number: u32, expires: u32, now: u64) -> Step {
        let Some(far) = self.dialogs.iter_mut().find(|far| far.number == number) else {
            return Step::Wait(None);
        };
        let sequence = far.dialog.local_seq().wrapping_add(1);
        far.dialog.count_from(sequence);
        let head = (far.dialog.head(b"SUBSCRIBE").written(), far.dialog.next_hop().to_vec());
        let mut request = self.sends(Some(number), sequence, expires, now);
        request.within = Some(head);
        Step::Send(request)
    }

    fn sends(&mut self, within: Option<u32>, sequence: u32, expires: u32, now: u64) -> Request {
        self.serial = self.serial.wrapping_add(1);
        self.sent = Some(Sent { serial: self.serial, within, expires, at: now });
        Request { serial: self.serial, tag: self.tag, within: None, sequence, expires }
    }

    fn next_end(&self) -> Option<u64> {
        self.dialogs.iter().map(|far| far.ends).min()
    }

    fn forget_ended(&mut self, now: u64) {
        let gone = &mut self.gone;
        self.dialogs.retain(|far| {
            let goes_on = far.ends > now;
            if !goes_on {
                gone.push(Gone { dialog: far.number, followed: false });
            }
            goes_on
        });
    }

    fn remove(&mut self, number: u32, followed: bool) {
        let before = self.dialogs.len();
        self.dialogs.retain(|far| far.number != number);
        if self.dialogs.len() < before {
            self.gone.push(Gone { dialog: number, followed: followed && self.wanted });
        }
    }

    /// The answer to a request, which got that CSeq number in the end. `random` is any number.
    pub fn answered(
        &mut self,
        (serial, sequence): (u32, u32),
        answer: Answer,
        terms: &Terms,
        now: u64,
        random: u32,
    ) {
        let Some(sent) = self.sent.filter(|sent| sent.serial == serial) else { return };
        self.sent = None;
        match sent.within {
            Some(number) => self.refreshed(number, sequence, sent, answer, terms, now, random),
            None => self.begun(sequence, sent, answer, terms, now, random),
        }
    }

    fn begun(&mut self, sequence: u32, sent: Sent, answer: Answer, terms: &Terms, now: u64, random: u32) {
        let again = std::mem::take(&mut self.raised);
        self.sequence = self.sequence.max(sequence);
        self.dialogs.iter_mut().for_each(|far| far.dialog.count_from(sequence));
        if let Answer::Taken(granted) = answer {
            self.granted = granted.unwrap_or(sent.expires).min(sent.expires);
            if self.dialogs.is_empty() {
                self.patience = Some(sent.at + TIMER_N);
            }
            return;
        }
        // A NOTIFY shows that it was taken, though the answer was lost.
        if answer == Answer::Silent && !self.dialogs.is_empty() {
            return;
        }
        // A NOTIFY that came before a refusal has made a dialog that the other side does not know.
        let numbers: Vec<u32> = self.dialogs.iter().map(|far| far.number).collect();
        numbers.into_iter().for_each(|number| self.remove(number, false));
        match answer {
            Answer::Brief(Some(least)) if !again && (sent.expires + 1..=LONGEST).contains(&least) => {
                (self.least, self.raised) = (least, true);
            }
            Answer::Denied | Answer::Unproved => self.rest(Trouble::AccessDenied, terms, now, random),
            Answer::NotFound => self.rest(Trouble::NotFound, terms, now, random),
            Answer::Unknown(_) => self.rest(Trouble::Error, terms, now, random),
            Answer::Ill(after) | Answer::Failed(after) | Answer::Refused(_, after) => {
                self.fail(Trouble::Error, after, now, random)
            }
            _ => self.fail(Trouble::Error, None, now, random),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "an answer, and when and how it came")]
    fn refreshed(
        &mut self,
        number: u32,
        sequence: u32,
        sent: Sent,
        answer: Answer,
        terms: &Terms,
        now: u64,
        random: u32,
    ) {
        let again = std::mem::take(&mut self.raised);
        // A NOTIFY may have ended it meanwhile (T33).
        let Some(far) = self.dialogs.iter_mut().find(|far| far.number == number) else { return };
        far.dialog.count_from(sequence);
        if sent.expires == 0 {
            return self.remove(number, false);
        }
        match answer {
            Answer::Taken(granted) => {
                let lasts = 1_000 * u64::from(granted.unwrap_or(sent.expires).min(sent.expires));
                (far.ends, far.lost) = (sent.at + lasts, 0);
                far.refresh = now.max(sent.at + early(lasts, random));
                self.failures = 0;
                if lasts == 0 {
                    self.remove(number, true);
                    self.fail(Trouble::Error, None, now, random);
                }
            }
            Answer::Gone => {
                self.remove(number, true);
                self.again(now, random);
            }
            Answer::Brief(Some(least)) if !again && (sent.expires + 1..=LONGEST).contains(&least) => {
                (self.least, self.raised) = (least, true);
            }
            Answer::Denied | Answer::Unproved => {
                self.remove(number, false);
                self.rest(Trouble::AccessDenied, terms, now, random);
            }
            Answer::NotFound => {
                self.remove(number, false);
                self.rest(Trouble::NotFound, terms, now, random);
            }
            // §4.1.2.2: it goes on until its end; but the way there may be the wrong one.
            Answer::Silent => {
                far.lost += 1;
                if far.lost >= LOST {
                    self.remove(number, true);
                }
                self.fail(Trouble::Error, None, now, random);
            }
            Answer::Ill(after) | Answer::Failed(after) => self.fail(Trouble::Error, after, now, random),
            Answer::Brief(_) | Answer::Unknown(_) | Answer::Refused(..) => {
                self.remove(number, true);
                self.fail(Trouble::Error, None, now, random);
            }
        }
    }

    /// It begins anew at once; but not at once for ever.
    fn again(&mut self, now: u64, random: u32) {
        self.trouble = Trouble::Requesting;
        if now >= self.began + SHORT_LIFE {
            self.short_lives = 0;
        }
        let wait = match self.short_lives {
            0 => 0,
            lives => (FIRST_RETRY << lives.min(16)).min(LONGEST_PAUSE),
        };
        self.short_lives += 1;
        self.not_before = now + wait / 2 + part(wait / 2, random);
    }

    /// It is refused for good; that is asked again some time, so that whatever was put right there heals here.
    fn rest(&mut self, trouble: Trouble, terms: &Terms, now: u64, random: u32) {
        self.trouble = trouble;
        self.not_before = now + terms.recheck - part(terms.recheck / 4, random);
    }

    fn fail(&mut self, trouble: Trouble, after: Option<u32>, now: u64, random: u32) {
        self.trouble = trouble;
        let doubled = FIRST_RETRY.saturating_mul(1 << self.failures.min(16)).min(LONGEST_RETRY);
        self.failures += 1;
        // Between half of it and all, so that a crowd does not come back as one.
        let wait = doubled / 2 + part(doubled / 2, random);
        let asked = 1_000 * u64::from(after.unwrap_or(0).min(LONGEST_PENALTY));
        self.not_before = now + wait.max(asked);
    }
}
