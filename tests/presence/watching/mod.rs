//! Subscribing outwards without a socket: each answer and each reason has its rule (RFC 6665 §4.1), and whatever a server does,
//! nothing is known longer than it was said for, and nothing is sent faster than allowed (T31, T33).

mod answers;
mod hostile;
mod lists;
mod meaning;

use std::sync::Arc;

use ringpost::{
    presence::{
        Telephony,
        subscription::Package,
        watching::{
            Answer, Connector, Key, Trouble,
            connector::{Lists, Pace},
            meaning::telephony,
            subscription::Terms,
        },
    },
    sip::{Message, token::Token},
};

use crate::NOW;

const TERMS: Terms = Terms { expires: 600, recheck: 60_000 };
const PACE: Pace = Pace { terms: TERMS, at_once: 8, per_second: 1_000 };

/// A connector, and the server that it speaks to.
struct World {
    connector: Connector,
    now: u64,
    tag: u64,
    /// CSeq of the server's NOTIFYs.
    sequence: u32,
}

struct Sent {
    at: usize,
    serial: u32,
    tag: u64,
    is_new: bool,
    expires: u32,
    uri: Arc<str>,
    package: Package,
    list: Option<Vec<Arc<str>>>,
}

fn key(user: &str, package: Package) -> Key {
    Key { uri: format!("sip:{user}@pbx.test").into(), package, trial: 0 }
}

impl World {
    /// A server that has answered OPTIONS.
    fn new(lists: Lists) -> Self {
        let mut world = Self::unknown(lists);
        world.connector.answers(true);
        world
    }

    /// One that was never asked anything.
    fn unknown(lists: Lists) -> Self {
        Self { connector: Connector::new(PACE, lists, true), now: 1_000, tag: 1, sequence: 0 }
    }

    fn next(&mut self) -> Option<Sent> {
        let tag = &mut self.tag;
        let order = self.connector.next(self.now, || {
            *tag = tag.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *tag & 0x00ff_ffff_ffff_ffff
        })?;
        Some(Sent {
            at: order.subscription,
            serial: order.request.serial,
            tag: order.request.tag,
            is_new: order.request.within.is_none(),
            expires: order.request.expires,
            uri: order.uri,
            package: order.package,
            list: order.list,
        })
    }

    /// The next request, whenever that goes.
    fn waits(&mut self) -> Sent {
        for _ in 0..1_000 {
            if let Some(sent) = self.next() {
                return sent;
            }
            let wake = self.connector.wake(self.now).expect("something is planned");
            self.now = self.now.max(wake);
        }
        panic!("nothing is ever sent")
    }

    fn answer(&mut self, sent: &Sent, answer: Answer) {
        self.connector.answered(sent.at, (sent.serial, 1), answer, self.now, 1 << 31);
    }

    /// OPTIONS is asked, and nothing comes.
    fn silence(&mut self) {
        self.connector.asks();
        self.connector.answers(false);
    }

    /// A NOTIFY of the server's; the code that it gets.
    fn notify(&mut self, tag: u64, from: &str, head: &str, body: &str) -> u16 {
        self.sequence += 1;
        let tag = String::from_utf8_lossy(&Token(tag).text()).into_owned();
        let text = format!(
            "NOTIFY sip:ringpost@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{}\r\nFrom: <sip:1001@pbx.test>;tag={from}\r\n\
             To: <sip:ringpost@here>;tag={tag}\r\nCall-ID: c\r\nCSeq: {} NOTIFY\r\nContact: <sip:pbx@127.0.0.1:5070>\r\n{head}\r\n{body}",
            self.sequence, self.sequence
        );
        let message = Message::read(bytes::Bytes::from(text)).expect("a message");
        let owner = Token::read(message.to().and_then(|to| to.tag()).unwrap_or(b"")).map_or(0, |tag| tag.0);
        self.connector.notified(owner, &message, |_| None, (self.now, NOW), 1 << 31)
    }

    fn state(&mut self, sent: &Sent, state: &str) -> u16 {
        self.notify(sent.tag, "s", &format!("Event: presence\r\nSubscription-State: {state}\r\n"), "")
    }

    fn tell(&mut self, sent: &Sent, expires: u32, activity: &str) -> u16 {
        let head = format!(
            "Event: presence\r\nSubscription-State: active;expires={expires}\r\nContent-Type: application/pidf+xml\r\n"
        );
        self.notify(sent.tag, "s", &head, &pidf(activity))
    }

    fn telephony(&self, user: &str) -> Result<Telephony, Trouble> {
        let known = self.connector.known(&key(user, Package::Presence), self.now);
        known.map(|(meant, _)| telephony(&meant.phone.unwrap_or_default()))
    }
}

fn pidf(activity: &str) -> String {
    format!(
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:1001@pbx.test\"><tuple id=\"t\"><status><basic>open</basic></status>\
         </tuple><person><activities><{activity}/></activities></person></presence>"
    )
}

fn one() -> World {
    let mut world = World::new(Lists::None);
    world.connector.add(key("1001", Package::Presence));
    world
}
