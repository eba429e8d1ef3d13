//! What a connection says, cut into messages (RFC 3261 §18.3, RFC 5626 §4.4.1).

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use ringpost::sip::{
    frame::{Frame, Framer, Unframed},
    peer::Peer,
};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::UNFINISHED;
use crate::{
    metrics::METRICS,
    port::{Port, Refusal},
};

impl Port {
    pub(super) async fn read_stream(
        self: Rc<Self>,
        mut reader: impl AsyncRead + Unpin,
        peer: Peer,
    ) -> String {
        let mut buffer = BytesMut::with_capacity(4_096);
        let mut framer = Framer::new(self.streams.limits.message);
        // Since when it is silent, or the message in the buffer has been coming.
        let mut since = Instant::now();
        loop {
            let waits = buffer.is_empty();
            let patience = if waits { self.streams.limits.idle } else { self.half_sent() };
            let left = (since + patience).saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, reader.read_buf(&mut buffer)).await {
                Ok(Ok(0)) => return "the peer closed it".into(),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(_) if waits && self.user().keeps(peer.connection) => since = Instant::now(),
                Err(_) => {
                    if !waits {
                        METRICS.half_sent_total.one();
                    }
                    return "no complete message came in time".into();
                }
            }
            match self.cut(&mut buffer, &mut framer, peer) {
                Ok(progress) if progress || waits => since = Instant::now(),
                Ok(_) => {}
                Err(reason) => {
                    // Give the error reply time to leave before the connection goes.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    return reason.to_string();
                }
            }
        }
    }

    /// How long a message may take to be complete.
    pub(in crate::port) fn half_sent(&self) -> Duration {
        self.door().map_or(UNFINISHED, |door| door.settings().half_sent)
    }

    /// Takes every whole message off the buffer; true where there was one.
    fn cut(
        self: &Rc<Self>,
        buffer: &mut BytesMut,
        framer: &mut Framer,
        peer: Peer,
    ) -> Result<bool, Unframed> {
        let mut progress = false;
        while !buffer.is_empty() {
            match framer.look(buffer) {
                // RFC 5626 §4.4.1: a lone CRLF is the answer to a keep-alive.
                Ok(Frame::Incomplete) if &buffer[..] == b"\r\n" => buffer.clear(),
                Ok(Frame::Incomplete) => return Ok(progress),
                Ok(Frame::Ping { length }) => {
                    buffer.advance(length);
                    self.send_on_stream(peer, Bytes::from_static(b"\r\n"));
                }
                Ok(Frame::Blank { length }) => buffer.advance(length),
                Ok(Frame::Message { length }) => {
                    let message = Bytes::copy_from_slice(&buffer[..length]);
                    buffer.advance(length);
                    self.guarded(|| self.received(message, peer));
                }
                Err(reason) => {
                    self.complain(buffer, peer, reason);
                    return Err(reason);
                }
            }
            progress = true;
        }
        Ok(progress)
    }

    /// Answers a message that cannot be framed, as far as its header tells whom (RFC 3261 §18.3).
    fn complain(self: &Rc<Self>, buffer: &BytesMut, peer: Peer, reason: Unframed) {
        let (code, header) = match reason {
            Unframed::Length { header } => (400, header),
            Unframed::TooLarge => (513, memchr::memmem::find(buffer, b"\r\n\r\n").map_or(0, |at| at + 4)),
        };
        let Ok(message) = ringpost::sip::Message::read(Bytes::copy_from_slice(&buffer[..header])) else {
            return;
        };
        if message.method().is_some_and(|method| method != ringpost::sip::Method::Ack)
            && message.via().is_some()
        {
            self.refuse(&message, &peer, &Refusal::plain(code));
        }
    }
}
