//! A PBX that is subscribed to and does what a test says.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::support::{Over, PATIENCE, Peer, Sip, Site, peer::Dialog, ports};

/// The PBX.
pub struct Pbx {
    pub peer: Peer,
    /// What came while something else was waited for.
    waiting: VecDeque<Sip>,
    /// Whether it answers OPTIONS by itself.
    pub lives: bool,
}

/// One subscription of Ringpost's, as the PBX sees it.
pub struct Subscription {
    pub dialog: Dialog,
    pub package: String,
}

impl Pbx {
    /// One at an address of its own, for a Ringpost that is about to start there.
    pub fn new(site: &Site, over: Over) -> Self {
        Self::at(over, site.sip)
    }

    /// The same for a Ringpost at that address.
    pub fn at(over: Over, sip: SocketAddr) -> Self {
        let peer = Peer::at(over, ("127.0.0.1", ports(1)), sip);
        Self { peer, waiting: VecDeque::new(), lives: true }
    }

    /// The table of its connector.
    pub fn table(&self, lines: &str) -> String {
        let transport = if self.peer.over == Over::Tcp { "tcp" } else { "udp" };
        format!(
            "[[presence.connector]]\nname = \"pbx\"\nserver = \"{}\"\ntransport = \"{transport}\"\ndomain = \"pbx.test\"\n{lines}\n",
            self.peer.address
        )
    }

    /// The next message that is so; others wait.
    pub fn find(&mut self, what: &str, patience: Duration, so: impl Fn(&Sip) -> bool) -> Option<Sip> {
        if let Some(at) = self.waiting.iter().position(|message| message.what() == what && so(message)) {
            return self.waiting.remove(at);
        }
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let message = self.peer.next(left)?;
            match message.what() {
                "OPTIONS" if self.lives => drop(self.peer.answer_with(&message, 200, "", "")),
                "OPTIONS" => {}
                one if one == what && so(&message) => return Some(message),
                _ => self.waiting.push_back(message),
            }
        }
    }

    /// Answers the OPTIONS that wait: a slow machine may have taken long for something else.
    pub fn is_alive(&mut self) {
        assert!(self.find("nothing", Duration::from_millis(1), |_| false).is_none());
    }

    /// The next SUBSCRIBE for that user.
    pub fn asked_for(&mut self, user: &str) -> Sip {
        let of_user = |message: &Sip| message.one("To").contains(&format!("sip:{user}@"));
        let found = self.find("SUBSCRIBE", PATIENCE, of_user);
        found.unwrap_or_else(|| panic!("nobody subscribes to {user}; there is {:?}", self.waiting))
    }

    /// No SUBSCRIBE comes for that long; OPTIONS are answered.
    pub fn is_not_asked_for(&mut self, time: Duration) {
        if let Some(message) = self.find("SUBSCRIBE", time, |_| true) {
            panic!("nobody expected\n{message}");
        }
    }

    /// Takes a SUBSCRIBE for so long.
    pub fn grants(&mut self, subscribe: &Sip, expires: u32) -> Subscription {
        let ok = self.peer.answer_with(subscribe, 200, &format!("Expires: {expires}\r\n"), "");
        let package = subscribe.one("Event").to_owned();
        Subscription { dialog: Dialog::callee(subscribe, &ok), package }
    }

    /// Takes the next SUBSCRIBE for that user.
    pub fn serves(&mut self, user: &str) -> Subscription {
        let subscribe = self.asked_for(user);
        self.grants(&subscribe, 600)
    }

    /// The dialog of a SUBSCRIBE that is not answered yet, or of a further fork.
    pub fn fork(&self, subscribe: &Sip, tag: &str) -> Subscription {
        let ok = self.peer.response(subscribe, 200, tag, "", "");
        Subscription { dialog: Dialog::callee(subscribe, &ok), package: subscribe.one("Event").to_owned() }
    }

    /// Sends a NOTIFY; the code that it got.
    pub fn says(&mut self, to: &mut Subscription, state: &str, kind: &str, body: &str) -> String {
        let lines = format!(
            "Event: {}\r\nSubscription-State: {state}\r\nContact: <{}>\r\n{}",
            to.package,
            self.peer.uri(),
            if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") }
        );
        let sent = self.peer.inside(&mut to.dialog, "NOTIFY", &lines, body);
        self.answer_to(&sent)
    }

    fn answer_to(&mut self, sent: &Sip) -> String {
        let branch = sent
            .one("Via")
            .split_once("branch=")
            .map_or("", |(_, rest)| rest.split(';').next().unwrap_or(""));
        let of_it = |message: &Sip| {
            message.what().starts_with(|c: char| c.is_ascii_digit()) && message.first("Via").contains(branch)
        };
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.waiting.iter().position(of_it) {
                return self.waiting.remove(at).expect("just found").what().to_owned();
            }
            let message = self.peer.next(end.saturating_duration_since(Instant::now()));
            let message = message.unwrap_or_else(|| panic!("no answer to\n{sent}"));
            match message.what() {
                "OPTIONS" if self.lives => drop(self.peer.answer_with(&message, 200, "", "")),
                "OPTIONS" => {}
                _ => self.waiting.push_back(message),
            }
        }
    }

    /// Tells a PIDF document, which is taken.
    pub fn tells(&mut self, to: &mut Subscription, activity: &str) {
        let code = self.says(to, "active;expires=600", "application/pidf+xml", &pidf("open", activity, ""));
        assert_eq!(code, "200");
    }

    /// Tells calls, which is taken.
    pub fn tells_calls(
        &mut self,
        to: &mut Subscription,
        (version, full): (u32, bool),
        calls: &[(&str, &str)],
    ) {
        let body = dialogs((version, full), calls);
        assert_eq!(self.says(to, "active;expires=600", "application/dialog-info+xml", &body), "200");
    }
}

/// A PIDF document of a PBX.
pub fn pidf(basic: &str, activity: &str, note: &str) -> String {
    let activities = if activity.is_empty() {
        String::new()
    } else {
        format!("<rpid:activities><rpid:{activity}/></rpid:activities>")
    };
    let note = if note.is_empty() { String::new() } else { format!("<dm:note>{note}</dm:note>") };
    format!(
        "<?xml version=\"1.0\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
         xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:x@pbx.test\"><tuple id=\"t\"><status><basic>{basic}</basic></status>\
         </tuple><dm:person id=\"p\">{activities}{note}</dm:person></presence>"
    )
}

/// A dialog-info document: ids and states.
pub fn dialogs((version, full): (u32, bool), calls: &[(&str, &str)]) -> String {
    let state = if full { "full" } else { "partial" };
    let calls: String = calls
        .iter()
        .map(|(id, state)| {
            format!(
                "<dialog id=\"{id}\" call-id=\"{id}\" direction=\"recipient\"><state>{state}</state></dialog>"
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\"?><dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"{state}\" \
         entity=\"sip:x@pbx.test\">{calls}</dialog-info>"
    )
}
