//! `ringpost presence`: what PBXs and presence servers tell of users, as the running Ringpost knows it (R109–R112, R116).

use std::{fmt::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use ringpost_actors::{
    control::{self, Order, Tried},
    presence::connect::{Filter, Report, Row},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    BAD_SITE, SiteFile, complain, printed,
    queue::{clean, failed},
    read,
};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Presence {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    list: Option<List>,
}

#[derive(Args)]
struct List {
    /// The site file (TOML); every key is in config/ringpost.toml
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// One user only: a number or an address
    #[arg(long)]
    user: Option<String>,
    /// What is known of persons only
    #[arg(long)]
    rich: bool,
    /// What is known of telephones only
    #[arg(long)]
    telephony: bool,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    /// Try a user's subscriptions at every connector, or one to a SIP URI; they lapse after a minute. Exit 0 where a state came
    Test {
        #[command(flatten)]
        site: SiteFile,
        /// A number, an address, or a SIP URI
        user: String,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Does it; exit code 1 where no Ringpost runs, or a trial brought no state.
pub fn run(presence: Presence) -> Result<ExitCode, ExitCode> {
    match (presence.what, presence.list) {
        (Some(What::Test { site, user, json }), _) => {
            let tried: Tried = asked(&site, &Order::TryPresence(user))?;
            let known = tried.iter().flat_map(|(_, rows)| rows).any(|row| row.state.is_some());
            let shown = if json { object(&tried)? } else { of_trial(&tried) };
            let printed = printed(&shown);
            Ok(if known { printed } else { ExitCode::FAILURE })
        }
        (None, Some(List { config, user, rich, telephony, json })) => {
            let site = SiteFile { config };
            let report: Report = asked(&site, &Order::Presence(Filter { user, rich, telephony }))?;
            Ok(printed(&if json { object(&report)? } else { text(&report) }))
        }
        (None, None) => {
            complain("ringpost presence: --config is missing; see ringpost presence --help");
            Err(ExitCode::from(BAD_SITE))
        }
    }
}

fn asked<A: DeserializeOwned>(site: &SiteFile, order: &Order) -> Result<A, ExitCode> {
    let store = read(&site.config)?.store.path.ok_or_else(|| {
        complain("ringpost: this site has no [store] path, beside which the running Ringpost would listen");
        ExitCode::from(BAD_SITE)
    })?;
    let answer = control::ask(&store, order);
    let answer = answer.map_err(|error| failed(format!("the running Ringpost does not answer: {error}")))?;
    answer.ok_or_else(|| failed("no Ringpost runs on this site's store"))
}

fn object(shown: &impl Serialize) -> Result<String, ExitCode> {
    serde_json::to_string_pretty(shown).map(|text| text + "\n").map_err(failed)
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for user in &report.users {
        let by = user.by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
        let note = user.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
        let line = format!("{}: telephony {}{by}, rich {}{note}", user.user, user.telephony, user.rich);
        let _ = writeln!(text, "{}", clean(&line));
    }
    for connector in &report.connectors {
        let proven = if connector.proven { ", login taken" } else { "" };
        let (name, status) = (clean(&connector.name), connector.status.name());
        let _ =
            writeln!(text, "connector {name}: {status}, {} subscriptions{proven}", connector.subscriptions);
        connector.rows.iter().for_each(|row| text += &line(row));
    }
    if report.connectors.is_empty() {
        text += "this site has no [[presence.connector]]\n";
    }
    text
}

fn of_trial(tried: &Tried) -> String {
    let mut text = String::new();
    for (name, rows) in tried {
        let _ =
            writeln!(text, "connector {}:{}", clean(name), if rows.is_empty() { " not asked" } else { "" });
        rows.iter().for_each(|row| text += &line(row));
    }
    if tried.is_empty() {
        text += "no connector runs\n";
    }
    text
}

fn line(row: &Row) -> String {
    let state = row.state.as_deref().or(row.error.map(|error| error.name())).unwrap_or("");
    let lasts = row.lasts.map(|lasts| format!(", good for {lasts} s")).unwrap_or_default();
    let (user, field, uri, age) = (&row.user, &row.field, &row.uri, row.age);
    format!("  {}\n", clean(&format!("{user:<28}  {field:<9}  {state:<24}  since {age} s{lasts}  {uri}")))
}
