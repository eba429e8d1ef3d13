//! A mail server: its name, TLS and certificate, login, and whether it would take a mail; none is sent.

use std::rc::Rc;

use ringpost::{
    doctor::advice,
    settings::{Mail, MailAuth, MailTls, MailUrl},
};

use super::{
    Ward,
    chain::{Chain, End, Sheet},
    graph::token_chain,
    peer::{Service, Trust, lasts, validity},
};
use crate::channel::{NoSession, Session, Smtp};

pub fn chains(ward: &Rc<Ward>, channel: &str, settings: &Mail) -> Vec<Chain> {
    let MailUrl::Smtp { host, port, login, .. } = &settings.url else { return vec![] };
    let step = format!("channel.{channel}");
    let mut steps = vec![format!("{step}.dns"), format!("{step}.certificate")];
    steps.extend(login.is_some().then(|| format!("{step}.login")));
    steps.push(format!("{step}.envelope"));
    let key = if channel == "mail" { "[mail] url".to_owned() } else { format!("url of channel {channel}") };
    let service = Service { host: host.clone(), port: *port, key };
    let one =
        Examined { ward: Rc::clone(ward), settings: settings.clone(), service, channel: channel.to_owned() };
    let mut chains = vec![Chain::new(steps, move |sheet| async move { one.looks(&sheet).await })];
    if let MailAuth::OAuth(oauth) = &settings.auth {
        chains.insert(0, token_chain(ward, channel, oauth, Trust::Beside(settings.ca.clone())));
    }
    chains
}

struct Examined {
    ward: Rc<Ward>,
    settings: Mail,
    service: Service,
    channel: String,
}

impl Examined {
    async fn looks(&self, sheet: &Sheet) -> End {
        self.service.resolves(sheet).await?;
        let smtp = match Smtp::new(&self.settings, &self.ward.tokens) {
            Ok(smtp) => smtp,
            Err(error) => return sheet.failed(&error.to_string(), advice::no_connection(&self.service.key)),
        };
        self.certificate(sheet, &smtp).await?;
        let session = self.login(sheet, &smtp).await?;
        self.envelope(sheet, session).await
    }

    async fn certificate(&self, sheet: &Sheet, smtp: &Smtp) -> End {
        let MailUrl::Smtp { tls, .. } = &self.settings.url else { return None };
        let key = &self.service.key;
        match smtp.certificate().await {
            Ok(Some(shown)) => match validity(&shown) {
                Ok(validity) => lasts(sheet, &self.ward.site.tls, validity, &self.service.host),
                Err(why) => return sheet.failed(&why, advice::certificate(&why, "ca", key)),
            },
            Ok(None) if *tls == MailTls::Never => {
                sheet.ok("it answers; mails go in the open, as starttls=never says")
            }
            Ok(None) => {
                let remedy = "Have the mail server offer STARTTLS, then say starttls=required.".to_owned();
                sheet.warns("it answers, and offers no STARTTLS: mails go in the open", remedy);
            }
            Err(why) if why.contains("offers no STARTTLS") => {
                let remedy = format!(
                    "Have the mail server offer it; only for a server without login starttls=never in {key}."
                );
                return sheet.failed(&why, remedy);
            }
            Err(why) => return sheet.failed(&why, self.service.refused(&why, "ca")),
        }
        Some(())
    }

    /// A session; the password is shown once.
    async fn login(&self, sheet: &Sheet, smtp: &Smtp) -> Option<Session> {
        let MailUrl::Smtp { login, .. } = &self.settings.url else { return None };
        let step = format!("channel.{}.login", self.channel);
        let (Some((user, password)), true) = (login, self.settings.auth == MailAuth::Password) else {
            return self.without_password(sheet, smtp, login.is_some()).await;
        };
        let remedy = || advice::password("password_file");
        if let Some(why) = self.ward.program.rests(&self.channel) {
            sheet.failed(&format!("not shown again: {why}"), remedy());
            return None;
        }
        let turn = match self.ward.passwords.turn(user, &password.0).await {
            Ok(turn) => turn,
            Err(at) => {
                sheet.skips(&format!("the same login was refused in {at}"));
                return None;
            }
        };
        match smtp.session().await {
            Ok(session) => {
                sheet.ok("the user name and the password are taken");
                Some(session)
            }
            Err(NoSession::Login(why)) => {
                turn.refused(&step);
                sheet.failed(&why, remedy());
                None
            }
            Err(NoSession::Other(why)) => {
                sheet.failed(&why, advice::no_connection(&self.service.key));
                None
            }
        }
    }

    async fn without_password(&self, sheet: &Sheet, smtp: &Smtp, by_token: bool) -> Option<Session> {
        match (smtp.session().await, by_token) {
            (Ok(session), true) => {
                sheet.ok("the token is taken");
                Some(session)
            }
            (Ok(session), false) => Some(session),
            (Err(NoSession::Login(why)), true) => {
                let remedy = format!(
                    "See channel.{}.token if there is one; else put a fresh token into password_file, and see that the mailbox \
                     may use SMTP.",
                    self.channel
                );
                sheet.failed(&why, remedy);
                None
            }
            (Err(NoSession::Login(why) | NoSession::Other(why)), _) => {
                sheet.failed(&why, advice::no_connection(&self.service.key));
                None
            }
        }
    }

    async fn envelope(&self, sheet: &Sheet, mut session: Session) -> End {
        let from = &self.settings.from;
        let to = self.ward.asked_for.as_ref().and_then(|user| user.mail.clone());
        let asked = session.asks_for(from, to.as_deref()).await;
        session.quits().await;
        match asked {
            Ok(()) if to.is_some() => sheet.ok("a mail from ringpost's address to the user's would be taken; none was sent"),
            Ok(()) => sheet.ok("a mail from ringpost's address would be taken; none was sent; --user asks for a recipient too"),
            Err(why) => {
                let remedy = "Have the mail server take mails with the address in from, and relay to your users for this machine.";
                return sheet.failed(&why, remedy.to_owned());
            }
        }
        Some(())
    }
}
