//! ROBUSTNESS T18 and T32: any text comes back as it was, and a disk that fails loses nothing that was acknowledged.

mod disk;
mod opening;
#[path = "../support/mod.rs"]
mod support;

use std::{path::PathBuf, sync::Arc, time::Duration};

use ringpost::{
    notify::{Action, CallRecord, Kind, Reason, Verdict},
    outbox::{Effort, Fate, Hold, Item, Returned, Way},
    voicemail::State,
};
use ringpost_actors::{
    channel::Recorded,
    store::{Change, Expiring, Row, Scribe, Sqlite, Store, Write, Written},
};

use support::{by_mail, chain, list, mail_only, outbox, schedule, until};

#[test]
fn any_text_comes_back_as_it_was() {
    let mut store = Sqlite::open(None).expect("a store");
    let texts = [
        "*)(objectClass=*".to_owned(),
        "\\2a'; DROP TABLE item; --".to_owned(),
        "\0NUL \u{1} \u{202E} \u{FEFF} \u{FFFF}".to_owned(),
        "x\r\nBcc: a@b\r\n\r\n.\r\n".to_owned(),
        "👩‍🚀 \u{10FFFF} e\u{301}".to_owned(),
        "\"\\ {{ 7*7 }} %s ${jndi:x}".to_owned(),
        "Å".repeat(5_000),
        String::new(),
    ];
    for text in texts {
        let mut item = by_mail(&text, "tu@x.test");
        (item.notice.user, item.notice.user_name) = (text.clone(), Some(text.clone()));
        item.notice.caller.name = Some(text.clone());
        item.notice.caller.uri = Some(text.clone());
        let call = CallRecord {
            call_id: text.clone(),
            user: text.clone(),
            caller: item.notice.caller.clone(),
            came_in: item.notice.came_in,
            rang_for: Duration::from_millis(1),
            outcome: item.notice.outcome,
            verdict: Verdict { action: Action::Mail, reason: Reason::RingpostWrites },
            answered_by: Some(text.clone()),
        };
        let row = Write::Insert(Row::of(item.clone()).expect("text"));
        let written = store.write(&[&row, &row, &Write::Record(Box::new(call.clone()))]).expect("written");
        let [Written::New(id), Written::Known, Written::Done] = written[..] else { panic!("{written:?}") };
        assert_eq!(store.load(id).expect("readable").expect("there").0, item);
        assert_eq!(store.list(None, 1).expect("readable")[0].item, item);
        assert_eq!(store.calls(1).expect("readable"), [call]);
    }
}

/// Names, numbers, addresses, reasons, what users have set, where devices are, what is held: whatever is in them.
#[test]
fn t18_hostile_texts_are_the_same_in_every_table_after_a_restart() {
    let texts = [
        "'; DROP TABLE item; --".to_owned(),
        "\"}],\"way\":{\"by\":{\"chain\":[\"x\"]}}".to_owned(),
        "\0 \u{1} \u{202E} \u{FEFF} \u{FFFE} \r\n\t".to_owned(),
        "\\ud800 \\u0000 \\".to_owned(),
        "👩‍🚀 \u{10FFFF} e\u{301}".to_owned(),
        "%s %n ?1 :x @y $z {{ x }}".to_owned(),
        "ø'\"".repeat(2_500),
    ];
    for text in texts {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        let some = || Some(text.clone());
        let mut item = by_mail(&text, &text);
        let notice = &mut item.notice;
        (notice.user_name, notice.time_zone) = (some(), text.clone());
        (notice.caller.name, notice.caller.number, notice.caller.uri) = (some(), some(), some());
        let own = [chain(&[&text])].into();
        item.way = Way::Um { plan: text.clone(), eum_proxy_address: text.clone(), own };
        item.wish.hold = Some(Hold { until: jiff::Timestamp::MAX, why: text.clone() });
        item.wish.returned = Some(Returned { fate: Fate::Mark, numbers: vec![some(), None] });
        let mut store = Sqlite::open(Some(&path)).expect("a store");
        let given_up = Item { way: Way::by(&chain(&[&text])), ..item.clone() };
        let due = "2026-04-11T09:12:33Z".parse().expect("a timestamp");
        let writes = [
            Write::Insert(Row::of(item.clone()).expect("text")),
            Write::Insert(Row::of(given_up.clone()).expect("text")),
            Write::Change(1, Change::Delayed { due, effort: Effort::default(), reason: text.clone() }),
            Write::Change(2, Change::Dead { reason: text.clone() }),
            Write::Policy(text.clone(), some()),
            Write::Bind(vec![(Arc::from(&*text), some())]),
        ];
        store.write(&writes.iter().collect::<Vec<_>>()).expect("written");
        store.close().expect("closed");
        drop(store);
        let mut store = Sqlite::open(Some(&path)).expect("the same store");
        assert_eq!(store.load(1).expect("readable").expect("open").0, item);
        let open = store.open_items(0, 9).expect("readable").remove(0);
        assert_eq!((open.id, open.mail.as_deref()), (1, Some(&*text)));
        let (user, wish) = *open.wish.expect("it is held");
        assert_eq!((&*user, wish), (&*item.notice.user, item.wish.clone()));
        let listed = store.list(None, 9).expect("readable");
        assert_eq!(listed.iter().map(|one| &one.item).collect::<Vec<_>>(), [&given_up, &item]);
        assert!(listed.iter().all(|one| one.reason.as_ref() == Some(&text)));
        let ending = store.endings(jiff::Timestamp::UNIX_EPOCH, 9).expect("readable").remove(0);
        assert_eq!(
            (ending.call_id, ending.user, ending.channel, ending.reason),
            (text.clone(), item.notice.user.clone(), text.clone(), some())
        );
        assert_eq!(store.policies().expect("readable"), [(text.clone(), text.clone())]);
        assert_eq!(store.bindings().expect("readable"), [(text.clone(), text.clone())]);
    }
}

