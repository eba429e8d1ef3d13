//! What the caller is called, where servers are asked for it: from the first ringing on, and never waited for here.

use ringpost::{address::UserClass, notify::Action};

use super::{CallActor, Reach};

impl CallActor {
    /// Begins to look for the caller's name, for a user who may be told of this call.
    pub(super) fn seek_name(&mut self) {
        let Some(identity) = self.switch.identity().filter(|_| self.seeking.is_none()) else { return };
        let told = matches!(self.user.missed_calls, UserClass::Um | UserClass::Mail);
        if !told || self.user.channels.is_empty() || self.reach == Reach::Code {
            return;
        }
        if let Some(question) = identity.question(&self.caller, self.user.mail.as_deref()) {
            self.seeking = Some(identity.seek(question));
        }
    }

    /// The call is over: the name that is there by now, or who tells has to wait for it.
    pub(super) fn settle_name(&mut self, action: Action) {
        if self.switch.identity().is_none() {
            return;
        }
        if action != Action::Silent {
            self.seek_name();
        }
        let Some(seeking) = self.seeking.take() else { return };
        match seeking.settled() {
            Some(found) => self.caller = std::mem::take(&mut self.caller).named(found),
            None => self.caller.sought = action != Action::Silent,
        }
    }
}
