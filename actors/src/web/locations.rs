//! `GET /location/NAME`: a location profile for clients (R33), `default` for that of who asks. XML, or JSON for who accepts that
//! alone.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{
    Extension, Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use ringpost::{
    directory::Directory,
    numbers::location::described::{self, MAX_AGE},
};

use super::Who;

/// The routes.
pub fn routes(directory: Arc<ArcSwap<Directory>>) -> Router {
    Router::new().route("/location/{name}", get(location)).with_state(directory)
}

async fn location(
    State(directory): State<Arc<ArcSwap<Directory>>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let directory = directory.load();
    let found = match (name.as_str(), &who) {
        ("default", Who::User(user)) => directory.location_for(user).cloned(),
        ("default", _) => directory.site.outbound.location.clone(),
        (name, _) => directory.location_named(name).cloned(),
    };
    let Some(profile) = found else { return StatusCode::NOT_FOUND.into_response() };
    let accepts = |kind: &str| {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|one| one.trim().split(';').next() == Some(kind))
    };
    let json = accepts("application/json") && !accepts(described::MEDIA_TYPE);
    let (document, media_type) = match json {
        true => (described::json(&profile), "application/json"),
        false => (described::xml(&profile), described::MEDIA_TYPE),
    };
    let tag = described::etag(&document);
    let mut answer = super::answer::fresh(&headers, &tag)
        .unwrap_or_else(|| ([(header::CONTENT_TYPE, media_type)], document).into_response());
    let lines = [(header::ETAG, tag), (header::CACHE_CONTROL, format!("private, max-age={MAX_AGE}"))];
    for (name, value) in lines {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    answer
}
