//! Notices that wait: held until a time, gathered into a digest (R209), or dropped after a talk; with the store on the disk,
//! over restarts.

mod support;

use std::{path::Path, sync::Arc, time::Duration};

use actix::Addr;
use jiff::{SignedDuration, Timestamp};
use ringpost::{
    directory::Talk,
    notify::{Kind, Reason},
    outbox::{Delivery, Fate, Gather, Item, Key, Returned, Status, Wish},
};
use ringpost_actors::{
    channel::Recorded,
    outbox::{Discard, NOT_OPEN, Outbox, Post, Retry, Stop, TALKED, Talked},
    store::{Change, ItemId, Posted, Row, Scribe, Sqlite, Store, Write, Written},
};
use support::{by_mail, by_um, list, mail_only, outbox, schedule, settled, until};

const LONG: Duration = Duration::from_secs(3600);
const USER: &str = "tu@x.test";

fn run(test: impl Future<Output = ()>) {
    actix::System::new().block_on(test);
}

fn in_a(while_: Duration) -> Timestamp {
    Timestamp::now() + SignedDuration::try_from(while_).expect("short")
}

fn held(call_id: &str, hold: Duration) -> Item {
    by_mail(call_id, USER).held(in_a(hold), "quiet hours")
}

fn gathering(call_id: &str, calls: u32, within: Duration) -> Item {
    let wish = Wish { gather: Some(Gather { calls, within }), ..Wish::default() };
    Item { wish, ..by_mail(call_id, USER) }
}

async fn post(outbox: &Addr<Outbox>, item: Item) -> ItemId {
    match outbox.send(Post(item)).await.expect("alive").expect("written") {
        Posted::Committed(id) => id,
        Posted::Duplicate => panic!("it is new"),
    }
}

/// The Call-IDs of each try, a digest's together.
fn told(mail: &Recorded) -> Vec<Vec<String>> {
    mail.tries().iter().map(calls).collect()
}

fn calls(item: &Item) -> Vec<String> {
    match &item.notice.kind {
        Kind::Digest { calls } => calls.iter().map(|call| call.call_id.clone()).collect(),
        Kind::Missed | Kind::VoiceMail { .. } | Kind::Locked { .. } => vec![item.notice.call_id.clone()],
    }
}

fn on_disk(folder: &Path, mail: &Arc<Recorded>) -> (Addr<Outbox>, Scribe) {
    outbox(Some(&folder.join("store.db")), schedule(LONG), &mail_only(mail.clone()))
}

#[test]
fn a_held_notice_goes_in_its_time_and_an_admin_sees_why_it_waits() {
    run(async {
        let mail = Arc::new(Recorded::default());
        let (outbox, scribe) = outbox(None, schedule(LONG), &mail_only(mail.clone()));
        let now = post(&outbox, by_mail("now", USER)).await;
        let held_on = post(&outbox, held("hours", LONG)).await;
        let soon = post(&outbox, held("soon", Duration::from_millis(300))).await;
        until("two are told", async || mail.tries().len() == 2).await;
        assert_eq!(told(&mail), [["now"], ["soon"]]);
        let delayed = list(&scribe, Some(Status::Delayed)).await;
        let [one] = delayed.as_slice() else { panic!("{delayed:?}") };
        assert_eq!((one.id, one.effort.tries, one.effort.waited), (held_on, 0, Duration::ZERO));
        let reason = one.reason.as_deref().expect("a reason");
        assert!(reason.starts_with("quiet hours until 20"), "{reason}");
        assert!(one.due.is_some_and(|due| due > Timestamp::now()));
        // An admin sends it all the same, and drops another.
        assert_eq!(outbox.send(Retry(held_on)).await.expect("alive"), Ok(()));
        until("it is told", async || mail.tries().len() == 3).await;
        let other = post(&outbox, held("other", LONG)).await;
        assert_eq!(outbox.send(Discard(other)).await.expect("alive"), Ok(()));
        settled(&scribe).await;
        assert_eq!(outbox.send(Retry(now)).await.expect("alive"), Err(NOT_OPEN));
        assert_eq!(outbox.send(Retry(soon)).await.expect("alive"), Err(NOT_OPEN));
        assert_eq!(list(&scribe, Some(Status::Dead)).await.len(), 1);
    });
}

