//! Who asks by HTTP: users with the login of their devices, and the site's own clients, by Basic (RFC 7617) or Digest (RFC 7616).

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    directory::Door,
    settings::{Area, HttpClient, HttpScheme, Secret, Site, User},
    sip::digest::{Asked, Credentials, Denied, Doorkeeper, Passed, Secrets, Unreadable},
};

/// No honest credentials are longer.
const LONGEST: usize = 4_096;

/// Who has proved to be whom.
#[derive(Clone, Debug)]
pub enum Who {
    /// A user.
    User(Arc<User>),
    /// A client of the site.
    Client(Arc<HttpClient>),
}

impl Who {
    /// Whether it may read that. Users may read what is for devices.
    pub fn may(&self, area: Area) -> bool {
        match (self, area) {
            (Self::User(_), Area::Book | Area::Locations) => true,
            (Self::Client(client), area) => client.may.contains(&area),
        }
    }

    /// The name it has shown.
    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => user.login.as_ref().map_or("", |login| &login.name),
            Self::Client(client) => &client.name,
        }
    }
}

/// What was asked, for [`Accounts::judge`].
#[derive(Clone, Copy, Debug)]
pub struct Asks<'a> {
    /// The value of Authorization; `None` without one.
    pub authorization: Option<&'a [u8]>,
    /// The method.
    pub method: &'a str,
    /// Path and query as they came.
    pub target: &'a str,
    /// What a proxy may have cut off before it.
    pub prefix: &'a str,
    /// Seconds since 1970.
    pub now: u64,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// Somebody; with the use of a challenge that may be used once.
    Is(Who, Option<Passed>),
    /// No credentials for us (401), or with an old nonce (401 with `stale`).
    Unproved {
        /// The password was right.
        stale: bool,
    },
    /// Wrong ones, for that name, which may exist or not: 401.
    Wrong(String),
    /// No password is tried any more for that name from there.
    Locked,
    /// 400.
    Bad,
}

/// The accounts of a site.
pub struct Accounts {
    keeper: Doorkeeper,
    schemes: Vec<HttpScheme>,
    clients: HashMap<String, (Arc<HttpClient>, Secrets), ahash::RandomState>,
    /// Takes the place of an unknown name's password: the answer takes as long.
    nobody: Secrets,
}

impl Accounts {
    /// Those of a site; `key` is random and makes the challenges.
    pub fn of(site: &Site, key: &[u8; 32]) -> Self {
        let (http, registrar) = (&site.http, &site.registrar);
        let secrets = |name: &str, password: &Secret| Secrets::of(name, &registrar.realm, password);
        let clients = http.clients.iter().cloned().map(Arc::new);
        let clients =
            clients.map(|one| (one.name.clone(), (Arc::clone(&one), secrets(&one.name, &one.password))));
        let lifetime = u32::try_from(registrar.nonce_lifetime.as_secs()).unwrap_or(u32::MAX);
        let keeper = Doorkeeper::new(&registrar.realm, key, registrar.algorithms.clone(), lifetime);
        Self {
            keeper: keeper.with_rfc_2069(registrar.without_qop),
            schemes: http.schemes.clone(),
            clients: clients.collect(),
            nobody: secrets("", &Secret(String::new())),
        }
    }

    /// The values of WWW-Authenticate; `now` in seconds, `salt` random.
    pub fn challenges(&self, now: u64, salt: u32, stale: bool) -> Vec<Vec<u8>> {
        let of = |scheme: &HttpScheme| match scheme {
            HttpScheme::Digest => self.keeper.challenges(now, salt, stale).collect(),
            HttpScheme::Basic => {
                vec![format!("Basic realm=\"{}\", charset=\"UTF-8\"", self.keeper.realm()).into_bytes()]
            }
        };
        self.schemes.iter().flat_map(of).collect()
    }

