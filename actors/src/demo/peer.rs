//! A telephone, a PBX or a UM of somebody else: a SIP user agent on a UDP port of its own that does what a story asks.

mod agent;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use ringpost::sip::sdp::Agreed;
use tokio::{net::UdpSocket, sync::mpsc, time};

use super::{
    ladder::{Ladder, Party},
    media::Media,
};
use agent::Agent;

/// How long a story waits for anything before it says that it did not happen.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a story asks of a peer.
#[derive(Clone, Debug)]
pub enum Order {
    /// Call the user with that number through Ringpost.
    Call {
        /// The number.
        number: String,
        /// The Call-ID.
        call_id: String,
    },
    /// Take the call back that has not been answered.
    GiveUp,
    /// Answer the call that rings.
    Answer,
    /// End the call that has been answered.
    HangUp,
    /// Be ready for the next story.
    Forget,
}

/// What a peer has seen happen.
#[derive(Clone, Debug)]
pub enum Seen {
    /// It rings here.
    Ringing,
    /// The far end told progress: 180, 181.
    Progress(u16),
    /// The call is answered, here or there, and sound can flow.
    Answered(Box<Agreed>),
    /// The call that this peer made has failed with that code.
    Refused(u16),
    /// The call that rang here was taken back; with the Reason.
    TakenBack(Option<String>),
    /// The far end has hung up.
    HungUp,
    /// A BYE of this peer is answered.
    Over,
    /// An INFO outside a call, with its body.
    Told(String),
    /// Something that no story can go on after.
    Failed(String),
}

/// What did not happen.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub String);

/// One peer.
pub struct Peer {
    party: Party,
    /// What stands in URIs: where it listens.
    pub address: SocketAddr,
    /// Its ear and mouth.
    pub media: Media,
    orders: mpsc::UnboundedSender<Order>,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Peer {
    /// Opens its ports and starts it; what it calls goes to `ringpost`.
    ///
    /// # Errors
    /// Where no port can be opened.
    pub async fn start(party: Party, ringpost: SocketAddr, ladder: &Ladder) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let media = Media::open().await?;
        let (orders, inbox) = mpsc::unbounded_channel();
        let (tell, seen) = mpsc::unbounded_channel();
        let agent = Agent::new(party, (socket, address, ringpost), media.local, (ladder.clone(), tell));
        actix::spawn(agent.work(inbox));
        Ok(Self { party, address, media, orders, seen })
    }

    /// Asks it to do something.
    pub fn order(&self, order: Order) {
        self.orders.send(order).expect("the agent lives as long as its peer");
    }

    /// Forgets what is left of an earlier call.
    pub fn forget(&mut self) {
        self.order(Order::Forget);
        self.media.forget();
        while self.seen.try_recv().is_ok() {}
    }

    /// Waits until it rings here.
    pub async fn rings(&mut self) -> Result<(), Missing> {
        self.until("an INVITE", |seen| matches!(seen, Seen::Ringing).then_some(())).await
    }

    /// Waits for a 18x with that code.
    pub async fn progress(&mut self, code: u16) -> Result<(), Missing> {
        let found = |seen| matches!(seen, Seen::Progress(one) if one == code).then_some(());
        self.until(&format!("a {code}"), found).await
    }

    /// Waits until sound can flow.
    pub async fn answered(&mut self) -> Result<Agreed, Missing> {
        let found = |seen| if let Seen::Answered(agreed) = seen { Some(*agreed) } else { None };
        self.until("an answered call", found).await
    }

    /// Waits until the call that it made has failed with that code.
    pub async fn refused(&mut self, code: u16) -> Result<(), Missing> {
        let found = |seen| matches!(seen, Seen::Refused(one) if one == code).then_some(());
        self.until(&format!("a {code}"), found).await
    }

    /// Waits until the call that rings here is taken back; gives the Reason.
    pub async fn taken_back(&mut self) -> Result<Option<String>, Missing> {
        let found = |seen| if let Seen::TakenBack(reason) = seen { Some(reason) } else { None };
        self.until("a CANCEL", found).await
    }

    /// Waits until the far end has hung up.
    pub async fn hung_up(&mut self) -> Result<(), Missing> {
        self.until("a BYE", |seen| matches!(seen, Seen::HungUp).then_some(())).await
    }

    /// Waits until its own BYE is answered.
    pub async fn over(&mut self) -> Result<(), Missing> {
        self.until("the 200 to its BYE", |seen| matches!(seen, Seen::Over).then_some(())).await
    }

    /// Waits for an INFO; gives its body.
    pub async fn told(&mut self) -> Result<String, Missing> {
        let found = |seen| if let Seen::Told(body) = seen { Some(body) } else { None };
        self.until("an INFO", found).await
    }

    /// Passes over what has happened until `found` has what it looks for.
    async fn until<T>(&mut self, what: &str, found: impl Fn(Seen) -> Option<T>) -> Result<T, Missing> {
        let late = time::sleep(PATIENCE);
        tokio::pin!(late);
        loop {
            let seen = tokio::select! {
                seen = self.seen.recv() => seen,
                () = &mut late => None,
            };
            let name = self.party.name();
            match seen {
                Some(Seen::Failed(why)) => return Err(Missing(format!("{name}: {why}"))),
                Some(seen) => {
                    if let Some(found) = found(seen) {
                        return Ok(found);
                    }
                }
                None => return Err(Missing(format!("{name} waited in vain for {what}"))),
            }
        }
    }
}
