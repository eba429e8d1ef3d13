//! An HTTP/1.1 server that does what a test says, in the open or behind TLS, and remembers what it was asked.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

/// What the server does then.
pub enum Reply {
    /// Status, further headers, body.
    Say(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// These octets as they are, and the end.
    Raw(Vec<u8>),
    /// The same, but so many zeros behind them.
    Flood(Vec<u8>, usize),
    /// These octets, one at a time with a pause after each.
    Trickle(Vec<u8>, Duration),
    /// These octets, and no more; the connection stays open the other way.
    HalfClosed(Vec<u8>),
    /// Nothing for long.
    Hang,
    /// The end, without a word.
    Drop,
}

impl Reply {
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::Say(status, vec![("Content-Type", "application/json".into())], body.to_string().into_bytes())
    }
}

pub struct Server {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

type Answerer = dyn Fn(&Asked) -> Reply + Send + Sync;

impl Server {
    pub fn start(
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("loopback"), tls, answer)
    }

    pub fn on(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let port = listener.local_addr().expect("bound").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer): (_, Arc<Answerer>) = (asked.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tls, kept, answer) = (tls.clone(), kept.clone(), answer.clone());
                thread::spawn(move || {
                    let wire = stream.try_clone().expect("a socket");
                    match tls {
                        None => serve(stream, &wire, &kept, &*answer),
                        Some(tls) => {
                            let connection = ServerConnection::new(tls).expect("a server");
                            serve(StreamOwned::new(connection, stream), &wire, &kept, &*answer)
                        }
                    }
                });
            }
        });
        Self { port, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

/// Serves one connection to its end, whichever it is.
fn serve<S: Read + Write>(
    stream: S,
    wire: &TcpStream,
    kept: &Mutex<Vec<Asked>>,
    answer: &Answerer,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let asked = read(&mut stream)?;
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
        let out = stream.get_mut();
        match answer(&asked) {
            Reply::Say(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
                headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
                out.write_all(&[head.as_bytes(), b"\r\n", &body].concat()).ok()?;
                out.flush().ok()?;
            }
            Reply::Raw(octets) => return out.write_all(&octets).and_then(|()| out.flush()).ok(),
            Reply::Flood(head, zeros) => {
                out.write_all(&head).ok()?;
                let block = [0; 1 << 16];
                (0..zeros / block.len()).try_for_each(|_| out.write_all(&block)).ok()?;
            }
            Reply::Trickle(octets, pause) => octets.iter().try_for_each(|octet| {
                thread::sleep(pause);
                out.write_all(&[*octet]).and_then(|()| out.flush()).ok()
            })?,
            Reply::HalfClosed(octets) => {
                out.write_all(&octets).and_then(|()| out.flush()).ok()?;
                wire.shutdown(Shutdown::Write).ok()?;
            }
            Reply::Hang => thread::sleep(Duration::from_secs(60)),
            Reply::Drop => return None,
        }
    }
}

fn read<S: Read>(stream: &mut BufReader<S>) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut first = lines.first()?.split(' ').map(str::to_owned);
    let (method, path) = (first.next()?, first.next()?);
    let header =
        |line: &String| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut asked =
        Asked { method, path, headers: lines[1..].iter().filter_map(header).collect(), body: vec![] };
    let length = asked.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    asked.body = vec![0; length];
    stream.read_exact(&mut asked.body).ok()?;
    Some(asked)
}
