//! T29: a server that is away for an hour. The outbox runs with the pauses that a site has, by a clock that libfaketime makes
//! 240 times as fast, so that the hour takes fifteen seconds.

use std::{
    env,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use ringpost::{
    outbox::{Delivery, Item, Status},
    settings,
};
use ringpost_actors::{channel::Channel, outbox::Post};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    outbox::{by_mail, list, mail_only, outbox},
    support::faketime,
};

const HOUR: Duration = Duration::from_secs(3600);
const NOTICES: usize = 1_000;
/// Tries that may be under way at once.
const AT_ONCE: usize = 8;

/// Away for an hour; afterwards it takes half a second for a notice.
struct Away {
    back: Instant,
    under_way: AtomicUsize,
    most: AtomicUsize,
    /// What was tried when, and whether it was taken.
    tries: Mutex<Vec<(Instant, usize, bool)>>,
}

impl Channel for Away {
    fn deliver<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Delivery> {
        Box::pin(async {
            self.most.fetch_max(self.under_way.fetch_add(1, SeqCst) + 1, SeqCst);
            let (now, number) = (Instant::now(), item.notice.call_id.parse().expect("a number"));
            let taken = now >= self.back;
            self.tries.lock().expect("no panic").push((now, number, taken));
            if taken {
                sleep(Duration::from_millis(500)).await;
            }
            self.under_way.fetch_sub(1, SeqCst);
            match taken {
                true => Delivery::Delivered,
                false => Delivery::Down { reason: "connection refused".into(), not_before: None },
            }
        })
    }
}

/// The process whose clock is fast.
#[test]
fn child() {
    if env::var_os("RINGPOST_FAST_CLOCK").is_none() {
        return;
    }
    actix::System::new().block_on(async {
        let begun = Instant::now();
        let server = Arc::new(Away {
            back: begun + HOUR,
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            tries: Mutex::default(),
        });
        let schedule = settings::Outbox {
            first_retry: Duration::from_secs(2),
            longest_retry: Duration::from_secs(300),
            give_up_after: Duration::from_secs(3 * 86_400),
            patience: Duration::from_secs(600),
        };
        let (outbox, scribe) = outbox(None, schedule, &mail_only(server.clone()));
        // One half at once, the other one over the hour.
        for number in 0..NOTICES {
            let item = by_mail(&number.to_string(), "tu@x.test");
            outbox.send(Post(item)).await.expect("alive").expect("written");
            if number >= NOTICES / 2 {
                sleep_until(begun + HOUR.mul_f64((number - NOTICES / 2) as f64 / (NOTICES / 2) as f64)).await;
            }
        }
        while list(&scribe, Some(Status::Delivered)).await.len() < NOTICES {
            assert!(begun.elapsed() < 2 * HOUR, "they are told within another hour");
            sleep(Duration::from_secs(10)).await;
        }
        judged(&server);
    });
}

fn judged(server: &Away) {
    let tries = server.tries.lock().expect("no panic");
    let taken: Vec<usize> = tries.iter().filter(|(.., taken)| *taken).map(|(_, number, _)| *number).collect();
    let mut each = taken.clone();
    each.sort_unstable();
    assert_eq!(each, (0..NOTICES).collect::<Vec<_>>(), "each once");
    // The oldest first; what was tried in the last seconds before comes a little later.
    let late: Vec<usize> = taken.iter().enumerate().map(|(at, number)| at.abs_diff(*number)).collect();
    let far = late.iter().filter(|places| **places > 50).count();
    assert!(far < NOTICES / 20, "{far} of {NOTICES} come far out of their order: {taken:?}");
    let before = tries.iter().filter(|(at, ..)| *at < server.back).count();
    assert!((600..2_500).contains(&before), "{before} tries in an hour: one in a second and a half at most");
    let most = server.most.load(SeqCst);
    assert!(most <= AT_ONCE, "{most} at once");
    let at = |number: usize| {
        tries.iter().filter(|(.., taken)| *taken).nth(number).map(|(at, ..)| *at - server.back)
    };
    let (first, last) = (at(0).expect("all"), at(NOTICES - 1).expect("all"));
    assert!(first < Duration::from_secs(60), "noticed after {first:?}");
    println!(
        "{before} tries while it was away; the first is taken {first:?} after its return, the last {last:?}; {most} at once at \
         most; out of order by {} places at most",
        late.iter().max().expect("some")
    );
}

#[test]
fn t29_after_an_hour_without_its_server_every_notice_is_told_once_in_order_and_without_a_storm() {
    let Some(library) = faketime() else { return };
    let child = Command::new(env::current_exe().expect("this test"))
        .args(["hour::child", "--exact", "--nocapture", "--test-threads=1"])
        .env("RINGPOST_FAST_CLOCK", "1")
        .env("LD_PRELOAD", library)
        .env("FAKETIME", "+0 x240")
        .output()
        .expect("this test starts again");
    let (out, err) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success(), "{out}\n{err}");
    println!("{}", out.lines().find(|line| line.contains("while it was away")).expect("the figures"));
}
