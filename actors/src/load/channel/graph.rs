//! `kind = "graph"`.

use ringpost::settings::{ChannelKind, Graph, GraphDelivery};
use url::Url;

use super::oauth;
use crate::load::{raw::Raw, section::Section, user};

/// The service of the world beside the national clouds.
const SERVICE: &str = "https://graph.microsoft.com/v1.0";

/// Reads the keys of the kind; `None` after a problem.
pub fn graph(section: &mut Section<'_>) -> Option<ChannelKind> {
    let url = match section.has("url") {
        true => section.optional("url", service),
        false => Some(SERVICE.to_owned()),
    };
    let from = section.required("from", user::mail);
    let deliver = section.optional("deliver", deliver);
    let ca = section.optional("ca", Raw::path);
    // A token is good for one service: https://HOST/.default asks for all that the application may do there.
    let scope = url.as_deref().and_then(|url| Url::parse(url).ok()).map(|mut url| {
        url.set_path("/.default");
        url.to_string()
    });
    let oauth = oauth::oauth(section, scope.as_deref().unwrap_or_default());
    Some(ChannelKind::Graph(Graph {
        url: url?,
        from: from?,
        deliver: deliver.unwrap_or(GraphDelivery::Mime),
        ca,
        oauth: oauth?,
    }))
}

fn service(raw: &Raw<'_>) -> Result<String, String> {
    let url = oauth::https(raw)?;
    match url.contains(['?', '#']) {
        true => Err(format!("wants no more than a path, as in {SERVICE:?}")),
        false => Ok(url.trim_end_matches('/').to_owned()),
    }
}

fn deliver(raw: &Raw<'_>) -> Result<GraphDelivery, String> {
    match raw.text()? {
        "mime" => Ok(GraphDelivery::Mime),
        "json" => Ok(GraphDelivery::Json),
        "inbox" => Ok(GraphDelivery::Inbox),
        other => Err(format!("wants \"mime\", \"json\" or \"inbox\", not {other:?}")),
    }
}
