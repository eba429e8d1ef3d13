//! Tells PBXs what waits for users whose phones hang there, though they have not asked (PROTOCOLS §5): one task that hears of
//! changes, and plays the machine of each PBX ([`ringpost::presence::unasked`]).

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use ringpost::{
    directory::Directory,
    presence::{
        Sight,
        subscription::Package,
        unasked::{Fate, Unasked},
    },
    settings::Trunk,
};

use super::{Presence, lock};
use crate::{
    metrics::METRICS,
    port::{errand::Errand, lanes::Lanes, proof},
};

/// NOTIFYs to one PBX under way at once.
const AT_ONCE: usize = 8;
/// Longer than any transaction lasts.
const PATIENCE: Duration = Duration::from_secs(35);

/// A PBX.
struct Pbx {
    trunk: Arc<Trunk>,
    owes: Unasked<Arc<str>>,
    /// Whose phones hang there, and how each is named there and what number it is told to call.
    users: HashMap<Arc<str>, Place, ahash::RandomState>,
}

/// The phone, the user's address there, and the account.
type Place = (String, String, Option<String>);

/// Whose NOTIFY came to what, at which PBX.
type Done = (String, Arc<str>, u16);
type Work = FuturesUnordered<LocalBoxFuture<'static, Done>>;

impl Presence {
    /// Works until the end of the program. Every user is told of once at the start: what a run before has told, nobody knows.
    pub async fn tell_pbxs(self: Arc<Self>, lanes: Lanes) {
        let (began, mut work) = (Instant::now(), Work::new());
        let now = || began.elapsed().as_millis() as u64;
        let mut pbxs: Vec<Pbx> = vec![];
        let mut seen = None;
        loop {
            let directory = self.directory.load_full();
            if !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &directory)) {
                self.renew(&directory, &mut pbxs);
                seen = Some(Arc::clone(&directory));
            }
            let owed = std::mem::take(&mut *lock(&self.elsewhere.owed));
            for user in owed {
                pbxs.iter_mut().for_each(|pbx| pbx.owes.owe(Arc::clone(&user)));
            }
            let at = now();
            for pbx in &mut pbxs {
                while let Some(user) = pbx.owes.next(at) {
                    match self.notify(&directory, &pbx.trunk, &user) {
                        Some(errand) => {
                            METRICS.notifies_total.one();
                            let (lanes, trunk) = (lanes.clone(), Arc::clone(&pbx.trunk));
                            work.push(Box::pin(async move {
                                let login = trunk.far.as_ref().and_then(|far| far.login.as_ref());
                                let reply = proof::ask(&lanes, errand, (&trunk.name, login), PATIENCE).await;
                                (trunk.name.clone(), user, reply.code)
                            }));
                        }
                        None => pbx.owes.passes_over(&user),
                    }
                }
            }
            let wake = pbxs.iter().filter_map(|pbx| pbx.owes.wake(at)).min();
            tokio::select! {
                () = self.elsewhere.owes.notified() => {}
                Some((name, user, code)) = work.next() => {
                    let found = pbxs.iter_mut().find(|pbx| pbx.trunk.name == name);
                    found.into_iter().for_each(|pbx| pbx.answered(&user, code, now()));
                }
                () = until(wake.map(|wake| wake.saturating_sub(at))) => {}
            }
        }
    }

    /// The site was read: PBXs and users may have come and gone.
    fn renew(&self, directory: &Directory, pbxs: &mut Vec<Pbx>) {
        let settings = &directory.site.presence;
        let is_wanted = |trunk: &&Arc<Trunk>| settings.enabled && settings.messages_to.contains(&trunk.name);
        let mut before = std::mem::take(pbxs);
        for trunk in directory.trunks().filter(is_wanted) {
            let target = |trunk: &Trunk| trunk.far.as_ref().map(|far| far.target.clone());
            let same = |pbx: &Pbx| pbx.trunk.name == trunk.name && target(&pbx.trunk) == target(trunk);
            let mut pbx = match before.iter().position(same) {
                Some(at) => before.swap_remove(at),
                None => {
                    Pbx { trunk: Arc::clone(trunk), owes: Unasked::new(AT_ONCE), users: HashMap::default() }
                }
            };
            pbx.trunk = Arc::clone(trunk);
            if pbx.owes.is_only_asked() {
                pbx.owes.forgive();
            }
            let mut users = HashMap::default();
            for user in &directory.site.users {
                let Some(phone) = directory.phone_at(user, trunk) else { continue };
                let address: Arc<str> = user.address.as_str().into();
                let named = directory.address_towards(user, trunk).into_owned();
                let place = (phone, named, self.summary(directory, user).account);
                // A directory may be read again every few minutes: whoever is as before is not told again.
                if pbx.users.get(&address) != Some(&place) {
                    pbx.owes.owe(Arc::clone(&address));
                }
                users.insert(address, place);
            }
            pbx.users = users;
            pbxs.push(pbx);
        }
    }

    /// The NOTIFY of a user, as Exchange writes it: From and To are the user's. `None`: the user has no phone there.
    fn notify(&self, directory: &Directory, trunk: &Trunk, user: &str) -> Option<Errand> {
        let user = directory.of_address(user)?;
        let far = trunk.far.as_ref()?;
        let uri = directory.phone_at(user, trunk)?;
        let address = directory.address_towards(user, trunk).into_owned();
        let told = self.of(user).told();
        let document = told.document(&user.address, Package::MessageSummary, Sight::Full);
        Some(Errand {
            method: "NOTIFY",
            uri,
            next_hop: Some(far.target.clone()),
            from: address.clone(),
            to: address,
            host: far.host.clone(),
            headers: vec![
                ("Event", Package::MessageSummary.name().into()),
                ("Subscription-State", b"terminated;reason=timeout".to_vec()),
                ("Content-Type", document.kind.into()),
            ],
            body: Bytes::from(document.whole(0)),
            ..Errand::default()
        })
    }
}

impl Pbx {
    fn answered(&mut self, user: &Arc<str>, code: u16, now: u64) {
        let fate = Fate::of(code);
        if fate != Fate::Done || code >= 300 {
            METRICS.notify_failures_total.one();
            tracing::debug!(trunk = self.trunk.name, user = &**user, code, "A PBX does not take a NOTIFY");
        }
        if self.owes.answered(user, fate, now) {
            let trunk = &self.trunk.name;
            tracing::warn!(
                trunk,
                code,
                "A PBX takes no message counts that it has not subscribed to: it is tried again every hour, and when the site is read"
            );
        }
    }
}

/// After so many milliseconds; `None`: never.
async fn until(wait: Option<u64>) {
    match wait {
        Some(wait) => tokio::time::sleep(Duration::from_millis(wait.max(1))).await,
        None => std::future::pending().await,
    }
}
