//! PUBLISH at a presence server (RFC 3903; T31): single answers, and long random histories against a server of the test's own.

use bytes::Bytes;
use ringpost::{
    presence::{
        publication::{Answer, Publication, Request, Step, Terms},
        publishing::{Health, Server},
    },
    sip::Message,
};

const TERMS: Terms = Terms { expires: 600, gap: 500 };
const FREE: u64 = 1;
const BUSY: u64 = 2;

fn answer(code: u16, lines: &str) -> Answer {
    let text = format!("SIP/2.0 {code} X\r\n{lines}\r\n");
    Answer::read(code, Some(&Message::read(Bytes::from(text)).expect("a message")))
}

fn sends(one: &mut Publication, now: u64) -> Request {
    match one.step(&TERMS, now) {
        Step::Send(request) => request,
        Step::Wait(until) => panic!("waits until {until:?}"),
    }
}

fn request(tag: Option<&str>, expires: u32, body: bool) -> Request {
    Request { tag: tag.map(Into::into), expires, body }
}

/// A publication that the server has under the tag `a` since 0.
fn held() -> Publication {
    let mut one = Publication::default();
    one.wants(Some(FREE));
    assert_eq!(sends(&mut one, 0), request(None, 600, true));
    one.answered(answer(200, "SIP-ETag: a\r\nExpires: 600\r\n"), &TERMS, 0, 0);
    one
}

#[test]
fn a_publication_begins_is_refreshed_changes_and_ends() {
    let mut one = held();
    assert_eq!(one.step(&TERMS, 0), Step::Wait(Some(300_000)));
    assert_eq!(sends(&mut one, 300_000), request(Some("a"), 600, false));
    assert_eq!(one.step(&TERMS, 300_000), Step::Wait(None), "one at a time");
    one.answered(answer(200, "sip-etag: b\r\nExpires: 60\r\n"), &TERMS, 300_100, u32::MAX);
    assert_eq!(
        one.step(&TERMS, 300_100),
        Step::Wait(Some(327_000)),
        "half of what was granted, less a tenth"
    );
    one.wants(Some(BUSY));
    assert_eq!(sends(&mut one, 300_500), request(Some("b"), 600, true));
    one.wants(None);
    one.answered(answer(200, "SIP-ETag: c\r\nExpires: 600\r\n"), &TERMS, 300_600, 0);
    assert_eq!(one.step(&TERMS, 300_600), Step::Wait(Some(301_000)), "not before the gap is over");
    assert_eq!(sends(&mut one, 301_000), request(Some("c"), 0, false));
    one.answered(answer(200, "Expires: 0\r\n"), &TERMS, 301_100, 0);
    assert!(one.is_settled() && !one.is_held());
    assert_eq!(one.step(&TERMS, u64::MAX), Step::Wait(None));
}

#[test]
fn fast_changes_are_told_together() {
    let mut one = held();
    one.wants(Some(BUSY));
    assert_eq!(one.step(&TERMS, 100), Step::Wait(Some(500)));
    one.wants(Some(FREE));
    assert_eq!(one.step(&TERMS, 500), Step::Wait(Some(300_000)), "there and back is nothing");
    for mark in 2..50 {
        one.wants(Some(mark));
    }
    assert_eq!(sends(&mut one, 500), request(Some("a"), 600, true));
    assert_eq!(one.step(&TERMS, 10_000), Step::Wait(None));
}

