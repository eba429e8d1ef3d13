//! The servers of `[directory]`, each by itself: its name, TLS, the login, what is to be read, and a person.

use std::{rc::Rc, sync::Arc};

use ringpost::{
    counted::counted,
    directory::{
        ldap::{Filter, Meaning, Record},
        person::{Kind, Person, person},
    },
    doctor::advice,
    settings::{Ldap, LdapBind, LdapServer, LdapTls},
};

use super::{
    Ward,
    chain::{Chain, End, Sheet},
    peer::{Service, Trust},
};
use crate::directory::{Refusal, Search, Session, servers::Servers};

/// The key of the site file that names the servers.
const KEY: &str = "[directory] servers";

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    let Some(ldap) = &ward.site.ldap else { return vec![] };
    ldap.servers.iter().map(|server| chain(ward, ldap, server)).collect()
}

fn chain(ward: &Rc<Ward>, ldap: &Ldap, server: &LdapServer) -> Chain {
    let step = format!("ldap.{}:{}", server.host, server.port);
    let implicit = server.tls == LdapTls::Implicit;
    let mut steps = vec![format!("{step}.dns")];
    steps.extend(implicit.then(|| format!("{step}.certificate")));
    steps.extend([format!("{step}.login"), format!("{step}.bases"), format!("{step}.person")]);
    let (ward, server, mut settings) = (Rc::clone(ward), server.clone(), ldap.clone());
    settings.servers = vec![server.clone()];
    settings.timeout = settings.timeout.min(ward.timeout * 4 / 5);
    settings.talk.connect_timeout = settings.talk.connect_timeout.min(ward.timeout * 2 / 5);
    Chain::new(steps, move |sheet| async move {
        let service = Service { host: server.host.clone(), port: server.port, key: KEY.to_owned() };
        let at = service.resolves(&sheet).await?;
        if implicit {
            service.shows(&sheet, &at, &Trust::Only(settings.ca.clone()), &ward.site.tls).await?;
        }
        let settings = Arc::new(settings);
        let mut session = log_in(&sheet, &ward, &settings, &format!("{step}.login")).await?;
        bases(&sheet, &settings, &mut session).await?;
        one(&sheet, &ward, &settings, &mut session).await
    })
}

/// The password is shown once, whatever the number of servers: they share their accounts.
async fn log_in(sheet: &Sheet, ward: &Ward, settings: &Arc<Ldap>, step: &str) -> Option<Session> {
    let turn = match &settings.bind {
        LdapBind::Simple(user, password) => {
            if let Some(why) = ward.program.rests("directory") {
                sheet.failed(
                    &format!("the password is not shown again: {why}"),
                    advice::password("password_file"),
                );
                return None;
            }
            match ward.passwords.turn(user, &password.0).await {
                Ok(turn) => Some(turn),
                Err(at) => {
                    sheet.skips(&format!("the same login was refused in {at}"));
                    return None;
                }
            }
        }
        LdapBind::Anonymous | LdapBind::Gssapi => None,
    };
    let mut servers = match Servers::new(Arc::clone(settings)) {
        Ok(servers) => servers,
        Err(error) => {
            sheet.failed(
                &error.to_string(),
                "Name a PEM file that this user may read in [directory] ca.".to_owned(),
            );
            return None;
        }
    };
    match servers.session(&[]).await {
        Ok((_, session)) => {
            let who =
                if turn.is_some() { "the name and the password are taken" } else { "nobody has to log in" };
            sheet.ok(who);
            Some(session)
        }
        Err(refusal) => {
            if let (Refusal::Password(_), Some(turn)) = (&refusal, turn) {
                turn.refused(step);
            }
            sheet.failed(&refusal.to_string(), remedy(&refusal));
            None
        }
    }
}

fn remedy(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Password(_) => advice::password("password_file of [directory]"),
        Refusal::Tls(why) => advice::certificate(why, "ca of [directory]", KEY),
        Refusal::NoStartTls(..) | Refusal::WantsTls(_) => {
            "Give the server a certificate, and use ldaps:// or StartTLS.".to_owned()
        }
        Refusal::Result { .. } | Refusal::TooMuch(..) => {
            "Give Ringpost's account the right to read persons below bases, page by page.".to_owned()
        }
        Refusal::Unreachable(_)
        | Refusal::Silent(..)
        | Refusal::Lost(_)
        | Refusal::Early
        | Refusal::Spoilt(_) => advice::no_connection(KEY),
        Refusal::Unusable(_) => "Correct bind_name and password_file of [directory].".to_owned(),
    }
}

