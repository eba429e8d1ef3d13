//! `ringpost route`: the dry run of a call to a number outside (R37).

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use ringpost::directory::{Directory, explain::Question};
use ringpost_actors::control::{self, Explanation, Order};

use super::{complain, printed, queue::failed, read};

#[derive(Args)]
pub struct Route {
    /// The number, as it is dialled
    number: String,
    /// Who dials: a number or the address of a user, or the name of a trunk whose call it is
    #[arg(long = "as", value_name = "WHO")]
    by: String,
    /// The number of a caller whose call the user forwards there
    #[arg(long, value_name = "CALLER")]
    diverting: Option<String>,
    /// The site file (TOML)
    #[arg(long, short, value_name = "FILE", default_value = "site.toml")]
    config: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Asks the Ringpost that runs, which knows how its gateways are; where none does, the site file.
pub fn run(Route { number, by, diverting, config, json }: &Route) -> Result<ExitCode, ExitCode> {
    let site = read(config)?;
    let question = Question { dialled: number.clone(), by: by.clone(), diverting: diverting.clone() };
    let order = Order::Route(question.clone());
    let asked = site.store.path.as_deref().map_or(Ok(None), |path| control::ask::<Explanation>(path, &order));
    let asked = asked.map_err(|error| failed(format!("the running Ringpost does not answer: {error}")))?;
    let explained = asked.unwrap_or_else(|| Directory::of(site).explain(&question, false, 0));
    let Some(explained) = explained else {
        complain(&format!("ringpost: {by:?} is no user and no trunk of this site"));
        return Ok(ExitCode::FAILURE);
    };
    let text = match json {
        true => format!("{}\n", serde_json::to_string(&explained).map_err(failed)?),
        false => explained.to_string(),
    };
    let printed = printed(&text);
    Ok(if explained.has_way() { printed } else { ExitCode::FAILURE })
}