#[test]
fn a_held_notice_survives_a_restart_and_a_clock_that_was_set_back() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let mail = Arc::new(Recorded::default());
        let (outbox, scribe) = on_disk(folder.path(), &mail);
        post(&outbox, held("long", LONG)).await;
        post(&outbox, held("short", Duration::from_millis(700))).await;
        outbox.send(Stop(LONG)).await.expect("alive");
        drop(scribe);
        // As a clock would have written it that was ahead by a year; asked for were 700 ms.
        let mut store = Sqlite::open(Some(&folder.path().join("store.db"))).expect("a store");
        let ahead = in_a(Duration::from_secs(365 * 86_400));
        let mut item = by_mail("ahead", USER).held(ahead + SignedDuration::from_millis(700), "quiet hours");
        item.posted = ahead;
        let written = store.write(&[&Write::Insert(Row::of(item).expect("text"))]).expect("written");
        assert!(matches!(written[..], [Written::New(_)]));
        drop(store);
        let (outbox, scribe) = on_disk(folder.path(), &mail);
        until("both are told", async || mail.tries().len() == 2).await;
        let mut all = told(&mail);
        all.sort();
        assert_eq!(all, [["ahead"], ["short"]]);
        assert_eq!(list(&scribe, Some(Status::Delayed)).await.len(), 1, "the long one");
        outbox.send(Stop(LONG)).await.expect("alive");
    });
}

#[test]
fn enough_calls_are_told_together_and_a_single_one_as_ever() {
    run(async {
        let mail = Arc::new(Recorded::default());
        let (outbox, scribe) = outbox(None, schedule(LONG), &mail_only(mail.clone()));
        for call in ["a", "b", "c"] {
            assert!(told(&mail).is_empty(), "they gather");
            post(&outbox, gathering(call, 3, LONG)).await;
        }
        until("the digest", async || mail.tries().len() == 1).await;
        post(&outbox, gathering("d", 3, Duration::from_millis(100))).await;
        settled(&scribe).await;
        assert_eq!(told(&mail), [vec!["a", "b", "c"], vec!["d"]]);
        let [digest, single] = &mail.tries()[..] else { panic!("two") };
        assert_eq!(single.notice, by_mail("d", USER).notice);
        assert_ne!(Key::of(&digest.notice), Key::of(&by_mail("a", USER).notice));
        // Each call has its own row, which is told with the digest.
        let all = list(&scribe, None).await;
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|one| one.status == Status::Delivered));
        assert_eq!(all.iter().filter(|one| one.told_by.is_some()).count(), 3);
    });
}

#[test]
fn a_channel_that_tells_one_by_one_waits_for_no_digest() {
    run(async {
        let um = Arc::new(OneByOne(Recorded::default()));
        let (outbox, scribe) = outbox(None, schedule(LONG), &[("um", um.clone())]);
        let wish = gathering("x", 3, LONG).wish;
        for call in ["a", "b"] {
            post(&outbox, Item { wish: wish.clone(), ..by_um(call, USER, false) }).await;
        }
        settled(&scribe).await;
        assert_eq!(um.0.tries().len(), 2);
    });
}

/// Like UM and webhooks.
struct OneByOne(Recorded);

impl ringpost_actors::channel::Channel for OneByOne {
    fn deliver<'a>(&'a self, item: &'a Item) -> futures_util::future::BoxFuture<'a, Delivery> {
        self.0.deliver(item)
    }
}