/// JSON may hold what is no text: half of a surrogate pair. Nobody but a damaged disk writes it; it holds up no other notice.
#[test]
fn t18_a_row_that_is_no_text_holds_up_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let mut store = Sqlite::open(Some(&path)).expect("a store");
    let rows = ["bad", "good"].map(|id| Write::Insert(Row::of(by_mail(id, "tu@x.test")).expect("text")));
    store.write(&rows.iter().collect::<Vec<_>>()).expect("written");
    drop(store);
    let direct = rusqlite::Connection::open(&path).expect("SQLite");
    let spoilt =
        "UPDATE item SET body = replace(body, 'Luka', '\\ud800'), wish = '{\"hold' WHERE call_id = 'bad'";
    assert_eq!(direct.execute(spoilt, []).expect("done"), 1);
    drop(direct);
    actix::System::new().block_on(async {
        let mail = Arc::new(Recorded::default());
        let (_outbox, scribe) =
            outbox(Some(&path), schedule(Duration::from_secs(600)), &mail_only(mail.clone()));
        until("the good one is told", async || !mail.tries().is_empty()).await;
        assert_eq!(mail.tries()[0].notice.call_id, "good");
        let unread = scribe.load(1).await.expect("running").expect_err("it cannot be read");
        assert!(unread.to_string().contains("item 1 of the store cannot be read"), "{unread}");
        let listed = list(&scribe, None).await;
        assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [2]);
    });
}

#[test]
fn r210_only_what_is_over_and_old_is_removed() {
    let mut store = Sqlite::open(None).expect("a store");
    let mut rows = vec![];
    for (number, voice) in [(0, false), (1, false), (2, false), (3, true), (4, true)] {
        let mut item = by_mail(&format!("call {number}"), "tu@x.test");
        if voice {
            let recording = PathBuf::from(format!("{number}.wav"));
            item.notice.kind = Kind::VoiceMail { recording, duration: Duration::from_secs(3), urgent: false };
        }
        rows.push(Write::Insert(Row::of(item).expect("text")));
    }
    store.write(&rows.iter().collect::<Vec<_>>()).expect("written");
    let dead = || Change::Dead { reason: "x".into() };
    for (id, change) in [(1, Change::Delivered), (2, dead()), (4, Change::Delivered), (5, dead())] {
        store.write(&[&Write::Change(id, change)]).expect("written");
    }
    // The recording of a dead letter is still needed: it may be sent again.
    assert_eq!(store.recordings_needed().expect("readable"), [PathBuf::from("4.wav")]);
    let left = |store: &mut Sqlite| {
        let mut ids: Vec<_> = store.list(None, 9).expect("readable").iter().map(|one| one.id).collect();
        ids.sort_unstable();
        ids
    };
    let (past, future) = (jiff::Timestamp::UNIX_EPOCH, jiff::Timestamp::MAX);
    for kind in [Expiring::Delivered, Expiring::Dead, Expiring::Calls] {
        assert_eq!(store.expire(kind, past, 9).expect("done"), 0, "{kind:?}: not old yet");
    }
    assert_eq!(store.expire(Expiring::Delivered, future, 1).expect("done"), 1, "no more than was asked for");
    assert_eq!(store.expire(Expiring::Delivered, future, 9).expect("done"), 1);
    assert_eq!(left(&mut store), [2, 3, 5], "what waits stays however old it is");
    assert_eq!(store.expire(Expiring::Dead, future, 9).expect("done"), 2);
    assert_eq!(left(&mut store), [3]);
    assert!(store.recordings_needed().expect("readable").is_empty());
}

