//! One call's media: the actor that lends the pure session a socket, a clock and a file.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    pin::Pin,
    task::{self, Poll},
    time::{Duration, Instant},
};

use actix::prelude::*;
use bytes::Bytes;
use jiff::Timestamp;
use ringpost::{
    sip::sdp::{self, Agreed, Answer, Origin},
    voicemail::{
        Clip, Effect, Reason, Seed, Session,
        g711::Codec,
        mailbox::{Sidecar, stem},
    },
};
use serde_json::Value;
use socket2::SockRef;
use tokio::{
    io::ReadBuf,
    net::UdpSocket,
    time::{Sleep, sleep_until},
};

use super::{
    Accept, Begin, Close, Closed, Fetch, Happened, Lease, MediaEvent, Opened, Perform, Refusal, Renegotiate,
    SessionParams,
    recording::{TapeFailed, TapeWriter},
};
use crate::entropy;

/// One call at the embedded UM: its socket, its session, its recording. Reports to a [`Recipient`] of [`MediaEvent`].
pub struct MediaSession {
    id: u64,
    /// `None` when closed.
    session: Option<Session>,
    /// What the offer in the INVITE agreed upon, until the ACK.
    agreed: Option<Agreed>,
    origin: Origin,
    socket: UdpSocket,
    lease: Lease,
    opened: Instant,
    tape: Option<TapeWriter>,
    folder: PathBuf,
    sidecar: Sidecar,
    report: Recipient<MediaEvent>,
}

impl MediaSession {
    /// Opens a port, answers the offer, listens. To be called on the Arbiter that carries the call.
    pub fn start(params: SessionParams, report: Recipient<MediaEvent>) -> Result<Opened, Refusal> {
        let SessionParams { id, offer, ports, script, greeting, limits, folder, context } = params;
        let (socket, lease) = ports.open()?;
        let local = lease.local;
        // A 63-bit id: some peers read the number as signed.
        let origin = Origin { id: fastrand::u64(..) >> 1, version: 1 };
        let (sdp, agreed) = match offer {
            Some(offer) => {
                let Answer { sdp, agreed } = sdp::answer(&offer, local, origin)?;
                (sdp, Some(agreed))
            }
            None => (sdp::offer(local, origin), None),
        };
        let socket = UdpSocket::from_std(socket).map_err(|error| no_port(&lease, error))?;
        let seed =
            Seed { ssrc: fastrand::u32(..), sequence: fastrand::u16(..), timestamp: fastrand::u32(..) };
        let sidecar = Sidecar {
            began: Timestamp::now(),
            min_message: limits.min_message,
            max_message: limits.max_message,
            context,
        };
        let session = Self {
            id,
            session: Some(Session::new(limits, greeting, seed).with(script)),
            agreed: agreed.clone(),
            origin,
            socket,
            lease,
            opened: Instant::now(),
            tape: None,
            folder,
            sidecar,
            report,
        };
        Ok(Opened { sdp, agreed, local, addr: Actor::start(session) })
    }

    fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    fn perform(&mut self, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        for effect in effects {
            match effect {
                Effect::Send(to, packet) => self.send(&packet, to),
                Effect::TellGreetingEnded => self.tell(Happened::GreetingEnded),
                Effect::StartRecording(codec) => self.record(codec, ctx),
                Effect::Append(octets) => self.append(octets, ctx),
                Effect::TellPlayed(number) => self.tell(Happened::Played(number)),
                Effect::TellTaken(any) => self.tell(Happened::Taken(any)),
                Effect::TellKey(key) => self.tell(Happened::Pressed(key)),
                Effect::HangUp(reason) => self.tell(Happened::Finished(reason)),
            }
        }
    }

    /// RTP is not worth waiting for: what the kernel will not take now is lost like on the wire. Straight to the
    /// kernel, because tokio does not know a fresh socket to be writable before its first turn.
    fn send(&self, packet: &[u8], to: SocketAddr) {
        if let Err(error) = SockRef::from(&self.socket).send_to(packet, &to.into()) {
            tracing::trace!(%error, "RTP packet not sent");
        }
    }

