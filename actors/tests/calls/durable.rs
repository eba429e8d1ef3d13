//! What was told to the caller as over is told to the callee, whatever happens in between (T28, T29, T32, R203).

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Over, Peer, Ringpost, Sip, Site, ports, until};

const MAIL: &str = "ada@corp.test";
const USER: &str = "missed_calls = \"mail\"\nmail = \"ada@corp.test\"";

#[test]
fn killed_right_after_the_487_it_tells_when_it_is_back() {
    let (mut ringpost, mut pbx, mut desk) = office(Site::new().maildir());
    for run in 1..=10 {
        let invite = misses(&mut pbx, &mut desk);
        ringpost.kill();
        ringpost.restart();
        let mails = ringpost.has_mails(MAIL, run);
        assert!(mails.iter().any(|(_, mail)| mail.contains(invite.one("Call-ID"))));
    }
    drop((pbx, desk));
    ringpost.back_to_baseline();
}

#[test]
fn killed_at_fifty_moments_it_tells_every_call_that_was_over() {
    // T28. A Maildir names each file after its Message-ID, so a second copy would replace the first.
    let (mut ringpost, mut pbx, mut desk) = office(Site::new().maildir());
    let mut over = BTreeSet::new();
    // How long the calls of a round take here and now, however busy the machine is.
    let mut round = Duration::ZERO;
    for _ in 0..3 {
        let since = Instant::now();
        over.insert(misses(&mut pbx, &mut desk).one("Call-ID").to_owned());
        round = round.max(4 * since.elapsed());
    }
    let before = over.len();
    for run in 0..50 {
        // The moments lie evenly over the time in which the calls of a round come and go, and as long again.
        let begun = Instant::now();
        let deadline = begun + (Duration::from_micros(1_500) * run).max(2 * round * run / 50);
        let calls: Vec<Sip> = (0..4).map(|_| pbx.invite("1001")).collect();
        let mut killed = false;
        while !killed || Instant::now() < deadline + Duration::from_millis(20) {
            if !killed && Instant::now() >= deadline {
                ringpost.kill();
                killed = true;
            }
            let patience = Duration::from_micros(500);
            if let Some(message) = desk.next(patience) {
                match message.what() {
                    "INVITE" => drop(desk.answer(&message, 180)),
                    "CANCEL" => drop(desk.answer(&message, 200)),
                    _ => {}
                }
            }
            while let Some(message) = pbx.next(patience) {
                let call = calls.iter().find(|call| call.one("Call-ID") == message.one("Call-ID"));
                match (message.what(), call) {
                    ("180", Some(call)) => pbx.cancel(call, ""),
                    ("487", Some(call)) => {
                        round = round.max(begun.elapsed());
                        over.insert(call.one("Call-ID").to_owned());
                    }
                    _ => {}
                }
            }
        }
        ringpost.restart();
    }
    assert!(over.len() - before > 40, "enough calls came to their end: {}", over.len() - before);
    until("every call that was over is told", || {
        let told: BTreeSet<String> = ringpost.mails(MAIL).iter().map(|(_, mail)| call_id(mail)).collect();
        over.is_subset(&told)
    });
    let ids: Vec<String> = ringpost.mails(MAIL).iter().map(|(_, mail)| call_id(mail)).collect();
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "none twice");
    println!("{} calls told, {} of them over before a kill", ids.len(), over.len());
}

#[test]
fn a_mail_server_that_is_away_delays_the_mail_and_no_call() {
    // T29, T35.
    let port = ports(1);
    let site = Site::new()
        .table(&format!("[mail]\nurl = \"smtp://127.0.0.1:{port}\"\nfrom = \"ringpost@corp.test\""))
        .table("[outbox]\nfirst_retry = \"50ms\"\nlongest_retry = \"200ms\"");
    let (ringpost, mut pbx, mut desk) = office(site);
    let calls: BTreeSet<String> = (0..5)
        .map(|_| {
            let since = Instant::now();
            let invite = misses(&mut pbx, &mut desk);
            assert!(
                since.elapsed() < Duration::from_secs(1),
                "the call does not wait: {:?}",
                since.elapsed()
            );
            invite.one("Call-ID").to_owned()
        })
        .collect();
    ringpost.logs("A notice is delayed");
    let mails = mail_server(port);
    let told = || mails.lock().expect("alive").iter().map(|mail| call_id(mail)).collect::<Vec<_>>();
    until("every mail arrives", || told().len() >= 5);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(told().len(), 5, "none twice");
    assert_eq!(told().into_iter().collect::<BTreeSet<_>>(), calls);
    drop((pbx, desk));
    // The connection to the mail server is kept for the next mail.
    ringpost.stops_well();
}

