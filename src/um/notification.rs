//! The body of the SIP INFO that tells UM about a missed call (PROTOCOLS §1), written and read.
//!
//! Elements of our own live in the namespace [`NAMESPACE`]; a UM that does not know them passes over them.

mod read;

use std::{fmt::Write, time::Duration};

use jiff::Timestamp;
use quick_xml::escape::escape;

use crate::{
    address::Caller,
    call::Outcome,
    notify::{Kind, MissedCall, Notice, clean::shown},
    settings,
};

pub use read::{ReadError, read};

/// A caller's URI that is longer tells nobody anything, and makes the body one that UM may refuse.
const LONGEST_URI: usize = 2048;

/// The media type of the body.
pub const MEDIA_TYPE: &str = "application/ms-rtc-usernotification+xml";

/// The namespace of what Ringpost says beyond the standard elements.
pub const NAMESPACE: &str = "urn:ringpost:user-notification:1";

/// Stands in `From` for a caller who is unknown or asked not to be named (RFC 3323 §4.1.1.3).
pub const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// A missed call as it travels to UM. The other event types of the format are not ours to tell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notification {
    /// `User`: the callee's address of record.
    pub user: String,
    /// `EumProxyAddress`: `EUM:user@domain;phone-context=plan` (R13).
    pub eum_proxy_address: String,
    /// `Time`: when the call came in, full seconds, UTC.
    pub came_in: Timestamp,
    /// `CallId`: of the caller's leg; part of the idempotency key.
    pub call_id: String,
    /// `From` and our own elements: who called.
    pub caller: Caller,
    /// How long the user's devices rang, in milliseconds on the wire. Zero where the sender does not say.
    pub rang_for: Duration,
    /// How the call ended. `GaveUpRinging` where the sender does not say.
    pub outcome: Outcome,
}

impl Notification {
    /// What UM needs of a notice. Nothing of a caller who asked not to be named leaves Ringpost.
    pub fn of(notice: &Notice, eum_proxy_address: &str) -> Self {
        let caller = match notice.caller.private {
            true => Caller { private: true, ..Caller::default() },
            false => Caller {
                name: shown(notice.caller.name.as_deref()),
                number: shown(notice.caller.number.as_deref()),
                uri: notice.caller.uri.clone().filter(|uri| uri.len() <= LONGEST_URI),
                ..Caller::default()
            },
        };
        Self {
            user: notice.user.clone(),
            eum_proxy_address: eum_proxy_address.to_owned(),
            came_in: full_second(notice.came_in),
            call_id: notice.call_id.clone(),
            caller,
            rang_for: Duration::from_millis(notice.rang_for.as_millis() as u64),
            outcome: notice.outcome,
        }
    }

    /// What the UM that received this tells its user. It has the same idempotency key as the notice that was sent, so
    /// that a repeated INFO is no second mail.
    pub fn into_notice(self, user: &settings::User) -> Notice {
        let call = MissedCall {
            call_id: self.call_id,
            caller: self.caller,
            came_in: self.came_in,
            rang_for: self.rang_for,
            outcome: self.outcome,
            talked: None,
            called: None,
        };
        Notice::of(user, Kind::Missed, call)
    }

    /// The body, UTF-8. Characters that XML 1.0 §2.2 does not allow are left out.
    pub fn write(&self) -> String {
        let mut body = format!("<UserNotification xmlns:rp=\"{NAMESPACE}\">");
        element(&mut body, "User", &self.user);
        element(&mut body, "EumProxyAddress", &self.eum_proxy_address);
        element(&mut body, "Time", &self.came_in.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
        element(&mut body, "Template", "RtcDefault");
        body.push_str("<Event type=\"missed\">");
        element(&mut body, "CallId", &self.call_id);
        element(&mut body, "From", self.caller.uri.as_deref().unwrap_or(ANONYMOUS));
        body.push_str("<Subject/><Priority>normal</Priority>");
        if let Some(name) = &self.caller.name {
            element(&mut body, "rp:FromName", name);
        }
        if let Some(number) = &self.caller.number {
            element(&mut body, "rp:FromNumber", number);
        }
        if self.caller.private {
            element(&mut body, "rp:Private", "true");
        }
        element(&mut body, "rp:RangFor", &self.rang_for.as_millis().to_string());
        element(&mut body, "rp:Outcome", self.outcome.name());
        body.push_str("</Event></UserNotification>");
        body
    }
}

/// `EUM:tu@contoso.com;phone-context=PLAN` for the address of record `sip:tu@contoso.com` (R13).
pub fn eum_proxy_address(user: &str, plan: &str) -> String {
    let address = ["sip:", "sips:"].into_iter().find_map(|scheme| user.strip_prefix(scheme)).unwrap_or(user);
    format!("EUM:{address};phone-context={plan}")
}

fn element(body: &mut String, name: &str, text: &str) {
    let allowed: String = text.chars().filter(|c| allowed(*c)).collect();
    // A raw CR or LF would come out of the reader as something else (XML 1.0 §2.11).
    let escaped =
        escape(allowed.as_str()).replace('\r', "&#13;").replace('\n', "&#10;").replace('\t', "&#9;");
    write!(body, "<{name}>{escaped}</{name}>").expect("a String takes every text");
}

/// XML 1.0 §2.2, `Char`.
fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn full_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests;