/// What the next request is, and when, after each answer to a change of `a`.
#[test]
fn every_answer_means_something() {
    for (code, lines, at, next) in [
        (412, "", 1_000, request(None, 600, true)),
        (500, "", 1_000, request(None, 600, true)),
        (503, "", 1_000, request(None, 600, true)),
        // RFC 3261 §21.5.4: it has forgotten nothing, and a second publication beside the first would stick.
        (503, "Retry-After: 9\r\n", 10_000, request(Some("a"), 600, true)),
        (423, "Min-Expires: 900\r\n", 1_000, request(Some("a"), 900, true)),
        (423, "Min-Expires: 600\r\n", 2_000, request(Some("a"), 600, true)),
        (423, "Min-Expires: 99999999\r\n", 2_000, request(Some("a"), 600, true)),
        (423, "", 2_000, request(Some("a"), 600, true)),
        (408, "", 2_000, request(Some("a"), 600, true)),
        (403, "", 2_000, request(Some("a"), 600, true)),
        (403, "Retry-After: 30 (later)\r\n", 31_000, request(Some("a"), 600, true)),
        (403, "Retry-After: 4294967295\r\n", 3_601_000, request(None, 600, true)),
        (489, "", 2_000, request(Some("a"), 600, true)),
    ] {
        let mut one = held();
        one.wants(Some(BUSY));
        sends(&mut one, 1_000);
        one.answered(answer(code, lines), &TERMS, 1_000, u32::MAX);
        if at > 1_000 {
            assert_eq!(one.step(&TERMS, 1_000), Step::Wait(Some(at)), "{code} {lines}");
        }
        let expected = if at > 600_000 { request(None, 600, true) } else { next };
        assert_eq!(sends(&mut one, at), expected, "{code} {lines}");
    }
    let mut one = held();
    one.wants(Some(BUSY));
    sends(&mut one, 1_000);
    one.answered(Answer::read(408, None), &TERMS, 1_000, 0);
    assert_eq!(sends(&mut one, 2_000), request(Some("a"), 600, true), "nobody knows whether it was taken");
    one.answered(answer(412, ""), &TERMS, 2_000, 0);
    assert_eq!(sends(&mut one, 2_000), request(None, 600, true));
    for wait in [1_000, 2_000, 4_000] {
        one.answered(answer(412, ""), &TERMS, 0, u32::MAX);
        assert_eq!(one.step(&TERMS, 0), Step::Wait(Some(wait)), "who has no tag does not ask at once again");
        sends(&mut one, wait);
    }
}

/// T31: a tag of 100 kB, or one that would be a header of its own, is no tag.
#[test]
fn a_tag_that_cannot_be_used_is_not() {
    let long = format!("SIP-ETag: {}\r\n", "a".repeat(100_000));
    for lines in ["", "SIP-ETag: \r\n", "SIP-ETag: a b\r\n", "SIP-ETag: \u{e9}\r\n", &long] {
        let mut one = Publication::default();
        one.wants(Some(BUSY));
        sends(&mut one, 0);
        one.answered(answer(200, lines), &TERMS, 0, 0);
        one.wants(Some(FREE));
        assert_eq!(sends(&mut one, 500), request(None, 600, true), "{:.20}", lines);
        one.answered(answer(200, lines), &TERMS, 500, 0);
        one.wants(None);
        assert_eq!(one.step(&TERMS, 1_000), Step::Wait(None), "only its time ends it");
    }
    let longest = "a".repeat(512);
    assert_eq!(
        answer(200, &format!("SIP-ETag: {longest}\r\n")),
        Answer::Taken(Some(longest.as_str().into()), None)
    );
}

/// A server that grants less than the gap between two changes: it is prolonged in time all the same, with what is to change.
#[test]
fn no_gap_lets_a_publication_end() {
    let terms = Terms { expires: 600, gap: 300_000 };
    let mut one = Publication::default();
    one.wants(Some(FREE));
    let sends = |one: &mut Publication, now: u64| match one.step(&terms, now) {
        Step::Send(request) => request,
        Step::Wait(until) => panic!("waits until {until:?}"),
    };
    sends(&mut one, 0);
    one.answered(answer(200, "SIP-ETag: a\r\nExpires: 30\r\n"), &terms, 0, 0);
    assert_eq!(one.step(&terms, 0), Step::Wait(Some(15_000)));
    assert_eq!(sends(&mut one, 15_000), request(Some("a"), 600, false));
    one.answered(answer(200, "SIP-ETag: b\r\nExpires: 30\r\n"), &terms, 15_000, 0);
    one.wants(Some(BUSY));
    assert_eq!(one.step(&terms, 16_000), Step::Wait(Some(30_000)));
    assert_eq!(sends(&mut one, 30_000), request(Some("b"), 600, true));
    one.answered(answer(200, "SIP-ETag: c\r\nExpires: 30\r\n"), &terms, 30_000, 0);
    // Whoever stops has no time for gaps, nor for the rests of failures.
    one.ends();
    assert_eq!(sends(&mut one, 30_001), request(Some("c"), 0, false));
    one.answered(answer(403, "Retry-After: 60\r\n"), &terms, 30_002, 0);
    assert!(!one.is_settled());
    one.ends();
    assert_eq!(sends(&mut one, 30_003), request(Some("c"), 0, false));
}

