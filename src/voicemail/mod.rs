//! The embedded UM without its SIP: greets, beeps, records. Events in, effects out; time counts from the opening.

mod clip;
mod counts;
pub mod dtmf;
pub mod g711;
mod greeting;
mod latch;
mod limits;
pub mod mailbox;
pub mod menu;
pub mod pin;
mod recording;
mod reel;
pub mod rtp;
pub mod sound;
mod speaker;
pub mod take;
pub mod wav;

use std::{net::SocketAddr, time::Duration};

pub use self::{
    clip::Clip,
    counts::{Counts, State},
    greeting::Greeting,
    limits::Limits,
    speaker::Seed,
};
use crate::sip::sdp::Agreed;
use dtmf::{Key, Keypad};
use g711::Codec;
use latch::Latch;
use recording::Recording;
use reel::{Keys, Reel};
use speaker::{Playing, Speaker};
use take::{Take, Worth};

/// One call at the embedded UM.
#[derive(Debug)]
pub struct Session {
    script: Script,
    limits: Limits,
    greeting: Greeting,
    agreed: Option<Agreed>,
    latch: Latch,
    keypad: Keypad,
    speaker: Speaker,
    phase: Phase,
    /// How keys come; only a menu asks.
    keys: Keys,
    /// What a menu has recorded last.
    taken: Option<Clip>,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Script {
    /// Greeting, beep, recording.
    #[default]
    Mailbox,
    /// The announcement again and again, until a key takes the call (R65).
    Ask,
    /// The announcement once.
    Announce,
    /// Whatever a menu says, key by key.
    Menu,
}

/// What to do, in the imperative.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Send this RTP packet there.
    Send(SocketAddr, Vec<u8>),
    /// Say that the greeting is over; the beep follows.
    TellGreetingEnded,
    /// Open a file for octets of this codec, and say so.
    StartRecording(Codec),
    /// Append these octets to the file.
    Append(Vec<u8>),
    /// Say that this key was pressed; only while it asks for one.
    TellKey(Key),
    /// Say that what the menu had played under this number is over.
    TellPlayed(u32),
    /// Say that the menu's recording is over, and whether there is any.
    TellTaken(bool),
    /// Say BYE to the caller.
    HangUp(Reason),
}

/// Why UM ends a session by itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reason {
    /// The caller pressed `#`.
    Hash,
    /// The announcement is over.
    Announced,
    /// The caller said nothing more.
    Silence,
    /// Not one packet came, or none any more.
    NoMedia,
    /// The message reached its limit.
    MessageLimit,
    /// The session reached its limit.
    CallLimit,
    /// The recording could not be written.
    DiskFailed,
    /// The media failed inside.
    Fault,
}

/// What is left when a session is over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ending {
    /// Octets still to be appended to the file.
    pub rest: Vec<u8>,
    /// How much of the file to keep.
    pub worth: Worth,
    /// Whether it is a message at all.
    pub is_message: bool,
}

#[derive(Debug)]
enum Phase {
    /// For the ACK.
    Waiting,
    Greeting(Playing),
    Beep(Playing, Vec<u8>),
    Recording(Recording),
    /// A menu listens; the next sign of life.
    Idle(Duration),
    /// A menu speaks.
    Reel(Reel),
    Over(Option<Take>),
}

/// How often silence is sent while recording, so that no media watchdog or NAT on the way gives up (RFC 6263).
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// While the call is held, how often to look.
const HELD: Duration = Duration::from_millis(200);
/// The pause between two announcements.
const AGAIN: Duration = Duration::from_secs(1);
const BEEP_HERTZ: f64 = 1000.0;
const BEEP_LOUDNESS: f64 = 0.25;
const BEEP_LENGTH: Duration = Duration::from_millis(500);

impl Session {
    /// A session opened at time zero; it waits for [`Session::begin`].
    pub fn new(limits: Limits, greeting: Greeting, seed: Seed) -> Self {
        let (latch, keypad, speaker) = (Latch::default(), Keypad::default(), Speaker::new(seed));
        Self {
            script: Script::Mailbox,
            limits,
            greeting,
            agreed: None,
            latch,
            keypad,
            speaker,
            phase: Phase::Waiting,
            keys: Keys::default(),
            taken: None,
        }
    }

