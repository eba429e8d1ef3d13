//! What an admin is shown of connectors: live, as each of them knows it (R109–R112, R116).

use std::time::Duration;

use ringpost::{
    directory::Directory,
    presence::{
        Standard, Telephony,
        watching::{
            Status, Trouble,
            connector::Key,
            meaning::{self, Meant},
        },
    },
    settings::User,
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{
    Connectors,
    feeds::{self, Feed},
};

/// How long a connector may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the first state of a trial is waited for.
const TRIAL: Duration = Duration::from_secs(15);

/// What a connector's task is asked.
pub enum Command {
    /// What it knows, of one user where named.
    Show(Option<String>, oneshot::Sender<Shown>),
    /// A subscription of its own for a user, by address, or for a URI, which lapses after a minute.
    Try(String, oneshot::Sender<Vec<Row>>),
    /// A fault.
    #[cfg(test)]
    Break,
}

/// What is asked for.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Filter {
    /// One user only: a number or an address.
    pub user: Option<String>,
    /// Persons only.
    pub rich: bool,
    /// Telephones only.
    pub telephony: bool,
}

/// All of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Report {
    /// The connectors, in the order of the site.
    pub connectors: Vec<Shown>,
    /// The users asked for: what all that is known of each comes to.
    pub users: Vec<Sum>,
}

/// One connector.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// How it is.
    pub status: Status,
    /// Subscriptions that its server holds.
    pub subscriptions: usize,
    /// Whether its server has asked for the login, and taken it.
    pub proven: bool,
    /// What it knows.
    pub rows: Vec<Row>,
}

/// What a connector knows of one field of a user.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Row {
    /// The user's address, or the foreign URI.
    pub user: String,
    /// `telephony`, `rich`, `messages`, `foreign` or `trial`.
    pub field: String,
    /// What is subscribed to.
    pub uri: String,
    /// The state, where one is known.
    pub state: Option<String>,
    /// Why none is known.
    pub error: Option<Trouble>,
    /// How long that has been so, in seconds.
    pub age: u64,
    /// How long it holds without a further word of the server, in seconds.
    pub lasts: Option<u64>,
}

/// A user.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sum {
    /// The address.
    pub user: String,
    /// The telephone (R103: `not-configured` without a number; R112: `server-not-configured` where no connector is asked).
    pub telephony: String,
    /// Who says so, if not Ringpost itself.
    pub by: Option<String>,
    /// The person.
    pub rich: String,
    /// The note.
    pub note: Option<String>,
}

/// A telephone in words.
fn telephone(telephony: &Telephony) -> String {
    match telephony {
        Telephony::ForwardedToNumber(number) => format!("{} {number}", telephony.name()),
        other => other.name().to_owned(),
    }
}

/// What a document means for a field.
pub fn state(meant: &Meant, feed: &Feed) -> Option<String> {
    let phone = || meant.phone.as_ref().map(|phone| telephone(&meaning::telephony(phone)));
    let person = || {
        let (user, device) = (meant.person.user.as_ref(), meant.person.device.as_ref());
        let said = user.and_then(|user| user.state.map(Standard::name));
        let open = device.map(|device| if device.open { "available" } else { "offline" });
        let note = user.and_then(|user| user.note.as_deref()).map(|note| format!(" ({note})"));
        said.or(open).map(|state| format!("{state}{}", note.unwrap_or_default()))
    };
    match feed {
        Feed::Telephony(_) => phone(),
        Feed::Rich(_) => person(),
        Feed::Messages(_) => meant.summary.as_ref().map(|one| one.write().lines().skip(1).collect()),
        Feed::Trial(false) => phone().or_else(person),
        Feed::Foreign(_) | Feed::Trial(true) => person().or_else(phone),
    }
}

