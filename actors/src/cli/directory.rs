//! `ringpost directory`: what the directory says of somebody, and a poll at once.

use std::{fmt::Write, process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use ringpost::{
    counted::counted,
    directory::{
        Directory,
        ldap::{Filter, Meaning},
        person::{Person, person},
        users::why_no_user,
    },
    identity::contact,
    settings::{Ldap, Site, User},
};
use ringpost_actors::{
    control::{self, Order, Synced},
    directory::{Search, keep, mirror::Summary, servers::Servers, subtree},
    stage::joined,
};

use super::{
    BAD_SITE, SiteFile, complain, printed,
    queue::{clean, failed},
    read,
};

/// Persons that are shown of a live question.
const MOST: usize = 20;

#[derive(Subcommand)]
pub enum What {
    /// Ask the directory for changes at once, through the running Ringpost: exit 0 and what has changed, or 1 and why not
    SyncNow {
        #[command(flatten)]
        site: SiteFile,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// What the directory says of a person, and which user that makes; exit 1 where nobody is found
    Show(Show),
}

#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    site: SiteFile,
    /// A SIP or mail address, or a number
    who: String,
    /// Ask the directory itself and not its copy
    #[arg(long)]
    live: bool,
}

/// Does it.
pub fn run(what: What) -> Result<ExitCode, ExitCode> {
    match what {
        What::SyncNow { site, json } => sync_now(&site, json),
        What::Show(show) => shown(&show),
    }
}

fn sync_now(site: &SiteFile, json: bool) -> Result<ExitCode, ExitCode> {
    let read = read(&site.config)?;
    let has_book = read.book.enabled && !read.http.listen.is_empty();
    let site = if has_book { Arc::new(read) } else { with_directory(site)?.0 };
    let Some(store) = &site.store.path else {
        complain("ringpost: a running Ringpost is spoken with beside its store, and [store] path is not set");
        return Err(ExitCode::from(BAD_SITE));
    };
    match control::ask::<Synced>(store, &Order::SyncDirectory).map_err(failed)? {
        None => Err(failed("no Ringpost of this site is running")),
        Some(Err(why)) => Err(failed(format!("the directory cannot be read: {}", clean(&why)))),
        Some(Ok(summary)) if json => Ok(printed(&format!("{}\n", serde_json::json!(summary)))),
        Some(Ok(summary)) => Ok(printed(&told(&summary))),
    }
}

fn entries(count: u64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

fn told(summary: &Summary) -> String {
    let Summary { persons, users, added, changed, removed, whole, server, took, left_out, .. } = summary;
    let book =
        summary.book.map(|book| format!("{} in the address book\n", entries(book))).unwrap_or_default();
    if server.is_empty() {
        return book;
    }
    let how = if *whole { "read as a whole" } else { "asked for changes" };
    let mut text = format!(
        "{server} {how} in {} ms: {added} new, {changed} changed, {removed} gone\n{}, {}\n",
        took.as_millis(),
        counted(*persons, "person"),
        counted(*users, "user"),
    );
    if summary.plans_changed {
        text += "the UM dial plans have changed\n";
    }
    if *left_out > 0 {
        let _ = writeln!(
            text,
            "{} left out, not being what it should be; the log says which at the level debug",
            counted(*left_out, "value")
        );
    }
    text + &book
}

/// The site, and what it says of its directory.
fn with_directory(site: &SiteFile) -> Result<(Arc<Site>, Arc<Ldap>), ExitCode> {
    let read = read(&site.config)?;
    match read.ldap.clone() {
        Some(ldap) => Ok((Arc::new(read), ldap)),
        None => {
            complain(&format!("{}: directory.servers: there are none", site.config.display()));
            Err(ExitCode::from(BAD_SITE))
        }
    }
}

fn shown(show: &Show) -> Result<ExitCode, ExitCode> {
    let (site, ldap) = with_directory(&show.site)?;
    let (roster, at) = keep::snapshot(&ldap);
    if at.is_none() && !show.live {
        return Err(failed(format!("there is no copy of the directory yet at {}", ldap.snapshot.display())));
    }
    let directory = joined(site, roster);
    let persons = match show.live {
        true => asked(&directory.site, &ldap, &show.who)?,
        false => found(&directory, &show.who),
    };
    if persons.is_empty() {
        return Err(failed("the directory knows nobody of that address or number"));
    }
    let texts: Vec<_> = persons.iter().map(|person| described(person, &directory, &ldap)).collect();
    Ok(printed(&texts.join("\n")))
}

/// Whom the copy knows by that address or number.
fn found(directory: &Directory, who: &str) -> Vec<Person> {
    let bare = who.split_once(':').map_or(who, |(_, bare)| bare);
    let is =
        |address: &str| address.split_once(':').map_or(address, |(_, bare)| bare).eq_ignore_ascii_case(bare);
    let has =
        |person: &Person| person.sip.as_deref().is_some_and(is) || person.mails.iter().any(|mail| is(mail));
    let mut persons: Vec<_> = directory.people().roster().persons().filter(has).collect();
    let here = &directory.site.outbound.numbering;
    persons.extend(directory.people().owner(bare, |number| contact::normal(number, here)));
    persons.dedup_by_key(|person| person.id);
    persons
}

/// Whom the directory itself knows by it.
fn asked(site: &Site, ldap: &Arc<Ldap>, who: &str) -> Result<Vec<Person>, ExitCode> {
    let bare = who.split_once(':').map_or(who, |(_, bare)| bare);
    let normal = contact::normal(bare, &site.outbound.numbering);
    let mut any = vec![];
    for (_, meaning) in Meaning::ALL {
        for name in ldap.attributes.names(meaning) {
            match meaning {
                Meaning::Mail => any.push(Filter::equal(name, bare)),
                Meaning::Sip => any.push(Filter::equal(name, format!("sip:{bare}"))),
                Meaning::Proxies => {
                    any.extend(["smtp", "sip"].map(|kind| Filter::equal(name, format!("{kind}:{bare}"))));
                }
                Meaning::Number(_) => {
                    let numbers = normal.iter().map(String::as_str).chain([bare]);
                    any.extend(numbers.flat_map(|one| {
                        [Filter::equal(name, one), Filter::equal(name, format!("tel:{one}"))]
                    }));
                }
                _ => {}
            }
        }
    }
    let filter = ldap.filter.clone().and(Filter::Or(any)).to_string();
    let attributes = ldap.attributes.of_persons();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let mut servers = Servers::new(Arc::clone(ldap)).map_err(failed)?;
        let (_, mut session) = servers.session(&[]).await.map_err(failed)?;
        let mut persons = vec![];
        for base in &ldap.bases {
            let search = Search { base, scope: subtree(), filter: &filter, attributes: &attributes };
            let mut take = |record| {
                if persons.len() < MOST {
                    persons.extend(person(&record, &ldap.attributes).0);
                }
                Ok(())
            };
            session.search(&search, &mut take).await.map_err(failed)?;
        }
        Ok(persons)
    })
}

