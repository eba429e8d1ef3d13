//! The peers, the page, and how the end of a story is judged.

use std::time::Duration;

use ringpost::{
    call::Outcome,
    notify::{Action, CallRecord, Kind, Reason, um_decides},
    outbox::ChannelName,
    settings::{Site, User},
};
use serde::Serialize;
use tokio::time::sleep;

use super::{
    evidence::{Evidence, Letter},
    ladder::{Columns, Ladder},
    page::{Ink, Page},
    peer::{Missing, Order, Peer},
};
use crate::store::Listed;

/// What may still be on its way when a story's last word is said: the ACK of a 487, the 200 of a CANCEL.
const AFTERMATH: Duration = Duration::from_millis(120);

/// The cast and the stage.
pub struct Theatre {
    /// The caller, behind the PBX.
    pub pbx: Peer,
    /// The desk phone.
    pub desk: Peer,
    /// The softphone.
    pub soft: Peer,
    /// The UM of somebody else.
    pub um: Peer,
    /// Where it is shown.
    pub page: Page,
    /// What is drawn.
    pub ladder: Ladder,
    /// What is left behind.
    pub evidence: Evidence,
    /// Who is told how.
    pub site: Site,
    /// The Call-IDs that have to end in a mail.
    pub mailed: Vec<String>,
}

/// One call of a story.
pub struct Scene {
    /// Its Call-ID.
    pub call_id: String,
    number: &'static str,
}

/// What must have come of a call.
pub struct Expected {
    /// How it ended.
    pub outcome: Outcome,
    /// What Ringpost decided.
    pub action: Action,
    /// And why.
    pub reason: Reason,
    /// The channel of its notice.
    pub told: Option<&'static str>,
    /// The Content-Class of its mail.
    pub mail: Option<&'static str>,
    /// The length and the pitch of its recording.
    pub recording: Option<(Duration, f64)>,
}

impl Theatre {
    /// Begins a call to the user with that number.
    pub fn call(&mut self, columns: Columns, number: &'static str, what: &str) -> Scene {
        [&mut self.pbx, &mut self.desk, &mut self.soft, &mut self.um].into_iter().for_each(Peer::forget);
        self.page.line(what);
        self.page.line("");
        self.ladder.begin(columns);
        let call_id = format!("{:08x}@pbx.demo.example", fastrand::u32(..));
        self.pbx.order(Order::Call { number: number.to_owned(), call_id: call_id.clone() });
        Scene { call_id, number }
    }

    /// Ends a call: shows what was decided and told, and checks it.
    pub async fn verdict(&mut self, scene: Scene, expected: Expected) -> Result<(), Missing> {
        sleep(AFTERMATH).await;
        self.ladder.end();
        let record = self.evidence.call(&scene.call_id).await?;
        self.page.line("");
        let rang = record.rang_for.as_secs_f64();
        self.fact("Call log", &format!("{}, rang for {rang:.1} s", name(&record.outcome)));
        self.fact("Ringpost", &format!("{}: {}", record.verdict.action, record.verdict.reason));
        let notices = self.evidence.notices(&scene.call_id, expected.told).await?;
        let user = self.site.users.iter().find(|user| user.numbers.iter().any(|one| one == scene.number));
        if let Some(user) = user {
            self.fact("UM", &um_says(user, &record, &notices));
        }
        let letter = match expected.mail {
            Some(_) => Some(self.evidence.letter(&scene.call_id).await?),
            None => self.evidence.letter_now(&scene.call_id),
        };
        match &letter {
            Some(letter) => letter.show(&self.page),
            None => self.fact("Mail", "none, as it should be"),
        }
        if letter.is_some() {
            self.mailed.push(scene.call_id);
        }
        expected.met_by(&record, letter.as_ref())
    }

    fn fact(&self, what: &str, text: &str) {
        self.page.line(&format!("  {} {text}", self.page.ink(Ink::Faint, &format!("{what:<9}"))));
    }
}

