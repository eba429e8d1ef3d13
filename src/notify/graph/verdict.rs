//! What an answer of Graph means for the notice.

use serde::Deserialize;

/// What becomes of the notice; the reason is one clean line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Judgement {
    /// The service has taken it.
    Done,
    /// It has not, or nobody knows: another try may do.
    Later(String),
    /// It takes nothing from us now: the service is busy, or our rights are not enough.
    Down(String),
    /// It will never take this one.
    Never(String),
}

/// Whose mailbox was asked for: without the user's this notice is lost to this channel, without ours all are, until
/// somebody puts that right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Whose {
    /// The user's.
    User,
    /// That of the site's sender.
    Sender,
}

/// Judges an answer by its status and the `code` of its error. `wanted` is the status that says "taken"; another 2xx is
/// of somebody in between.
pub fn judged(status: u16, wanted: u16, body: &[u8], whose: Whose) -> Judgement {
    let code = code(body);
    let words = match &code {
        Some(code) => format!("Graph answered {status} ({code})"),
        None => format!("Graph answered {status}"),
    };
    if status == wanted {
        return Judgement::Done;
    }
    match code.as_deref() {
        Some(
            "ErrorServerBusy"
            | "ErrorTooManyObjectsOpened"
            | "ApplicationThrottled"
            | "TooManyRequests"
            | "ErrorExceededConnectionCount"
            | "ErrorMessageSubmissionBlocked"
            | "ErrorExceededMessageLimit",
        ) => Judgement::Down(words),
        Some(
            "ErrorTimeoutExpired"
            | "ErrorMailboxStoreUnavailable"
            | "ErrorMailboxMoveInProgress"
            | "ErrorMailboxFailover"
            | "ErrorInternalServerTransientError"
            | "ErrorInternalServerError"
            | "ErrorConnectionFailed"
            | "ErrorConnectionFailedTransientError"
            | "ErrorQuotaExceeded"
            | "ErrorIrresolvableConflict"
            // The message that a recording belongs to is gone: it is made again.
            | "ErrorItemNotFound",
        ) => Judgement::Later(words),
        Some(
            "ErrorInvalidUser"
            | "ErrorNonExistentMailbox"
            | "MailboxNotEnabledForRESTAPI"
            | "MailboxNotSupportedForRESTAPI"
            | "ErrorMailboxNotEnabledForRESTAPI"
            | "Request_ResourceNotFound"
            | "ResourceNotFound",
        ) => match whose {
            Whose::User => Judgement::Never(words),
            Whose::Sender => Judgement::Down(words),
        },
        code => by_status(status, code.is_some(), words),
    }
}

fn by_status(status: u16, said_by_graph: bool, words: String) -> Judgement {
    match status {
        // The token, our rights, and the service's load.
        401 | 403 | 407 | 429 | 503 | 509 => Judgement::Down(words),
        413 | 501 | 505 => Judgement::Never(words),
        // What Graph itself refuses it will refuse again; a page of somebody in between says nothing.
        400 | 404..=406 | 410 | 411 | 414..=416 | 422 if said_by_graph => Judgement::Never(words),
        _ => Judgement::Later(words),
    }
}

#[derive(Deserialize)]
struct Failure {
    error: Fault,
}

#[derive(Deserialize)]
struct Fault {
    code: String,
}

/// The error's code, where it is one: anything may stand there, and it goes to the log.
fn code(body: &[u8]) -> Option<String> {
    let code = serde_json::from_slice::<Failure>(body).ok()?.error.code;
    let plain = code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    (plain && (1..=64).contains(&code.len())).then_some(code)
}

/// A message that the service has.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// By which it is asked for.
    pub id: String,
    /// It was never sent.
    #[serde(default)]
    pub is_draft: bool,
    /// Its recording is there.
    #[serde(default)]
    pub has_attachments: bool,
}

#[derive(Deserialize)]
struct List {
    value: Vec<Made>,
}

/// What a search has found. `None`: that is no answer to a search.
pub fn found(body: &[u8]) -> Option<Option<Made>> {
    Some(serde_json::from_slice::<List>(body).ok()?.value.into_iter().next())
}

/// The message that was made.
pub fn made(body: &[u8]) -> Option<Made> {
    serde_json::from_slice(body).ok()
}

/// The URL of an upload session.
pub fn session(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Session {
        upload_url: String,
    }
    Some(serde_json::from_slice::<Session>(body).ok()?.upload_url)
}
