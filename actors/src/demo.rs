//! The whole main job on this machine alone, for a first look: real peers on loopback ports play five stories.

mod evidence;
mod ladder;
mod media;
mod page;
mod peer;
mod site;
mod stories;
mod theatre;

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    time::Instant,
};

use actix::prelude::*;
use ringpost::settings::Site;

use crate::{
    load,
    stage::{Running, StartError},
};
use evidence::Evidence;
use ladder::{Ladder, Party};
use page::{Ink, Page};
use peer::Peer;
use site::Addresses;
use stories::Story;
use theatre::Theatre;

/// How often a port that somebody else has taken in the meantime is replaced by another one.
const TRIES: u32 = 5;

/// Why the demonstration did not come to a good end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It has run, and this did not come out as it should.
    #[error("{}", .0.join("\n"))]
    Missing(Vec<String>),
}

/// Runs the demonstration; what it writes goes to `dir`, which must be new or empty, or to a new temporary folder.
///
/// # Errors
/// Why it did not start, or what did not happen.
pub fn run(dir: Option<PathBuf>) -> Result<(), DemoError> {
    let folder = prepared(dir)?;
    System::new().block_on(play(folder, Page::standard()))
}

/// Ringpost writes a site file and a store there, so nobody's own may be there.
fn prepared(dir: Option<PathBuf>) -> Result<PathBuf, StartError> {
    let Some(dir) = dir else {
        let fresh = tempfile::Builder::new().prefix("ringpost-demo-").tempdir();
        return fresh.map(tempfile::TempDir::keep).map_err(|source| io("making a temporary folder", source));
    };
    let shown = dir.display();
    fs::create_dir_all(&dir)
        .map_err(|error| StartError::Config(format!("--dir: {shown} cannot be made: {error}")))?;
    let mut entries = fs::read_dir(&dir)
        .map_err(|error| StartError::Config(format!("--dir: {shown} cannot be read: {error}")))?;
    match entries.next() {
        None => Ok(dir),
        Some(_) => Err(StartError::Config(format!("--dir: {shown} is not empty; name a new folder"))),
    }
}

async fn play(folder: PathBuf, page: Page) -> Result<(), DemoError> {
    let began = Instant::now();
    let (running, mut theatre) = open(folder, page.clone()).await?;
    let mut missing = Vec::new();
    for (number, story) in Story::ALL.into_iter().enumerate() {
        page.line("");
        page.line(&page.ink(Ink::Title, &format!("Story {} of 5 · {}", number + 1, story.title())));
        match story.play(&mut theatre).await {
            Ok(()) => page.line(&page.ink(Ink::Good, "  ✓ as it should be")),
            Err(what) => {
                theatre.ladder.end();
                page.line(&page.ink(Ink::Bad, &format!("  ✗ {what}")));
                missing.push(format!("Story {}, {}: {what}", number + 1, story.title()));
            }
        }
    }
    running.stop().await;
    missing.extend(surplus(&theatre).err());
    farewell(&theatre, began.elapsed().as_secs_f64(), &missing);
    if missing.is_empty() { Ok(()) } else { Err(DemoError::Missing(missing)) }
}

/// Starts the peers and Ringpost.
async fn open(folder: PathBuf, page: Page) -> Result<(Running, Theatre), StartError> {
    let ladder = Ladder::new(page.clone());
    let mut tries = 0;
    loop {
        let ringpost = free_port().map_err(|source| io("looking for a free port", source))?;
        let start = async |party| {
            let started = Peer::start(party, ringpost, &ladder).await;
            started.map_err(|source| io("opening a port for a peer", source))
        };
        let (pbx, desk) = (start(Party::Pbx).await?, start(Party::Desk).await?);
        let (soft, um) = (start(Party::Soft).await?, start(Party::Um).await?);
        let addresses = Addresses { ringpost, desk: desk.address, soft: soft.address, um: um.address };
        let site = written(&folder, &addresses)?;
        tries += 1;
        match Running::start(site.clone()).await {
            Ok(running) => {
                greet(&page, &folder, &addresses, pbx.address);
                let evidence = Evidence { folder };
                let mailed = Vec::new();
                return Ok((running, Theatre { pbx, desk, soft, um, page, ladder, evidence, site, mailed }));
            }
            Err(_) if tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes the site file and reads it as `serve` would, but for `RINGPOST_…`: a demonstration shall not write into
/// somebody's real mail.
fn written(folder: &Path, addresses: &Addresses) -> Result<Site, StartError> {
    let file = folder.join("site.toml");
    let text = site::text(addresses);
    fs::write(&file, &text).map_err(|source| io("writing site.toml", source))?;
    load::text(&file, &text).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        StartError::Config(lines.join("; "))
    })
}

/// A port that is free now.
fn free_port() -> io::Result<SocketAddr> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn greet(page: &Page, folder: &Path, addresses: &Addresses, pbx: SocketAddr) {
    let Addresses { ringpost, desk, soft, um } = addresses;
    page.line(
        "Ringpost runs on this machine, with its own voice mail. Everything below really happens, over UDP:",
    );
    page.line(&format!("  Ringpost {ringpost}, PBX trunk {pbx}, desk phone {desk},"));
    page.line(&format!("  softphone {soft}, a UM of somebody else {um}"));
    page.line(&format!("What comes out of it goes to {}; it takes about half a minute.", folder.display()));
}

/// Whether there is a mail that no story asked for, or one of them twice.
fn surplus(theatre: &Theatre) -> Result<(), String> {
    let letters = theatre.evidence.letters().map_err(|error| format!("The mails cannot be read: {error}"))?;
    let mut found: Vec<_> = letters.into_iter().map(|letter| letter.call_id).collect();
    let mut wanted = theatre.mailed.clone();
    found.sort();
    wanted.sort();
    if found == wanted {
        Ok(())
    } else {
        Err(format!("There are {} mails, not {}", found.len(), wanted.len()))
    }
}

fn farewell(theatre: &Theatre, seconds: f64, missing: &[String]) {
    let (page, folder) = (&theatre.page, &theatre.evidence.folder);
    page.line("");
    page.line(&match missing {
        [] => page.ink(Ink::Good, &format!("All five stories came out as they should, in {seconds:.0} s.")),
        _ => page.ink(Ink::Bad, &format!("{} thing(s) did not come out as they should.", missing.len())),
    });
    page.line(&format!("In {}:", folder.display()));
    let letters = theatre.evidence.letters().unwrap_or_default();
    for file in theatre.evidence.files().unwrap_or_default() {
        let what = match letters.iter().find(|letter| letter.file == file) {
            Some(letter) => letter.subject(),
            None if file.starts_with("recordings") => "what Luka said",
            None if file == Path::new("site.toml") => "the site that has run",
            None if file == Path::new("ringpost.db") => "call log and notices",
            None => "",
        };
        page.line(&format!("  {:<70} {}", file.display(), crate::log::one_line(what)));
    }
}

fn io(doing: &str, source: io::Error) -> StartError {
    StartError::Io { doing: doing.to_owned(), source }
}
