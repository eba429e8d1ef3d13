//! Why a directory server was not gone on with, in words that say what to do.

use std::{io, time::Duration};

use ringpost::{directory::ldap::frame::Spoilt, notify::clean::reason};

use crate::channel::lockout;

/// What stopped a talk with a server.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No connection, or not in time.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// Its certificate, or another part of TLS.
    #[error("TLS: {0}")]
    Tls(String),
    /// RFC 4511 §4.14.3: nothing is sent in the open instead.
    #[error(
        "it refuses StartTLS (result {0}: {1}), and nothing is sent in the open: use ldaps://, or give it a certificate"
    )]
    NoStartTls(u32, String),
    /// It has said something in the open behind its consent to StartTLS, where somebody else may have.
    #[error("it spoke before TLS had begun")]
    Early,
    /// It wants the login to be protected better than it was.
    #[error(
        "it takes no login without TLS (result {0}): use ldaps:// or StartTLS and remove ?starttls=never from its URL"
    )]
    WantsTls(u32),
    /// The password rests.
    #[error("{0}")]
    Password(lockout::Refused),
    /// It answers with an error.
    #[error("{doing} fails with result {code} ({text}){remedy}")]
    Result {
        /// What was asked.
        doing: &'static str,
        /// RFC 4511 appendix A.
        code: u32,
        /// The server's words.
        text: String,
        /// What helps, where that is known.
        remedy: &'static str,
    },
    /// It has not answered.
    #[error("{0}: no answer within {1:?}")]
    Silent(&'static str, Duration),
    /// What it says is not LDAP, or too much of it.
    #[error("{0}")]
    Spoilt(String),
    /// It says more than the site allows.
    #[error("more than {1} {0}")]
    TooMuch(&'static str, usize),
    /// The connection ended.
    #[error("the connection is lost: {0}")]
    Lost(String),
    /// The directory is not as the site says.
    #[error("{0}")]
    Unusable(String),
}

impl Refusal {
    /// The system says why.
    pub fn unreachable(error: &io::Error) -> Self {
        Self::Unreachable(reason(&error.to_string()))
    }

    /// A result that is no success.
    pub fn result(doing: &'static str, code: u32, text: &str) -> Self {
        let remedy = match code {
            3 => ": the server's time limit is too short for a page; make directory.page smaller",
            4 => {
                ": the server's size limit ends the search; let its account read pages without a limit, or set directory.page"
            }
            11 => ": an administrative limit of the server ends the search; raise it for Ringpost's account",
            12 => ": the server knows no pages; set directory.page = 0",
            32 => ": there is no such entry; is the base right?",
            50 => ": Ringpost's account may not read that",
            51 | 52 => ": the server is busy or going down",
            _ => "",
        };
        Self::Result { doing, code, text: reason(text), remedy }
    }

    /// Whether no other server would say otherwise: they share their accounts.
    pub fn is_of_the_site(&self) -> bool {
        matches!(self, Self::Password(_))
    }

    /// Whether there is no talk at all, so that the next try costs the server nothing.
    pub fn is_of_the_connection(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::Tls(_)
            | Self::NoStartTls(..)
            | Self::Early
            | Self::Silent(..)
            | Self::Lost(_) => true,
            Self::WantsTls(_) | Self::Password(_) | Self::Result { .. } => false,
            Self::Spoilt(_) | Self::TooMuch(..) | Self::Unusable(_) => false,
        }
    }
}

impl From<Spoilt> for Refusal {
    fn from(spoilt: Spoilt) -> Self {
        Self::Spoilt(reason(&spoilt.to_string()))
    }
}
