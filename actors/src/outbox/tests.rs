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

fn item() -> Item {
    let caller = Caller { name: None, number: Some("1".into()), uri: None, private: false };
    let notice = Notice {
        kind: Kind::Missed,
        user: "sip:1@lab.test".into(),
        user_name: None,
        mail: Some("1@lab.test".into()),
        language: Language::En,
        time_zone: "UTC".into(),
        call_id: "c1".into(),
        caller,
        came_in: Timestamp::UNIX_EPOCH,
        rang_for: Duration::ZERO,
        outcome: Outcome::GaveUpRinging,
    };
    Item { notice, way: Way::mail(), posted: Timestamp::now() }
}

async fn until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn a_fault_in_the_outbox_loses_no_notice_and_too_many_are_told_to_the_keeper() {
    System::new().block_on(async {
        let mail = Arc::new(Recorded::new(|_| Delivery::Later { reason: "busy".into(), not_before: None }));
        let schedule = settings::Outbox {
            first_retry: Duration::from_millis(200),
            longest_retry: Duration::from_millis(200),
            give_up_after: Duration::from_secs(60),
            patience: Duration::from_secs(60),
        };
        let scribe = Scribe::start(Box::new(Sqlite::open(None).expect("a store"))).expect("a thread");
        let (keeper, mut fatal) = Keeper::new();
        let used = ChannelUse { channel: Some(mail.clone()), at_once: 8, schedule: schedule.clone() };
        let channels = Channels::default().with("mail", used);
        let outbox = Outbox::new(schedule, scribe, channels).kept_by(keeper).start_apart();
        outbox.send(Post(item())).await.expect("it runs").expect("it is written");
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
