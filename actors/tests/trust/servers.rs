//! Servers that show a certificate, however bad, and take everything: HTTP, SMTP with TLS from the start, and STARTTLS.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::{
    authority::{Pair, blind_server_config},
    support::http::{Asked, Reply, Server},
};

const DONE: &str = "<Envelope><Body><CreateItemResponseMessage><ResponseCode>NoError</ResponseCode></CreateItemResponseMessage></Body></Envelope>";

#[derive(Clone, Copy)]
pub struct Ports {
    pub http: u16,
    pub smtps: u16,
    pub starttls: u16,
}

pub struct Servers {
    pub ports: Ports,
    /// Somebody on the way takes STARTTLS out of the answer.
    pub stripped: Arc<AtomicBool>,
    http: Server,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Servers {
    pub fn start(pair: &Pair) -> Self {
        let config = blind_server_config(pair);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let http = Server::start(Some(config.clone()), answer);
        let stripped = Arc::new(AtomicBool::new(false));
        let [smtps, starttls] =
            [false, true].map(|plain_first| smtp(&config, plain_first, &lines, &stripped));
        Self { ports: Ports { http: http.port, smtps, starttls }, stripped, http, lines }
    }

    /// Every request and every line that came by TLS.
    pub fn heard(&self) -> Vec<String> {
        let mut heard = self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        heard.extend(self.http.asked().into_iter().map(|asked| asked.path));
        heard
    }
}

fn answer(asked: &Asked) -> Reply {
    match asked.path.as_str() {
        "/token" => Reply::json(200, &json!({"access_token": "t", "expires_in": 3599})),
        "/EWS" => Reply::Say(200, vec![], DONE.as_bytes().to_vec()),
        "/hook" => Reply::Say(200, vec![], vec![]),
        _ => Reply::Say(202, vec![], vec![]),
    }
}

fn smtp(
    config: &Arc<ServerConfig>,
    plain_first: bool,
    lines: &Arc<Mutex<Vec<String>>>,
    stripped: &Arc<AtomicBool>,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    let (config, lines, stripped) = (config.clone(), lines.clone(), stripped.clone());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (config, lines, stripped) = (config.clone(), lines.clone(), stripped.load(SeqCst));
            // Whoever is refused goes away in the middle.
            thread::spawn(move || match stripped {
                true => serve(stream, true, &lines),
                false => talk(stream, config, plain_first, &lines),
            });
        }
    });
    port
}

fn talk(
    mut tcp: TcpStream,
    config: Arc<ServerConfig>,
    plain_first: bool,
    lines: &Mutex<Vec<String>>,
) -> Option<()> {
    if plain_first {
        let mut reader = BufReader::new(tcp.try_clone().ok()?);
        for said in ["220 here", "250-here\r\n250 STARTTLS", "220 go on"] {
            tcp.write_all(format!("{said}\r\n").as_bytes()).ok()?;
            if said != "220 go on" {
                reader.read_line(&mut String::new()).ok()?;
            }
        }
    }
    let tls = StreamOwned::new(ServerConnection::new(config).ok()?, tcp);
    serve(tls, !plain_first, lines)
}

fn serve<S: Read + Write>(stream: S, greets: bool, lines: &Mutex<Vec<String>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut data = false;
    if greets {
        say(&mut stream, "220 here")?;
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        match (data, line.split(' ').next().unwrap_or_default()) {
            (true, ".") => {
                // One mail for a connection.
                return say(&mut stream, "250 taken");
            }
            (true, _) => {}
            (_, "EHLO") => say(&mut stream, "250-here\r\n250 AUTH PLAIN XOAUTH2")?,
            (_, "AUTH") => say(&mut stream, "235 welcome")?,
            (_, "DATA") => {
                data = true;
                say(&mut stream, "354 go on")?;
            }
            _ => say(&mut stream, "250 fine")?,
        }
    }
}

fn say<S: Read + Write>(stream: &mut BufReader<S>, line: &str) -> Option<()> {
    let out = stream.get_mut();
    out.write_all(format!("{line}\r\n").as_bytes()).ok()?;
    out.flush().ok()
}
