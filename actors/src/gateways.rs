//! Gateways of routes as the world sees them: what a refusal says of one, the words in the log, how the health report
//! shows them.

use jiff::Timestamp;
use ringpost::{
    directory::{Directory, Fit},
    sip::Message,
    um::health::Sign,
};

use crate::{
    metrics::{METRICS, State},
    pool::{now, sign_of},
};

/// Whether a refusal, before it has rung, is the gateway's own failure, so that another one is tried: 5xx, or nothing at
/// all. What the telephone network says of the number (4xx, 6xx) is its answer; so is a 408 that came from there
/// (RFC 3398 §7.2.4.1: nobody responds).
pub fn failed(code: u16, said: Option<&Message>) -> bool {
    match said {
        Some(_) => (500..600).contains(&code),
        None => matches!(code, 408 | 503),
    }
}

/// What a refusal shows of the gateway.
pub fn sign(code: u16, said: Option<&Message>) -> Sign {
    match (code, said) {
        // Both speak of the call (RFC 3312 §8).
        (408 | 580, Some(_)) => Sign::Good,
        _ => sign_of(code, said),
    }
}

/// Notes what a call, or OPTIONS, has shown of a gateway.
pub fn note(directory: &Directory, gateway: &str, sign: Sign) {
    let changed = directory.note_gateway(gateway, sign, (now(), Timestamp::now()));
    let why = match sign {
        Sign::Good => "it works",
        Sign::Failed => "it failed",
        Sign::Busy(_) => "it asked to be left alone",
        Sign::Silent => "it did not answer",
    };
    tell(gateway, changed, why);
}

/// A gateway has answered OPTIONS.
pub fn answered(directory: &Directory, gateway: &str) {
    let changed = directory.gateway_answered(gateway, (now(), Timestamp::now()));
    tell(gateway, changed, "it answers OPTIONS");
}

/// A gateway that is out does not answer OPTIONS, or only that it cannot work; `sign` is what that shows.
pub fn still_out(directory: &Directory, gateway: &str, sign: Sign) {
    match sign {
        Sign::Busy(_) => note(directory, gateway, sign),
        Sign::Good | Sign::Failed | Sign::Silent => {
            let changed = directory.gateway_is_silent(gateway, (now(), Timestamp::now()));
            tell(gateway, changed, "it does not answer OPTIONS");
        }
    }
}

/// A gateway is none any more.
pub fn forget(gateway: &str) {
    METRICS.health.forget(&part(gateway));
}

fn tell(gateway: &str, changed: Option<(Fit, Fit)>, why: &str) {
    let state = match changed {
        None => return,
        Some((_, Fit::Up)) => {
            METRICS.gateways_back_total.one();
            tracing::info!(gateway, why, "A gateway is back");
            State::Green
        }
        Some((Fit::Up, _)) => {
            METRICS.gateways_out_total.one();
            tracing::warn!(gateway, why, "A gateway is out");
            State::Yellow(format!("out: {why}"))
        }
        Some((Fit::Last | Fit::Down, _)) => {
            tracing::debug!(gateway, why, "A gateway stays out");
            State::Yellow(format!("out: {why}"))
        }
    };
    METRICS.health.set(&part(gateway), state);
}

fn part(gateway: &str) -> String {
    format!("gateway {gateway}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refusal_is_the_gateways_or_the_numbers() {
        let said = |code: u16, lines: &str| {
            let text = format!(
                "SIP/2.0 {code} x\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n{lines}Content-Length: 0\r\n\r\n"
            );
            Message::read(text.into()).expect("a response")
        };
        let (busy, rest) = (said(503, ""), said(503, "Retry-After: 7;duration=60\r\n"));
        for (code, message, goes_on, shows) in [
            (404, Some(said(404, "")), false, Sign::Good),
            (408, Some(said(408, "")), false, Sign::Good),
            (486, Some(said(486, "")), false, Sign::Good),
            (603, Some(said(603, "")), false, Sign::Good),
            (500, Some(said(500, "")), true, Sign::Failed),
            (501, Some(said(501, "")), true, Sign::Good),
            (580, Some(said(580, "")), true, Sign::Good),
            (503, Some(busy), true, Sign::Failed),
            (503, Some(rest), true, Sign::Busy(Duration::from_secs(7))),
            // Nothing came, or could be sent there.
            (408, None, true, Sign::Silent),
            (503, None, true, Sign::Silent),
        ] {
            let message = message.as_ref();
            assert_eq!((failed(code, message), sign(code, message)), (goes_on, shows), "{code} {message:?}");
        }
        // A 200 without a dialog, and what is missing here, lead nowhere else.
        assert!(!failed(502, None) && !failed(500, None));
    }
}
