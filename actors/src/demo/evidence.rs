//! What the demonstration has left behind: the call log, the notices in the store, and the mails.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use mail_parser::{Address, Message, MessageParser, MimeHeaders};
use ringpost::{
    notify::CallRecord,
    outbox::Status,
    voicemail::{
        g711::{Codec, time_of},
        wav::{Format, Wav},
    },
};

use super::{media::share_of_pitch, page::Page, peer::Missing};
use crate::store::{Listed, Sqlite, Store};

/// How long a mail or a line of the call log may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than all stories together leave.
const ALL: usize = 1_000;

/// The folder of the demonstration.
pub struct Evidence {
    /// The folder.
    pub folder: PathBuf,
}

/// A mail, parsed back from its file.
pub struct Letter {
    /// Its file, below the folder.
    pub file: PathBuf,
    /// The Call-ID that it names.
    pub call_id: String,
    /// Content-Class.
    pub class: String,
    headers: Vec<(&'static str, String)>,
    text: String,
    /// What is attached.
    pub attachment: Option<Attachment>,
}

/// A file in a mail.
pub struct Attachment {
    name: String,
    octets: usize,
    sound: Option<(Codec, Vec<u8>)>,
}

impl Evidence {
    /// The call's line in the call log.
    pub async fn call(&self, call_id: &str) -> Result<CallRecord, Missing> {
        let found = || {
            let calls = self.store()?.calls(ALL).ok()?;
            calls.into_iter().find(|call| call.call_id == call_id)
        };
        until("a line in the call log", found).await
    }

    /// The call's notices, once all of them are delivered; at least one of `channel`.
    pub async fn notices(&self, call_id: &str, channel: Option<&str>) -> Result<Vec<Listed>, Missing> {
        let found = || {
            let mut notices = self.store()?.list(None, ALL).ok()?;
            notices.retain(|listed| listed.item.notice.call_id == call_id);
            let all = notices.iter().all(|listed| listed.status == Status::Delivered);
            let there = channel.is_none_or(|channel| {
                notices.iter().any(|listed| listed.item.way.channel().as_str() == channel)
            });
            (all && there).then_some(notices)
        };
        until("a delivered notice in the outbox", found).await
    }

    /// The call's mail.
    pub async fn letter(&self, call_id: &str) -> Result<Letter, Missing> {
        until("a mail", || self.letter_now(call_id)).await
    }

    /// The call's mail, if there is one by now.
    pub fn letter_now(&self, call_id: &str) -> Option<Letter> {
        self.letters().ok()?.into_iter().find(|letter| letter.call_id == call_id)
    }

    /// Every mail, by file name.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn letters(&self) -> io::Result<Vec<Letter>> {
        let mut letters = Vec::new();
        for file in self.files()? {
            if file.starts_with("mail") && file.parent().is_some_and(|folder| folder.ends_with("new")) {
                letters.extend(Letter::read(&file, &fs::read(self.folder.join(&file))?));
            }
        }
        Ok(letters)
    }

    /// Every file of the folder, sorted, as paths below it.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(self.folder.join(&folder))? {
                let entry = entry?;
                let path = folder.join(entry.file_name());
                if entry.file_type()?.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        Ok(files)
    }

    fn store(&self) -> Option<Sqlite> {
        Sqlite::view(&self.folder.join("ringpost.db")).ok()
    }
}

impl Letter {
    fn read(file: &Path, octets: &[u8]) -> Option<Self> {
        let mail = MessageParser::default().parse(octets)?;
        let header = |name: &str| mail.header_raw(name).unwrap_or_default().trim().to_owned();
        let date = mail.date().map(|date| date.to_rfc822()).unwrap_or_default();
        let headers = vec![
            ("From", mail.from().map(shown).unwrap_or_default()),
            ("To", mail.to().map(shown).unwrap_or_default()),
            ("Subject", mail.subject().unwrap_or_default().to_owned()),
            ("Date", date),
        ];
        Some(Self {
            file: file.to_owned(),
            call_id: header("X-CallID"),
            class: header("Content-Class"),
            headers,
            text: mail.body_text(0).unwrap_or_default().replace("\r\n", "\n"),
            attachment: Attachment::read(&mail),
        })
    }

    /// What it is about.
    pub fn subject(&self) -> &str {
        self.headers.iter().find(|(name, _)| *name == "Subject").map_or("", |(_, value)| value)
    }

    /// Shows it as a mail reader would.
    pub fn show(&self, page: &Page) {
        let headers = self.headers.iter().map(|(name, value)| format!("{:<9}{value}\n", format!("{name}:")));
        let mut text: String = headers.collect();
        text.push('\n');
        text.push_str(self.text.trim_end());
        if let Some(attachment) = &self.attachment {
            text.push_str(&format!("\n\nAttached: {}", attachment.words()));
        }
        page.framed(&self.file.display().to_string(), &text);
    }
}

#[cfg(test)]
impl Letter {
    /// A mail of that class, with that much of A-law attached.
    pub fn of(class: &str, samples: Option<Vec<u8>>) -> Self {
        let attachment = samples.map(|samples| Attachment {
            name: "a.wav".into(),
            octets: samples.len(),
            sound: Some((Codec::Pcma, samples)),
        });
        let (file, call_id, class) = (PathBuf::new(), String::new(), class.to_owned());
        Self { file, call_id, class, headers: vec![], text: String::new(), attachment }
    }
}

impl Attachment {
    fn read(mail: &Message<'_>) -> Option<Self> {
        let part = mail.attachments().next()?;
        let octets = part.contents();
        let sound = Wav::read(octets).ok().and_then(|wav| match wav.format {
            Format::G711(codec) => Some((codec, wav.samples.to_vec())),
            Format::Pcm16 => None,
        });
        let name = part.attachment_name().unwrap_or_default().to_owned();
        Some(Self { name, octets: octets.len(), sound })
    }

    /// How long it sounds, and how much of it is a tone of that pitch; `None` if it is no telephone sound.
    pub fn tone(&self, hertz: f64) -> Option<(Duration, f64)> {
        let (codec, samples) = self.sound.as_ref()?;
        Some((time_of(samples.len() as u64), share_of_pitch(hertz, *codec, samples)))
    }

    fn words(&self) -> String {
        let sound = self.sound.as_ref().map_or("no sound".to_owned(), |(codec, samples)| {
            format!("{:.1} s of {}", time_of(samples.len() as u64).as_secs_f64(), codec.name())
        });
        format!("{}, {} octets, {sound}", self.name, self.octets)
    }
}

fn shown(address: &Address<'_>) -> String {
    let one = |addr: &mail_parser::Addr<'_>| match (addr.name(), addr.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => address.or(name).unwrap_or_default().to_owned(),
    };
    address.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Looks until there is something.
async fn until<T>(what: &str, found: impl Fn() -> Option<T>) -> Result<T, Missing> {
    let late = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return Ok(found);
        }
        if Instant::now() > late {
            return Err(Missing(format!("waited in vain for {what}")));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
