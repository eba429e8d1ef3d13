//! URLs of Graph. Whatever stands in them is percent-encoded, so that no address leaves its segment.

use crate::outbox::Key;

/// A mailbox at a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place<'a> {
    /// The service's root, `https://graph.microsoft.com/v1.0`.
    pub url: &'a str,
    /// The user's address.
    pub mailbox: &'a str,
}

impl Place<'_> {
    /// Sends a mail in one request.
    pub fn send_mail(&self) -> String {
        self.user("sendMail")
    }

    /// Makes a draft.
    pub fn drafts(&self) -> String {
        self.user("messages")
    }

    /// Makes a message in the Inbox.
    pub fn inbox(&self) -> String {
        self.user("mailFolders/inbox/messages")
    }

    /// Finds what has this Message-ID, wherever in the mailbox it is by now.
    pub fn find(&self, message_id: &str) -> String {
        let value = encoded(&message_id.replace('\'', "''"));
        let filter = format!("internetMessageId%20eq%20%27{value}%27");
        self.user(&format!("messages?$filter={filter}&$select=id,isDraft,hasAttachments&$top=1"))
    }

    /// Begins the upload of an attachment to message `id`.
    pub fn upload(&self, id: &str) -> String {
        self.user(&format!("messages/{}/attachments/createUploadSession", encoded(id)))
    }

    /// Sends draft `id`.
    pub fn send_draft(&self, id: &str) -> String {
        self.user(&format!("messages/{}/send", encoded(id)))
    }

    /// Asks when some users are busy.
    pub fn schedules(&self) -> String {
        self.user("calendar/getSchedule")
    }

    /// The mailbox's automatic replies.
    pub fn automatic_replies(&self) -> String {
        self.user("mailboxSettings/automaticRepliesSetting")
    }

    /// Says what the user is doing.
    pub fn set_presence(&self) -> String {
        self.user("presence/setPresence")
    }

    /// Takes that back.
    pub fn clear_presence(&self) -> String {
        self.user("presence/clearPresence")
    }

    pub(super) fn user(&self, rest: &str) -> String {
        format!("{}/users/{}/{rest}", self.url, encoded(self.mailbox))
    }
}

/// `client-request-id`, by which Microsoft finds a request: the notice's key as a UUID, the same for each try.
pub fn request_id(key: &Key) -> String {
    let digits = key.as_str();
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// RFC 3986 §2.3: only unreserved characters stay. A lone `.` or `..` would be a segment of its own.
fn encoded(text: &str) -> String {
    let dots = text.bytes().all(|b| b == b'.');
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, octet| {
        match octet {
            b'.' if dots => encoded.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => {
                encoded.push(octet.into())
            }
            _ => encoded.push_str(&format!("%{octet:02X}")),
        }
        encoded
    })
}
