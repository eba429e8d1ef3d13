//! Puts messages together: new lines around octets that are spliced from the original.

use std::{io::Write, net::SocketAddr};

use bytes::Bytes;

use super::{message::Message, name::Name, peer::Peer};
use crate::settings::Transport;

/// A message that is being written.
#[derive(Debug)]
pub struct Draft(Vec<u8>);

impl Draft {
    /// Starts a request.
    pub fn request(method: &[u8], uri: &[u8]) -> Self {
        let mut draft = Vec::with_capacity(1_400);
        for part in [method, b" ", uri, b" SIP/2.0\r\n"] {
            draft.extend_from_slice(part);
        }
        Self(draft)
    }

    /// Starts a response; `phrase` may hold any octets but line ends.
    pub fn status(code: u16, phrase: &[u8]) -> Self {
        let mut draft = Vec::with_capacity(700);
        draft.extend_from_slice(b"SIP/2.0 ");
        draft.extend_from_slice(&digits(code));
        draft.push(b' ');
        draft.extend_from_slice(phrase);
        draft.extend_from_slice(b"\r\n");
        Self(draft)
    }

    /// Goes on with lines that are written already.
    pub fn begun(lines: &[u8]) -> Self {
        let mut draft = Vec::with_capacity(lines.len() + 1_400);
        draft.extend_from_slice(lines);
        Self(draft)
    }

    /// The lines so far.
    pub fn written(self) -> Vec<u8> {
        self.0
    }

    /// One header line; the parts of the value are joined.
    pub fn header(&mut self, name: &str, value: &[&[u8]]) -> &mut Self {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        value.iter().for_each(|part| self.0.extend_from_slice(part));
        self.0.extend_from_slice(b"\r\n");
        self
    }

    /// Whole header lines as they are, line ends included.
    pub fn lines(&mut self, lines: &[u8]) -> &mut Self {
        self.0.extend_from_slice(lines);
        if !lines.is_empty() && !lines.ends_with(b"\n") {
            self.0.extend_from_slice(b"\r\n");
        }
        self
    }

    /// Every field of that name, as written.
    pub fn copy(&mut self, from: &Message, name: Name) -> &mut Self {
        from.fields().filter(|f| f.name == name).for_each(|field| {
            self.lines(from.written(field));
        });
        self
    }

    /// The Via of one of our requests; `branch` is given in parts.
    pub fn via(&mut self, transport: Transport, sent_by: &[u8], branch: &[&[u8]]) -> &mut Self {
        self.0.extend_from_slice(match transport {
            Transport::Udp => &b"Via: SIP/2.0/UDP "[..],
            Transport::Tcp => b"Via: SIP/2.0/TCP ",
            Transport::Tls => b"Via: SIP/2.0/TLS ",
            Transport::Ws => b"Via: SIP/2.0/WS ",
            Transport::Wss => b"Via: SIP/2.0/WSS ",
        });
        self.0.extend_from_slice(sent_by);
        self.0.extend_from_slice(b";branch=");
        branch.iter().for_each(|part| self.0.extend_from_slice(part));
        // RFC 5923 §5: requests to us may come on our TLS connections.
        self.0.extend_from_slice(if transport == Transport::Tls {
            b";alias;rport\r\n"
        } else {
            b";rport\r\n"
        });
        self
    }

    /// Ends the header and adds the body.
    pub fn body(mut self, body: &[u8]) -> Bytes {
        // Writing to a Vec cannot fail.
        let _ = write!(self.0, "Content-Length: {}\r\n\r\n", body.len());
        self.0.extend_from_slice(body);
        Bytes::from(self.0.into_boxed_slice())
    }

    /// Ends the header and adds a body that is in parts.
    pub fn bodies(mut self, parts: &[&[u8]]) -> Bytes {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        // Writing to a Vec cannot fail.
        let _ = write!(self.0, "Content-Length: {length}\r\n\r\n");
        parts.iter().for_each(|part| self.0.extend_from_slice(part));
        Bytes::from(self.0.into_boxed_slice())
    }

