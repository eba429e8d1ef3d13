//! Who begins a call, and what that allows.

use std::sync::Arc;

use crate::{
    address::Caller,
    call::wire::caller,
    directory::Directory,
    settings::{Trunk, User},
    sip::Message,
};

/// Who sends a request outside any dialog.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A PBX or gateway.
    Trunk(Arc<Trunk>),
    /// A device of a user, which has proved it.
    User(Arc<User>),
}

impl Origin {
    /// Whether the identities that it asserts of a caller are believed (RFC 3325 §6): a device asserts nothing.
    pub fn is_trusted(&self) -> bool {
        match self {
            Self::Trunk(trunk) => trunk.trust_identity,
            Self::User(_) => false,
        }
    }

    /// Whether its callers hear what devices send before the answer.
    pub fn relays_early_media(&self) -> bool {
        match self {
            Self::Trunk(trunk) => trunk.early_media,
            Self::User(_) => true,
        }
    }

    /// The trunk that it is, where that wants a name of ours in Contact.
    pub fn trunk_that_names_us(&self) -> Option<&Arc<Trunk>> {
        match self {
            Self::Trunk(trunk) => {
                Some(trunk).filter(|trunk| trunk.far.as_ref().is_some_and(|far| far.host.is_some()))
            }
            Self::User(_) => None,
        }
    }

    /// Its name, for logs.
    pub fn name(&self) -> &str {
        match self {
            Self::Trunk(trunk) => &trunk.name,
            Self::User(user) => &user.address,
        }
    }
}

impl Directory {
    /// The user who calls, as far as that is sure: a device has proved it; what a trunk says of its callers counts where
    /// that is trusted.
    pub fn user_calling<'a>(&'a self, caller: &Caller, origin: &'a Origin) -> Option<&'a Arc<User>> {
        match origin {
            Origin::User(user) => Some(user),
            Origin::Trunk(trunk) => self.user(caller.number.as_deref().filter(|_| trunk.trust_identity)?),
        }
    }

    /// The user who dials, as far as that is sure: a device that has proved it, or the caller of a trusted trunk.
    pub fn user_dialling<'a>(&'a self, invite: &Message, origin: &'a Origin) -> Option<&'a Arc<User>> {
        if let Origin::User(user) = origin {
            return Some(user);
        }
        let caller = self.readable(caller(invite, true), origin);
        self.user(&caller.number.filter(|_| origin.is_trusted())?)
    }

    /// Who is called under a Request-URI by `origin`; `None`: nobody, 404. A trunk names our users under whatever host it
    /// knows us by; so do phones, which dial numbers at their own idea of the domain.
    pub fn callee(&self, uri: &[u8], origin: &Origin) -> Option<Arc<User>> {
        let (written, meaning) = self.called_number(uri, origin)?;
        self.meant(&written, &meaning).cloned()
    }
}