    /// Whom a request's credentials prove; `door` has the users, `is_locked` says whether no more passwords are tried for that name
    /// from there.
    pub fn judge(&self, door: Option<&Door>, asks: &Asks<'_>, is_locked: impl Fn(&str) -> bool) -> Verdict {
        let Some(value) = asks.authorization else { return Verdict::Unproved { stale: false } };
        if value.len() > LONGEST {
            return Verdict::Bad;
        }
        let (scheme, rest) = value.split_at(value.iter().position(|o| *o == b' ').unwrap_or(value.len()));
        let is =
            |name: &str, one| scheme.eq_ignore_ascii_case(name.as_bytes()) && self.schemes.contains(&one);
        match (is("Basic", HttpScheme::Basic), is("Digest", HttpScheme::Digest)) {
            (true, _) => self.basic(door, rest.trim_ascii(), is_locked),
            (_, true) => self.digest(door, value, asks, is_locked),
            (false, false) => Verdict::Unproved { stale: false },
        }
    }

    fn basic(&self, door: Option<&Door>, rest: &[u8], is_locked: impl Fn(&str) -> bool) -> Verdict {
        let decoded = STANDARD.decode(rest).ok().and_then(|octets| String::from_utf8(octets).ok());
        let Some(decoded) = decoded else { return Verdict::Bad };
        let Some((name, password)) = decoded.split_once(':') else { return Verdict::Bad };
        if is_locked(name) {
            return Verdict::Locked;
        }
        let login = self.login(door, name);
        let secrets = login.as_ref().map_or(&self.nobody, |login| login.1);
        let given = Secret(password.to_owned());
        match (secrets.are_of(name, self.keeper.realm(), &given), login) {
            (true, Some((who, _))) => Verdict::Is(who, None),
            (_, _) => Verdict::Wrong(name.to_owned()),
        }
    }

    fn digest(
        &self,
        door: Option<&Door>,
        value: &[u8],
        asks: &Asks<'_>,
        is_locked: impl Fn(&str) -> bool,
    ) -> Verdict {
        let credentials = match Credentials::read(value) {
            Ok(credentials) => credentials,
            Err(Unreadable::Scheme) => return Verdict::Unproved { stale: false },
            Err(_) => return Verdict::Bad,
        };
        if !names(credentials.uri, asks) {
            return Verdict::Bad;
        }
        let name = String::from_utf8_lossy(credentials.username);
        if is_locked(&name) {
            return Verdict::Locked;
        }
        let asked = Asked { method: asks.method.as_bytes(), uri: credentials.uri, body: b"" };
        let login = self.login(door, &name);
        let checked = self.keeper.check(&credentials, &asked, login.as_ref().map(|login| login.1), asks.now);
        match (checked, login) {
            (Ok(passed), Some((who, _))) => Verdict::Is(who, Some(passed)),
            (Err(Denied::NotOurs), _) => Verdict::Unproved { stale: false },
            (Err(Denied::Stale), _) => Verdict::Unproved { stale: true },
            (Err(Denied::WrongUri), _) => Verdict::Bad,
            (Ok(_), None) | (Err(Denied::Wrong), _) => Verdict::Wrong(name.into_owned()),
        }
    }

    fn login<'s>(&'s self, door: Option<&'s Door>, name: &str) -> Option<(Who, &'s Secrets)> {
        if let Some((client, secrets)) = self.clients.get(name) {
            return Some((Who::Client(Arc::clone(client)), secrets));
        }
        door?.login(name).map(|(user, secrets)| (Who::User(Arc::clone(user)), secrets))
    }
}

/// Whether a digest-uri is what was asked for: the target, with what a proxy has cut off or as an absolute URL.
fn names(digest: &[u8], asks: &Asks<'_>) -> bool {
    let Ok(digest) = std::str::from_utf8(digest) else { return false };
    let path = match digest.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => digest,
    };
    path == asks.target || path.strip_prefix(asks.prefix) == Some(asks.target)
}
