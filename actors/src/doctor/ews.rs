//! Exchange on premises: Autodiscover in the order of R28, EWS, and a mailbox.

use std::{rc::Rc, sync::Arc};

use futures_util::future::join_all;
use ringpost::{
    doctor::advice,
    settings::{Autodiscover, Ews as Settings, EwsLogin, EwsServer, Place},
};

use super::{
    Ward,
    chain::{Chain, End, Sheet},
    graph::{contacts, reads_contacts, token_chain},
    peer::{Service, Trust},
};
use crate::channel::{Ews, Knock, Shut};

struct Examined {
    ward: Rc<Ward>,
    settings: Settings,
    channel: String,
}

pub fn chains(ward: &Rc<Ward>, channel: &str, settings: &Settings) -> Vec<Chain> {
    let step = format!("channel.{channel}");
    let one = Examined { ward: Rc::clone(ward), settings: settings.clone(), channel: channel.to_owned() };
    let mut steps = match &settings.server {
        EwsServer::Url(_) => {
            vec![format!("{step}.dns"), format!("{step}.certificate"), format!("{step}.alive")]
        }
        EwsServer::Autodiscover(_) => vec![format!("{step}.autodiscover")],
    };
    steps.push(format!("{step}.mailbox"));
    let reads = ward.asked_for.is_some() && reads_contacts(ward, channel);
    steps.extend(reads.then(|| format!("{step}.contacts")));
    let mut chains = vec![Chain::new(steps, move |sheet| async move { one.looks(&sheet, reads).await })];
    if let EwsLogin::OAuth(oauth) = &settings.login {
        chains.insert(0, token_chain(ward, channel, oauth, Trust::Only(settings.ca.clone())));
    }
    chains
}

impl Examined {
    async fn looks(&self, sheet: &Sheet, reads: bool) -> End {
        let mut settings = self.settings.clone();
        settings.request_timeout = settings.request_timeout.min(self.ward.timeout * 4 / 5);
        let ews = match Ews::new(settings, &self.ward.tokens) {
            Ok(ews) => ews,
            Err(error) => {
                let remedy =
                    "Correct ca, or what the application proves itself by, in the channel.".to_owned();
                return sheet.failed(&error.to_string(), remedy);
            }
        };
        match &self.settings.server {
            EwsServer::Url(url) => self.server(sheet, &ews, url).await?,
            EwsServer::Autodiscover(settings) => self.places(sheet, &ews, settings).await?,
        }
        self.mailbox(sheet, &ews).await?;
        if reads { contacts(sheet, &self.ward, Arc::new(ews)).await } else { Some(()) }
    }

    async fn server(&self, sheet: &Sheet, ews: &Ews, url: &str) -> End {
        let (service, _) = Service::of(url, format!("url of channel {}", self.channel))?;
        let at = service.resolves(sheet).await?;
        service.shows(sheet, &at, &Trust::Only(self.settings.ca.clone()), &self.ward.site.tls).await?;
        let remedy = || {
            format!("See that the {} ends in /EWS/Exchange.asmx and is that of Exchange itself.", service.key)
        };
        match ews.knock(url).await {
            Knock::Lives(said) => sheet.ok(&said),
            Knock::Nothing(why) => return sheet.failed(&why, service.refused(&why, "ca")),
            // It may be a test server, or one whose proxy wants no login for GET: the mailbox tells.
            Knock::Strange(said) | Knock::Redirects(said) => {
                sheet.warns(&format!("it does not ask for credentials: {said}"), remedy())
            }
        }
        Some(())
    }

    /// Every place in its order, asked without credentials; one that lives is enough.
    async fn places(&self, sheet: &Sheet, ews: &Ews, settings: &Autodiscover) -> End {
        let Some(mailbox) = self.ward.mailbox() else {
            sheet.skips("no user has a mail address that Autodiscover could be asked for");
            return None;
        };
        let (https, http) = settings.ports;
        let domain = mailbox.rsplit_once('@').map_or("", |(_, domain)| domain);
        let port = |port: u16, usual: u16| if port == usual { String::new() } else { format!(":{port}") };
        let knocked = join_all(settings.order.iter().map(|place| async move {
            let path = "/autodiscover/autodiscover.xml";
            let url = match place {
                Place::Domain => format!("https://{domain}{}{path}", port(https, 443)),
                Place::Host => format!("https://autodiscover.{domain}{}{path}", port(https, 443)),
                Place::Redirect => format!("http://autodiscover.{domain}{}{path}", port(http, 80)),
            };
            (place, ews.knock(&url).await)
        }));
        let (mut told, mut lives) = (vec![], false);
        for (place, knock) in knocked.await {
            let (alive, said) = match (knock, place) {
                (Knock::Lives(said), Place::Domain | Place::Host) | (Knock::Redirects(said), _) => {
                    (true, said)
                }
                (Knock::Lives(said), Place::Redirect) => {
                    (false, format!("{said}, which plain http is not believed"))
                }
                (Knock::Strange(said), _) => (false, format!("{said}: not Autodiscover")),
                (Knock::Nothing(why), _) => (false, why),
            };
            lives |= alive;
            told.push(format!("{}: {said}", place.name()));
        }
        let told = told.join("; ");
        if lives {
            sheet.ok(&told);
            return Some(());
        }
        let remedy = format!(
            "Add autodiscover.{domain} to the DNS with a certificate of that name, or name the server in url of channel {}.",
            self.channel
        );
        sheet.failed(&told, remedy)
    }

    async fn mailbox(&self, sheet: &Sheet, ews: &Ews) -> End {
        let Some(mailbox) = self.ward.mailbox() else {
            sheet.skips("no user has a mail address whose mailbox could be looked at");
            return Some(());
        };
        let remedy = || advice::password("password_file");
        if let Some(why) = self.ward.program.rests(&self.channel) {
            return sheet.failed(&format!("the password is not shown again: {why}"), remedy());
        }
        let turn = match &self.settings.login {
            EwsLogin::Basic { user, password } | EwsLogin::Ntlm { user, password } => {
                match self.ward.passwords.turn(user, &password.0).await {
                    Ok(turn) => Some(turn),
                    Err(at) => {
                        sheet.skips(&format!("the same login was refused in {at}"));
                        return None;
                    }
                }
            }
            EwsLogin::OAuth(_) => None,
        };
        let opened = match ews.discovers(&mailbox).await {
            Ok(url) => ews.opens_inbox(&url, &mailbox).await,
            Err(shut) => Err(shut),
        };
        match opened {
            Ok(()) => {
                sheet.ok("the Inbox of a mailbox opens");
                Some(())
            }
            Err(Shut::Login(why)) => {
                let by_token = turn.is_none();
                if let Some(turn) = turn {
                    turn.refused(&format!("channel.{}.mailbox", self.channel));
                }
                sheet.failed(
                    &why,
                    if by_token { advice::token(&format!("channel {}", self.channel)) } else { remedy() },
                )
            }
            Err(Shut::Token) => {
                sheet.skips(&format!("needs channel.{}.token", self.channel));
                None
            }
            Err(Shut::Other(why)) => {
                let remedy = "See that the mailbox is on that server, and give the account the role ApplicationImpersonation, or \
                              rights on the mailbox with access = \"delegate\".";
                sheet.failed(&why, remedy.to_owned())
            }
        }
    }
}
