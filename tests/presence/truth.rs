//! R113 and R110 as a table: every combination of what Ringpost does with calls, what remote call control, a PBX and an
//! endpoint say of them, and whether anybody can be reached.

use std::fmt::Write;

use ringpost::presence::{Forward, Kind, Progress, Telephony, aggregate::Idle, input::Said};

use crate::{NOW, from, golden, inputs, phone};

const IDLE: Idle = Idle { inactive: 300, away: 900 };

#[test]
fn r113_do_not_disturb_comes_before_forwarded_before_busy_or_available() {
    let mut table =
        String::from("reachable own-policy         own-call  cti          sip          | telephony by\n");
    let policies = ["-", "dnd", "voice-mail", "number", "dnd+number"];
    let calls = [("-", None), ("rings", Some(Progress::Early)), ("talks", Some(Progress::Confirmed))];
    let others = ["-", "free", "rings", "talks", "dnd", "voice-mail", "number", "dnd+talks"];
    for reachable in [true, false] {
        for policy in policies {
            for (call_name, call) in calls {
                for cti in others {
                    for sip in others {
                        let mut known = inputs();
                        known.own.reachable = reachable;
                        known.own.do_not_disturb = policy.starts_with("dnd");
                        known.own.forward = forward(policy);
                        if call.is_some() {
                            known.put(&from(Kind::Own, ""), phone(call, None, None), NOW + 60);
                        }
                        for (kind, what) in [(Kind::Sip, sip), (Kind::Cti, cti)] {
                            if what != "-" {
                                known.put(&from(kind, &format!("{kind:?}")), said(what), NOW + 60);
                            }
                        }
                        let sum = known.sum(IDLE, NOW);
                        check(&sum.telephony, policy, call, cti, sip);
                        let by = sum.telephony_by.as_deref().unwrap_or("-");
                        let telephony = match &sum.telephony {
                            Telephony::ForwardedToNumber(to) => format!("forwarded-to-number {to}"),
                            other => other.name().to_owned(),
                        };
                        writeln!(
                            table,
                            "{reachable:9} {policy:18} {call_name:9} {cti:12} {sip:12} | {telephony} {by}"
                        )
                        .expect("a String takes every text");
                    }
                }
            }
        }
    }
    golden("telephony.txt", &table);
}

/// The rule once more, in other words than the code's.
fn check(telephony: &Telephony, policy: &str, call: Option<Progress>, cti: &str, sip: &str) {
    let counts = if cti == "-" { sip } else { cti };
    let quiet = policy.starts_with("dnd") || counts.starts_with("dnd");
    let voice_mail = policy == "voice-mail" || policy == "-" && counts == "voice-mail";
    let number = policy == "number" || policy == "-" && counts == "number";
    let talks = call == Some(Progress::Confirmed) || counts.ends_with("talks");
    let as_expected = match telephony {
        Telephony::DoNotDisturb => quiet,
        Telephony::ForwardedToVoiceMail => !quiet && voice_mail,
        Telephony::ForwardedToNumber(_) => !quiet && number,
        Telephony::Busy => !quiet && !voice_mail && !number && talks,
        Telephony::Available | Telephony::Offline => !quiet && !voice_mail && !number && !talks,
        Telephony::NotConfigured => false,
    };
    assert!(as_expected, "{telephony:?} of {policy} {call:?} {cti} {sip}");
}

fn forward(what: &str) -> Option<Forward> {
    match what {
        "voice-mail" => Some(Forward::VoiceMail),
        "number" | "dnd+number" => Some(Forward::Number("4711".into())),
        _ => None,
    }
}

fn said(what: &str) -> Said {
    match what {
        "free" => phone(None, Some(false), Some(None)),
        "rings" => phone(Some(Progress::Early), None, None),
        "talks" => phone(Some(Progress::Confirmed), None, None),
        "dnd" => phone(None, Some(true), None),
        "dnd+talks" => phone(Some(Progress::Confirmed), Some(true), None),
        other => phone(None, None, Some(forward(other))),
    }
}
