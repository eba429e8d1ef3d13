//! Autodiscover with plain-old XML (PROTOCOLS §7.4) in the order of R28: a machine that says what to ask next.
//!
//! Credentials go to https only. What a plain http answer points to could come from anybody on the way, so it is
//! followed only to hosts of the mail domain or of the settings; what a checked certificate vouches for may point on.

use super::xml::{Element, element, elements};
use crate::{
    notify::clean::one_line,
    settings::{Autodiscover, Place},
};

/// Redirects that are followed for one mailbox, of all kinds together.
const MOST_HOPS: usize = 10;
const REQUEST: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006";
const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

/// The search for one mailbox's server.
#[derive(Clone, Debug)]
pub struct Search<'s> {
    settings: &'s Autodiscover,
    mail: String,
    /// The place in the order that comes next.
    next: usize,
    hops: usize,
    asked: Vec<Ask>,
    /// The last reason why a place did not help.
    reason: String,
    /// Somebody who should know has answered.
    is_certain: bool,
}

/// A request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ask {
    /// POST with credentials; `url` is https.
    Post {
        /// Where.
        url: String,
        /// [`body`] of the mailbox.
        body: String,
    },
    /// GET without credentials, for the sake of its redirect.
    Get {
        /// Where: plain http.
        url: String,
    },
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// An answer.
    Answer {
        /// The status of HTTP.
        status: u16,
        /// `Location`.
        location: Option<&'a str>,
        /// The body.
        body: &'a [u8],
    },
    /// No answer: no such name, no connection, a wrong certificate.
    Nothing(&'a str),
}

/// What to do now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next {
    /// Ask.
    Ask(Ask),
    /// The URL of EWS, https.
    Found(String),
    /// Nobody knows; the last reason, one clean line.
    Nowhere(String),
}

impl<'s> Search<'s> {
    /// A search; `mail` is the mailbox.
    pub fn new(settings: &'s Autodiscover, mail: &str) -> Self {
        let reason = "the order of Autodiscover is empty".to_owned();
        Self {
            settings,
            mail: mail.to_owned(),
            next: 0,
            hops: 0,
            asked: Vec::new(),
            reason,
            is_certain: false,
        }
    }

    /// Whether an Autodiscover has said so where nobody knows a server; else none could be asked, which may pass.
    pub fn is_certain(&self) -> bool {
        self.is_certain
    }

    /// What to ask first, and whenever a place did not help.
    pub fn start(&mut self) -> Next {
        let (https, http) = self.settings.ports;
        let Some(domain) = domain(&self.mail).map(str::to_owned) else {
            return Next::Nowhere("Autodiscover needs a mail address with a domain".to_owned());
        };
        while let Some(place) = self.settings.order.get(self.next) {
            self.next += 1;
            let path = "/autodiscover/autodiscover.xml";
            let ask = match place {
                Place::Domain => self.post(format!("https://{domain}{}{path}", port(https, 443))),
                Place::Host => self.post(format!("https://autodiscover.{domain}{}{path}", port(https, 443))),
                Place::Redirect => {
                    Ask::Get { url: format!("http://autodiscover.{domain}{}{path}", port(http, 80)) }
                }
            };
            if let Some(next) = self.ask(ask) {
                return next;
            }
        }
        Next::Nowhere(format!("Autodiscover finds no server: {}", self.reason))
    }

    /// What follows from what came back for the last question.
    pub fn heard(&mut self, heard: Heard<'_>) -> Next {
        let plain = matches!(self.asked.last(), Some(Ask::Get { .. }));
        let (status, location, body) = match heard {
            Heard::Answer { status, location, body } => (status, location, body),
            Heard::Nothing(reason) => return self.no(reason),
        };
        match (status, location) {
            (301 | 302 | 303 | 307 | 308, Some(location)) => self.redirected(location, plain),
            // What plain http says is not to be believed.
            (200, _) if !plain => self.answered(body),
            (401 | 403, _) => self.no("the credentials are refused"),
            (status, _) => self.no(&format!("HTTP {status}")),
        }
    }