/// RFC 3261 §21.5.4: whoever says how long to wait is left alone by all publications, and nothing is doubted because of it.
#[test]
fn a_server_that_says_when_to_come_again_is_left_alone() {
    let mut server = Server::new(TERMS, 4);
    for at in 0..10 {
        server.add();
        server.wants(at, Some(FREE));
    }
    while let Some((at, _)) = server.next(0) {
        server.answered(at, answer(200, "SIP-ETag: a\r\n"), 0, 0);
    }
    (0..10).for_each(|at| server.wants(at, Some(BUSY)));
    let (at, _) = server.next(1_000).expect("a change");
    server.answered(at, answer(503, "Retry-After: 9\r\n"), 1_000, 0);
    assert_eq!((server.health(), server.next(9_999)), (Health::Ill(10_000), None));
    assert_eq!(server.wake(9_999), Some(10_000));
    let (at, first) = server.next(10_000).expect("one");
    assert_eq!((first.tag.as_deref(), server.next(10_000)), (Some("a"), None), "one after the other");
    server.answered(at, answer(200, "SIP-ETag: b\r\n"), 10_000, 0);
    let mut sent = 1;
    while let Some((at, request)) = server.next(10_000) {
        sent += 1;
        assert!(request.tag.is_some(), "nothing is doubled");
        server.answered(at, answer(200, "SIP-ETag: b\r\n"), 10_000, 0);
    }
    assert!(server.is_settled() && sent <= 20, "{sent}");
}

/// A server that grants no time is not asked in a circle.
#[test]
fn no_time_is_a_failure() {
    let mut one = Publication::default();
    one.wants(Some(BUSY));
    sends(&mut one, 0);
    one.answered(answer(200, "SIP-ETag: a\r\nExpires: 0\r\n"), &TERMS, 0, 0);
    assert_eq!(one.step(&TERMS, 0), Step::Wait(Some(500)));
}

/// T31: while it is silent nothing is sent; when it is back everything is looked at again.
#[test]
fn a_silent_server_is_left_alone_and_all_is_told_when_it_is_back() {
    let mut server = Server::new(TERMS, 4);
    for _ in 0..10 {
        let at = server.add();
        server.wants(at, Some(FREE));
    }
    let mut told = 0;
    let mut sent = vec![];
    while let Some((at, _)) = server.next(0) {
        sent.push(at);
        if sent.len() == 4 {
            assert_eq!(server.next(0), None, "at most four at once");
            for at in sent.drain(..) {
                told += 1;
                server.answered(at, answer(200, &format!("SIP-ETag: t{at}\r\n")), 0, 0);
            }
        }
    }
    assert_eq!(told + sent.len(), 10);
    sent.drain(..).for_each(|at| server.answered(at, answer(200, &format!("SIP-ETag: t{at}\r\n")), 0, 0));
    assert!(server.is_settled() && server.next(0).is_none() && server.held() == 10);
    server.answers(false);
    server.wants(3, Some(BUSY));
    assert_eq!((server.health(), server.next(10_000)), (Health::Silent, None));
    server.answers(true);
    let (mut lost, mut anew) = (0, 0);
    while let Some((at, request)) = server.next(10_000) {
        let before = format!("t{at}");
        let code = match request.tag.as_deref() {
            Some(tag) => {
                assert_eq!((tag, request.body), (before.as_str(), at == 3));
                lost += 1;
                412
            }
            None => {
                anew += 1;
                200
            }
        };
        server.answered(at, answer(code, "SIP-ETag: n\r\n"), 10_000, 0);
    }
    assert_eq!((lost, anew), (10, 10));
    assert!(server.is_settled());
}

/// One lost tag makes the others doubtful, once.
#[test]
fn a_loss_is_looked_for_everywhere() {
    let mut server = Server::new(TERMS, 1);
    for at in 0..50 {
        server.add();
        server.wants(at, Some(FREE));
        let (at, _) = server.next(0).expect("a request");
        server.answered(at, answer(200, "SIP-ETag: a\r\n"), 0, 0);
    }
    // Its turn comes though nothing has changed.
    server.answers(true);
    let mut requests = 0;
    let mut fresh = std::collections::BTreeSet::new();
    while let Some((at, request)) = server.next(1_000) {
        requests += 1;
        assert!(requests <= 100, "each is asked for and told once");
        let known = request.tag.is_none() || fresh.contains(&at);
        fresh.insert(at);
        server.answered(at, answer(if known { 200 } else { 412 }, "SIP-ETag: b\r\n"), 1_000, 0);
    }
    assert_eq!((requests, fresh.len()), (100, 50));
    assert!(server.is_settled());
}

