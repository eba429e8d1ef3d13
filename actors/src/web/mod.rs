//! The HTTP server of `[http]`, on a thread of its own: whoever has something to serve gives [`Routes`] its routes.
//!
//! Everything that is served wants a login. A handler finds in its request's extensions who asks ([`Who`]) and under which
//! address ([`Address`]).

pub mod answer;
mod guard;
pub mod locations;
mod serve;
mod stall;

use std::{net::TcpListener, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use arc_swap::ArcSwap;
use axum::{Router, middleware};
use ringpost::{
    directory::Directory,
    settings::{Area, HttpListen, Site},
};
use tokio::sync::{Semaphore, watch};

pub use self::guard::Guard;
use crate::{
    keeper::Keeper,
    port::{stream as sockets, tls::Tls},
};
pub use ringpost::web::Who;

/// Everything that is served, each part for those who may read its area.
pub struct Routes {
    guard: Arc<Guard>,
    router: Router,
}

impl Routes {
    /// Nothing yet.
    pub fn new(directory: Arc<ArcSwap<Directory>>) -> Self {
        Self { guard: Arc::new(Guard::new(directory)), router: Router::new() }
    }

    /// Adds routes, at least one, for those who may read `area`.
    pub fn with(self, area: Area, routes: Router) -> Self {
        let admit = middleware::from_fn_with_state((Arc::clone(&self.guard), area), guard::admit);
        Self { router: self.router.merge(routes.route_layer(admit)), ..self }
    }
}

/// How the server was called, for links: `https://phones.example.com/ringpost`.
#[derive(Clone, Debug)]
pub struct Address(pub Arc<str>);

/// A listener whose port is taken.
pub struct Bound {
    listen: HttpListen,
    socket: TcpListener,
}

/// Takes the ports of `[http]`.
///
/// # Errors
/// Which one cannot be had.
pub fn bind(site: &Site) -> Result<Vec<Bound>, String> {
    let bind = |listen: &HttpListen| {
        let (listen, named) = (*listen, format!("{}:{}", listen.scheme(), listen.address));
        let socket = sockets::bind(listen.address, false);
        let socket = socket.map_err(|error| format!("http.listen: {named} cannot be opened: {error}"))?;
        Ok(Bound { listen, socket })
    };
    site.http.listen.iter().map(bind).collect()
}

/// A server that runs.
pub struct Web {
    stop: watch::Sender<bool>,
    places: Arc<Semaphore>,
    most: usize,
}

/// How long a request that is under way may take to end when Ringpost stops.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Web {
    /// Serves on a thread of its own; none where nothing was bound.
    ///
    /// # Errors
    /// Where the thread or a socket cannot be used.
    pub fn start(bound: Vec<Bound>, routes: Routes, tls: Arc<Tls>, keeper: Keeper) -> std::io::Result<Self> {
        let most = routes.guard.directory().site.http.limits.connections;
        let (stop, stopped) = watch::channel(false);
        let places = Arc::new(Semaphore::new(most));
        let web = Self { stop, places: Arc::clone(&places), most };
        if bound.is_empty() {
            return Ok(web);
        }
        let (ready, opened) = std::sync::mpsc::channel();
        Arbiter::new().spawn_fn(move || {
            let server = serve::Server::new((routes.guard, routes.router), tls, places, stopped);
            // Nobody waits any more only if the start has failed already.
            let _ = ready.send(open(bound, &Rc::new(server), &keeper));
        });
        opened.recv().unwrap_or_else(|_| Err(std::io::Error::other("the thread ended")))?;
        Ok(web)
    }

    /// Takes no new connections, and lets what is under way end.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let most = u32::try_from(self.most).unwrap_or(u32::MAX);
        // Whoever takes longer is cut off.
        let _ = tokio::time::timeout(LAST_WORDS, self.places.acquire_many(most)).await;
    }
}

fn open(bound: Vec<Bound>, server: &Rc<serve::Server>, keeper: &Keeper) -> std::io::Result<()> {
    for Bound { listen, socket } in bound {
        let socket = Rc::new(tokio::net::TcpListener::from_std(socket)?);
        let server = Rc::clone(server);
        keeper.keep(format!("http {} {}", listen.scheme(), listen.address), move || {
            serve::accept(Rc::clone(&socket), listen, Rc::clone(&server))
        });
        tracing::info!(scheme = listen.scheme(), address = %listen.address, "Serving by HTTP");
    }
    Ok(())
}
