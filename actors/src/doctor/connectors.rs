//! `[[presence.connector]]`: whether its server is there, lets us in, knows the packages that it is asked for, and tells something
//! of a user. It is asked once and for now (RFC 6665 §4.4.3), so that no subscription is left there.

use std::{rc::Rc, sync::Arc, time::Duration};

use ringpost::{
    doctor::advice,
    presence::{
        subscription::Package,
        watching::{
            Notice, Order,
            connector::Lists,
            meaning::{Reading, is_of},
            subscription::Request,
        },
    },
    settings::{PresenceConnector, User},
    sip::Method,
};

use super::{
    Ward,
    chain::{Chain, End, Sheet},
    door::{Door, SECTION},
    sip::{Far, There, goes_there, options, way_there},
    talk::{Said, Talk},
};
use crate::{
    entropy,
    presence::connect::probe::{Feed, Key, Post, of_user, state},
};

/// A refusal: what was found, and what to do.
type Refused = (String, String);

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    ward.site.presence.connectors.iter().map(|one| chain(ward, one)).collect()
}

fn chain(ward: &Rc<Ward>, settings: &PresenceConnector) -> Chain {
    let step = format!("connector.{}", settings.name);
    let off = match (ward.site.presence.enabled, settings.enabled) {
        (false, _) => Some("[presence] is not enabled"),
        (true, false) => Some("it is not enabled"),
        (true, true) => None,
    };
    if let Some(why) = off {
        return Chain::one(&format!("{step}.user"), move |sheet| async move {
            sheet.skips(why);
            Some(())
        });
    }
    let mut steps = way_there(&step, &settings.target);
    steps.extend(["options", "user"].map(|word| format!("{step}.{word}")));
    let (ward, settings) = (Rc::clone(ward), Arc::new(settings.clone()));
    Chain::new(steps, move |sheet| async move {
        let far = Far {
            uri: settings.target.clone(),
            host: ward.site.sip.domain.clone(),
            key: format!("server of connector {}", settings.name),
            section: SECTION,
            may_be_silent: true,
        };
        let there = goes_there(&sheet, &ward, &far).await?;
        options(&sheet, &ward, &there, &far).await?;
        user(&sheet, &ward, &settings, &there).await
    })
}

/// One user, by everything that the connector asks for.
async fn user(sheet: &Sheet, ward: &Ward, settings: &Arc<PresenceConnector>, there: &There) -> End {
    let fits = |user: &User| !of_user(settings, user).is_empty();
    let Some(user) = ward.sample_or_skip(sheet, settings.users.as_deref(), fits) else { return Some(()) };
    let door = Door {
        ward,
        step: format!("connector.{}.user", settings.name),
        who: format!("connector {}", settings.name),
        login: settings.login.as_ref(),
    };
    let (mut told, mut warned) = (vec![], None);
    for (key, feed) in of_user(settings, user) {
        let (talk, said) = door.knocks(sheet, there, &errand(settings, &key)).await?;
        let place = talk.place();
        match subscribed(&door, (talk, said), settings, (&key, &feed)).await {
            Ok((found, warning)) => {
                told.push(found);
                warned = warned.or(warning);
            }
            Err((found, remedy)) => {
                return sheet.failed(&format!("{place} {found} to a SUBSCRIBE for {}", key.uri), remedy);
            }
        }
    }
    match warned {
        Some(remedy) => sheet.warns(&told.join("; "), remedy),
        None => sheet.ok(&told.join("; ")),
    }
    Some(())
}

/// What the connector itself would send, but for now only.
fn errand(settings: &Arc<PresenceConnector>, key: &Key) -> crate::port::errand::Errand {
    let (uri, list) = match &settings.lists {
        Lists::None => (&key.uri, None),
        Lists::Server(uri) => (uri, Some(vec![])),
        Lists::Request(uri, _) => (uri, Some(vec![Arc::clone(&key.uri)])),
    };
    let mut random = entropy::source();
    let tag = u64::from(random()) << 32 | u64::from(random());
    let request = Request { serial: 0, tag, within: None, sequence: 1, expires: 0 };
    let order = Order { subscription: 0, request, uri: Arc::clone(uri), package: key.package, list };
    Post { settings: Arc::clone(settings), order }.errand(1)
}

