//! What is remembered of the DNS and of servers that failed: for how long, and how much of it (T23: negative cache).

use std::{net::IpAddr, time::Duration};

use ringpost::{
    settings::Transport,
    sip::locate::{
        Answer, Hop, Kind, Question,
        avoid::Avoid,
        cache::{Bounds, Cache, Known},
    },
};

const SECOND: u64 = 1_000;
const BOUNDS: Bounds = Bounds {
    ttl: (Duration::from_secs(2), Duration::from_secs(100)),
    negative: Duration::from_secs(60),
    retry: Duration::from_secs(5),
    stale: Duration::from_secs(1_000),
    most: 100,
};

fn question(name: &str) -> Question {
    Question::new(name, Kind::A)
}

fn address(last: u8) -> Answer {
    Answer::Addresses([IpAddr::from([192, 0, 2, last])].into())
}

#[test]
fn an_answer_is_believed_as_long_as_it_says_within_bounds() {
    for (what, answer, ttl, seconds) in [
        ("its TTL", address(1), Some(30), 30),
        ("not less than min_ttl", address(1), Some(0), 2),
        ("not more than max_ttl", address(1), Some(86_400), 100),
        ("nobody says", address(1), None, 2),
        ("there is none, as the SOA says", Answer::Nothing, Some(30), 30),
        ("not longer than negative_ttl", Answer::Nothing, Some(86_400), 60),
        ("there is none, and no SOA: retry", Answer::Nothing, None, 5),
        ("a SOA that says 0: retry", Answer::Nothing, Some(0), 5),
        ("nobody answered: retry", Answer::Failed, None, 5),
    ] {
        let mut cache = Cache::new(BOUNDS);
        assert_eq!(cache.put(question("h"), answer.clone(), ttl, 7), answer);
        let end = 7 + seconds * SECOND;
        assert_eq!(cache.look(&question("H."), end - 1), Known::Fresh(answer.clone()), "{what}");
        let stale = match answer {
            Answer::Addresses(_) => Known::Stale(answer),
            _ => Known::Unknown,
        };
        assert_eq!(cache.look(&question("h"), end), stale, "{what}");
        assert_eq!(cache.look(&question("h"), end + 1_000 * SECOND), Known::Unknown, "{what}");
        assert_eq!(cache.look(&Question::new("h", Kind::Aaaa), 8), Known::Unknown);
    }
}

#[test]
fn old_answers_serve_while_nobody_answers() {
    let mut cache = Cache::new(BOUNDS);
    cache.put(question("h"), address(1), Some(10), 0);
    let asked = 50 * SECOND;
    assert_eq!(cache.put(question("h"), Answer::Failed, None, asked), address(1), "it serves on");
    assert_eq!(cache.look(&question("h"), asked + 4_999), Known::Fresh(address(1)));
    assert_eq!(cache.look(&question("h"), asked + 5_000), Known::Stale(address(1)), "it is asked again");
    let back = asked + 6 * SECOND;
    cache.put(question("h"), address(2), Some(10), back);
    assert_eq!(cache.look(&question("h"), back), Known::Fresh(address(2)));
    // "There is none" is an answer: it ends what was before.
    cache.put(question("h"), Answer::Nothing, Some(10), back);
    assert_eq!(cache.look(&question("h"), back), Known::Fresh(Answer::Nothing));
    // Too old to serve.
    cache.put(question("h"), address(3), Some(10), back);
    let late = back + 1_010 * SECOND;
    assert_eq!(cache.put(question("h"), Answer::Failed, None, late), Answer::Failed);
}

#[test]
fn the_memory_is_bounded_and_keeps_what_lasts() {
    let mut cache = Cache::new(BOUNDS);
    for n in 0..10_000_u32 {
        cache.put(question(&format!("n{n}")), address(1), Some(20 + n % 50), u64::from(n));
        assert!(cache.len() <= 100, "{}", cache.len());
    }
    assert!(cache.len() > 50, "a quarter goes at a time");
    let mut cache = Cache::new(BOUNDS);
    for n in 0..100 {
        cache.put(question(&format!("n{n}")), address(1), Some(if n < 50 { 90 } else { 3 }), 0);
    }
    cache.put(question("one more"), address(1), Some(90), 0);
    let kept = (0..50).filter(|n| cache.look(&question(&format!("n{n}")), 0) != Known::Unknown).count();
    assert_eq!(kept, 50, "those whose time was up first have gone");
}

#[test]
fn who_failed_is_tried_last_for_a_while() {
    let place = |last: u8| Hop { transport: Transport::Udp, address: ([192, 0, 2, last], 5060).into() };
    let mut avoid = Avoid::new(3);
    let sorted = |avoid: &Avoid, now| {
        let mut places = [place(1), place(2), place(3)];
        avoid.sort(&mut places, |place| *place, now);
        places.map(|place| place.address.ip().to_string().split_off(8)).concat()
    };
    assert_eq!(sorted(&avoid, 0), "123");
    avoid.failed(place(1), Duration::from_secs(30), 0);
    assert_eq!(sorted(&avoid, 1), "231");
    avoid.failed(place(2), Duration::from_secs(30), 0);
    assert_eq!(sorted(&avoid, 29_999), "312");
    assert_eq!(sorted(&avoid, 30_000), "123");
    avoid.answered(&place(2));
    assert_eq!(sorted(&avoid, 1), "231");
    let tcp = Hop { transport: Transport::Tcp, ..place(1) };
    assert!(!avoid.has(&tcp, 1), "by TCP it may answer");
    for last in 4..20 {
        avoid.failed(place(last), Duration::from_secs(30), 10);
    }
    assert!(avoid.has(&place(5), 11) && !avoid.has(&place(6), 11), "three are remembered");
    avoid.failed(place(6), Duration::from_secs(30), 60_000);
    assert!(avoid.has(&place(6), 60_001), "when their time is up, others are");
}
