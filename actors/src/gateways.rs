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
