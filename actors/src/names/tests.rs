//! What is asked of the DNS, and who hears of it, without a DNS.

use ringpost::sip::{
    locate::{Abilities, Kind, Wanted, cache::Bounds},
    uri::Uri,
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn names(queries: usize) -> (Names, mpsc::UnboundedReceiver<Order>) {
    let bounds =
        Bounds { ttl: (SECOND, 9 * SECOND), negative: SECOND, retry: SECOND, stale: SECOND, most: 100 };
    let settings = Dns { servers: vec![], timeout: SECOND, queries, bounds, patience: SECOND, avoid: SECOND };
    Names::new(settings)
}

fn locate(uri: &str) -> Locate {
    let wanted = Uri::read(uri.as_bytes()).and_then(|uri| Wanted::of(&uri)).expect("a SIP URI");
    Locate::new(wanted, Abilities { udp: true, v4: true, ..Abilities::default() }, 1)
}

fn addresses() -> Answer {
    Answer::Addresses([[192, 0, 2, 1].into()].into())
}

/// The questions that were ordered so far.
fn ordered(orders: &mut mpsc::UnboundedReceiver<Order>) -> Vec<Question> {
    std::iter::from_fn(|| orders.try_recv().ok())
        .filter_map(|order| match order {
            Order::Ask(question) => Some(question),
            Order::Renew => None,
        })
        .collect()
}

#[test]
fn one_question_serves_all_who_wait_and_the_next_who_come() {
    let (names, mut orders) = names(9);
    actix::System::new().block_on(async {
        let question = Question::new("h.test", Kind::A);
        let find = || names.find(locate("sip:h.test:5070"));
        let answer = async {
            tokio::task::yield_now().await;
            assert_eq!(ordered(&mut orders), std::slice::from_ref(&question));
            names.answered(&question, addresses(), Some(5));
        };
        let (one, other, ()) = tokio::join!(find(), find(), answer);
        assert_eq!((one.len(), &one), (1, &other));
        assert_eq!(names.at_hand(&mut locate("sip:h.test:5070")), Some(one));
        assert_eq!(names.at_hand(&mut locate("sip:h.test")), None, "that asks for more");
        names.reload(names.settings.load().as_ref().clone());
        assert_eq!(names.at_hand(&mut locate("sip:h.test:5070")), None, "a reload forgets");
    });
}

#[test]
fn so_many_questions_at_once_and_no_more() {
    let (names, mut orders) = names(2);
    actix::System::new().block_on(async {
        let find = |name: &str| names.find(locate(&format!("sip:{name}:5070")));
        let since = Instant::now();
        let refused = async {
            tokio::task::yield_now().await;
            let places = find("c.test").await;
            assert!(places.is_empty() && since.elapsed() < SECOND / 2, "it does not wait");
        };
        let (a, b, ()) = tokio::join!(find("a.test"), find("b.test"), refused);
        assert!(a.is_empty() && b.is_empty() && since.elapsed() >= SECOND, "these wait, in bounds");
        assert_eq!(ordered(&mut orders).len(), 2);
    });
}

#[test]
fn a_question_whose_task_ends_is_answered_all_the_same() {
    let (names, _orders) = names(1);
    let names = std::sync::Arc::new(names);
    actix::System::new().block_on(async {
        let ends = async {
            tokio::task::yield_now().await;
            ask::breaks(&names, Question::new("h.test", Kind::A));
        };
        let since = Instant::now();
        let (places, ()) = tokio::join!(names.find(locate("sip:h.test:5070")), ends);
        assert!(places.is_empty() && since.elapsed() < SECOND / 2);
        assert!(lock(&names.known).under_way.is_empty(), "and can be asked again");
    });
}
