//! A look at Exchange that changes nothing.

use reqwest::StatusCode;
use ringpost::{
    notify::{
        clean::one_line,
        ews::{
            answer::{read, trouble},
            autodiscover::{Ask, Heard, Next, Search},
            request::inbox,
        },
    },
    settings::EwsServer,
};

use super::{
    super::http::{Answer, HttpError},
    Ews,
    door::DoorError,
    finder::heard,
};

/// How a server is before anybody has logged in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Knock {
    /// It lives; why one knows.
    Lives(String),
    /// It is something else, or it does not work.
    Strange(String),
    /// It sends whoever asks there elsewhere.
    Redirects(String),
    /// Nobody answers.
    Nothing(String),
}

/// Why a mailbox cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shut {
    /// The user name, the password or the token is refused.
    Login(String),
    /// There is no token.
    Token,
    /// Anything else.
    Other(String),
}

impl Ews {
    /// GETs a URL without credentials: EWS and Autodiscover ask for some, or say that they do not understand (R28).
    pub async fn knock(&self, url: &str) -> Knock {
        match self.door.get(url).await {
            Ok(answer) => knocked(&answer),
            Err(HttpError::Unreachable(why) | HttpError::Lost(why)) => Knock::Nothing(why),
        }
    }

    /// Asks Autodiscover for a mailbox's server. Each place is knocked at first, so that only one that lives is shown the
    /// credentials, and where they are refused no other place sees them.
    ///
    /// # Errors
    /// Why nobody knows.
    pub async fn discovers(&self, mailbox: &str) -> Result<String, Shut> {
        let settings = match &self.settings.server {
            EwsServer::Url(url) => return Ok(url.clone()),
            EwsServer::Autodiscover(settings) => settings,
        };
        let mut search = Search::new(settings, mailbox);
        let mut next = search.start();
        loop {
            next = match next {
                Next::Found(url) => return Ok(url),
                Next::Nowhere(why) => return Err(Shut::Other(why)),
                Next::Ask(Ask::Get { url }) => match self.door.get(&url).await {
                    Ok(answer) => search.heard(heard(&answer)),
                    Err(error) => search.heard(Heard::Nothing(&error.to_string())),
                },
                Next::Ask(Ask::Post { url, body }) => match self.knock(&url).await {
                    Knock::Lives(_) | Knock::Redirects(_) => {
                        let answer = self.door.post(&url, mailbox, body).await;
                        let answer = answer.map_err(Shut::of)?;
                        search.heard(heard(&answer))
                    }
                    Knock::Strange(why) | Knock::Nothing(why) => search.heard(Heard::Nothing(&why)),
                },
            };
        }
    }

    /// Asks for the Inbox of a mailbox at that URL.
    ///
    /// # Errors
    /// Why it may not be used.
    pub async fn opens_inbox(&self, url: &str, mailbox: &str) -> Result<(), Shut> {
        let answer = self.door.post(url, mailbox, inbox(&self.settings, mailbox)).await;
        let answer = answer.map_err(Shut::of)?;
        let told = match answer.status {
            StatusCode::OK | StatusCode::INTERNAL_SERVER_ERROR if answer.whole => read(&answer.body).ok(),
            _ => None,
        };
        let Some(told) = told else {
            return Err(Shut::Other(format!(
                "it answers HTTP {}, and nothing that EWS would say",
                answer.status
            )));
        };
        trouble(&told).map_or(Ok(()), |trouble| Err(Shut::Other(one_line(&trouble.code, 80))))
    }
}

impl Shut {
    fn of(error: DoorError) -> Self {
        let why = one_line(&error.to_string(), 300);
        match error {
            DoorError::Refused | DoorError::Password(_) => Self::Login(why),
            DoorError::Token(_) => Self::Token,
            DoorError::Http(_) | DoorError::Ntlm(_) => Self::Other(why),
        }
    }
}

fn knocked(answer: &Answer) -> Knock {
    let status = answer.status.as_u16();
    let says_600 = || answer.body.windows(14).any(|part| part == b"<ErrorCode>600");
    match status {
        401 => Knock::Lives("401: it lives and asks for credentials".to_owned()),
        200 if says_600() => Knock::Lives("600 Invalid Request: it lives".to_owned()),
        301 | 302 | 303 | 307 | 308 => Knock::Redirects(format!("{status}: it sends one elsewhere")),
        _ => Knock::Strange(format!("HTTP {status}")),
    }
}
