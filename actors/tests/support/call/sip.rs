//! A SIP message as a test sees it.

use std::fmt;

/// An offer or an answer.
pub const SDP: &str = "v=0\r\no=t 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";

/// One message.
#[derive(Clone, Eq, PartialEq)]
pub struct Sip {
    pub raw: Vec<u8>,
    text: String,
}

impl Sip {
    pub fn new(raw: &[u8]) -> Self {
        Self { raw: raw.to_vec(), text: String::from_utf8_lossy(raw).into_owned() }
    }

    /// The method of a request, the code of a response.
    pub fn what(&self) -> &str {
        let mut words = self.start().split(' ');
        let first = words.next().unwrap_or("");
        if first == "SIP/2.0" { words.next().unwrap_or("") } else { first }
    }

    pub fn start(&self) -> &str {
        self.text.lines().next().unwrap_or("")
    }

    /// The Request-URI.
    pub fn uri(&self) -> &str {
        self.start().split(' ').nth(1).unwrap_or("")
    }

    /// Every value of a header in its long form, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or("");
        let fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        fields
            .filter(|(field, _)| field.trim_end().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    /// The value of a header that stands exactly once.
    pub fn one(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in\n{self}");
        all[0]
    }

    /// The value of a header, empty where it is missing.
    pub fn first(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or("")
    }

    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// The tag of To.
    pub fn to_tag(&self) -> &str {
        self.one("To").split_once(";tag=").map_or("", |(_, tag)| tag.split(';').next().unwrap_or(""))
    }

    /// The URI of Contact.
    pub fn contact(&self) -> &str {
        let contact = self.first("Contact");
        contact.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(contact, |(uri, _)| uri)
    }

    /// Whether a line stands in it octet for octet.
    pub fn has_line(&self, line: &[u8]) -> bool {
        self.raw.windows(line.len() + 2).any(|w| w.starts_with(line) && w.ends_with(b"\r\n"))
    }
}

impl fmt::Display for Sip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Sip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
