//! The server of `[http]` itself: what strangers can do to it (T7, T14), and what stands in front of it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    fetch::{Answer, Served, basic, office},
    support::{metrics::number, ports, until},
};

#[test]
fn what_is_not_served_is_not_found_and_every_answer_is_guarded() {
    let served = Served::start(office);
    for (line, status) in
        [("GET /", 404), ("GET /book/../store.db", 404), ("POST /x", 404), ("POST /book/state.json", 405)]
    {
        let answer = served.asks(line, &basic("1001", "secret"));
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(answer.one("x-content-type-options"), "nosniff");
        assert_eq!(answer.one("cache-control"), "no-store");
        assert!(answer.all("server").is_empty() && answer.all("strict-transport-security").is_empty());
    }
    for host in ["a b", "x@y", "", "book.test/<script>"] {
        let request = format!("GET /book/cisco.xml HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert!([400, 401].contains(&served.says(request.as_bytes()).status), "{host}");
    }
    served.ringpost.stops_well();
}

#[test]
fn t14_a_wrong_password_and_an_unknown_name_get_one_answer_and_then_none() {
    let served = Served::start(|listen| office(listen).table("[registrar]\ntries = 3\nlock_out = \"1m\""));
    // Everything that the two answers say, but for what has to differ.
    let said = |answer: &Answer| -> Vec<String> {
        let lines = answer.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
        lines.map(|line| line.split("nonce=\"").next().unwrap_or_default().to_owned()).collect()
    };
    let mut heads = vec![];
    for name in ["1001", "nobody"] {
        for _ in 0..3 {
            let answer = served.asks("GET /book/state.json", &basic(name, "wrong"));
            assert_eq!(answer.status, 401);
            assert_eq!(answer.all("www-authenticate").len(), 3, "{}", answer.head);
            heads.push(said(&answer));
        }
        let locked = served.asks("GET /book/state.json", &basic(name, "secret"));
        assert_eq!((locked.status, locked.one("retry-after")), (429, "60"), "{name}");
    }
    assert!(heads.iter().all(|head| *head == heads[0]), "{heads:?}");
    // Neither who sits elsewhere nor another name is locked out, and nor is the phone's registration.
    assert_ne!(served.asks("GET /book/state.json", &basic("1002", "secret")).status, 429);
    let request = format!(
        "GET /book/state.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n",
        basic("1001", "secret")
    );
    let mut elsewhere = served.authority.connect_from("127.0.0.9", served.at, ("localhost", None));
    let mut heard = vec![];
    let _ = elsewhere.write_all(request.as_bytes()).and_then(|()| elsewhere.read_to_end(&mut heard));
    assert_ne!(Answer::of(&heard).status, 429);
    assert_eq!(
        (
            number(served.metrics, "http_wrong_passwords_total"),
            number(served.metrics, "http_lock_outs_total")
        ),
        (6, 2)
    );
    // Whoever tries name after name is locked out for all of them.
    for n in 0..24 {
        served.asks("GET /book/state.json", &basic(&format!("guess{n}"), "x"));
    }
    assert_eq!(served.asks("GET /book/state.json", &basic("1002", "secret")).status, 429);
    served.ringpost.logs("Too many wrong passwords by HTTP");
    for headers in [
        "Authorization: Basic %%%\r\n",
        "Authorization: Basic bm9jb2xvbg==\r\n",
        "Authorization: Digest x\r\n",
    ] {
        assert_eq!(served.asks("GET /book/state.json", headers).status, 400, "{headers}");
    }
    assert_eq!(served.asks("GET /book/state.json", "Authorization: Bearer x\r\n").status, 401);
    served.ringpost.stops_well();
}

#[test]
fn t7_slow_readers_and_writers_are_cut_off_and_others_do_not_notice() {
    let served = Served::start(|listen| {
        office(&format!(
            "{listen}\nmax_connections = 60\nconnections_per_source = 40\nrequest_timeout = \"1s\""
        ))
    });
    until("the book is made", || served.gets("/book/state.json").status == 200);
    // Forty that say nothing, or one octet every now and then, from one address: no more is let in from there.
    let mut slow: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(served.at).expect("it listens")).collect();
    let mut halves: Vec<_> = (0..20).map(|_| served.authority.connect(served.at, "localhost")).collect();
    for half in &mut halves {
        half.write_all(b"GET /book/full.sqlite HTTP/1.1\r\nHost: x\r\nX-").expect("it listens");
    }
    until("they all have places", || number(served.metrics, "http_connections") == 40);
    let mut more = TcpStream::connect(served.at).expect("it listens");
    assert_eq!(more.read(&mut [0]).unwrap_or(0), 0, "one too many of one address");
    assert!(number(served.metrics, "http_source_refused_total") >= 1);
    let since = Instant::now();
    let mut elsewhere = served.authority.connect_from("127.0.0.9", served.at, ("localhost", None));
    let request = format!(
        "GET /book/state.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n",
        basic("1001", "secret")
    );
    elsewhere.write_all(request.as_bytes()).expect("it listens");
    let mut heard = vec![];
    let _ = elsewhere.read_to_end(&mut heard);
    assert_eq!(Answer::of(&heard).status, 200);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    // The record that they begin would be 512 octets long.
    let mut hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3].into_iter().chain(std::iter::repeat(7));
    until("the slow ones are cut off", || {
        let octet = hello.next().unwrap_or(7);
        slow.iter_mut().for_each(|one| drop(one.write(&[octet])));
        halves.iter_mut().for_each(|one| drop(one.write(b"x").and_then(|_| one.flush())));
        number(served.metrics, "http_connections") == 0
    });
    assert!(number(served.metrics, "http_slow_total") >= 40);
    served.ringpost.is_well();
    served.ringpost.stops_well();
}

