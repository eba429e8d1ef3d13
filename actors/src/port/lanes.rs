//! The lanes to each other: a message that lands on the wrong one is handed over once.

use std::time::Duration;

use actix::Addr;
use bytes::Bytes;
use ringpost::sip::{
    Message,
    peer::{Peer, Transmit},
    token::{Token, lane_of_call},
};
use tokio::sync::{mpsc, oneshot};

use super::errand::Asked;
use crate::leg::LegActor;

/// How many parcels may wait for a lane; above it a datagram is dropped, as a full socket buffer would.
const WAITING: usize = 4_096;

/// How long an order waits for a place in a lane's inbox.
const PATIENCE: Duration = Duration::from_secs(1);

/// Something for another lane.
#[derive(Debug)]
pub enum Parcel {
    /// A message that its transaction or call waits for.
    Message(Bytes, Peer),
    /// A message for a connection that the lane holds.
    Transmit(Transmit),
    /// A message of the lane's own that another one could not deliver.
    Undelivered(Bytes),
    /// A request outside a dialog.
    Errand(Box<Asked>),
    /// The answer to a request that another thread has looked at.
    Respond(Token, u16, Bytes),
    /// Who is the leg of that name? Nobody, where the sender is dropped.
    Seek(Token, oneshot::Sender<Addr<LegActor>>),
    /// No new calls from now on; the sender is dropped as soon as that is so.
    Drain(mpsc::Sender<()>),
    /// End every call.
    Stop,
}

/// The addresses of all lanes.
#[derive(Clone, Debug)]
pub struct Lanes {
    inboxes: std::sync::Arc<[mpsc::Sender<Parcel>]>,
}

impl Lanes {
    /// That many lanes, and the inbox of each.
    pub fn new(count: usize) -> (Self, Vec<mpsc::Receiver<Parcel>>) {
        let (inboxes, outboxes): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::channel(WAITING)).unzip();
        (Self { inboxes: inboxes.into() }, outboxes)
    }

    /// Whether there is a lane of that number.
    pub fn has(&self, lane: u8) -> bool {
        usize::from(lane) < self.inboxes.len()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.inboxes.len()
    }

    /// The lane of a call that has no tag of ours yet: the same for every request with its Call-ID.
    pub fn of_call(&self, call_id: &[u8]) -> u8 {
        lane_of_call(call_id, self.inboxes.len())
    }

    /// Gives a message to the lane that it belongs to.
    pub fn hand_over(&self, lane: u8, message: Message, from: Peer) {
        self.send(lane, Parcel::Message(message.raw().clone(), from));
    }

    /// Gives a parcel to a lane; false where its inbox is full or gone.
    pub fn send(&self, lane: u8, parcel: Parcel) -> bool {
        let sent = self.inboxes.get(usize::from(lane)).is_some_and(|inbox| inbox.try_send(parcel).is_ok());
        if !sent {
            tracing::warn!(lane, "A lane's inbox is full: dropped");
        }
        sent
    }

    /// Has no lane take new calls; back as soon as that is so on each, but for one that does not listen any more.
    pub async fn drain(&self) {
        let (order, mut done) = mpsc::channel(1);
        self.tell_all(|| Parcel::Drain(order.clone())).await;
        drop(order);
        // Nothing is ever sent: this ends when the last lane has dropped its sender.
        let _ = tokio::time::timeout(PATIENCE, done.recv()).await;
    }

    /// Gives every lane a parcel, and waits a while for a full inbox: an order must not be lost in a flood of messages.
    pub async fn tell_all(&self, parcel: impl Fn() -> Parcel) {
        for (lane, inbox) in self.inboxes.iter().enumerate() {
            if !matches!(tokio::time::timeout(PATIENCE, inbox.send(parcel())).await, Ok(Ok(()))) {
                tracing::error!(lane, "A lane does not take orders");
            }
        }
    }
}
