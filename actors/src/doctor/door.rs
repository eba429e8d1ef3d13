//! What the SIP servers of presence and of remote call control have in common: a request that tells something only whoever is
//! let in, at the first place that answers.

use ringpost::{
    counted::counted,
    doctor::advice,
    settings::{TrunkLogin, User},
    sip::{challenge::Unanswered, digest::Challenge},
};

use super::{
    Ward,
    chain::Sheet,
    is_called,
    sip::There,
    talk::{Said, Talk},
};
use crate::port::errand::Errand;

/// The section of the guide.
pub const SECTION: &str = "Presence and remote call control";

/// A server, as whoever asks it sees it.
pub struct Door<'d> {
    pub ward: &'d Ward,
    /// The step that is under way.
    pub step: String,
    /// The table of the site file.
    pub who: String,
    pub login: Option<&'d TrunkLogin>,
}

impl Door<'_> {
    /// Asks at the first place that answers. `None`: nobody is there, or nobody is let in, which is told.
    pub async fn knocks(&self, sheet: &Sheet, (hops, host): &There, errand: &Errand) -> Option<(Talk, Said)> {
        let turn = match self.login {
            None => None,
            Some(with) => match self.ward.passwords.turn(&with.login.user, &with.login.password.0).await {
                Ok(turn) => Some(turn),
                Err(at) => {
                    sheet.skips(&format!("the same login was refused in {at}"));
                    return None;
                }
            },
        };
        let patience = self.ward.timeout * 3 / 5 / u32::try_from(hops.len().max(1)).unwrap_or(1);
        let mut told = vec![];
        for hop in hops {
            let asked = async {
                let mut talk = Talk::open(self.ward.tls.as_ref(), *hop, host.as_deref()).await?;
                let said = talk.ask(errand, self.login).await?;
                Ok::<_, String>((talk, said))
            };
            let why = match tokio::time::timeout(patience, asked).await {
                Ok(Ok((talk, said))) => {
                    let Some(why) = said.unanswered else { return Some((talk, said)) };
                    if let (Unanswered::Refused, Some(turn)) = (why, turn) {
                        turn.refused(&self.step);
                    }
                    let (found, remedy) = self.unproved(&said, why);
                    sheet.failed(&format!("{} {found}", talk.place()), remedy);
                    return None;
                }
                Ok(Err(why)) => why,
                Err(_) => "no answer".to_owned(),
            };
            told.push(format!("{} {}: {why}", hop.address, hop.transport.name()));
        }
        sheet.failed(&told.join("; "), advice::no_sip(&format!("server in {}", self.who), SECTION));
        None
    }

    fn unproved(&self, said: &Said, why: Unanswered) -> (String, String) {
        let (code, who) = (said.code(), &self.who);
        match why {
            Unanswered::NoLogin => {
                ("asks for a login, and has none".to_owned(), advice::sip_login(code, None, who))
            }
            Unanswered::Refused => {
                ("does not take the login".to_owned(), advice::password(&format!("password_file of {who}")))
            }
            Unanswered::Foreign | Unanswered::Unreadable => {
                let realm = Challenge::of(&said.answer).into_iter().next().map(|one| one.realm);
                let realm = realm.map(|realm| String::from_utf8_lossy(&realm).into_owned());
                let found = match &realm {
                    Some(realm) => format!("asks for a login of another realm, \"{realm}\""),
                    None => format!("answers {code} with a challenge that cannot be read"),
                };
                (found, advice::sip_login(code, realm.as_deref(), who))
            }
        }
    }

    /// What an answer says that every request may get: what was found, and what to do. `None`: it says more than that.
    pub fn refusal(&self, said: &Said) -> Option<(String, String)> {
        let (code, who) = (said.code(), &self.who);
        let remedy = match code {
            401 | 407 | 403 | 603 => advice::sip_login(code, None, who),
            408 | 500..=599 if code != 501 => advice::sip_unwell(SECTION),
            _ => return None,
        };
        Some((format!("answers {code}"), remedy))
    }

    /// What was found of the login, in words.
    pub fn proven(&self, said: &Said) -> &'static str {
        match (said.challenged, self.login) {
            (true, _) => "the login is taken",
            (false, Some(_)) => "it does not ask for the login",
            (false, None) => "it asks for no login",
        }
    }
}

impl Ward {
    /// The user about whom a server is asked that is asked about those: whom the admin names, else the first who fits.
    pub fn sample<'w>(
        &'w self,
        named: Option<&'w [String]>,
        fits: impl Fn(&User) -> bool,
    ) -> Result<&'w User, String> {
        let is_named = |user: &User| named.is_none_or(|named| named.iter().any(|name| is_called(user, name)));
        let is_it = |user: &&User| is_named(user) && fits(user);
        match &self.asked_for {
            Some(user) if is_it(&user) => Ok(user),
            Some(_) => Err("this user is not asked about there".to_owned()),
            None => self.site.users.iter().find(is_it).ok_or_else(|| {
                format!(
                    "none of {} in the site file is asked about there",
                    counted(self.site.users.len(), "user")
                )
            }),
        }
    }

    /// The same; where there is nobody, the step is left out and the reason told.
    pub fn sample_or_skip<'w>(
        &'w self,
        sheet: &Sheet,
        named: Option<&'w [String]>,
        fits: impl Fn(&User) -> bool,
    ) -> Option<&'w User> {
        self.sample(named, fits).inspect_err(|why| sheet.skips(why)).ok()
    }
}
