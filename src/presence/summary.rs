//! `application/simple-message-summary` (RFC 3842): how many messages wait.

use super::pidf::add;
pub use crate::voicemail::Counts;

/// The media type.
pub const TYPE: &str = "application/simple-message-summary";
/// The longest document read, and the longest line of it, in octets.
const LARGEST: usize = 16 << 10;
const LONGEST: usize = 1_024;

/// The counts of one mailbox. The RFC ends them at 2^32-1.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Whether any new message waits.
    pub waiting: bool,
    /// The URI to call for them; `None`: not told.
    pub account: Option<String>,
    /// Voice messages; `None`: not told.
    pub voice: Option<Counts>,
}

impl Summary {
    /// That of a mailbox.
    pub fn of(account: &str, voice: Counts) -> Self {
        Self { waiting: voice.new > 0, account: Some(account.to_owned()), voice: Some(voice) }
    }

    /// With another mailbox of the same user, of which only that is known. A count that nobody has told is not made up.
    #[must_use]
    pub fn and(self, waiting: bool, voice: Option<Counts>) -> Self {
        let voice = match (self.voice, voice) {
            (Some(own), Some(other)) => Some(own.and(other)),
            (own, None) if waiting => own.filter(|own| own.is_waiting()),
            (own, other) => own.or(other),
        };
        Self { waiting: self.waiting || waiting, voice, ..self }
    }

    /// The document.
    pub fn write(&self) -> String {
        let mut body = String::new();
        add(&mut body, format_args!("Messages-Waiting: {}\r\n", if self.waiting { "yes" } else { "no" }));
        if let Some(account) = self.account.as_deref().filter(|uri| !uri.contains(char::is_control)) {
            add(&mut body, format_args!("Message-Account: {account}\r\n"));
        }
        if let Some(Counts { new, old, urgent_new, urgent_old }) = self.voice {
            add(&mut body, format_args!("Voice-Message: {new}/{old} ({urgent_new}/{urgent_old})\r\n"));
        }
        body
    }

    /// Reads a document of somebody else: keys in either case, bare LF, other classes passed over; counts that no number
    /// holds end at the largest (T5).
    ///
    /// # Errors
    /// It is too large, not UTF-8, or does not begin with Messages-Waiting.
    pub fn read(document: &[u8]) -> Result<Self, &'static str> {
        if document.len() > LARGEST {
            return Err("Message Summary Too Large");
        }
        let text = std::str::from_utf8(document).map_err(|_| "Message Summary Not UTF-8")?;
        let mut summary = None;
        for line in text.split('\n').map(|line| line.trim_end_matches('\r')) {
            // An empty line ends the summary; headers of single messages follow.
            if line.is_empty() {
                break;
            }
            if line.len() > LONGEST {
                return Err("Message Summary Line Too Long");
            }
            let Some((key, value)) = line.split_once(':') else { return Err("Bad Message Summary") };
            let (key, value) = (key.trim(), value.trim());
            match &mut summary {
                None if key.eq_ignore_ascii_case("Messages-Waiting") => {
                    let waiting = value.eq_ignore_ascii_case("yes");
                    summary = Some(Self { waiting, ..Self::default() });
                }
                None => return Err("Bad Message Summary"),
                Some(known) if key.eq_ignore_ascii_case("Message-Account") => {
                    known.account = Some(value.to_owned()).filter(|uri| !uri.contains(char::is_control));
                }
                Some(known) if key.eq_ignore_ascii_case("Voice-Message") => known.voice = counts(value),
                Some(_) => {}
            }
        }
        summary.ok_or("Bad Message Summary")
    }
}

/// `2/8 (0/2)`.
fn counts(value: &str) -> Option<Counts> {
    let (all, urgent) = value.split_once('(').unwrap_or((value, "0/0)"));
    let (new, old) = pair(all)?;
    let (urgent_new, urgent_old) = pair(urgent.trim_end().trim_end_matches(')'))?;
    Some(Counts { new, old, urgent_new, urgent_old })
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let (one, other) = text.split_once('/')?;
    Some((number(one)?, number(other)?))
}

fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}
