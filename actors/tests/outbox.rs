//! The outbox over channels that only remember.

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, join_all};
use ringpost::{
    notify::{Action, CallRecord, Reason, Verdict},
    outbox::{ChannelName, Delivery, Item, Status, Towards, Way},
    settings,
};
use ringpost_actors::{
    channel::{Channel, Recorded},
    outbox::{Post, PostAll, Record, Resend, Stop},
    store::{Change, Posted, Scribe, Sqlite},
};
use support::{Named, by_mail, by_um, chain, list, mail_only, outbox, schedule, settled, until};

const LONG: Duration = Duration::from_secs(3600);

fn run(test: impl Future<Output = ()>) {
    actix::System::new().block_on(test);
}

fn later() -> Delivery {
    Delivery::Later { reason: "busy".into(), not_before: None }
}

fn never() -> Delivery {
    Delivery::Never { reason: "415".into() }
}

#[test]
fn a_notice_goes_once_however_often_it_is_posted() {
    run(async {
        let mail = Arc::new(Recorded::default());
        let (outbox, scribe) = outbox(None, schedule(LONG), &mail_only(mail.clone()));
        let posts =
            join_all((0..100).map(|n| outbox.send(Post(by_mail(&format!("{}", n % 10), "tu@x.test"))))).await;
        let committed = posts.iter().filter(|post| matches!(post, Ok(Ok(Posted::Committed(_))))).count();
        assert_eq!((posts.len(), committed), (100, 10));
        settled(&scribe).await;
        assert_eq!(mail.tries().len(), 10);
        assert_eq!(list(&scribe, Some(Status::Delivered)).await.len(), 10);
    });
}

#[test]
fn um_and_mail_of_one_call_do_not_hide_each_other() {
    run(async {
        let (um, mail) = (Arc::new(Recorded::default()), Arc::new(Recorded::default()));
        let channels: Named<'_> = &[("um", um.clone()), ("mail", mail.clone())];
        let (outbox, scribe) = outbox(None, schedule(LONG), channels);
        for item in [by_um("1", "tu@x.test", true), by_mail("1", "tu@x.test")] {
            let posted = outbox.send(Post(item)).await.expect("alive").expect("written");
            assert!(matches!(posted, Posted::Committed(_)));
        }
        settled(&scribe).await;
        assert_eq!((um.tries().len(), mail.tries().len()), (1, 1));
    });
}

#[test]
fn an_info_refused_for_good_becomes_one_mail_where_the_user_allows() {
    run(async {
        let um = Arc::new(Recorded::new(|_| never()));
        let mail = Arc::new(Recorded::default());
        let channels: Named<'_> = &[("um", um.clone()), ("mail", mail.clone())];
        let (outbox, scribe) = outbox(None, schedule(LONG), channels);
        // UM has mailed "there" itself and refused only then.
        let items =
            [by_um("yes", "a@x.test", true), by_um("no", "b@x.test", false), by_mail("there", "c@x.test")];
        for item in items.into_iter().chain([by_um("there", "c@x.test", true)]) {
            outbox.send(Post(item)).await.expect("alive").expect("written");
        }
        settled(&scribe).await;
        let mut mailed: Vec<String> = mail.tries().into_iter().map(|item| item.notice.call_id).collect();
        mailed.sort();
        assert_eq!(mailed, ["there", "yes"]);
        assert_eq!(um.tries().len(), 3);
        let dead = list(&scribe, Some(Status::Dead)).await;
        assert_eq!(dead.iter().map(|dead| dead.item.notice.call_id.as_str()).collect::<Vec<_>>(), ["no"]);
        assert_eq!(dead[0].reason.as_deref(), Some("415"));
    });
}

#[test]
fn a_dead_letter_is_kept_and_can_be_sent_again() {
    run(async {
        let count = AtomicUsize::new(0);
        let mail = Arc::new(Recorded::new(move |_| {
            if count.fetch_add(1, Ordering::Relaxed) < 1 { never() } else { Delivery::Delivered }
        }));
        let (outbox, scribe) = outbox(None, schedule(LONG), &mail_only(mail.clone()));
        outbox.send(Post(by_mail("1", "tu@x.test"))).await.expect("alive").expect("written");
        settled(&scribe).await;
        let dead = list(&scribe, Some(Status::Dead)).await;
        assert_eq!(dead.len(), 1);
        assert!(outbox.send(Resend(dead[0].id)).await.expect("alive"));
        settled(&scribe).await;
        assert_eq!(list(&scribe, Some(Status::Delivered)).await.len(), 1);
        assert!(!outbox.send(Resend(dead[0].id)).await.expect("alive"), "it is delivered");
        assert!(!outbox.send(Resend(4711)).await.expect("alive"), "there is none");
    });
}

