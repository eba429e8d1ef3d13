//! What a fault may hit: the call that it happened in, and no other (T39).

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::metrics::METRICS;

/// Does `work`; where it panics, says why. Whoever calls goes on with what `work` worked on, and ends it: it may be half
/// changed, but no lock or borrow is left behind.
///
/// # Errors
/// The panic's own words if they are part of the program; others could tell what a message held, so they are not passed
/// on to the log.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, &'static str> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| words(&*panic))
}

/// Counts a caught panic, and says what it said where that is part of the program.
pub fn words(panic: &(dyn Any + Send)) -> &'static str {
    METRICS.faults_total.one();
    panic.downcast_ref::<&'static str>().copied().unwrap_or("a panic, as told on standard error")
}

/// A part whose fault must not hurt whoever tells it something, such as a call. It is told once more, so that nothing stays
/// that is over; what it does not do then either is lost, and no more.
pub fn apart(part: &'static str, work: impl Fn()) {
    for _ in 0..2 {
        let done = caught(|| {
            breakable(part);
            work();
        });
        match done {
            Ok(()) => return,
            Err(fault) => tracing::error!(
                part,
                fault,
                "A fault in Ringpost: a change may not be told, all else goes on"
            ),
        }
    }
}

/// A place that a test can break.
#[cfg(not(test))]
pub fn breakable(_: &'static str) {}

#[cfg(test)]
pub fn breakable(part: &'static str) {
    if BROKEN.lock().is_ok_and(|mut parts| parts.remove(part)) {
        panic!("broken by the test");
    }
}

/// The parts that break next.
#[cfg(test)]
pub static BROKEN: std::sync::Mutex<std::collections::BTreeSet<&'static str>> =
    std::sync::Mutex::new(std::collections::BTreeSet::new());

/// What breaks an actor in a test.
#[cfg(test)]
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Break;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_panic_is_told_and_leaves_no_borrow_behind() {
        let cell = RefCell::new(vec![1]);
        let work = |panics: bool| {
            caught(|| {
                let mut held = cell.borrow_mut();
                held.push(2);
                assert!(!panics, "broken");
                held.len()
            })
        };
        assert_eq!(work(false), Ok(2));
        assert_eq!(work(true), Err("broken"));
        assert_eq!(work(false), Ok(4));
        let secret = "sip:1001@lab.test";
        assert_eq!(caught(|| panic!("{secret}")), Err::<(), _>("a panic, as told on standard error"));
    }
}
