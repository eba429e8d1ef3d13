//! The attendant: asks for an extension, leads the caller there, and takes it back where that fails (R69).

use std::time::Duration;

use super::{Digits, Effect, Event, Failure, Phrase, Say, Target};

/// How an attendant asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
    /// How many digits an extension has; `None`: `#` or a pause ends it.
    pub digits: Option<usize>,
    /// How long it waits for the first digit after its announcement.
    pub first: Duration,
    /// How long for each further digit.
    pub between: Duration,
    /// How often in all a caller may fail to name somebody who answers.
    pub tries: u8,
    /// Whether there is an operator, for `0`, for whoever dials nothing, and after the last try.
    pub operator: bool,
    /// Whether the site has an announcement of its own.
    pub announcement: bool,
}

/// One caller at an attendant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attendant {
    rules: Rules,
    state: State,
    dialled: Digits,
    failed: u8,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum State {
    /// The announcement plays, or its silence is waited out.
    Asking,
    /// A digit has come.
    Collecting,
    /// The caller is on its way.
    Moving(Target),
    /// The last words.
    Ending,
    Over,
}

/// What leads to the operator where there is one.
const OPERATOR: &str = "0";

impl Attendant {
    /// An attendant that waits for its caller.
    pub fn new(rules: Rules) -> Self {
        Self { rules, state: State::Asking, dialled: Digits::default(), failed: 0 }
    }

    /// What an event leads to.
    pub fn on(&mut self, event: Event) -> Vec<Effect> {
        match (&self.state, event) {
            (State::Asking, Event::Begun) => self.asks(vec![]),
            (State::Asking, Event::Played) => vec![Effect::Wait(self.rules.first)],
            (State::Asking | State::Collecting, Event::Key(key)) => self.pressed(key),
            (State::Asking, Event::Waited) => self.hears_nothing(),
            (State::Collecting, Event::Waited) => self.leads(vec![]),
            (State::Moving(_), Event::Played) => vec![Effect::Play(vec![Say::RingBack])],
            (State::Moving(target), Event::Failed(failure)) => {
                let target = target.clone();
                self.could_not(&target, failure)
            }
            (State::Ending, Event::Played) => {
                self.state = State::Over;
                vec![Effect::HangUp]
            }
            _ => vec![],
        }
    }

    /// Asks for an extension, after these words.
    fn asks(&mut self, mut words: Vec<Say>) -> Vec<Effect> {
        self.state = State::Asking;
        self.dialled = Digits::default();
        if self.rules.announcement {
            words.push(Say::Announcement);
        } else {
            words.push(Phrase::Welcome.into());
            words.extend(self.rules.operator.then(|| Phrase::ForOperator.into()));
        }
        vec![Effect::Play(words)]
    }

    fn pressed(&mut self, key: char) -> Vec<Effect> {
        match key {
            '0'..='9' => {
                if self.dialled.push(key, self.rules.digits) {
                    return self.leads(vec![]);
                }
                self.state = State::Collecting;
                vec![Effect::Hush, Effect::Wait(self.rules.between)]
            }
            '#' if self.state == State::Collecting => self.leads(vec![]),
            // A slip of the finger: from the beginning.
            '*' => self.asks(vec![]),
            _ => vec![],
        }
    }

    /// Leads the caller to what was dialled.
    fn leads(&mut self, words: Vec<Say>) -> Vec<Effect> {
        let dialled = self.dialled.take();
        match self.rules.operator && dialled == OPERATOR {
            true => self.moves(Target::Operator, words),
            false => self.moves(Target::Extension(dialled), words),
        }
    }

    fn moves(&mut self, target: Target, mut words: Vec<Say>) -> Vec<Effect> {
        self.state = State::Moving(target.clone());
        words.push(Phrase::Connecting.into());
        vec![Effect::Play(words), Effect::Transfer(target)]
    }

    fn hears_nothing(&mut self) -> Vec<Effect> {
        self.failed += 1;
        match (self.rules.operator, self.failed >= self.rules.tries) {
            (true, _) => self.moves(Target::Operator, vec![]),
            (false, true) => self.ends(vec![]),
            (false, false) => self.asks(vec![]),
        }
    }

    fn could_not(&mut self, target: &Target, failure: Failure) -> Vec<Effect> {
        self.failed += 1;
        let why = match failure {
            Failure::Unknown => Phrase::NotFound,
            Failure::Busy => Phrase::Busy,
            Failure::NoAnswer => Phrase::NoAnswer,
        };
        let number = match target {
            Target::Extension(number) | Target::Number(number) => number,
            Target::Operator => OPERATOR,
        };
        let mut words = vec![Phrase::Extension.into()];
        words.extend(Say::digits(number));
        words.push(why.into());
        match (self.failed >= self.rules.tries, target) {
            (true, Target::Extension(_)) if self.rules.operator => self.moves(Target::Operator, words),
            (true, _) => self.ends(words),
            (false, _) => {
                words.push(Phrase::TryAgain.into());
                self.asks(words)
            }
        }
    }

    fn ends(&mut self, mut words: Vec<Say>) -> Vec<Effect> {
        self.state = State::Ending;
        words.push(Phrase::Goodbye.into());
        vec![Effect::Play(words)]
    }
}
