//! Message counts from elsewhere, and for PBXs that have not asked (R207, T5); time is an input.

use ringpost::presence::{
    forwarded::{Forwarded, Table},
    summary::{Counts, Summary},
    unasked::{Fate, Unasked},
};

fn said(source: &str, text: &str, ends: u64) -> Forwarded {
    Forwarded::of(source, &Summary::read(text.as_bytes()).expect("a summary"), ends)
}

/// What a watcher of that user is told, without the account.
fn told(table: &Table, own: Counts, now: u64) -> String {
    let all = table.with("sip:a@b", Summary::of("sip:5000@b", own), now).write();
    all.replace("Message-Account: sip:5000@b\r\n", "").replace("\r\n", "|")
}

#[test]
fn counts_of_several_mailboxes_are_added_until_they_end() {
    let (mut table, user) = (Table::default(), "sip:a@b".into());
    let own = Counts { new: 1, old: 2, ..Counts::default() };
    assert_eq!(told(&table, own, 0), "Messages-Waiting: yes|Voice-Message: 1/2 (0/0)|");
    // Exchange's; then another one's, with LF alone and keys as it likes.
    assert!(table.take(&user, said("um", "Messages-Waiting: yes\r\nVoice-Message: 8/3\r\n", 100)));
    assert!(table.take(&user, said("other", "MESSAGES-WAITING:yes\nvoice-message: 1/0 (1/0)\n", 50)));
    assert_eq!(told(&table, own, 10), "Messages-Waiting: yes|Voice-Message: 10/5 (1/0)|");
    assert_eq!(told(&table, own, 50), "Messages-Waiting: yes|Voice-Message: 9/5 (0/0)|");
    assert_eq!(table.next_end(), Some(50));
    assert_eq!(table.retain(|_, one| one.ends > 50), [(user.clone(), "other".into())]);
    // What a source tells takes the place of what it has told.
    assert!(table.take(&user, said("um", "Messages-Waiting: no\r\nVoice-Message: 0/11\r\n", 200)));
    let nothing = Counts::default();
    assert_eq!(told(&table, nothing, 60), "Messages-Waiting: no|Voice-Message: 0/11 (0/0)|");
    // T5: what no number holds is the largest, and stays so.
    let huge = "Messages-Waiting: yes\r\nVoice-Message: 18446744073709551616/4294967296\r\n";
    assert!(table.take(&user, said("um", huge, 200)));
    assert_eq!(told(&table, own, 60), "Messages-Waiting: yes|Voice-Message: 4294967295/4294967295 (0/0)|");
    // A lamp without a count: none is made up.
    assert!(table.take(&user, said("um", "Messages-Waiting: yes\r\n", 200)));
    assert_eq!(told(&table, nothing, 60), "Messages-Waiting: yes|");
    assert_eq!(told(&table, own, 60), "Messages-Waiting: yes|Voice-Message: 1/2 (0/0)|");
    assert_eq!(told(&table, nothing, 200), "Messages-Waiting: no|Voice-Message: 0/0 (0/0)|");
    assert_eq!(table.retain(|_, one| one.ends > 200).len(), 1);
    assert_eq!(table.next_end(), None);
}

#[test]
fn what_was_overtaken_on_its_way_counts_for_nothing() {
    let (mut table, user) = (Table::default(), "sip:a@b".into());
    let numbered = |series, number, new: u32| Forwarded {
        series: Some((series, number)),
        ..said("um", &format!("Messages-Waiting: yes\r\nVoice-Message: {new}/0\r\n"), 9)
    };
    assert!(table.take(&user, numbered(1, 5, 5)));
    assert!(!table.take(&user, numbered(1, 4, 4)) && !table.take(&user, numbered(1, 5, 6)));
    assert_eq!(told(&table, Counts::default(), 0), "Messages-Waiting: yes|Voice-Message: 5/0 (0/0)|");
    // Of two series nobody knows which is the later one.
    assert!(
        table.take(&user, numbered(2, 1, 1)) && table.take(&user, said("um", "Messages-Waiting: no\n", 9))
    );
}