    fn answered(&mut self, body: &[u8]) -> Next {
        let Ok(elements) = elements(body) else { return self.no("the answer is no XML") };
        let text = |name: &str| elements.iter().find(|one| one.name == name && !one.text.is_empty());
        if let Some(to) = text("RedirectAddr") {
            if domain(&to.text).is_none() || !self.hop() {
                return self.no("a redirect to no address, or one redirect too many");
            }
            (self.mail, self.next) = (to.text.clone(), 0);
            return self.start();
        }
        if let Some(to) = text("RedirectUrl") {
            return self.redirected(&to.text, false);
        }
        if let Some(url) = ews_url(&elements) {
            return match https_host(&url) {
                Some(_) => Next::Found(url),
                None => self.no("the URL of EWS is not https"),
            };
        }
        self.is_certain |= elements.iter().any(|one| one.name == "Autodiscover");
        match text("ErrorCode") {
            Some(code) if code.text == "600" => {
                self.no("error 600: Autodiscover lives, but does not understand the request")
            }
            Some(code) => {
                let code = one_line(&code.text, 20);
                self.no(&format!("error {code}"))
            }
            None => self.no("the answer names no server"),
        }
    }

    fn redirected(&mut self, to: &str, plain: bool) -> Next {
        let Some(host) = https_host(to) else { return self.no("a redirect to what is not https") };
        if plain && !self.trusts(host) {
            return self.no("a redirect by plain http to a foreign host (autodiscover_hosts)");
        }
        if !self.hop() {
            return self.no("one redirect too many");
        }
        let ask = self.post(to.to_owned());
        self.ask(ask).unwrap_or_else(|| self.no("redirects in a circle"))
    }

    fn no(&mut self, reason: &str) -> Next {
        self.reason = one_line(reason, 200);
        self.start()
    }

    fn hop(&mut self) -> bool {
        self.hops += 1;
        self.hops <= MOST_HOPS
    }

    /// `None`: it has been asked already.
    fn ask(&mut self, ask: Ask) -> Option<Next> {
        if self.asked.contains(&ask) {
            return None;
        }
        self.asked.push(ask.clone());
        Some(Next::Ask(ask))
    }

    fn post(&self, url: String) -> Ask {
        Ask::Post { url, body: body(&self.mail) }
    }

    fn trusts(&self, host: &str) -> bool {
        let below = |domain: &str| {
            host.eq_ignore_ascii_case(domain)
                || host.len() > domain.len()
                    && host.is_char_boundary(host.len() - domain.len())
                    && host[host.len() - domain.len()..].eq_ignore_ascii_case(domain)
                    && host[..host.len() - domain.len()].ends_with('.')
        };
        domain(&self.mail).is_some_and(below)
            || self.settings.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }
}

/// The request about a mailbox.
pub fn body(mail: &str) -> String {
    let mut body =
        format!(r#"<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="{REQUEST}"><Request>"#);
    element(&mut body, "EMailAddress", mail);
    element(&mut body, "AcceptableResponseSchema", RESPONSE);
    body.push_str("</Request></Autodiscover>");
    body
}

/// The URL of EWS, rather the one for inside (`EXCH`) than the one for outside (`EXPR`).
fn ews_url(elements: &[Element]) -> Option<String> {
    let (mut kind, mut urls) = ("", Vec::new());
    for element in elements {
        match element.name.as_str() {
            "Protocol" => kind = element.attribute("Type").unwrap_or_default(),
            "Type" => kind = &element.text,
            "EwsUrl" if !element.text.is_empty() => urls.push((kind, &element.text)),
            _ => {}
        }
    }
    let of = |wanted: &str| urls.iter().find(|(kind, _)| kind.eq_ignore_ascii_case(wanted));
    of("EXCH").or_else(|| of("EXPR")).or(urls.first()).map(|(_, url)| (*url).clone())
}

/// The domain of a mail address, if it may stand in a URL.
fn domain(mail: &str) -> Option<&str> {
    mail.rsplit_once('@').map(|(_, domain)| domain).filter(|domain| is_name(domain))
}

/// The host of an https URL; nothing of a URL that two readers might read differently.
pub fn https_host(url: &str) -> Option<&str> {
    let rest = url.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://")).map(|_| &url[8..])?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?&=%+,;".contains(c);
    if url.len() > 2000 || !rest.chars().all(plain) {
        return None;
    }
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    (is_name(host) && port.parse::<u16>().is_ok()).then_some(host)
}

fn is_name(host: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.');
    !host.is_empty() && host.len() <= 253 && host.bytes().all(plain) && !host.starts_with(['.', '-'])
}

fn port(port: u16, usual: u16) -> String {
    if port == usual { String::new() } else { format!(":{port}") }
}
