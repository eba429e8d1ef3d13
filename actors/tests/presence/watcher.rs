//! A watcher that does what a test says.

use std::time::{Duration, Instant};

use crate::support::{Over, PATIENCE, Peer, Ringpost, Sip, Site, peer::Dialog};

/// A watcher, who is a user at a trusted PBX, or that PBX.
pub struct Watcher {
    pub peer: Peer,
    /// The user part of From.
    pub user: String,
    pub dialog: Option<Dialog>,
    pub package: String,
    /// The site's domain.
    pub domain: String,
    count: u32,
}

/// A site with presence, whose users 1001, 1002 and 1003 see each other.
pub fn site(lines: &str) -> Site {
    Site::new()
        .table(&format!("[presence]\nenabled = true\nmin_expires = \"1s\"\nnotify_gap = \"0s\"\n{lines}"))
}

impl Watcher {
    pub fn new(ringpost: &Ringpost, over: Over, user: &str) -> Self {
        let peer = Peer::new(over, "127.0.0.1", ringpost.sip);
        Self {
            peer,
            user: user.to_owned(),
            dialog: None,
            package: String::new(),
            domain: "corp.test".into(),
            count: 0,
        }
    }

    /// Sends a request outside any dialog as this user.
    pub fn asks(&mut self, method: &str, user: &str, headers: &str, body: &str) -> Sip {
        self.count += 1;
        let text = self.draft(method, user, headers, body);
        self.peer.send(text.as_bytes());
        Sip::new(text.as_bytes())
    }

    pub fn draft(&self, method: &str, user: &str, headers: &str, body: &str) -> String {
        let domain = &self.domain;
        let uri = if user.contains('@') { format!("sip:{user}") } else { format!("sip:{user}@{domain}") };
        let text = self.peer.draft(method, &uri, headers, body);
        text.replace("\"Ada Caller\" <sip:+4544890101@pbx.test>", &format!("<sip:{}@{domain}>", self.user))
    }

    /// Subscribes, and expects to be taken; the first NOTIFY.
    pub fn subscribes(&mut self, user: &str, package: &str, headers: &str) -> Sip {
        let lines = format!("Event: {package}\r\n{headers}");
        let request = self.asks("SUBSCRIBE", user, &lines, "");
        self.package = package.to_owned();
        let ok = self.peer.expect("200");
        assert_eq!(ok.one("CSeq"), request.one("CSeq"), "{ok}");
        self.dialog = Some(Dialog::caller(&request, &ok));
        self.notified()
    }

    /// Subscribes, and expects this refusal.
    pub fn is_refused(&mut self, user: &str, headers: &str, code: u16) -> Sip {
        self.asks("SUBSCRIBE", user, headers, "");
        self.peer.expect(&code.to_string())
    }

    /// Refreshes, or ends, the subscription; the NOTIFY that follows.
    pub fn refreshes(&mut self, expires: u32) -> Sip {
        let answer = self.refresh(expires);
        assert_eq!(answer.what(), "200", "{answer}");
        self.notified()
    }

    /// A SUBSCRIBE in the dialog; its answer.
    pub fn refresh(&mut self, expires: u32) -> Sip {
        let contact = format!("Contact: <{}>\r\n", self.peer.uri());
        let lines = format!("Event: {}\r\nExpires: {expires}\r\n{contact}", self.package);
        let dialog = self.dialog.as_mut().expect("subscribed");
        self.peer.inside(dialog, "SUBSCRIBE", &lines, "");
        self.peer.expect_any()
    }

    /// The next NOTIFY, which is answered 200.
    pub fn notified(&mut self) -> Sip {
        let notify = self.peer.expect("NOTIFY");
        self.peer.answer_with(&notify, 200, "", "");
        notify
    }

    /// The first NOTIFY that holds those words; those before it are answered too.
    pub fn sees(&mut self, words: &str) -> Sip {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let notify = self.peer.next(left).unwrap_or_else(|| panic!("{} never saw {words}", self.user));
            assert_eq!(notify.what(), "NOTIFY", "{notify}");
            self.peer.answer_with(&notify, 200, "", "");
            if notify.body().contains(words) {
                return notify;
            }
        }
    }

    /// Nothing comes for that long.
    pub fn sees_nothing_for(&mut self, time: Duration) {
        self.peer.silent_for(time);
    }
}

/// The state of the only dialog of a dialog-info document; `-` where there is none.
pub fn lamp(notify: &Sip) -> &str {
    let body = notify.body();
    body.split_once("<state>").and_then(|(_, rest)| rest.split('<').next()).unwrap_or("-")
}

/// The telephony state of a PIDF document.
pub fn telephony(notify: &Sip) -> &str {
    let body = notify.body();
    let rest = body.split_once("<own:telephony").map_or("", |(_, rest)| rest);
    rest.split_once('>').and_then(|(_, rest)| rest.split('<').next()).unwrap_or("")
}

/// The entity tag of a publication that was taken.
pub fn tag(ok: &Sip) -> String {
    ok.one("SIP-ETag").to_owned()
}
