//! A phone that registers, as a test tells it.

use ringpost::{
    settings::Secret,
    sip::digest::{Asked, Challenge, Login},
};

use crate::support::{Over, Peer, Ringpost, SDP, Sip, Site, peer::fresh};

/// The password of every user.
pub const PASSWORD: &str = "correct horse";

/// A phone of a user; it is at an address that is no trunk's.
pub struct Phone {
    pub peer: Peer,
    pub user: String,
    pub domain: String,
    pub password: String,
    /// Its Contact, whole.
    pub contact: String,
    pub call_id: String,
    pub sequence: u32,
    /// What it was asked last, and how often it has answered that.
    pub asked: Option<(Challenge, u32)>,
}

/// A site whose users 1001 and 1002 have passwords, and are told by mail when they miss a call.
pub fn site() -> Site {
    let login = format!("password = \"{PASSWORD}\"\nmissed_calls = \"off\"\nring_for = \"2s\"");
    Site::new()
        .table("[security]\nrefusals_per_second = 1000\n[registrar]\nmin_expires = \"1s\"")
        .user("1001", &[], &login)
        .user("1002", &[], &login)
}

impl Phone {
    pub fn new(over: Over, ip: &str, ringpost: &Ringpost, user: &str) -> Self {
        let peer = Peer::new(over, ip, ringpost.sip);
        let contact = format!("<{}>", peer.uri().replace("peer@", &format!("{user}@")));
        let (user, domain, password) = (user.to_owned(), "corp.test".to_owned(), PASSWORD.to_owned());
        let call_id = format!("reg-{}", fresh());
        Self { peer, user, domain, password, contact, call_id, sequence: 0, asked: None }
    }

    /// A request outside any dialog, as text; `headers` are whole lines.
    pub fn draft(&mut self, method: &str, uri: &str, headers: &str, body: &str) -> String {
        self.sequence += 1;
        let transport = if self.peer.over == Over::Tcp { "TCP" } else { "UDP" };
        let (user, domain) = (&self.user, &self.domain);
        let (address, sequence) = (self.peer.address, self.sequence);
        let to = if method == "REGISTER" { format!("sip:{user}@{domain}") } else { uri.to_owned() };
        let typed = body.is_empty() || headers.contains("Content-Type");
        let kind = if typed { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {address};branch=z9hG4bK{};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{domain}>;tag=p{user}\r\nTo: <{to}>\r\nCall-ID: {}\r\nCSeq: {sequence} {method}\r\n\
             {headers}{kind}Content-Length: {}\r\n\r\n{body}",
            fresh(),
            self.call_id,
            body.len()
        )
    }

    /// The Authorization for what it was asked last.
    pub fn proof(&mut self, method: &str, uri: &str) -> String {
        let login = Login { user: self.user.clone(), password: Secret(self.password.clone()) };
        let Some((challenge, count)) = &mut self.asked else { return String::new() };
        *count += 1;
        let asked = Asked { method: method.as_bytes(), uri: uri.as_bytes(), body: b"" };
        let value = challenge.answer(&login, &asked, *count, "0a4f113b");
        format!("Authorization: {}\r\n", String::from_utf8_lossy(&value))
    }

    /// Sends a request; where it is challenged, again with the password and the algorithm that was offered in that place.
    pub fn asks(&mut self, method: &str, uri: &str, headers: &str, body: &str, choice: usize) -> (Sip, Sip) {
        for again in [true, true, false] {
            let proof = self.proof(method, uri);
            let text = self.draft(method, uri, &format!("{headers}{proof}"), body);
            self.peer.send(text.as_bytes());
            let answer = self.answer_to(&text);
            if answer.what() != "401" || !again {
                return (Sip::new(text.as_bytes()), answer);
            }
            self.note(&answer, choice);
            if method == "INVITE" {
                let ack = text.replace(" INVITE\r\n", " ACK\r\n").replacen("INVITE", "ACK", 1);
                let head = ack.split("\r\n\r\n").next().expect("a header").to_owned();
                let head = head.replace(&format!("Content-Length: {}", body.len()), "Content-Length: 0");
                self.peer.send(format!("{head}\r\n\r\n").as_bytes());
            }
        }
        unreachable!("the third try is the last")
    }

    /// The next message, which answers that request.
    fn answer_to(&mut self, request: &str) -> Sip {
        let sent = Sip::new(request.as_bytes());
        let answer = self.peer.next(crate::support::PATIENCE).expect("an answer");
        assert_eq!(answer.one("CSeq"), sent.one("CSeq"), "{answer}");
        answer
    }

    /// Remembers a challenge.
    pub fn note(&mut self, answer: &Sip, choice: usize) {
        let offered = answer.all("WWW-Authenticate");
        let read = Challenge::read(offered[choice].as_bytes());
        self.asked = Some((read.into_iter().next().expect("a challenge"), 0));
    }

    /// Registers its Contact with these further lines; the 200 or what came instead.
    pub fn registers(&mut self, headers: &str) -> Sip {
        let contact = format!("Contact: {}\r\n{headers}", self.contact);
        let domain = format!("sip:{}", self.domain);
        self.asks("REGISTER", &domain, &contact, "", 0).1
    }

    /// Calls a user; gives the INVITE that was taken and the first answer to it.
    pub fn calls(&mut self, user: &str) -> (Sip, Sip) {
        self.call_id = format!("call-{}", fresh());
        let contact = format!("Contact: {}\r\n", self.contact);
        self.asks("INVITE", &format!("sip:{user}@corp.test"), &contact, SDP, 0)
    }
}