/// A row about a field of a resource.
pub(super) fn row(
    key: &Key,
    feed: &Feed,
    known: &Result<(Meant, u64), Trouble>,
    (age, lasts): (u64, Option<u64>),
) -> Row {
    let (field, user) = match feed {
        Feed::Telephony(user) => ("telephony", &**user),
        Feed::Rich(user) => ("rich", &**user),
        Feed::Messages(user) => ("messages", &**user),
        Feed::Foreign(cell) => ("foreign", &*cell.user),
        Feed::Trial(_) => ("trial", &*key.uri),
    };
    Row {
        user: user.to_owned(),
        field: field.to_owned(),
        uri: key.uri.to_string(),
        state: known
            .as_ref()
            .ok()
            .map(|(meant, _)| state(meant, feed).unwrap_or_else(|| "unknown".to_owned())),
        error: known.as_ref().err().copied(),
        age,
        lasts,
    }
}

impl Row {
    fn is_of(&self, filter: &Filter) -> bool {
        let all = !filter.rich && !filter.telephony;
        all || filter.rich && self.field == "rich" || filter.telephony && self.field == "telephony"
    }
}

impl Connectors {
    /// What is known now (R116).
    pub async fn report(&self, filter: &Filter) -> Report {
        let directory = self.presence.directory.load_full();
        let user = filter.user.as_deref().map(|named| {
            directory.of_uri_or_number(named).map_or(named.to_owned(), |user| user.address.clone())
        });
        let mut report = Report::default();
        for settings in &directory.site.presence.connectors {
            let commands = self.running().get(&settings.name).cloned();
            let (answer, answered) = oneshot::channel();
            let asked = commands.is_some_and(|to| to.send(Command::Show(user.clone(), answer)).is_ok());
            // Where nobody was asked, nobody answers, and that is known at once.
            let shown = tokio::time::timeout(PATIENCE, answered).await;
            let status = match (settings.enabled, asked) {
                (false, _) => Status::Disabled,
                (true, false) => Status::NotConfigured,
                (true, true) => Status::ConnectionError,
            };
            let mut shown = shown.ok().and_then(Result::ok).unwrap_or_else(|| Shown {
                name: settings.name.clone(),
                status,
                ..Shown::default()
            });
            shown.rows.retain(|row| row.is_of(filter));
            report.connectors.push(shown);
        }
        if let Some(address) = &user {
            report.users =
                directory.of_address(address).map(|user| self.sum(&directory, user)).into_iter().collect();
        }
        report
    }

    fn sum(&self, directory: &Directory, user: &User) -> Sum {
        let cell = self.presence.of(user);
        let told = cell.told();
        let connectors = &directory.site.presence.connectors;
        let asked = connectors.iter().any(|one| one.enabled && feeds::asks_about(directory, one, user));
        let telephony = match &told.presence.telephony {
            // Nobody knows, and nobody is asked.
            Telephony::Offline if !connectors.is_empty() && !asked => "server-not-configured".to_owned(),
            telephony => telephone(telephony),
        };
        Sum {
            user: user.address.clone(),
            telephony,
            by: told.presence.telephony_by.as_deref().map(str::to_owned),
            rich: told.presence.rich.state.map_or("not-configured", Standard::name).to_owned(),
            note: told.presence.rich.note.as_deref().map(str::to_owned),
        }
    }

    /// Tries the subscriptions of one user, or to one URI, at every connector; each lapses after a minute.
    pub async fn try_out(&self, user: &str) -> Vec<(String, Vec<Row>)> {
        let directory = self.presence.directory.load_full();
        let named = directory.of_uri_or_number(user).map_or(user.to_owned(), |user| user.address.clone());
        let mut waiting = vec![];
        for settings in Self::wanted(&directory) {
            let Some(commands) = self.running().get(&settings.name).cloned() else { continue };
            let (answer, answered) = oneshot::channel();
            if commands.send(Command::Try(named.clone(), answer)).is_ok() {
                waiting.push((settings.name.clone(), answered));
            }
        }
        let mut tried = vec![];
        for (name, answered) in waiting {
            let rows = tokio::time::timeout(TRIAL, answered).await.ok().and_then(Result::ok);
            tried.push((name, rows.unwrap_or_default()));
        }
        tried
    }
}
