//! One SIP server, and what is said to and fro: requests with their final answers, challenges that are answered, and what the
//! server sends by itself meanwhile. From a port of the doctor's own, so that nobody's calls are touched.

use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use ringpost::{
    call::wire,
    settings::{Transport, TrunkLogin},
    sip::{
        Message, Method,
        build::{Draft, plain_response, sent_by},
        challenge::{self, Tries, Unanswered},
        frame::{Frame, Framer},
        locate::Hop,
        peer::Peer,
        token::MAGIC,
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::Instant,
};

use crate::{
    entropy,
    port::{errand::Errand, tls::Tls},
};

/// The first pause before a request by UDP is sent again (RFC 3261 §17.1.2.1); it doubles.
const T1: Duration = Duration::from_millis(500);
/// The largest message that is read.
const LARGEST: usize = 64 * 1024;
/// Messages that came unasked and are kept.
const KEPT: usize = 16;

/// The way to one server.
pub struct Talk {
    link: Link,
    own: SocketAddr,
    hop: Hop,
    /// Requests of the server, answered and not looked at yet.
    heard: VecDeque<Message>,
    random: Box<dyn FnMut() -> u32>,
}

enum Link {
    Datagrams(UdpSocket),
    Stream { stream: Box<dyn Both>, octets: Vec<u8>, framer: Framer },
}

trait Both: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Both for T {}

/// What a request came to.
pub struct Said {
    /// The final answer.
    pub answer: Message,
    /// The request, as it was sent last.
    pub sent: Message,
    /// Whether it was challenged; and why that was not answered.
    pub challenged: bool,
    pub unanswered: Option<Unanswered>,
}

impl Said {
    /// The status code.
    pub fn code(&self) -> u16 {
        self.answer.code().unwrap_or_default()
    }
}

fn told(error: io::Error) -> String {
    error.to_string()
}

impl Talk {
    /// Opens the way to a place; the certificate is checked for that name (R87).
    pub async fn open(tls: Option<&Arc<Tls>>, hop: Hop, host: Option<&str>) -> Result<Self, String> {
        let over = |stream| Link::Stream { stream, octets: vec![], framer: Framer::new(LARGEST) };
        let (link, own) = match hop.transport {
            Transport::Udp => {
                let any: SocketAddr = match hop.address {
                    SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
                    SocketAddr::V6(_) => ([0u16; 8], 0).into(),
                };
                let socket = UdpSocket::bind(any).await.map_err(told)?;
                socket.connect(hop.address).await.map_err(told)?;
                let own = socket.local_addr().map_err(told)?;
                (Link::Datagrams(socket), own)
            }
            Transport::Tls => {
                let stream = shakes(tls.ok_or("[tls] ca cannot be read")?, hop, host).await?;
                let own = stream.get_ref().0.local_addr().map_err(told)?;
                (over(Box::new(stream) as Box<dyn Both>), own)
            }
            Transport::Tcp | Transport::Ws | Transport::Wss => {
                let stream = TcpStream::connect(hop.address).await.map_err(told)?;
                let own = stream.local_addr().map_err(told)?;
                (over(Box::new(stream) as Box<dyn Both>), own)
            }
        };
        Ok(Self { link, own, hop, heard: VecDeque::new(), random: entropy::source() })
    }

    /// The place, in words.
    pub fn place(&self) -> String {
        format!("{} {}", self.hop.address, self.hop.transport.name())
    }

    /// Whether the server may not be able to reach us but by this very connection.
    pub fn is_stream(&self) -> bool {
        matches!(self.link, Link::Stream { .. })
    }

    fn token(&mut self) -> String {
        format!("{:08x}{:08x}", (self.random)(), (self.random)())
    }

    /// Asks, and proves who we are where that is wanted; the final answer.
    pub async fn ask(&mut self, errand: &Errand, login: Option<&TrunkLogin>) -> Result<Said, String> {
        let mut octets = self.written(errand);
        let (mut tries, mut sequence, mut challenged) = (Tries::default(), 1, false);
        loop {
            let sent = Message::read(octets.clone()).map_err(|_| "the request cannot be written")?;
            let answer = self.exchange(&sent, &octets).await.map_err(told)?;
            let said =
                |answer, sent, challenged, unanswered| Ok(Said { answer, sent, challenged, unanswered });
            if !matches!(answer.code(), Some(401 | 407)) {
                return said(answer, sent, challenged, None);
            }
            challenged = true;
            let (cnonce, branch) = (self.token(), self.token());
            match challenge::credentials(login, &answer, &sent, &mut tries, &cnonce) {
                Ok((name, value)) => {
                    sequence += 1;
                    let own = sent_by(self.own);
                    let via: [&[u8]; 2] = [MAGIC, branch.as_bytes()];
                    let way = (self.hop.transport, own.as_bytes(), &via[..]);
                    octets = challenge::again(&sent, sequence, way, (name, &value));
                }
                Err(why) => return said(answer, sent, challenged, Some(why)),
            }
        }
    }

    /// The next request of the server's with that method; it is answered.
    pub async fn hears(&mut self, method: Method) -> Result<Message, String> {
        loop {
            while let Some(heard) = self.heard.pop_front() {
                if heard.method() == Some(method) {
                    return Ok(heard);
                }
            }
            self.next().await.map_err(told)?;
        }
    }

    /// Sends what nothing is answered to, or whose answer does not matter: an ACK, or a request of a dialog that it ends.
    /// `draft` lacks the Via.
    pub async fn sends(&mut self, mut draft: Draft) -> Result<(), String> {
        self.via(&mut draft);
        let octets = draft.empty();
        self.send(&octets).await.map_err(told)
    }

    /// Sends a request of a dialog and waits for its final answer. `draft` lacks the Via and the body.
    pub async fn asks_within(&mut self, mut draft: Draft, body: &[u8]) -> Result<Message, String> {
        self.via(&mut draft);
        let octets = draft.body(body);
        let sent = Message::read(octets.clone()).map_err(|_| "the request cannot be written")?;
        self.exchange(&sent, &octets).await.map_err(told)
    }

    fn via(&mut self, draft: &mut Draft) {
        let (own, branch) = (sent_by(self.own), self.token());
        draft.via(self.hop.transport, own.as_bytes(), &[MAGIC, branch.as_bytes()]);
    }

    /// A request that belongs to nothing.
    fn written(&mut self, errand: &Errand) -> Bytes {
        let Errand { method, uri, from, to, headers, body, contact, series, .. } = errand;
        let mut draft = Draft::request(method.as_bytes(), uri.as_bytes());
        self.via(&mut draft);
        let own = sent_by(self.own);
        let (call_id, tag, sequence) = match series.clone() {
            Some(series) => series,
            None => (format!("{}@{own}", self.token()), self.token(), 1),
        };
        draft.header("Max-Forwards", &[b"70"]);
        draft.header("From", &[b"<", from.as_bytes(), b">;tag=", tag.as_bytes()]);
        draft.header("To", &[b"<", to.as_bytes(), b">"]).header("Call-ID", &[call_id.as_bytes()]);
        draft.header("CSeq", &[sequence.to_string().as_bytes(), b" ", method.as_bytes()]);
        let user: &[u8] = if contact.is_empty() { b"ringpost" } else { contact.as_bytes() };
        draft.header("Contact", &[&wire::contact(self.hop.transport, user, own.as_bytes(), None)]);
        for (name, value) in headers {
            draft.header(name, &[value]);
        }
        draft.body(body)
    }

    /// Sends a request, again and again by UDP, until its final answer comes.
    async fn exchange(&mut self, sent: &Message, octets: &Bytes) -> io::Result<Message> {
        self.send(octets).await?;
        let branch = |message: &Message| message.via().and_then(|via| via.branch().map(<[u8]>::to_vec));
        let own = branch(sent);
        let (mut pause, mut again) = (T1, Instant::now() + T1);
        loop {
            let got = match self.is_stream() {
                true => self.next().await?,
                false => match tokio::time::timeout_at(again, self.next()).await {
                    Ok(got) => got?,
                    Err(_) => {
                        self.send(octets).await?;
                        pause *= 2;
                        again = Instant::now() + pause;
                        continue;
                    }
                },
            };
            let Some(answer) = got.filter(|message| branch(message) == own) else { continue };
            match answer.code() {
                Some(200..) => {
                    if sent.method() == Some(Method::Invite) && answer.code() >= Some(300) {
                        self.acknowledge(sent, &answer).await?;
                    }
                    return Ok(answer);
                }
                // It has come there.
                _ => again = Instant::now() + 64 * T1,
            }
        }
    }

    /// The ACK of a refusal (RFC 3261 §17.1.1.3).
    async fn acknowledge(&mut self, sent: &Message, answer: &Message) -> io::Result<()> {
        use ringpost::sip::Name;
        let mut draft = Draft::request(b"ACK", sent.uri());
        let sequence = sent.cseq().map_or(1, |(sequence, _)| sequence);
        draft.copy(sent, Name::Via).header("Max-Forwards", &[b"70"]).copy(sent, Name::From);
        draft.copy(answer, Name::To).copy(sent, Name::CallId);
        draft.header("CSeq", &[sequence.to_string().as_bytes(), b" ACK"]);
        let octets = draft.empty();
        self.send(&octets).await
    }

    async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.link {
            Link::Datagrams(socket) => socket.send(octets).await.map(drop),
            Link::Stream { stream, .. } => {
                stream.write_all(octets).await?;
                stream.flush().await
            }
        }
    }

    /// The next message, if it is an answer; requests of the server's are answered and kept.
    async fn next(&mut self) -> io::Result<Option<Message>> {
        let message = match &mut self.link {
            Link::Datagrams(socket) => {
                let mut octets = vec![0; LARGEST];
                let length = socket.recv(&mut octets).await?;
                octets.truncate(length);
                Message::read(octets.into()).ok()
            }
            Link::Stream { stream, octets, framer } => cut(stream, octets, framer).await?,
        };
        let Some(message) = message else { return Ok(None) };
        let Some(method) = message.method() else { return Ok(Some(message)) };
        if method != Method::Ack {
            let taken = matches!(method, Method::Notify | Method::Info | Method::Options | Method::Bye);
            let (tag, code) = (self.token(), if taken { 200 } else { 501 });
            let answer = plain_response(&message, self.hop.address, code, tag.as_bytes());
            self.send(&answer).await?;
            if self.heard.len() < KEPT {
                self.heard.push_back(message);
            }
        }
        Ok(None)
    }
}

