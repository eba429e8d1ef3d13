//! A web server for one page, which does what the test says and tells what happens there.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Component, Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How long a browser on a busy machine may take for anything.
const SLOW: Duration = Duration::from_secs(40);
/// How long the page waits for an order before it asks again.
const POLL: Duration = Duration::from_secs(1);

/// One thing that has happened at a phone.
#[derive(Clone, Debug)]
pub struct Told {
    pub user: String,
    pub what: String,
    pub more: String,
}

#[derive(Default)]
struct Book {
    told: Vec<Told>,
    orders: VecDeque<String>,
}

struct Shared {
    book: Mutex<Book>,
    changed: Condvar,
    sipjs: PathBuf,
}

/// The page as the test sees it.
pub struct Page {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Page {
    /// `sipjs`: the folder with SIP.js.
    pub fn new(sipjs: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared { book: Mutex::default(), changed: Condvar::new(), sipjs });
        let own = Arc::clone(&shared);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&own);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, shared }
    }

    /// Has a phone do something.
    pub fn order(&self, order: &str) {
        self.shared.lock().orders.push_back(order.to_owned());
        self.shared.changed.notify_all();
    }

    /// Waits until this phone tells that; gives what came with it. What others tell meanwhile is kept.
    pub fn tells(&self, user: &str, what: &str, begin: &str) -> String {
        let end = Instant::now() + SLOW;
        let mut book = self.shared.lock();
        loop {
            let wanted = |told: &Told| told.user == user && told.what == what && told.more.starts_with(begin);
            if let Some(at) = book.told.iter().position(wanted) {
                return book.told.remove(at).more;
            }
            let broken = book.told.iter().find(|told| told.what == "error");
            assert!(
                broken.is_none() && Instant::now() < end,
                "{user} never told {what} {begin}: {:#?}",
                book.told
            );
            let waited = self.shared.changed.wait_timeout(book, POLL);
            book = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, path: &str, body: String) -> (u16, &'static str, Vec<u8>) {
        let path = path.split('?').next().unwrap_or(path);
        if path == "/phone.html" {
            return (200, "text/html", include_bytes!("../../../tests/services/browser/phone.html").to_vec());
        }
        if path == "/do" {
            let book = self.lock();
            let waited = self.changed.wait_timeout_while(book, POLL, |book| book.orders.is_empty());
            let order = waited.unwrap_or_else(PoisonError::into_inner).0.orders.pop_front();
            return (200, "text/plain", order.unwrap_or_default().into_bytes());
        }
        if let Some((user, what)) = path.strip_prefix("/tell/").and_then(|told| told.split_once('/')) {
            self.lock().told.push(Told { user: user.into(), what: what.into(), more: body });
            self.changed.notify_all();
            return (200, "text/plain", vec![]);
        }
        let module = path.strip_prefix("/sip.js/").map(Path::new);
        let plain = |path: &&Path| path.components().all(|part| matches!(part, Component::Normal(_)));
        match module.filter(plain).and_then(|path| fs::read(self.sipjs.join(path)).ok()) {
            Some(module) => (200, "text/javascript", module),
            None => (404, "text/plain", vec![]),
        }
    }
}

/// HTTP/1.1 as far as a browser needs it.
fn serve(stream: TcpStream, shared: &Shared) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some((path, body)) = request(&mut reader) {
        let (code, kind, content) = shared.answer(&path, body);
        let head = format!(
            "HTTP/1.1 {code} As Told\r\nContent-Type: {kind}\r\nCache-Control: no-store\r\nContent-Length: {}\r\n\r\n",
            content.len()
        );
        if writer.write_all(&[head.as_bytes(), &content].concat()).is_err() {
            return;
        }
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok()?;
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, String::from_utf8_lossy(&body).into_owned()))
}