fn call(call_id: &str) -> CallRecord {
    let notice = by_mail(call_id, "tu@x.test").notice;
    CallRecord {
        call_id: notice.call_id,
        user: notice.user,
        caller: notice.caller,
        came_in: notice.came_in,
        rang_for: notice.rang_for,
        outcome: notice.outcome,
        verdict: Verdict { action: Action::Mail, reason: Reason::RingpostWrites },
        answered_by: None,
    }
}

fn voice_mail(call: &str, urgent: bool) -> Item {
    let mut item = by_mail(call, "tu@x.test");
    let recording = format!("/v/{call}.wav").into();
    item.notice.kind = Kind::VoiceMail { recording, duration: Duration::from_secs(3), urgent };
    item
}

/// R207: counts are those of the store, whatever happened before it was opened.
#[actix::test]
async fn mailboxes_are_counted_after_every_commit_and_from_the_first_moment_of_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let (scribe, _) = Scribe::start(Box::new(Sqlite::open(Some(&path)).expect("a store"))).expect("started");
    let user: Arc<str> = voice_mail("1", false).notice.user.into();
    let mut changes = scribe.counts().changes();
    let now = |scribe: &Scribe| scribe.counts().of(&user).to_string();
    assert_eq!(now(&scribe), "0/0 (0/0)");
    for (call, urgent) in [("1", false), ("2", true), ("3", false), ("2", true)] {
        scribe.post(voice_mail(call, urgent)).await.expect("written");
    }
    // One notice by two channels is one message; a missed call is none.
    scribe.post(Item { way: Way::by(&chain(&["hook"])), ..voice_mail("3", false) }).await.expect("written");
    scribe.post(by_mail("4", "tu@x.test")).await.expect("written");
    assert_eq!(now(&scribe), "3/0 (1/0)");
    let messages = scribe.messages(Some(Arc::clone(&user))).await.expect("it runs").expect("readable");
    let found: Vec<_> =
        messages.iter().map(|m| (m.recording.to_str(), m.urgent, m.duration.as_secs())).collect();
    let file = |name| Some(name);
    assert_eq!(
        found,
        [(file("/v/1.wav"), false, 3), (file("/v/2.wav"), true, 3), (file("/v/3.wav"), false, 3)]
    );
    assert_eq!(messages[0].caller, voice_mail("1", false).notice.caller);
    assert!(scribe.set_message(Arc::clone(&user), messages[1].id, Some(State::Old)).await);
    assert_eq!(now(&scribe), "2/1 (0/1)");
    assert!(scribe.set_message(Arc::clone(&user), messages[0].id, None).await);
    // What is deleted stays so, and nobody touches the mailbox of another.
    assert!(scribe.set_message(Arc::clone(&user), messages[0].id, Some(State::New)).await);
    assert!(scribe.set_message("sip:other@x.test".into(), messages[2].id, None).await);
    assert_eq!(now(&scribe), "1/1 (0/1)");
    for _ in 0..5 {
        assert_eq!(changes.try_recv().expect("a change"), user);
    }
    assert!(changes.try_recv().is_err(), "nothing else has changed");
    scribe.stop().await;
    let (scribe, _) = Scribe::start(Box::new(Sqlite::open(Some(&path)).expect("a store"))).expect("started");
    assert_eq!(now(&scribe), "1/1 (0/1)");
    assert!(scribe.forget_message(Arc::clone(&user), messages[2].id).await);
    assert_eq!((now(&scribe), scribe.counts().all().len()), ("0/1 (0/1)".into(), 1));
    scribe.stop().await;
}