    /// The same for another purpose.
    #[must_use]
    pub fn with(self, script: Script) -> Self {
        Self { script, ..self }
    }

    /// The ACK came: the greeting begins.
    pub fn begin(&mut self, agreed: Agreed, now: Duration) -> Vec<Effect> {
        if self.has_begun() {
            return vec![];
        }
        self.latch = Latch::new(agreed.remote, now);
        self.agreed = Some(agreed);
        self.phase = match self.script {
            Script::Menu => Phase::Idle(now + SIGN_OF_LIFE),
            Script::Mailbox | Script::Ask | Script::Announce => Phase::Greeting(Playing::from(now)),
        };
        self.tick(now)
    }

    /// Whether the ACK has come.
    pub fn has_begun(&self) -> bool {
        !matches!(self.phase, Phase::Waiting)
    }

    /// A re-INVITE changed what is agreed: hold, retrieval, another address. The source may be another one, too.
    ///
    /// One that changed nothing (RFC 4028, a refresh) leaves the source as it is.
    pub fn renegotiated(&mut self, agreed: Agreed, now: Duration) {
        if self.agreed.as_ref() == Some(&agreed) {
            return;
        }
        self.latch = Latch::new(agreed.remote, now);
        if let Phase::Recording(recording) = &mut self.phase {
            recording.take.last_voice = now;
        }
        self.agreed = Some(agreed);
    }

    /// A datagram came. What is not the caller's audio or key changes nothing.
    pub fn heard(&mut self, datagram: &[u8], from: SocketAddr, now: Duration) -> Vec<Effect> {
        let Some(agreed) = self.agreed.as_ref().filter(|agreed| agreed.direction.receives()) else {
            return vec![];
        };
        let Ok(rtp::Packet { header, payload }) = rtp::Packet::read(datagram) else { return vec![] };
        let audio = agreed.accepted.iter().find(|(number, _)| *number == header.payload_type);
        let is_event = agreed.telephone_event == Some(header.payload_type);
        if audio.is_none() && !is_event || !self.latch.admits(from, header.ssrc, now) {
            return vec![];
        }
        match audio {
            Some((_, codec)) => self.record(*codec, header, payload, now),
            None => match self.keypad.heard(header.ssrc, header.timestamp, payload) {
                Some(key) => self.pressed_by(Keys::Events, key, now),
                None => vec![],
            },
        }
    }

    /// Does what is due. Call it at [`Session::wake_at`], or whenever.
    pub fn tick(&mut self, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        if now >= self.limits.max_call {
            self.hang_up(Reason::CallLimit, &mut effects);
        }
        match &self.phase {
            Phase::Waiting if now >= self.limits.begin => self.hang_up(Reason::NoMedia, &mut effects),
            Phase::Waiting | Phase::Over(_) => {}
            Phase::Greeting(_) | Phase::Beep(..) => self.play(now, &mut effects),
            Phase::Reel(_) => self.turn(now, &mut effects),
            Phase::Idle(_) => self.show_life(now, &mut effects),
            Phase::Recording(recording) => match recording.is_enough(&self.limits, self.is_held(), now) {
                Some(_) if recording.kept.is_some() => self.end_take(now, &mut effects),
                Some(reason) => self.hang_up(reason, &mut effects),
                None => self.show_life(now, &mut effects),
            },
        }
        effects
    }

    /// When to call [`Session::tick`] next; `None` once all is over.
    pub fn wake_at(&self) -> Option<Duration> {
        let at = match &self.phase {
            Phase::Waiting => self.limits.begin,
            Phase::Greeting(playing) | Phase::Beep(playing, _) => playing.due,
            Phase::Recording(recording) => recording.wake_at(&self.limits, self.is_held()),
            Phase::Idle(sign_of_life) => *sign_of_life,
            Phase::Reel(reel) => reel.due(),
            Phase::Over(_) => return None,
        };
        Some(at.min(self.limits.max_call))
    }

    /// The file cannot be written: the caller need not go on speaking.
    pub fn disk_failed(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.hang_up(Reason::DiskFailed, &mut effects);
        effects
    }