#[test]
fn a_notice_is_tried_until_its_time_is_over_and_then_given_up_once() {
    run(async {
        let mail = Arc::new(Recorded::new(|_| later()));
        let (outbox, scribe) = outbox(None, schedule(Duration::from_millis(400)), &mail_only(mail.clone()));
        outbox.send(Post(by_mail("1", "tu@x.test"))).await.expect("alive").expect("written");
        settled(&scribe).await;
        let dead = list(&scribe, Some(Status::Dead)).await;
        assert_eq!(dead[0].reason.as_deref(), Some("busy"));
        // Pauses of 20, 40, 80, 80 … ms, each at least half: between 6 and 12 tries in 400 ms.
        let tries = mail.tries().len();
        assert!((6..=12).contains(&tries), "{tries}");
    });
}

/// Never answers, or panics.
struct Stuck(bool);

impl Channel for Stuck {
    fn deliver<'a>(&'a self, _: &'a Item) -> BoxFuture<'a, Delivery> {
        assert!(!self.0, "this channel panics");
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_channel_that_hangs_or_panics_delays_no_other() {
    run(async {
        for panics in [false, true] {
            let mail = Arc::new(Recorded::default());
            let channels: Named<'_> = &[("um", Arc::new(Stuck(panics))), ("mail", mail.clone())];
            let (outbox, _scribe) = outbox(None, schedule(LONG), channels);
            for n in 0..100 {
                outbox.do_send(Post(by_um(&format!("u{n}"), "tu@x.test", false)));
                outbox.do_send(Post(by_mail(&format!("m{n}"), "tu@x.test")));
            }
            until("all mails are sent", async || mail.tries().len() == 100).await;
        }
    });
}

#[test]
fn a_restart_takes_up_everything_and_sends_what_was_being_sent_again() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        let store = Sqlite::open(Some(&path)).expect("a store");
        let (scribe, _late) = Scribe::start(Box::new(store)).expect("a thread");
        let mut ids = Vec::new();
        for n in 0..5 {
            match scribe.post(by_mail(&format!("{n}"), "tu@x.test")).await.expect("written") {
                Posted::Committed(id) => ids.push(id),
                Posted::Duplicate => unreachable!("the store is new"),
            }
        }
        let far = "2099-01-01T00:00:00Z".parse().expect("a timestamp");
        let changes = [
            Change::Sending,
            // As a clock that was ahead by decades would have written it.
            Change::Delayed { due: far, effort: Default::default(), reason: "busy".into() },
            Change::Delivered,
            Change::Dead { reason: "550".into() },
        ];
        for (id, change) in ids.iter().zip(changes) {
            scribe.change(*id, change).await.expect("running");
        }
        scribe.stop().await;
        let mail = Arc::new(Recorded::default());
        let (outbox, scribe) = outbox(Some(&path), schedule(LONG), &mail_only(mail.clone()));
        settled(&scribe).await;
        let mut sent: Vec<String> = mail.tries().into_iter().map(|item| item.notice.call_id).collect();
        sent.sort();
        assert_eq!(sent, ["0", "1", "4"]);
        outbox.send(Stop(LONG)).await.expect("alive");
        assert!(outbox.send(Post(by_mail("9", "tu@x.test"))).await.expect("alive").is_err(), "it is stopped");
    });
}

#[test]
fn stop_writes_what_waits_and_waits_no_longer_than_told() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        let (outbox, _scribe) = outbox(Some(&path), schedule(LONG), &mail_only(Arc::new(Stuck(false))));
        outbox.send(Post(by_mail("1", "tu@x.test"))).await.expect("alive").expect("written");
        let call = CallRecord {
            call_id: "1".into(),
            user: "sip:tu@x.test".into(),
            caller: by_mail("1", "tu@x.test").notice.caller,
            came_in: "2026-04-11T09:12:33Z".parse().expect("a timestamp"),
            rang_for: Duration::from_millis(23_456),
            outcome: ringpost::call::Outcome::GaveUpForwarding,
            verdict: Verdict { action: Action::TellUm, reason: Reason::UmWrites },
            answered_by: Some("sip:1@10.0.0.1".into()),
        };
        outbox.do_send(Record(vec![call.clone()]));
        outbox.send(Stop(Duration::from_millis(50))).await.expect("alive");
        let mut seen = Sqlite::view(&path).expect("a store");
        use ringpost_actors::store::Store;
        assert_eq!(seen.calls(10).expect("readable"), [call]);
        let open = seen.open_items(0, 10).expect("readable");
        assert_eq!((open.len(), open[0].channel.clone()), (1, ChannelName::mail().clone()));
        assert_eq!(seen.list(None, 10).expect("readable")[0].item.way, Way::mail());
    });
}

