//! A client of remote call control that does what a test says.

use std::time::{Duration, Instant};

use crate::support::{Over, PATIENCE, Peer, Ringpost, Sip, Site, peer::Dialog};

pub const NAMESPACE: &str = "http://www.ecma-international.org/standards/ecma-323/csta/ed";
pub const KIND: &str =
    "Content-Type: application/csta+xml\r\nContent-Disposition: signal;handling=required\r\n";

/// A client, who is a user at a trusted PBX, or that PBX.
pub struct Client {
    pub peer: Peer,
    /// The user part of From.
    pub user: String,
    /// Whether the PBX asserts that it is that user.
    pub asserted: bool,
    pub dialog: Option<Dialog>,
    pub edition: u8,
}

/// A site with remote call control.
pub fn site(lines: &str) -> Site {
    Site::new().table(&format!("[rcc]\nenabled = true\n{lines}"))
}

/// What stands between those tags.
pub fn value<'b>(body: &'b str, tag: &str) -> &'b str {
    let (_, rest) = body.split_once(&format!("<{tag}>")).unwrap_or_else(|| panic!("no {tag} in {body}"));
    rest.split('<').next().unwrap_or("")
}

/// The root element of a body.
pub fn root(message: &Sip) -> String {
    let body = message.body();
    let (_, rest) = body.split_once("?>").unwrap_or(("", body));
    rest.trim_start().trim_start_matches('<').split([' ', '>', '/']).next().unwrap_or("").to_owned()
}

impl Client {
    pub fn new(ringpost: &Ringpost, over: Over, user: &str) -> Self {
        let peer = Peer::new(over, "127.0.0.1", ringpost.sip);
        Self { peer, user: user.to_owned(), asserted: true, dialog: None, edition: 3 }
    }

    pub fn body(&self, name: &str, inside: &str) -> String {
        format!("<?xml version=\"1.0\"?>\r\n<{name} xmlns=\"{NAMESPACE}{}\">{inside}</{name}>", self.edition)
    }

    /// An INVITE with that body; not sent.
    pub fn invite(&self, headers: &str, body: &str) -> String {
        let uri = format!("sip:{}@corp.test", self.user);
        let asserted = match self.asserted {
            true => format!("P-Asserted-Identity: <sip:{}@corp.test>\r\n", self.user),
            false => String::new(),
        };
        let headers = format!("{KIND}Supported: timer\r\n{asserted}{headers}");
        let text = self.peer.draft("INVITE", &uri, &headers, body);
        text.replace("\"Ada Caller\" <sip:+4544890101@pbx.test>", &format!("<sip:{}@corp.test>", self.user))
    }

    /// Opens a dialog by asking whether the gateway works, as Office Communicator does.
    pub fn opens(&mut self, headers: &str) -> Sip {
        let line = "<lcs:line xmlns:lcs=\"http://schemas.microsoft.com/Lcs/2005/04/RCCExtension\">tel:";
        let hint = format!(
            "<extensions><privateData><private>{line}{}</lcs:line></private></privateData></extensions>",
            self.user
        );
        let text = self.invite(headers, &self.body("RequestSystemStatus", &hint));
        self.peer.send(text.as_bytes());
        let ok = self.peer.expect("200");
        self.dialog = Some(Dialog::caller(&Sip::new(text.as_bytes()), &ok));
        self.inside("ACK", "", "");
        ok
    }

    pub fn inside(&mut self, method: &str, headers: &str, body: &str) -> Sip {
        let dialog = self.dialog.as_mut().expect("opened");
        self.peer.inside(dialog, method, headers, body)
    }

    /// Asks by INFO; the answer. Events that come before it are answered and lost.
    pub fn asks(&mut self, name: &str, inside: &str) -> Sip {
        let body = self.body(name, inside);
        let request = self.inside("INFO", KIND, &body);
        loop {
            let message = self.peer.expect_any();
            if message.what() == "INFO" {
                self.peer.answer_with(&message, 200, "", "");
            } else if message.one("CSeq") == request.one("CSeq") {
                return message;
            }
        }
    }

    /// Asks, and expects that it is done.
    pub fn does(&mut self, name: &str, inside: &str) -> String {
        let answer = self.asks(name, inside);
        assert_eq!((answer.what(), root(&answer)), ("200", format!("{name}Response")), "{answer}");
        answer.body().to_owned()
    }

    /// Asks, and expects an error of CSTA.
    pub fn is_denied(&mut self, name: &str, inside: &str, word: &str) {
        let answer = self.asks(name, inside);
        assert_eq!((answer.what(), root(&answer).as_str()), ("200", "CSTAErrorCode"), "{answer}");
        assert!(answer.body().contains(&format!(">{word}<")), "{answer}");
    }

    /// Monitors a device; the name of the monitor.
    pub fn monitors(&mut self, device: &str) -> String {
        let inside = format!("<monitorObject><deviceObject>{device}</deviceObject></monitorObject>");
        value(&self.does("MonitorStart", &inside), "monitorCrossRefID").to_owned()
    }

    /// The next event, which must be this one; it is answered.
    pub fn hears(&mut self, event: &str) -> String {
        let info = self.peer.expect("INFO");
        assert_eq!(root(&info), event, "{info}");
        assert_eq!(info.one("Content-Type"), "application/csta+xml");
        self.peer.answer_with(&info, 200, "", "");
        info.body().to_owned()
    }

    /// The same, within 100 ms of `since`, and ten times that on a machine that runs whole suites.
    pub fn hears_at_once(&mut self, event: &str, since: Instant) -> String {
        let body = self.hears(event);
        let late = since.elapsed();
        assert!(late < Duration::from_millis(1_000), "{event} came {late:?} late");
        eprintln!("{event} came after {late:?}");
        body
    }

    /// Until the dialog is over.
    pub fn is_ended(&mut self) {
        let end = Instant::now() + PATIENCE;
        while let Some(message) = self.peer.next(end.saturating_duration_since(Instant::now())) {
            self.peer.answer_with(&message, 200, "", "");
            if message.what() == "BYE" {
                return;
            }
        }
        panic!("the dialog never ended");
    }
}