/// T31: 500 for a while: one try every two seconds, and all at once when one is taken.
#[test]
fn an_ill_server_gets_one_try_after_the_other() {
    let mut server = Server::new(TERMS, 8);
    for at in 0..20 {
        server.add();
        server.wants(at, Some(BUSY));
    }
    let (mut now, mut tries, well) = (0, 0, 60_000);
    while now < well {
        while let Some((at, _)) = server.next(now) {
            tries += 1;
            server.answered(at, answer(500, ""), now, 0);
        }
        now = server.wake(now).expect("it is tried again");
    }
    assert!((25..=40).contains(&tries), "{tries}");
    assert!(now <= well + 2_000);
    while let Some((at, _)) = server.next(now) {
        server.answered(at, answer(200, "SIP-ETag: a\r\n"), now, 0);
    }
    assert!(server.is_settled() && server.health() == Health::Well);
}

/// A wrong password is shown a few times and then once in ten minutes, not for each user again and again; and at once when the
/// site has another one.
#[test]
fn a_login_that_is_not_taken_is_not_shown_for_each_user() {
    let mut server = Server::new(TERMS, 8);
    for at in 0..1_000 {
        server.add();
        server.wants(at, Some(BUSY));
    }
    let (mut now, mut shown) = (0, 0);
    while now < 3_600_000 {
        while let Some((at, _)) = server.next(now) {
            shown += 1;
            server.answered(at, answer(401, ""), now, 0);
        }
        now = server.wake(now).expect("it is tried again");
    }
    assert!((3..=10).contains(&shown), "{shown}");
    let (at, _) = server.next(now).expect("once in ten minutes");
    server.answered(at, answer(401, ""), now, 0);
    assert!(server.next(now + 1_000).is_none());
    server.forgive();
    let (at, _) = server.next(now + 1_000).expect("the site has another login");
    assert!(server.next(now + 1_000).is_none(), "one shows whether it is right");
    server.answered(at, answer(200, "SIP-ETag: a\r\n"), now + 1_000, 0);
    let mut told = 1;
    while let Some((at, _)) = server.next(now + 1_000) {
        server.answered(at, answer(200, "SIP-ETag: a\r\n"), now + 1_000, 0);
        told += 1;
    }
    assert!(told >= 1_000, "{told}");
}

/// Nor is it shown by as many requests at once as the server may get, before anybody knows whether it is right.
#[test]
fn a_login_is_shown_by_one_request_until_it_is_taken() {
    let mut server = Server::new(TERMS, 8);
    server.shows_login();
    for at in 0..100 {
        server.add();
        server.wants(at, Some(BUSY));
    }
    let (mut now, mut shown) = (0, 0);
    while now < 3_600_000 {
        // All that may be under way goes before the first answer.
        let sent: Vec<usize> = std::iter::from_fn(|| server.next(now)).map(|(at, _)| at).collect();
        shown += sent.len();
        sent.into_iter().for_each(|at| server.answered(at, answer(401, ""), now, 0));
        now = server.wake(now).unwrap_or(now);
    }
    assert!((3..=10).contains(&shown), "{shown}");
    let (first, _) = server.next(now).expect("once in ten minutes");
    assert!(server.next(now).is_none());
    server.answered(first, answer(200, "SIP-ETag: a\r\n"), now, 0);
    let all = std::iter::from_fn(|| server.next(now)).count();
    assert_eq!(all, 8, "it is taken: so many at once as ever");
}

/// A presence server that loses requests, answers and its memory.
#[derive(Default)]
struct Fake {
    /// User, tag, what it says, when it ends.
    all: Vec<(usize, String, u64, u64)>,
    tags: u64,
}

impl Fake {
    fn takes(&mut self, at: usize, request: &Request, mark: Option<u64>, now: u64) -> Answer {
        self.all.retain(|(.., ends)| *ends > now);
        let found =
            self.all.iter().position(|(of, tag, ..)| *of == at && request.tag.as_deref() == Some(tag));
        if request.tag.is_some() && found.is_none() {
            return answer(412, "");
        }
        let before = found.map(|found| self.all.remove(found));
        if request.expires == 0 {
            return answer(200, "Expires: 0\r\n");
        }
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        let mark = if request.body { mark } else { before.map(|(_, _, mark, _)| mark) };
        let Some(mark) = mark else { return answer(400, "") };
        self.all.push((at, tag.clone(), mark, now + 1_000 * u64::from(request.expires)));
        answer(200, &format!("SIP-ETag: {tag}\r\nExpires: {}\r\n", request.expires))
    }
}

