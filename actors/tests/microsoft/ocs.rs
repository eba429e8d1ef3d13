//! A presence server in the shape of OCS 2007: SERVICE with categories over TCP or TLS, a version for each publication, all or
//! nothing, and WrongDelta for whoever names another version than the one that is there.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ringpost::xml::{Element, elements};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::program::{PATIENCE, Sip};

/// `USER CATEGORY INSTANCE CONTAINER`.
type Key = (String, String, u32, u32);

/// What it keeps in its database.
#[derive(Clone, Default)]
pub struct Kept {
    /// Version, and the text of the element.
    pub held: BTreeMap<Key, (u32, String)>,
}

/// One SERVICE that came.
#[derive(Clone, Debug)]
pub struct Served {
    pub code: u16,
    pub operations: usize,
    pub request: String,
}

/// How it answers next.
pub enum Next {
    /// This status with these lines and this body.
    Says(u16, &'static str, String),
    /// Not at all.
    Silent,
}

#[derive(Default)]
struct Inside {
    kept: Kept,
    served: Vec<Served>,
    asked: usize,
    next: VecDeque<Next>,
    /// Wants digest of this realm.
    realm: Option<&'static str>,
    certificates: usize,
}

pub struct Ocs {
    pub address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
    runs: Arc<AtomicBool>,
    ended: Option<thread::JoinHandle<()>>,
}

impl Ocs {
    pub fn start(address: SocketAddr, kept: Kept) -> Self {
        Self::with(address, kept, None)
    }

    /// By TLS where there is a configuration.
    pub fn with(address: SocketAddr, kept: Kept, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(address).expect("its port");
        let address = listener.local_addr().expect("bound");
        listener.set_nonblocking(true).expect("a socket");
        let inside = Arc::new(Mutex::new(Inside { kept, ..Inside::default() }));
        let runs = Arc::new(AtomicBool::new(true));
        let (inner, alive) = (Arc::clone(&inside), Arc::clone(&runs));
        let ended = thread::spawn(move || {
            let mut connections = vec![];
            while alive.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let (inner, alive, tls) = (Arc::clone(&inner), Arc::clone(&alive), tls.clone());
                        connections.push(thread::spawn(move || serve(stream, tls, &inner, &alive)));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
            drop(listener);
            connections.into_iter().for_each(|one| drop(one.join()));
        });
        Self { address, inside, runs, ended: Some(ended) }
    }

    /// Ends at once; what it keeps is in its database.
    pub fn killed(mut self) -> Kept {
        self.stop();
        self.lock().kept.clone()
    }