#[test]
fn answers_of_a_pbx_are_told_apart() {
    let rows = [
        (Fate::Done, &[200, 202, 401, 403, 404, 410, 480, 603][..]),
        (Fate::OnlyAsked, &[405, 481, 489, 501]),
        (Fate::Later, &[408, 500, 502, 503, 504]),
    ];
    for (fate, codes) in rows {
        codes.iter().for_each(|code| assert_eq!(Fate::of(*code), fate, "{code}"));
    }
}

/// Whoever has no phone there is nobody's answer: a PBX that is not well is left alone as long as before.
#[test]
fn users_without_a_phone_do_not_shorten_the_rest_of_a_pbx_that_is_not_well() {
    let mut owes = Unasked::new(8);
    (1..9).for_each(|user| owes.owe(user));
    assert_eq!(owes.next(0), Some(1));
    owes.answered(&1, Fate::Later, 0);
    let mut at = 2_000;
    for rest in [4_000, 8_000, 16_000] {
        let nobody = owes.next(at).expect("a try");
        owes.passes_over(&nobody);
        let tried = owes.next(at).expect("another one");
        assert_eq!(owes.next(at), None, "one at a time");
        owes.answered(&tried, Fate::Later, at);
        assert_eq!(owes.wake(at), Some(at + rest));
        at += rest;
    }
}

#[test]
fn a_pbx_is_told_of_each_user_the_latest() {
    let mut owes = Unasked::new(2);
    [1, 2, 3, 1].into_iter().for_each(|user| owes.owe(user));
    assert_eq!((owes.next(0), owes.next(0), owes.next(0)), (Some(1), Some(2), None));
    // Something new while it is under way: once more.
    owes.owe(1);
    owes.owe(1);
    assert!(!owes.answered(&1, Fate::Done, 1));
    assert_eq!(owes.next(1), Some(3));
    assert!(!owes.answered(&2, Fate::Done, 1) && !owes.answered(&3, Fate::Done, 1));
    assert_eq!((owes.next(1), owes.next(1)), (Some(1), None));
    // It does not answer: pauses that grow, and one try at a time; nobody is forgotten.
    owes.owe(4);
    let mut at = 1;
    for rest in [2_000, 4_000, 8_000] {
        let user = if rest == 2_000 { 1 } else { owes.next(at).expect("a try") };
        assert_eq!(owes.next(at), if rest == 2_000 { Some(4) } else { None });
        if rest == 2_000 {
            owes.answered(&4, Fate::Later, at);
        }
        owes.answered(&user, Fate::Later, at);
        assert_eq!((owes.next(at + rest - 1), owes.wake(at)), (None, Some(at + rest)));
        at += rest;
    }
    let mut told = vec![];
    while let Some(user) = owes.next(at) {
        owes.answered(&user, Fate::Done, at);
        told.push(user);
    }
    told.sort_unstable();
    assert_eq!((told, owes.wake(at)), (vec![1, 4], None));
    // It wants to be asked only: that is said once, and tried again after an hour, and when the site was read.
    owes.owe(5);
    owes.owe(6);
    let (five, six) = (owes.next(at).expect("five"), owes.next(at).expect("six"));
    owes.owe(7);
    assert!(owes.answered(&five, Fate::OnlyAsked, at) && !owes.answered(&six, Fate::OnlyAsked, at));
    owes.owe(8);
    assert!(owes.next(at).is_none() && owes.is_only_asked());
    let hour = at + 3_600_000;
    assert_eq!((owes.wake(at), owes.next(hour - 1)), (Some(hour), None));
    let tried = owes.next(hour).expect("a try");
    assert_eq!(owes.next(hour), None, "one at a time");
    assert!(!owes.answered(&tried, Fate::OnlyAsked, hour), "nobody is told twice");
    assert_eq!(owes.next(hour), None);
    owes.forgive();
    let tried = owes.next(hour).expect("once the site was read");
    assert_eq!(owes.next(hour), None);
    owes.answered(&tried, Fate::Done, hour);
    assert!(!owes.is_only_asked());
    let mut told = vec![tried];
    while let Some(user) = owes.next(hour) {
        owes.answered(&user, Fate::Done, hour);
        told.push(user);
    }
    told.sort_unstable();
    assert_eq!(told, [5, 6, 7, 8], "nobody is forgotten meanwhile");
}
