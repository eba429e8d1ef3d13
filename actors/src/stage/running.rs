//! What a Ringpost that runs hears from outside, until it has stopped: signals, changed files, a part of it that is broken.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Running, StartError, rules_files::Watched};
use crate::{directory::keep::Order, load, outbox, port::lanes::Parcel};

/// What an admin or a service manager says.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, StartError> {
        let listen = |kind| {
            signal(kind).map_err(|source| StartError::Io { doing: "waiting for signals".into(), source })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }
}

impl Running {
    /// Waits for SIGTERM or SIGINT, then drains; SIGHUP reads the users again.
    pub(crate) async fn until_told(
        mut self,
        site_file: &Path,
        Signals { mut terminate, mut interrupt, mut hang_up }: Signals,
    ) -> Result<(), StartError> {
        let mut watched = Watched::of(&self.directory.load().site);
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => {
                    self.reload(site_file).await;
                    watched = Watched::of(&self.directory.load().site);
                }
                () = watched.wait() => {
                    if watched.have_changed() {
                        tracing::info!("A rules file has changed");
                        self.reload(site_file).await;
                        watched.follow(&self.directory.load().site);
                    }
                }
                Some(part) = self.fatal.recv() => return self.escalate(part).await,
            }
        }
        tokio::select! {
            () = self.stop() => {}
            _ = terminate.recv() => tracing::warn!("Told twice: stopping at once"),
            _ = interrupt.recv() => tracing::warn!("Told twice: stopping at once"),
        }
        Ok(())
    }

    /// A part cannot be kept alive: what can be saved is, and the program ends for its own keeper to start it afresh.
    async fn escalate(self, part: String) -> Result<(), StartError> {
        tracing::error!(part, "Ringpost ends, because a part of it ended again and again");
        self.lanes.tell_all(|| Parcel::Stop).await;
        self.wait_for_calls(Duration::from_secs(2)).await;
        // The outbox may be that part.
        let stopped = self.outbox.send(outbox::Stop(Duration::from_secs(2)));
        let _ = tokio::time::timeout(Duration::from_secs(5), stopped).await;
        Err(StartError::Broken(part))
    }

    /// Reads the site file again; users, trunks and UM plans change, listeners and the store need a restart. With a large
    /// directory that takes seconds, so a thread of its own does it.
    async fn reload(&self, site_file: &Path) {
        let (renewal, site_file) = (Arc::clone(&self.renewal), site_file.to_owned());
        let renewed = move || load::site(&site_file).map(|site| (site.users.len(), renewal.site(site)).0);
        let Ok(read) = tokio::task::spawn_blocking(renewed).await else {
            tracing::error!("Reading the site file again has failed: the users stay as they were");
            return;
        };
        match read {
            Ok(users) => {
                // Full: it has been told already.
                self.mirror.iter().for_each(|mirror| drop(mirror.try_send(Order::Reread)));
                tracing::info!(users, "Read the site file again");
            }
            Err(problems) => {
                problems.iter().for_each(|problem| tracing::error!("{problem}"));
                tracing::error!("The site file has errors: the users stay as they were");
            }
        }
    }

    /// No new calls; running ones may finish up to the limit; then everything is written and closed.
    pub async fn stop(&self) {
        self.lanes.drain().await;
        tracing::info!(calls = self.calls.load(Ordering::Relaxed), "Draining");
        self.trunks.stop().await;
        self.web.stop().await;
        self.wait_for_calls(self.drain).await;
        self.connectors.stop().await;
        if let Some(outward) = &self.outward {
            outward.stop().await;
        }
        self.rcc.farewell().await;
        self.lanes.tell_all(|| Parcel::Stop).await;
        self.wait_for_calls(Duration::from_secs(5)).await;
        if self.outbox.send(outbox::Stop(Duration::from_secs(5))).await.is_err() {
            tracing::error!("The outbox had ended before");
        }
        tracing::info!("Stopped");
    }

    async fn wait_for_calls(&self, limit: Duration) {
        let until = Instant::now() + limit;
        while self.calls.load(Ordering::Relaxed) > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