#[test]
fn a_full_disk_stops_no_call_and_is_an_error_in_the_log() {
    // T32.
    let Some(disk) = Disk::mounted() else { return };
    let store = disk.0.path().join("store.db");
    let site = Site::new().maildir().store(&store);
    let (mut ringpost, mut pbx, mut desk) = office(site);
    misses(&mut pbx, &mut desk);
    ringpost.has_mails(MAIL, 1);
    let filler = disk.0.path().join("filler");
    let mut file = fs::File::create(&filler).expect("a file");
    while file.write_all(&[0; 1_024]).is_ok() {}
    drop(file);
    for _ in 0..20 {
        misses(&mut pbx, &mut desk);
    }
    ringpost.logs("ERROR");
    ringpost.is_well();
    fs::remove_file(filler).expect("it is there");
    let invite = misses(&mut pbx, &mut desk);
    until("told again when there is room", || {
        ringpost.mails(MAIL).iter().any(|(_, mail)| mail.contains(invite.one("Call-ID")))
    });
    assert_eq!(ringpost.terminate().code(), Some(0));
}

fn office(site: Site) -> (Ringpost, Peer, Peer) {
    let (pbx, desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&desk], USER).start();
    (ringpost, pbx, desk)
}

/// One missed call, up to the caller's 487.
fn misses(pbx: &mut Peer, desk: &mut Peer) -> Sip {
    let invite = pbx.invite("1001");
    let called = desk.expect("INVITE");
    desk.answer(&called, 180);
    pbx.expect("180");
    pbx.cancel(&invite, "");
    pbx.expect("200");
    crate::office::is_cancelled(desk, &called, "");
    pbx.refused(&invite, 487);
    invite
}

fn call_id(mail: &str) -> String {
    let line = mail.lines().find_map(|line| line.strip_prefix("X-CallID: ")).expect("every notice has it");
    line.trim().to_owned()
}

/// A mail server that takes everything, and what it took.
fn mail_server(port: u16) -> Arc<Mutex<Vec<String>>> {
    let mails = Arc::new(Mutex::new(vec![]));
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let taken = Arc::clone(&mails);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let taken = Arc::clone(&taken);
            thread::spawn(move || serve(stream, &taken));
        }
    });
    mails
}

/// One connection (RFC 5321).
fn serve(mut stream: TcpStream, taken: &Mutex<Vec<String>>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    stream.write_all(b"220 mail.corp.test\r\n").ok()?;
    while let Some(line) = lines.next() {
        let answer = match line.split([' ', ':']).next().unwrap_or("") {
            "DATA" => {
                stream.write_all(b"354 go on\r\n").ok()?;
                let mail: Vec<String> = lines.by_ref().take_while(|line| line != ".").collect();
                taken.lock().expect("alive").push(mail.join("\n"));
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
    }
    Some(())
}

/// A small disk of its own.
struct Disk(tempfile::TempDir);

impl Disk {
    /// `None` and a word about it where this needs rights that are not there.
    fn mounted() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = mount(folder.path());
        if !mounted {
            println!("skipped: a small disk cannot be mounted (root?)");
            return None;
        }
        Some(Self(folder))
    }
}

fn mount(folder: &Path) -> bool {
    let arguments = ["-t", "tmpfs", "-o", "size=256k", "tmpfs"];
    Command::new("mount").args(arguments).arg(folder).output().is_ok_and(|output| output.status.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
