//! What a caller has dialled: a user, a number of voice mail, or a feature code.

use std::{rc::Rc, sync::Arc};

use ringpost::{
    address::Language,
    directory::{Behalf, Directory, Exit, Mailbox, Meaning, NoWay, Origin, Target},
    policy::{Change, codes::Wrong},
    registrar::Device,
    settings::{Feature, To, User},
    sip::{Message as SipMessage, peer::Peer, token::Token},
    voicemail::Greeting,
};

use super::{Switch, opening::RETRY_AFTER};
use crate::{
    call::Reach,
    metrics::METRICS,
    policies::Policies,
    pool::now,
    port::Refusal,
    voicemail::{Greetings, PortPool},
};

/// Where an INVITE leads.
pub(super) enum Dialled {
    /// To a user, or to a number outside by these trunks.
    User {
        /// Who is called.
        user: Arc<User>,
        /// By what number.
        reach: Reach,
        /// The trunks that lead outside, in order.
        ways: Vec<Target>,
    },
    /// A feature code that a user dials.
    Code(Arc<User>, Change),
}

impl Dialled {
    /// The user whose call it is.
    pub(super) fn user(&self) -> &User {
        match self {
            Self::User { user, .. } | Self::Code(user, _) => user,
        }
    }
}

/// What is needed to ask whoever answers a number outside for the key.
pub struct Questions {
    /// The RTP ports, those of the embedded UM.
    pub ports: Arc<PortPool>,
    /// The announcements.
    pub words: Greetings,
}

impl Switch {
    /// What users want of their calls.
    pub fn policies(&self) -> &Policies {
        &self.shared.policies
    }

    /// Whether a device of a user is registered.
    pub fn is_signed_in(&self, user: &User) -> bool {
        !self.shared.registrar.registered(user).is_empty()
    }

    /// Where a user's devices are, fixed and registered.
    pub fn devices(&self, user: &Arc<User>) -> Vec<Device> {
        self.shared.registrar.devices(user, user.address.as_bytes())
    }

    /// Ports and words for a question in that language.
    pub fn question(&self, language: Language) -> (Arc<PortPool>, Greeting) {
        let Questions { ports, words } = &*self.shared.questions;
        (Arc::clone(ports), words.of(language))
    }

    /// The address of that name at Ringpost's own UM.
    pub fn desk_uri(&self, name: &str) -> Option<String> {
        let (_, place) = self.shared.embedded_um.as_deref()?.split_once('@')?;
        Some(format!("sip:{name}@{place}"))
    }

