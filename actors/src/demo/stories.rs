//! The five stories: what the peers do, and what must come of it.

use std::time::Duration;

use ringpost::{
    call::{Outcome, wire::ELSEWHERE},
    notify::{Action, Reason},
    voicemail::g711::Codec,
};
use tokio::time::sleep;

use super::{
    ladder::{INSIDE, OUTSIDE, Party},
    peer::{Missing, Order, Peer},
    site::{ADA, BEN, CLEO},
    theatre::{Expected, Theatre, check},
};

/// What the caller says: a tone, so that the recording can be checked.
const PITCH: f64 = 440.0;
/// How long the caller speaks; more than `min_message`.
pub const MESSAGE: Duration = Duration::from_secs(3);
/// How long it rings where somebody does something about it.
const RING: Duration = Duration::from_millis(800);
/// How long the last packet may be on its way.
const LAST_PACKET: Duration = Duration::from_millis(40);
const TALK: Duration = Duration::from_secs(1);
const PATIENT: Duration = Duration::from_millis(1_500);

/// A story.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Story {
    /// The desk phone answers.
    Answered,
    /// The caller hangs up in state 1.
    MissedRinging,
    /// The caller hangs up in state 2.
    MissedForwarding,
    /// The caller hangs up in state 3.
    MissedGreeting,
    /// The caller speaks in state 4.
    VoiceMail,
}

impl Story {
    /// All of them, in the order they are told.
    pub const ALL: [Self; 5] =
        [Self::Answered, Self::MissedRinging, Self::MissedForwarding, Self::MissedGreeting, Self::VoiceMail];

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Answered => "Answered at the desk",
            Self::MissedRinging => "Missed while ringing",
            Self::MissedForwarding => "Missed while being forwarded",
            Self::MissedGreeting => "Missed in the greeting",
            Self::VoiceMail => "Voice mail left",
        }
    }

    /// Plays it.
    ///
    /// # Errors
    /// What did not happen as it should.
    pub async fn play(self, theatre: &mut Theatre) -> Result<(), Missing> {
        match self {
            Self::Answered => answered(theatre).await,
            Self::MissedRinging => missed_ringing(theatre).await,
            Self::MissedForwarding => {
                missed_forwarding(theatre).await?;
                theatre.page.line("");
                missed_forwarding_by_mail(theatre).await
            }
            Self::MissedGreeting => missed_greeting(theatre).await,
            Self::VoiceMail => voice_mail(theatre).await,
        }
    }
}

/// Both phones ring, the desk phone answers, the softphone is told that it was answered elsewhere.
async fn answered(t: &mut Theatre) -> Result<(), Missing> {
    let scene =
        t.call(INSIDE, ADA, "Luka calls Ada (1001). Her desk phone answers; they talk; Luka hangs up.");
    both_ring(t).await?;
    sleep(RING).await;
    t.desk.order(Order::Answer);
    let (caller, callee) = (t.pbx.answered().await?, t.desk.answered().await?);
    let reason = t.soft.taken_back().await?;
    let tone = Codec::Pcma.tone(PITCH, 0.3, TALK);
    let (to_desk, to_pbx) = tokio::join!(
        say(&t.pbx, caller.codec, &tone, caller.remote),
        say(&t.desk, callee.codec, &tone, callee.remote)
    );
    to_desk.and(to_pbx)?;
    sleep(LAST_PACKET).await;
    let (heard_here, heard_there) = (t.pbx.media.packets(), t.desk.media.packets());
    t.ladder.sounded(Party::Pbx, Party::Desk, &format!("{heard_there} packets, past Ringpost"));
    t.ladder.sounded(Party::Desk, Party::Pbx, &format!("{heard_here} packets, past Ringpost"));
    t.pbx.order(Order::HangUp);
    t.desk.hung_up().await?;
    t.pbx.over().await?;
    check(
        reason.as_deref() == Some(ELSEWHERE),
        "the softphone was not told that the call was completed elsewhere",
    )?;
    check(heard_here > 40 && heard_there > 40, "the two did not hear each other")?;
    let expected = expected(Outcome::Talked, Action::Silent, Reason::Talked);
    t.verdict(scene, expected).await
}

/// Nobody is quick enough, the caller gives up: the embedded UM is told by INFO and writes the mail.
async fn missed_ringing(t: &mut Theatre) -> Result<(), Missing> {
    let scene = t.call(INSIDE, ADA, "Luka calls Ada (1001) and gives up while her phones ring.");
    both_ring(t).await?;
    sleep(RING).await;
    t.pbx.order(Order::GiveUp);
    all_give_up(t).await?;
    let expected = Expected {
        told: Some("um"),
        mail: Some("missedcall"),
        ..expected(Outcome::GaveUpRinging, Action::TellUm, Reason::UmWrites)
    };
    t.verdict(scene, expected).await
}

