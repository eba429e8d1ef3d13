//! Connections and requests: limits, where a request comes from, what every answer says, and the log.

use std::{
    cell::RefCell,
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderValue, Request, Response, StatusCode, Uri, header, uri::Authority},
    response::IntoResponse,
};
use futures_util::FutureExt;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use ringpost::{
    directory::contains,
    security::source_of,
    settings::{Http, HttpListen, PublicUrl},
    web::client,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use super::{
    Address,
    guard::{Came, Guard},
    stall::Stalling,
};
use crate::{guard::words, metrics::METRICS, port::tls::Tls};

/// What all connections share.
pub struct Server {
    guard: Arc<Guard>,
    router: Router,
    tls: Arc<Tls>,
    places: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
    /// Connections by source.
    open: RefCell<HashMap<u64, usize, ahash::RandomState>>,
}

/// The place of a connection among those of its source.
struct Place {
    server: Rc<Server>,
    source: u64,
    _of_all: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        METRICS.http_connections.down();
        let mut open = self.server.open.borrow_mut();
        if let Some(count) = open.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.source);
            }
        }
    }
}

impl Server {
    /// Serves `router`; `stopped` turns true when no more is to be served.
    pub fn new(
        (guard, router): (Arc<Guard>, Router),
        tls: Arc<Tls>,
        places: Arc<Semaphore>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self { guard, router, tls, places, stopped, open: RefCell::default() }
    }

    /// A place for a connection from there; `None` where there is none.
    fn place(self: &Rc<Self>, from: IpAddr) -> Option<Place> {
        let directory = self.guard.directory();
        let http = &directory.site.http;
        let source = source_of(from);
        let is_proxy = http.proxies.iter().any(|network| contains(network, from));
        let taken = self.open.borrow().get(&source).copied().unwrap_or(0);
        if !is_proxy && taken >= http.limits.per_source {
            METRICS.http_source_refused_total.one();
            return None;
        }
        let Ok(of_all) = Arc::clone(&self.places).try_acquire_owned() else {
            METRICS.http_refused_total.one();
            return None;
        };
        *self.open.borrow_mut().entry(source).or_insert(0) += 1;
        METRICS.http_connections.up();
        Some(Place { server: Rc::clone(self), source, _of_all: of_all })
    }
}

