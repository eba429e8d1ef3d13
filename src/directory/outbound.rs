//! Which trunk a number outside leaves by, and whether it may.

use std::sync::Arc;

use super::{Directory, Fit, Meaning, Origin, Passage, routes::Routes};
use crate::{
    address::Caller,
    call::wire::{Diverted, caller_named},
    numbers::lines,
    settings::{FarEnd, Trunk, User},
    sip::{
        Message,
        build::literal,
        outside::{Facts, Outside},
        relay::is_private,
        uri::Uri,
    },
};

/// One way to a number outside.
#[derive(Clone, Debug)]
pub struct Target {
    /// The Request-URI: the number as the trunk writes it, at the trunk.
    pub uri: String,
    /// The trunk.
    pub trunk: Arc<Trunk>,
    /// The route that it is a gateway of; `None` where the site has no routes.
    pub route: Option<Arc<Passage>>,
}

impl Target {
    /// Whether it is a way by that route.
    pub(super) fn is_by(&self, passage: &Arc<Passage>) -> bool {
        self.route.as_ref().is_some_and(|route| Arc::ptr_eq(route, passage))
    }
}

/// On whose behalf a number outside is called: that decides the voice policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behalf<'a> {
    /// The user who calls, forwards or refers.
    pub user: Option<&'a User>,
    /// The trunk that the call came by, which it never leaves by again.
    pub from: Option<&'a Trunk>,
}

impl<'a> Behalf<'a> {
    /// A user's.
    pub fn of(user: &'a User) -> Self {
        Self { user: Some(user), from: None }
    }
}

/// Why a number cannot be called outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoWay {
    /// It is no number, or no trunk serves it.
    Unserved,
    /// `[outbound] allowed_prefixes` does not allow it.
    Forbidden,
    /// The voice policy has no usage of a route for it.
    NotInPolicy,
    /// Every trunk that serves it is down.
    Down,
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

    /// The one normal form in which a dialled number is looked up; `None` where it is no number.
    pub fn normal(&self, dialled: &str, by: Behalf<'_>) -> Option<String> {
        let meaning = by.user.map_or(Meaning::AsWritten, |user| self.meaning_for(user, dialled));
        self.site.outbound.numbering.normal(meaning.number(dialled)?)
    }

    /// Every way to a number outside that is not down, in the order in which they are tried: by the routes of the site, or
    /// where it has none by the trunks that serve the number, in the order of the site. `now` is the gateways' clock.
    ///
    /// # Errors
    /// Why there is none.
    pub fn ways_out(&self, dialled: &str, by: Behalf<'_>, now: u64) -> Result<Vec<Target>, NoWay> {
        self.ways_to(&self.normal(dialled, by).ok_or(NoWay::Unserved)?, by, now)
    }

    /// The same for a number in its normal form.
    pub(super) fn ways_to(&self, number: &str, by: Behalf<'_>, now: u64) -> Result<Vec<Target>, NoWay> {
        let others = match &self.routes {
            Some(routes) => self.routed(routes, number, by),
            None => Ok(self.served(number, by)),
        };
        let others = match others {
            Ok(ways) if ways.is_empty() => Err(NoWay::Unserved),
            Ok(_) if !self.is_allowed(number) => Err(NoWay::Forbidden),
            others => others,
        };
        // The PBX that has a line is the way to it, and costs nothing.
        let mut ways = self.at_home(number, by);
        match others {
            Ok(others) => {
                let further =
                    others.into_iter().filter(|way| !ways.iter().any(|own| own.trunk.name == way.trunk.name));
                let further: Vec<Target> = further.collect();
                ways.extend(further);
            }
            Err(why) if ways.is_empty() => return Err(why),
            Err(_) => {}
        }
        let up: Vec<Target> = ways.into_iter().filter(|way| self.is_callable(way, now)).collect();
        if up.is_empty() { Err(NoWay::Down) } else { Ok(up) }
    }

    /// Whether `[outbound] allowed_prefixes` allows a number in its normal form.
    pub(super) fn is_allowed(&self, number: &str) -> bool {
        self.site.outbound.allowed_prefixes.iter().any(|prefix| number.starts_with(prefix))
    }

    fn is_callable(&self, way: &Target, now: u64) -> bool {
        match &way.route {
            Some(_) => self.gateway(&way.trunk.name, now) != Fit::Down,
            None => self.trunk_is_up(&way.trunk.name),
        }
    }

    /// The trunks that have a number as a line behind their main number (R25).
    pub(super) fn at_home(&self, number: &str, by: Behalf<'_>) -> Vec<Target> {
        if lines::split(number).is_none() {
            return vec![];
        }
        let has = |trunk: &Trunk| trunk.rules.lines.as_ref().is_some_and(|lines| lines.has(number));
        let home = self.trunks.iter().filter(|trunk| has(trunk) && !by.came_by(trunk));
        home.filter_map(|trunk| Some(self.target(number, trunk, trunk.far.as_ref()?, None))).collect()
    }

    /// The trunks that serve a number by their own numbers and prefixes.
    fn served(&self, number: &str, by: Behalf<'_>) -> Vec<Target> {
        let serving = |trunk: &Arc<Trunk>| {
            let far = trunk.far.as_ref().filter(|far| !by.came_by(trunk) && far.serves(number))?;
            Some(self.target(number, trunk, far, None))
        };
        self.trunks.iter().filter_map(serving).collect()
    }

    /// The gateways of the routes for a number, each where it comes first.
    fn routed(&self, routes: &Routes, number: &str, by: Behalf<'_>) -> Result<Vec<Target>, NoWay> {
        let fitting = routes.fitting(number, self.voice_policy(by));
        if fitting.is_empty() {
            // A short number that no route knows is a wrong extension, and not a call that somebody else might make.
            let outside = number.starts_with('+') || routes.knows(number);
            return Err(if outside { NoWay::NotInPolicy } else { NoWay::Unserved });
        }
        let mut ways: Vec<Target> = vec![];
        for (passage, _) in fitting {
            for trunk in &passage.gateways {
                let known = ways.iter().any(|way| way.trunk.name == trunk.name);
                if let Some(far) = trunk.far.as_ref().filter(|_| !known && !by.came_by(trunk)) {
                    ways.push(self.target(number, trunk, far, Some(passage)));
                }
            }
        }
        Ok(ways)
    }

    fn target(&self, number: &str, trunk: &Arc<Trunk>, far: &FarEnd, route: Option<&Arc<Passage>>) -> Target {
        let uri = far.uri(&trunk.rules.write(number, &self.site.outbound.numbering));
        Target { uri, trunk: Arc::clone(trunk), route: route.cloned() }
    }

    /// The name of the voice policy that counts.
    pub fn voice_policy(&self, by: Behalf<'_>) -> Option<&str> {
        let own = match by {
            Behalf { user: Some(user), .. } => user.voice_policy.as_deref(),
            Behalf { from: Some(trunk), .. } => trunk.voice_policy.as_deref(),
            Behalf { user: None, from: None } => None,
        };
        // The names live as long as the site: that of a user who is gone from it counts no more.
        let policies = self.site.routing.policies.iter();
        let own = own.and_then(|own| policies.map(|policy| policy.name.as_str()).find(|name| *name == own));
        own.or(self.site.routing.usual.as_deref())
    }
}

