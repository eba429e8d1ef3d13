//! A server that shows any certificate and says what a test wants, however wrong.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authority::{Pair, blind_server_config};

/// The first octet of an operation (RFC 4511 §4).
pub const BIND: u8 = 0x60;
pub const SEARCH: u8 = 0x63;
pub const EXTENDED: u8 = 0x77;

/// A request: its number, its operation, and all of it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub id: u8,
    pub operation: u8,
    pub octets: Vec<u8>,
}

impl Asked {
    /// Whether these words are in it.
    pub fn holds(&self, words: &str) -> bool {
        memchr::memmem::find(&self.octets, words.as_bytes()).is_some()
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tls {
    Implicit,
    Start,
    Never,
}

pub struct Fake {
    pub port: u16,
    heard: Arc<Mutex<Vec<Asked>>>,
}

/// What is said to a request; nothing where it is silent.
type Says = dyn Fn(&Asked) -> Vec<u8> + Send + Sync;

impl Fake {
    /// It ends with the test's process.
    pub fn start(pair: &Pair, tls: Tls, says: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let heard = Arc::new(Mutex::new(vec![]));
        let (config, says, own): (_, Arc<Says>, _) =
            (blind_server_config(pair), Arc::new(says), Arc::clone(&heard));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, says, heard) = (Arc::clone(&config), Arc::clone(&says), Arc::clone(&own));
                // Whoever is refused goes away in the middle.
                thread::spawn(move || talk(stream, config, tls, &*says, &heard));
            }
        });
        Self { port, heard }
    }

    /// The operations that came, by TLS or not.
    pub fn heard(&self) -> Vec<u8> {
        self.all().iter().map(|asked| asked.operation).collect()
    }

    pub fn all(&self) -> Vec<Asked> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn talk(
    mut tcp: TcpStream,
    config: Arc<ServerConfig>,
    tls: Tls,
    says: &Says,
    heard: &Mutex<Vec<Asked>>,
) -> Option<()> {
    if tls == Tls::Start {
        let asked = read(&mut tcp)?;
        let said = says(&asked);
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        tcp.write_all(&said).ok()?;
    }
    if tls == Tls::Never {
        return serve(tcp, says, heard);
    }
    serve(StreamOwned::new(ServerConnection::new(config).ok()?, tcp), says, heard)
}

fn serve(mut stream: impl Read + Write, says: &Says, heard: &Mutex<Vec<Asked>>) -> Option<()> {
    loop {
        let asked = read(&mut stream)?;
        let said = says(&asked);
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        stream.write_all(&said).ok()?;
        stream.flush().ok()?;
    }
}

fn read(stream: &mut impl Read) -> Option<Asked> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let length = match head[1] {
        short @ 0..0x80 => usize::from(short),
        long => {
            let mut digits = vec![0; usize::from(long & 0x7f)];
            stream.read_exact(&mut digits).ok()?;
            digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit))
        }
    };
    let mut octets = vec![0; length];
    stream.read_exact(&mut octets).ok()?;
    Some(Asked { id: octets[2], operation: octets[3], octets })
}

pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len() as u32;
    let head = match length {
        0..0x80 => vec![tag, length as u8],
        _ => [&[tag, 0x84][..], &length.to_be_bytes()].concat(),
    };
    [head, content.to_vec()].concat()
}

/// A message with that number.
pub fn message(id: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &[vec![0x02, 1, id], parts.concat()].concat())
}

pub fn result(tag: u8, code: u8, words: &str) -> Vec<u8> {
    tlv(tag, &[vec![0x0a, 1, code], tlv(0x04, b""), tlv(0x04, words.as_bytes())].concat())
}

/// The answer that goes with an operation, with that code.
pub fn done(asked: &Asked, code: u8, words: &str) -> Vec<u8> {
    let tag = match asked.operation {
        BIND => 0x61,
        SEARCH => 0x65,
        _ => 0x78,
    };
    message(asked.id, &[result(tag, code, words)])
}

/// The end of a page behind which more comes.
pub fn page(asked: &Asked, cookie: &[u8]) -> Vec<u8> {
    let value = tlv(0x30, &[vec![0x02, 1, 0], tlv(0x04, cookie)].concat());
    let control = tlv(0x30, &[tlv(0x04, b"1.2.840.113556.1.4.319"), tlv(0x04, &value)].concat());
    message(asked.id, &[result(0x65, 0, ""), tlv(0xa0, &control)])
}

/// An entry with these attributes.
pub fn entry(asked: &Asked, name: &str, attributes: &[(&str, &[&[u8]])]) -> Vec<u8> {
    let attribute = |(name, values): &(&str, &[&[u8]])| {
        let values: Vec<_> = values.iter().map(|value| tlv(0x04, value)).collect();
        tlv(0x30, &[tlv(0x04, name.as_bytes()), tlv(0x31, &values.concat())].concat())
    };
    let attributes: Vec<_> = attributes.iter().map(attribute).collect();
    let content = [tlv(0x04, name.as_bytes()), tlv(0x30, &attributes.concat())].concat();
    message(asked.id, &[tlv(0x64, &content)])
}
