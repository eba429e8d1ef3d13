//! One device's registration.

use serde::{Deserialize, Serialize};

use crate::sip::{peer::Peer, uri::Uri};

/// A Contact that a user's device has registered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Binding {
    /// The URI as it was registered: the Request-URI of calls to it.
    pub uri: String,
    /// The Path it came by, as a list of Route values (RFC 3327); empty: none.
    pub path: String,
    /// `+sip.instance` without quotes and brackets (RFC 5626 §4.1).
    pub instance: Option<String>,
    /// `reg-id` (RFC 5626 §4.2); 0: none.
    pub reg_id: u32,
    /// `q` in thousandths (RFC 3261 §20.10).
    pub q: u16,
    /// Of the REGISTER that made it last.
    pub call_id: String,
    /// Of that REGISTER.
    pub cseq: u32,
    /// When it ends.
    pub expires: u64,
    /// The way it came, where calls to it go back that way; `None`: calls go where the URI or the Path says.
    #[serde(default)]
    pub flow: Option<Flow>,
    /// Whether who registered it is a trunk: such a binding may lead to a trunk, others may not.
    #[serde(default)]
    pub trusted: bool,
}

/// The way from a device to us: a connection, or the two ends of its datagrams.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Flow {
    /// Its far end and our listener.
    pub peer: Peer,
    /// Whether there is no other way: outbound, behind a NAT, or a browser. Without it the URI is called where the flow
    /// has ended.
    pub only: bool,
}

impl Binding {
    /// The value of its Contact in a 200.
    pub(super) fn written(&self, now: u64) -> String {
        let mut text = format!("<{}>;expires={}", self.uri, self.expires.saturating_sub(now));
        if self.q < 1_000 {
            text.push_str(&format!(";q={}.{:03}", self.q / 1_000, self.q % 1_000));
        }
        if let Some(instance) = &self.instance {
            text.push_str(&format!(";+sip.instance=\"<{instance}>\""));
        }
        if self.reg_id > 0 {
            text.push_str(&format!(";reg-id={}", self.reg_id));
        }
        text
    }

    /// Whether calls to it go by that connection.
    pub fn is_by(&self, connection: u64) -> bool {
        self.flow.is_some_and(|flow| flow.peer.is_reliable() && flow.peer.connection == connection)
    }

    /// What is left of it after a restart: connections have gone, and with them what can be reached by nothing else.
    pub fn survives(mut self, now: u64, listeners: usize) -> Option<Self> {
        let gone = |flow: &Flow| flow.peer.is_reliable() || usize::from(flow.peer.listener) >= listeners;
        if let Some(flow) = self.flow.filter(gone) {
            if flow.only {
                return None;
            }
            self.flow = None;
        }
        (self.expires > now).then_some(self)
    }
}

/// Whether two URIs name one device: scheme, user, host, port and transport (RFC 3261 §19.1.4); other parameters change
/// with the mood of the phone.
pub(super) fn same_uri(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let (Some(a), Some(b)) = (Uri::read(one.as_bytes()), Uri::read(other.as_bytes())) else { return false };
    let transport = |uri: &Uri<'_>| uri.param("transport").unwrap_or(b"udp").to_ascii_lowercase();
    a.scheme.eq_ignore_ascii_case(b.scheme)
        && a.user == b.user
        && a.host.eq_ignore_ascii_case(b.host)
        && a.port == b.port
        && transport(&a) == transport(&b)
}
