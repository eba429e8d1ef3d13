//! How a notice reaches its user: by which channel now, and by which after it.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Serialize};

/// A channel by its name in the site file, in the store, in logs and in metrics. Cheap to clone.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// SIP INFO to the user's UM.
    pub fn um() -> &'static Self {
        static UM: LazyLock<ChannelName> = LazyLock::new(|| ChannelName::from("um"));
        &UM
    }

    /// `[mail]`.
    pub fn mail() -> &'static Self {
        static MAIL: LazyLock<ChannelName> = LazyLock::new(|| ChannelName::from("mail"));
        &MAIL
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ChannelName {
    fn from(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Channels of which the next one is asked where the one before does not tell; at least one.
pub type Chain = Arc<[ChannelName]>;

/// Chains that all tell: an entry each of a user's `channels`.
pub type Entries = Arc<[Chain]>;

/// How a notice reaches its user.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "Stored", into = "Stored")]
pub enum Way {
    /// SIP INFO to the user's UM.
    Um {
        /// The dial plan, a name of `[um.plan.NAME]`.
        plan: String,
        /// `EUM:user@domain;phone-context=plan` (R13).
        eum_proxy_address: String,
        /// Who tells when UM does not: the user's own channels, or nobody (`mail_if_um_refuses`).
        own: Entries,
    },
    /// A channel of ours.
    By {
        /// The whole chain.
        chain: Chain,
        /// Which of it carries the notice now.
        at: usize,
    },
}

impl Way {
    /// The first channel of a chain.
    pub fn by(chain: &Chain) -> Self {
        Self::By { chain: chain.clone(), at: 0 }
    }

    /// `[mail]` alone.
    pub fn mail() -> Self {
        Self::By { chain: mail_chain(), at: 0 }
    }

    /// The channel that carries it.
    pub fn channel(&self) -> &ChannelName {
        match self {
            Self::Um { .. } => ChannelName::um(),
            // A chain of the store may be damaged; a notice by mail is better than none.
            Self::By { chain, at } => chain.get(*at).unwrap_or(ChannelName::mail()),
        }
    }

    /// What tells a notice's parallel ways apart for good: the first channel of its chain.
    pub fn entry(&self) -> &ChannelName {
        match self {
            Self::Um { .. } => ChannelName::um(),
            Self::By { chain, .. } => chain.first().unwrap_or(ChannelName::mail()),
        }
    }

    /// The ways that take over where this one does not tell.
    pub fn next(&self) -> Vec<Self> {
        match self {
            Self::Um { own, .. } => own.iter().map(Self::by).collect(),
            Self::By { chain, at } if at + 1 < chain.len() => {
                vec![Self::By { chain: chain.clone(), at: at + 1 }]
            }
            Self::By { .. } => Vec::new(),
        }
    }

    /// Whether another way takes over where this one does not tell.
    pub fn has_next(&self) -> bool {
        match self {
            Self::Um { own, .. } => !own.is_empty(),
            Self::By { chain, at } => at + 1 < chain.len(),
        }
    }
}

fn mail_chain() -> Chain {
    Arc::from([ChannelName::mail().clone()])
}

/// A way in the store, as any version of Ringpost has written it: up to schema 3 there was one channel beside UM, `mail`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Stored {
    Um {
        plan: String,
        eum_proxy_address: String,
        #[serde(default)]
        own: Vec<Vec<String>>,
        #[serde(default, skip_serializing)]
        mail_if_refused: bool,
    },
    Mail,
    By {
        chain: Vec<String>,
        at: usize,
    },
}

impl From<Stored> for Way {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Um { plan, eum_proxy_address, own, mail_if_refused } => {
                let mail = mail_if_refused.then(mail_chain);
                let own = own.iter().map(|names| chain(names)).chain(mail).collect();
                Self::Um { plan, eum_proxy_address, own }
            }
            Stored::Mail => Self::mail(),
            Stored::By { chain: names, at } => Self::By { chain: chain(&names), at },
        }
    }
}

impl From<Way> for Stored {
    fn from(way: Way) -> Self {
        match way {
            Way::Um { plan, eum_proxy_address, own } => {
                let own = own.iter().map(|chain| names(chain)).collect();
                Self::Um { plan, eum_proxy_address, own, mail_if_refused: false }
            }
            Way::By { chain, at } => Self::By { chain: names(&chain), at },
        }
    }
}

fn chain(names: &[String]) -> Chain {
    names.iter().map(|name| ChannelName::from(name.as_str())).collect()
}

fn names(chain: &[ChannelName]) -> Vec<String> {
    chain.iter().map(ChannelName::to_string).collect()
}