    fn tell(&self, happened: Happened) {
        // Not which key: it may be one of a PIN.
        match happened {
            Happened::Pressed(_) => tracing::debug!(session = self.id, "A key in voice mail"),
            _ => tracing::debug!(session = self.id, ?happened, "Voice mail"),
        }
        self.report.do_send(MediaEvent { session: self.id, happened });
    }

    fn record(&mut self, codec: Codec, ctx: &mut Context<Self>) {
        let began = Timestamp::now();
        let sidecar = Sidecar {
            began,
            context: std::mem::replace(&mut self.sidecar.context, Value::Null),
            ..self.sidecar
        };
        let stem = self.folder.join(stem(began, entropy::number()));
        self.tape = Some(TapeWriter::start(stem, codec, sidecar, ctx.address().downgrade()));
        self.tell(Happened::RecordingStarted);
    }

    fn append(&mut self, octets: Vec<u8>, ctx: &mut Context<Self>) {
        if self.tape.as_ref().is_some_and(|tape| !tape.append(octets)) {
            tracing::error!(session = self.id, "Recording stopped: the disk does not keep up or has failed");
            self.fail(ctx);
        }
    }

    fn fail(&mut self, ctx: &mut Context<Self>) {
        let effects = self.session.as_mut().map(Session::disk_failed).unwrap_or_default();
        self.perform(effects, ctx);
    }
}

fn no_port(lease: &Lease, error: io::Error) -> Refusal {
    let port = lease.local.port();
    Refusal::NoPort { first: port, last: port, source: Some(error) }
}

impl Actor for MediaSession {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Pump { timer: Box::pin(sleep_until(self.opened.into())) });
    }
}

impl Drop for MediaSession {
    /// After a panic nobody would hang up; where the call has gone before, nobody hears this.
    fn drop(&mut self) {
        if self.session.take().is_some() {
            self.tell(Happened::Finished(Reason::Fault));
        }
    }
}

impl Handler<Begin> for MediaSession {
    type Result = Result<(), Refusal>;

    fn handle(&mut self, Begin { answer }: Begin, ctx: &mut Self::Context) -> Self::Result {
        if self.session.as_ref().ok_or(Refusal::Over)?.has_begun() {
            // The ACK to a repeated 200.
            return Ok(());
        }
        let agreed = match (self.agreed.take(), answer) {
            (Some(agreed), _) => agreed,
            (None, answer) => sdp::accept_answer(&answer.unwrap_or_default(), self.lease.local)?,
        };
        let now = self.now();
        let effects = self.session.as_mut().ok_or(Refusal::Over)?.begin(agreed, now);
        self.perform(effects, ctx);
        Ok(())
    }
}

impl Handler<Renegotiate> for MediaSession {
    type Result = Result<Bytes, Refusal>;

    fn handle(&mut self, Renegotiate { offer }: Renegotiate, _: &mut Self::Context) -> Self::Result {
        let (local, now) = (self.lease.local, self.now());
        let session = self.session.as_mut().ok_or(Refusal::Over)?;
        let origin = Origin { version: self.origin.version + 1, ..self.origin };
        let sdp = match offer {
            Some(offer) => {
                let Answer { sdp, agreed } = sdp::answer(&offer, local, origin)?;
                self.agreed = self.agreed.take().map(|_| agreed.clone());
                session.renegotiated(agreed, now);
                sdp
            }
            None => sdp::offer(local, origin),
        };
        self.origin = origin;
        Ok(sdp)
    }
}

impl Handler<Accept> for MediaSession {
    type Result = Result<(), Refusal>;

    fn handle(&mut self, Accept { answer }: Accept, _: &mut Self::Context) -> Self::Result {
        let agreed = sdp::accept_answer(&answer, self.lease.local)?;
        let now = self.now();
        self.session.as_mut().ok_or(Refusal::Over)?.renegotiated(agreed, now);
        Ok(())
    }
}

