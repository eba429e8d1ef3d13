//! A SIP server that answers whatever comes with one code, or not at all.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering::SeqCst},
    },
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub struct Answerer {
    pub address: SocketAddr,
    code: Arc<AtomicU16>,
}

impl Answerer {
    pub fn udp() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let (address, code) = (socket.local_addr().expect("bound"), Arc::new(AtomicU16::new(200)));
        let says = code.clone();
        thread::spawn(move || {
            let mut octets = [0; 8_192];
            while let Ok((length, from)) = socket.recv_from(&mut octets) {
                if let Some(answer) = answer(&octets[..length], says.load(SeqCst)) {
                    socket.send_to(&answer, from).expect("loopback");
                }
            }
        });
        Self { address, code }
    }

    /// By TCP, or TLS with that certificate.
    pub fn stream(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (address, code) = (listener.local_addr().expect("bound"), Arc::new(AtomicU16::new(200)));
        let says = code.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tls, says) = (tls.clone(), says.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &says),
                    Some(tls) => {
                        serve(StreamOwned::new(ServerConnection::new(tls).expect("a server"), stream), &says)
                    }
                });
            }
        });
        Self { address, code }
    }

    /// What it answers from now on; 0: nothing.
    pub fn says(&self, code: u16) {
        self.code.store(code, SeqCst);
    }
}

fn serve<S: Read + Write>(mut stream: S, says: &AtomicU16) {
    let mut octets = vec![];
    let mut part = [0; 4_096];
    while let Ok(length @ 1..) = stream.read(&mut part) {
        octets.extend_from_slice(&part[..length]);
        if octets.ends_with(b"\r\n\r\n")
            && let Some(answer) = answer(&std::mem::take(&mut octets), says.load(SeqCst))
        {
            // Whoever has gone away needs no answer.
            let _ = stream.write_all(&answer).and_then(|()| stream.flush());
        }
    }
}

/// A provisional answer and the final one.
fn answer(request: &[u8], code: u16) -> Option<Vec<u8>> {
    let request = std::str::from_utf8(request).expect("ASCII");
    assert!(request.starts_with("OPTIONS ") || request.starts_with("REGISTER "), "{request}");
    let copied = |name: &str| {
        let line = request.lines().find(|line| line.starts_with(&format!("{name}: ")));
        line.expect("a header").to_owned()
    };
    let mut head: Vec<String> = ["Via", "From", "To", "Call-ID", "CSeq"].map(copied).into();
    if request.starts_with("REGISTER ") && code == 200 {
        head.push(format!("{};expires=600", copied("Contact")));
    }
    let head = head.join("\r\n");
    (code != 0).then(|| format!("SIP/2.0 {code} X\r\n{head}\r\nContent-Length: 0\r\n\r\n").into_bytes())
}