    /// Where an INVITE leads.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn dialled(
        &self,
        directory: &Directory,
        invite: &SipMessage,
        origin: &Origin,
    ) -> Result<Dialled, Refusal> {
        let user = |user, reach| Ok(Dialled::User { user, reach, ways: vec![] });
        let instance = self.called_by_instance(directory, invite);
        if let Some(Some(called)) = instance {
            return user(called, Reach::Rings);
        }
        // Rules may be many: what is dialled is read once.
        let dialled = directory.called_number(invite.uri(), origin);
        if instance.is_none()
            && let Some(called) = directory.called(invite, origin, dialled.as_ref())
        {
            return user(called, Reach::Rings);
        }
        let nothing = (String::new(), Meaning::default());
        let (number, meaning) = dialled.as_ref().unwrap_or(&nothing);
        let stated = || directory.mailbox(meaning.stated()?);
        match directory.mailbox_by(number, origin).or_else(stated) {
            Some(Mailbox::Reception(reception)) => {
                return user(Arc::clone(&reception.user), Reach::Attendant);
            }
            Some(Mailbox::Of(owner)) => return user(Arc::clone(owner), Reach::VoiceMail),
            Some(Mailbox::Pilot) => {
                if let Some(owner) = directory.diverting(invite, origin) {
                    return user(owner, Reach::VoiceMail);
                }
                return match own(directory, invite, origin) {
                    Some(owner) if directory.has_own_um(&owner) => {
                        user(owner, Reach::Mailbox { proven: matches!(origin, Origin::User(_)) })
                    }
                    Some(owner) => user(owner, Reach::VoiceMail),
                    // Whose mailbox it is that one has to say, with its PIN.
                    None if directory.has_own_mailboxes() => {
                        user(directory.visitor(), Reach::Mailbox { proven: false })
                    }
                    None => Err(Refusal::plain(404)),
                };
            }
            None => {}
        }
        if let Some((feature, number)) = directory.site.feature_codes.read(number) {
            return code(directory, (invite, origin), feature, number).map_err(Refusal::plain);
        }
        match directory.exit((invite, origin), dialled.as_ref(), now()) {
            Ok(Exit { callee, ways }) => Ok(Dialled::User { user: callee, reach: Reach::Rings, ways }),
            // PROTOCOLS §10: digits that no rule knows may be too few of them.
            Err(NoWay::Unserved) if Directory::is_dial_string(invite.uri()) => Err(Refusal::plain(484)),
            // Whom a number is will be known as soon as the directory has been read for the first time.
            Err(NoWay::Unserved) if directory.awaits_people() => Err(no_way(NoWay::Down)),
            Err(why) => Err(no_way(why)),
        }
    }

    /// Keeps what a feature code changes, then lets its caller hear that it is done.
    pub(super) fn take_code(
        &self,
        (server, message, from): (Token, SipMessage, Peer),
        (origin, user): (Origin, Arc<User>),
        change: Change,
    ) {
        let (switch, policies) = (self.me(), Arc::clone(&self.shared.policies));
        tracing::info!(call = %String::from_utf8_lossy(message.call_id()), "A feature code");
        actix::spawn(async move {
            let switch: Rc<Switch> = switch;
            if policies.change(&user, change).await {
                switch.begin_with((server, message, from), (origin, user), (Reach::Code, vec![]));
            } else {
                tracing::error!("A feature code could not be kept");
                switch.turn_away(server, &message, from, 503);
            }
        });
    }
}

/// A feature code, if its caller may dial it; else the code of the refusal.
fn code(
    directory: &Directory,
    (invite, origin): (&SipMessage, &Origin),
    feature: Feature,
    number: &str,
) -> Result<Dialled, u16> {
    // RFC 3261 §21.4.4: whoever cannot be told to be a user changes nothing.
    let user = own(directory, invite, origin).ok_or(403u16)?;
    change_of(directory, &user, feature, number).map(|change| Dialled::Code(user, change))
}

/// What a user may change of the own policy by a feature and the number with it; else the code of the refusal.
pub fn change_of(
    directory: &Directory,
    user: &Arc<User>,
    feature: Feature,
    number: &str,
) -> Result<Change, u16> {
    let is_voicemail = |number: &str| match directory.mailbox(number) {
        Some(Mailbox::Pilot) => true,
        Some(Mailbox::Of(owner)) => owner.address == user.address,
        Some(Mailbox::Reception(_)) | None => false,
    };
    let change = Change::of(feature, number, is_voicemail).map_err(|wrong| match wrong {
        Wrong::Incomplete => 484u16,
        Wrong::TooMuch => 404,
    })?;
    let allowed = match change.target() {
        Some(To::Um) => user.um_plan.is_some(),
        Some(To::Number(number)) => match directory.user(number) {
            Some(colleague) => colleague.address != user.address,
            None => directory.ways_out(number, Behalf::of(user), now()).is_ok(),
        },
        None => true,
    };
    if allowed { Ok(change) } else { Err(403) }
}

/// What a caller hears who may not, or cannot, call outside.
fn no_way(why: NoWay) -> Refusal {
    match why {
        NoWay::Unserved => Refusal::plain(404),
        NoWay::Forbidden => {
            METRICS.calls_refused_toll_total.one();
            Refusal::plain(403)
        }
        NoWay::NotInPolicy => {
            METRICS.calls_refused_voice_policy_total.one();
            Refusal::plain(403)
        }
        NoWay::Down => Refusal { only_new: true, ..Refusal::with(503, "Retry-After", RETRY_AFTER) },
    }
}

/// The user who is asking, as far as that is sure: a device that has proved it, or the caller of a trusted trunk.
fn own(directory: &Directory, invite: &SipMessage, origin: &Origin) -> Option<Arc<User>> {
    directory.user_dialling(invite, origin).cloned()
}
