//! `ringpost outbox`: the queue of notices, for an admin.

use std::{fmt::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use jiff::{Timestamp, Unit};
use ringpost::{notify::Kind, outbox::Status};
use ringpost_actors::{
    control::{self, Answer, Order},
    outbox::{DROPPED, NOT_OPEN},
    store::{Change, ItemId, Listed, Sqlite, Store, StoreError, Write as ToWrite, Written},
};

use super::{BAD_SITE, SiteFile, complain, printed, read};

#[derive(Subcommand)]
pub enum What {
    /// The newest notices, one line each
    List {
        #[command(flatten)]
        site: SiteFile,
        /// Only queued, sending, delayed, delivered or dead ones
        #[arg(long)]
        status: Option<Status>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// All about one notice, as JSON
    Show {
        #[command(flatten)]
        site: SiteFile,
        /// The notice's number
        id: ItemId,
    },
    /// Send notices again at once: delayed ones, and dead letters from the beginning
    Retry(Chosen),
    /// Make dead letters of waiting notices; remove those that are dead letters already
    Drop(Chosen),
}

#[derive(Args)]
pub struct Chosen {
    #[command(flatten)]
    site: SiteFile,
    /// The notices' numbers
    #[arg(required_unless_present = "all_dead")]
    ids: Vec<ItemId>,
    /// Every dead letter
    #[arg(long, conflicts_with = "ids")]
    all_dead: bool,
}

/// Does it; exit code 1 where a notice stayed as it was.
pub fn run(what: What) -> Result<ExitCode, ExitCode> {
    match what {
        What::List { site, status, limit, json } => {
            let listed = viewed(&site)?.list(status, limit).map_err(failed)?;
            let mut text = if json || listed.is_empty() { String::new() } else { heads() };
            for one in &listed {
                text += &if json { object(one).to_string() } else { line(one) };
                text.push('\n');
            }
            Ok(printed(&text))
        }
        What::Show { site, id } => match viewed(&site)?.find(id).map_err(failed)? {
            Some(one) => Ok(printed(&format!("{:#}\n", object(&one)))),
            None => Err(failed(format!("there is no notice {id}"))),
        },
        What::Retry(chosen) => order(&chosen, true),
        What::Drop(chosen) => order(&chosen, false),
    }
}

fn store_of(site: &SiteFile) -> Result<PathBuf, ExitCode> {
    read(&site.config)?.store.path.ok_or_else(|| {
        complain("ringpost: this site keeps its notices in memory: [store] path is not set");
        ExitCode::from(BAD_SITE)
    })
}

pub(super) fn viewed(site: &SiteFile) -> Result<Sqlite, ExitCode> {
    Sqlite::view(&store_of(site)?).map_err(failed)
}

pub(super) fn failed(error: impl std::fmt::Display) -> ExitCode {
    complain(&format!("ringpost: {error}"));
    ExitCode::FAILURE
}

fn order(chosen: &Chosen, retry: bool) -> Result<ExitCode, ExitCode> {
    let path = store_of(&chosen.site)?;
    let ids = match chosen.all_dead {
        true => {
            let dead = Sqlite::view(&path).map_err(failed)?.list(Some(Status::Dead), control::MOST);
            dead.map_err(failed)?.iter().filter(|one| one.told_by.is_none()).map(|one| one.id).collect()
        }
        false => chosen.ids.clone(),
    };
    let order = if retry { Order::Retry } else { Order::Drop };
    let answered = control::ask(&path, &order(ids.clone()));
    let answered =
        answered.map_err(|error| failed(format!("the running Ringpost does not answer: {error}")))?;
    let answer: Answer = match answered {
        Some(answer) => answer,
        None => done_here(&mut Sqlite::open(Some(&path)).map_err(failed)?, ids, retry).map_err(failed)?,
    };
    for (id, refused) in &answer {
        if let Some(why) = refused {
            complain(&format!("ringpost: notice {id}: {why}"));
        }
    }
    let done = answer.iter().filter(|(_, refused)| refused.is_none()).count();
    let printed = printed(&format!("{done} of {} done\n", answer.len()));
    Ok(if done == answer.len() { printed } else { ExitCode::FAILURE })
}

/// No Ringpost runs on this store, so it may be changed here.
fn done_here(store: &mut Sqlite, ids: Vec<ItemId>, retry: bool) -> Result<Answer, StoreError> {
    let mut answer = Answer::new();
    for id in ids {
        let waits =
            store.find(id)?.is_some_and(|one| !matches!(one.status, Status::Delivered | Status::Dead));
        let change = match (retry, waits) {
            (true, _) => Change::Resend,
            (false, true) => Change::Dead { reason: DROPPED.into() },
            (false, false) => Change::Remove,
        };
        let done = store.write(&[&ToWrite::Change(id, change)])?.first() == Some(&Written::Done);
        answer.push((id, (!done).then(|| NOT_OPEN.to_owned())));
    }
    Ok(answer)
}

fn heads() -> String {
    let (number, status, channel, kind, changed) = ("number", "status", "channel", "kind", "changed");
    format!("{number:>8}  {status:<9}  {channel:<10}  {kind:<10}  {changed:<20}  tries  user, reason\n")
}

fn line(one: &Listed) -> String {
    let kind = match one.item.notice.kind {
        Kind::Missed => "missed",
        Kind::VoiceMail { .. } => "voice-mail",
        Kind::Digest { .. } => "digest",
        Kind::Locked { .. } => "locked",
    };
    let changed = one.changed.round(Unit::Second).unwrap_or(Timestamp::UNIX_EPOCH).to_string();
    let (id, status, tries) = (one.id, one.status.as_str(), one.effort.tries);
    let (channel, user) = (one.item.way.channel().as_str().to_owned(), clean(&one.item.notice.user));
    let mut line =
        format!("{id:>8}  {status:<9}  {channel:<10}  {kind:<10}  {changed:<20}  {tries:>5}  {user}");
    if let Some(reason) = &one.reason {
        let _ = write!(line, ", {}", clean(reason));
    }
    line
}

/// What a name or a number says must not command the terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn object(one: &Listed) -> serde_json::Value {
    serde_json::json!({
        "id": one.id,
        "status": one.status,
        "channel": one.item.way.channel().as_str(),
        "tries": one.effort.tries,
        "waited_s": one.effort.waited.as_secs(),
        "reason": one.reason,
        "changed": one.changed,
        "due": one.due,
        "told_by": one.told_by,
        "item": one.item,
    })
}