/// UM rings and rings, the caller gives up: that UM is told by INFO, for the notice is its own business.
async fn missed_forwarding(t: &mut Theatre) -> Result<(), Missing> {
    let what = "Luka calls Ben (1002), whose UM is somebody else's and slow. Luka gives up; that UM is told.";
    let scene = t.call(OUTSIDE, BEN, what);
    give_up_while_um_rings(t).await?;
    let body = t.um.told().await?;
    t.page.framed("The body of that INFO, one element to a line", &body.replace("><", ">\n<"));
    check(body.contains(&scene.call_id), "the INFO does not name the call")?;
    let expected = Expected {
        told: Some("um"),
        ..expected(Outcome::GaveUpForwarding, Action::TellUm, Reason::UmWrites)
    };
    t.verdict(scene, expected).await
}

/// The same, for a user whom Ringpost itself tells.
async fn missed_forwarding_by_mail(t: &mut Theatre) -> Result<(), Missing> {
    let what = "The same call to Cleo (1003), whom Ringpost itself tells: missed_calls = \"mail\".";
    let scene = t.call(OUTSIDE, CLEO, what);
    give_up_while_um_rings(t).await?;
    let expected = Expected {
        told: Some("mail"),
        mail: Some("missedcall"),
        ..expected(Outcome::GaveUpForwarding, Action::Mail, Reason::RingpostWrites)
    };
    t.verdict(scene, expected).await
}

/// UM has the call and greets; what is missed there, UM itself tells.
async fn missed_greeting(t: &mut Theatre) -> Result<(), Missing> {
    let what = "Luka calls Ada (1001), nobody answers, the voice mail greets. Luka hangs up without a word.";
    let scene = t.call(INSIDE, ADA, what);
    forwarded_to_own_um(t).await?;
    sleep(PATIENT).await;
    let heard = t.pbx.media.packets();
    t.ladder.sounded(Party::Ringpost, Party::Pbx, &format!("{heard} packets of greeting"));
    t.pbx.order(Order::HangUp);
    t.pbx.over().await?;
    check(heard > 50, "the caller did not hear the greeting")?;
    let expected = Expected {
        told: Some("mail"),
        mail: Some("missedcall"),
        ..expected(Outcome::GaveUpInGreeting, Action::Silent, Reason::UmHadTheCall)
    };
    t.verdict(scene, expected).await
}

/// The caller hears greeting and beep, speaks, and hangs up: the message is the notice.
async fn voice_mail(t: &mut Theatre) -> Result<(), Missing> {
    let what =
        "Luka calls Ada (1001), nobody answers. Luka hears the greeting, waits for the beep, and speaks.";
    let scene = t.call(INSIDE, ADA, what);
    let agreed = forwarded_to_own_um(t).await?;
    t.ladder.note("Luka listens …");
    let beep = tokio::time::timeout(Duration::from_secs(20), t.pbx.media.beep()).await;
    check(beep.is_ok(), "the caller heard no beep")?;
    let heard = t.pbx.media.packets();
    t.ladder.sounded(Party::Ringpost, Party::Pbx, &format!("{heard} packets to the beep"));
    t.ladder.state(4, "the beep is over: the message is recorded");
    let tone = agreed.codec.tone(PITCH, 0.5, MESSAGE);
    let said = say(&t.pbx, agreed.codec, &tone, agreed.remote).await?;
    t.ladder.sounded(Party::Pbx, Party::Ringpost, &format!("{said} packets, a tone"));
    t.pbx.order(Order::HangUp);
    t.pbx.over().await?;
    let expected = Expected {
        told: Some("mail"),
        mail: Some("voice-ca"),
        recording: Some((MESSAGE, PITCH)),
        ..expected(Outcome::LeftMessage, Action::Silent, Reason::MessageLeft)
    };
    t.verdict(scene, expected).await
}

fn expected(outcome: Outcome, action: Action, reason: Reason) -> Expected {
    Expected { outcome, action, reason, told: None, mail: None, recording: None }
}

async fn both_ring(t: &mut Theatre) -> Result<(), Missing> {
    t.desk.rings().await?;
    t.soft.rings().await?;
    t.pbx.progress(180).await
}

async fn all_give_up(t: &mut Theatre) -> Result<(), Missing> {
    t.desk.taken_back().await?;
    t.soft.taken_back().await?;
    t.pbx.refused(487).await
}

async fn give_up_while_um_rings(t: &mut Theatre) -> Result<(), Missing> {
    both_ring(t).await?;
    t.pbx.progress(181).await?;
    t.um.rings().await?;
    sleep(RING).await;
    t.pbx.order(Order::GiveUp);
    t.um.taken_back().await?;
    all_give_up(t).await
}

async fn forwarded_to_own_um(t: &mut Theatre) -> Result<ringpost::sip::sdp::Agreed, Missing> {
    both_ring(t).await?;
    t.pbx.progress(181).await?;
    t.pbx.answered().await
}

async fn say(
    peer: &Peer,
    codec: Codec,
    audio: &[u8],
    to: Option<std::net::SocketAddr>,
) -> Result<u32, Missing> {
    let to = to.ok_or_else(|| Missing("the far end does not say where it hears".into()))?;
    peer.media.say(codec, audio, to).await.map_err(|error| Missing(format!("nothing could be said: {error}")))
}