/// What is known of a person, a line for each thing, and the user.
fn described(person: &Person, directory: &Directory, ldap: &Ldap) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12} {}", clean(value));
    };
    line("name", &person.name);
    line("entry", &person.dn);
    line("id", &person.id.to_string());
    for (name, value) in
        [("company", &person.company), ("department", &person.department), ("title", &person.title)]
    {
        value.iter().for_each(|value| line(name, value));
    }
    person.sip.iter().for_each(|sip| line("sip", sip));
    person.mails.iter().for_each(|mail| line("mail", mail));
    for number in &person.numbers {
        line(number.kind.name(), &number.text);
    }
    for eum in &person.eum {
        line("UM", &format!("{} in {}", eum.address, eum.context));
    }
    let user = person.sip.as_deref().and_then(|sip| directory.by_address(sip));
    match (user, &ldap.users) {
        (Some(user), _) => uses(user, &mut line),
        (None, None) => line("user", "no: the site has no [directory.users]"),
        (None, Some(settings)) => {
            let why = why_no_user(settings, person)
                .unwrap_or("another entry has the same address, or the copy is older");
            line("user", &format!("no: {why}"));
        }
    }
    text
}

fn uses(user: &User, line: &mut impl FnMut(&str, &str)) {
    line("user", &user.address);
    line("  reached by", &user.numbers.join(" "));
    line("  devices", &user.devices.join(" "));
    line("  UM plan", user.um_plan.as_deref().unwrap_or("none"));
    line("  missed by", &format!("{:?}", user.missed_calls).to_lowercase());
    line("  mail", user.mail.as_deref().unwrap_or("none"));
}
