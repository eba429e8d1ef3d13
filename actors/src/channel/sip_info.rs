//! Tells the user's UM by SIP INFO (REQUIREMENTS R5, PROTOCOLS §1).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use ringpost::{
    notify::Kind,
    outbox::{Delivery, Item, Way},
    um::notification::Notification,
};

use super::{Channel, down, later, never};

/// The SIP stack as this channel needs it. The body's type is [`ringpost::um::notification::MEDIA_TYPE`].
pub trait InfoSender: Send + Sync {
    /// Sends one INFO, out of dialog, to a server of the dial plan `plan`, with `callee` (`sip:…`) as the one it is
    /// about. Gives the final status (RFC 3261 §21). One call is one try, though it may ask several servers.
    fn send_info<'a>(
        &'a self,
        plan: &'a str,
        callee: &'a str,
        body: Bytes,
    ) -> BoxFuture<'a, Result<u16, InfoError>>;
}

/// There was no final answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InfoError {
    /// No server of the plan is known or in the working set.
    #[error("no UM server to tell")]
    NoServer,
    /// Timer F (RFC 3261 §17.1.2.2).
    #[error("UM did not answer")]
    TimedOut,
    /// The message could not be sent.
    #[error("UM cannot be reached: {0}")]
    Unreachable(String),
}

/// The channel.
pub struct SipInfo {
    sender: Arc<dyn InfoSender>,
}

impl SipInfo {
    /// A channel over a SIP stack.
    pub fn new(sender: Arc<dyn InfoSender>) -> Self {
        Self { sender }
    }
}

impl Channel for SipInfo {
    fn deliver<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Delivery> {
        Box::pin(async {
            let (plan, eum) = match &item.way {
                Way::Um { plan, eum_proxy_address, .. } => (plan, eum_proxy_address),
                Way::By { .. } => return never("what is not for UM was given to the UM channel"),
            };
            if item.notice.kind != Kind::Missed {
                return never("the UM channel tells missed calls, one by one");
            }
            let body = Notification::of(&item.notice, eum).write();
            match self.sender.send_info(plan, &item.notice.user, Bytes::from(body)).await {
                Ok(status) => judged(status),
                Err(error) => down(error),
            }
        })
    }
}

/// What a final status means for the notice. 501, 505 and 513 are of the 5xx, but say that this request will never
/// do (RFC 3261 §21.5), so the mail need not wait.
fn judged(status: u16) -> Delivery {
    match status {
        200..=299 => Delivery::Delivered,
        501 | 505 | 513 => never(format!("UM refused the INFO with {status}")),
        408 | 500..=599 => later(format!("UM answered the INFO with {status}")),
        _ => never(format!("UM refused the INFO with {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_delivered_later_or_never() {
        for (statuses, kind) in [
            (&[200, 202, 299][..], "delivered"),
            (&[408, 500, 503, 504, 599], "later"),
            (&[302, 400, 403, 404, 405, 415, 481, 501, 505, 600, 603, 699], "never"),
        ] {
            for status in statuses {
                let judged = match judged(*status) {
                    Delivery::Delivered => "delivered",
                    Delivery::Later { .. } => "later",
                    Delivery::Never { .. } => "never",
                    other => panic!("{other:?}"),
                };
                assert_eq!(judged, kind, "{status}");
            }
        }
    }
}
