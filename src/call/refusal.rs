//! Which of several refusals the caller is shown.

use super::Leg;

/// The best refusal so far: which device and its code.
pub(super) type Best = Option<(Leg, u16)>;

/// The refusal that says most about the user: 6xx, then busy, then the rest by class (PROTOCOLS §9).
pub(super) fn better(best: Best, new: (Leg, u16)) -> Best {
    match best {
        Some(old) if rank(old.1) <= rank(new.1) => Some(old),
        _ => Some(new),
    }
}

fn rank(code: u16) -> u16 {
    match code {
        600.. => 0,
        486 => 1,
        480 => 2,
        408 => 3,
        400..500 => 4,
        _ => 5,
    }
}

/// Whether a device's refusal means anything to the caller: not its challenges, redirections and overloads.
pub(super) fn is_for_the_caller(code: u16) -> bool {
    matches!(code, 404 | 408 | 410 | 415 | 480 | 484..=488 | 493 | 500 | 513 | 600..700)
}