#[test]
fn a_restart_in_the_middle_of_a_digest_tells_each_call_once_under_one_key() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let mail = Arc::new(Recorded::default());
        let (outbox, scribe) = on_disk(folder.path(), &mail);
        post(&outbox, gathering("a", 3, LONG)).await;
        post(&outbox, gathering("b", 3, LONG)).await;
        outbox.send(Stop(LONG)).await.expect("alive");
        drop(scribe);
        // They gather on; the third fills it, and its mail does not go through.
        let busy = Delivery::Later { reason: "busy".into(), not_before: Some(LONG) };
        let stuck = Arc::new(Recorded::new(move |_| busy.clone()));
        let (outbox, scribe) = on_disk(folder.path(), &stuck);
        let third = post(&outbox, gathering("c", 3, LONG)).await;
        until("the digest is tried", async || stuck.tries().len() == 1).await;
        until("it waits", async || list(&scribe, None).await.iter().any(|one| one.effort.tries == 1)).await;
        assert_eq!(outbox.send(Retry(third)).await.expect("alive"), Err(NOT_OPEN), "another tells it");
        // A call that comes later opens another one.
        post(&outbox, gathering("d", 3, LONG)).await;
        outbox.send(Stop(LONG)).await.expect("alive");
        drop(scribe);
        let (outbox, scribe) = on_disk(folder.path(), &mail);
        let digest = list(&scribe, None).await.into_iter().find(|one| one.effort.tries == 1).expect("there");
        assert_eq!(outbox.send(Retry(digest.id)).await.expect("alive"), Ok(()));
        until("it is told", async || mail.tries().len() == 1).await;
        assert_eq!(told(&mail), [["a", "b", "c"]]);
        assert_eq!(mail.tries()[0], stuck.tries()[0], "the same mail");
        until("d waits", async || list(&scribe, Some(Status::Delayed)).await.len() == 1).await;
        outbox.send(Stop(LONG)).await.expect("alive");
    });
}

#[test]
fn a_digest_that_is_given_up_is_one_dead_letter_and_can_be_sent_again() {
    run(async {
        let refuse = std::sync::atomic::AtomicBool::new(true);
        let mail = Arc::new(Recorded::new(move |_| {
            match refuse.swap(false, std::sync::atomic::Ordering::Relaxed) {
                true => Delivery::Never { reason: "550".into() },
                false => Delivery::Delivered,
            }
        }));
        let (outbox, scribe) = outbox(None, schedule(LONG), &mail_only(mail.clone()));
        for call in ["a", "b"] {
            post(&outbox, gathering(call, 2, LONG)).await;
        }
        settled(&scribe).await;
        let dead = list(&scribe, Some(Status::Dead)).await;
        assert_eq!(dead.len(), 3, "the digest and its calls");
        let digest = dead.iter().find(|one| one.told_by.is_none()).expect("the digest").id;
        let member = dead.iter().find(|one| one.told_by.is_some()).expect("a call").id;
        assert_eq!(outbox.send(Retry(member)).await.expect("alive"), Err(NOT_OPEN));
        assert_eq!(outbox.send(Retry(digest)).await.expect("alive"), Ok(()));
        settled(&scribe).await;
        assert_eq!(list(&scribe, Some(Status::Delivered)).await.len(), 3);
        assert_eq!(told(&mail), [["a", "b"], ["a", "b"]]);
    });
}

#[test]
fn what_left_meanwhile_is_gathered_by_nobody() {
    let mut store = Sqlite::open(None).expect("a store");
    let [a, b, c] = ["a", "b", "c"].map(|call| gathering(call, 3, LONG));
    let insert = |item: &Item| Write::Insert(Row::of(item.clone()).expect("text"));
    store.write(&[&insert(&a), &insert(&b), &insert(&c)]).expect("written");
    let gather = |items: &[Item], members: &[ItemId]| {
        let digest = ringpost::outbox::gathered(items, Timestamp::now()).expect("some");
        let row = Row::of(digest).expect("text");
        Write::Change(members[0], Change::Gather { row, members: members.to_vec() })
    };
    // The first two are told together; neither is told again by itself, nor with another.
    let (first, second) = (gather(&[a.clone(), b.clone()], &[1, 2]), gather(&[b, c], &[2, 3]));
    let written = store.write(&[
        &first,
        &second,
        &Write::Change(2, Change::Release),
        &Write::Change(2, Change::Resend),
        &Write::Change(3, Change::Untold { reason: "they have talked".into() }),
        &Write::Change(3, Change::Release),
        &Write::Change(2, Change::Untold { reason: "they have talked".into() }),
    ]);
    use Written::{Became, Done, Nothing};
    let written = written.expect("written");
    assert_eq!(written, [Became(vec![Some(4)]), Nothing, Nothing, Nothing, Done, Nothing, Nothing]);
    let open: Vec<_> = store.open_items(0, 99).expect("readable").iter().map(|open| open.id).collect();
    assert_eq!(open, [4]);
    assert!(store.load(1).expect("readable").is_none());
}

