//! The certificates of this site: our own, those of the CAs that it names, those that prove applications (R41, R91).

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    rc::Rc,
};

use ringpost::{
    counted::counted,
    doctor::advice,
    settings::{ChannelKind, EwsLogin, MailAuth, OAuth, Proof, Tls},
    sip::certificate::{Validity, speaks_for},
};
use rustls::{
    client::verify_server_cert_signed_by_trust_anchor,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

use super::{
    Ward,
    chain::{Chain, End, Sheet},
};
use crate::port::tls::{files, now, verify};

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    let tls = &ward.site.tls;
    let mut chains: Vec<Chain> = tls
        .identities
        .iter()
        .map(|pair| {
            let (ward, pair) = (Rc::clone(ward), pair.clone());
            Chain::one(&format!("tls.own.{}", name(&pair.0)), |sheet| async move { own(&sheet, &ward, pair) })
        })
        .collect();
    let folder = tls.ca.as_deref().and_then(|folder| files::in_folder(folder).ok()).unwrap_or_default();
    for (kind, file) in folder.into_iter().map(|file| ("ca", file)).chain(named(ward)) {
        let warning = tls.warning.as_secs().try_into().unwrap_or(i64::MAX);
        chains.push(Chain::one(&format!("tls.{kind}.{}", name(&file)), |sheet| async move {
            dated(&sheet, &file, warning)
        }));
    }
    if tls.ca.is_none() {
        let tls = tls.clone();
        chains.push(Chain::one("tls.ca", |sheet| async move { system(&sheet, &tls) }));
    }
    chains
}

