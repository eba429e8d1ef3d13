//! Random histories: every open item is in one place, and who may be tried next is the oldest of those that may.

use super::*;

const AT_ONCE: usize = 8;

fn consistent(queue: &Queue) {
    let of = |place: Place| {
        let ids = queue.open.iter().filter(move |(_, entry)| entry.place == place);
        ids.map(|(id, entry)| (*id, *entry)).collect::<Vec<_>>()
    };
    let waiting: BTreeSet<_> = of(Place::Waiting).iter().map(|(id, entry)| (entry.at, *id)).collect();
    assert_eq!(waiting, queue.waiting);
    let due = of(Place::Due);
    assert_eq!(due.len(), queue.due);
    let mut heads = BTreeSet::new();
    for (whom, crowd) in queue.crowds.iter().enumerate() {
        let whom = whom as Whom;
        let theirs: BTreeSet<_> =
            due.iter().filter(|(_, entry)| entry.whom == whom).map(|(id, _)| *id).collect();
        assert_eq!(theirs, crowd.due);
        let may = !crowd.breaker.is_open() && (whom == NOBODY || crowd.sending < share(AT_ONCE));
        heads.extend(theirs.first().filter(|_| may).map(|id| (*id, whom)));
    }
    assert_eq!(heads, queue.heads);
    let open = queue.crowds.iter().filter(|crowd| crowd.breaker.is_open());
    assert_eq!(open.count(), queue.down);
    let resting: BTreeSet<_> = (0..)
        .zip(&queue.crowds)
        .filter(|(_, crowd)| crowd.breaker.is_open() && crowd.sending == 0)
        .map(|(whom, crowd)| (crowd.next, whom))
        .collect();
    assert_eq!(resting, queue.resting);
}

#[test]
fn whatever_happens_every_item_is_in_its_place() {
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..50 {
        let mut queue = Queue::new(AT_ONCE);
        let (mut now, mut next) = (0, 1);
        // Tries under way.
        let mut sending: Vec<(ItemId, Whom)> = Vec::new();
        for _ in 0..400 {
            now += random.u64(0..20);
            let any = random.i64(1..next.max(2));
            match random.u8(0..10) {
                0..4 => {
                    let names = [None, Some("a.test"), Some("b.test"), Some("c.test")];
                    let whom = queue.whom(names[random.usize(0..4)]);
                    let at = now + random.u64(0..50);
                    let entry = Entry { posted: 0, left: 1_000, at, whom, place: Place::Due, doubt: false };
                    queue.add(next, entry, now);
                    next += 1;
                }
                4 => drop(queue.ripen(now, 3)),
                5 | 6 => {
                    let first =
                        queue.probe(now).or_else(|| queue.first()).filter(|_| sending.len() < AT_ONCE);
                    if let Some(id) = first {
                        assert!(queue.take(id), "it waits");
                        sending.push((id, queue.begin(id)));
                    }
                }
                7 if !sending.is_empty() => {
                    let (id, whom) = sending.swap_remove(random.usize(0..sending.len()));
                    queue.end(whom);
                    let failed = random.bool();
                    queue.judge(whom, now, |breaker| match failed {
                        true => {
                            breaker.failed(id);
                            Some(Duration::from_millis(30))
                        }
                        false => {
                            breaker.reached();
                            None
                        }
                    });
                    match failed && queue.get(id).is_some() {
                        true => queue.place(id, now + random.u64(0..50), now),
                        false => queue.close(id),
                    }
                }
                8 if queue.get(any).is_some_and(|entry| entry.place != Place::Sending) => queue.close(any),
                9 if random.u8(0..20) == 0 => queue.absolve(),
                _ => {}
            }
            consistent(&queue);
        }
    }
}

#[test]
fn a_long_queue_for_one_destination_leaves_room_for_the_others() {
    let mut queue = Queue::new(AT_ONCE);
    let (busy, other) = (queue.whom(Some("busy.test")), queue.whom(Some("other.test")));
    let entry = |whom| Entry { posted: 0, left: 1_000, at: 0, whom, place: Place::Due, doubt: false };
    (1..=100_000).for_each(|id| queue.add(id, entry(busy), 0));
    queue.add(100_001, entry(other), 0);
    let begun: Vec<ItemId> = std::iter::from_fn(|| {
        let id = queue.first()?;
        queue.take(id);
        queue.begin(id);
        Some(id)
    })
    .collect();
    assert_eq!(begun, [1, 2, 3, 4, 5, 6, 100_001], "the oldest first, and three quarters of them");
}