#[test]
fn what_is_too_large_is_refused() {
    let served =
        Served::start(|listen| office(&format!("{listen}\nmax_header = \"8KiB\"\nmax_body = \"1KiB\"")));
    let auth = basic("1001", "secret");
    let long = format!("X-Long: {}\r\n{auth}", "x".repeat(10_000));
    assert_eq!(served.asks("GET /book/state.json", &long).status, 431);
    let body = format!(
        "GET /book/state.json HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n{auth}\r\n{}",
        "x".repeat(5_000)
    );
    assert_eq!(served.says(body.as_bytes()).status, 413);
    assert_eq!(served.says(b"\x16\x03nonsense\r\n\r\n").status, 400);
    served.ringpost.stops_well();
}

#[test]
fn r61_behind_a_proxy_it_knows_its_own_address_and_who_asks() {
    let port = ports(1);
    let served = Served::start(|listen| {
        let listen = listen.replace(']', &format!(", \"http:127.0.0.1:{port}\"]"));
        office(&format!("{listen}\nurl = \"https://phones.corp.test/ring\"\nproxies = [\"127.0.0.1\"]"))
            .table("[registrar]\ntries = 2\nalgorithms = [\"MD5\"]")
    });
    let asks = |path: &str, headers: &str| {
        let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: inside\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut heard = vec![];
        stream.read_to_end(&mut heard).expect("an answer");
        Answer::of(&heard)
    };
    let auth = basic("1001", "secret");
    until("the book is made", || asks("/ring/book/state.json", &auth).status == 200);
    for path in ["/ring/book/cisco.xml", "/book/cisco.xml"] {
        let answer = asks(path, &auth);
        assert_eq!(
            (answer.status, answer.one("strict-transport-security")),
            (200, "max-age=31536000"),
            "{path}"
        );
    }
    assert_eq!(asks("/ringbook/cisco.xml", &auth).status, 404);
    // Wrong passwords count for who sent them, not for the proxy; and nobody can say that somebody else did.
    for _ in 0..2 {
        let wrong = format!("{}X-Forwarded-For: 127.0.0.1, 198.51.100.7\r\n", basic("1001", "wrong"));
        assert_eq!(asks("/book/state.json", &wrong).status, 401);
    }
    let status = |from: &str| asks("/book/state.json", &format!("{auth}X-Forwarded-For: {from}\r\n")).status;
    assert_eq!(
        (status("198.51.100.7"), status("203.0.113.5, 198.51.100.7"), status("198.51.100.8")),
        (429, 429, 200)
    );
    assert!(served.ringpost.log().contains("198.51.100.8"));
    // By Digest, the phone has hashed the path that it knows.
    let url = format!("http://127.0.0.1:{port}/ring/book/state.json");
    let words = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--digest", "-u", "1002:secret", &url];
    let digest = std::process::Command::new("curl").args(words).output().expect("curl");
    assert_eq!(String::from_utf8_lossy(&digest.stdout), "200");
    served.ringpost.stops_well();
}