fn asking(call_id: &str, fate: Fate, number: &str, hold: Option<Duration>) -> Item {
    let item = by_mail(call_id, USER);
    let item = hold.map_or(item.clone(), |hold| item.held(in_a(hold), "quiet hours"));
    let returned = Some(Returned { fate, numbers: vec![Some(number.into())] });
    Item { wish: Wish { returned, ..item.wish.clone() }, ..item }
}

fn talked(number: &str) -> Talked {
    let talk = Talk { user: format!("sip:{USER}"), with: vec![number.into()] };
    Talked(vec![talk], Timestamp::now())
}

#[test]
fn a_talk_drops_or_marks_what_is_held_or_waits_in_an_outage_also_after_a_restart() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let down = Arc::new(Recorded::new(|_| Delivery::Later {
            reason: "busy".into(),
            not_before: Some(Duration::from_secs(1)),
        }));
        let (outbox, scribe) = on_disk(folder.path(), &down);
        let drop_held = post(&outbox, asking("drop held", Fate::Drop, "+4930", Some(LONG))).await;
        let drop_late = post(&outbox, asking("drop late", Fate::Drop, "+4930", None)).await;
        post(&outbox, asking("mark held", Fate::Mark, "+4930", Some(Duration::from_secs(2)))).await;
        post(&outbox, asking("mark late", Fate::Mark, "+4930", None)).await;
        post(&outbox, asking("other", Fate::Drop, "+4931", None)).await;
        until("an outage", async || {
            list(&scribe, None).await.iter().filter(|one| one.effort.tries > 0).count() == 3
        })
        .await;
        outbox.send(Stop(LONG)).await.expect("alive");
        drop(scribe);
        let mail = Arc::new(Recorded::default());
        let (outbox, scribe) = on_disk(folder.path(), &mail);
        until("they are taken up", async || {
            outbox.send(talked("+4930")).await.expect("alive");
            let all = list(&scribe, Some(Status::Delivered)).await;
            all.iter().filter(|one| one.reason.as_deref() == Some(TALKED)).count() == 2
        })
        .await;
        settled(&scribe).await;
        let mut told: Vec<_> = mail
            .tries()
            .into_iter()
            .map(|item| (item.notice.call_id, item.notice.talked.is_some()))
            .collect();
        told.sort();
        let wanted = [("mark held", true), ("mark late", true), ("other", false)];
        assert_eq!(told, wanted.map(|(call, marked)| (call.to_owned(), marked)));
        let log = scribe.calls(9).await.expect("running").expect("readable");
        let reasons: Vec<_> = log.iter().map(|line| line.verdict.reason).collect();
        assert!(reasons.len() >= 4 && reasons.iter().all(|one| *one == Reason::CallReturned), "{reasons:?}");
        for id in [drop_held, drop_late] {
            assert_eq!(outbox.send(Retry(id)).await.expect("alive"), Err(NOT_OPEN));
        }
    });
}

#[test]
fn a_talk_leaves_a_digest_without_the_call_that_it_was_about() {
    run(async {
        let mail = Arc::new(Recorded::default());
        let (outbox, scribe) = outbox(None, schedule(LONG), &mail_only(mail.clone()));
        let gather = |item: Item| Item {
            wish: Wish { gather: Some(Gather { calls: 2, within: LONG }), ..item.wish },
            ..item
        };
        // By then the outbox has read the store, which knew nothing of the others.
        post(&outbox, by_mail("first", USER)).await;
        settled(&scribe).await;
        post(&outbox, gather(asking("a", Fate::Drop, "+4930", None))).await;
        outbox.send(talked("+4930")).await.expect("alive");
        settled(&scribe).await;
        post(&outbox, gather(asking("b", Fate::Drop, "+4931", None))).await;
        post(&outbox, gather(asking("c", Fate::Drop, "+4932", None))).await;
        settled(&scribe).await;
        assert_eq!(told(&mail), [vec!["first"], vec!["b", "c"]]);
    });
}
