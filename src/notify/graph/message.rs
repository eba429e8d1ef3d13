//! The `message` of Graph, with the MAPI properties by which Outlook knows a missed call or a voice mail (PROTOCOLS §7.1).

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::internet_message_id;
use crate::{
    notify::{
        Kind, Notice,
        clean::{LONGEST, one_line, shown},
        mail::{MailError, address, file_name, sender_name},
        wording::{Shown, word},
    },
    outbox::Key,
    settings::GraphDelivery,
};

/// What becomes of a voice mail's recording.
#[derive(Clone, Copy, Debug)]
pub enum Recording<'a> {
    /// There is none.
    None,
    /// It goes with the message.
    Inline(&'a [u8]),
    /// It is uploaded behind the message.
    Behind,
}

/// PS_INTERNET_HEADERS.
const HEADERS: &str = "{00020386-0000-0000-C000-000000000046}";

/// The message. `from` is the site's address, `posted` its time. The same arguments give the same octets.
pub fn message(
    notice: &Notice,
    from: &str,
    recording: Recording<'_>,
    posted: Timestamp,
    deliver: GraphDelivery,
) -> Result<Value, MailError> {
    let from = address("the sender's address", from)?;
    let to = address("the user's address", notice.mail.as_deref().ok_or(MailError::NoAddress)?)?;
    let (words, caller, key) = (word(notice), Shown::of(notice), Key::of(notice));
    let sender = json!({"emailAddress": {"name": sender_name(&caller), "address": from.to_string()}});
    let to = match shown(notice.user_name.as_deref()) {
        Some(name) => json!({"emailAddress": {"name": name, "address": to.to_string()}}),
        None => json!({"emailAddress": {"address": to.to_string()}}),
    };
    let mut message = json!({
        "subject": words.subject,
        "body": {"contentType": "html", "content": words.html},
        "from": sender,
        "toRecipients": [to],
        "internetMessageId": internet_message_id(&key, from.as_ref()),
        "singleValueExtendedProperties": properties(notice, &caller, &key, posted, deliver),
    });
    match deliver {
        GraphDelivery::Inbox => {
            message["sender"] = message["from"].clone();
            message["isRead"] = json!(false);
        }
        GraphDelivery::Json | GraphDelivery::Mime => {
            message["internetMessageHeaders"] = headers(notice, &caller);
        }
    }
    match (&notice.kind, recording) {
        (Kind::Missed | Kind::Digest { .. }, _) | (Kind::VoiceMail { .. }, Recording::Behind) => {}
        (Kind::VoiceMail { .. }, Recording::None) => return Err(MailError::NoRecording),
        (Kind::VoiceMail { .. }, Recording::Inline(wav)) => {
            message["attachments"] = json!([{
                "@odata.type": "#microsoft.graph.fileAttachment",
                "name": file_name(notice, &key),
                "contentType": "audio/WAV",
                "contentBytes": STANDARD.encode(wav),
            }]);
        }
    }
    Ok(message)
}

/// The body of `sendMail`. A service mailbox has no use for a copy of each notice.
pub fn sent(message: &Value) -> Value {
    json!({"message": message, "saveToSentItems": false})
}

/// The body of `createUploadSession` for a recording of so many octets.
pub fn upload(notice: &Notice, size: usize) -> Value {
    let name = file_name(notice, &Key::of(notice));
    json!({"AttachmentItem": {"attachmentType": "file", "name": name, "contentType": "audio/WAV", "size": size}})
}

/// At most five, and only such that begin with `x-`: Graph takes no others.
fn headers(notice: &Notice, caller: &Shown) -> Value {
    let header = |name: &str, value: String| json!({"name": name, "value": value});
    let mut headers = vec![
        header("X-Auto-Response-Suppress", "All".to_owned()),
        header("X-CallID", one_line(&notice.call_id, 2 * LONGEST)),
    ];
    if let Some(number) = &caller.number {
        headers.push(header("X-CallingTelephoneNumber", number.clone()));
    }
    if let Kind::VoiceMail { duration, .. } = &notice.kind {
        headers.push(header("X-VoiceMessageDuration", duration.as_millis().div_ceil(1000).to_string()));
        headers.push(header("X-VoiceMessageSenderName", caller.who.clone()));
    }
    Value::Array(headers)
}

fn properties(
    notice: &Notice,
    caller: &Shown,
    key: &Key,
    posted: Timestamp,
    deliver: GraphDelivery,
) -> Vec<Value> {
    let property = |id: String, value: String| json!({"id": id, "value": value});
    // The tag, and the twin among the Internet headers, where a MIME mail would have it.
    let both = |tag: &str, name: &str, value: String| {
        [property(tag.to_owned(), value.clone()), property(format!("String {HEADERS} Name {name}"), value)]
    };
    let class = match notice.kind {
        Kind::Missed | Kind::Digest { .. } => "IPM.Note.Microsoft.Missed.Voice",
        Kind::VoiceMail { .. } => "IPM.Note.Microsoft.Voicemail.UM.CA",
    };
    let mut properties = vec![property("String 0x001A".to_owned(), class.to_owned())];
    if deliver == GraphDelivery::Inbox {
        // Set at creation, or the message is a draft for ever: 0 is received and unread.
        properties.push(property("Integer 0x0E07".to_owned(), "0".to_owned()));
        for time in ["SystemTime 0x0E06", "SystemTime 0x0039"] {
            properties.push(property(time.to_owned(), posted.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
        }
    }
    properties.extend(both("String 0x6806", "X-CallID", one_line(&notice.call_id, 2 * LONGEST)));
    if let Some(number) = &caller.number {
        properties.extend(both("String 0x6802", "X-CallingTelephoneNumber", number.clone()));
    }
    if let Kind::VoiceMail { duration, .. } = &notice.kind {
        let seconds = duration.as_millis().div_ceil(1000).to_string();
        properties.extend(both("Integer 0x6801", "X-VoiceMessageDuration", seconds));
        properties.extend(both("String 0x6803", "X-VoiceMessageSenderName", caller.who.clone()));
        properties.extend(both("String 0x6805", "X-AttachmentOrder", file_name(notice, key)));
    }
    properties
}
