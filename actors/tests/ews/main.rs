//! Notices into mailboxes of Exchange: from the outbox to the item, through every fault (issue 4; R28, T15, T24, T30).

#[path = "../transports/authority.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod authority;
mod emulator;
mod faults;
mod finding;
mod killed;
#[path = "../support/call/mod.rs"]
mod program;
mod reader;
mod sample;
#[path = "../support/mod.rs"]
mod support;
mod whole;

use std::{path::Path, sync::Arc, time::Duration};

use ringpost::{
    notify::{Kind, Notice},
    outbox::{Item, Status},
    settings::{self, EwsAccess, EwsLogin, EwsServer, EwsVersion, OAuth, Proof, Secret},
};
use ringpost_actors::{
    channel::{Ews, token::Tokens},
    outbox::Post,
};
use support::{by_mail, list, mail_only, outbox, schedule, settled};

const PASSWORD: &str = "pw";

fn basic() -> EwsLogin {
    EwsLogin::Basic { user: "svc@corp.test".into(), password: Secret(PASSWORD.into()) }
}

fn oauth(token_url: String) -> EwsLogin {
    EwsLogin::OAuth(OAuth {
        token_url,
        client_id: "app".into(),
        scope: "https://mail.corp.test/.default".into(),
        proof: Proof::Secret(Secret("s3cret".into())),
    })
}

fn settings(url: String, login: EwsLogin) -> settings::Ews {
    settings::Ews {
        server: EwsServer::Url(url),
        login,
        from: "um@corp.test".into(),
        access: EwsAccess::Impersonation,
        version: EwsVersion::Exchange2013,
        ca: None,
        request_timeout: Duration::from_millis(1200),
        password_rest: settings::PASSWORD_REST,
    }
}

fn channel(settings: &settings::Ews) -> Arc<Ews> {
    Arc::new(Ews::new(settings.clone(), &Tokens::default()).expect("a channel"))
}

fn voice(call_id: &str, mail: &str, recording: &Path) -> Item {
    let item = by_mail(call_id, mail);
    let kind =
        Kind::VoiceMail { recording: recording.to_owned(), duration: Duration::from_secs(9), urgent: false };
    Item { notice: Notice { kind, ..item.notice.clone() }, ..item }
}

/// Posts items one after the other; how the last one ended, and why.
async fn told(ews: &Arc<Ews>, give_up: Duration, items: Vec<Item>) -> (Status, String) {
    let (outbox, scribe) = outbox(None, schedule(give_up), &mail_only(ews.clone()));
    for item in items {
        outbox.send(Post(item)).await.expect("alive").expect("written");
        settled(&scribe).await;
    }
    let last = list(&scribe, None).await.into_iter().max_by_key(|one| one.id).expect("an item");
    (last.status, last.reason.unwrap_or_default())
}