    /// The call is over, whoever hung up. `None` if the recording had not begun.
    pub fn close(self) -> Option<Ending> {
        let take = match self.phase {
            Phase::Recording(recording) if recording.kept.is_none() => Some(recording.take),
            Phase::Over(take) => take,
            _ => None,
        };
        let (rest, worth) = take?.end(self.limits.max_message);
        Some(Ending { rest, worth, is_message: self.limits.is_message(worth) })
    }

    fn pressed(&mut self, key: Key, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        match self.phase {
            Phase::Greeting(_) if self.script == Script::Ask => effects.push(Effect::TellKey(key)),
            Phase::Greeting(playing) if key == Key::HASH && self.script == Script::Mailbox => {
                self.beep(playing.due.max(now), &mut effects)
            }
            Phase::Recording(_) if self.script == Script::Menu => self.end_take(now, &mut effects),
            Phase::Recording(_) if key == Key::HASH => self.hang_up(Reason::Hash, &mut effects),
            Phase::Idle(_) | Phase::Reel(_) => effects.push(Effect::TellKey(key)),
            Phase::Waiting | Phase::Greeting(_) | Phase::Beep(..) | Phase::Recording(_) | Phase::Over(_) => {}
        }
        effects
    }

    /// Sends what is due of the greeting or the beep, and goes on to what follows it.
    fn play(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let Some(agreed) = &self.agreed else { return };
        let (codec, payload_type, sends) = (agreed.codec, agreed.payload_type, agreed.direction.sends());
        let target = self.latch.address().or(agreed.remote);
        let (playing, audio) = match &mut self.phase {
            Phase::Greeting(playing) => (playing, self.greeting.octets(codec)),
            Phase::Beep(playing, tone) => (playing, tone.as_slice()),
            _ => return,
        };
        if !sends {
            playing.due = now + HELD;
            return self.speaker.pause();
        }
        while let Some((frame, due)) = playing.next(audio, codec, now) {
            let packet = self.speaker.say(payload_type, &frame, due);
            effects.extend(target.map(|target| Effect::Send(target, packet)));
        }
        if playing.is_over(audio, now) {
            let due = playing.due;
            match (&self.phase, self.script) {
                (Phase::Greeting(_), Script::Mailbox) => {
                    self.beep(due, effects);
                    self.play(now, effects);
                }
                (Phase::Greeting(_), Script::Ask) => {
                    self.speaker.pause();
                    self.phase = Phase::Greeting(Playing::from(due + AGAIN));
                }
                (Phase::Greeting(_), Script::Announce) => self.hang_up(Reason::Announced, effects),
                _ => self.listen(codec, now, effects),
            }
        }
    }

    fn beep(&mut self, due: Duration, effects: &mut Vec<Effect>) {
        let Some(agreed) = &self.agreed else { return };
        let tone = agreed.codec.tone(BEEP_HERTZ, BEEP_LOUDNESS, BEEP_LENGTH);
        self.phase = Phase::Beep(Playing::from(due), tone);
        if self.script != Script::Menu {
            effects.push(Effect::TellGreetingEnded);
        }
    }

    fn show_life(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let sign_of_life = match &mut self.phase {
            Phase::Recording(recording) => &mut recording.sign_of_life,
            Phase::Idle(sign_of_life) => sign_of_life,
            _ => return,
        };
        let Some(agreed) = self.agreed.as_ref().filter(|_| now >= *sign_of_life) else { return };
        *sign_of_life = now + SIGN_OF_LIFE;
        let target = self.latch.address().or(agreed.remote).filter(|_| agreed.direction.sends());
        if let Some(target) = target {
            let silence = [agreed.codec.silence(); 160];
            effects.push(Effect::Send(target, self.speaker.say(agreed.payload_type, &silence, now)));
        }
    }

    fn is_held(&self) -> bool {
        self.agreed.as_ref().is_none_or(|agreed| !agreed.direction.receives())
    }

    fn hang_up(&mut self, reason: Reason, effects: &mut Vec<Effect>) {
        let take = match std::mem::replace(&mut self.phase, Phase::Over(None)) {
            Phase::Recording(recording) => Some(recording.take),
            Phase::Over(take) => return self.phase = Phase::Over(take),
            _ => None,
        };
        self.phase = Phase::Over(take);
        effects.push(Effect::HangUp(reason));
    }
}