fn name(file: &Path) -> String {
    file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Files of certificates that channels name: CAs, and those that their applications prove themselves by.
fn named(ward: &Ward) -> Vec<(&'static str, PathBuf)> {
    let mut named = BTreeSet::new();
    let proof = |oauth: &OAuth| match &oauth.proof {
        Proof::Certificate { certificate, .. } => Some(("application", certificate.clone())),
        Proof::Secret(_) => None,
    };
    for channel in &ward.site.channels {
        let (ca, own) = match &channel.kind {
            ChannelKind::Mail(mail) => match &mail.auth {
                MailAuth::OAuth(oauth) => (&mail.ca, proof(oauth)),
                MailAuth::Password | MailAuth::XOauth2 { .. } => (&mail.ca, None),
            },
            ChannelKind::Ews(ews) => match &ews.login {
                EwsLogin::OAuth(oauth) => (&ews.ca, proof(oauth)),
                EwsLogin::Basic { .. } | EwsLogin::Ntlm { .. } => (&ews.ca, None),
            },
            ChannelKind::Graph(graph) => (&graph.ca, proof(&graph.oauth)),
            ChannelKind::Webhook(webhook) => (&webhook.ca, None),
        };
        named.extend(ca.clone().map(|ca| ("ca", ca)));
        named.extend(own);
    }
    let folder = ward.site.tls.ca.as_deref();
    named.into_iter().filter(|(_, file)| file.parent() != folder || folder.is_none()).collect()
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match chain {
        Ok(chain) if chain.is_empty() => Err("there is no certificate in it".to_owned()),
        Ok(chain) => Ok(chain),
        Err(error) => Err(error.to_string()),
    }
}

/// Days until a certificate ends, or what is wrong with its time.
fn time(sheet: &Sheet, file: &str, validity: Validity, warning: i64) -> Result<String, End> {
    let (now, days) = (now(), validity.days(now()));
    if !validity.holds(now) {
        let said = if days < 0 {
            format!("it ended {} ago", counted(-days, "day"))
        } else {
            "it has not begun".to_owned()
        };
        return Err(sheet.failed(&said, format!("Replace {file} by one that is good now.")));
    }
    if validity.ends_within(warning, now) {
        sheet.warns(&format!("it ends in {}", counted(days, "day")), advice::renew(file));
        return Err(Some(()));
    }
    Ok(format!("ends in {}", counted(days, "day")))
}

/// A file of certificates that is believed, or shown by an application; the one that ends first counts.
fn dated(sheet: &Sheet, file: &Path, warning: i64) -> End {
    let shown = name(file);
    let read = read(file).and_then(|chain| {
        let all: Result<Vec<_>, _> = chain.iter().map(verify::validity).collect();
        all.map_err(|error| error.to_string())
    });
    match read {
        Err(error) => sheet.failed(
            &format!("{} cannot be used: {error}", file.display()),
            format!("Put certificates in PEM into {shown}, or take it away."),
        ),
        Ok(all) => {
            let first = all.iter().min_by_key(|one| one.end).copied();
            let first = first?;
            match time(sheet, &shown, first, warning) {
                Err(end) => end,
                Ok(ends) => {
                    let many =
                        if all.len() == 1 { String::new() } else { format!("the first of {} ", all.len()) };
                    sheet.ok(&format!("{many}{ends}"));
                    Some(())
                }
            }
        }
    }
}

fn own(sheet: &Sheet, ward: &Ward, pair: (PathBuf, PathBuf)) -> End {
    let (file, tls) = (name(&pair.0), &ward.site.tls);
    let one = Tls { identities: vec![pair.clone()], ..tls.clone() };
    let (identities, _) = match files::identities(&one, &default_provider()) {
        Ok(read) => read,
        Err(error) => {
            let remedy = "Name PEM files that this user may read in [tls] certificates and keys, each key with its certificate.";
            return sheet.failed(&error, remedy.to_owned());
        }
    };
    let identity = identities.first()?;
    let warning = tls.warning.as_secs().try_into().unwrap_or(i64::MAX);
    let ends = match time(sheet, &file, identity.validity, warning) {
        Ok(ends) => ends,
        Err(end) => return end,
    };
    let names = identity.names.join(", ");
    if !ward.site.tls.identities.iter().any(|pair| speaks(pair, &ward.site.sip.domain)) {
        let remedy = format!(
            "Have one issued that is of {} too: devices compare it with the domain.",
            ward.site.sip.domain
        );
        sheet.note(&format!("of {names}, {ends}; none here is of sip.domain"), Some(remedy));
        return Some(());
    }
    match signed(&identity.key.cert, tls) {
        Ok(()) => sheet.ok(&format!("of {names}, {ends}, with {} in its chain", identity.key.cert.len())),
        Err(error) => {
            let remedy = "Add the intermediate certificates behind it in its file; of an own CA, see that devices know it.";
            sheet.note(
                &format!("of {names}, {ends}; its chain is not believed here: {error}"),
                Some(remedy.to_owned()),
            );
        }
    }
    Some(())
}

fn speaks(pair: &(PathBuf, PathBuf), domain: &str) -> bool {
    let names = read(&pair.0).ok().and_then(|chain| verify::names(chain.first()?).ok());
    names.is_some_and(|names| speaks_for(&names, domain, true))
}

/// Whether whoever knows our CAs, or the system's, believes the chain.
fn signed(chain: &[CertificateDer<'_>], tls: &Tls) -> Result<(), String> {
    let (mut roots, _) = files::roots(tls, now())?;
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let (first, rest) = chain.split_first().ok_or("it is empty")?;
    let parsed = ParsedCertificate::try_from(first).map_err(|error| error.to_string())?;
    let algorithms = default_provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, rest, UnixTime::now(), algorithms)
        .map_err(|error| error.to_string())
}

fn system(sheet: &Sheet, tls: &Tls) -> End {
    match files::roots(tls, now()) {
        Ok((roots, _)) if !roots.is_empty() => {
            sheet.ok(&format!("the system knows {} CAs", roots.len()));
            Some(())
        }
        Ok(_) => {
            let remedy =
                "Install the package ca-certificates, or name a folder of CAs in [tls] ca.".to_owned();
            sheet.failed("the system knows no CA", remedy)
        }
        Err(error) => sheet.failed(&error, "Name a folder that this user may read in [tls] ca.".to_owned()),
    }
}
