//! The octets below a WebSocket: a message that has begun has to be complete in time (T7), whatever comes between.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use ringpost::sip::websocket::Progress;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use crate::metrics::METRICS;

/// A stream whose reading fails where a message takes too long.
pub struct Watched<S> {
    stream: S,
    /// Nothing is a frame before the handshake is done.
    limit: Option<Limit>,
}

struct Limit {
    progress: Progress,
    patience: Duration,
    /// Runs while a message is half there.
    end: Option<Pin<Box<Sleep>>>,
}

impl Limit {
    fn passes(&mut self, octets: &[u8]) {
        let ended = self.progress.take(octets);
        if !self.progress.is_half() {
            self.end = None;
        } else if ended || self.end.is_none() {
            self.end = Some(Box::pin(sleep(self.patience)));
        }
    }

    /// Ready where what has begun has taken too long.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let Some(end) = &mut self.end else { return Poll::Pending };
        // Who sends without a pause may not keep the timer from being asked.
        if Instant::now() < end.deadline() {
            ready!(end.as_mut().poll(context));
        }
        METRICS.half_sent_total.one();
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "no complete message came in time"))
    }
}

impl<S> Watched<S> {
    /// A stream that is not watched yet.
    pub fn new(stream: S) -> Self {
        Self { stream, limit: None }
    }

    /// What comes from now on is frames, and a message has to be complete within `patience`.
    pub fn watch(&mut self, patience: Duration) {
        self.limit = Some(Limit { progress: Progress::default(), patience, end: None });
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer)?;
        if let Some(limit) = &mut self.limit {
            if read.is_ready() {
                limit.passes(&buffer.filled()[before..]);
            }
            if let Poll::Ready(error) = limit.poll(context) {
                return Poll::Ready(Err(error));
            }
        }
        read.map(Ok)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
