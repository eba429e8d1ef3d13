//! A recording under way: what it takes in, and when it is enough.

use std::time::Duration;

use super::{Effect, Limits, Phase, Reason, SIGN_OF_LIFE, Script, Session, g711::Codec, rtp, take::Take};

/// What is being recorded.
#[derive(Debug)]
pub struct Recording {
    pub codec: Codec,
    pub began: Duration,
    pub take: Take,
    /// When silence is sent next.
    pub sign_of_life: Duration,
    /// Where a menu records: what has settled so far.
    pub kept: Option<Vec<u8>>,
}

impl Recording {
    /// Why it is over, where it is.
    pub fn is_enough(&self, limits: &Limits, held: bool, now: Duration) -> Option<Reason> {
        if now >= self.began + limits.max_message {
            return Some(Reason::MessageLimit);
        }
        let quiet = !held && now >= self.take.last_voice + limits.silence;
        let alive = self.take.last_packet.is_some_and(|last| now < last + limits.silence);
        quiet.then_some(if alive { Reason::Silence } else { Reason::NoMedia })
    }

    /// When to look at it next.
    pub fn wake_at(&self, limits: &Limits, held: bool) -> Duration {
        let quiet = (!held).then_some(self.take.last_voice + limits.silence);
        [self.sign_of_life, self.began + limits.max_message]
            .into_iter()
            .chain(quiet)
            .min()
            .unwrap_or_default()
    }
}

impl Session {
    /// The beep is over: the recording begins.
    pub(super) fn listen(&mut self, codec: Codec, now: Duration, effects: &mut Vec<Effect>) {
        self.speaker.pause();
        let take = Take::new(codec, now);
        let kept = (self.script == Script::Menu).then(Vec::new);
        if kept.is_none() {
            effects.push(Effect::StartRecording(codec));
        }
        let sign_of_life = now + SIGN_OF_LIFE;
        self.phase = Phase::Recording(Recording { codec, began: now, take, sign_of_life, kept });
    }

    /// Audio of the caller's; what it settles goes to the file, or is kept where a menu records.
    pub(super) fn record(
        &mut self,
        codec: Codec,
        header: rtp::Header,
        octets: &[u8],
        now: Duration,
    ) -> Vec<Effect> {
        let rtp::Header { ssrc, timestamp, .. } = header;
        let Phase::Recording(recording) = &mut self.phase else { return vec![] };
        let settled = if codec == recording.codec {
            recording.take.place(ssrc, timestamp, octets, now)
        } else {
            let mut octets = octets.to_vec();
            codec.transcode(recording.codec, &mut octets);
            recording.take.place(ssrc, timestamp, &octets, now)
        };
        match (settled, &mut recording.kept) {
            (Some(octets), Some(kept)) => {
                kept.extend(octets);
                vec![]
            }
            (settled, _) => settled.map(Effect::Append).into_iter().collect(),
        }
    }
}
