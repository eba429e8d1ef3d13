//! What a call is made of, and what its actor is told.

use std::sync::Arc;

use actix::prelude::*;
use ringpost::{
    call::{Event, Leg},
    directory::{Directory, Origin, Target},
    registrar::Device,
    settings::User,
    sip::{Message as SipMessage, refer::Refer, token::Token},
};

use crate::leg::{Arrival, LegActor, Newcomer};

/// What was dialled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// A number of the user.
    Rings,
    /// A number of the user's voice mail.
    VoiceMail,
    /// A feature code, which is taken.
    Code,
    /// The number of an attendant.
    Attendant,
    /// The user's own telephones, for a program: whoever takes one calls the number in From.
    Click,
    /// The number of mailboxes, by a user's own phone or by anybody; `proven` where the user's device has shown who it is.
    Mailbox {
        /// See there.
        proven: bool,
    },
}

impl Reach {
    /// Whether Ringpost's own UM serves the call, whoever's it is.
    pub fn is_desk(self) -> bool {
        matches!(self, Self::Code | Self::Attendant | Self::Mailbox { .. })
    }
}

/// What a call is made of.
pub struct Setup {
    /// The call's name in the switch.
    pub token: Token,
    /// The snapshot that it keeps.
    pub directory: Arc<Directory>,
    /// Who is called.
    pub user: Arc<User>,
    /// The user's devices, fixed and registered.
    pub devices: Vec<Device>,
    /// The caller's INVITE.
    pub invite: Arc<SipMessage>,
    /// Who calls.
    pub origin: Origin,
    /// What was dialled.
    pub reach: Reach,
    /// The trunks that lead to a number outside, in order.
    pub ways: Vec<Target>,
    /// The mark that tells a loop.
    pub mark: [u8; 16],
    /// What a caller brings who was referred here.
    pub arrival: Option<Arrival>,
}

/// An INVITE with Replaces (RFC 3891).
pub struct Claim {
    /// The leg that it came in on.
    pub new: Addr<LegActor>,
    /// The one whose place it wants, and its name.
    pub old: (Addr<LegActor>, Token),
    /// Whether that one only rings.
    pub early: bool,
    /// Its transaction.
    pub server: Token,
    /// The INVITE.
    pub invite: Arc<SipMessage>,
    /// Who sent it.
    pub origin: Origin,
}

/// What a leg tells its call.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Told {
    /// Which leg.
    pub leg: Leg,
    /// The name of who tells; `None`: nobody who could have lost its place.
    pub by: Option<Token>,
    /// What.
    pub what: What,
}

/// What happened on a leg.
pub enum What {
    /// An event of the machine, and the message that it came with.
    Event(Event, Option<Arc<SipMessage>>),
    /// A request inside the dialog, for the other leg.
    Inside(Token, Arc<SipMessage>),
    /// The peer's answer to a request of the other leg.
    Replied(Token, Arc<SipMessage>),
    /// A request of the other leg could not be passed on.
    Denied(Token, u16),
    /// The ACK of the answer, or of the one to a re-INVITE that came in that transaction.
    Acknowledged(Option<Token>, Arc<SipMessage>),
    /// The caller's PRACK has the answer to the offer of a device that rings.
    Pracked(Arc<SipMessage>),
    /// The peer takes a re-INVITE back.
    Withdrawn(Token),
    /// The peer refers the other party to somebody else.
    Referred(Box<Refer>),
    /// The leg that was let go for a transfer is back.
    Returned(Addr<LegActor>),
    /// The leg gives its place to another.
    GivesPlace(Box<Newcomer>),
    /// An INVITE wants the place of the leg.
    Claimed(Box<Claim>),
}

/// A timer of the call has run out.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Rang(pub u32);

/// One of the call's actors has panicked.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Broken {
    /// The leg whose actor it was; `None` for the call's own.
    pub leg: Option<Leg>,
    /// What the panic said.
    pub fault: &'static str,
}

/// End the call whatever its state.
#[derive(Message)]
#[rtype(result = "()")]
pub struct End;
