//! The channels of a site, and the one to UM.

use std::{collections::HashMap, sync::Arc};

use ringpost::{
    outbox::ChannelName,
    settings::{Outbox, Site},
};

use super::{StartError, config, tell_um::UmTeller};
use crate::{
    channel::{self, Activities, Calendars, Contacts, Letters, SipInfo, token::Tokens},
    outbox::{ChannelUse, Channels},
};

/// INFOs to UM under way at once.
const UM_AT_ONCE: usize = 32;

/// What the servers of channels know beside, by the channel's name.
#[derive(Default)]
pub struct Beside {
    /// The contacts of users.
    pub contacts: HashMap<ChannelName, Arc<dyn Contacts>>,
    /// The calendars of users.
    pub calendars: HashMap<ChannelName, Arc<dyn Calendars>>,
    /// Who wants to know what users are doing.
    pub activities: HashMap<ChannelName, Arc<dyn Activities>>,
}

/// Opens the site's own channels.
pub fn open(site: &Site, letters: &Letters) -> Result<(Channels, Beside), StartError> {
    let (mut channels, mut beside) = (Channels::default(), Beside::default());
    let tokens = Tokens::default();
    for one in &site.channels {
        let opened = channel::channel(one, &tokens, letters).map_err(config)?;
        beside.contacts.extend(Arc::clone(&opened).contacts().map(|known| (one.name.clone(), known)));
        beside.calendars.extend(Arc::clone(&opened).calendars().map(|known| (one.name.clone(), known)));
        beside.activities.extend(Arc::clone(&opened).activities().map(|told| (one.name.clone(), told)));
        let used = ChannelUse { channel: Some(opened), at_once: one.at_once, schedule: one.schedule.clone() };
        channels = channels.with(one.name.as_str(), used);
    }
    Ok((channels, beside))
}

/// The channel that tells UM by INFO inside the dialog.
pub fn to_um(teller: UmTeller, schedule: &Outbox) -> ChannelUse {
    ChannelUse {
        channel: Some(Arc::new(SipInfo::new(Arc::new(teller)))),
        at_once: UM_AT_ONCE,
        schedule: schedule.clone(),
    }
}
