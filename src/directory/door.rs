//! Who stands at the door: requests of devices, proved by the password of their user.

use std::{collections::HashMap, sync::Arc};

use super::Directory;
use crate::{
    settings::{Site, User},
    sip::{
        Message, Name,
        digest::{Asked, Credentials, Denied, Doorkeeper, Passed, Secrets, Unreadable},
        uri::{NameAddr, Uri},
    },
};

/// The users that have a password, and the keeper of their realm.
pub struct Door {
    keeper: Doorkeeper,
    logins: HashMap<String, (Arc<User>, Secrets), ahash::RandomState>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Door({} logins)", self.logins.len())
    }
}

/// What the door says of a request.
#[derive(Debug)]
pub enum Verdict {
    /// The user's device.
    Is(Arc<User>, Passed),
    /// No credentials for us (401), or with an old nonce (401 with `stale`).
    Unproved {
        /// The password was right.
        stale: bool,
    },
    /// Wrong ones, for a user of that name, who may exist or not: 401.
    Wrong(String),
    /// No password is tried any more for that name from there.
    Locked,
    /// 400 with this reason phrase.
    Bad(&'static str),
}

impl Door {
    /// The door of a site; `None` where no user has a password. `key` is random and the same for every snapshot.
    pub fn of(site: &Site, key: &[u8; 32]) -> Option<Self> {
        let settings = &site.registrar;
        let logins: HashMap<_, _, _> = site
            .users
            .iter()
            .filter_map(|user| {
                let login = user.login.as_ref()?;
                let secrets = Secrets::of(&login.name, &settings.realm, &login.password);
                Some((login.name.clone(), (Arc::new(user.clone()), secrets)))
            })
            .collect();
        let lifetime = u32::try_from(settings.nonce_lifetime.as_secs()).unwrap_or(u32::MAX);
        let keeper = Doorkeeper::new(&settings.realm, key, settings.algorithms.clone(), lifetime);
        let keeper = keeper.with_rfc_2069(settings.without_qop);
        (!logins.is_empty()).then_some(Self { keeper, logins })
    }

    /// The user with that name in the credentials, and what the password has become.
    pub fn login(&self, name: &str) -> Option<(&Arc<User>, &Secrets)> {
        self.logins.get(name).map(|(user, secrets)| (user, secrets))
    }

    /// The values of WWW-Authenticate; `now` in seconds, `salt` random.
    pub fn challenges(&self, now: u64, salt: u32, stale: bool) -> impl Iterator<Item = Vec<u8>> {
        self.keeper.challenges(now, salt, stale)
    }

    /// Whom a request's credentials prove; `is_locked` says whether no more passwords are tried for that name from there.
    pub fn judge(&self, request: &Message, now: u64, is_locked: impl Fn(&str) -> bool) -> Verdict {
        let mut ours = None;
        for value in request.values(Name::Authorization).chain(request.values(Name::ProxyAuthorization)) {
            match Credentials::read(value) {
                Err(Unreadable::Scheme) => {}
                Err(_) => return Verdict::Bad("Bad Authorization"),
                Ok(credentials) if credentials.realm != self.keeper.realm().as_bytes() => {}
                Ok(_) if ours.is_some() => return Verdict::Bad("More Than One Authorization"),
                Ok(credentials) => ours = Some(credentials),
            }
        }
        let Some(credentials) = ours else { return Verdict::Unproved { stale: false } };
        let name = String::from_utf8_lossy(credentials.username);
        if is_locked(&name) {
            return Verdict::Locked;
        }
        let body = request.body();
        let asked = Asked { method: request.method_name(), uri: request.uri(), body: &body };
        let login = self.logins.get(&*name);
        match (self.keeper.check(&credentials, &asked, login.map(|login| &login.1), now), login) {
            (Ok(passed), Some((user, _))) => Verdict::Is(Arc::clone(user), passed),
            (Err(Denied::NotOurs), _) => Verdict::Unproved { stale: false },
            (Err(Denied::Stale), _) => Verdict::Unproved { stale: true },
            (Err(Denied::WrongUri), _) => Verdict::Bad("Digest For Another URI"),
            (Ok(_), None) | (Err(Denied::Wrong), _) => Verdict::Wrong(name.into_owned()),
        }
    }
}

impl Directory {
    /// The user with exactly that address of record.
    pub fn of_address(&self, address: &str) -> Option<&Arc<User>> {
        let own = Uri::read(address.as_bytes()).and_then(|uri| uri.bare_user())?;
        self.user(std::str::from_utf8(own).ok()?).filter(|user| user.address == address)
    }

    /// The user with that name at that host, in either case.
    pub fn of_name_at(&self, name: &str, host: &str) -> Option<&Arc<User>> {
        self.user(name).filter(|user| {
            Uri::read(user.address.as_bytes()).is_some_and(|own| {
                own.host.eq_ignore_ascii_case(host.as_bytes())
                    && own.bare_user().is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes()))
            })
        })
    }

    /// The user that a SIP URI of our domain, or of an address, or else a number names.
    pub fn of_uri_or_number(&self, text: &str) -> Option<&Arc<User>> {
        if !text.contains(':') {
            return self.user(text);
        }
        let uri = Uri::read(text.as_bytes())?;
        let own = uri.host.eq_ignore_ascii_case(self.site.sip.domain.as_bytes());
        let ours = own || crate::sip::build::literal(uri.host, None).is_some();
        self.user(std::str::from_utf8(uri.bare_user().filter(|_| ours)?).ok()?)
    }

    /// Whether an address value names that user: its URI's user part is the user's, or a number of the user's (T12).
    pub fn is_of(&self, value: Option<NameAddr<'_>>, user: &User) -> bool {
        let named = value.and_then(|value| Uri::read(value.uri)?.number());
        let named = named.and_then(|name| self.user(&name));
        named.is_some_and(|named| named.address == user.address)
    }
}
