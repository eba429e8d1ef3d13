//! Where the demonstration is shown: standard output, in colour where a person sits before it.

use std::{
    cell::RefCell,
    io::{self, IsTerminal, Write},
    rc::Rc,
};

/// How wide a line may be.
pub const WIDTH: usize = 100;

/// The page.
#[derive(Clone)]
pub struct Page {
    to: Rc<RefCell<dyn Write>>,
    coloured: bool,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ink {
    /// The name of a story.
    Title,
    /// A state of the call.
    State,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Beside the point.
    Faint,
}

impl Page {
    /// Standard output; `NO_COLOR` (<https://no-color.org>) is heeded.
    pub fn standard() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let coloured = io::stdout().is_terminal() && !plain;
        Self { to: Rc::new(RefCell::new(io::stdout())), coloured }
    }

    /// Writes one line. A reader who has seen enough (`| head`) does not end the demonstration.
    pub fn line(&self, text: &str) {
        let _ = writeln!(self.to.borrow_mut(), "{}", text.trim_end());
    }

    /// `text` in that ink.
    pub fn ink(&self, ink: Ink, text: &str) -> String {
        if !self.coloured {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Title => "1",
            Ink::State => "1;36",
            Ink::Good => "32",
            Ink::Bad => "1;31",
            Ink::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A text in a frame, line by line, with what cannot be shown escaped.
    pub fn framed(&self, title: &str, text: &str) {
        let rule = "─".repeat(WIDTH.saturating_sub(title.chars().count() + 8));
        self.line(&format!("    ┌─ {title} {rule}"));
        for line in text.lines() {
            let letters: Vec<char> = crate::log::one_line(line).chars().collect();
            for piece in letters.chunks(WIDTH - 6).chain(letters.is_empty().then_some(&[][..])) {
                self.line(&format!("    │ {}", piece.iter().collect::<String>()));
            }
        }
        self.line(&format!("    └{}", "─".repeat(WIDTH - 5)));
    }
}
