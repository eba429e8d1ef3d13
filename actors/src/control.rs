//! What an admin says to a Ringpost that runs: one line of JSON each way, over a Unix socket beside the store that only the
//! store's owner may open.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream as StdStream},
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use actix::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as AsyncReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
};

use crate::{
    directory::{keep, mirror::Summary},
    keeper::Keeper,
    outbox::{Discard, Outbox, Retry},
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
    /// The directory is asked for changes at once.
    SyncDirectory,
}

/// What was found there, or why nothing was.
pub type Synced = Result<Summary, String>;

/// What became of each notice: nothing more to say, or why not.
pub type Answer = Vec<(ItemId, Option<String>)>;

/// Who does what an admin says: the outbox, and who keeps the mirror of a directory.
pub type Obeying = (Addr<Outbox>, Option<mpsc::Sender<keep::Order>>);

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
pub fn serve(store: &Path, obeying: Obeying, keeper: &Keeper) -> io::Result<()> {
    let path = socket_of(store);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = std::os::unix::net::UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    socket.set_nonblocking(true)?;
    let socket = Rc::new(UnixListener::from_std(socket)?);
    keeper.keep("control".to_owned(), move || accept(Rc::clone(&socket), obeying.clone()));
    Ok(())
}

async fn accept(socket: Rc<UnixListener>, obeying: Obeying) {
    loop {
        match socket.accept().await {
            // One at a time: there is one admin.
            Ok((stream, _)) => {
                if let Err(error) = answer(stream, &obeying).await {
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

async fn answer(mut stream: UnixStream, (outbox, mirror): &Obeying) -> io::Result<()> {
    let mut line = String::new();
    let mut reader = AsyncReader::new((&mut stream).take(LARGEST));
    tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await??;
    match serde_json::from_str(&line).map_err(io::Error::other)? {
        Order::Retry(ids) => say(stream, &obey(ids, async |id| outbox.send(Retry(id)).await).await).await,
        Order::Drop(ids) => say(stream, &obey(ids, async |id| outbox.send(Discard(id)).await).await).await,
        Order::SyncDirectory => {
            // A large directory takes its time: the next order does not wait for it.
            let synced = sync(mirror.clone());
            actix::spawn(async move {
                let synced = synced.await;
                // Whoever has gone away does not want to know.
                let _ = say(stream, &synced).await;
            });
            Ok(())
        }
    }
}

async fn say(mut stream: UnixStream, answer: &impl Serialize) -> io::Result<()> {
    let mut said = serde_json::to_string(answer)?;
    said.push('\n');
    tokio::time::timeout(PATIENCE, stream.write_all(said.as_bytes())).await?
}

async fn obey(
    ids: Vec<ItemId>,
    done: impl AsyncFn(ItemId) -> Result<Result<(), &'static str>, MailboxError>,
) -> Answer {
    let mut answer = Answer::new();
    for id in ids {
        let refused = done(id).await.unwrap_or(Err("the outbox has stopped")).err();
        answer.push((id, refused.map(str::to_owned)));
    }
    answer
}

async fn sync(mirror: Option<mpsc::Sender<keep::Order>>) -> Synced {
    let Some(mirror) = mirror else { return Err("this site has no [directory]".to_owned()) };
    let (asker, told) = oneshot::channel();
    mirror.send(keep::Order::Sync(asker)).await.map_err(|_| "the mirror has stopped")?;
    told.await.map_err(|_| "the mirror has stopped")?
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