    /// Ends the header; there is no body.
    pub fn empty(mut self) -> Bytes {
        self.0.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        Bytes::from(self.0.into_boxed_slice())
    }
}

fn digits(code: u16) -> [u8; 3] {
    [code / 100, code / 10 % 10, code % 10].map(|digit| b'0' + digit as u8)
}

/// The same request for another server: a Via and a Contact of ours in place of those before (RFC 3263 §4.3).
pub fn elsewhere(
    request: &Message,
    (transport, sent_by, branch): (Transport, &[u8], &[&[u8]]),
    contact: &[u8],
) -> Bytes {
    let mut draft = Draft::request(request.method_name(), request.uri());
    draft.via(transport, sent_by, branch);
    for field in request.fields() {
        if field.name == Name::Contact {
            draft.header("Contact", &[contact]);
        } else if !matches!(field.name, Name::Via | Name::ContentLength) {
            draft.lines(request.written(field));
        }
    }
    draft.body(&request.body())
}

/// Starts a response to `request`: status line, Vias with `received` and `rport`, From, To (with `tag` where it has none
/// yet), Call-ID, CSeq (RFC 3261 §8.2.6, RFC 3581 §4).
pub fn response(request: &Message, source: SocketAddr, code: u16, phrase: &[u8], tag: &[u8]) -> Draft {
    let mut draft = Draft::status(code, phrase);
    vias(&mut draft, request, source);
    draft.copy(request, Name::From);
    match request.to() {
        Some(to) if to.tag().is_none() && code > 100 && !tag.is_empty() => {
            draft.header("To", &[request.first(Name::To).unwrap_or(b""), b";tag=", tag]);
        }
        _ => {
            draft.copy(request, Name::To);
        }
    }
    draft.copy(request, Name::CallId).copy(request, Name::CSeq);
    draft
}

/// A whole response without a body.
pub fn plain_response(request: &Message, source: SocketAddr, code: u16, tag: &[u8]) -> Bytes {
    response(request, source, code, phrase(code).as_bytes(), tag).empty()
}

fn vias(draft: &mut Draft, request: &Message, source: SocketAddr) {
    let mut first = true;
    for field in request.fields().filter(|f| f.name == Name::Via) {
        if !std::mem::take(&mut first) || !top_via(draft, request.value(field), source) {
            draft.lines(request.written(field));
        }
    }
}

/// Writes the first Via line with what RFC 3261 §18.2.1 and RFC 3581 add; false where nothing has to be added.
fn top_via(draft: &mut Draft, value: &[u8], source: SocketAddr) -> bool {
    let end = super::text::find_bare(value, b',').unwrap_or(value.len());
    let (top, rest) = value.split_at(end);
    let Some(via) = super::message::Via::read(top) else { return false };
    let rport = via.param("rport").is_some();
    if !rport && is_address(via.host, source) {
        return false;
    }
    let ip = source.ip().to_string();
    let port = source.port().to_string();
    let mut line = Vec::with_capacity(value.len() + 48);
    let mut parts = super::text::trim(top).split(|o| *o == b';');
    line.extend_from_slice(parts.next().unwrap_or(b""));
    for part in parts {
        let name = part.split(|o| *o == b'=').next().unwrap_or(b"");
        let name = super::text::trim(name);
        if !name.eq_ignore_ascii_case(b"rport") && !name.eq_ignore_ascii_case(b"received") {
            line.push(b';');
            line.extend_from_slice(part);
        }
    }
    line.extend_from_slice(b";received=");
    line.extend_from_slice(ip.as_bytes());
    if rport {
        line.extend_from_slice(b";rport=");
        line.extend_from_slice(port.as_bytes());
    }
    line.extend_from_slice(rest);
    draft.header("Via", &[&line]);
    true
}

