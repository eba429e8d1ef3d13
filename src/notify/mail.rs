//! A notice as one whole mail (RFC 5322) with the headers that Exchange reads (PROTOCOLS §7.1, §7.2).

use jiff::Timestamp;
use lettre::{
    Address, Message,
    message::{
        Attachment, Mailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};

use super::{
    Kind, Notice,
    clean::{LONGEST, one_line, shown},
    dates,
    wording::{Shown, Words, word},
};
use crate::outbox::Key;

/// Why a notice cannot become a mail. None of them heals by waiting.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The user has no mail address.
    #[error("the user has no mail address")]
    NoAddress,
    /// The user's or the site's address is none.
    #[error("{which} is not a mail address: {source}")]
    BadAddress {
        /// Whose address.
        which: &'static str,
        /// What is wrong with it.
        source: lettre::address::AddressError,
    },
    /// A voice mail without its recording.
    #[error("the recording of the voice mail is missing")]
    NoRecording,
    /// The mail cannot be put together.
    #[error("the mail cannot be built: {0}")]
    Build(#[from] lettre::error::Error),
}

/// Builds the mail. `from` is the site's address, `recording` the WAV file of a voice mail, `posted` the `Date:`.
/// The same arguments give the same octets, so that a retry is the same mail and never a second one (R203).
pub fn compose(
    notice: &Notice,
    from: &str,
    recording: Option<Vec<u8>>,
    posted: Timestamp,
) -> Result<Message, MailError> {
    let from = address("the sender's address", from)?;
    let to = address("the user's address", notice.mail.as_deref().ok_or(MailError::NoAddress)?)?;
    let (words, caller, key) = (word(notice), Shown::of(notice), Key::of(notice));
    let mut mail = Message::builder()
        .message_id(Some(message_id(&key, &from)))
        .date(posted.into())
        .from(Mailbox::new(Some(sender_name(&caller)), from))
        .to(Mailbox::new(shown(notice.user_name.as_deref()), to))
        .subject(words.subject.clone());
    for (name, value) in headers(notice, &caller, &key) {
        mail = mail.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    }
    let parts = parts(words, &key);
    let body = match (&notice.kind, recording) {
        (Kind::Missed | Kind::Digest { .. }, _) => parts,
        (Kind::VoiceMail { .. }, None) => return Err(MailError::NoRecording),
        (Kind::VoiceMail { .. }, Some(wav)) => {
            let wav_type = ContentType::parse("audio/WAV").expect("audio/WAV is a media type");
            MultiPart::mixed()
                .boundary(format!("=_mixed_{key}"))
                .multipart(parts)
                .singlepart(Attachment::new(file_name(notice, &key)).body(wav, wav_type))
        }
    };
    Ok(mail.multipart(body)?)
}

/// `which` is whose address it is.
pub(super) fn address(which: &'static str, text: &str) -> Result<Address, MailError> {
    text.parse().map_err(|source| MailError::BadAddress { which, source })
}

/// `<KEY@domain>`: the same for every try, here and after a restart.
pub fn message_id(key: &Key, from: &Address) -> String {
    format!("<{key}@{}>", from.domain())
}

fn parts(words: Words, key: &Key) -> MultiPart {
    MultiPart::alternative()
        .boundary(format!("=_words_{key}"))
        .singlepart(SinglePart::plain(words.text.replace('\n', "\r\n")))
        .singlepart(SinglePart::html(words.html.replace('\n', "\r\n")))
}

/// `Luka A (+4544890101)`, with whatever is known.
pub(super) fn sender_name(caller: &Shown) -> String {
    match (&caller.name, &caller.number) {
        (Some(name), Some(number)) if name != number => format!("{name} ({number})"),
        _ => caller.who.clone(),
    }
}

pub(super) fn headers(notice: &Notice, caller: &Shown, key: &Key) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        // RFC 3834 §5: no automatic answer to an automatic mail.
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("X-Auto-Response-Suppress", "All".to_owned()),
        ("Content-Language", notice.language.code().to_owned()),
        ("X-CallID", one_line(&notice.call_id, 2 * LONGEST)),
    ];
    if let Some(number) = &caller.number {
        headers.push(("X-CallingTelephoneNumber", number.clone()));
    }
    match &notice.kind {
        Kind::Missed | Kind::Digest { .. } => headers.push(("Content-Class", "missedcall".to_owned())),
        Kind::VoiceMail { duration, .. } => {
            headers.push(("Content-Class", "voice-ca".to_owned()));
            headers.push(("X-VoiceMessageDuration", duration.as_millis().div_ceil(1000).to_string()));
            headers.push(("X-VoiceMessageSenderName", caller.who.clone()));
            headers.push(("X-AttachmentOrder", file_name(notice, key)));
        }
    }
    headers
}

/// `voice-mail-2008-04-11-1112-0011aabb.wav`: the user's local time, and unique through the key.
pub(super) fn file_name(notice: &Notice, key: &Key) -> String {
    let local = dates::local(notice.came_in, &notice.time_zone);
    let key = key.to_string();
    format!("voice-mail-{}-{}.wav", local.strftime("%Y-%m-%d-%H%M"), &key[..8])
}

#[cfg(test)]
mod tests;
