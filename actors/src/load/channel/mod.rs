//! `[channel.NAME]`, and `[mail]` as the channel `mail`. A further kind is a line of `KINDS` and a loader of its keys.

mod ews;
mod graph;
mod login;
mod notices;
pub mod oauth;
mod webhook;

use ringpost::{
    outbox::ChannelName,
    settings::{Channel, ChannelKind, Mail, MailAuth, MailUrl, Outbox, PASSWORD_REST},
};

use super::{mail, raw::Raw, section::Section, user};

pub use notices::{Telling, entries, for_users, of_site};
pub use oauth::https;

/// Reads the keys of one kind; `None` after a problem.
type Loader = fn(&mut Section<'_>) -> Option<ChannelKind>;

/// Every kind: its name, whether it reaches only users with a `mail`, and its loader.
const KINDS: [(&str, bool, Loader); 5] = [
    ("smtp", true, smtp),
    ("maildir", true, maildir),
    ("ews", true, ews::ews),
    ("graph", true, graph::graph),
    ("webhook", false, webhook::webhook),
];

/// A channel as users name it. It is known even where its table has a problem.
#[derive(Clone)]
pub struct Known {
    pub name: ChannelName,
    pub wants_mail_address: bool,
}

/// Reads every `[channel.NAME]`. The channels without a problem, and all the names.
pub fn channels(table: Option<Section<'_>>, outbox: Option<&Outbox>) -> (Vec<Channel>, Vec<Known>) {
    let (mut channels, mut known) = (Vec::new(), Vec::new());
    for (name, mut section) in table.map(Section::named).unwrap_or_default() {
        let kind = section.required("kind", kind);
        let name_is_fit = fit(&name).map_err(|what| section.refuse("kind", what));
        let name = ChannelName::from(name.as_str());
        known.push(Known {
            name: name.clone(),
            wants_mail_address: kind.is_some_and(|(_, wants_mail, _)| wants_mail),
        });
        let Some((_, _, load)) = kind else { continue };
        let kind = load(&mut section);
        let pace = pace(&mut section, outbox);
        section.end();
        if let (Ok(()), Some(kind), Some((at_once, schedule))) = (name_is_fit, kind, pace) {
            channels.push(Channel { name, kind, at_once, schedule });
        }
    }
    (channels, known)
}

/// Reads `[mail]`; `None` after a problem.
pub fn mail(mut section: Section<'_>, outbox: Option<&Outbox>) -> Option<(Mail, Channel)> {
    let mail = mail::mail(&mut section);
    let pace = pace(&mut section, outbox);
    section.end();
    let (mail, (at_once, schedule)) = (mail?, pace?);
    let kind = ChannelKind::Mail(mail.clone());
    Some((mail, Channel { name: ChannelName::mail().clone(), kind, at_once, schedule }))
}

fn kind(raw: &Raw<'_>) -> Result<(&'static str, bool, Loader), String> {
    let name = raw.text()?;
    KINDS.into_iter().find(|(kind, ..)| *kind == name).ok_or_else(|| {
        let kinds: Vec<_> = KINDS.iter().map(|(kind, ..)| format!("{kind:?}")).collect();
        format!("wants one of {}, not {name:?}", kinds.join(", "))
    })
}

/// Names stand in the store, in metrics and in variables of the environment.
fn fit(name: &str) -> Result<(), String> {
    let plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    match name {
        "um" | "mail" => {
            Err(format!("the name {name:?} is taken: [mail] is \"mail\", the user's UM is \"um\""))
        }
        name if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) => {
            Err("a channel's name is at most 32 small letters, digits and hyphens".to_owned())
        }
        _ => Ok(()),
    }
}

/// The keys that every kind has.
fn pace(section: &mut Section<'_>, outbox: Option<&Outbox>) -> Option<(usize, Outbox)> {
    let at_once = section.optional("at_once", |raw| raw.count(1..=1000));
    let first_retry = section.optional("first_retry", Raw::duration);
    let longest_retry = section.optional("longest_retry", Raw::duration);
    let give_up_after = section.optional("give_up_after", Raw::duration);
    let patience = section.optional("patience", Raw::duration);
    let outbox = outbox?;
    let schedule = Outbox {
        first_retry: first_retry.unwrap_or(outbox.first_retry),
        longest_retry: longest_retry.unwrap_or(outbox.longest_retry),
        give_up_after: give_up_after.unwrap_or(outbox.give_up_after),
        patience: patience.unwrap_or(outbox.patience),
    };
    if schedule.first_retry > schedule.longest_retry {
        section.refuse("first_retry", "must not be longer than longest_retry");
        return None;
    }
    let at_once = usize::try_from(at_once.unwrap_or(8)).expect("read within 1 to 1000");
    Some((at_once, schedule))
}

fn smtp(section: &mut Section<'_>) -> Option<ChannelKind> {
    let mail = mail::mail(section)?;
    if let MailUrl::Maildir(_) = mail.url {
        section.refuse("url", "is a Maildir: that is kind = \"maildir\" with a path");
        return None;
    }
    Some(ChannelKind::Mail(mail))
}

fn maildir(section: &mut Section<'_>) -> Option<ChannelKind> {
    let path = section.required("path", Raw::path);
    let from = section.required("from", user::mail);
    Some(ChannelKind::Mail(Mail {
        url: MailUrl::Maildir(path?),
        from: from?,
        ca: None,
        auth: MailAuth::Password,
        password_rest: PASSWORD_REST,
    }))
}