/// Takes connections until the server stops, and then waits for ever.
pub async fn accept(socket: Rc<TcpListener>, listen: HttpListen, server: Rc<Server>) {
    let mut stopped = server.stopped.clone();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return std::future::pending().await,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Some(place) = server.place(peer.ip()) {
                    let server = Rc::clone(&server);
                    drop(actix::spawn(async move { converse(stream, peer, listen, &server, place).await }));
                }
            }
            Err(error) => {
                METRICS.accept_failures_total.one();
                tracing::warn!(%error, "Could not accept a connection for HTTP");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// One connection; nobody is told why it broke off.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    listen: HttpListen,
    server: &Rc<Server>,
    _place: Place,
) {
    let stall = server.guard.directory().site.http.limits.stall;
    let _ = stream.set_nodelay(true);
    let ended = if listen.secure {
        let patience = server.tls.settings().patience;
        match timeout(patience, server.tls.accept(stream, true)).await {
            Ok(Ok(stream)) => requests(Stalling::new(stream, stall), peer, listen, server).await,
            Ok(Err(error)) => {
                METRICS.handshakes_failed_total.one();
                tracing::debug!(%peer, %error, "A TLS handshake for HTTP failed");
                return;
            }
            Err(_) => {
                METRICS.http_slow_total.one();
                return;
            }
        }
    } else {
        requests(Stalling::new(stream, stall), peer, listen, server).await
    };
    match ended {
        Err(error) if error.is_timeout() => {
            METRICS.http_slow_total.one();
            tracing::debug!(%peer, "A request by HTTP was not complete in time");
        }
        Err(error) => tracing::debug!(%peer, %error, "A connection for HTTP broke off"),
        Ok(()) => {}
    }
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    stream: S,
    peer: SocketAddr,
    listen: HttpListen,
    server: &Rc<Server>,
) -> hyper::Result<()> {
    let limits = server.guard.directory().site.http.limits.clone();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.request).max_buf_size(limits.header);
    let answer = service_fn(|request| answered(request, peer, listen, server));
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), answer));
    let mut stopped = server.stopped.clone();
    tokio::select! {
        ended = connection.as_mut() => return ended,
        _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

async fn answered(
    request: Request<Incoming>,
    peer: SocketAddr,
    listen: HttpListen,
    server: &Rc<Server>,
) -> Result<Response<Body>, Infallible> {
    METRICS.http_requests_total.one();
    let (started, directory) = (Instant::now(), server.guard.directory());
    let http = &directory.site.http;
    let said = request.headers().get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let source = client(peer.ip(), said, &http.proxies);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answer = AssertUnwindSafe(answer(request, (source, listen), server, http)).catch_unwind().await;
    let mut answer = answer.unwrap_or_else(|panic| {
        tracing::error!(fault = words(&*panic), "A request by HTTP met a fault");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    });
    protect(&mut answer, http.url.as_ref());
    let (status, ms) = (answer.status(), started.elapsed().as_millis());
    // Strangers must not fill the log, and what they ask for may be anything. Queries have names and numbers in them.
    if status.is_client_error() {
        tracing::debug!(%source, %method, %path, status = status.as_u16(), ms, "Refused by HTTP");
    } else {
        tracing::info!(%source, %method, %path, status = status.as_u16(), ms, "Answered by HTTP");
    }
    Ok(answer)
}

async fn answer(
    request: Request<Incoming>,
    (source, listen): (IpAddr, HttpListen),
    server: &Rc<Server>,
    http: &Http,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let limits = &http.limits;
    // A body is taken as a whole before anybody looks at it, so that none is waited for with something in hand.
    let body = match timeout(limits.request, to_bytes(Body::new(body), limits.body)).await {
        Ok(Ok(body)) => Body::from(body),
        Ok(Err(_)) => return closing(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => {
            METRICS.http_slow_total.one();
            return closing(StatusCode::REQUEST_TIMEOUT);
        }
    };
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(address) = address(http.url.as_ref(), listen, host) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if let Some(url) = &http.url {
        parts.uri = without(&url.prefix, parts.uri);
    }
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(Came { source, target });
    request.extensions_mut().insert(Address(address));
    let Ok(answer) =
        timeout(limits.answer, TowerToHyperService::new(server.router.clone()).call(request)).await
    else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    answer.unwrap_or_else(|never| match never {})
}

/// How the reader has called the server.
fn address(url: Option<&PublicUrl>, listen: HttpListen, host: Option<&str>) -> Option<Arc<str>> {
    if let Some(url) = url {
        return Some(url.base.as_str().into());
    }
    let host = match host {
        Some(host) => host.parse::<Authority>().ok().filter(|host| !host.as_str().contains('@'))?.to_string(),
        // HTTP/1.0 need not say it.
        None => listen.address.to_string(),
    };
    Some(format!("{}://{host}", listen.scheme()).into())
}

/// The URI as if no proxy stood in front under that path.
fn without(prefix: &str, uri: Uri) -> Uri {
    let rest = uri.path_and_query().and_then(|target| target.as_str().strip_prefix(prefix));
    let cut = match rest {
        Some(rest) if !prefix.is_empty() && rest.starts_with('/') => rest.parse().ok(),
        _ => None,
    };
    cut.unwrap_or(uri)
}

fn closing(status: StatusCode) -> Response<Body> {
    (status, [(header::CONNECTION, "close")]).into_response()
}

/// What every answer tells browsers, which may find their way here as well.
fn protect(answer: &mut Response<Body>, url: Option<&PublicUrl>) {
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // Only who names the address says what else is served under its host.
    if url.is_some_and(|url| url.base.starts_with("https:")) {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}
