//! Microsoft Graph, and the tokens of identity providers, which other channels use too.

use std::rc::Rc;

use ringpost::{
    doctor::advice,
    oauth::Refusal,
    settings::{self, GraphDelivery, OAuth, SourceKind},
};

use super::{
    Ward,
    chain::{Chain, End, Sheet},
    peer::{Service, Trust},
};
use crate::channel::{
    Channel, Closed, Graph, Opened,
    http::Http,
    token::{SetupError, TokenError},
};

pub fn chains(ward: &Rc<Ward>, channel: &str, settings: &settings::Graph) -> Vec<Chain> {
    let step = format!("channel.{channel}");
    let service = Service::of(&settings.url, format!("url of channel {channel}"));
    let secure = service.as_ref().is_some_and(|(_, secure)| *secure);
    let mut steps = vec![format!("{step}.dns")];
    steps.extend(secure.then(|| format!("{step}.certificate")));
    steps.push(format!("{step}.mailbox"));
    let reads = ward.asked_for.is_some() && reads_contacts(ward, channel);
    steps.extend(reads.then(|| format!("{step}.contacts")));
    let (doctor, settings, name) = (Rc::clone(ward), settings.clone(), channel.to_owned());
    let token = token_chain(ward, channel, &settings.oauth, Trust::Only(settings.ca.clone()));
    let whole = Chain::new(steps, move |sheet| async move {
        let (service, _) = service?;
        let at = service.resolves(&sheet).await?;
        if secure {
            service.shows(&sheet, &at, &Trust::Only(settings.ca.clone()), &doctor.site.tls).await?;
        }
        let graph = match Graph::new(&settings, &doctor.tokens) {
            Ok(graph) => graph.patient_for(doctor.timeout * 4 / 5),
            Err(error) => return sheet.failed(&error.to_string(), advice::token(&name)),
        };
        mailbox(&sheet, &doctor, &graph, &settings, &name).await?;
        if reads { contacts(&sheet, &doctor, std::sync::Arc::new(graph)).await } else { Some(()) }
    });
    vec![token, whole]
}

/// Whether callers' names are asked of that channel.
pub fn reads_contacts(ward: &Ward, name: &str) -> bool {
    ward.site.identity.sources.iter().any(
        |source| matches!(&source.kind, SourceKind::Contacts { channel, .. } if channel.as_str() == name),
    )
}

/// The contacts of whom the admin names: only then, for they are that one's own.
pub async fn contacts(sheet: &Sheet, ward: &Ward, channel: std::sync::Arc<dyn Channel>) -> End {
    let mailbox = ward.mailbox()?;
    let contacts = channel.contacts()?;
    match contacts.page(&mailbox, None).await {
        Ok(page) => {
            sheet.ok(&format!("contacts can be read, {} in the first part", page.contacts.len()));
            Some(())
        }
        Err(why) => {
            let remedy = "Give the application Contacts.Read, or the account rights on the folder Contacts."
                .to_owned();
            sheet.failed(&format!("contacts cannot be read: {why}"), remedy)
        }
    }
}

async fn mailbox(
    sheet: &Sheet,
    ward: &Ward,
    graph: &Graph,
    settings: &settings::Graph,
    channel: &str,
) -> End {
    let mailbox = match settings.deliver {
        GraphDelivery::Inbox => ward.mailbox(),
        GraphDelivery::Mime | GraphDelivery::Json => Some(settings.from.clone()),
    };
    let Some(mailbox) = mailbox else {
        sheet.skips("no user has a mail address whose mailbox could be looked at");
        return Some(());
    };
    let rights = match settings.deliver {
        GraphDelivery::Inbox => "Mail.ReadWrite",
        GraphDelivery::Mime | GraphDelivery::Json => "Mail.Send",
    };
    match graph.opens(&mailbox).await {
        Ok(Opened::Yes) => sheet.ok("a mailbox can be looked into"),
        Ok(Opened::Unread) => {
            sheet.ok("Graph takes the token; the application may not read, which sending does not need");
        }
        Err(Closed::Token) => sheet.skips(&format!("needs channel.{channel}.token")),
        Err(Closed::Rights(why)) => {
            let remedy = format!(
                "Grant the application {rights} (application permission, with the consent of an administrator)."
            );
            return sheet.failed(&why, remedy);
        }
        Err(Closed::Other(why)) => {
            let remedy = format!(
                "See that url is that of your cloud, and that {} is a mailbox in Exchange Online.",
                if settings.deliver == GraphDelivery::Inbox { "the user's mail" } else { "from" }
            );
            return sheet.failed(&why, remedy);
        }
    }
    Some(())
}

/// The identity provider of a channel: its name, its certificate, a token.
pub fn token_chain(ward: &Rc<Ward>, channel: &str, oauth: &OAuth, trust: Trust) -> Chain {
    let step = format!("channel.{channel}.token");
    let service = Service::of(&oauth.token_url, format!("token_url of channel {channel}"));
    let secure = service.as_ref().is_some_and(|(_, secure)| *secure);
    let mut steps = vec![format!("{step}-dns")];
    steps.extend(secure.then(|| format!("{step}-certificate")));
    steps.push(step);
    let (ward, oauth, channel) = (Rc::clone(ward), oauth.clone(), channel.to_owned());
    Chain::new(steps, move |sheet| async move {
        let (service, _) = service?;
        let at = service.resolves(&sheet).await?;
        if secure {
            service.shows(&sheet, &at, &trust, &ward.site.tls).await?;
        }
        let remedy = || advice::token(&format!("channel {channel}"));
        let http = trust
            .config()
            .and_then(|tls| Http::over(tls, |builder| builder).map_err(|error| error.to_string()));
        let http = match http {
            Ok(http) => http,
            Err(error) => return sheet.failed(&error, remedy()),
        };
        let source = match ward.tokens.source(&oauth, &http) {
            Ok(source) => source,
            Err(error @ (SetupError::File { .. } | SetupError::Apart)) => {
                let remedy = "Name the application's certificate and its RSA key in client_certificate and client_key.";
                return sheet.failed(&error.to_string(), remedy.to_owned());
            }
        };
        match source.token().await {
            Ok(_) => {
                sheet.ok("the identity provider grants one");
                Some(())
            }
            Err(error @ TokenError::Refused(Refusal::Application(_))) => {
                sheet.failed(&error.to_string(), remedy())
            }
            Err(error) => sheet.failed(
                &error.to_string(),
                advice::no_connection(&format!("token_url of channel {channel}")),
            ),
        }
    })
}
