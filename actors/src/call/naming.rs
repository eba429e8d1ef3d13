//! What the caller is called, where servers are asked for it: from the first ringing on, and never waited for here.

use ringpost::{
    address::{Caller, UserClass},
    notify::Action,
};

use super::{CallActor, Reach, rung::Reached};

impl CallActor {
    /// Begins to look for the caller's name, for a user who may be told of this call.
    pub(super) fn seek_name(&mut self) {
        let Some(identity) = self.switch.identity().filter(|_| self.seeking.is_none()) else { return };
        let told = matches!(self.user.missed_calls, UserClass::Um | UserClass::Mail);
        if !told || self.user.channels.is_empty() || matches!(self.reach, Reach::Code | Reach::Click) {
            return;
        }
        if let Some(question) = identity.question(&self.caller, self.user.mail.as_deref()) {
            self.seeking = Some(identity.seek(question));
        }
    }

    /// The caller as a notice names it: by the name that is there by now, or who tells has to wait for it. Of several users
    /// who are told each has contacts of their own.
    pub(super) fn caller_for(&self, Reached { user, address, .. }: &Reached, action: Action) -> Caller {
        let caller = self.caller.clone();
        let Some(identity) = self.switch.identity() else { return caller };
        let own = address.is_none() && user.address == self.user.address;
        let begun = self.seeking.clone().filter(|_| own);
        let seeking = begun.or_else(|| {
            let mailbox = address.as_deref().or(user.mail.as_deref());
            let question = || identity.question(&caller, mailbox);
            (action != Action::Silent).then(question).flatten().map(|question| identity.seek(question))
        });
        match seeking.map(|seeking| seeking.settled()) {
            None => caller,
            Some(Some(found)) => caller.named(found),
            Some(None) => Caller { sought: action != Action::Silent, ..caller },
        }
    }
}
