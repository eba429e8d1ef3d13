//! Several channels for one user, from the site file to what the receivers get (R203). The HTTP client keeps its connections
//! for a while, so that nothing here is back to a baseline at once.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use crate::{
    http::{Reply, Server},
    support::{Over, Site, metrics, ports, until},
};

const MAIL: &str = "ada@corp.test";

#[test]
fn a_missed_call_is_told_by_every_entry_and_by_the_next_of_a_chain() {
    let refuses = Server::start(None, |_| Reply::Say(410, vec![], vec![]));
    let takes = Server::start(None, |_| Reply::Say(202, vec![], vec![]));
    let watched = ports(1);
    let site = Site::new()
        .maildir()
        .table(&format!("[metrics]\nlisten = \"127.0.0.1:{watched}\""))
        .table(&format!("[channel.gone]\nkind = \"webhook\"\nurl = {:?}", refuses.url("/")))
        .table(&format!("[channel.hook]\nkind = \"webhook\"\nurl = {:?}", takes.url("/")))
        .table("[notices]\nchannels = [[\"gone\", \"mail\"], \"hook\"]");
    let (mut pbx, mut desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let user = format!("missed_calls = \"mail\"\nmail = {MAIL:?}");
    let ringpost = site.user("1001", &[&desk], &user).start();
    let invite = pbx.invite("1001");
    let ring = desk.expect("INVITE");
    desk.answer(&ring, 486);
    desk.expect("ACK");
    pbx.refused(&invite, 486);
    let mails = ringpost.has_mails(MAIL, 1);
    until("the event", || !takes.asked().is_empty());
    let event: serde_json::Value = serde_json::from_slice(&takes.asked()[0].body).expect("JSON");
    assert_eq!(event["data"]["call_id"], invite.one("Call-ID"));
    let id = event["id"].as_str().expect("an id");
    assert!(mails[0].1.contains(&format!("Message-ID: <{id}@corp.test>")), "one key for all: {}", mails[0].1);
    // One that refuses for good is asked once.
    assert_eq!(refuses.asked().len(), 1);
    let numbers = || metrics::ask(watched, "GET /metrics HTTP/1.0\r\n\r\n");
    for line in [
        "ringpost_notices_delivered_total{channel=\"hook\"} 1",
        "ringpost_notices_delivered_total{channel=\"mail\"} 1",
        "ringpost_notices_delivered_total{channel=\"gone\"} 0",
        "ringpost_notices_moved_total{channel=\"gone\"} 1",
        "ringpost_notices_open{channel=\"mail\"} 0",
        "ringpost_channel_down{channel=\"gone\"} 0",
    ] {
        until(line, || numbers().contains(line));
    }
}

#[test]
fn um_that_refuses_is_replaced_by_all_channels_of_the_user() {
    let takes = Server::start(None, |_| Reply::Say(204, vec![], vec![]));
    let site = Site::new()
        .maildir()
        .table(&format!("[channel.hook]\nkind = \"webhook\"\nurl = {:?}", takes.url("/")));
    let [mut pbx, mut desk, mut um] = [(); 3].map(|()| site.peer(Over::Udp));
    let um_uri = um.uri();
    let user = format!("um_plan = \"lab\"\nmail = {MAIL:?}\nchannels = [\"mail\", \"hook\"]");
    let ringpost = site.plan("lab", &[&um_uri]).user("1001", &[&desk], &user).start();
    let invite = pbx.invite("1001");
    let ring = desk.expect("INVITE");
    desk.answer(&ring, 180);
    pbx.expect("180");
    pbx.gives_up(&invite, &mut desk, &ring);
    let info = um.expect("INFO");
    um.answer(&info, 415);
    ringpost.has_mails(MAIL, 1);
    until("the event", || takes.asked().len() == 1);
}

/// A mail server that knows nobody; how many passwords it was shown.
fn knows_nobody() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let (port, shown) = (listener.local_addr().expect("bound").port(), Arc::new(AtomicUsize::new(0)));
    let count = shown.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let count = count.clone();
            // Whoever hangs up is served.
            thread::spawn(move || refuse(stream, &count));
        }
    });
    (port, shown)
}

fn refuse(mut stream: TcpStream, count: &AtomicUsize) -> std::io::Result<()> {
    stream.write_all(b"220 here\r\n")?;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let reply = match line?.split(' ').next() {
            Some("EHLO") => "250-here\r\n250 AUTH PLAIN",
            Some("AUTH") => {
                count.fetch_add(1, SeqCst);
                "535 5.7.8 who are you"
            }
            _ => "250 fine",
        };
        stream.write_all(format!("{reply}\r\n").as_bytes())?;
    }
    Ok(())
}

/// A directory locks accounts: a wrong password is shown once and said loudly, and the next channel tells at once.
#[test]
fn a_refused_password_is_said_loudly_and_the_next_channel_tells() {
    let takes = Server::start(None, |_| Reply::Say(202, vec![], vec![]));
    let ((port, shown), watched) = (knows_nobody(), ports(1));
    let site = Site::new()
        .table(&format!("[metrics]\nlisten = \"127.0.0.1:{watched}\""))
        .table(&format!(
            "[channel.submission]\nkind = \"smtp\"\nurl = \"smtp://me@127.0.0.1:{port}\"\nfrom = \"um@corp.test\"\n\
             password_file = \"wrong.password\""
        ))
        .table(&format!("[channel.hook]\nkind = \"webhook\"\nurl = {:?}", takes.url("/")));
    fs::write(site.folder.path().join("wrong.password"), "hunter2\n").expect("a file");
    let (mut pbx, mut desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let user = format!("missed_calls = \"mail\"\nmail = {MAIL:?}\nchannels = [[\"submission\", \"hook\"]]");
    let ringpost = site.user("1001", &[&desk], &user).start();
    for calls in 1..=3 {
        let invite = pbx.invite("1001");
        let ring = desk.expect("INVITE");
        desk.answer(&ring, 486);
        desk.expect("ACK");
        pbx.refused(&invite, 486);
        until("the event", || takes.asked().len() == calls);
    }
    assert_eq!(shown.load(SeqCst), 1);
    ringpost.logs("A server refuses the user name or the password");
    assert!(!ringpost.log().contains("hunter2"));
    let status = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(["status", "--config"])
        .arg(ringpost.folder.path().join("site.toml"))
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    let line = said.lines().find(|line| line.starts_with("yellow login of submission at 127.0.0.1: "));
    assert!(line.is_some_and(|line| line.contains("5.7.8") && line.contains("no more tries")), "{said}");
    assert_eq!(metrics::number(watched, "logins_refused_total"), 1);
}
