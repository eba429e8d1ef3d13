//! `ringpost number`: what a dialled number becomes, and by which rule.

use std::{fmt::Write, process::ExitCode, sync::Arc};

use clap::Args;
use ringpost::numbers::{
    lines,
    location::{Made, Profile, Trace},
};

use super::{BAD_SITE, SiteFile, complain, printed, read};

#[derive(Args)]
pub struct Number {
    #[command(flatten)]
    site: SiteFile,
    /// The number as it is dialled, or as it stands in a directory
    number: String,
    /// A [location.NAME] of the site; left out: that of [outbound]
    #[arg(long, value_name = "NAME")]
    location: Option<String>,
    /// Read it as a number of a directory or a contact, with whatever makes it readable and an extension
    #[arg(long)]
    contact: bool,
}

/// Prints the rules that were tried, the one that matched and the result; exit 1 where nothing knows the number.
pub fn run(Number { site: file, number, location, contact }: Number) -> Result<ExitCode, ExitCode> {
    let site = read(&file.config)?;
    let named = |name: &String| site.locations.iter().find(|profile| profile.name == *name).cloned();
    let profile: Option<Arc<Profile>> = location.as_ref().map_or(site.outbound.location.clone(), named);
    let Some(profile) = profile else {
        let known = site.locations.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join(", ");
        complain(&match location {
            Some(name) => format!("ringpost: the site has no location {name:?}; it has: {known}"),
            None => {
                format!("ringpost: --location is missing, and [outbound] names none; the site has: {known}")
            }
        });
        return Err(ExitCode::from(BAD_SITE));
    };
    if contact {
        let made = profile.contact(&number);
        printed(&format!("{number}\n  is {}\n", made.as_deref().unwrap_or("nothing that is known")));
        return Ok(if made.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let trace = profile.trace(&number);
    printed(&text(&profile, &trace));
    let known = matches!(trace.made, Made::ByRule(_, Some(_)) | Made::ByCountry(_));
    Ok(if known { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(profile: &Profile, trace: &Trace) -> String {
    let mut text = format!("{} at {}\n", trace.number, profile.name);
    for (tried, rule) in trace.tried.iter().zip(profile.rules.iter()) {
        let written = &rule.written;
        let name = if written.name.is_empty() { String::new() } else { format!("  {}", written.name) };
        let verdict = if tried.matched { "matches" } else { "no match" };
        writeln!(
            text,
            "  rule {}{name}: {} -> {}: {verdict}",
            tried.rule + 1,
            written.pattern,
            written.translation
        )
        .expect("a String takes every text");
    }
    let region = profile.country.as_ref().map_or("none", |country| country.region());
    let end = match &trace.made {
        Made::ByRule(_, Some(number)) => format!("is {}", lines::shown(number)),
        Made::ByRule(_, None) => "is nothing: the rule makes no number of it (404)".to_owned(),
        Made::ByCountry(number) => format!("country {region}: is {number}"),
        Made::Unmatched => format!("country {region}: not known; it stays as it is dialled"),
    };
    text + "  " + &end + "\n"
}
