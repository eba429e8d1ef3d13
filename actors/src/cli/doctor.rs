//! `ringpost doctor`.

use std::{
    io::{IsTerminal, stdout},
    process::ExitCode,
    time::Duration,
};

use actix::System;
use clap::Args;
use ringpost_actors::doctor::{Asked, examine};

use super::{SiteFile, complain, printed};

/// Wrong arguments, as clap says it.
const USAGE: u8 = 2;

#[derive(Args)]
pub struct Doctor {
    #[command(flatten)]
    site: SiteFile,
    /// JSON in place of text; its keys stay the same
    #[arg(long)]
    json: bool,
    /// A user of the site: whose mailbox is looked at, and whether mail to it would be taken
    #[arg(long, value_name = "ADDRESS")]
    user: Option<String>,
    /// Only this step, or those whose names begin with it: trunk, trunk.pbx, trunk.pbx.options
    #[arg(long, value_name = "STEP")]
    only: Option<String>,
    /// How long a step may take: 500ms, 5s, 1m; all of them together twelve times as long
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    timeout: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "wants a time from 100ms to 5m, such as 5s".to_owned();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let time = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(wrong()),
    };
    let bounds = Duration::from_millis(100)..=Duration::from_secs(300);
    bounds.contains(&time).then_some(time).ok_or_else(wrong)
}

/// Looks at the site; never comes back where a step still hangs in the system.
pub fn run(asked: Doctor) -> ExitCode {
    let Doctor { site, json, user, only, timeout } = asked;
    let asked = Asked { file: site.config, user, only, timeout };
    let code = System::new().block_on(async move {
        match examine(&asked).await {
            Ok(report) => {
                let terminal = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                printed(&if json { report.json() } else { report.text(terminal) });
                report.exit_code()
            }
            Err(unasked) => {
                complain(&format!("ringpost: {unasked}"));
                USAGE
            }
        }
    });
    // The end of the runtime would wait for look-ups and disks that do not answer.
    std::process::exit(code.into())
}
