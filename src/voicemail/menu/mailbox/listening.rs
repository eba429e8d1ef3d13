//! Messages: played one after the other, saved, deleted, called back.

use super::{Age, Effect, Mailbox, Phrase, Say, State, Target};
use crate::voicemail::menu::Failure;

impl Mailbox {
    /// Plays the message in that place, after these words; the main menu where there is none.
    pub(super) fn message(&mut self, at: usize, mut words: Vec<Say>) -> Vec<Effect> {
        let Some(message) = self.contents.messages.get(at) else {
            words.push(Phrase::NoMore.into());
            return self.main(words);
        };
        let id = message.id;
        self.at = at;
        words.extend(self.envelope());
        words.push(Say::Message(id));
        self.state = State::Message(false);
        vec![Effect::Play(words)]
    }

    /// Who has left the message, and when.
    fn envelope(&self) -> Vec<Say> {
        let Some(message) = self.contents.messages.get(self.at) else { return vec![] };
        let kind = if message.urgent { Phrase::Urgent } else { Phrase::Message };
        let mut words = vec![kind.into(), Phrase::From.into()];
        match &message.number {
            Some(number) => words.extend(Say::digits(number)),
            None => words.push(Phrase::Unknown.into()),
        }
        words.extend(message.received.words());
        words
    }

    /// The message was played to its end: it is not new any more.
    pub(super) fn heard(&mut self) -> Vec<Effect> {
        self.state = State::Message(true);
        let mut effects = vec![Effect::Play(vec![Phrase::MessageMenu.into()])];
        if let Some(message) = self.contents.messages.get_mut(self.at).filter(|one| one.age == Age::New) {
            message.age = Age::Old;
            effects.push(Effect::Heard(message.id));
        }
        effects
    }

    pub(super) fn about_message(&mut self, heard: bool, key: char) -> Vec<Effect> {
        let Some(id) = self.contents.messages.get(self.at).map(|message| message.id) else { return vec![] };
        match key {
            '1' => {
                self.state = State::Message(false);
                vec![Effect::Play(vec![Say::Message(id)])]
            }
            '2' => self.marks(id, Some(Age::Old)),
            '3' => self.marks(id, None),
            '4' if self.at == 0 => self.about_it(vec![Phrase::NoMore.into()]),
            '4' => self.message(self.at - 1, vec![]),
            '5' => {
                let mut words = self.envelope();
                // Who asks in the middle hears the message again.
                words.extend((!heard).then_some(Say::Message(id)));
                vec![Effect::Play(words)]
            }
            '6' | '#' => self.message(self.at + 1, vec![]),
            '8' => self.calls_back(),
            '*' => self.main(vec![]),
            _ => self.about_it(vec![Phrase::Invalid.into()]),
        }
    }

    fn marks(&mut self, id: i64, age: Option<Age>) -> Vec<Effect> {
        self.state = State::Marking(age);
        vec![Effect::Hush, Effect::Mark(id, age)]
    }

    /// What may be done with the message, after these words.
    fn about_it(&mut self, mut words: Vec<Say>) -> Vec<Effect> {
        self.state = State::Message(true);
        words.push(Phrase::MessageMenu.into());
        vec![Effect::Play(words)]
    }

    /// The disk has taken it, or not: nobody is told of what did not happen.
    pub(super) fn marked(&mut self, age: Option<Age>, done: bool) -> Vec<Effect> {
        match (done, age) {
            (false, _) => self.about_it(vec![Phrase::NotPossible.into()]),
            (true, None) => {
                self.contents.messages.remove(self.at);
                self.message(self.at, vec![Phrase::Deleted.into()])
            }
            (true, Some(age)) => {
                self.contents.messages[self.at].age = age;
                self.message(self.at + 1, vec![Phrase::Saved.into()])
            }
        }
    }

    fn calls_back(&mut self) -> Vec<Effect> {
        let number = self.contents.messages.get(self.at).and_then(|message| message.number.clone());
        let Some(number) = number else { return self.about_it(vec![Phrase::NoCallBack.into()]) };
        self.state = State::Calling;
        vec![Effect::Play(vec![Phrase::Connecting.into()]), Effect::Transfer(Target::Number(number))]
    }

    pub(super) fn not_called(&mut self, failure: Failure) -> Vec<Effect> {
        self.about_it(match failure {
            Failure::Unknown => vec![Phrase::NoCallBack.into()],
            Failure::Busy | Failure::NoAnswer => vec![Phrase::NotPossible.into()],
        })
    }
}
