//! The way in: mailbox number, PIN, and another PIN.

use super::{Age, Back, Contents, Effect, Entry, Mailbox, Phrase, Say, State};

/// A PIN with fewer digits is none.
const SHORTEST: usize = 4;

impl Mailbox {
    /// Asks for a number, after these words.
    pub(super) fn asks(&mut self, what: State, mut words: Vec<Say>) -> Vec<Effect> {
        words.push(Say::Phrase(match what {
            State::Number => Phrase::MailboxNumber,
            State::NewPin => Phrase::NewPin,
            State::PinAgain(_) => Phrase::PinAgain,
            _ => Phrase::Pin,
        }));
        self.state = what;
        self.digits.take();
        vec![Effect::Play(words)]
    }

    pub(super) fn digit(&mut self, key: char) -> Vec<Effect> {
        match key {
            '0'..='9' if self.digits.push(key, None) => self.complete(),
            '0'..='9' => vec![Effect::Hush, Effect::Wait(self.rules.between)],
            '#' if !self.digits.0.is_empty() => self.complete(),
            '*' if matches!(self.state, State::NewPin | State::PinAgain(_)) => self.main(vec![]),
            // A slip of the finger: this number from the beginning.
            '*' => self.asks(self.state.clone(), vec![]),
            _ => vec![],
        }
    }

    /// A number is dialled.
    pub(super) fn complete(&mut self) -> Vec<Effect> {
        let dialled = self.digits.take();
        match self.state.clone() {
            State::Number => {
                self.number = dialled;
                self.asks(State::Pin, vec![])
            }
            State::NewPin if is_weak(&dialled) => self.asks(State::NewPin, vec![Phrase::PinWeak.into()]),
            State::NewPin => self.asks(State::PinAgain(dialled), vec![]),
            State::PinAgain(first) if first != dialled => {
                self.asks(State::NewPin, vec![Phrase::PinDiffers.into()])
            }
            State::PinAgain(pin) => {
                self.state = State::Keeping(Phrase::PinChanged, Back::Main);
                vec![Effect::Hush, Effect::SetPin(pin)]
            }
            _ => {
                let mailbox = (self.entry == Entry::Number).then(|| self.number.clone());
                self.state = State::Checking;
                vec![Effect::Hush, Effect::Check { mailbox, pin: dialled }]
            }
        }
    }

    /// Mailbox or PIN was wrong; which of them nobody is told.
    pub(super) fn refused(&mut self) -> Vec<Effect> {
        self.wrong += 1;
        let wrong = vec![Phrase::Wrong.into()];
        match self.entry {
            _ if self.wrong >= self.rules.tries => self.ends(wrong),
            Entry::Number => self.asks(State::Number, wrong),
            Entry::Pin | Entry::Open(_) => self.asks(State::Pin, wrong),
        }
    }

    /// The caller is in: how many messages there are, and the main menu.
    pub(super) fn opens(&mut self, contents: Contents) -> Vec<Effect> {
        self.contents = contents;
        let of = |age| self.contents.messages.iter().filter(|message| message.age == age).count();
        let (new, old) = (of(Age::New), of(Age::Old));
        let mut words = vec![Say::Phrase(Phrase::YouHave)];
        match new {
            0 => words.push(Phrase::NoNew.into()),
            1 => words.push(Phrase::OneNew.into()),
            _ => {
                words.extend(Say::count(new));
                words.push(Phrase::New.into());
            }
        }
        match old {
            0 => {}
            1 => words.push(Phrase::OneOld.into()),
            _ => {
                words.push(Phrase::And.into());
                words.extend(Say::count(old));
                words.push(Phrase::Old.into());
            }
        }
        self.main(words)
    }
}

/// Whether anybody would guess it: too short, one digit only, or digits in a row.
fn is_weak(pin: &str) -> bool {
    let steps: Vec<i16> =
        pin.as_bytes().windows(2).map(|two| i16::from(two[1]) - i16::from(two[0])).collect();
    let even = steps.first().is_none_or(|first| steps.iter().all(|step| step == first));
    pin.len() < SHORTEST || even && steps.first().is_none_or(|step| step.abs() <= 1)
}

#[cfg(test)]
mod tests {
    use super::is_weak;

    #[test]
    fn a_pin_that_anybody_would_guess_is_none() {
        for (pin, weak) in [
            ("", true),
            ("123", true),
            ("1111", true),
            ("1234", true),
            ("9876", true),
            ("000000", true),
            ("1357", false),
            ("2580", false),
            ("1212", false),
        ] {
            assert_eq!(is_weak(pin), weak, "{pin}");
        }
    }
}
