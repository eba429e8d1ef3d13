//! WebSockets: one SIP message in a frame (RFC 7118); devices open them.

mod watched;

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use ringpost::sip::peer::Peer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        Message as Frame, Utf8Bytes,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode},
        protocol::WebSocketConfig,
    },
};

use self::watched::Watched;
use super::{Port, stream::UNFINISHED};

/// A WebSocket whose messages have to be complete in time.
pub type Socket<S> = WebSocketStream<Watched<S>>;

/// A browser asks for the subprotocol `sip`, from a page that the site allows.
#[expect(clippy::result_large_err, reason = "the type is the library's")]
fn judge(request: &Request, mut response: Response, origins: &[String]) -> Result<Response, ErrorResponse> {
    let refuse = |status| {
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = status;
        Err(refusal)
    };
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let origin = header("origin").unwrap_or_default();
    if !origins.is_empty() && !origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
        return refuse(StatusCode::FORBIDDEN);
    }
    let mut asked =
        request.headers().get_all("sec-websocket-protocol").iter().filter_map(|v| v.to_str().ok());
    if !asked.any(|list| list.split(',').any(|one| one.trim().eq_ignore_ascii_case("sip"))) {
        return refuse(StatusCode::BAD_REQUEST);
    }
    response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("sip"));
    Ok(response)
}

/// Does the handshake of a WebSocket; `limit` is the largest message in octets, `patience` how long one may take to be
/// complete afterwards.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    limit: usize,
    origins: &[String],
    patience: Duration,
) -> Result<Socket<S>, String> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit))
        .read_buffer_size(4_096)
        .write_buffer_size(0);
    #[expect(clippy::result_large_err, reason = "the type is the library's")]
    let callback = |request: &Request, response: Response| judge(request, response, origins);
    let accepted = accept_hdr_async_with_config(Watched::new(stream), callback, Some(config)).await;
    let mut socket = accepted.map_err(|error| error.to_string())?;
    socket.get_mut().watch(patience);
    Ok(socket)
}

impl Port {
    /// Carries frames until the socket ends; says why.
    pub(super) async fn carry_frames<S: AsyncRead + AsyncWrite + Unpin>(
        self: &Rc<Self>,
        mut socket: Socket<S>,
        peer: Peer,
        queue: &mut mpsc::Receiver<Bytes>,
        idle: Duration,
    ) -> String {
        let mut heard = Instant::now();
        let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + idle / 3, idle / 3);
        loop {
            let frame = tokio::select! {
                bytes = queue.recv() => match bytes {
                    Some(bytes) => framed(bytes),
                    None => return "the queue has ended".into(),
                },
                frame = socket.next() => {
                    heard = Instant::now();
                    match frame {
                        Some(Ok(Frame::Close(_))) | None => return "the peer closed it".into(),
                        Some(Err(error)) => return error.to_string(),
                        Some(Ok(frame @ (Frame::Text(_) | Frame::Binary(_)))) => match self.unframed(frame.into_data(), peer) {
                            Some(answer) => answer,
                            None => continue,
                        },
                        // A Ping has been answered by the library.
                        Some(Ok(_)) => continue,
                    }
                }
                _ = beat.tick() => match heard.elapsed() < idle {
                    true => Frame::Ping(Bytes::new()),
                    false => return "nothing came in time".into(),
                },
            };
            match tokio::time::timeout(UNFINISHED, socket.send(frame)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(_) => return "the peer does not read".into(),
            }
        }
    }

    /// Takes one message; the answer is that to a keep-alive (RFC 5626 §4.4.1).
    fn unframed(self: &Rc<Self>, message: Bytes, peer: Peer) -> Option<Frame> {
        match &message[..] {
            b"\r\n\r\n" => Some(Frame::text("\r\n")),
            b"" | b"\r\n" => None,
            _ => {
                self.guarded(|| self.received(message, peer));
                None
            }
        }
    }
}

/// RFC 7118 §5: text where it is UTF-8.
fn framed(bytes: Bytes) -> Frame {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Frame::Text(text),
        Err(_) => Frame::Binary(bytes),
    }
}
