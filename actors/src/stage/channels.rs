//! The channels of a site, and the one to UM.

use std::{collections::HashMap, sync::Arc};

use ringpost::{
    outbox::ChannelName,
    settings::{Outbox, Site},
};

use super::{StartError, config, tell_um::UmTeller};
use crate::{
    channel::{self, Contacts, Letters, SipInfo, token::Tokens},
    outbox::{ChannelUse, Channels},
};

/// INFOs to UM under way at once.
const UM_AT_ONCE: usize = 32;

/// What looks callers up in the contacts of a channel's users, by the channel's name.
pub type ContactsOf = HashMap<ChannelName, Arc<dyn Contacts>>;

/// Opens the site's own channels.
pub fn open(site: &Site, letters: &Letters) -> Result<(Channels, ContactsOf), StartError> {
    let (mut channels, mut contacts) = (Channels::default(), ContactsOf::new());
    let tokens = Tokens::default();
    for one in &site.channels {
        let opened = channel::channel(one, &tokens, letters).map_err(config)?;
        contacts.extend(Arc::clone(&opened).contacts().map(|contacts| (one.name.clone(), contacts)));
        let used = ChannelUse { channel: Some(opened), at_once: one.at_once, schedule: one.schedule.clone() };
        channels = channels.with(one.name.as_str(), used);
    }
    Ok((channels, contacts))
}

/// The channel that tells UM by INFO inside the dialog.
pub fn to_um(teller: UmTeller, schedule: &Outbox) -> ChannelUse {
    ChannelUse {
        channel: Some(Arc::new(SipInfo::new(Arc::new(teller)))),
        at_once: UM_AT_ONCE,
        schedule: schedule.clone(),
    }
}
