//! What answers are made of: large ones piece by piece, and none at all to who has it already.

use std::{io, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use tokio::{sync::mpsc, time::Instant};

use crate::metrics::METRICS;

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

/// A body that comes piece by piece, and has to be taken within `patience`.
pub fn stream(pieces: mpsc::Receiver<io::Result<Bytes>>, patience: Duration) -> Body {
    let end = Instant::now() + patience;
    Body::from_stream(stream::unfold(pieces, move |mut pieces| async move {
        if Instant::now() >= end {
            METRICS.http_slow_total.one();
            return Some((Err(io::Error::from(io::ErrorKind::TimedOut)), pieces));
        }
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    }))
}
