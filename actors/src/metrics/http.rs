//! `GET /metrics`, `GET /health` and `GET /status` over HTTP/1.0: one short request per connection, few at once.

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{METRICS, exposition, health};
use crate::{keeper::Keeper, status};

/// Requests served at once; further ones wait in the kernel's queue.
const AT_ONCE: usize = 8;
/// How long a request and its answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// A request line and the headers of any scraper fit.
const LARGEST: usize = 4_096;

/// Listens; serves until the program ends.
///
/// # Errors
/// Where the address cannot be bound.
pub fn serve(address: SocketAddr, keeper: &Keeper) -> std::io::Result<()> {
    let socket = std::net::TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    let socket = Rc::new(TcpListener::from_std(socket)?);
    keeper.keep("metrics".to_owned(), move || accept(Rc::clone(&socket)));
    Ok(())
}

async fn accept(socket: Rc<TcpListener>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match socket.accept().await {
            Ok((stream, _)) => drop(actix::spawn(async move {
                // Whoever is too slow or breaks off gets nothing: a scraper comes again.
                let _ = tokio::time::timeout(PATIENCE, answer(stream)).await;
                drop(place);
            })),
            Err(error) => {
                tracing::warn!(%error, "Could not accept a request for metrics");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::with_capacity(512);
    let mut limited = (&mut stream).take(LARGEST as u64);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if limited.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    let (status, body) = respond(&request);
    let head = format!(
        "HTTP/1.0 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

fn respond(request: &[u8]) -> (&'static str, String) {
    let line = request.split(|octet| *octet == b'\r').next().unwrap_or_default();
    let mut words = line.split(|octet| *octet == b' ');
    match (words.next(), words.next()) {
        (Some(b"GET"), Some(b"/metrics")) => {
            let now = jiff::Timestamp::now().as_second().unsigned_abs();
            let labelled = METRICS.channels.exposition(now) + &METRICS.routes.exposition();
            ("200 OK", exposition(&METRICS.samples(), &METRICS.health.parts()) + &labelled)
        }
        (Some(b"GET"), Some(b"/health")) => match health(&METRICS.health.parts()) {
            (true, text) => ("200 OK", text),
            (false, text) => ("503 Service Unavailable", text),
        },
        (Some(b"GET"), Some(b"/status")) => match status::report() {
            (true, text) => ("200 OK", text),
            (false, text) => ("503 Service Unavailable", text),
        },
        (Some(b"GET"), Some(_)) => ("404 Not Found", "/metrics, /health or /status\n".to_owned()),
        _ => ("400 Bad Request", "only GET is understood\n".to_owned()),
    }
}
