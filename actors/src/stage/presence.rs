//! Starts presence.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use arc_swap::ArcSwap;
use ringpost::{directory::Directory, outbox::ChannelName};

use crate::{
    channel::{Activities, Calendars},
    keeper::Keeper,
    policies::Policies,
    port::lanes::Lanes,
    presence::{Presence, calendars::Asked, connect::Connectors, outward::Outward},
    rcc::Rcc,
    registrar::Registrar,
    store::Scribe,
};

/// Takes up what the last run has told whom, and hears of who comes, goes or changes something.
pub async fn start(
    directory: &Arc<ArcSwap<Directory>>,
    (policies, registrar, rcc): (&Arc<Policies>, &Arc<Registrar>, &Arc<Rcc>),
    lanes: usize,
    scribe: &Scribe,
    keeper: &Keeper,
) -> Arc<Presence> {
    let both = (Arc::clone(policies), Arc::clone(registrar));
    let presence = Presence::new(Arc::clone(directory), both, lanes, Some(scribe.clone()));
    presence.restore().await;
    registrar.tell(looks_again(Arc::downgrade(&presence)));
    let (looks, rcc) = (looks_again(Arc::downgrade(&presence)), Arc::downgrade(rcc));
    policies.tell(move |user| {
        looks(user);
        if let Some(rcc) = rcc.upgrade() {
            rcc.features_changed(user);
        }
    });
    let (timed, counted, written) = (Arc::clone(&presence), Arc::clone(&presence), Arc::clone(&presence));
    keeper.keep("presence".into(), move || Arc::clone(&timed).keep_time());
    keeper.keep("message counts".into(), move || Arc::clone(&counted).count());
    keeper.keep("publications".into(), move || Arc::clone(&written).write_publications());
    presence
}

/// Has users' calendars asked for, of the servers of those channels.
pub fn calendars(
    presence: &Arc<Presence>,
    servers: HashMap<ChannelName, Arc<dyn Calendars>>,
    keeper: &Keeper,
) {
    let asked = Arc::new(Asked::new(Arc::clone(presence), servers));
    keeper.keep("calendars".into(), move || Arc::clone(&asked).run());
}

/// Has the PBXs and presence servers of the site asked what they know.
pub fn subscribe(presence: &Arc<Presence>, lanes: &Lanes, keeper: &Keeper) -> Arc<Connectors> {
    Connectors::start(presence, lanes, keeper)
}

/// Has it told to the presence servers of the site.
pub fn publish(
    presence: &Arc<Presence>,
    (lanes, activities): (&Lanes, HashMap<ChannelName, Arc<dyn Activities>>),
    keeper: &Keeper,
) -> Option<Arc<Outward>> {
    let outward = Outward::new(Arc::clone(presence), lanes.clone(), activities)?;
    let kept = Arc::clone(&outward);
    keeper.keep("publishing".into(), move || Arc::clone(&kept).run());
    let (told, lanes) = (Arc::clone(presence), lanes.clone());
    keeper.keep("message counts for PBXs".into(), move || Arc::clone(&told).tell_pbxs(lanes.clone()));
    Some(outward)
}

fn looks_again(presence: Weak<Presence>) -> impl Fn(&str) + Send + Sync + 'static {
    move |user| {
        if let Some(presence) = presence.upgrade() {
            presence.look_again(user);
        }
    }
}
