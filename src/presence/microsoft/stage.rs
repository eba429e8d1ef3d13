//! Where users are on the way from the presence of 2005 to enhanced presence (R46–R50): a flag that is never taken back, and a
//! mode that their first sign-in with a client of the generation of 2007 sets. The way goes on, and never back.

use std::fmt::Write;

use serde::Serialize;

use crate::settings::{PublishServer, PublishTo, PublishWhat, User};

/// What a directory or a site says of a user.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Enhanced {
    /// The flag; `None`: nobody says.
    pub flag: Option<bool>,
    /// RichMode; `None`: nobody says, and it is not set.
    pub rich_mode: Option<bool>,
}

impl Enhanced {
    /// The bit of `msRTCSIP-OptionFlags` that is the flag.
    pub const OPTION_FLAG: u32 = 256;

    /// What bits of a directory say; none at all say nothing.
    pub fn of_flags(bits: u32) -> Self {
        Self { flag: (bits != 0).then_some(bits & Self::OPTION_FLAG != 0), rich_mode: None }
    }

    /// This, and where it says nothing the other one.
    pub fn or(self, other: Self) -> Self {
        Self { flag: self.flag.or(other.flag), rich_mode: self.rich_mode.or(other.rich_mode) }
    }

    /// The stage; `None`: nobody says.
    pub fn stage(self) -> Option<Stage> {
        self.flag.map(|flag| Stage::of(flag, self.rich_mode == Some(true)))
    }
}

/// A stage.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "u8")]
pub enum Stage {
    /// 1: the flag is off, as for whoever was moved from LCS 2005.
    FlagOff,
    /// 2: the flag is on, RichMode is not, as for a new user.
    FlagOn,
    /// 3: the flag and RichMode are on.
    Rich,
}

impl From<Stage> for u8 {
    fn from(stage: Stage) -> Self {
        stage as Self + 1
    }
}

/// Who signs in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Client {
    /// Of the generation of 2005.
    Legacy,
    /// Of that of 2007.
    Rich,
    /// In a browser or on a mobile phone.
    Web,
}

/// What happens to a user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// An admin sets the flag.
    FlagSet,
    /// An admin would take it back.
    FlagCleared,
    /// A client signs in.
    SignsIn(Client),
}

/// Why nothing comes of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The way does not go back.
    #[error("the flag cannot be taken back")]
    NoWayBack,
    /// Such a client does not go with the stage.
    #[error("such a client cannot sign in at this stage")]
    Client,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::FlagOff, Self::FlagOn, Self::Rich];

    /// What the flag and RichMode come to. RichMode counts for nothing without the flag.
    pub fn of(flag: bool, rich_mode: bool) -> Self {
        match (flag, rich_mode) {
            (false, _) => Self::FlagOff,
            (true, false) => Self::FlagOn,
            (true, true) => Self::Rich,
        }
    }

    /// Whether such a client may sign in.
    pub fn allows(self, client: Client) -> bool {
        match client {
            Client::Legacy => self != Self::Rich,
            Client::Rich => self != Self::FlagOff,
            Client::Web => self == Self::Rich,
        }
    }

    /// Whether the user has categories that can be published (by SERVICE).
    pub fn has_categories(self) -> bool {
        self != Self::FlagOff
    }

    /// The stage after something has happened; never an earlier one.
    ///
    /// # Errors
    /// Why it is refused, and nothing changes.
    pub fn after(self, event: Event) -> Result<Self, Refused> {
        match event {
            Event::FlagSet => Ok(self.max(Self::FlagOn)),
            Event::FlagCleared if self == Self::FlagOff => Ok(self),
            Event::FlagCleared => Err(Refused::NoWayBack),
            Event::SignsIn(client) if !self.allows(client) => Err(Refused::Client),
            Event::SignsIn(Client::Rich) => Ok(Self::Rich),
            Event::SignsIn(Client::Legacy | Client::Web) => Ok(self),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::FlagOff => "flag off: clients of 2005 only",
            Self::FlagOn => "flag on: clients of 2005, and of 2007, whose first sign-in leads to 3",
            Self::Rich => "rich: clients of 2007, in a browser and on a phone; none of 2005",
        }
    }
}

/// One user of a report.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Row {
    /// The address.
    pub user: String,
    /// The stage; `None`: nobody says.
    pub stage: Option<Stage>,
    /// The names of `[presence.publish.NAME]` that the user is told at.
    pub published_at: Vec<String>,
    /// Those that the user is not told at because of the stage.
    pub left_out_at: Vec<String>,
}

/// All users, and how many are where.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Report {
    /// One row for each user.
    pub users: Vec<Row>,
    /// Users at the stages 1, 2 and 3.
    pub stages: [usize; 3],
    /// Users of whom nobody says.
    pub unknown: usize,
}

/// Whether a server is told of a user at that stage: categories need the flag, other ways know no stages.
pub fn is_told(server: &PublishServer, stage: Option<Stage>) -> bool {
    match &server.to {
        PublishTo::Sip(sip) => match sip.what {
            PublishWhat::Categories { .. } => stage.is_none_or(Stage::has_categories),
            PublishWhat::Packages { .. } => true,
        },
        PublishTo::Teams { .. } => true,
    }
}

impl Report {
    /// The report about these users. `is_of` says whether a server is one of the user's at all.
    pub fn of<'u>(
        users: impl Iterator<Item = &'u User>,
        servers: &[PublishServer],
        is_of: impl Fn(&PublishServer, &User) -> bool,
    ) -> Self {
        let mut report = Self { users: vec![], stages: [0; 3], unknown: 0 };
        for user in users {
            let stage = user.presence.enhanced.stage();
            match stage {
                Some(stage) => report.stages[stage as usize] += 1,
                None => report.unknown += 1,
            }
            let own = servers.iter().filter(|server| is_of(server, user));
            let (told, left): (Vec<_>, Vec<_>) = own.partition(|server| is_told(server, stage));
            let names =
                |servers: Vec<&PublishServer>| servers.into_iter().map(|one| one.name.clone()).collect();
            report.users.push(Row {
                user: user.address.clone(),
                stage,
                published_at: names(told),
                left_out_at: names(left),
            });
        }
        report
    }

    /// The report in words.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line =
            |words: std::fmt::Arguments<'_>| writeln!(text, "{words}").expect("a String takes every text");
        for Row { user, stage, published_at, left_out_at } in &self.users {
            let stage = stage.map_or_else(|| "-".to_owned(), |stage| u8::from(stage).to_string());
            let told = if published_at.is_empty() { "nowhere".to_owned() } else { published_at.join(", ") };
            match left_out_at[..] {
                [] => line(format_args!("{stage}  {user}  told at {told}")),
                _ => line(format_args!("{stage}  {user}  told at {told}; not at {}", left_out_at.join(", "))),
            }
        }
        for (stage, count) in Stage::ALL.into_iter().zip(self.stages) {
            line(format_args!("stage {}: {count} ({})", u8::from(stage), stage.words()));
        }
        line(format_args!("no stage known: {}", self.unknown));
        text
    }
}
