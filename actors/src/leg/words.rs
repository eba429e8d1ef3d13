//! What a leg is told: by the switch what came in, by its call what to do.

use std::sync::Arc;

use actix::prelude::*;
use ringpost::{
    call::{Leg, Why},
    sip::{Message as SipMessage, peer::Peer, relay::Passport, token::Token},
};

use super::{LegActor, Newcomer, Order};
use crate::call::CallActor;

/// What the switch has for a leg.
#[derive(Message)]
#[rtype(result = "()")]
pub enum LegNews {
    /// A response to a request of the leg.
    Response(Token, SipMessage),
    /// A request of the leg failed without response.
    Failed(Token, u16),
    /// A request inside the dialog.
    Request(Token, SipMessage, Peer),
    /// An ACK inside the dialog.
    Ack(SipMessage),
    /// The caller took the INVITE back.
    Cancelled(SipMessage),
    /// The caller never acknowledged the answer.
    Unacknowledged,
}

/// What the call tells a leg to do.
#[derive(Message)]
#[rtype(result = "()")]
pub enum Say {
    /// Send a provisional response with this code, and what the other leg said.
    Progress(u16, Option<Arc<SipMessage>>),
    /// Answer with what the other leg said.
    Answer(Arc<SipMessage>),
    /// Refuse with what the other leg said.
    Refuse(Arc<SipMessage>),
    /// Refuse with a code of ours.
    Reject(u16),
    /// The time to say anything is up.
    Overdue,
    /// Take the INVITE back.
    Cancel(Why),
    /// End the dialog, with the Reason of the other leg's BYE.
    Bye(Why, Option<Arc<SipMessage>>),
    /// Acknowledge the answer, or the one to a re-INVITE of the other leg, with the SDP of the peer's ACK there.
    Acknowledge(Option<Token>, Arc<SipMessage>),
    /// Send the other leg's request inside this dialog; answers go to its transaction.
    Pass(Token, Arc<SipMessage>, Passport),
    /// Acknowledge the 18x whose offer the caller's PRACK answers.
    Prack(Arc<SipMessage>),
    /// The other leg's peer takes its re-INVITE back.
    Withdraw(Token),
    /// Answer a request inside this dialog with what the other leg's peer said.
    Reply(Token, Arc<SipMessage>),
    /// Answer a request inside this dialog with a code of ours.
    Deny(Token, u16),
    /// Leave the call for the one that the other leg's peer refers to.
    Transfer(Box<Order>),
    /// Tell the peer how far the call is that it refers to.
    Notify(u16),
    /// Ask the peer's telephone to do what that event package means to it.
    Ask(&'static str),
    /// Give the place in the dialog to another leg.
    GivePlace(Box<Newcomer>),
    /// The other leg of the call is this one from now on, in that place; its peer has said this about media.
    TurnTo(Addr<LegActor>, Leg, Arc<SipMessage>),
    /// That place in that call is yours; the other leg's peer has said this about media.
    TakePlace(Addr<CallActor>, Leg, Arc<SipMessage>),
    /// There is no such place.
    NoPlace,
    /// The call is over: leave as soon as nothing is owed.
    Leave,
}