/// What a SUBSCRIBE came to: what was found, and a remedy where that is less than is wanted.
async fn subscribed(
    door: &Door<'_>,
    (mut talk, said): (Talk, Said),
    settings: &PresenceConnector,
    (key, feed): (&Key, &Feed),
) -> Result<(String, Option<String>), Refused> {
    let (package, code) = (key.package, said.code());
    match code {
        200..300 => {}
        423 => return Ok((format!("{} for {} is understood", package.name(), key.uri), None)),
        _ => return Err(refused(door, &said, settings, package)),
    }
    let proven = door.proven(&said);
    let patience = door.ward.timeout.min(Duration::from_secs(10)) / 5;
    let of = format!("{} of {}", package.name(), key.uri);
    let heard = tokio::time::timeout(patience, talk.hears(Method::Notify)).await;
    let Ok(Ok(notify)) = heard else {
        let found = format!("{of}: it is taken ({code}, {proven}), and no NOTIFY has come here");
        // A connection of its own would lead to nobody here.
        let remedy = (!talk.is_stream()).then(|| {
            "If users stay unknown too, let the firewall pass NOTIFYs from that server to this machine."
                .to_owned()
        });
        return Ok((found, remedy));
    };
    let notice = Notice::read(&notify, package).map_err(|code| {
        (format!("sends a NOTIFY that would be answered {code}"), advice::sip_unwell(SECTION))
    })?;
    let Some((kind, body)) = notice.body() else {
        return Ok((format!("{of}: it is taken ({proven}), and nothing is known now"), None));
    };
    if !is_of(package, kind) {
        let kind = String::from_utf8_lossy(kind).into_owned();
        return match settings.lists {
            Lists::None => Err((format!("tells {kind}"), other_package(settings))),
            // The parts of a list are read by the connector.
            _ => Ok((format!("{of}: the list is told ({proven})"), None)),
        };
    }
    let mut reading = Reading::default();
    let custom = |name: &str| door.ward.site.presence.states.get(name).copied();
    if reading.take(package, &body, custom, (0, u64::MAX)).is_err() {
        return Err(("tells a document that cannot be read".to_owned(), other_package(settings)));
    }
    let told = state(&reading.meant, feed).unwrap_or_else(|| "unknown".to_owned());
    Ok((format!("{of}: {told} ({proven})"), None))
}

fn refused(door: &Door<'_>, said: &Said, settings: &PresenceConnector, package: Package) -> Refused {
    let code = said.code();
    let found = format!("answers {code}");
    if let Some(refusal) = door.refusal(said) {
        return refusal;
    }
    let name = &settings.name;
    let remedy = match code {
        404 | 410 | 604 if settings.lists != Lists::None => {
            format!(
                "See that list of connector {name} is a list of that server, or ask for users one by one without lists."
            )
        }
        404 | 410 | 604 => format!(
            "See that domain of connector {name} ({}) is what that server calls itself, and that it knows this extension or address.",
            settings.domain
        ),
        415 | 420 | 421 if settings.lists != Lists::None => {
            format!(
                "It takes no lists of that kind: choose another lists in connector {name}, or leave it out."
            )
        }
        406 | 489 => format!("It does not know {}: {}", package.name(), other_package(settings)),
        405 | 501 => {
            "It takes no subscriptions: see that the server is the PBX's presence server.".to_owned()
        }
        _ => advice::sip_refuses(SECTION),
    };
    (found, remedy)
}

fn other_package(settings: &PresenceConnector) -> String {
    let name = &settings.name;
    format!("Choose another package (telephony), or leave out rich or messages, in connector {name}.")
}
