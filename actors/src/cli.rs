//! The command line: what can be asked of `ringpost`, and its exit codes.

mod calls;
mod directory;
mod doctor;
mod number;
mod presence;
mod queue;
mod route;
mod stages;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use ringpost::{
    counted::counted,
    settings::{MailUrl, Site},
};
use ringpost_actors::{
    demo::{self, DemoError},
    load::{self, Problem},
    log,
    stage::{self, StartError},
    status,
};

/// The site cannot be used as it is (EX_USAGE of sysexits.h).
const BAD_SITE: u8 = 64;

/// Rings all devices of a user at once, forwards to voice mail, and tells every missed call exactly once.
#[derive(Parser)]
#[command(name = "ringpost", version, max_term_width = 100)]
#[command(
    after_help = "Start with:  ringpost demo\nThen:        ringpost doctor --config site.toml && ringpost serve --config site.toml"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole main job on this machine: a call rings, is missed, and the notice arrives
    Demo {
        /// Where mails and recordings go; left out: a new temporary folder
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        #[command(flatten)]
        log: Log,
    },
    /// Run a site until SIGTERM; SIGHUP reads the site file again
    Serve {
        #[command(flatten)]
        site: SiteFile,
        #[command(flatten)]
        log: Log,
    },
    /// Check a site file: exit 0 and a summary, or exit 64 and every error with its line
    Check {
        #[command(flatten)]
        site: SiteFile,
    },
    /// Look at everything that a site needs: DNS, certificates, trunks, UM, mail, Exchange, store, ports; exit 1 where something
    /// does not work
    Doctor(doctor::Doctor),
    /// Ask the running Ringpost of a site how it is: exit 0, or 1 where a part is red or nobody answers
    Status {
        #[command(flatten)]
        site: SiteFile,
    },
    /// The calls so far, the newest first, each with what became of its notices; while Ringpost runs or not
    Calls(calls::Calls),
    /// Show what a dialled number becomes by the rules and the country of a location, and by which rule
    Number(number::Number),
    /// Look at the notices in the queue, send them again, drop them; while Ringpost runs or not
    Outbox {
        #[command(subcommand)]
        what: queue::What,
    },
    /// Look into the directory (LDAP), or ask it for changes at once
    Directory {
        #[command(subcommand)]
        what: directory::What,
    },
    /// What PBXs and presence servers tell of users, or a trial of one user's subscriptions, while Ringpost runs
    Presence(presence::Presence),
    /// Which way a number outside would take, and why no other: exit 0 where there is one, 1 where there is none
    Route(route::Route),
    /// Where users are on the way to enhanced presence: each with the stage, and how many are at each; of the site file and the
    /// directory's copy
    Stage(stages::Stage),
    /// Print shell completions, for example: ringpost completions bash
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Args)]
struct SiteFile {
    /// The site file (TOML); every key is in config/ringpost.toml
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Args)]
struct Log {
    /// How events are written to standard error
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    log: log::Format,
    /// error, warn, info, debug, trace, or directives as in RUST_LOG, which it overrides; default info, for demo warn
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// Does what the command line asks.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        None => help(),
        Some(Command::Demo { dir, log }) => show(dir, &log).unwrap_or_else(|code| code),
        Some(Command::Serve { site, log }) => serve(site.config, &log).unwrap_or_else(|code| code),
        Some(Command::Check { site }) => check(&site.config).unwrap_or_else(|code| code),
        Some(Command::Doctor(asked)) => doctor::run(asked),
        Some(Command::Status { site }) => show_status(&site.config).unwrap_or_else(|code| code),
        Some(Command::Calls(calls)) => calls::run(calls).unwrap_or_else(|code| code),
        Some(Command::Number(number)) => number::run(number).unwrap_or_else(|code| code),
        Some(Command::Outbox { what }) => queue::run(what).unwrap_or_else(|code| code),
        Some(Command::Directory { what }) => directory::run(what).unwrap_or_else(|code| code),
        Some(Command::Presence(asked)) => presence::run(asked).unwrap_or_else(|code| code),
        Some(Command::Route(route)) => route::run(&route).unwrap_or_else(|code| code),
        Some(Command::Stage(asked)) => stages::run(asked).unwrap_or_else(|code| code),
        Some(Command::Completions { shell }) => completions(shell),
    }
}