/// T31: whatever happens, never two requests of one user under way, nothing at the server is valid for longer than was asked
/// for, and when all is well again the server ends up with the one state of each user.
#[test]
fn after_any_history_the_server_knows_the_state() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let terms = Terms { expires: 60, gap: 500 };
        let (mut server, mut fake) = (Server::new(terms, 3), Fake::default());
        let mut wanted: Vec<Option<u64>> = vec![None; 6];
        for _ in 0..wanted.len() {
            server.add();
        }
        let mut under_way: Vec<(usize, Request, Option<u64>, u64)> = vec![];
        let (mut now, trouble, end) = (0, 120_000, 300_000);
        let mut quiet = false;
        while now < end {
            let bad = now < trouble;
            if bad && random.u8(..) < 60 {
                let at = random.usize(..wanted.len());
                wanted[at] = [None, Some(FREE), Some(BUSY)][random.usize(..3)];
                server.wants(at, wanted[at]);
            }
            if bad && random.u8(..) < 3 {
                fake.all.clear();
            }
            if random.u8(..) < 20 {
                quiet = bad && random.bool();
                server.answers(!quiet);
            }
            while let Some((at, request)) = server.next(now) {
                assert!(under_way.iter().all(|(other, ..)| *other != at), "{seed}: two at once");
                under_way.push((at, request, wanted[at], now));
            }
            let mut at = 0;
            while at < under_way.len() {
                let late = now >= under_way[at].3 + 32_000;
                if !late && (quiet || random.bool()) {
                    at += 1;
                    continue;
                }
                let (user, request, mark, _) = under_way.swap_remove(at);
                let said = match random.u8(..) {
                    _ if late => Answer::Silent,
                    0..20 if bad => answer(500, ""),
                    20..30 if bad => answer(423, "Min-Expires: 90\r\n"),
                    // It was taken, and the answer lost.
                    30..40 if bad => {
                        fake.takes(user, &request, mark, now);
                        Answer::Silent
                    }
                    40..50 if bad => Answer::Silent,
                    50..55 if bad => answer(403, ""),
                    _ => fake.takes(user, &request, mark, now),
                };
                server.answered(user, said, now, random.u32(..));
            }
            let longest = fake.all.iter().map(|(.., ends)| *ends).max().unwrap_or(0);
            assert!(longest <= now + 90_000, "{seed}");
            now += random.u64(1..400);
        }
        fake.all.retain(|(.., ends)| *ends > now);
        assert_eq!(server.held(), wanted.iter().flatten().count(), "{seed}");
        for (at, wanted) in wanted.iter().enumerate() {
            let known: Vec<_> =
                fake.all.iter().filter(|(of, ..)| *of == at).map(|(_, _, mark, _)| *mark).collect();
            assert_eq!(known, wanted.iter().copied().collect::<Vec<_>>(), "seed {seed}, user {at}");
        }
    }
}

/// What a run before has published is changed by its tag, or taken back; at its end it is forgotten.
#[test]
fn r206_a_publication_of_a_run_before_is_changed_and_not_doubled() {
    let mut one = Publication::default();
    one.restore("old", 50_000);
    assert_eq!(one.kept(), Some(("old", 50_000)));
    one.wants(Some(7));
    assert_eq!(sends(&mut one, 0), request(Some("old"), 600, true));
    one.answered(Answer::Taken(Some("new".into()), Some(600)), &TERMS, 1, 0);
    assert_eq!((one.kept(), one.is_settled()), (Some(("new", 600_000)), true));
    let mut gone = Publication::default();
    gone.restore("old", 50_000);
    assert_eq!(sends(&mut gone, 0), request(Some("old"), 0, false));
    gone.answered(Answer::Taken(None, Some(0)), &TERMS, 1, 0);
    assert_eq!((gone.kept(), gone.is_settled()), (None, true));
    let mut late = Publication::default();
    late.restore("old", 50_000);
    late.wants(Some(7));
    assert_eq!(sends(&mut late, 50_000), request(None, 600, true));
}
