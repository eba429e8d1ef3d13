//! `[notices]`: templates in place of the shipped words, and what goes along with a notice.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use ringpost::{
    notify::{ID, LARGEST, TemplateFault, Templates},
    settings::{Audio, Manner, Recordings},
};

use super::{channel::https, raw::Raw, section::Section, trunk::one_of};

/// Faults told of one folder; the first ones mostly explain the others.
const TOLD: usize = 20;

/// Reads `templates`: the site's words, tried.
pub fn templates(section: &mut Section<'_>) -> Templates {
    section.optional("templates", folder).unwrap_or_default()
}

/// Reads `link`.
pub fn link(section: &mut Section<'_>) -> Option<String> {
    section.optional("link", |raw| {
        let url = https(raw)?;
        if url.contains(ID) { Ok(url) } else { Err(format!("wants {ID} where the recording's name goes")) }
    })
}

/// Reads the keys that a user has too; what is left out is as in `usual`.
pub fn manner(section: &mut Section<'_>, usual: Manner, has_link: bool) -> Manner {
    let voicemail = section.optional("voicemail", |raw| match one_of(raw, &Recordings::ALL)? {
        Recordings::Link if !has_link => Err("\"link\" needs the site's [notices] link".to_owned()),
        voicemail => Ok(voicemail),
    });
    let audio = section.optional("audio", |raw| one_of(raw, &Audio::ALL));
    let vcard = section.optional("vcard", Raw::flag);
    Manner {
        voicemail: voicemail.unwrap_or(usual.voicemail),
        audio: audio.unwrap_or(usual.audio),
        vcard: vcard.unwrap_or(usual.vcard),
    }
}

/// Every template of a folder, tried.
fn folder(raw: &Raw<'_>) -> Result<Templates, String> {
    let folder = raw.path()?;
    let files = files(&folder).map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    let (files, unread): (Vec<_>, Vec<_>) = files.into_iter().partition(|(_, source)| source.is_ok());
    let unread = unread.into_iter().filter_map(|(file, source)| {
        Some(TemplateFault { file, line: None, what: format!("cannot be read: {}", source.err()?) })
    });
    let unread: Vec<_> = unread.collect();
    let files = files.into_iter().filter_map(|(file, source)| Some((file, source.ok()?))).collect();
    let read = Templates::read(files);
    let faults = match read {
        Ok(templates) if unread.is_empty() => return Ok(templates),
        Ok(_) => unread,
        Err(faults) => [unread, faults].concat(),
    };
    let mut told = faults.iter().take(TOLD).map(|fault| format!("{}/{fault}", folder.display()));
    let last = told.next().unwrap_or_default();
    told.for_each(|fault| raw.refuse(fault));
    Err(last)
}

/// The files that are meant to be templates, by their names.
fn files(folder: &Path) -> io::Result<Vec<(String, io::Result<String>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if Templates::is_meant(&name) {
            // One octet more than is allowed tells that there is too much.
            let mut source = String::new();
            let read = File::open(entry.path())
                .and_then(|file| file.take(LARGEST as u64 + 1).read_to_string(&mut source));
            files.push((name, read.map(|_| source)));
        }
    }
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(files)
}
