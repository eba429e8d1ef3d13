//! `[presence.publish.NAME]`: whether its server is there, lets us in and takes what is published, shown by a request that
//! changes nothing there.

use std::{rc::Rc, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ringpost::{
    presence::{microsoft::ledger::Ledger, publication::Request, subscription::Package},
    settings::{ChannelKind, PublishServer, PublishTo, PublishWhat, SipServer, User},
};

use super::{
    Ward,
    chain::{Chain, End, Sheet},
    door::{Door, SECTION},
    sip::{Far, There, goes_there, options, way_there},
    talk::Said,
};
use crate::{
    channel::http::{Http, client_config, roots},
    port::errand::Errand,
    presence::outward::{post::Post, service::Service},
};

/// The right that Graph wants for what users of Teams do.
const RIGHT: &str = "Presence.ReadWrite.All";

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    ward.site.presence.publish.iter().map(|one| chain(ward, one)).collect()
}

fn chain(ward: &Rc<Ward>, settings: &PublishServer) -> Chain {
    let step = format!("publish.{}", settings.name);
    let (ward, settings) = (Rc::clone(ward), Arc::new(settings.clone()));
    if !ward.site.presence.enabled {
        return Chain::one(&format!("{step}.user"), |sheet| async move {
            sheet.skips("[presence] is not enabled");
            Some(())
        });
    }
    let sip = match &settings.to {
        PublishTo::Sip(sip) => sip.clone(),
        PublishTo::Teams { channel, .. } => {
            let channel = channel.as_str().to_owned();
            return Chain::one(&format!("{step}.rights"), move |sheet| async move {
                rights(&sheet, &ward, &channel).await
            });
        }
    };
    let mut steps = way_there(&step, &sip.target);
    steps.extend(["options", "user"].map(|word| format!("{step}.{word}")));
    Chain::new(steps, move |sheet| async move {
        let far = Far {
            uri: sip.target.clone(),
            host: ward.site.sip.domain.clone(),
            key: format!("server of [presence.publish.{}]", settings.name),
            section: SECTION,
            may_be_silent: false,
        };
        let there = goes_there(&sheet, &ward, &far).await?;
        options(&sheet, &ward, &there, &far).await?;
        user(&sheet, &ward, (&settings, &sip), &there).await
    })
}

/// The requests for one user, each with what it is about.
fn errands(settings: &Arc<PublishServer>, sip: &SipServer, user: &User) -> Vec<(&'static str, Errand)> {
    let address: Arc<str> = user.address.as_str().into();
    match &sip.what {
        PublishWhat::Packages { packages, .. } => {
            // A tag that the server cannot know: it says so, and nothing is published (RFC 3903 §6). In the shape of Kamailio's, which
            // takes others for faults of its own.
            let tag = Some("a.1.1.1.0".into());
            let post = |package: Package| Post {
                settings: Arc::clone(settings),
                user: Arc::clone(&address),
                package,
                request: Request { tag: tag.clone(), expires: settings.terms().expires, body: false },
                body: bytes::Bytes::new(),
            };
            packages.iter().map(|package| (package.name(), post(*package).errand(sip))).collect()
        }
        PublishWhat::Categories { .. } => {
            let batch = Ledger::new(Arc::clone(&address)).batch(&[], false);
            let settings = Arc::clone(settings);
            let service = Service { settings, user: address, expires: 0, batch };
            vec![("SERVICE", service.errand(sip))]
        }
    }
}

async fn user(
    sheet: &Sheet,
    ward: &Ward,
    (settings, sip): (&Arc<PublishServer>, &SipServer),
    there: &There,
) -> End {
    let Some(user) = ward.sample_or_skip(sheet, settings.users.as_deref(), |_| true) else { return Some(()) };
    let door = Door {
        ward,
        step: format!("publish.{}.user", settings.name),
        who: format!("[presence.publish.{}]", settings.name),
        login: sip.login.as_ref(),
    };
    let mut told = vec![];
    for (what, errand) in errands(settings, sip, user) {
        let (talk, said) = door.knocks(sheet, there, &errand).await?;
        let code = said.code();
        match refused(&door, &said, what) {
            None => {
                told.push(format!("{what} of {}: understood ({code}, {})", errand.uri, door.proven(&said)))
            }
            Some((found, remedy)) => {
                let said = format!("{} {found} to {} of {}", talk.place(), errand.method, errand.uri);
                return sheet.failed(&said, remedy);
            }
        }
    }
    sheet.ok(&told.join("; "));
    Some(())
}

/// Why it would not take a publication; `None`: it would.
fn refused(door: &Door<'_>, said: &Said, what: &str) -> Option<(String, String)> {
    let code = said.code();
    if let Some(refusal) = door.refusal(said) {
        return Some(refusal);
    }
    let who = &door.who;
    let remedy = match code {
        404 | 410 | 604 => {
            format!("See that the server of {who} has this user under this address, or name others in users.")
        }
        489 => format!("It takes no {what}: choose other packages in {who}."),
        405 | 501 => format!(
            "It takes no such request: see that kind of {who} is right, and that this is the presence server."
        ),
        // 412, 423 and what a server has against this very request show that it would take a right one.
        _ => return None,
    };
    Some((format!("answers {code}"), remedy))
}

/// Whether the application of a channel may tell Teams; its token says so.
async fn rights(sheet: &Sheet, ward: &Ward, channel: &str) -> End {
    let found = ward.site.channels.iter().find(|one| one.name.as_str() == channel)?;
    let ChannelKind::Graph(graph) = &found.kind else { return None };
    let believed = roots(graph.ca.as_deref()).and_then(client_config);
    let http = believed
        .map_err(|error| error.to_string())
        .and_then(|tls| Http::over(tls, |builder| builder).map_err(|error| error.to_string()));
    let source =
        http.and_then(|http| ward.tokens.source(&graph.oauth, &http).map_err(|error| error.to_string()));
    let token = match source {
        Ok(source) => source.token().await.map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    let Ok(token) = token else {
        sheet.skips(&format!("needs channel.{channel}.token"));
        return Some(());
    };
    match roles(token.bearer()) {
        Some(roles) if roles.iter().any(|role| role == RIGHT) => {
            sheet.ok(&format!("the application has {RIGHT}"))
        }
        Some(_) => {
            let remedy = format!(
                "Grant the application {RIGHT} (application permission, with the consent of an administrator)."
            );
            return sheet.failed(&format!("the application has no {RIGHT}"), remedy);
        }
        None => sheet.skips("the token does not say what the application may"),
    }
    Some(())
}

/// What a token of Microsoft's says that the application may; `None`: it is of another kind.
fn roles(token: &str) -> Option<Vec<String>> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    let roles = claims.get("roles").map_or(Some(vec![]), |roles| roles.as_array().cloned())?;
    Some(roles.iter().filter_map(|role| role.as_str().map(str::to_owned)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_application_may_stands_in_its_token() {
        let token = |claims: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        let of = |claims: &str| roles(&token(claims));
        assert_eq!(of("{\"roles\":[\"Mail.Send\"]}"), Some(vec!["Mail.Send".to_owned()]));
        assert_eq!(of("{\"aud\":\"x\"}"), Some(vec![]), "none at all");
        assert_eq!((of("nonsense"), roles("opaque"), roles("a.!.b")), (None, None, None));
    }
}
