//! What some servers of channels are told beside: what their users are doing.

use std::time::Duration;

use futures_util::future::BoxFuture;
use ringpost::presence::publication::Answer;

/// Tells a service what users are doing. Every request ends by itself.
pub trait Activities: Send + Sync {
    /// The user of that mail address is in a call, for so long unless that is said again; `None`: not any more.
    fn calls<'a>(&'a self, user: &'a str, lasts: Option<Duration>) -> BoxFuture<'a, Answer>;
}
