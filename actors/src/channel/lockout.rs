//! Keeps a wrong password from being tried until the account is locked, and with it whatever else logs in by it: directories
//! lock after some five to ten wrong ones.
//!
//! Until a server has taken the password, one try at a time shows it; once it has refused it, nobody shows it there for
//! long. A password that was taken is shown by all at once, so that a change of it costs no more than what is under way.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ringpost::{
    notify::clean::{one_line, reason},
    outbox::Delivery,
};
use tokio::time::Instant;

use crate::metrics::{METRICS, State};

/// Servers remembered; a redirect may lead to any.
const MOST: usize = 1000;

/// What is known of one password.
pub struct Lockout {
    /// The channel, as the log and the health report name it.
    channel: String,
    rest: Duration,
    servers: Mutex<HashMap<String, Known>>,
    /// Held by the one who shows the password to a server that has not taken it yet.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
enum Known {
    Taken,
    /// Until then it is not shown; what the server said.
    Refused(Instant, String),
}

/// Whoever holds it may show the password; dropped without a word, nothing is learnt.
pub struct Permit<'l> {
    lockout: &'l Lockout,
    server: String,
    _asking: Option<tokio::sync::MutexGuard<'l, ()>>,
}

/// The password is not shown now.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{server} refuses the user name or the password ({said}); no more tries for {left:?}, lest the account be locked"
)]
pub struct Refused {
    server: String,
    /// In the server's words.
    said: String,
    /// For how long.
    pub left: Duration,
}

impl Lockout {
    /// A password that rests for so long where it is refused.
    pub fn new(rest: Duration) -> Self {
        Self { channel: "channel".to_owned(), rest, servers: Mutex::default(), asking: Default::default() }
    }

    /// As `channel` in the log and in the health report.
    pub fn named(&mut self, channel: &str) {
        channel.clone_into(&mut self.channel);
    }

    /// Asks to show the password to a server, by its host.
    ///
    /// # Errors
    /// It was refused there not long ago.
    pub async fn admits(&self, server: &str) -> Result<Permit<'_>, Refused> {
        let asking = match self.known(server)? {
            true => None,
            false => {
                let asking = self.asking.lock().await;
                // Somebody else may have found out while this one waited.
                (!self.known(server)?).then_some(asking)
            }
        };
        Ok(Permit { lockout: self, server: server.to_owned(), _asking: asking })
    }

    /// Whether it has been taken there.
    fn known(&self, server: &str) -> Result<bool, Refused> {
        match self.servers().get(server) {
            Some(Known::Refused(until, said)) => match until.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => Err(refused(server, said, left)),
                Some(_) | None => Ok(false),
            },
            Some(Known::Taken) => Ok(true),
            None => Ok(false),
        }
    }

    fn learns(&self, server: &str, known: Known) -> Option<Known> {
        let mut servers = self.servers();
        if servers.len() >= MOST {
            servers.clear();
        }
        servers.insert(server.to_owned(), known)
    }

    fn part(&self, server: &str) -> String {
        format!("login of {} at {}", self.channel, one_line(server, 80))
    }

    fn servers(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The server has taken the password.
    pub fn taken(self) {
        if let Some(Known::Refused(..)) = self.lockout.learns(&self.server, Known::Taken) {
            let channel = &self.lockout.channel;
            tracing::info!(channel, server = self.server, "A server takes the password again");
            METRICS.health.set(&self.lockout.part(&self.server), State::Green);
        }
    }

    /// The server has refused it, in these words.
    pub fn refused(self, said: &str) -> Refused {
        let Lockout { channel, rest, .. } = self.lockout;
        let refused = refused(&self.server, &reason(said), *rest);
        self.lockout.learns(&self.server, Known::Refused(Instant::now() + *rest, refused.said.clone()));
        METRICS.logins_refused_total.one();
        tracing::error!(
            channel,
            server = refused.server,
            said = refused.said,
            ?rest,
            "A server refuses the user name or the password: no more tries for a while, lest the account be locked. \
             Put the password right and restart Ringpost"
        );
        // Not red: whoever restarts what is red would show the wrong password again and again.
        METRICS.health.set(&self.lockout.part(&self.server), State::Yellow(refused.to_string()));
        refused
    }
}

impl From<Refused> for Delivery {
    fn from(refused: Refused) -> Self {
        Self::Down { reason: one_line(&refused.to_string(), 300), not_before: Some(refused.left) }
    }
}

fn refused(server: &str, said: &str, left: Duration) -> Refused {
    // Full seconds, as a person reads them.
    let left = Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0));
    Refused { server: one_line(server, 80), said: said.to_owned(), left }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use futures_util::future::join_all;

    use super::*;

    const REST: Duration = Duration::from_millis(500);

    #[tokio::test]
    async fn a_wrong_password_is_shown_once_in_its_rest_however_many_want_to() {
        let (lockout, shown) = (Lockout::new(REST), AtomicUsize::new(0));
        let tries = || async {
            let permit = lockout.admits("mail.x.test").await?;
            shown.fetch_add(1, SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            Err::<(), Refused>(permit.refused("401"))
        };
        let many = async || join_all((0..50).map(|_| tries())).await;
        let since = Instant::now();
        while since.elapsed() < 3 * REST {
            let told = many().await.into_iter().filter_map(Result::err).map(|refused| refused.left);
            assert!(told.filter(|left| *left <= Duration::from_secs(1)).count() == 50);
        }
        let shown = shown.load(SeqCst);
        assert!((2..=4).contains(&shown), "{shown} times in {:?}", since.elapsed());
        // One server says nothing about another.
        assert!(lockout.admits("other.x.test").await.is_ok());
    }

    #[tokio::test]
    async fn a_password_that_was_taken_is_shown_by_all_at_once() {
        let lockout = Lockout::new(REST);
        let first = lockout.admits("mail.x.test").await.expect("a permit");
        let waits = tokio::time::timeout(Duration::from_millis(50), lockout.admits("mail.x.test")).await;
        assert!(waits.is_err(), "one at a time before that");
        first.taken();
        let all = [lockout.admits("mail.x.test").await, lockout.admits("mail.x.test").await];
        for permit in all {
            permit.expect("a permit").taken();
        }
        // Whoever was cut off has learnt nothing, and lets the next one try.
        drop(lockout.admits("new.x.test").await.expect("a permit"));
        assert!(lockout.admits("new.x.test").await.is_ok());
    }
}
