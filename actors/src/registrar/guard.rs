//! Lets in the requests of devices that prove whose they are.

use std::{net::IpAddr, sync::Arc};

use ringpost::{
    directory::{Directory, Door, Verdict},
    settings::User,
    sip::{
        Message as SipMessage,
        digest::{Count, Passed},
        peer::Peer,
    },
};

use super::{Registrar, WINDOWS, lock};
use crate::{metrics::METRICS, port::Refusal};

/// Seconds after which a device tries again where too many challenges are in use.
const RETRY_AFTER: &[u8] = b"10";

/// Why a request is not let in.
pub struct Denial {
    /// What to answer.
    pub refusal: Refusal,
    /// Whether a password was wrong.
    pub wrong: bool,
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, wrong: false }
    }
}

impl Registrar {
    /// Whose device sends a request; `salt` is random. Where nobody can register: 403, as ever.
    ///
    /// # Errors
    /// 401 with challenges: the same for users that exist and for those that do not (T14). 403 where From is somebody else
    /// (T12), or too many wrong passwords came.
    pub fn identify(
        &self,
        directory: &Directory,
        request: &SipMessage,
        from: &Peer,
        salt: u32,
    ) -> Result<Arc<User>, Denial> {
        let later = || Denial::from(Refusal::with(503, "Retry-After", RETRY_AFTER));
        let Some(door) = directory.door.as_ref() else {
            return Err(if directory.awaits_people() { later() } else { Refusal::plain(403).into() });
        };
        let (now, source) = (self.now(), from.address.ip().to_canonical());
        let is_locked = |name: &str| lock(&self.lock_outs).is_locked(source, name, now);
        match door.judge(request, now, is_locked) {
            Verdict::Is(user, passed) => {
                Ok(self.admit(directory, request, user, (door, passed, salt), source)?)
            }
            Verdict::Unproved { stale } => Err(self.challenge(door, salt, stale).into()),
            // A phone that was right before a restart is not locked out because nobody is known yet.
            Verdict::Wrong(name) if directory.awaits_people() && door.login(&name).is_none() => Err(later()),
            Verdict::Wrong(name) => {
                METRICS.wrong_passwords_total.one();
                if lock(&self.lock_outs).wrong(source, &name, now) {
                    METRICS.lock_outs_total.one();
                    tracing::warn!(%source, "Too many wrong passwords: locked out for a while");
                }
                Err(Denial { refusal: self.challenge(door, salt, false), wrong: true })
            }
            Verdict::Locked => {
                Err(Refusal::with(403, "Retry-After", self.lock_out.to_string().as_bytes()).into())
            }
            Verdict::Bad(phrase) => Err(Refusal { phrase, ..Refusal::plain(400) }.into()),
        }
    }

    fn admit(
        &self,
        directory: &Directory,
        request: &SipMessage,
        user: Arc<User>,
        (door, passed, salt): (&Door, Passed, u32),
        source: IpAddr,
    ) -> Result<Arc<User>, Refusal> {
        let window = &self.windows[passed.nonce as usize % WINDOWS];
        match lock(window).note(&passed, self.now()) {
            Count::Fresh => {}
            Count::Used => {
                // Sent again by the network, most likely: then its transaction is known.
                return Err(Refusal { only_new: true, ..self.challenge(door, salt, true) });
            }
            Count::Full => return Err(Refusal::with(503, "Retry-After", RETRY_AFTER)),
        }
        if let Some(login) = &user.login {
            lock(&self.lock_outs).right(source, &login.name);
        }
        let anonymous = |uri: &[u8]| uri.to_ascii_lowercase().ends_with(b"@anonymous.invalid");
        let unnamed = request.from().is_some_and(|from| anonymous(from.uri));
        if !unnamed && !directory.is_of(request.from(), &user) {
            return Err(Refusal { phrase: "From Is Somebody Else", ..Refusal::plain(403) });
        }
        Ok(user)
    }

    fn challenge(&self, door: &Door, salt: u32, stale: bool) -> Refusal {
        METRICS.challenges_total.one();
        let values = door.challenges(self.now(), salt, stale);
        Refusal { headers: values.map(|value| ("WWW-Authenticate", value)).collect(), ..Refusal::plain(401) }
    }
}
