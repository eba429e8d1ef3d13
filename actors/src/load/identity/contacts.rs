//! `kind = "ews"` and `kind = "graph"`: the callee's own contacts, by a channel that speaks the same.

use std::time::Duration;

use ringpost::{
    outbox::ChannelName,
    settings::{ChannelKind, SourceKind},
};

use super::Around;
use crate::load::{raw::Raw, section::Section};

/// A notice waits no longer for a name, whatever the site says.
const LONGEST: Duration = Duration::from_secs(30);

/// Reads the keys of `kind = "ews"`; `None` after a problem.
pub fn ews(section: &mut Section<'_>, around: &Around<'_>) -> Option<SourceKind> {
    contacts(section, around, "ews", |kind| matches!(kind, ChannelKind::Ews(_)))
}

/// Reads the keys of `kind = "graph"`; `None` after a problem.
pub fn graph(section: &mut Section<'_>, around: &Around<'_>) -> Option<SourceKind> {
    contacts(section, around, "graph", |kind| matches!(kind, ChannelKind::Graph(_)))
}

fn contacts(
    section: &mut Section<'_>,
    around: &Around<'_>,
    wanted: &str,
    fits: impl Fn(&ChannelKind) -> bool,
) -> Option<SourceKind> {
    let channel = section.required("channel", |raw| {
        let name = ChannelName::from(raw.text()?);
        match around.channels.iter().find(|channel| channel.name == name) {
            Some(channel) if fits(&channel.kind) => Ok(name),
            // What is wrong with the channel itself has been said.
            None if around.known.iter().any(|known| known.name == name) => Ok(name),
            Some(_) | None => Err(format!("wants the name of a [channel.NAME] of kind = {wanted:?}")),
        }
    });
    let timeout = section.optional("timeout", |raw| match raw.duration()? {
        long if long > LONGEST => Err("must not be longer than 30s".to_owned()),
        timeout => Ok(timeout),
    });
    let refresh = section.optional("refresh", Raw::duration);
    let most = section.optional("most", |raw| raw.count(1_000..=10_000_000));
    Some(SourceKind::Contacts {
        channel: channel?,
        timeout: timeout.unwrap_or(Duration::from_secs(3)),
        refresh: refresh.unwrap_or(Duration::from_secs(900)),
        most: usize::try_from(most.unwrap_or(200_000)).expect("read within bounds"),
    })
}
