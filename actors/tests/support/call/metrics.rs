//! What Ringpost tells of itself by HTTP.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// A whole answer to one request; empty where the connection was closed without one.
pub fn ask(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("UTF-8 until the end");
    answer
}

/// The value of one number, without its prefix.
pub fn number(port: u16, name: &str) -> u64 {
    let text = ask(port, "GET /metrics HTTP/1.0\r\n\r\n");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("ringpost_{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
}
