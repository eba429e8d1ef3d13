//! What Ringpost itself knows of its users: their calls, their policies, their devices.

use std::sync::{Arc, LazyLock};

use ringpost::{
    directory::Directory,
    presence::{Call, Forward, Kind, Own, Source},
    settings::{To, User},
    sip::uri::Uri,
};

use super::{Presence, cell::Cell};
use crate::guard::apart;

/// A call of ours ends with its actor; should that ever fail, it ends after a day. Ringing ends sooner.
const LONGEST: u64 = 24 * 60 * 60;

/// Ringpost's own calls as a source.
static OWN: LazyLock<Source> = LazyLock::new(|| Source::new(Kind::Own, ""));

impl Presence {
    /// What Ringpost does with the calls of a user.
    pub(super) fn own(&self, directory: &Directory, user: &User) -> Own {
        let name = Uri::read(user.address.as_bytes()).and_then(|uri| uri.bare_user());
        let number = |name: &[u8]| name.iter().all(|octet| octet.is_ascii_digit() || b"+*#".contains(octet));
        let policy = self.policies.of(user);
        let always = policy.as_ref().and_then(|policy| policy.always.as_ref());
        let forward = match always {
            Some(To::Um) => Some(Forward::VoiceMail),
            // R115: the pilot and the users' voice-mail numbers are voice mail, whatever they look like.
            Some(To::Number(number)) if directory.mailbox(number).is_some() => Some(Forward::VoiceMail),
            Some(To::Number(number)) => Some(Forward::Number(number.as_str().into())),
            None => user.forward_to_voicemail.then_some(Forward::VoiceMail),
        };
        Own {
            has_number: !user.numbers.is_empty() || name.is_some_and(number),
            has_address: true,
            reachable: !self.registrar.devices(user, user.address.as_bytes()).is_empty(),
            do_not_disturb: policy.is_some_and(|policy| policy.do_not_disturb.is_some()),
            forward,
        }
    }

    /// The cell of a user who has a call; `None`: it is nobody of the site.
    pub fn caller(&self, directory: &Directory, user: &User) -> Option<Arc<Cell>> {
        directory.of_address(&user.address).map(|user| self.of(user))
    }

    /// A call of Ringpost's own is so far; `None`: over.
    pub fn call(&self, cell: &Arc<Cell>, id: &str, call: Option<Call>) {
        apart("presence", || {
            let ends = self.now() + LONGEST;
            self.change(cell, |known| known.inputs.call(&OWN, id, call.clone(), ends));
        });
    }

    /// A user's policy or devices have changed.
    pub fn look_again(&self, address: &str) {
        apart("presence of a device", || self.looks_again(address));
    }

    fn looks_again(&self, address: &str) {
        let Some(cell) = self.find(address).filter(|_| self.is_on()) else { return };
        let directory = self.directory.load();
        let Some(user) = directory.of_address(address) else { return };
        let own = self.own(&directory, user);
        let ended = self.change(&cell, |known| {
            let leaves = known.inputs.own.reachable && !own.reachable;
            known.inputs.own = own;
            if !leaves {
                return vec![];
            }
            // R21: what a device has said ends when the last one signs out.
            known.inputs.signed_out();
            let published = known.publications.drain(..);
            let (ended, stays) = published.partition(|one| one.source.kind == Kind::Endpoint);
            known.publications = stays;
            ended
        });
        self.forget(ended);
    }
}
