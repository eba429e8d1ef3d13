//! `ringpost doctor`: looks at a site from outside, beside a Ringpost that runs or without one. It sends no mail, makes no
//! call, and shows no password that was refused.
//!
//! Each sibling plans its chains of steps (`chain.rs`); what a verdict is and how it is shown is in [`ringpost::doctor`].

mod calendars;
mod chain;
mod config;
mod connectors;
mod csta;
mod door;
mod ews;
mod graph;
mod host;
mod ldap;
mod mail;
mod names;
mod own_tls;
mod passwords;
mod peer;
mod ports;
mod program;
mod publishers;
mod sip;
mod sockets;
mod store;
mod talk;
mod voicemail;
mod webhook;

use std::{collections::HashSet, path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use ringpost::{
    doctor::{Report, Step, is_asked_for},
    settings::{ChannelKind, MailUrl, Site, User},
};
use tokio::time::Instant;

use self::{chain::Chain, passwords::Passwords, program::Program};
use crate::{
    channel::token::Tokens,
    keeper::Keeper,
    load,
    names::{self as dns, Names},
    port::tls::Tls,
};

/// What the admin asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The site file.
    pub file: PathBuf,
    /// An address or number: whose mailbox is looked at, and whether mail to it would be taken.
    pub user: Option<String>,
    /// The step, or the beginning of the names of steps, that is wanted alone.
    pub only: Option<String>,
    /// How long a step may take.
    pub timeout: Duration,
}

/// What all checks share.
pub struct Ward {
    site: Site,
    names: Arc<Names>,
    /// TLS as the port speaks it; without our own certificates where these cannot be read.
    tls: Option<Arc<Tls>>,
    tokens: Tokens,
    program: Program,
    passwords: Passwords,
    /// Whom the admin names, and the user of the site that this is.
    wanted: Option<String>,
    asked_for: Option<User>,
    timeout: Duration,
}

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
pub enum Unasked {
    /// `--only` names no step of this site; those that there are.
    #[error("this site has no step {0}; its steps are {1}")]
    NoStep(String, String),
    /// `--user` names nobody.
    #[error("this site has no user {0}")]
    NoUser(String),
}

/// Looks at everything that is asked for. Runs in an actix system.
///
/// # Errors
/// What was asked for is not there.
pub async fn examine(asked: &Asked) -> Result<Report, Unasked> {
    let begun = Instant::now();
    let report = |steps, is_bad_site| Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        site: asked.file.display().to_string(),
        steps,
        took: begun.elapsed(),
        is_bad_site,
    };
    let site = match load::site(&asked.file) {
        Ok(site) => site,
        Err(problems) => return Ok(report(config::problems(&problems), true)),
    };
    let ward = Ward::of(site, asked).await?;
    let mut chains = ward.chains();
    if let Some(only) = &asked.only {
        let names: Vec<String> = chains.iter().flat_map(|chain| chain.steps().to_vec()).collect();
        chains.retain(|chain| chain.steps().iter().any(|step| is_asked_for(step, Some(only))));
        if chains.is_empty() {
            return Err(Unasked::NoStep(only.clone(), names.join(", ")));
        }
    }
    let mut steps = chain::run(chains, asked.timeout).await;
    if let Some(only) = &asked.only {
        // A step that another one needs was done, and is told only where it is why that one was not.
        let needed = |step: &Step| {
            is_asked_for(&step.name, Some(only)).then(|| step.found.needs().map(str::to_owned))?
        };
        let needed: HashSet<String> = steps.iter().filter_map(needed).collect();
        steps.retain(|step| is_asked_for(&step.name, Some(only)) || needed.contains(&step.name));
    }
    Ok(report(steps, false))
}

impl Ward {
    async fn of(site: Site, asked: &Asked) -> Result<Rc<Self>, Unasked> {
        let asked_for = match &asked.user {
            None => None,
            Some(wanted) => {
                let found = site.users.iter().find(|user| is_called(user, wanted));
                // The directory may know others.
                if found.is_none() && site.ldap.is_none() {
                    return Err(Unasked::NoUser(wanted.clone()));
                }
                found.cloned()
            }
        };
        let mut lookups = site.dns.clone();
        lookups.timeout = lookups.timeout.min(asked.timeout * 4 / 5);
        let (names, orders) = Names::new(lookups);
        let names = Arc::new(names);
        dns::start(Arc::clone(&names), orders, Keeper::new().0);
        let tls = Tls::new(&site).or_else(|_| {
            let mut bare = site.clone();
            bare.tls.identities.clear();
            Tls::new(&bare)
        });
        let program = Program::find(&site, asked.timeout).await;
        let (tokens, passwords, timeout) = (Tokens::default(), Passwords::default(), asked.timeout);
        let (tls, wanted) = (tls.ok(), asked.user.clone());
        Ok(Rc::new(Self { site, names, tls, tokens, program, passwords, wanted, asked_for, timeout }))
    }

    /// Everything there is to look at, in the order in which it is told.
    fn chains(self: &Rc<Self>) -> Vec<Chain> {
        let mut chains = config::chains(self);
        chains.extend(host::chains(self));
        chains.extend(program::chains(self));
        chains.extend(ports::chains(self));
        chains.extend(store::chains(self));
        chains.extend(voicemail::chains(self));
        chains.extend(own_tls::chains(self));
        chains.extend(sip::chains(self));
        chains.extend(names::chains(self));
        chains.extend(ldap::chains(self));
        for channel in &self.site.channels {
            let name = channel.name.as_str();
            chains.extend(match &channel.kind {
                ChannelKind::Mail(settings) => match &settings.url {
                    MailUrl::Maildir(path) => vec![store::maildir(name, path)],
                    MailUrl::Smtp { .. } => mail::chains(self, name, settings),
                },
                ChannelKind::Ews(settings) => ews::chains(self, name, settings),
                ChannelKind::Graph(settings) => graph::chains(self, name, settings),
                ChannelKind::Webhook(settings) => vec![webhook::chain(self, name, settings)],
            });
        }
        chains.extend(connectors::chains(self));
        chains.extend(publishers::chains(self));
        chains.extend(calendars::chains(self));
        chains.extend(csta::chains(self));
        chains
    }

    /// The mailbox that is looked at: that of whom the admin names, else of the first user who has one.
    fn mailbox(&self) -> Option<String> {
        let first = || self.site.users.iter().find_map(|user| user.mail.clone());
        match &self.asked_for {
            Some(user) => user.mail.clone(),
            None => first(),
        }
    }
}

fn is_called(user: &User, wanted: &str) -> bool {
    let bare = |text: &str| text.trim_start_matches("sip:").to_ascii_lowercase();
    bare(&user.address) == bare(wanted)
        || user.numbers.iter().any(|number| number == wanted)
        || user.mail.as_deref().is_some_and(|mail| mail.eq_ignore_ascii_case(wanted))
}
