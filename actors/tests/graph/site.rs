//! The sample site for Exchange Online, as it is written, against a service of the test's own.

use std::{ffi::OsString, fs, path::Path, sync::Arc, time::Duration};

use ringpost::{
    outbox::Status,
    settings::{ChannelKind, GraphDelivery, Proof, Secret},
};
use ringpost_actors::{
    channel::{self, Letters, token::Tokens},
    load,
    outbox::Post,
};

use crate::{
    authority::{Authority, params, server_config},
    exchange::Exchange,
    property,
    support::{by_mail, list, mail_only, outbox, schedule, settled},
};

/// The sample's channel with these variables of the environment.
fn online(folder: &Path, variables: &[(&str, String)]) -> ringpost::settings::Channel {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/sites/exchange-online.toml");
    let text = fs::read_to_string(sample).expect("the sample is there");
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let site = load::merged(&folder.join("site.toml"), text, variables);
    let site = site.unwrap_or_else(|problems| panic!("{problems:?}"));
    let mut channels = site.channels.into_iter();
    channels.find(|channel| channel.name.as_str() == "online").expect("[channel.online]")
}

#[test]
fn the_sample_site_puts_notices_into_the_inbox() {
    let folder = tempfile::tempdir().expect("a folder");
    let ours = Authority::new("ours");
    ours.site(folder.path(), &["localhost"]);
    let exchange = Exchange::start(Some(server_config(&ours.signs(&params(&["localhost"])))));
    let at = |path: &str| exchange.url(path).replace("127.0.0.1", "localhost");
    let sample = online(folder.path(), &[]);
    let ChannelKind::Graph(graph) = &sample.kind else { panic!("{sample:?}") };
    assert_eq!(
        (graph.deliver, graph.url.as_str()),
        (GraphDelivery::Inbox, "https://graph.microsoft.com/v1.0")
    );
    assert_eq!(graph.oauth.scope, "https://graph.microsoft.com/.default");
    assert!(matches!(&graph.oauth.proof, Proof::Certificate { .. }));
    let ca = folder.path().join("ca/own.pem").display().to_string();
    let mut here = online(
        folder.path(),
        &[
            ("RINGPOST_CHANNEL__ONLINE__URL", at("/v1.0")),
            ("RINGPOST_CHANNEL__ONLINE__TOKEN_URL", at("/t/token")),
            ("RINGPOST_CHANNEL__ONLINE__CA", ca),
        ],
    );
    let ChannelKind::Graph(graph) = &mut here.kind else { panic!("{here:?}") };
    // The scope follows the service, so that a national cloud needs no other key than url and token_url.
    assert_eq!(graph.oauth.scope, at("/.default"));
    graph.oauth.proof = Proof::Secret(Secret("s3cret".into()));
    let channel = channel::channel(&here, &Tokens::default(), &Letters::default()).expect("a channel");
    actix::System::new().block_on(async {
        let channels = mail_only(Arc::clone(&channel));
        let (outbox, scribe) = outbox(None, schedule(Duration::from_secs(3)), &channels);
        let item = by_mail("a", "ada@example.com");
        outbox.send(Post(item)).await.expect("alive").expect("written");
        settled(&scribe).await;
        assert_eq!(list(&scribe, Some(Status::Delivered)).await.len(), 1);
    });
    let kept = exchange.kept();
    assert_eq!((kept.len(), kept[0].mailbox.as_str(), kept[0].folder), (1, "ada@example.com", "inbox"));
    assert_eq!(property(&kept[0], "String 0x001A"), Some("IPM.Note.Microsoft.Missed.Voice"));
}
