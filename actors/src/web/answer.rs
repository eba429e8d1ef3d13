//! What answers are made of: large ones piece by piece, and none at all to who has it already.

use std::{
    fs::File,
    io::{self, Read},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use tokio::time::Instant;

use crate::metrics::METRICS;

/// Octets of a file that are read at once.
const PIECE: usize = 1 << 16;

/// A strong entity tag (RFC 9110 §8.8.3) of what `name` says; its characters are letters, digits, `.` and `-`.
pub fn tag(name: &str) -> String {
    format!("\"{name}\"")
}

/// 304 where the reader has it already (RFC 9110 §13.1.2).
pub fn fresh(headers: &HeaderMap, tag: &str) -> Option<Response> {
    let named = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let weak = |one: &str| one.trim().trim_start_matches("W/") == tag || one.trim() == "*";
    if !named.flat_map(|value| value.split(',')).any(weak) {
        return None;
    }
    let mut answer = StatusCode::NOT_MODIFIED.into_response();
    answer.headers_mut().insert(header::ETAG, HeaderValue::from_str(tag).ok()?);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Some(answer)
}

/// A file as a body, which has to be taken within `patience`. Between its pieces no thread waits for the reader.
pub fn file(file: File, patience: Duration) -> Body {
    let end = Instant::now() + patience;
    Body::from_stream(stream::try_unfold(file, move |file| async move {
        if Instant::now() >= end {
            METRICS.http_slow_total.one();
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        let read = tokio::task::spawn_blocking(move || piece(file)).await;
        read.map_err(io::Error::other)?
    }))
}

fn piece(mut file: File) -> io::Result<Option<(Bytes, File)>> {
    let mut octets = Vec::with_capacity(PIECE);
    file.by_ref().take(PIECE as u64).read_to_end(&mut octets)?;
    Ok((!octets.is_empty()).then(|| (octets.into(), file)))
}
