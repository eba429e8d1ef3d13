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
    Kind,
    clean::{LONGEST, isolated, one_line, shown},
    letter::Letter,
    wording::{Shown, Words},
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

/// Builds the mail. `from` is the site's address, `posted` the `Date:`.
/// The same arguments give the same octets, so that a retry is the same mail and never a second one (R203).
pub fn compose(letter: &Letter<'_>, from: &str, posted: Timestamp) -> Result<Message, MailError> {
    let notice = letter.notice;
    let from = address("the sender's address", from)?;
    let to = address("the user's address", notice.mail.as_deref().ok_or(MailError::NoAddress)?)?;
    let (caller, key) = (Shown::of(notice), Key::of(notice));
    let mut mail = Message::builder()
        .message_id(Some(message_id(&key, &from)))
        .date(posted.into())
        .from(Mailbox::new(Some(sender_name(&caller)), from))
        .to(Mailbox::new(shown(notice.user_name.as_deref()), to))
        .subject(letter.words.subject.clone());
    for (name, value) in headers(letter, &caller) {
        mail = mail.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    }
    let parts = parts(&letter.words, &key);
    let mut enclosures = letter.enclosures().peekable();
    if enclosures.peek().is_none() {
        return Ok(mail.multipart(parts)?);
    }
    let mixed = MultiPart::mixed().boundary(format!("=_mixed_{key}")).multipart(parts);
    let body = enclosures.fold(mixed, |body, enclosed| {
        let media_type = ContentType::parse(enclosed.media_type).expect("ours are media types");
        body.singlepart(Attachment::new(enclosed.name.clone()).body(enclosed.octets.clone(), media_type))
    });
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

fn parts(words: &Words, key: &Key) -> MultiPart {
    MultiPart::alternative()
        .boundary(format!("=_words_{key}"))
        .singlepart(SinglePart::plain(words.text.replace('\n', "\r\n")))
        .singlepart(SinglePart::html(words.html.replace('\n', "\r\n")))
}

/// `Luka A (+4544890101)`, with whatever is known.
pub(super) fn sender_name(caller: &Shown) -> String {
    match (&caller.name, &caller.number) {
        (Some(name), Some(number)) if name != number => format!("{} ({})", isolated(name), isolated(number)),
        _ => isolated(&caller.who),
    }
}

pub(super) fn headers(letter: &Letter<'_>, caller: &Shown) -> Vec<(&'static str, String)> {
    let notice = letter.notice;
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
    headers.extend(letter.form().content_class().map(|class| ("Content-Class", class.to_owned())));
    match &notice.kind {
        Kind::Missed | Kind::Digest { .. } | Kind::Locked { .. } => {}
        Kind::VoiceMail { duration, .. } => {
            headers.push(("X-VoiceMessageDuration", duration.as_millis().div_ceil(1000).to_string()));
            headers.push(("X-VoiceMessageSenderName", caller.who.clone()));
            headers.extend(letter.sound.as_ref().map(|sound| ("X-AttachmentOrder", sound.name.clone())));
        }
    }
    headers
}

#[cfg(test)]
mod tests;
