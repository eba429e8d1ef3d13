//! `ringpost calls`: the call log, and under each call what became of its notices.

use std::{collections::HashMap, fmt::Write, process::ExitCode};

use clap::Args;
use jiff::{Timestamp, Unit};
use ringpost::{
    notify::{Action, CallRecord},
    outbox::Status,
};
use ringpost_actors::store::{Ending, Store};

use super::{
    SiteFile, printed,
    queue::{clean, failed, viewed},
};

/// Notices have no more endings than that for each call: an item for each channel of the user.
const ENDINGS_EACH: usize = 16;

#[derive(Args)]
pub struct Calls {
    #[command(flatten)]
    site: SiteFile,
    /// Only the call with this Call-ID
    #[arg(long, value_name = "CALL-ID")]
    call: Option<String>,
    /// Look at no more than so many, the newest first
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

/// Prints them.
pub fn run(Calls { site, call, limit, json }: Calls) -> Result<ExitCode, ExitCode> {
    let mut store = viewed(&site)?;
    let mut calls = store.calls(limit).map_err(failed)?;
    let oldest = calls.iter().map(|call| call.came_in).min().unwrap_or(Timestamp::MAX);
    let mut endings: HashMap<(String, String), Vec<Ending>> = HashMap::new();
    for ending in store.endings(oldest, limit.saturating_mul(ENDINGS_EACH)).map_err(failed)? {
        endings.entry((ending.call_id.clone(), ending.user.clone())).or_default().push(ending);
    }
    calls.retain(|one| call.as_ref().is_none_or(|wanted| one.call_id == *wanted));
    let mut text = String::new();
    for call in &calls {
        let ends = endings.remove(&(call.call_id.clone(), call.user.clone())).unwrap_or_default();
        match json {
            true => text += &(serde_json::json!({"call": call, "notices": ends}).to_string() + "\n"),
            false => text += &lines(call, &ends),
        }
    }
    Ok(printed(&text))
}

fn lines(call: &CallRecord, ends: &[Ending]) -> String {
    let second = |at: Timestamp| at.round(Unit::Second).unwrap_or(Timestamp::UNIX_EPOCH);
    let (user, call_id) = (clean(&call.user), clean(&call.call_id));
    let (outcome, verdict) = (call.outcome, call.verdict);
    let mut text = format!("{}  {user}  {outcome:?}, {}  {call_id}\n", second(call.came_in), verdict.reason);
    // The oldest first.
    for end in ends.iter().rev() {
        let how = match end.status {
            Status::Delivered => "told",
            _ => "given up",
        };
        let why = end.reason.as_deref().map(|why| format!(": {}", clean(why))).unwrap_or_default();
        let _ = writeln!(text, "    {} {} {how} by {}{why}", second(end.at), end.kind, end.channel);
    }
    if ends.is_empty() && verdict.action != Action::Silent {
        text += "    not told yet\n";
    }
    text
}
