//! Which trunk a number outside leaves by, and whether it may.

use std::{
    net::IpAddr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{Directory, Origin};
use crate::{
    address::Caller,
    call::wire::caller_named,
    settings::{FarEnd, Trunk, User},
    sip::{Message, build::literal, relay::is_private, uri::Uri},
};

/// One way to a number outside.
#[derive(Clone, Debug)]
pub struct Target {
    /// The Request-URI: the number as the trunk writes it, at the trunk.
    pub uri: String,
    /// The trunk.
    pub trunk: Arc<Trunk>,
}

/// Why a number cannot be called outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoWay {
    /// It is no number, or no trunk serves it.
    Unserved,
    /// A trunk serves it, `[outbound] allowed_prefixes` does not allow it.
    Forbidden,
    /// Every trunk that serves it is down.
    Down,
}

/// What is learned of a trunk while Ringpost runs.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// It does not answer now.
    down: AtomicBool,
    /// Where its registrar answered from: its calls come from there.
    registrar: RwLock<Option<IpAddr>>,
}

impl Learned {
    fn registrar(&self) -> Option<IpAddr> {
        *self.registrar.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory {
    /// Whether a URI leads to a trunk. A device that registers such a Contact would have calls leave by a way that
    /// `allowed_prefixes` does not guard (T19).
    pub fn is_at_trunk(&self, uri: &[u8]) -> bool {
        let Some(uri) = Uri::read(uri) else { return false };
        let bare = |host: &[u8]| host.strip_suffix(b".").unwrap_or(host).to_ascii_lowercase();
        // `maddr` leads there as well as the host does; where other names lead is known when they are called.
        [Some(uri.host), uri.param("maddr")].into_iter().flatten().any(|host| {
            let far = self.trunks.iter().filter_map(|trunk| trunk.far.as_ref());
            far.filter_map(|far| Uri::read(far.target.as_bytes()))
                .any(|target| bare(target.host) == bare(host))
                || literal(host, None).is_some_and(|at| self.trunk(at.ip()).is_some())
        })
    }

    /// The first healthy trunk for a number outside, in the order of the site; `None` where it may not or cannot be
    /// called.
    pub fn way_out(&self, dialled: &str) -> Option<Target> {
        self.ways_out(dialled, None).ok()?.into_iter().next()
    }

    /// Every way to a number outside, healthy trunks only, in the order of the site; `from` is the trunk that the call
    /// came by, which it never leaves by again.
    ///
    /// # Errors
    /// Why there is none.
    pub fn ways_out(&self, dialled: &str, from: Option<&Trunk>) -> Result<Vec<Target>, NoWay> {
        let number = self.site.outbound.numbering.normal(dialled).ok_or(NoWay::Unserved)?;
        let has = |trunk: &Trunk| trunk.rules.lines.as_ref().is_some_and(|lines| lines.has(&number));
        let serving = |trunk: &Arc<Trunk>| {
            let back = from.is_some_and(|from| from.name == trunk.name);
            let far = trunk.far.as_ref().filter(|far| !back && (far.serves(&number) || has(trunk)))?;
            let uri = far.uri(&trunk.rules.write(&number, &self.site.outbound.numbering));
            Some(Target { uri, trunk: Arc::clone(trunk) })
        };
        let mut ways: Vec<Target> = self.trunks.iter().filter_map(serving).collect();
        if ways.is_empty() {
            return Err(NoWay::Unserved);
        }
        // The PBX that has a line is the way to it, and costs nothing.
        ways.sort_by_key(|way| !has(&way.trunk));
        if !self.site.outbound.allowed_prefixes.iter().any(|prefix| number.starts_with(prefix)) {
            ways.retain(|way| has(&way.trunk));
        }
        if ways.is_empty() {
            return Err(NoWay::Forbidden);
        }
        let up: Vec<Target> = ways.into_iter().filter(|way| self.trunk_is_up(&way.trunk.name)).collect();
        if up.is_empty() { Err(NoWay::Down) } else { Ok(up) }
    }

    /// Whether the trunk of that name answers, as far as is known.
    pub fn trunk_is_up(&self, name: &str) -> bool {
        self.learned_of(name).is_some_and(|learned| !learned.down.load(Ordering::Relaxed))
    }

    /// The trunk of that name answers from now on, or does not.
    pub fn set_trunk(&self, name: &str, up: bool) {
        if let Some(learned) = self.learned_of(name) {
            learned.down.store(!up, Ordering::Relaxed);
        }
    }

    /// The registrar of the trunk of that name has taken our registration; it is at that address.
    pub fn set_registrar(&self, name: &str, address: IpAddr) {
        if let Some(learned) = self.learned_of(name) {
            *learned.registrar.write().unwrap_or_else(PoisonError::into_inner) = Some(address.to_canonical());
        }
    }

    /// The trunk whose registrar is at that address. Only those that register have one.
    pub(super) fn registered_at(&self, source: IpAddr) -> Option<&Arc<Trunk>> {
        let registers = |trunk: &Trunk| trunk.far.as_ref().is_some_and(|far| far.registration.is_some());
        let both = self.trunks.iter().zip(&self.learned).filter(|(trunk, _)| registers(trunk));
        both.into_iter()
            .find(|(_, learned)| learned.registrar() == Some(source.to_canonical()))
            .map(|(trunk, _)| trunk)
    }

    fn learned_of(&self, name: &str) -> Option<&Learned> {
        self.learned.get(self.trunks.iter().position(|trunk| trunk.name == name)?)
    }

    /// Takes over what an earlier snapshot knew of the trunks and UM servers that are still there.
    pub fn remember(&self, earlier: &Self) {
        let before = earlier.um_members();
        for member in self.um_members() {
            if let Some(known) = before.iter().find(|known| known.server == member.server) {
                member.remember(known);
            }
        }
        for (trunk, learned) in earlier.trunks.iter().zip(&earlier.learned) {
            self.set_trunk(&trunk.name, !learned.down.load(Ordering::Relaxed));
            if let Some(address) = learned.registrar() {
                self.set_registrar(&trunk.name, address);
            }
        }
    }
}

/// A call that leaves by a trunk.
#[derive(Clone, Debug)]
pub struct Exit {
    /// The called number as a user of the site would be: one device, no UM, nobody to tell of a missed call.
    pub callee: Arc<User>,
    /// The ways there, at least one.
    pub ways: Vec<Target>,
}

impl Directory {
    /// Where a call of `origin` to a number that is no user leaves.
    ///
    /// # Errors
    /// Why it does not: a trunk that may not call through us gets the same answer as for any unknown number.
    pub fn exit(&self, uri: &[u8], origin: &Origin) -> Result<Exit, NoWay> {
        let (written, meaning) = self.called_number(uri, origin).ok_or(NoWay::Unserved)?;
        let dialled = meaning.number(&written).ok_or(NoWay::Unserved)?;
        let ways = match origin {
            Origin::User(_) => self.ways_out(&dialled, None)?,
            Origin::Trunk(trunk) if trunk.transit => self.ways_out(&dialled, Some(trunk))?,
            Origin::Trunk(_) => return Err(NoWay::Unserved),
        };
        let number = self.site.outbound.numbering.normal(&dialled).unwrap_or_default();
        let callee = User {
            address: format!("sip:{}@{}", number.replace('#', "%23"), self.site.sip.domain),
            devices: ways.iter().take(1).map(|way| way.uri.clone()).collect(),
            ring_for: self.site.outbound.ring_for,
            time_zone: "UTC".into(),
            ..User::default()
        };
        Ok(Exit { callee: Arc::new(callee), ways })
    }

    /// The user whom an INVITE of `origin` calls. A provider calls the Contact that we registered: whom it means is then
    /// in To, where that names a user.
    pub fn called(&self, invite: &Message, origin: &Origin) -> Option<Arc<User>> {
        let registered = match origin {
            Origin::Trunk(trunk) => trunk.far.as_ref().and_then(|far| far.registration.as_ref()),
            Origin::User(_) => None,
        };
        let own = registered.and_then(|registration| Uri::read(registration.address.as_bytes())?.bare_user());
        if own.is_some() && own == Uri::read(invite.uri())?.bare_user() {
            let meant = invite.to().and_then(|to| self.callee(to.uri, origin));
            if meant.is_some() {
                return meant;
            }
        }
        self.callee(invite.uri(), origin)
    }

    /// Who calls, towards a trunk: of a user the number that the world knows, whatever its device says.
    pub fn caller_outside(&self, invite: &Message, origin: &Origin) -> Caller {
        match origin {
            Origin::User(user) => {
                let known = user.numbers.iter().find(|number| number.starts_with('+'));
                Caller {
                    name: user.name.clone(),
                    number: known.or(user.numbers.first()).cloned(),
                    uri: Some(user.address.clone()),
                    private: is_private(invite),
                    ..Caller::default()
                }
            }
            Origin::Trunk(trunk) => {
                let caller = self.readable(caller_named(invite, trunk.trust_identity), origin);
                Caller { private: caller.private || is_private(invite), ..caller }
            }
        }
    }
}

impl FarEnd {
    /// Whether it serves a number in its normal form.
    pub fn serves(&self, number: &str) -> bool {
        self.numbers.iter().any(|own| own == number)
            || self.prefixes.iter().any(|prefix| number.starts_with(prefix))
    }

    /// The Request-URI for a number there.
    pub fn uri(&self, number: &str) -> String {
        format!("sip:{}@{}", number.replace('#', "%23"), self.place())
    }

    /// Host, port and parameters of the target.
    pub fn place(&self) -> &str {
        self.target.split_once(':').map_or("", |(_, place)| place)
    }
}
