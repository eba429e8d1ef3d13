//! Stands between a server and `ldap3`, which expects every server to be honest: what is no LDAP answer would end its task by
//! a panic, and it would read a message or a search without an end into all the memory there is.

use std::{
    io,
    os::unix::net::UnixStream as StdUnixStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::BytesMut;
use ringpost::{directory::ldap::frame, notify::clean::reason};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy, split},
    net::UnixStream,
    time::timeout,
};

use super::{open::Stream, refusal::Refusal};

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_millis(500);
/// Read at once.
const CHUNK: usize = 16 * 1024;

/// What the gate lets in, and why it has closed.
#[derive(Debug)]
pub struct Gate {
    /// The largest message.
    largest: usize,
    /// Octets that may still come in answer to what was asked.
    left: AtomicUsize,
    closed: Mutex<Option<Refusal>>,
}

impl Gate {
    /// A gate before `stream`, and the end of a socket that speaks through it; for messages of at most `largest` octets.
    ///
    /// # Errors
    /// The system has no more sockets.
    pub fn before(stream: Box<dyn Stream>, largest: usize) -> io::Result<(Arc<Self>, StdUnixStream)> {
        let (outer, inner) = StdUnixStream::pair()?;
        outer.set_nonblocking(true)?;
        let outer = UnixStream::from_std(outer)?;
        let gate = Arc::new(Self { largest, left: AtomicUsize::new(0), closed: Mutex::default() });
        let own = Arc::clone(&gate);
        tokio::spawn(async move { own.carry(stream, outer).await });
        Ok((gate, inner))
    }

    /// So many octets may answer the next request.
    pub fn allow(&self, octets: usize) {
        self.left.store(octets, Relaxed);
    }

    /// Why nothing comes through any more.
    pub fn closed(&self) -> Option<Refusal> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn carry(&self, stream: Box<dyn Stream>, client: UnixStream) {
        let (from_server, mut to_server) = split(stream);
        let (mut from_client, to_client) = client.into_split();
        tokio::select! {
            // The client has gone.
            _ = copy(&mut from_client, &mut to_server) => {}
            closed = self.answers(from_server, to_client) => {
                *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = closed.err();
            }
        }
        let _ = timeout(FAREWELL, to_server.shutdown()).await;
    }

    async fn answers(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: tokio::net::unix::OwnedWriteHalf,
    ) -> Result<(), Refusal> {
        let lost = |error: io::Error| Refusal::Lost(reason(&error.to_string()));
        let mut octets = BytesMut::new();
        loop {
            while let Some(length) = frame::length(&octets, self.largest)? {
                frame::check(&octets[..length])?;
                let left = self.left.load(Relaxed);
                let less = left
                    .checked_sub(length)
                    .ok_or(Refusal::TooMuch("octets of an answer (max_answer)", left));
                self.left.store(less?, Relaxed);
                to.write_all(&octets.split_to(length)).await.map_err(lost)?;
            }
            octets.reserve(CHUNK);
            if from.read_buf(&mut octets).await.map_err(lost)? == 0 {
                return Err(Refusal::Lost("the server closed it".to_owned()));
            }
        }
    }
}