/// The next message of a stream; `None`: nothing that can be read.
async fn cut(
    stream: &mut Box<dyn Both>,
    octets: &mut Vec<u8>,
    framer: &mut Framer,
) -> io::Result<Option<Message>> {
    loop {
        match framer.look(octets).map_err(|error| io::Error::other(error.to_string()))? {
            Frame::Message { length } => {
                let message: Vec<u8> = octets.drain(..length).collect();
                return Ok(Message::read(message.into()).ok());
            }
            Frame::Ping { length } | Frame::Blank { length } => drop(octets.drain(..length)),
            Frame::Incomplete => {
                let mut part = [0; 4_096];
                let read = stream.read(&mut part).await?;
                if read == 0 {
                    return Err(io::Error::other("it closes the connection without an answer"));
                }
                octets.extend_from_slice(&part[..read]);
            }
        }
    }
}

/// Opens TLS as the port does; the name is checked (R87).
pub async fn shakes(
    tls: &Tls,
    hop: Hop,
    host: Option<&str>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    let peer = Peer { transport: hop.transport, address: hop.address, listener: 0, connection: 0 };
    let peer = match host {
        Some(host) => peer.named(tls.number(host).ok_or("too many names")?),
        None => peer,
    };
    let stream = TcpStream::connect(hop.address).await.map_err(told)?;
    tls.connect(stream, &peer).await.map_err(told)
}
