//! The owner's greeting: heard, recorded, kept, removed.

use super::{Back, Effect, Mailbox, Phrase, Say, State};

impl Mailbox {
    /// The menu of the greeting, after these words.
    pub(super) fn greeting(&mut self, mut words: Vec<Say>) -> Vec<Effect> {
        self.state = State::Greeting;
        words.push(Phrase::GreetingMenu.into());
        vec![Effect::Play(words)]
    }

    pub(super) fn about_greeting(&mut self, key: char) -> Vec<Effect> {
        match key {
            '1' => self.greeting(vec![Say::Greeting]),
            '2' => self.records(),
            '3' => self.keeps(Phrase::GreetingRemoved, false),
            '*' => self.main(vec![]),
            _ => self.greeting(vec![Phrase::Invalid.into()]),
        }
    }

    fn records(&mut self) -> Vec<Effect> {
        self.state = State::Recording;
        vec![Effect::Play(vec![Phrase::Record.into()])]
    }

    pub(super) fn taken(&mut self, any: bool) -> Vec<Effect> {
        match any {
            true => self.draft(vec![]),
            false => self.greeting(vec![Phrase::NothingRecorded.into()]),
        }
    }

    /// What may become of the recording, after these words.
    fn draft(&mut self, mut words: Vec<Say>) -> Vec<Effect> {
        self.state = State::Recorded;
        words.push(Phrase::RecordedMenu.into());
        vec![Effect::Play(words)]
    }

    pub(super) fn about_draft(&mut self, key: char) -> Vec<Effect> {
        match key {
            '1' => self.draft(vec![Say::Draft]),
            '2' => self.keeps(Phrase::GreetingKept, true),
            '3' => self.records(),
            '*' => self.greeting(vec![]),
            _ => self.draft(vec![Phrase::Invalid.into()]),
        }
    }

    fn keeps(&mut self, words: Phrase, recorded: bool) -> Vec<Effect> {
        self.state = State::Keeping(words, Back::Greeting);
        vec![Effect::Hush, Effect::SetGreeting(recorded)]
    }
}
