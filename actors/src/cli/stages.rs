//! `ringpost stage`: where users are on the way to enhanced presence (R46–R50).

use std::{
    collections::{HashMap, HashSet},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use ringpost::{
    presence::microsoft::stage::Report,
    settings::{PublishServer, User},
};
use ringpost_actors::{directory::keep, presence::outward, stage::joined};

use super::{SiteFile, printed, read};

#[derive(Args)]
pub struct Stage {
    #[command(flatten)]
    site: SiteFile,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Prints each user with the stage, and how many there are at each.
pub fn run(Stage { site: file, json }: Stage) -> Result<ExitCode, ExitCode> {
    let site = Arc::new(read(&file.config)?);
    let roster = site.ldap.as_deref().map(|ldap| keep::snapshot(ldap).0).unwrap_or_default();
    let directory = joined(site, roster);
    let servers = &directory.site.presence.publish;
    let own: HashMap<&str, HashSet<&str>> = servers
        .iter()
        .map(|server| {
            let users = outward::users(&directory, server);
            (server.name.as_str(), users.into_iter().map(|user| user.address.as_str()).collect())
        })
        .collect();
    let is_of =
        |server: &PublishServer, user: &User| own[server.name.as_str()].contains(user.address.as_str());
    let report = Report::of(directory.site.users.iter(), servers, is_of);
    Ok(printed(&match json {
        true => format!("{}\n", serde_json::json!(report)),
        false => report.text(),
    }))
}
