//! Who has talked with whom, and what that and the site want of notices.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Directory, Origin};
use crate::{
    address::Caller,
    notify::{Kind, Notice},
    outbox::{Gather, Returned, Wish},
    settings::User,
    sip::uri::Uri,
};

/// A user has talked with somebody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Talk {
    /// The user's address of record.
    pub user: String,
    /// The other's numbers, as they are compared.
    pub with: Vec<String>,
}

impl Directory {
    /// What the user wants of a notice that is posted then, beside its being told.
    pub fn wish(&self, user: &User, notice: &Notice, at: Timestamp) -> Wish {
        let hold = user.notices.hours.hold(notice, at);
        if notice.kind != Kind::Missed {
            return Wish { hold, ..Wish::default() };
        }
        let number = notice.caller.number.as_deref().filter(|_| !notice.caller.private);
        let returned = user
            .returned
            .zip(number)
            .map(|(fate, number)| Returned { fate, numbers: vec![Some(self.comparable(number))] });
        let gather = user.digest.map(|gather| past_quiet_hours(user, notice, gather, at));
        Wish { gather, returned, hold }
    }

    /// Who has talked in a call of `caller` that a device of `callee` has answered, of those who want to know.
    pub fn talks(&self, origin: &Origin, caller: &Caller, callee: &User) -> Vec<Talk> {
        let known = caller.number.as_deref().and_then(|number| self.user(number));
        let from = self.user_calling(caller, origin);
        let mut talks = vec![];
        if callee.returned.is_some() && !caller.private {
            let with = from.or(known).map(|user| self.numbers_of(user)).unwrap_or_default();
            let with = with.into_iter().chain(caller.number.as_deref().map(|number| self.comparable(number)));
            talks.push(Talk { user: callee.address.clone(), with: with.collect() });
        }
        if let Some(from) = from.filter(|from| from.returned.is_some()) {
            talks.push(Talk { user: from.address.clone(), with: self.numbers_of(callee) });
        }
        talks
    }

    /// All numbers of a user, and the address as it stands for a number where a phone calls by it; of a number outside it
    /// is that number.
    fn numbers_of(&self, user: &User) -> Vec<String> {
        let own = Uri::read(user.address.as_bytes()).and_then(|uri| {
            let name = String::from_utf8_lossy(uri.bare_user()?).replace("%23", "#");
            Some([format!("{name}@{}", String::from_utf8_lossy(uri.host)), name])
        });
        let own = own.into_iter().flatten();
        user.numbers.iter().cloned().chain(own).map(|number| self.comparable(&number)).collect()
    }

    /// A number in the form in which it is compared; what is none, a name, in lower case.
    fn comparable(&self, number: &str) -> String {
        self.site.outbound.numbering.normal(number).unwrap_or_else(|| number.to_lowercase())
    }
}

/// A digest that would be due at an hour at which its user wants to be left alone waits until that is over; one that is full
/// before does not.
fn past_quiet_hours(user: &User, notice: &Notice, gather: Gather, at: Timestamp) -> Gather {
    let end = SignedDuration::try_from(gather.within).ok().and_then(|within| at.checked_add(within).ok());
    let hold = end.and_then(|end| user.notices.hours.hold(notice, end));
    let within = hold.and_then(|hold| Duration::try_from(hold.until.duration_since(at)).ok());
    Gather { within: within.unwrap_or(gather.within), ..gather }
}