impl Expected {
    /// Whether that has come of the call.
    fn met_by(&self, record: &CallRecord, letter: Option<&Letter>) -> Result<(), Missing> {
        let found = (record.outcome, record.verdict.action, record.verdict.reason);
        let wanted = (self.outcome, self.action, self.reason);
        check(found == wanted, &format!("the call log says {found:?} where it should say {wanted:?}"))?;
        let class = letter.map(|letter| letter.class.as_str());
        check(class == self.mail, &format!("the mail's class is {class:?}, not {:?}", self.mail))?;
        let Some((length, pitch)) = self.recording else { return Ok(()) };
        let tone = letter.and_then(|letter| letter.attachment.as_ref()?.tone(pitch));
        let (found, share) = tone.ok_or_else(|| Missing("no recording is attached".into()))?;
        check(found.abs_diff(length) < Duration::from_millis(200), &format!("{found:?} are recorded"))?;
        check(share > 0.9, &format!("only {share:.2} of the recording is what the caller said"))
    }
}

/// Something that must be so.
pub fn check(good: bool, otherwise: &str) -> Result<(), Missing> {
    if good { Ok(()) } else { Err(Missing(otherwise.to_owned())) }
}

/// What UM did, as far as the outbox shows it.
fn um_says(user: &User, record: &CallRecord, notices: &[Listed]) -> String {
    let told = notices.iter().any(|notice| notice.item.way.channel() == ChannelName::um());
    let mails = notices.iter().any(|notice| notice.item.way.channel() == ChannelName::mail());
    match record.outcome {
        Outcome::GaveUpInGreeting | Outcome::LeftMessage | Outcome::TakenByUm => {
            let message =
                notices.iter().any(|listed| matches!(listed.item.notice.kind, Kind::VoiceMail { .. }));
            let verdict = um_decides(user.missed_calls, message, (None, false));
            format!("{}: {}", name(&verdict.action), verdict.reason)
        }
        Outcome::Talked
        | Outcome::TakenByOther
        | Outcome::CompletedElsewhere
        | Outcome::GaveUpRinging
        | Outcome::GaveUpForwarding
        | Outcome::Unanswered
        | Outcome::ForwardUnanswered
        | Outcome::NotDisturbed
        | Outcome::UmUnreachable => match (told, mails) {
            (true, true) => "missed: Ringpost's own UM took the INFO and wrote the mail".to_owned(),
            (true, false) => "took the INFO; what it tells its user is its own business".to_owned(),
            (false, _) => "not told".to_owned(),
        },
    }
}

/// A variant's name in the store.
fn name(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(_) | Err(_) => unreachable!("outcomes and actions are variants without content"),
    }
}

#[cfg(test)]
mod tests {
    use ringpost::{address::Caller, notify::Verdict, voicemail::g711::Codec};

    use super::*;

    #[test]
    fn what_did_not_come_out_is_named() {
        let length = Duration::from_secs(3);
        let tone = |hertz, length| Codec::Pcma.tone(hertz, 0.5, length);
        let (good, other, short) = (tone(440.0, length), tone(880.0, length), tone(440.0, length / 2));
        let (left, missed) = (Outcome::LeftMessage, Outcome::GaveUpInGreeting);
        for (outcome, letter, what) in [
            (left, Some(("voice-ca", Some(&good))), ""),
            (missed, Some(("voice-ca", Some(&good))), "the call log says (GaveUpInGreeting, "),
            (left, Some(("missedcall", Some(&good))), "the mail's class is Some(\"missedcall\"), not Some"),
            (left, None, "the mail's class is None, not Some(\"voice-ca\")"),
            (left, Some(("voice-ca", None)), "no recording is attached"),
            (left, Some(("voice-ca", Some(&short))), "1.5s are recorded"),
            (left, Some(("voice-ca", Some(&other))), "only 0.00 of the recording is what the caller said"),
        ] {
            let wanted = Expected {
                outcome: left,
                action: Action::Silent,
                reason: Reason::MessageLeft,
                told: None,
                mail: Some("voice-ca"),
                recording: Some((length, 440.0)),
            };
            let letter = letter.map(|(class, samples)| Letter::of(class, samples.cloned()));
            let found = wanted.met_by(&record(outcome), letter.as_ref());
            let said = found.err().map_or(String::new(), |missing| missing.to_string());
            assert!(said.starts_with(what) && said.is_empty() == what.is_empty(), "{said:?} for {what:?}");
        }
    }

    fn record(outcome: Outcome) -> CallRecord {
        CallRecord {
            call_id: "c".into(),
            user: "sip:1001@demo.example".into(),
            caller: Caller::default(),
            came_in: jiff::Timestamp::UNIX_EPOCH,
            rang_for: Duration::ZERO,
            outcome,
            verdict: Verdict { action: Action::Silent, reason: Reason::MessageLeft },
            answered_by: None,
        }
    }
}
