//! `[user.policy]`, `[policy]`, `[feature_codes]` and `[[bypass]]`.

use std::time::Duration;

use ringpost::settings::{
    AcceptKey, Bypass, Delay, Feature, FeatureCodes, Policy, PolicyLimits, Quiet, Step, To,
};

use super::{Claims, raw::Raw, section::Section, uri, user::number};

/// How long a bypassed device rings where the site says nothing.
const BYPASS_RINGS: Duration = Duration::from_secs(180);

/// Reads `[user.policy]`.
pub fn policy(mut section: Section<'_>) -> Policy {
    let do_not_disturb = section.optional("do_not_disturb", |raw| match raw.text()? {
        "voicemail" => Ok(Some(Quiet::Um)),
        "busy" => Ok(Some(Quiet::Busy)),
        "off" => Ok(None),
        other => Err(format!("wants \"voicemail\", \"busy\" or \"off\", not {other:?}")),
    });
    let always = section.optional("forward_always", to);
    let busy = section.optional("forward_busy", to);
    let no_answer = section.optional("forward_no_answer", to);
    let ring_also = numbers(&mut section, "ring_also");
    let accept_key = section.optional("accept_key", Raw::flag).map(AcceptKey);
    let hunt = numbers(&mut section, "hunt");
    let hunt_step = section.optional("hunt_step", Raw::duration).map(Step);
    let delegates = numbers(&mut section, "delegates");
    let delegates_after = section.optional("delegates_after", Raw::duration).map(Delay);
    section.end();
    Policy {
        do_not_disturb: do_not_disturb.flatten(),
        always: always.flatten(),
        busy: busy.flatten(),
        no_answer: no_answer.flatten(),
        ring_also,
        accept_key: accept_key.unwrap_or_default(),
        hunt,
        hunt_step: hunt_step.unwrap_or_default(),
        delegates,
        delegates_after: delegates_after.unwrap_or_default(),
    }
}

/// Reads `[policy]`; `None` after a problem.
pub fn limits(mut section: Section<'_>) -> Option<PolicyLimits> {
    let max_outside = section.required("max_outside", |raw| raw.count(0..=1000));
    let max_diversions = section.required("max_diversions", |raw| raw.count(0..=100));
    let accept_for = section.required("accept_for", Raw::duration);
    section.end();
    Some(PolicyLimits {
        max_outside: usize::try_from(max_outside?).ok()?,
        max_diversions: u32::try_from(max_diversions?).ok()?,
        accept_for: accept_for?,
    })
}

/// Reads `[feature_codes]`.
pub fn feature_codes(mut section: Section<'_>) -> FeatureCodes {
    let mut codes: Vec<(String, Feature)> = vec![];
    for (feature, key) in Feature::ALL {
        let code = section.optional(key, |raw| {
            let code = raw.text()?;
            let (head, digits) = code.split_at(usize::from(code.is_char_boundary(1)));
            let legal = matches!(head, "*" | "#") && !digits.is_empty();
            if !legal || !digits.bytes().all(|octet| octet.is_ascii_digit() || b"*#".contains(&octet)) {
                return Err(format!("wants a code such as \"*72\", not {code:?}"));
            }
            match codes.iter().any(|(known, _)| known == code) {
                true => Err("another feature has this code".to_owned()),
                false => Ok(code.to_owned()),
            }
        });
        codes.extend(code.map(|code| (code, feature)));
    }
    section.end();
    FeatureCodes(codes)
}

/// Reads one `[[bypass]]`; `None` after a problem.
pub fn bypass(mut section: Section<'_>, claims: &mut Claims) -> Option<Bypass> {
    let numbers = section.at_least_one("numbers", |raw| number(raw, claims));
    let target = section.required("target", |raw| {
        let text = raw.text()?;
        uri::sip(text).map(|_| text.to_owned())
    });
    let ring_for = section.optional("ring_for", Raw::duration);
    section.end();
    Some(Bypass { numbers, target: target?, ring_for: ring_for.unwrap_or(BYPASS_RINGS) })
}

fn to(raw: &Raw<'_>) -> Result<Option<To>, String> {
    match raw.text()? {
        "off" => Ok(None),
        "voicemail" => Ok(Some(To::Um)),
        text => dialled(text).map(|number| Some(To::Number(number))),
    }
}

fn numbers(section: &mut Section<'_>, key: &'static str) -> Vec<String> {
    section.list(key, |raw| dialled(raw.text()?))
}

/// A number that can be dialled: of a user, or outside.
fn dialled(text: &str) -> Result<String, String> {
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"+*#-._".contains(&octet);
    match text.bytes().all(legal) {
        true => Ok(text.to_owned()),
        false => Err("wants a number such as \"+15550101\" or a user part, without spaces".to_owned()),
    }
}
