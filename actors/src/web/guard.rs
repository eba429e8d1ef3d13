//! Lets in who proves who it is; wrong passwords are counted by source and name, and by source.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ringpost::{
    directory::Directory,
    registrar::LockOuts,
    settings::Area,
    sip::digest::{Count, Window},
    web::{Accounts, Asks, Verdict, Who},
};

use crate::metrics::METRICS;

/// So many times as many wrong passwords as for one name lock a source out for every name.
const NAMES: u32 = 10;

/// What is known of a request before anybody proves anything.
#[derive(Clone, Debug)]
pub struct Came {
    /// From where, proxies aside.
    pub source: IpAddr,
    /// Path and query as they came.
    pub target: String,
}

/// Knows the accounts, and who has tried in vain.
pub struct Guard {
    directory: Arc<ArcSwap<Directory>>,
    /// The accounts of the directory beside them.
    accounts: ArcSwapOption<(Arc<Directory>, Accounts)>,
    key: [u8; 32],
    window: Mutex<Window>,
    by_name: Mutex<LockOuts>,
    by_source: Mutex<LockOuts>,
    lock_out: u64,
    started: (u64, Instant),
}

impl Guard {
    /// Guards what the users of that directory may read.
    pub fn new(directory: Arc<ArcSwap<Directory>>) -> Self {
        let settings = directory.load().site.registrar.clone();
        let (lasts, most) = (settings.lock_out.as_secs().max(1), settings.remembered);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            directory,
            accounts: ArcSwapOption::empty(),
            key: crate::entropy::key(),
            window: Mutex::new(Window::new(most)),
            by_name: Mutex::new(LockOuts::new(settings.tries, lasts, most)),
            by_source: Mutex::new(LockOuts::new(settings.tries.saturating_mul(NAMES), lasts, most)),
            lock_out: lasts,
            started: (since.map_or(0, |since| since.as_secs()), Instant::now()),
        }
    }

    /// The site as it is now.
    pub fn directory(&self) -> Arc<Directory> {
        self.directory.load_full()
    }

    fn accounts(&self) -> Arc<(Arc<Directory>, Accounts)> {
        let directory = self.directory.load_full();
        let known = self.accounts.load_full().filter(|known| Arc::ptr_eq(&known.0, &directory));
        known.unwrap_or_else(|| {
            let accounts = Accounts::of(&directory.site, &self.key);
            let fresh = Arc::new((directory, accounts));
            self.accounts.store(Some(Arc::clone(&fresh)));
            fresh
        })
    }

    /// Who asks.
    fn identify(&self, request: &Request) -> Result<Who, Box<Response>> {
        let known = self.accounts();
        let (directory, accounts) = &*known;
        let Some(came) = request.extensions().get::<Came>() else {
            return Err(Box::new(StatusCode::INTERNAL_SERVER_ERROR.into_response()));
        };
        let now = self.started.0 + self.started.1.elapsed().as_secs();
        let source = network(came.source);
        let is_locked = |name: &str| {
            lock(&self.by_source).is_locked(source, "", now)
                || lock(&self.by_name).is_locked(source, name, now)
        };
        let asks = Asks {
            authorization: request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes),
            method: request.method().as_str(),
            target: &came.target,
            prefix: directory.site.http.url.as_ref().map_or("", |url| &url.prefix),
            now,
        };
        let challenge = |stale| Box::new(challenge(accounts, now, stale));
        match accounts.judge(directory.door.as_ref(), &asks, is_locked) {
            Verdict::Is(who, passed) => {
                let count = passed.map_or(Count::Fresh, |passed| lock(&self.window).note(&passed, now));
                match count {
                    Count::Fresh => {
                        lock(&self.by_name).right(source, who.name());
                        Ok(who)
                    }
                    Count::Used => Err(challenge(true)),
                    Count::Full => Err(Box::new(later(StatusCode::SERVICE_UNAVAILABLE, 10))),
                }
            }
            Verdict::Unproved { stale } => Err(challenge(stale)),
            Verdict::Wrong(name) => {
                METRICS.http_wrong_passwords_total.one();
                let by_name = lock(&self.by_name).wrong(source, &name, now);
                let by_source = lock(&self.by_source).wrong(source, "", now);
                if by_name || by_source {
                    METRICS.http_lock_outs_total.one();
                    tracing::warn!(%source, "Too many wrong passwords by HTTP: locked out for a while");
                }
                Err(challenge(false))
            }
            Verdict::Locked => Err(Box::new(later(StatusCode::TOO_MANY_REQUESTS, self.lock_out))),
            Verdict::Bad => Err(Box::new(StatusCode::BAD_REQUEST.into_response())),
        }
    }
}

/// Lets a request through to what its sender may read.
pub async fn admit(
    State((guard, area)): State<(Arc<Guard>, Area)>,
    mut request: Request,
    next: Next,
) -> Response {
    match guard.identify(&request) {
        Ok(who) if who.may(area) => {
            tracing::debug!(name = who.name(), area = area.name(), "Let in by HTTP");
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Ok(_) => StatusCode::FORBIDDEN.into_response(),
        Err(answer) => *answer,
    }
}

fn challenge(accounts: &Accounts, now: u64, stale: bool) -> Response {
    let mut answer = StatusCode::UNAUTHORIZED.into_response();
    let salt = (crate::entropy::number() & u128::from(u32::MAX)) as u32;
    for value in accounts.challenges(now, salt, stale) {
        // A realm beyond ASCII is obs-text of RFC 9110 §5.5, which no header refuses.
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            answer.headers_mut().append(header::WWW_AUTHENTICATE, value);
        }
    }
    answer
}

fn later(status: StatusCode, seconds: u64) -> Response {
    (status, [(header::RETRY_AFTER, seconds.to_string())], Body::empty()).into_response()
}

/// A host has all the addresses of its IPv6 network to try from.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
