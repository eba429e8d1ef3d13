//! What is shown of a connector and of what it knows of users.

use serde::{Deserialize, Serialize};

/// How a connector is (R109).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// There is nobody whom it is asked about.
    #[default]
    NotConfigured,
    /// The site has switched it off.
    Disabled,
    /// The server does not take the login, or lets us see nobody.
    Forbidden,
    /// The server does not answer.
    ConnectionError,
    /// It works.
    UpAndRunning,
    /// It works, though the site has no login for it.
    CredentialsNotFound,
}

impl Status {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotConfigured => "not-configured",
            Self::Disabled => "disabled",
            Self::Forbidden => "forbidden",
            Self::ConnectionError => "connection-error",
            Self::UpAndRunning => "up-and-running",
            Self::CredentialsNotFound => "credentials-not-found",
        }
    }

    /// Whether it tells us anything.
    pub fn works(self) -> bool {
        matches!(self, Self::UpAndRunning | Self::CredentialsNotFound)
    }
}

/// Why nothing is known of a resource (R111, R112).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// Its turn has not come yet.
    #[default]
    NotRequested,
    /// It was asked for, and nothing has come yet.
    Requesting,
    /// 403.
    AccessDenied,
    /// Something that passes.
    Error,
    /// 404.
    NotFound,
}

impl Trouble {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotRequested => "not-requested",
            Self::Requesting => "requesting",
            Self::AccessDenied => "access-denied",
            Self::Error => "error",
            Self::NotFound => "not-found",
        }
    }
}