    fn stop(&mut self) {
        self.runs.store(false, Ordering::Relaxed);
        if let Some(ended) = self.ended.take() {
            ended.join().expect("it ends");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn wants_digest(&self, realm: &'static str) {
        self.lock().realm = Some(realm);
    }

    pub fn does_next(&self, next: impl IntoIterator<Item = Next>) {
        self.lock().next.extend(next);
    }

    /// Connections by which a certificate was shown.
    pub fn certificates(&self) -> usize {
        self.lock().certificates
    }

    pub fn kept(&self) -> Kept {
        self.lock().kept.clone()
    }

    pub fn served(&self) -> Vec<Served> {
        self.lock().served.clone()
    }

    /// Another endpoint of the user writes the same publications.
    pub fn is_written_by_another(&self) {
        self.lock().kept.held.values_mut().for_each(|(version, _)| *version += 3);
    }

    /// The element of a state of that kind, if both containers have the same.
    pub fn state(&self, user: &str, nibble: u32) -> Option<String> {
        let inside = self.lock();
        let of = |container| {
            let mut all = inside.kept.held.iter();
            let found = all.find(|((of, category, instance, at), _)| {
                of == user && category == "state" && instance >> 28 == nibble && *at == container
            });
            found.map(|(_, (_, text))| text.clone())
        };
        let (two, three) = (of(2), of(3));
        assert_eq!(two, three, "a SERVICE is taken as a whole");
        two
    }

    /// The texts of a category by container.
    pub fn category(&self, user: &str, category: &str) -> BTreeMap<(u32, u32), String> {
        let inside = self.lock();
        let all = inside.kept.held.iter();
        let of = all.filter(|((of, name, ..), _)| of == user && name == category);
        of.map(|((_, _, instance, container), (_, text))| ((*instance, *container), text.clone())).collect()
    }

    /// Waits until something is so here.
    pub fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !so(self) {
            assert!(Instant::now() < end, "never: {what}; {:#?}", self.served());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it was asked so many times more whether it lives, and gives back how many SERVICEs came meanwhile.
    pub fn is_left_alone(&self, times: usize) -> usize {
        let asked = self.lock().asked;
        let served = self.served().len();
        self.until("asked whether it lives", |ocs| ocs.lock().asked >= asked + times);
        self.served().len() - served
    }
}

impl Drop for Ocs {
    fn drop(&mut self) {
        self.stop();
    }
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, inside: &Mutex<Inside>, alive: &AtomicBool) {
    stream.set_nonblocking(false).expect("a socket");
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
    let mut wire = match tls {
        None => Wire::Plain(stream),
        Some(tls) => {
            let connection = ServerConnection::new(tls).expect("a server");
            Wire::Tls(Box::new(StreamOwned::new(connection, stream)))
        }
    };
    let (mut octets, mut buffer, mut shown) = (Vec::new(), [0; 16_384], false);
    while alive.load(Ordering::Relaxed) {
        let read = match &mut wire {
            Wire::Plain(stream) => stream.read(&mut buffer),
            Wire::Tls(stream) => stream.read(&mut buffer),
        };
        match read {
            Ok(0) => return,
            Ok(length) => octets.extend_from_slice(&buffer[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return,
        }
        if let Wire::Tls(stream) = &wire
            && stream.conn.peer_certificates().is_some()
            && !std::mem::replace(&mut shown, true)
        {
            lock(inside).certificates += 1;
        }
        while let Some(request) = next(&mut octets) {
            let Some(answer) = lock(inside).answer(&request) else { continue };
            let written = match &mut wire {
                Wire::Plain(stream) => stream.write_all(answer.as_bytes()),
                Wire::Tls(stream) => stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()),
            };
            if written.is_err() {
                return;
            }
        }
    }
}

fn lock(inside: &Mutex<Inside>) -> MutexGuard<'_, Inside> {
    inside.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a whole message out of what has come.
fn next(octets: &mut Vec<u8>) -> Option<Sip> {
    // Keep-alives between messages.
    let lead = octets.iter().take_while(|octet| b"\r\n".contains(octet)).count();
    octets.drain(..lead);
    let head = octets.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let length: usize = Sip::new(&octets[..head]).one("Content-Length").parse().expect("a number");
    (octets.len() >= head + length).then(|| Sip::new(&octets.drain(..head + length).collect::<Vec<_>>()))
}

impl Inside {
    fn answer(&mut self, request: &Sip) -> Option<String> {
        match request.what() {
            "OPTIONS" => {
                self.asked += 1;
                Some(response(request, 200, "", ""))
            }
            "SERVICE" => self.service(request),
            what => panic!("{what}: {request}"),
        }
    }

    fn service(&mut self, request: &Sip) -> Option<String> {
        assert_eq!(request.one("Content-Type"), "application/msrtc-category-publish+xml");
        let from = request.one("From");
        assert!(from.contains(&format!("<{}>", request.uri())), "{request}");
        if let Some(realm) = self.realm
            && request.first("Authorization").is_empty()
        {
            let challenge =
                format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"n1\", qop=\"auth\"\r\n");
            return Some(response(request, 401, &challenge, ""));
        }
        let all = elements(request.body().as_bytes()).expect("XML");
        let operations = operations(&all);
        let served = |code| Served { code, operations: operations.len(), request: request.body().to_owned() };
        match self.next.pop_front() {
            Some(Next::Silent) => {
                self.served.push(served(0));
                return None;
            }
            Some(Next::Says(code, lines, body)) => {
                self.served.push(served(code));
                return Some(response(request, code, lines, &body));
            }
            None => {}
        }
        let user = all.iter().find(|one| one.name == "publications").and_then(|one| one.attribute("uri"));
        assert_eq!(user, Some(request.uri()));
        let wrong: Vec<_> = operations
            .iter()
            .enumerate()
            .filter_map(|(at, one)| {
                let known = self.kept.held.get(&one.key(request.uri())).map_or(0, |(version, _)| *version);
                (known != one.version).then(|| {
                    format!(
                        "<operation index=\"{}\" version=\"{}\" curVersion=\"{known}\"/>",
                        at + 1,
                        one.version
                    )
                })
            })
            .collect();
        if !wrong.is_empty() {
            self.served.push(served(409));
            let kind = "Content-Type: application/msrtc-fault+xml\r\n";
            return Some(response(request, 409, kind, &wrong_delta(&wrong.concat())));
        }
        for one in &operations {
            let key = one.key(request.uri());
            match &one.content {
                Some(text) => self.kept.held.insert(key, (one.version + 1, text.clone())),
                None => self.kept.held.remove(&key),
            };
        }
        self.served.push(served(200));
        Some(response(request, 200, "", ""))
    }
}

pub fn wrong_delta(operations: &str) -> String {
    format!(
        "<Fault xmlns=\"http://schemas.microsoft.com/2006/09/sip/service-fault\"><Faultcode>Client.BadCall.WrongDelta\
         </Faultcode><details>{operations}</details></Fault>"
    )
}

struct Operation {
    category: String,
    instance: u32,
    container: u32,
    version: u32,
    /// The elements in words: names, attributes and texts.
    content: Option<String>,
}

impl Operation {
    fn key(&self, user: &str) -> Key {
        (user.to_owned(), self.category.clone(), self.instance, self.container)
    }
}

fn operations(all: &[Element]) -> Vec<Operation> {
    let begins: Vec<usize> =
        all.iter().enumerate().filter(|(_, one)| one.name == "publication").map(|(at, _)| at).collect();
    let ends = begins.iter().skip(1).copied().chain([all.len()]);
    let read = |(at, end): (usize, usize)| {
        let number = |name| all[at].attribute(name).and_then(|text| text.parse().ok()).expect("a number");
        let kind = all[at].attribute("expireType").expect("how it ends");
        assert!(["endpoint", "static"].contains(&kind));
        let text = |one: &Element| {
            let attributes: Vec<_> =
                one.attributes.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            format!("{}{} {}\n", one.name, attributes.concat(), one.text)
        };
        let is_removed = all[at].attribute("expires") == Some("0");
        assert_eq!(is_removed, end == at + 1, "nothing but what is taken back is empty");
        Operation {
            category: all[at].attribute("categoryName").expect("a category").to_owned(),
            instance: number("instance"),
            container: number("container"),
            version: number("version"),
            content: (!is_removed).then(|| all[at + 1..end].iter().map(text).collect()),
        }
    };
    begins.iter().copied().zip(ends).map(read).collect()
}

fn response(request: &Sip, code: u16, lines: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {code} As Told\r\n");
    request.all("Via").iter().for_each(|value| text += &format!("Via: {value}\r\n"));
    for name in ["From", "Call-ID", "CSeq"] {
        text += &format!("{name}: {}\r\n", request.one(name));
    }
    text +=
        &format!("To: {};tag=ocs\r\n{lines}Content-Length: {}\r\n\r\n{body}", request.one("To"), body.len());
    text
}
