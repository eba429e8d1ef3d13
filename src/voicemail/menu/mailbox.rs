//! The mailbox over the phone: PIN, messages, greeting, notices. No call leaves before the PIN was right (T20).

mod entry;
mod listening;
mod own;

use std::time::Duration;

use super::{Age, Digits, Effect, Event, Phrase, Received, Say, Target};

/// How a mailbox asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rules {
    /// How long it waits for a key after what it has said.
    pub silence: Duration,
    /// How long for each further digit of a number.
    pub between: Duration,
    /// How often it repeats itself, or takes a wrong PIN, before it hangs up.
    pub tries: u8,
}

/// Who is at the phone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// The owner's own phone, which needs no PIN.
    Open(Contents),
    /// The owner's own phone.
    Pin,
    /// Anybody.
    Number,
}

/// What a mailbox holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Contents {
    /// In the order in which they are played: urgent new ones, new ones, old ones.
    pub messages: Vec<Message>,
    /// Whether missed calls are told.
    pub notices: bool,
}

/// A message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Its number in the store.
    pub id: i64,
    /// New or old.
    pub age: Age,
    /// Whether its caller called it urgent.
    pub urgent: bool,
    /// The caller's number; `None`: unknown, or not to be told.
    pub number: Option<String>,
    /// When it came.
    pub received: Received,
}

/// One caller at a mailbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mailbox {
    rules: Rules,
    entry: Entry,
    state: State,
    contents: Contents,
    digits: Digits,
    /// The mailbox that was dialled.
    number: String,
    wrong: u8,
    idle: u8,
    /// The message that is being heard.
    at: usize,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum State {
    Waiting,
    Number,
    Pin,
    Checking,
    Main,
    /// A message, and whether it was played to its end.
    Message(bool),
    /// The disk is asked about the message.
    Marking(Option<Age>),
    Calling,
    Greeting,
    /// The words before the tone, and then the recording.
    Recording,
    Recorded,
    /// The disk is asked; what is said then, and where that leads.
    Keeping(Phrase, Back),
    NewPin,
    PinAgain(String),
    Ending,
    Over,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Back {
    Main,
    Greeting,
}

impl Mailbox {
    /// A mailbox that waits for its caller.
    pub fn new(rules: Rules, entry: Entry) -> Self {
        let (state, contents, digits) = (State::Waiting, Contents::default(), Digits::default());
        Self { rules, entry, state, contents, digits, number: String::new(), wrong: 0, idle: 0, at: 0 }
    }

    /// What an event leads to.
    pub fn on(&mut self, event: Event) -> Vec<Effect> {
        if matches!(event, Event::Key(_)) {
            self.idle = 0;
        }
        match (self.state.clone(), event) {
            (State::Over, _) => vec![],
            (State::Waiting, Event::Begun) => self.begins(),
            (State::Number | State::Pin | State::NewPin | State::PinAgain(_), Event::Key(key)) => {
                self.digit(key)
            }
            (State::Checking, Event::Admitted(contents)) => self.opens(*contents),
            (State::Checking, Event::Refused) => self.refused(),
            (State::Checking, Event::Locked) => self.ends(vec![Phrase::Locked.into()]),
            (State::Main, Event::Key(key)) => self.chosen(key),
            (State::Message(heard), Event::Key(key)) => self.about_message(heard, key),
            (State::Message(false), Event::Played) => self.heard(),
            (State::Marking(age), Event::Written(done)) => self.marked(age, done),
            (State::Calling, Event::Played) => vec![Effect::Play(vec![Say::RingBack])],
            (State::Calling, Event::Failed(failure)) => self.not_called(failure),
            (State::Greeting, Event::Key(key)) => self.about_greeting(key),
            (State::Recording, Event::Played) => vec![Effect::Record],
            (State::Recording, Event::Taken(any)) => self.taken(any),
            (State::Recorded, Event::Key(key)) => self.about_draft(key),
            (State::Keeping(words, back), Event::Written(done)) => self.kept((words, back), done),
            (State::Ending, Event::Played) => {
                self.state = State::Over;
                vec![Effect::HangUp]
            }
            (
                State::Checking | State::Marking(_) | State::Keeping(..) | State::Recording | State::Ending,
                _,
            ) => vec![],
            (State::Number | State::Pin | State::NewPin | State::PinAgain(_), Event::Waited)
                if !self.digits.0.is_empty() =>
            {
                self.complete()
            }
            (_, Event::Played) => vec![Effect::Wait(self.rules.silence)],
            (State::Waiting | State::Calling, _) => vec![],
            (_, Event::Waited) => self.nothing_came(),
            _ => vec![],
        }
    }

    fn begins(&mut self) -> Vec<Effect> {
        match self.entry.clone() {
            Entry::Open(contents) => self.opens(contents),
            Entry::Pin => self.asks(State::Pin, vec![]),
            Entry::Number => self.asks(State::Number, vec![]),
        }
    }

    /// Nobody presses a key: once more, or good bye.
    fn nothing_came(&mut self) -> Vec<Effect> {
        self.idle += 1;
        if self.idle >= self.rules.tries {
            return self.ends(vec![]);
        }
        let again = match self.state {
            State::Number => Phrase::MailboxNumber,
            State::Pin => Phrase::Pin,
            State::NewPin => Phrase::NewPin,
            State::PinAgain(_) => Phrase::PinAgain,
            State::Message(_) => Phrase::MessageMenu,
            State::Greeting => Phrase::GreetingMenu,
            State::Recorded => Phrase::RecordedMenu,
            _ => Phrase::MainMenu,
        };
        vec![Effect::Play(vec![again.into()])]
    }

    /// The main menu, after these words.
    fn main(&mut self, mut words: Vec<Say>) -> Vec<Effect> {
        self.state = State::Main;
        words.push(Phrase::MainMenu.into());
        vec![Effect::Play(words)]
    }

    fn chosen(&mut self, key: char) -> Vec<Effect> {
        match key {
            '1' => self.message(0, vec![]),
            '2' => self.greeting(vec![]),
            '3' => {
                let on = !self.contents.notices;
                let words = if on { Phrase::NoticesOn } else { Phrase::NoticesOff };
                self.state = State::Keeping(words, Back::Main);
                vec![Effect::Hush, Effect::SetNotices(on)]
            }
            '4' => self.asks(State::NewPin, vec![]),
            '*' => self.ends(vec![]),
            _ => self.main(vec![Phrase::Invalid.into()]),
        }
    }

    /// What was to be kept is on the disk, or not.
    fn kept(&mut self, (words, back): (Phrase, Back), done: bool) -> Vec<Effect> {
        match words {
            Phrase::NoticesOn | Phrase::NoticesOff if done => {
                self.contents.notices = words == Phrase::NoticesOn
            }
            _ => {}
        }
        let words = if done { words } else { Phrase::NotPossible };
        match back {
            Back::Main => self.main(vec![words.into()]),
            Back::Greeting => self.greeting(vec![words.into()]),
        }
    }

    fn ends(&mut self, mut words: Vec<Say>) -> Vec<Effect> {
        self.state = State::Ending;
        words.push(Phrase::Goodbye.into());
        vec![Effect::Play(words)]
    }
}
