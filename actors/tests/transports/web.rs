//! A browser's phone (RFC 7118).

use std::net::{SocketAddr, TcpStream};

use ringpost::{
    settings::Secret,
    sip::digest::{Asked, Challenge, Login},
};
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue};

use crate::support::{Over, Site, ports};

type Socket = tungstenite::WebSocket<TcpStream>;

fn open(to: SocketAddr, protocol: &'static str, origin: &'static str) -> Result<Socket, String> {
    let mut request = format!("ws://{to}/").into_client_request().map_err(|error| error.to_string())?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
    request.headers_mut().insert("origin", HeaderValue::from_static(origin));
    let stream = TcpStream::connect(to).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).map_err(|error| error.to_string())?;
    tungstenite::client(request, stream).map(|(socket, _)| socket).map_err(|error| error.to_string())
}

fn hears(socket: &mut Socket, begin: &str) -> String {
    loop {
        if let Message::Text(text) = socket.read().expect("a frame")
            && text.starts_with(begin)
        {
            return text.to_string();
        }
    }
}

#[test]
fn a_browser_asks_for_sip_from_a_page_that_is_allowed() {
    let site = Site::new();
    let ws = SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let sip = site.sip;
    let _ringpost =
        site.listen(&format!("[\"udp:{sip}\", \"ws:{ws}\"]\norigins = [\"https://phone.test\"]")).start();
    assert!(open(ws, "sip", "https://evil.test").is_err_and(|why| why.contains("403")));
    assert!(open(ws, "chat", "https://phone.test").is_err());
    let mut socket = open(ws, "sip", "https://phone.test").expect("it is allowed");
    // RFC 5626 §4.4.1, in a frame of its own.
    socket.send(Message::text("\r\n\r\n")).expect("sent");
    assert_eq!(hears(&mut socket, "\r\n"), "\r\n");
    let options = "OPTIONS sip:corp.test SIP/2.0\r\nVia: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK1\r\n\
        Max-Forwards: 70\r\nFrom: <sip:1001@corp.test>;tag=a\r\nTo: <sip:corp.test>\r\nCall-ID: w\r\nCSeq: 1 OPTIONS\r\n\r\n";
    socket.send(Message::text(options)).expect("sent");
    assert!(hears(&mut socket, "SIP/2.0 200").contains("SIP/2.0/WS df7jal23ls0d.invalid"));
}

/// A registered browser rings over its own socket, and the call's end reaches it.
#[test]
fn a_registered_browser_rings_and_is_cancelled() {
    let site = Site::new();
    let ws = SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let sip = site.sip;
    let mut pbx = site.peer(Over::Udp);
    let site = site.listen(&format!("[\"udp:{sip}\", \"ws:{ws}\"]"));
    let ringpost = site
        .table("[[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\npassword = \"secret\"\nmissed_calls = \"off\"")
        .table("[registrar]\nalgorithms = [\"MD5\"]")
        .start();
    let mut socket = open(ws, "sip", "https://phone.test").expect("it is allowed");
    let register = |sequence: u32, lines: &str| {
        format!(
            "REGISTER sip:corp.test SIP/2.0\r\nVia: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bKr{sequence}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:1001@corp.test>;tag=a\r\nTo: <sip:1001@corp.test>\r\nCall-ID: r\r\n\
             CSeq: {sequence} REGISTER\r\nContact: <sip:1001@df7jal23ls0d.invalid;transport=ws>\r\n{lines}Content-Length: 0\r\n\r\n"
        )
    };
    socket.send(Message::text(register(1, ""))).expect("sent");
    let challenge = hears(&mut socket, "SIP/2.0 401");
    let offered =
        challenge.lines().find_map(|line| line.strip_prefix("WWW-Authenticate: ")).expect("a challenge");
    let read = Challenge::read(offered.as_bytes());
    let login = Login { user: "1001".into(), password: Secret("secret".into()) };
    let asked = Asked { method: b"REGISTER", uri: b"sip:corp.test", body: b"" };
    let value = read[0].answer(&login, &asked, 1, "c0ffee");
    let authorization = format!("Authorization: {}\r\n", String::from_utf8_lossy(&value));
    socket.send(Message::text(register(2, &authorization))).expect("sent");
    hears(&mut socket, "SIP/2.0 200");
    let invite = pbx.invite("1001");
    let called = hears(&mut socket, "INVITE ");
    assert!(called.contains("Via: SIP/2.0/WS ") && called.contains(";transport=ws>"), "{called}");
    let via = called.lines().find(|line| line.starts_with("Via")).expect("a Via");
    let copied =
        |name: &str| called.lines().find(|line| line.starts_with(name)).expect("a header").to_owned();
    let ringing = format!(
        "SIP/2.0 180 Ringing\r\n{via}\r\n{}\r\n{};tag=b\r\n{}\r\n{}\r\nContent-Length: 0\r\n\r\n",
        copied("From:"),
        copied("To:"),
        copied("Call-ID:"),
        copied("CSeq:")
    );
    socket.send(Message::text(ringing)).expect("sent");
    pbx.expect("180");
    pbx.cancel(&invite, "");
    hears(&mut socket, "CANCEL ");
    drop(ringpost);
}
