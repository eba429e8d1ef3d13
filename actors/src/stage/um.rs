//! Starts the embedded UM, where the site needs it.

use std::sync::Arc;

use actix::prelude::*;
use arc_swap::ArcSwap;
use ringpost::{
    directory::Directory,
    settings::{Site, UmServer},
};

use super::{StartError, config, lane};
use crate::{
    identity::Identity, keeper::Keeper, mailboxes::Mailboxes, outbox::Outbox, policies::Policies, um::Office,
    voicemail::PortPool,
};

/// Whether Ringpost answers calls itself: as UM, as an attendant, or to say that a feature code is taken.
pub(crate) fn uses_embedded_um(site: &Site) -> bool {
    // It also says that a feature code is taken, and is every attendant.
    !site.feature_codes.0.is_empty()
        || !site.attendants.is_empty()
        || site.plans.iter().any(|plan| plan.servers.contains(&UmServer::Embedded))
}

/// The ports of its RTP, and of calls that ask for a key.
pub fn rtp_ports(site: &Site) -> Arc<PortPool> {
    let voicemail = &site.voicemail;
    PortPool::new(voicemail.address, voicemail.address, voicemail.rtp_ports)
}

/// Starts it on a thread of its own.
pub fn start(
    directory: &Arc<ArcSwap<Directory>>,
    (outbox, ports, identity): (&Addr<Outbox>, &Arc<PortPool>, &Option<Arc<Identity>>),
    kept: (Arc<Policies>, Arc<Mailboxes>),
    socket: std::net::UdpSocket,
    keeper: Keeper,
) -> Result<(), StartError> {
    let voicemail = directory.load().site.voicemail.clone();
    std::fs::create_dir_all(&voicemail.recordings).map_err(|error| {
        StartError::Config(format!("{} cannot be made: {error}", voicemail.recordings.display()))
    })?;
    let office =
        Office::new(Arc::clone(directory), outbox.clone(), Arc::clone(ports), kept).map_err(config)?;
    let office = Arc::new(office.naming(identity.clone()));
    drop(actix::spawn(Arc::clone(&office).tell_all_locked()));
    lane::start_um(office, socket, keeper)
}