/// One notice by these entries, in one transaction.
async fn tell(outbox: &actix::Addr<ringpost_actors::outbox::Outbox>, call_id: &str, entries: &[&[&str]]) {
    let entries: Vec<_> = entries.iter().map(|names| chain(names)).collect();
    let notice = by_mail(call_id, "tu@x.test").notice;
    let items = ringpost::outbox::items(&notice, &entries, jiff::Timestamp::now(), &Default::default());
    outbox.send(PostAll(items)).await.expect("alive").expect("written");
}

/// The calls that a channel was asked to tell, sorted.
fn told(channel: &Recorded) -> Vec<String> {
    let mut calls: Vec<String> = channel.tries().into_iter().map(|item| item.notice.call_id).collect();
    calls.sort();
    calls
}

#[test]
fn every_entry_tells_and_a_chain_goes_on_where_one_refuses() {
    run(async {
        let [graph, mail, hook] =
            [Recorded::new(|_| never()), Recorded::default(), Recorded::default()].map(Arc::new);
        let channels: Named<'_> = &[("graph", graph.clone()), ("mail", mail.clone()), ("hook", hook.clone())];
        let (outbox, scribe) = outbox(None, schedule(LONG), channels);
        tell(&outbox, "1", &[&["graph", "mail"], &["hook"]]).await;
        settled(&scribe).await;
        // Told again, as by an INFO whose 200 was lost: nobody hears of it twice, not even by the channel that refused.
        tell(&outbox, "1", &[&["graph", "mail"], &["hook"]]).await;
        settled(&scribe).await;
        assert_eq!(
            (told(&graph), told(&mail), told(&hook)),
            (vec!["1".into()], vec!["1".into()], vec!["1".into()])
        );
        let ends = list(&scribe, None).await;
        assert!(ends.iter().all(|listed| listed.status == Status::Delivered), "{ends:?}");
        assert_eq!(ends.len(), 2);
    });
}

#[test]
fn um_that_refuses_is_replaced_by_every_channel_of_the_user() {
    run(async {
        let [um, mail, hook] =
            [Recorded::new(|_| never()), Recorded::default(), Recorded::default()].map(Arc::new);
        let channels: Named<'_> = &[("um", um.clone()), ("mail", mail.clone()), ("hook", hook.clone())];
        let (outbox, scribe) = outbox(None, schedule(LONG), channels);
        let mut item = by_um("1", "tu@x.test", true);
        if let Way::Um { own, .. } = &mut item.way {
            *own = [chain(&["mail"]), chain(&["hook"])].into();
        }
        outbox.send(Post(item)).await.expect("alive").expect("written");
        settled(&scribe).await;
        assert_eq!((told(&mail), told(&hook)), (vec!["1".to_owned()], vec!["1".to_owned()]));
        assert_eq!(list(&scribe, Some(Status::Delivered)).await.len(), 2);
    });
}

#[test]
fn a_chain_goes_on_where_a_channel_is_down_for_its_patience() {
    run(async {
        let graph =
            Arc::new(Recorded::new(|_| Delivery::Down { reason: "no route".into(), not_before: None }));
        let mail = Arc::new(Recorded::default());
        let channels: Named<'_> = &[("graph", graph.clone()), ("mail", mail.clone())];
        let schedule = settings::Outbox { patience: Duration::from_millis(300), ..schedule(LONG) };
        let (outbox, scribe) = outbox(None, schedule, channels);
        // Far more than the channel is asked for while it is down.
        for n in 0..200 {
            tell(&outbox, &format!("{n}"), &[&["graph", "mail"]]).await;
        }
        settled(&scribe).await;
        assert_eq!(mail.tries().len(), 200);
        assert!(graph.tries().len() < 60, "{} tries of a channel that is down", graph.tries().len());
    });
}

#[test]
fn a_channel_that_is_back_gets_everything_at_once_oldest_first() {
    run(async {
        let up = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let is_up = up.clone();
        let hook = Arc::new(Recorded::new(move |_| match is_up.load(Ordering::Relaxed) {
            true => Delivery::Delivered,
            false => Delivery::Down { reason: "no route".into(), not_before: None },
        }));
        let mail = Arc::new(Recorded::default());
        let channels: Named<'_> = &[("hook", hook.clone()), ("mail", mail.clone())];
        let slow = settings::Outbox { longest_retry: Duration::from_millis(400), ..schedule(LONG) };
        let (outbox, scribe) = outbox(None, slow, channels);
        for n in 0..100 {
            tell(&outbox, &format!("{n:03}"), &[&["hook"], &["mail"]]).await;
        }
        // The other channel does not even notice.
        until("all mails are sent", async || mail.tries().len() == 100).await;
        up.store(true, Ordering::Relaxed);
        let before = hook.tries().len();
        settled(&scribe).await;
        assert_eq!(list(&scribe, Some(Status::Delivered)).await.len(), 200);
        let after: Vec<String> =
            hook.tries().split_off(before).into_iter().map(|item| item.notice.call_id).collect();
        assert!(after.len() >= 100, "each once more: {}", after.len());
    });
}

