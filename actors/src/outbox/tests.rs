//! A fault in the outbox itself (T39).

use std::time::Duration;

use ringpost::{
    address::{Caller, Language},
    call::Outcome,
    notify::{Kind, Notice},
    outbox::{Delivery, Way},
};

use super::*;
use crate::{channel::Recorded, guard::Break, store::Sqlite};

impl Handler<Break> for Outbox {
    type Result = ();

    fn handle(&mut self, _: Break, ctx: &mut Context<Self>) {
        self.guarded(ctx, |this, _| {
            // What a fault loses of its state is in the store.
            this.lanes.values_mut().for_each(Lane::forget);
            panic!("broken by the test");
        });
    }
}

fn item(call_id: &str) -> Item {
    let caller = Caller { number: Some("1".into()), ..Caller::default() };
    let notice = Notice {
        kind: Kind::Missed,
        user: "sip:1@lab.test".into(),
        user_name: None,
        mail: Some("1@lab.test".into()),
        language: Language::En,
        time_zone: "UTC".into(),
        call_id: call_id.into(),
        caller,
        came_in: Timestamp::UNIX_EPOCH,
        rang_for: Duration::ZERO,
        outcome: Outcome::GaveUpRinging,
        talked: None,
        called: None,
    };
    Item::new(notice, Way::mail(), Timestamp::now())
}

async fn until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

const SCHEDULE: settings::Outbox = settings::Outbox {
    first_retry: Duration::from_millis(200),
    longest_retry: Duration::from_millis(200),
    give_up_after: Duration::from_secs(60),
    patience: Duration::from_secs(60),
};

fn by(mail: &Arc<Recorded>) -> Channels {
    let used = ChannelUse { channel: Some(mail.clone()), at_once: 8, schedule: SCHEDULE };
    Channels::default().with("mail", used)
}

/// The answer of a commit may come after the notice has been read from the store, sent and closed.
#[test]
fn what_the_store_has_sent_already_does_not_go_again() {
    System::new().block_on(async {
        let mail = Arc::new(Recorded::default());
        let (scribe, late) = Scribe::start(Box::new(Sqlite::open(None).expect("a store"))).expect("a thread");
        let posted = scribe.post(item("c1")).await.expect("it is written");
        let crate::store::Posted::Committed(id) = posted else { panic!("it is new") };
        let outbox = Outbox::new(SCHEDULE, (scribe.clone(), late), by(&mail)).start();
        let end = Instant::now() + Duration::from_secs(10);
        while scribe
            .list(Some(Status::Delivered), 9)
            .await
            .is_none_or(|all| all.is_ok_and(|all| all.is_empty()))
        {
            assert!(Instant::now() < end, "never delivered");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let late = Committed { id, item: Arc::new(item("c1")), since: Some(0) };
        outbox.send(late).await.expect("it runs");
        outbox.send(Post(item("c2"))).await.expect("it runs").expect("it is written");
        until("the second", || mail.tries().len() > 1).await;
        let told: Vec<_> = mail.tries().into_iter().map(|item| item.notice.call_id).collect();
        assert_eq!(told, ["c1", "c2"]);
    });
}

#[test]
fn a_fault_in_the_outbox_loses_no_notice_and_too_many_are_told_to_the_keeper() {
    let _alone = crate::keeper::tests::alone();
    System::new().block_on(async {
        let mail = Arc::new(Recorded::new(|_| Delivery::Later { reason: "busy".into(), not_before: None }));
        let scribe = Scribe::start(Box::new(Sqlite::open(None).expect("a store"))).expect("a thread");
        let (keeper, mut fatal) = Keeper::new();
        let outbox = Outbox::new(SCHEDULE, scribe, by(&mail)).kept_by(keeper).start_apart();
        outbox.send(Post(item("c1"))).await.expect("it runs").expect("it is written");
        until("the first try", || !mail.tries().is_empty()).await;
        for _ in 0..5 {
            outbox.send(Break).await.expect("it survives its own fault");
            let before = mail.tries().len();
            until("another try", || mail.tries().len() > before).await;
        }
        assert!(fatal.try_recv().is_err(), "five are put up with");
        outbox.send(Break).await.expect("it survives its own fault");
        assert_eq!(fatal.recv().await.as_deref(), Some("outbox"));
    });
}
