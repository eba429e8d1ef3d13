//! The path to one setting, `user[1].ring_for`.

use std::fmt::{self, Display, Formatter};

/// The path from the top of the site to one setting.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct KeyPath(Vec<Step>);

/// One step of a path.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// Into a table, by key.
    Key(String),
    /// Into a list, from 0.
    Index(usize),
}

impl KeyPath {
    /// The path to `key` of the table at this path.
    pub fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// The path to one entry of the list at this path.
    pub fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    /// Whether this is the site itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The steps, from the top.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The environment variable of this setting, `RINGPOST_MAIL__URL`. An entry of a list is in the list's variable.
    pub fn variable(&self) -> String {
        let keys = self.0.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.to_uppercase()),
            Step::Index(_) => None,
        });
        format!("RINGPOST_{}", keys.collect::<Vec<_>>().join("__"))
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl Display for KeyPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if place == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
