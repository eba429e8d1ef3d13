//! What is wrong with a site and where, on one line.

use std::fmt::{self, Display, Formatter};

use super::key::KeyPath;

/// One error in a site. It never holds a password, a number or an address: it may go to the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// The key it is about; empty where the whole file is meant.
    pub key: KeyPath,
    /// What is wrong and what would be right.
    pub what: String,
}

/// Where a setting comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// The site file.
    File {
        /// The file's name as it was given.
        name: String,
        /// The line, from 1; `None` where no line can be named (a file that is missing).
        line: Option<usize>,
    },
    /// An environment variable, by its name.
    Environment(String),
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line: Some(line) } => write!(f, "{name}:{line}"),
            Self::File { name, line: None } => f.write_str(name),
            Self::Environment(variable) => f.write_str(variable),
        }
    }
}

/// `site.toml:17: user[1].ring_for: …`, or `RINGPOST_MAIL__URL: …`; always one line.
impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let key = match &self.place {
            // The variable's name is the key already.
            Place::Environment(_) => String::new(),
            Place::File { .. } if self.key.is_root() => String::new(),
            Place::File { .. } => format!("{}: ", self.key),
        };
        let line = format!("{}: {key}{}", self.place, self.what);
        f.write_str(&crate::log::one_line(&line))
    }
}
