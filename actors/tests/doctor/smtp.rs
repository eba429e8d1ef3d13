//! A mail server that logs in one user by STARTTLS and keeps every line that it hears.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What it does.
#[derive(Clone, Debug)]
pub struct Mood {
    pub tls: Arc<ServerConfig>,
    pub offers_tls: bool,
    pub password: &'static str,
    /// What it says to MAIL and RCPT.
    pub mail: &'static str,
    pub rcpt: &'static str,
}

pub struct Smtp {
    pub port: u16,
    state: Arc<Mutex<(Mood, Vec<String>)>>,
}

fn locked(state: &Mutex<(Mood, Vec<String>)>) -> MutexGuard<'_, (Mood, Vec<String>)> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Smtp {
    pub fn start(tls: Arc<ServerConfig>) -> Self {
        let mood = Mood { tls, offers_tls: true, password: "pa55word", mail: "250 ok", rcpt: "250 ok" };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::new(Mutex::new((mood, vec![])));
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                // Whoever goes away in the middle ends its connection.
                thread::spawn(move || talk(stream, &shared));
            }
        });
        Self { port, state }
    }

    pub fn becomes(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut locked(&self.state).0);
    }

    /// The words that lines began with.
    pub fn heard(&self, word: &str) -> usize {
        locked(&self.state).1.iter().filter(|line| line.starts_with(word)).count()
    }
}

fn talk(mut tcp: TcpStream, state: &Mutex<(Mood, Vec<String>)>) -> Option<()> {
    let mood = locked(state).0.clone();
    let mut reader = BufReader::new(tcp.try_clone().ok()?);
    let offer = if mood.offers_tls { "250-here\r\n250 STARTTLS\r\n" } else { "250 here\r\n" };
    for said in ["220 here\r\n", offer, "220 go on\r\n"] {
        tcp.write_all(said.as_bytes()).ok()?;
        if said != "220 go on\r\n" && reader.read_line(&mut String::new()).ok()? == 0 {
            return None;
        }
    }
    let tls = StreamOwned::new(ServerConnection::new(mood.tls.clone()).ok()?, tcp);
    serve(BufReader::new(tls), &mood, state)
}

fn serve<S: Read + Write>(
    mut stream: BufReader<S>,
    mood: &Mood,
    state: &Mutex<(Mood, Vec<String>)>,
) -> Option<()> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        locked(state).1.push(line.clone());
        let good = STANDARD.encode(format!("\0svc\0{}", mood.password));
        let said = match line.split(' ').next().unwrap_or_default() {
            "EHLO" => "250-here\r\n250 AUTH PLAIN",
            "AUTH" if line.ends_with(&good) => "235 welcome",
            "AUTH" => "535 5.7.8 no",
            "MAIL" => mood.mail,
            "RCPT" => mood.rcpt,
            "DATA" => "354 a mail, though none is to be sent",
            _ => "250 ok",
        };
        stream.get_mut().write_all(format!("{said}\r\n").as_bytes()).ok()?;
        stream.get_mut().flush().ok()?;
    }
}