/// Whether a sent-by host is literally the address that the message came from.
fn is_address(host: &[u8], source: SocketAddr) -> bool {
    let host = host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]")).unwrap_or(host);
    std::str::from_utf8(host)
        .ok()
        .and_then(|h| h.parse().ok())
        .is_some_and(|ip: std::net::IpAddr| ip == source.ip())
}

/// Where the responses to a request go (RFC 3261 §18.2.2, RFC 3581 §4): on UDP back to the source address, at the source
/// port where `rport` asks for it, else at the port of the sent-by. `maddr` is not followed: it would send our answer
/// wherever a stranger names.
pub fn reply_peer(request: &Message, from: Peer) -> Peer {
    if from.is_reliable() {
        // By its connection; where that has gone, by a new one to the port that the sent-by names.
        let default = if from.transport.is_secure() { 5061 } else { 5060 };
        let port = request.via().and_then(|via| via.port).unwrap_or(default);
        return Peer { address: SocketAddr::new(from.address.ip(), port), ..from };
    }
    let port = match request.via() {
        Some(via) if via.param("rport").is_some() => from.address.port(),
        Some(via) => via.port.unwrap_or(5060),
        None => from.address.port(),
    };
    Peer { address: SocketAddr::new(from.address.ip(), port), ..from }
}

/// The reason phrase that RFC 3261 §21 prints.
pub fn phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        412 => "Conditional Request Failed",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        439 => "First Hop Lacks Outbound Support",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => "Error",
    }
}

/// `address:port` as it stands in Via and Contact, IPv6 in brackets.
pub fn sent_by(address: SocketAddr) -> String {
    address.to_string()
}

/// The address that a URI's host and port name, where the host is a literal address; `None` for a name.
pub fn literal(host: &[u8], port: Option<u16>) -> Option<SocketAddr> {
    let host = std::str::from_utf8(host).ok()?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    Some(SocketAddr::new(bare.parse().ok()?, port.unwrap_or(5060)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(via: &str) -> Message {
        let text = format!(
            "OPTIONS sip:a@h SIP/2.0\r\n{via}From: <sip:b@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n"
        );
        Message::read(Bytes::from(text)).expect("a request")
    }

    #[test]
    fn a_response_goes_back_the_way_it_came() {
        let source: SocketAddr = "192.0.2.7:4711".parse().expect("an address");
        let rows = [
            (
                "Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1\r\n",
                "Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1\r\n",
                5062,
            ),
            (
                "v: SIP/2.0/UDP pc_1;branch=z9hG4bK1;rport;x\r\n",
                "Via: SIP/2.0/UDP pc_1;branch=z9hG4bK1;x;received=192.0.2.7;rport=4711\r\n",
                4711,
            ),
            (
                "Via: SIP/2.0/UDP 10.0.0.1;maddr=10.9.9.9, SIP/2.0/TCP b;branch=2\r\nVia: SIP/2.0/UDP c\r\n",
                "Via: SIP/2.0/UDP 10.0.0.1;maddr=10.9.9.9;received=192.0.2.7, SIP/2.0/TCP b;branch=2\r\nVia: SIP/2.0/UDP c\r\n",
                5060,
            ),
        ];
        for (via, expected, port) in rows {
            let request = request(via);
            let reply = plain_response(&request, source, 200, b"t1");
            let text = String::from_utf8_lossy(&reply);
            assert!(text.starts_with(&format!("SIP/2.0 200 OK\r\n{expected}From:")), "{text}");
            assert!(
                text.contains("To: <sip:a@h>;tag=t1\r\n") && text.ends_with("Content-Length: 0\r\n\r\n"),
                "{text}"
            );
            let peer = Peer { transport: Transport::Udp, address: source, listener: 0, connection: 0 };
            assert_eq!(reply_peer(&request, peer).address.port(), port);
        }
    }
}