impl Handler<Perform> for MediaSession {
    type Result = ();

    fn handle(&mut self, perform: Perform, ctx: &mut Self::Context) {
        let now = self.now();
        let Some(session) = &mut self.session else { return };
        let effects = match perform {
            Perform::Play(number, clips) => session.roll(number, clips, now),
            Perform::Hush => {
                session.hush(now);
                vec![]
            }
            Perform::Take => session.take_down(now),
            Perform::Press(key) => session.pressed_by_info(key, now),
        };
        self.perform(effects, ctx);
    }
}

impl Handler<Fetch> for MediaSession {
    type Result = Option<Clip>;

    fn handle(&mut self, _: Fetch, _: &mut Self::Context) -> Self::Result {
        self.session.as_ref()?.taken()
    }
}

impl Handler<TapeFailed> for MediaSession {
    type Result = ();

    fn handle(&mut self, _: TapeFailed, ctx: &mut Self::Context) {
        self.fail(ctx);
    }
}

impl Handler<Close> for MediaSession {
    type Result = ResponseActFuture<Self, Closed>;

    fn handle(&mut self, _: Close, _: &mut Self::Context) -> Self::Result {
        let open_for = self.now();
        let ending = self.session.take().and_then(Session::close);
        let tape = self.tape.take();
        let finish = async move {
            let (Some(tape), Some(ending)) = (tape, ending) else { return None };
            tape.end(ending).await
        };
        Box::pin(finish.into_actor(self).map(move |recording, _, ctx| {
            ctx.stop();
            Closed { recording, open_for }
        }))
    }
}

/// Reads the socket and keeps the time, without a message for each packet.
struct Pump {
    timer: Pin<Box<Sleep>>,
}

/// Packets taken in one turn; a flood must not starve the lane.
const TURN: usize = 32;
/// The largest datagram that is looked at: 200 ms of G.711 are 1612 octets.
const LARGEST: usize = 2048;

impl ActorFuture<MediaSession> for Pump {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        call: &mut MediaSession,
        ctx: &mut Context<MediaSession>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        if !ctx.connected() {
            // Whoever carried the call is gone without a Close; a spawned future alone would keep the actor for ever.
            ctx.stop();
            return Poll::Ready(());
        }
        call.read(ctx, task);
        while let Some(at) = call.session.as_ref().and_then(Session::wake_at) {
            let deadline = (call.opened + at).into();
            if self.timer.deadline() != deadline {
                self.timer.as_mut().reset(deadline);
            }
            if self.timer.as_mut().poll(task).is_pending() {
                break;
            }
            let now = call.now().max(at);
            let effects = call.session.as_mut().map(|session| session.tick(now)).unwrap_or_default();
            call.perform(effects, ctx);
        }
        Poll::Pending
    }
}

impl MediaSession {
    fn read(&mut self, ctx: &mut Context<Self>, task: &mut task::Context<'_>) {
        let mut buffer = [0; LARGEST];
        for _ in 0..TURN {
            // When all is over the kernel drops what still comes.
            if self.session.as_ref().and_then(Session::wake_at).is_none() {
                return;
            }
            let mut datagram = ReadBuf::new(&mut buffer);
            let from = match self.socket.poll_recv_from(task, &mut datagram) {
                Poll::Ready(Ok(from)) => from,
                // An ICMP error is not the end of the call (PROTOCOLS §8).
                Poll::Ready(Err(error)) => {
                    tracing::debug!(session = self.id, %error, "RTP socket");
                    continue;
                }
                Poll::Pending => return,
            };
            let now = self.now();
            let session = self.session.as_mut().expect("it was there a moment ago");
            let effects = session.heard(datagram.filled(), from, now);
            self.perform(effects, ctx);
        }
        task.waker().wake_by_ref();
    }
}
