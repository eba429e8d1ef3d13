//! `[tls]`: the certificates of the `tls` and `wss` listeners, and whom Ringpost believes.

use std::{path::PathBuf, time::Duration};

/// `[tls]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tls {
    /// `certificates` and `keys`: PEM files in pairs. The first is shown to who names none of the others (SNI).
    pub identities: Vec<(PathBuf, PathBuf)>,
    /// `ca`: a folder of CA certificates in PEM; without it the system's.
    pub ca: Option<PathBuf>,
    /// `wildcards`: a peer's certificate of `*.example.com` speaks for `sip.example.com`. Default true.
    pub wildcards: bool,
    /// `max_names`: names of peers that certificates are checked against. Default 100,000.
    pub max_names: usize,
    /// `handshakes`: of strangers, under way at once, per lane. Default 100.
    pub handshakes: usize,
    /// `handshakes_per_source`: of these, of one source. Default 20.
    pub handshakes_per_source: usize,
    /// `handshake_timeout`: how long one may take. Default 5 s.
    pub patience: Duration,
    /// `reload`: how often the files are looked at. Default 5 s.
    pub reload: Duration,
    /// `expiry_warning`: how long ahead the end of a certificate is told. Default 30 d.
    pub warning: Duration,
}
