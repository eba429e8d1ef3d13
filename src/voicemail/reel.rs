//! What a menu does with a session: it speaks, listens for keys, and records without a file.

use std::{collections::VecDeque, time::Duration};

use super::{Clip, Effect, HELD, Phase, SIGN_OF_LIFE, Script, Session, dtmf::Key, speaker::Playing};

/// Clips that play one after the other.
#[derive(Debug)]
pub struct Reel {
    number: u32,
    clips: VecDeque<Clip>,
    playing: Playing,
}

impl Reel {
    pub fn due(&self) -> Duration {
        self.playing.due
    }
}

/// How a caller's keys come. A phone that sends each twice is heard by the way that it used first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Keys {
    #[default]
    Unknown,
    /// RFC 4733.
    Events,
    /// SIP INFO.
    Info,
}

impl Session {
    /// Plays these instead of what is playing, and says under that number when they are over.
    pub fn roll(&mut self, number: u32, clips: Vec<Clip>, now: Duration) -> Vec<Effect> {
        if !self.is_menu() {
            return vec![];
        }
        let due = match &self.phase {
            // What has been sent is still being heard.
            Phase::Reel(reel) => reel.due().max(now),
            _ => {
                self.speaker.pause();
                now
            }
        };
        self.phase = Phase::Reel(Reel { number, clips: clips.into(), playing: Playing::from(due) });
        self.tick(now)
    }

    /// Plays nothing.
    pub fn hush(&mut self, now: Duration) {
        if self.is_menu() {
            self.speaker.pause();
            self.phase = Phase::Idle(now + SIGN_OF_LIFE);
        }
    }

    /// Beeps, then records until a key, silence or the limit of a message.
    pub fn take_down(&mut self, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.is_menu() {
            self.taken = None;
            self.beep(now, &mut effects);
            effects.extend(self.tick(now));
        }
        effects
    }

    /// What was recorded last.
    pub fn taken(&self) -> Option<Clip> {
        self.taken.clone()
    }

    /// A key that came by SIP INFO.
    pub fn pressed_by_info(&mut self, key: Key, now: Duration) -> Vec<Effect> {
        self.pressed_by(Keys::Info, key, now)
    }

    pub(super) fn pressed_by(&mut self, way: Keys, key: Key, now: Duration) -> Vec<Effect> {
        if self.script == Script::Menu {
            if self.keys == Keys::Unknown {
                self.keys = way;
            }
            if self.keys != way {
                return vec![];
            }
        }
        self.pressed(key, now)
    }

    fn is_menu(&self) -> bool {
        self.script == Script::Menu && !matches!(self.phase, Phase::Waiting | Phase::Over(_))
    }

    /// Sends what is due of the reel.
    pub(super) fn turn(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let (Phase::Reel(reel), Some(agreed)) = (&mut self.phase, &self.agreed) else { return };
        let (codec, target) = (agreed.codec, self.latch.address().or(agreed.remote));
        if !agreed.direction.sends() {
            reel.playing.due = now + HELD;
            return self.speaker.pause();
        }
        while let Some(clip) = reel.clips.front() {
            while let Some((mut frame, due)) = reel.playing.next(clip.octets(), clip.codec(), now) {
                clip.codec().transcode(codec, &mut frame);
                let packet = self.speaker.say(agreed.payload_type, &frame, due);
                effects.extend(target.map(|target| Effect::Send(target, packet)));
            }
            if !reel.playing.is_over(clip.octets(), now) {
                return;
            }
            reel.playing = Playing::from(reel.playing.due);
            reel.clips.pop_front();
        }
        if reel.playing.due <= now {
            effects.push(Effect::TellPlayed(reel.number));
            self.speaker.pause();
            self.phase = Phase::Idle(now + SIGN_OF_LIFE);
        }
    }

    /// A menu's recording is over.
    pub(super) fn end_take(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let idle = Phase::Idle(now + SIGN_OF_LIFE);
        let Phase::Recording(recording) = std::mem::replace(&mut self.phase, idle) else { return };
        let (rest, worth) = recording.take.end(self.limits.max_message);
        let mut octets = recording.kept.unwrap_or_default();
        octets.extend(rest);
        octets.truncate(usize::try_from(worth.octets).unwrap_or(usize::MAX));
        self.taken = self.limits.is_message(worth).then(|| Clip::new(recording.codec, octets));
        effects.push(Effect::TellTaken(self.taken.is_some()));
    }
}