/// What is shown on standard output shall not be torn by what goes well.
fn show(dir: Option<PathBuf>, log: &Log) -> Result<ExitCode, ExitCode> {
    started(log, "warn")?;
    match demo::run(dir) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(DemoError::Start(error)) => done(Err(error)),
        Err(missing @ DemoError::Missing(_)) => {
            complain(&missing.to_string());
            Ok(ExitCode::FAILURE)
        }
    }
}

fn serve(file: PathBuf, log: &Log) -> Result<ExitCode, ExitCode> {
    let site = read(&file)?;
    started(log, "info")?;
    if site.store.path.is_none() {
        tracing::warn!("The store is in memory: notices do not survive a restart");
    }
    done(stage::run(site, file))
}

fn check(file: &Path) -> Result<ExitCode, ExitCode> {
    let site = read(file)?;
    Ok(printed(&summary(file, &site)))
}

fn show_status(file: &Path) -> Result<ExitCode, ExitCode> {
    let Some(address) = read(file)?.metrics.listen else {
        complain(&format!("{}: metrics.listen: is missing; `ringpost status` asks there", file.display()));
        return Err(ExitCode::from(BAD_SITE));
    };
    match status::ask(address) {
        Ok((true, text)) => Ok(printed(&text)),
        Ok((false, text)) => {
            printed(&text);
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            complain(&format!("ringpost: no answer at {address}: {error}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn read(file: &Path) -> Result<Site, ExitCode> {
    load::site(file).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(Problem::to_string).collect();
        complain(&lines.join("\n"));
        ExitCode::from(BAD_SITE)
    })
}

fn started(log: &Log, usual: &str) -> Result<(), ExitCode> {
    log::start(log.log, log.log_level.as_deref(), usual).map_err(|what| {
        complain(&format!("ringpost: {what}"));
        ExitCode::from(BAD_SITE)
    })
}

fn done(ran: Result<(), StartError>) -> Result<ExitCode, ExitCode> {
    ran.map(|()| ExitCode::SUCCESS).map_err(|e| {
        complain(&format!("ringpost: {}", log::one_line(&e.to_string())));
        match e {
            StartError::Config(_) => ExitCode::from(BAD_SITE),
            StartError::Io { .. } | StartError::Broken(_) => ExitCode::FAILURE,
        }
    })
}

/// What the site amounts to, one line per thing that somebody would look for.
fn summary(file: &Path, site: &Site) -> String {
    let listen: Vec<_> = site
        .sip
        .listen
        .iter()
        .map(|listen| format!("{}:{}", format!("{:?}", listen.transport).to_lowercase(), listen.address))
        .collect();
    let mail = match site.mail.as_ref().map(|mail| &mail.url) {
        None => "none".to_owned(),
        Some(MailUrl::Maildir(path)) => format!("Maildirs below {}", path.display()),
        Some(MailUrl::Smtp { host, port, tls, .. }) => {
            format!("SMTP to {host} port {port}, TLS {}", format!("{tls:?}").to_lowercase())
        }
    };
    let store = site.store.path.as_ref().map_or("in memory".to_owned(), |path| path.display().to_string());
    let devices: usize = site.users.iter().map(|user| user.devices.len()).sum();
    format!(
        "{}: ok\n  listens on {}\n  {}, {}, {} with {}\n  mail: {mail}\n  store: {store}\n",
        file.display(),
        listen.join(", "),
        counted(site.trunks.len(), "trunk"),
        counted(site.plans.len(), "UM plan"),
        counted(site.users.len(), "user"),
        counted(devices, "device"),
    )
}

fn help() -> ExitCode {
    printed(&Cli::command().render_help().to_string())
}

fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ringpost", &mut script);
    printed(&String::from_utf8_lossy(&script))
}

/// Writes to standard output; a reader that has seen enough (`| head`) is no failure.
fn printed(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// Writes to standard error; there is nobody left to tell if that fails.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