impl Behalf<'_> {
    pub(super) fn came_by(&self, trunk: &Trunk) -> bool {
        self.from.is_some_and(|from| from.name == trunk.name)
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
    /// Where a call of `origin` to a number that is no user leaves; `called`: what it dials, see [`Directory::called_number`].
    ///
    /// # Errors
    /// Why it does not: a trunk that may not call through us gets the same answer as for any unknown number.
    pub fn exit(
        &self,
        (invite, origin): (&Message, &Origin),
        called: Option<&(String, Meaning)>,
        now: u64,
    ) -> Result<Exit, NoWay> {
        let (written, meaning) = called.ok_or(NoWay::Unserved)?;
        let meant = meaning.number(written).ok_or(NoWay::Unserved)?;
        let number = self.site.outbound.numbering.normal(meant).ok_or(NoWay::Unserved)?;
        let ways = match origin {
            Origin::User(user) => self.ways_to(&number, Behalf::of(user), now)?,
            Origin::Trunk(trunk) if trunk.transit => {
                // Of a transfer From names who is sent there, not who pays for it (RFC 3892).
                let asks = self.routes.is_some() && !is_referred(invite);
                let user = asks.then(|| self.user_dialling(invite, origin)).flatten();
                let by = Behalf { user: user.map(|user| &**user), from: Some(trunk) };
                self.ways_to(&number, by, now)?
            }
            Origin::Trunk(_) => return Err(NoWay::Unserved),
        };
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
    /// in To, where that names a user. `called`: what it dials, see [`Directory::called_number`].
    pub fn called(
        &self,
        invite: &Message,
        origin: &Origin,
        called: Option<&(String, Meaning)>,
    ) -> Option<Arc<User>> {
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
        let (written, meaning) = called?;
        self.meant(written, meaning).cloned()
    }

    /// Who calls, towards a trunk: of a user the number that the world knows, whatever its device says.
    fn caller_outside(&self, invite: &Message, origin: &Origin) -> Caller {
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

impl Directory {
    /// The headers of a call of `origin` that leaves by that way; `diverted`: the user who diverts it, and why.
    pub fn outside(
        &self,
        way: &Target,
        (invite, origin): (&Message, &Origin),
        diverted: Option<(&str, Diverted)>,
    ) -> Option<Outside> {
        let far = way.trunk.far.as_ref()?;
        let mut caller = self.caller_outside(invite, origin);
        let route = way.route.as_ref().and_then(|passage| passage.route.caller_number.as_ref());
        if let Some(shown) = route.or(far.caller_number.as_ref()) {
            caller.number = Some(shown.clone());
        }
        Some(Outside::of(&Facts {
            trunk: &way.trunk,
            far,
            numbering: &self.site.outbound.numbering,
            domain: &self.site.sip.domain,
            uri: &way.uri,
            caller: &caller,
            diverted,
            invite,
        }))
    }
}

fn is_referred(invite: &Message) -> bool {
    invite.fields().any(|field| {
        let name = invite.written_name(field);
        name.eq_ignore_ascii_case(b"referred-by") || name.eq_ignore_ascii_case(b"b")
    })
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
