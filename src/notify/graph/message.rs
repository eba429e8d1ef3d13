//! The `message` of Graph, with the MAPI properties by which Outlook knows a missed call or a voice mail (PROTOCOLS §7.1).

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::internet_message_id;
use crate::{
    notify::{
        Enclosure, Kind, Letter, Notice,
        clean::{LONGEST, one_line, shown},
        mail::{MailError, address, sender_name},
        wording::Shown,
    },
    outbox::Key,
    settings::GraphDelivery,
};

/// What becomes of what goes along.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Enclosed {
    /// It goes with the message.
    Inline,
    /// The recording is uploaded behind the message. Nothing else goes along then: whether a message has an attachment tells
    /// whether it is complete.
    Behind,
}

/// PS_INTERNET_HEADERS.
const HEADERS: &str = "{00020386-0000-0000-C000-000000000046}";

/// The message. `from` is the site's address, `posted` its time. The same arguments give the same octets.
pub fn message(
    letter: &Letter<'_>,
    from: &str,
    enclosed: Enclosed,
    posted: Timestamp,
    deliver: GraphDelivery,
) -> Result<Value, MailError> {
    let notice = letter.notice;
    let from = address("the sender's address", from)?;
    let to = address("the user's address", notice.mail.as_deref().ok_or(MailError::NoAddress)?)?;
    let (words, caller, key) = (&letter.words, Shown::of(notice), Key::of(notice));
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
        "singleValueExtendedProperties": properties(letter, &caller, posted, deliver),
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
    if enclosed == Enclosed::Inline && letter.enclosures().next().is_some() {
        let attachment = |file: &Enclosure| {
            json!({
                "@odata.type": "#microsoft.graph.fileAttachment",
                "name": file.name,
                "contentType": file.media_type,
                "contentBytes": STANDARD.encode(&file.octets),
            })
        };
        message["attachments"] = letter.enclosures().map(attachment).collect();
    }
    Ok(message)
}

/// The body of `sendMail`. A service mailbox has no use for a copy of each notice.
pub fn sent(message: &Value) -> Value {
    json!({"message": message, "saveToSentItems": false})
}

/// The body of `createUploadSession` for a recording.
pub fn upload(sound: &Enclosure) -> Value {
    let Enclosure { name, media_type, octets } = sound;
    json!({"AttachmentItem": {"attachmentType": "file", "name": name, "contentType": media_type, "size": octets.len()}})
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

fn properties(letter: &Letter<'_>, caller: &Shown, posted: Timestamp, deliver: GraphDelivery) -> Vec<Value> {
    let notice = letter.notice;
    let property = |id: String, value: String| json!({"id": id, "value": value});
    // The tag, and the twin among the Internet headers, where a MIME mail would have it.
    let both = |tag: &str, name: &str, value: String| {
        [property(tag.to_owned(), value.clone()), property(format!("String {HEADERS} Name {name}"), value)]
    };
    let class = letter.form().item_class();
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
        let order = letter.sound.iter().map(|sound| sound.name.clone());
        properties.extend(order.flat_map(|name| both("String 0x6805", "X-AttachmentOrder", name)));
    }
    properties
}