async fn bases(sheet: &Sheet, settings: &Ldap, session: &mut Session) -> End {
    for base in settings.bases.iter().chain(&settings.configuration) {
        match session.entry(base, &["objectClass"]).await {
            Ok(Some(_)) => {}
            Ok(None) => {
                let remedy =
                    "Correct bases and configuration of [directory]; the account has to see these entries.";
                return sheet.failed(
                    &format!("there is no entry {base}, or it is hidden from the account"),
                    remedy.to_owned(),
                );
            }
            Err(refusal) => return sheet.failed(&format!("{base}: {refusal}"), remedy(&refusal)),
        }
    }
    sheet.ok(&format!("{} can be read", settings.bases.join(" and ")));
    Some(())
}

/// Whoever has that address or number.
fn wanted(settings: &Ldap, text: &str) -> Filter {
    let bare = text.trim_start_matches("sip:");
    let mut any = vec![];
    for (meaning, value) in [
        (Meaning::Mail, bare.to_owned()),
        (Meaning::Sip, format!("sip:{bare}")),
        (Meaning::Proxies, format!("smtp:{bare}")),
        (Meaning::Proxies, format!("sip:{bare}")),
        (Meaning::Number(Kind::Telephone), bare.to_owned()),
        (Meaning::Number(Kind::IpPhone), bare.to_owned()),
        (Meaning::Number(Kind::Line), format!("tel:{bare}")),
    ] {
        any.extend(settings.attributes.names(meaning).iter().map(|name| Filter::equal(name, &value)));
    }
    settings.filter.clone().and(Filter::Or(any))
}

async fn one(sheet: &Sheet, ward: &Ward, settings: &Ldap, session: &mut Session) -> End {
    let Some(text) = &ward.wanted else {
        sheet.skips("--user names a person who is looked for");
        return Some(());
    };
    let filter = wanted(settings, text).to_string();
    let attributes = settings.attributes.of_persons();
    let mut found: Option<Record> = None;
    for base in &settings.bases {
        let search = Search { base, scope: ldap3::Scope::Subtree, filter: &filter, attributes: &attributes };
        let mut first = |record: Record| {
            found.get_or_insert(record);
            Ok(())
        };
        if let Err(refusal) = session.search(&search, &mut first).await {
            return sheet.failed(&refusal.to_string(), remedy(&refusal));
        }
    }
    let Some(record) = found else {
        let remedy = "See that filter and bases of [directory] hold that person, and which attributes its address stands in.";
        return sheet.failed("nobody there has that address or number", remedy.to_owned());
    };
    match person(&record, &settings.attributes) {
        (Some(person), faults) if faults.is_empty() => sheet.ok(&told(&person)),
        (Some(person), faults) => {
            let remedy = Some("Correct these attributes in the directory.".to_owned());
            sheet.note(&format!("{}; {} left out", told(&person), counted(faults.len(), "value")), remedy);
        }
        (None, _) => {
            let remedy =
                "Name the attributes that hold its name and its id in [directory.attributes].".to_owned();
            return sheet.failed("the entry is there, and makes no person", remedy);
        }
    }
    Some(())
}

/// What is known of a person, but not who it is: the admin has said that.
fn told(person: &Person) -> String {
    let has = |there: bool, what: &str| if there { format!(", {what}") } else { format!(", no {what}") };
    let kinds: Vec<&str> = person.numbers.iter().map(|number| number.kind.name()).collect();
    let numbers = if kinds.is_empty() { "no number".to_owned() } else { kinds.join(", ") };
    format!(
        "a person with {numbers}{}{}{}",
        has(person.sip.is_some(), "SIP address"),
        has(!person.mails.is_empty(), "mail address"),
        has(person.um_plan.is_some(), "UM dial plan")
    )
}
