//! What an admin says to a Ringpost that runs: one line of JSON each way, over a Unix socket beside the store that only the
//! store's owner may open.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream as StdStream},
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use arc_swap::ArcSwap;
use ringpost::directory::{
    Directory,
    explain::{Explained, Question},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as AsyncReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
};

use crate::{
    book::Book,
    directory::{keep, mirror::Summary},
    keeper::Keeper,
    outbox::{Discard, Outbox, Retry},
    pool::now,
    presence::connect::{Connectors, Filter, Report, Row},
    store::ItemId,
};

/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer may take, and how long that of a directory, however large.
const ANSWER: Duration = Duration::from_secs(60);
const SYNC: Duration = Duration::from_secs(1800);
/// How many notices may be named at once.
pub const MOST: usize = 50_000;
/// The longest request: so many numbers.
const LARGEST: u64 = 20 * MOST as u64;

/// What is wanted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// These notices go again at once.
    Retry(Vec<ItemId>),
    /// These notices leave the queue.
    Drop(Vec<ItemId>),
    /// Which way a number would take; the answer is an [`Explanation`].
    Route(Question),
    /// The directory is asked for changes at once; the answer is a [`Synced`].
    SyncDirectory,
    /// What is known of users elsewhere; the answer is a [`Report`].
    Presence(Filter),
    /// A user's subscriptions elsewhere are tried; the answer is a [`Tried`].
    TryPresence(String),
}

/// What a directory was found to be, or why it was not read.
pub type Synced = Result<Summary, String>;

/// Which way a number would take; `None`: nobody is known by the name that was given.
pub type Explanation = Option<Explained>;

/// What each connector has heard of a user who was tried there.
pub type Tried = Vec<(String, Vec<Row>)>;

/// Whom an admin speaks to.
#[derive(Clone)]
pub struct Ears {
    /// The queue of notices.
    pub outbox: Addr<Outbox>,
    /// The site as it is now.
    pub directory: Arc<ArcSwap<Directory>>,
    /// Who keeps the mirror of the LDAP directory, where there is one.
    pub mirror: Option<mpsc::Sender<keep::Order>>,
    /// The address book, where it is served.
    pub book: Option<Arc<Book>>,
    /// Who asks PBXs and presence servers.
    pub connectors: Arc<Connectors>,
}

/// What became of each notice: nothing more to say, or why not.
pub type Answer = Vec<(ItemId, Option<String>)>;

/// Where a store's Ringpost listens.
pub fn socket_of(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".control");
    name.into()
}

/// Listens beside the store, whose lock is held: a socket that is there already is a dead one's.
///
/// # Errors
/// Where the socket cannot be made.
pub fn serve(store: &Path, ears: Ears, keeper: &Keeper) -> io::Result<()> {
    let path = socket_of(store);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = std::os::unix::net::UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    socket.set_nonblocking(true)?;
    let socket = Rc::new(UnixListener::from_std(socket)?);
    keeper.keep("control".to_owned(), move || accept(Rc::clone(&socket), ears.clone()));
    Ok(())
}

async fn accept(socket: Rc<UnixListener>, ears: Ears) {
    loop {
        match socket.accept().await {
            // One at a time: there is one admin.
            Ok((stream, _)) => {
                if let Err(error) = answer(stream, &ears).await {
                    tracing::warn!(%error, "An order of an admin broke off");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "Could not accept an order of an admin");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, ears: &Ears) -> io::Result<()> {
    let mut line = String::new();
    let mut reader = AsyncReader::new((&mut stream).take(LARGEST));
    tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await??;
    let order: Order = serde_json::from_str(&line).map_err(io::Error::other)?;
    let said = match order {
        Order::Retry(ids) => serde_json::to_string(&obey(ids, true, &ears.outbox).await)?,
        Order::Drop(ids) => serde_json::to_string(&obey(ids, false, &ears.outbox).await)?,
        Order::Route(question) => {
            let explained: Explanation = ears.directory.load().explain(&question, true, now());
            serde_json::to_string(&explained)?
        }
        Order::Presence(filter) => {
            let report: Report = ears.connectors.report(&filter).await;
            serde_json::to_string(&report)?
        }
        Order::TryPresence(user) => {
            let connectors = Arc::clone(&ears.connectors);
            actix::spawn(async move {
                let tried: Tried = connectors.try_out(&user).await;
                // Whoever has gone away does not want to know.
                let _ = say(stream, serde_json::to_string(&tried).unwrap_or_default()).await;
            });
            return Ok(());
        }
        Order::SyncDirectory => {
            // A large directory takes its time: the next order does not wait for it.
            let synced = sync(ears.mirror.clone(), ears.book.clone());
            actix::spawn(async move {
                let told = serde_json::to_string(&synced.await).unwrap_or_default();
                // Whoever has gone away does not want to know.
                let _ = say(stream, told).await;
            });
            return Ok(());
        }
    };
    say(stream, said).await
}

async fn say(mut stream: UnixStream, mut said: String) -> io::Result<()> {
    said.push('\n');
    tokio::time::timeout(PATIENCE, stream.write_all(said.as_bytes())).await?
}

/// Has the directory read, and then the address book made of it (R78).
async fn sync(mirror: Option<mpsc::Sender<keep::Order>>, book: Option<Arc<Book>>) -> Synced {
    let mut summary = match (mirror, &book) {
        (Some(mirror), _) => {
            let (asker, told) = oneshot::channel();
            mirror.send(keep::Order::Sync(asker)).await.map_err(|_| "the mirror has stopped")?;
            told.await.map_err(|_| "the mirror has stopped")??
        }
        (None, Some(_)) => Summary::default(),
        (None, None) => return Err("this site has no [directory]".to_owned()),
    };
    if let Some(book) = book {
        let made = book.sync_now().await.map_err(|error| format!("the address book: {error}"))?;
        summary.book = Some(made.entries);
    }
    Ok(summary)
}

async fn obey(ids: Vec<ItemId>, retry: bool, outbox: &Addr<Outbox>) -> Answer {
    let mut answer = Answer::new();
    for id in ids {
        let done = match retry {
            true => outbox.send(Retry(id)).await,
            false => outbox.send(Discard(id)).await,
        };
        let refused = done.unwrap_or(Err("the outbox has stopped")).err();
        answer.push((id, refused.map(str::to_owned)));
    }
    answer
}

/// The process id of the Ringpost that runs on that store and answers; `None`: none does, or the system does not say.
///
/// # Errors
/// Where somebody listens and this user may not ask, or no answer comes.
pub async fn who_runs(store: &Path) -> io::Result<Option<i32>> {
    let mut stream = match UnixStream::connect(socket_of(store)).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let pid = stream.peer_cred()?.pid();
    let nothing = serde_json::to_string(&Order::Retry(vec![]))?;
    stream.write_all(format!("{nothing}\n").as_bytes()).await?;
    let mut line = String::new();
    AsyncReader::new(stream).read_line(&mut line).await?;
    serde_json::from_str::<Answer>(&line)?;
    Ok(pid)
}

/// Says it to the Ringpost that runs on that store; `None` where none does.
///
/// # Errors
/// Where the talk breaks off.
pub fn ask<A: DeserializeOwned>(store: &Path, order: &Order) -> io::Result<Option<A>> {
    let mut stream = match StdStream::connect(socket_of(store)) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let patience = if *order == Order::SyncDirectory { SYNC } else { ANSWER };
    stream.set_read_timeout(Some(patience))?;
    writeln!(stream, "{}", serde_json::to_string(order)?)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(Some(serde_json::from_str(&line)?))
}