#[test]
fn one_notice_that_a_server_chokes_on_holds_up_no_other() {
    run(async {
        let hook = Arc::new(Recorded::new(|item| match item.notice.call_id.starts_with("bad") {
            true => Delivery::Down { reason: "closed in the middle".into(), not_before: None },
            false => Delivery::Delivered,
        }));
        let (outbox, scribe) = outbox(None, schedule(Duration::from_millis(600)), &[("hook", hook.clone())]);
        for n in 0..300 {
            tell(&outbox, &if n % 50 == 0 { format!("bad{n}") } else { format!("{n}") }, &[&["hook"]]).await;
        }
        settled(&scribe).await;
        let (good, bad) =
            (list(&scribe, Some(Status::Delivered)).await, list(&scribe, Some(Status::Dead)).await);
        assert_eq!((good.len(), bad.len()), (294, 6));
    });
}

/// A channel that tells domains apart: `slow.test` never answers, `busy.test` defers until `up`, the rest is taken.
struct Domains {
    up: AtomicBool,
    /// Tries under way at `slow.test`, and tries of each domain so far.
    hanging: AtomicUsize,
    tried: Mutex<Vec<String>>,
}

impl Channel for Domains {
    fn deliver<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Delivery> {
        let domain = Towards::Domain.of(item.notice.mail.as_deref()).unwrap_or_default().to_owned();
        self.tried.lock().expect("alive").push(domain.clone());
        Box::pin(async move {
            match domain.as_str() {
                "slow.test" => {
                    self.hanging.fetch_add(1, Ordering::Relaxed);
                    std::future::pending().await
                }
                "busy.test" if !self.up.load(Ordering::Relaxed) => later(),
                _ => Delivery::Delivered,
            }
        })
    }

    fn towards(&self) -> Towards {
        Towards::Domain
    }
}

#[test]
fn a_destination_that_hangs_or_defers_holds_up_no_other_and_gets_everything_when_it_is_back() {
    run(async {
        let mail = Arc::new(Domains { up: false.into(), hanging: 0.into(), tried: Mutex::default() });
        let slow = settings::Outbox { longest_retry: Duration::from_millis(200), ..schedule(LONG) };
        let (outbox, scribe) = outbox(None, slow, &mail_only(mail.clone()));
        let post = async |from: usize, to: usize, domain: &str| {
            for n in from..to {
                let item = by_mail(&format!("{n}"), &format!("tu@{domain}"));
                outbox.send(Post(item)).await.expect("alive").expect("written");
            }
        };
        let tries =
            |domain: &str| mail.tried.lock().expect("alive").iter().filter(|one| *one == domain).count();
        post(0, 100, "slow.test").await;
        post(100, 400, "busy.test").await;
        post(400, 500, "good.test").await;
        until("the good are told", async || tries("good.test") == 100).await;
        assert_eq!(mail.hanging.load(Ordering::Relaxed), 6, "all but a quarter of eight tries");
        // Five are deferred, and those that were under way besides; then one at a time.
        assert!(tries("busy.test") < 60, "{} tries of a destination that defers", tries("busy.test"));
        mail.up.store(true, Ordering::Relaxed);
        until("the deferred are told", async || {
            let told = list(&scribe, Some(Status::Delivered)).await;
            told.iter().filter(|one| one.item.notice.mail.as_deref() == Some("tu@busy.test")).count() == 300
        })
        .await;
    });
}

#[test]
fn what_waits_for_a_destination_that_defers_moves_on_in_time() {
    run(async {
        let graph = Arc::new(Recorded::new(|_| later()).towards(Towards::Mailbox));
        let mail = Arc::new(Recorded::default());
        let channels: Named<'_> = &[("graph", graph.clone()), ("mail", mail.clone())];
        let schedule = settings::Outbox { patience: Duration::from_millis(300), ..schedule(LONG) };
        let (outbox, scribe) = outbox(None, schedule, channels);
        for n in 0..200 {
            tell(&outbox, &format!("{n}"), &[&["graph", "mail"]]).await;
        }
        settled(&scribe).await;
        assert_eq!(mail.tries().len(), 200);
        assert!(graph.tries().len() < 80, "{} tries of a mailbox that defers", graph.tries().len());
    });
}
