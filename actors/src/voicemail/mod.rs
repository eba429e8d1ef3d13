//! The embedded UM's media: one actor per call with its own RTP socket, its greeting and its recording.
//!
//! Whoever speaks the SIP calls [`MediaSession::start`] at the INVITE, sends [`Begin`] at the ACK, [`Renegotiate`] at a
//! re-INVITE, BYEs when told [`Happened::Finished`], and sends [`Close`] when the dialog is over.

mod greetings;
mod media;
mod ports;
mod prompts;
mod recording;
mod recover;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use actix::{Addr, Message};
use bytes::Bytes;
use ringpost::{
    sip::sdp::{self, Agreed},
    voicemail::{Clip, Greeting, Limits, Reason, Script, dtmf::Key},
};
use serde_json::Value;
use thiserror::Error;

pub use greetings::{GreetingError, Greetings, LONGEST_GREETING};
pub use media::MediaSession;
pub use ports::{Lease, PortPool};
pub use prompts::Prompts;
pub use recording::{Recording, told};
pub use recover::{Recovered, recover};

/// What a session needs to know.
#[derive(Clone, Debug)]
pub struct SessionParams {
    /// Comes back in every [`MediaEvent`].
    pub id: u64,
    /// The SDP of the INVITE; `None` if it had none, then the answer comes in [`Begin`].
    pub offer: Option<Bytes>,
    /// Where its port comes from.
    pub ports: Arc<PortPool>,
    /// What it is for.
    pub script: Script,
    /// What the caller hears.
    pub greeting: Greeting,
    /// When it ends by itself.
    pub limits: Limits,
    /// The folder of recordings.
    pub folder: PathBuf,
    /// Whatever is needed to make the notice, even after a crash; comes back in [`Recovered`].
    pub context: Value,
}

/// A session that listens.
#[derive(Debug)]
pub struct Opened {
    /// The body of the 200: the answer, or our offer if the INVITE had none.
    pub sdp: Bytes,
    /// What was agreed; `None` if the INVITE had no offer.
    pub agreed: Option<Agreed>,
    /// Where it listens for RTP.
    pub local: SocketAddr,
    /// The session. Dropping the last address without [`Close`] leaves the recording to [`recover`].
    pub addr: Addr<MediaSession>,
}

/// Why there is no session.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The offer cannot be answered.
    #[error(transparent)]
    Sdp(#[from] sdp::Refusal),
    /// All RTP ports are taken, or cannot be opened.
    #[error("no RTP port is free in {first}-{last}")]
    NoPort {
        /// The first port of the range.
        first: u16,
        /// The last one.
        last: u16,
        /// The last error, if not simply all ports are leased.
        source: Option<std::io::Error>,
    },
    /// The session is over.
    #[error("the session is over")]
    Over,
}

impl Refusal {
    /// The SIP status to answer with.
    pub fn status(&self) -> u16 {
        match self {
            Self::Sdp(_) => 488,
            Self::NoPort { .. } => 503,
            Self::Over => 481,
        }
    }
}

/// What a session tells about itself.
#[derive(Clone, Copy, Debug, Eq, Message, PartialEq)]
#[rtype(result = "()")]
pub struct MediaEvent {
    /// [`SessionParams::id`].
    pub session: u64,
    /// What happened.
    pub happened: Happened,
}

/// The turns of a session, in this order, each but the keys at most once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Happened {
    /// The greeting is over or was skipped; the beep sounds.
    GreetingEnded,
    /// From now on the caller is recorded.
    RecordingStarted,
    /// This key was pressed, where one is asked for.
    Pressed(Key),
    /// What a menu had played under this number is over.
    Played(u32),
    /// A menu's recording is over; whether there is any.
    Taken(bool),
    /// UM wants to hang up: send BYE, then [`Close`].
    Finished(Reason),
}

/// The ACK came: play the greeting. Without it the session ends by itself after 32 s.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct Begin {
    /// The SDP of the ACK; needed if the INVITE had none, ignored otherwise.
    pub answer: Option<Bytes>,
}

/// What a menu wants of its media.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum Perform {
    /// Play these instead of what is playing; the number comes back in [`Happened::Played`].
    Play(u32, Vec<Clip>),
    /// Play nothing.
    Hush,
    /// Beep and record.
    Take,
    /// A key came by SIP INFO.
    Press(Key),
}

/// What a menu has recorded last.
#[derive(Debug, Message)]
#[rtype(result = "Option<Clip>")]
pub struct Fetch;

/// A re-INVITE or UPDATE came with this offer; the reply is the SDP of the 200.
#[derive(Debug, Message)]
#[rtype(result = "Result<Bytes, Refusal>")]
pub struct Renegotiate {
    /// The new offer; `None` if the re-INVITE has none: the reply is our offer, the answer comes in [`Accept`].
    pub offer: Option<Bytes>,
}

/// The ACK to a re-INVITE without offer came with this answer.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct Accept {
    /// The SDP of the ACK.
    pub answer: Bytes,
}

/// The dialog is over: finish the recording, give the port back. The reply comes when the file is safe.
#[derive(Debug, Message)]
#[rtype(result = "Closed")]
pub struct Close;

/// The end of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Closed {
    /// The message; `None` if the caller left none: hung up before the beep, or hardly spoke.
    pub recording: Option<Recording>,
    /// How long the session was open.
    pub open_for: Duration,
}
