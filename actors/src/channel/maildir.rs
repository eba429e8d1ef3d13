//! Writes notices into Maildirs, one per user: for sites without a mail server, and for trying things out.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use futures_util::future::BoxFuture;
use ringpost::outbox::{Delivery, Item, Key};

use super::{Channel, Letters, blocking, built, later, sync_folder};

/// The channel.
pub struct Maildir {
    root: PathBuf,
    from: String,
    letters: Letters,
}

impl Maildir {
    /// Maildirs below `root`, each named after its user's mail address.
    pub fn new(root: PathBuf, from: String) -> Self {
        Self { root, from, letters: Letters::default() }
    }

    /// Writes by these letters.
    #[must_use]
    pub fn with_letters(self, letters: Letters) -> Self {
        Self { letters, ..self }
    }
}

impl Channel for Maildir {
    fn deliver<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Delivery> {
        Box::pin(async {
            let mail = match built(item, &self.from, &self.letters).await {
                Ok(mail) => mail,
                Err(delivery) => return delivery,
            };
            let folder = self.root.join(folder_name(item.notice.mail.as_deref().unwrap_or_default()));
            let name = format!("{}.ringpost", Key::of(&item.notice));
            match blocking(move || put(&folder, &name, &mail.formatted())).await {
                Ok(()) => Delivery::Delivered,
                Err(error) => later(error),
            }
        })
    }

    fn tells_together(&self) -> bool {
        true
    }
}

/// Writes one mail so that it is wholly there or not at all, and once: the name comes from the notice, so a retry
/// finds what an earlier try has written, even after a reader has moved it to `cur`.
fn put(folder: &Path, name: &str, mail: &[u8]) -> io::Result<()> {
    let [tmp, new, cur] = ["tmp", "new", "cur"].map(|part| folder.join(part));
    if !cur.is_dir() {
        [&tmp, &new, &cur].into_iter().try_for_each(fs::create_dir_all)?;
        sync_folder(folder)?;
        folder.parent().map_or(Ok(()), sync_folder)?;
    }
    if new.join(name).exists() || is_read(&cur, name)? {
        return Ok(());
    }
    let written = tmp.join(name);
    let mut file = fs::File::create(&written)?;
    file.write_all(mail)?;
    file.sync_all()?;
    fs::rename(&written, new.join(name))?;
    sync_folder(&new)
}

/// Readers add `:2,` and flags to the name.
fn is_read(cur: &Path, name: &str) -> io::Result<bool> {
    for entry in fs::read_dir(cur)? {
        if entry?.file_name().to_string_lossy().starts_with(name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A mail address as a folder name: lower case, and whatever could leave the folder or hide written as `%XX`.
fn folder_name(address: &str) -> String {
    let mut name = String::new();
    for (index, octet) in address.to_lowercase().bytes().enumerate() {
        let plain =
            octet.is_ascii_alphanumeric() || b"@-_+=".contains(&octet) || (octet == b'.' && index > 0);
        if plain {
            name.push(char::from(octet));
        } else {
            name.push_str(&format!("%{octet:02X}"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_leaves_the_folder() {
        for (address, name) in [
            ("Tu@Contoso.com", "tu@contoso.com"),
            ("../../etc/passwd@x", "%2E.%2F..%2Fetc%2Fpasswd@x"),
            ("..", "%2E."),
            (".hidden@x", "%2Ehidden@x"),
            ("a\\b\0c@x", "a%5Cb%00c@x"),
            ("sø@x", "s%C3%B8@x"),
        ] {
            assert_eq!(folder_name(address), name);
        }
    }

    #[test]
    fn a_retry_writes_no_second_mail_not_even_after_it_was_read() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let folder = root.path().join("tu@contoso.com");
        let files = |part: &str| fs::read_dir(folder.join(part)).expect("a folder").count();
        put(&folder, "k.ringpost", b"mail").expect("written");
        put(&folder, "k.ringpost", b"mail").expect("written");
        assert_eq!((files("tmp"), files("new"), files("cur")), (0, 1, 0));
        fs::rename(folder.join("new/k.ringpost"), folder.join("cur/k.ringpost:2,S")).expect("moved");
        put(&folder, "k.ringpost", b"mail").expect("written");
        assert_eq!((files("tmp"), files("new"), files("cur")), (0, 0, 1));
    }
}
