use std::{path::PathBuf, time::Duration};

use crate::{notify::webhook::Template, settings::Secret};

/// `kind = "webhook"`: notices by HTTP POST.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// `url`: `https://…`; plain `http://` without a token only.
    pub url: String,
    /// `secret`, `secret_file`: what bodies are signed with; `None`: they are not.
    pub secret: Option<Secret>,
    /// `token`, `token_file` and `token_header`: a header that proves the site to the server, `Authorization` with
    /// `Bearer` in front unless named otherwise.
    pub token: Option<(String, Secret)>,
    /// `ca`: a PEM file of certificates that the server is checked against; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// `timeout`: how long a request may take. Default 10 s.
    pub timeout: Duration,
    /// `template` and `content_type`: a body of the site's own; `None`: a CloudEvents event.
    pub template: Option<(String, Template)>,
}
