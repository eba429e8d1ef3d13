//! `[presence.calendar.NAME]`: whether the server of its channel tells the calendar of a user. That it is reached, and takes the
//! login, is shown by the channel's own steps.

use std::{rc::Rc, sync::Arc};

use jiff::Timestamp;
use ringpost::{
    calendar::{Reply, Told, Window},
    counted::counted,
    doctor::advice,
    settings::{CalendarServer, ChannelKind, EwsLogin},
};

use super::{
    Ward,
    chain::{Chain, End, Sheet},
};
use crate::channel::{Calendars, Ews, Graph, Shut};

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    let chain = |settings: &CalendarServer| {
        let (ward, settings) = (Rc::clone(ward), settings.clone());
        Chain::one(&format!("calendar.{}.user", settings.name), |sheet| async move {
            user(&sheet, &ward, &settings).await
        })
    };
    ward.site.presence.calendars.iter().map(chain).collect()
}

async fn user(sheet: &Sheet, ward: &Ward, settings: &CalendarServer) -> End {
    let skips = |why: &str| {
        sheet.skips(why);
        Some(())
    };
    if !ward.site.presence.enabled {
        return skips("[presence] is not enabled");
    }
    let sample = ward.sample(settings.users.as_deref(), |user| user.mail.is_some());
    let mailbox: Arc<str> = match sample.map(|user| user.mail.clone()) {
        Ok(Some(mailbox)) => mailbox.into(),
        Ok(None) => return skips("no user has a mail address"),
        Err(why) => return skips(&why),
    };
    let channel = settings.channel.as_str();
    let remedy = || format!("See the steps of channel.{channel}: the calendar is asked for by it.");
    let server: Arc<dyn Calendars> = match opened(sheet, ward, settings, &mailbox).await? {
        Ok(server) => server,
        Err(why) => return sheet.failed(&why, remedy()),
    };
    let window = Window::at(Timestamp::now(), settings.slots);
    let mut reply = server.schedules(std::slice::from_ref(&mailbox), window, settings.out_of_office).await;
    if let Ok(Reply { told, .. }) = &reply
        && told[..] == [Told::Found]
    {
        // Autodiscover was asked; now its server is.
        reply = server.schedules(&[mailbox], window, settings.out_of_office).await;
    }
    match reply.map(|mut reply| reply.told.pop()) {
        Ok(Some(Told::Shown(schedule))) => {
            let slots = counted(schedule.slots.len(), "quarter of an hour");
            sheet.ok(&format!("free and busy times of a user are told, {} ahead", plural(&slots)));
            Some(())
        }
        Ok(Some(Told::Hidden(closed) | Told::Later(closed))) => {
            let rights = "Let the account of that channel read free and busy times of users (in Graph: Calendars.Read; in Exchange: \
                          the organization's default), and see that the mailbox is there.";
            sheet.failed(&format!("the calendar of a user is closed: {closed}"), rights.to_owned())
        }
        Ok(Some(Told::Found) | None) => sheet.failed("its answer has no calendar", remedy()),
        Err(why) => sheet.failed(&why.to_string(), remedy()),
    }
}

/// `128 quarters of an hour`.
fn plural(counted: &str) -> String {
    counted.replace("quarter of an hours", "quarters of an hour")
}

/// The server of the channel, where its password may be shown.
async fn opened(
    sheet: &Sheet,
    ward: &Ward,
    settings: &CalendarServer,
    mailbox: &str,
) -> Option<Result<Arc<dyn Calendars>, String>> {
    let channel = ward.site.channels.iter().find(|one| one.name == settings.channel)?;
    let ews = match &channel.kind {
        ChannelKind::Graph(graph) => {
            let graph = Graph::new(graph, &ward.tokens).map(|graph| graph.patient_for(ward.timeout * 4 / 5));
            return Some(
                graph.map(|graph| Arc::new(graph) as Arc<dyn Calendars>).map_err(|error| error.to_string()),
            );
        }
        ChannelKind::Ews(ews) => ews,
        ChannelKind::Mail(_) | ChannelKind::Webhook(_) => return None,
    };
    let mut patient = ews.clone();
    patient.request_timeout = patient.request_timeout.min(ward.timeout * 4 / 5);
    let server = match Ews::new(patient, &ward.tokens) {
        Ok(server) => server,
        Err(error) => return Some(Err(error.to_string())),
    };
    if let EwsLogin::Basic { user, password } | EwsLogin::Ntlm { user, password } = &ews.login {
        let channel = channel.name.as_str();
        if let Some(why) = ward.program.rests(channel) {
            sheet.failed(
                &format!("the password is not shown again: {why}"),
                advice::password("password_file"),
            );
            return None;
        }
        let turn = match ward.passwords.turn(user, &password.0).await {
            Ok(turn) => turn,
            Err(at) => {
                sheet.skips(&format!("the same login was refused in {at}"));
                return None;
            }
        };
        let shown = match server.discovers(mailbox).await {
            Ok(url) => server.opens_inbox(&url, mailbox).await,
            Err(shut) => Err(shut),
        };
        // Whether it may look into the Inbox is the channel's business.
        if let Err(Shut::Login(why)) = shown {
            turn.refused(&format!("calendar.{}.user", settings.name));
            return Some(Err(why));
        }
    }
    Some(Ok(Arc::new(server)))
}
