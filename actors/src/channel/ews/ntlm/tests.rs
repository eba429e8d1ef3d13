//! Servers that close the connection between the challenge and the proof.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::*;

/// A server's challenge with empty target information ([MS-NLMP] 2.2.1.2).
fn challenge() -> String {
    let mut message = b"NTLMSSP\0".to_vec();
    message.extend(2u32.to_le_bytes());
    message.extend([0; 8]);
    message.extend(0xa288_8205_u32.to_le_bytes());
    message.extend([7; 8]);
    message.extend([0; 8]);
    message.extend([4, 0, 4, 0, 48, 0, 0, 0]);
    message.extend([0; 4]);
    STANDARD.encode(message)
}

/// Answers a proof with 200 on the connection of its challenge, with 401 elsewhere or where `locked`; the first `closes`
/// connections end after their challenge. How many proofs came.
fn server(closes: usize, locked: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address");
    let proofs = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&proofs);
    thread::spawn(move || {
        for (number, stream) in socket.incoming().enumerate() {
            let (stream, seen) = (stream.expect("a connection"), Arc::clone(&seen));
            thread::spawn(move || serve(&stream, number < closes, locked, &seen));
        }
    });
    (address, proofs)
}

fn serve(stream: &TcpStream, closes: bool, locked: bool, proofs: &AtomicUsize) {
    let mut reader = BufReader::new(stream);
    let mut challenged = false;
    while let Some(token) = next_token(&mut reader) {
        let is_proof = token.get(8) == Some(&3);
        proofs.fetch_add(usize::from(is_proof), Ordering::Relaxed);
        let (status, more) = match is_proof {
            true if challenged && !locked => ("200 OK", String::new()),
            true => ("401 Unauthorized", String::new()),
            false => ("401 Unauthorized", format!("WWW-Authenticate: NTLM {}\r\n", challenge())),
        };
        challenged = !is_proof;
        // Said beforehand, or the client's next request could meet the end of the connection half-way.
        let last = if closes { "Connection: close\r\n" } else { "" };
        let answer = format!("HTTP/1.1 {status}\r\n{more}{last}Content-Length: 0\r\n\r\n");
        let mut writer = stream;
        if writer.write_all(answer.as_bytes()).is_err() || closes {
            return;
        }
    }
}

/// The NTLM message of the next request.
fn next_token(reader: &mut BufReader<&TcpStream>) -> Option<Vec<u8>> {
    let (mut token, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let (name, value) = line.trim().split_once(':').unwrap_or((line.trim(), ""));
        match name.to_ascii_lowercase().as_str() {
            "authorization" => token = STANDARD.decode(value.trim().strip_prefix("NTLM ")?).ok(),
            "content-length" => length = value.trim().parse().ok()?,
            "" => break,
            _ => {}
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    token
}

fn posted(address: SocketAddr) -> Result<Answer, DoorError> {
    let build = || Http::built(None, |builder| builder.http1_only().pool_max_idle_per_host(1));
    let password = Secret("pw".to_owned());
    let connections = Connections::new("CORP\\svc".to_owned(), password, build).expect("a client");
    let url = format!("http://{address}/");
    let request = |http: &Http, body: String| http.client().post(&url).body(body);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(connections.post(request, &url, "notice".to_owned(), Duration::from_secs(10)))
}

#[test]
fn a_connection_that_is_closed_after_the_challenge_is_no_refused_password() {
    let (address, proofs) = server(1, false);
    assert_eq!(posted(address).expect("an answer").status, StatusCode::OK);
    assert_eq!(proofs.load(Ordering::Relaxed), 2, "the first went by a connection without a challenge");
}

#[test]
fn a_server_that_keeps_no_connection_is_named_as_such() {
    let (address, _) = server(usize::MAX, false);
    assert!(matches!(posted(address), Err(DoorError::Ntlm(NtlmError::Torn))));
}

#[test]
fn a_refused_proof_is_shown_once() {
    let (address, proofs) = server(0, true);
    assert_eq!(posted(address).expect("an answer").status, StatusCode::UNAUTHORIZED);
    assert_eq!(proofs.load(Ordering::Relaxed), 1);
}
