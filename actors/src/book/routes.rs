//! The book by HTTP, below `/book`.

use std::{fs::File, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Extension, Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use ringpost::book::{
    card,
    due::again,
    phones::{self, CISCO_PAGE, Line, Page, SNOM_PAGE},
    state::State as Published,
    version::Version,
};
use serde::Deserialize;

use super::{Book, files, find};
use crate::web::{Address, Who, answer};

const SQLITE: &str = "application/vnd.sqlite3";
/// No page begins later; nobody pages that far.
const FARTHEST: usize = 10_000_000;

/// What is served of a book.
pub fn routes(book: Arc<Book>) -> Router {
    Router::new()
        .route("/book/state.json", get(state))
        .route("/book/full.sqlite", get(full))
        .route("/book/delta/{file}", get(delta))
        .route("/book/contacts.vcf", get(contacts))
        .route("/book/yealink.xml", get(yealink))
        .route("/book/snom.xml", get(snom))
        .route("/book/cisco.xml", get(cisco))
        .with_state(book)
}

/// What a phone asks for; a search as it was typed.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    search: Option<String>,
    start: Option<usize>,
}

impl Asked {
    fn search(&self) -> Option<&str> {
        self.search.as_deref().map(str::trim).filter(|search| !search.is_empty())
    }

    fn start(&self) -> usize {
        self.start.unwrap_or(0).min(FARTHEST)
    }
}

async fn state(State(book): State<Arc<Book>>, Extension(who): Extension<Who>) -> Response {
    let Some(published) = book.published() else { return none_yet() };
    let now = Timestamp::now();
    let Ok(mut told) = serde_json::to_value(&*published) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    told["next"] = again(Some(now), now, who.name()).to_string().into();
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "private, no-cache")];
    (headers, told.to_string()).into_response()
}

async fn full(State(book): State<Arc<Book>>, headers: HeaderMap) -> Response {
    let Some(published) = book.published() else { return none_yet() };
    file(&book, &published, "full.sqlite", SQLITE, &headers)
}

async fn delta(State(book): State<Arc<Book>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(published) = book.published() else { return none_yet() };
    let from: Option<Version> = name.strip_suffix(".sqlite").and_then(|from| from.parse().ok());
    let Some(from) = from else { return StatusCode::NOT_FOUND.into_response() };
    match published.deltas.iter().find(|delta| delta.from == from) {
        Some(delta) => file(&book, &published, &delta.file.path, SQLITE, &headers),
        None if from == published.version => StatusCode::NO_CONTENT.into_response(),
        // Too old, or of another series: the whole book tells.
        None => StatusCode::GONE.into_response(),
    }
}

async fn contacts(State(book): State<Arc<Book>>, headers: HeaderMap) -> Response {
    let Some(published) = book.published() else { return none_yet() };
    file(&book, &published, files::TEXTS[0], card::MEDIA_TYPE, &headers)
}

async fn yealink(State(book): State<Arc<Book>>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let Some(published) = book.published() else { return none_yet() };
    let Some(search) = asked.search() else {
        return file(&book, &published, files::TEXTS[1], phones::MEDIA_TYPE, &headers);
    };
    let wanted = (Some(search), 0, book.settings().found);
    found(&book, wanted, "yealink", &headers, |lines| phones::yealink_found(&lines)).await
}

async fn snom(
    State(book): State<Arc<Book>>,
    Extension(address): Extension<Address>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    // Snom's parser takes no "&" in URLs, however it is written: a search has one page.
    let pages = asked.search().is_none();
    let next = |start: usize| pages.then(|| format!("{}/book/snom.xml?start={start}", address.0));
    page(&book, &asked, SNOM_PAGE, &headers, (phones::snom, next)).await
}

async fn cisco(
    State(book): State<Arc<Book>>,
    Extension(address): Extension<Address>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let search = asked.search().map(|search| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("search", search).finish() + "&"
    });
    let search = search.unwrap_or_default();
    let next = |start: usize| Some(format!("{}/book/cisco.xml?{search}start={start}", address.0));
    page(&book, &asked, CISCO_PAGE, &headers, (phones::cisco, next)).await
}

/// One page of so many numbers, with the address of the next one where there is one.
async fn page(
    book: &Arc<Book>,
    asked: &Asked,
    size: usize,
    headers: &HeaderMap,
    (write, next): (fn(&Page<'_>) -> String, impl Fn(usize) -> Option<String>),
) -> Response {
    let (title, start) = (book.settings().title, asked.start());
    let mark = format!("{} {title}", next(start).unwrap_or_default());
    // One more than the page holds tells whether there is another.
    found(book, (asked.search(), start, size + 1), &mark, headers, |mut lines| {
        let next = if lines.len() > size { next(start + size) } else { None };
        lines.truncate(size);
        write(&Page { title: &title, lines: &lines, start, next: next.as_deref() })
    })
    .await
}

/// What is found of a search, from a number on and at most so many; `mark` stands for what else the answer depends on.
async fn found(
    book: &Arc<Book>,
    (search, start, most): (Option<&str>, usize, usize),
    mark: &str,
    headers: &HeaderMap,
    write: impl FnOnce(Vec<Line>) -> String,
) -> Response {
    let Some(published) = book.published() else { return none_yet() };
    let asked = format!("{mark} {start} {most} {}", search.unwrap_or_default());
    let hash = digest(&SHA256, asked.as_bytes());
    let hash: String = hash.as_ref().iter().take(8).map(|octet| format!("{octet:02x}")).collect();
    let tag = answer::tag(&format!("{}-{}-{hash}", published.series, published.version));
    if let Some(answer) = answer::fresh(headers, &tag) {
        return answer;
    }
    // Nobody takes a place away from calls: so many at once read the disk, the others wait.
    let Ok(_place) = book.finding.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let (path, search) = (book.path_of(&published, "full.sqlite"), search.map(str::to_owned));
    let lines =
        tokio::task::spawn_blocking(move || find::lines(&path, search.as_deref(), (start, most))).await;
    match lines {
        Ok(Ok(lines)) => tagged(&tag, phones::MEDIA_TYPE, write(lines).into()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "The address book could not be searched");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A file of the book as it stands on the disk.
fn file(book: &Book, published: &Published, path: &str, kind: &'static str, headers: &HeaderMap) -> Response {
    let stored = files::stored(published, path);
    let tag = answer::tag(&format!("{}-{stored}", published.series));
    if let Some(answer) = answer::fresh(headers, &tag) {
        return answer;
    }
    let opened =
        File::open(book.path_of(published, path)).and_then(|file| Ok((file.metadata()?.len(), file)));
    match opened {
        Ok((length, file)) => {
            let mut answer = tagged(&tag, kind, answer::file(file, book.patience()));
            answer.headers_mut().insert(header::CONTENT_LENGTH, length.into());
            answer
        }
        Err(error) => {
            tracing::warn!(%error, stored, "A file of the address book cannot be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn tagged(tag: &str, kind: &'static str, body: Body) -> Response {
    let cache = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "private, no-cache")];
    let mut answer = (cache, body).into_response();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    answer
}

/// It is being made for the first time, or cannot be.
fn none_yet() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "60")]).into_response()
}
