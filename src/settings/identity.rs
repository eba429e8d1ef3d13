//! `[identity]`: who is asked what callers are called (R205).

use std::time::Duration;

use crate::{
    address::SourceName,
    identity::{Book, breaker::Rules, memory::Bounds},
    outbox::ChannelName,
};

/// The sources, and how they are asked.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `order`: the first one that knows a number counts.
    pub sources: Vec<Source>,
    /// `keep`, `keep_unknown`, `remembered`: how long what a server has said serves, and how many answers are kept.
    /// Default 1 h, 5 min, 50,000.
    pub bounds: Bounds,
    /// `failures`, `rest`: when a server that does not answer is left alone, and for how long. Default 3, 4 s.
    pub rules: Rules,
}

/// One source of names.
#[derive(Clone, Debug)]
pub struct Source {
    /// `users`, `files`, or the NAME of `[identity.source.NAME]`.
    pub name: SourceName,
    /// What it is.
    pub kind: SourceKind,
}

/// What a source is.
#[derive(Clone, Debug)]
pub enum SourceKind {
    /// The site's users.
    Users,
    /// `directory`: the people of `[directory]`.
    Directory,
    /// `kind = "file"`, and `files` of `[identity]`: what files know, in the normal form.
    File(Book),
    /// `kind = "ews"`, `kind = "graph"`: the callee's own contacts, by a channel of that kind.
    Contacts {
        /// `channel`.
        channel: ChannelName,
        /// `timeout`: how long a notice waits for it. Default 3 s.
        timeout: Duration,
        /// `refresh`: how old somebody's contacts may be when a number is looked up in them. Default 15 min.
        refresh: Duration,
        /// `most`: the numbers kept of all callees. Default 200,000.
        most: usize,
    },
}

impl SourceKind {
    /// Whether it knows people whom the callee may not know.
    pub fn knows_strangers(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Users | Self::Directory | Self::Contacts { .. } => false,
        }
    }

    /// How long it is waited for; `None`: it is at hand.
    pub fn timeout(&self) -> Option<Duration> {
        match self {
            Self::Users | Self::Directory | Self::File(_) => None,
            Self::Contacts { timeout, .. } => Some(*timeout),
        }
    }
}

impl Identity {
    /// Whether any source is asked of a server.
    pub fn asks(&self) -> bool {
        self.sources.iter().any(|source| source.kind.timeout().is_some())
    }

    /// The servers that may know better than the source that a name is from, in order, and how long each is waited for.
    pub fn before<'s>(
        &'s self,
        known: Option<&'s SourceName>,
    ) -> impl Iterator<Item = (&'s SourceName, Duration)> {
        let ahead = self.sources.iter().take_while(move |source| Some(&source.name) != known);
        ahead.filter_map(|source| Some((&source.name, source.kind.timeout()?)))
    }
}
