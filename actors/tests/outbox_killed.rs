//! ROBUSTNESS T28: SIGKILL at any moment loses no committed notice and doubles none.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use ringpost::{
    notify::Kind,
    outbox::{Gather, Item, Key, Wish},
};
use ringpost_actors::{
    channel::Maildir,
    outbox::Post,
    store::{ItemId, Sqlite},
};
use support::{by_mail, list, mail_only, outbox, schedule, settled};

const USER: &str = "tu@x.test";

/// The process that is killed: posts without end and prints every key that was committed.
#[test]
fn child() {
    let Some(folder) = env::var_os("RINGPOST_KILL_FOLDER").map(PathBuf::from) else { return };
    let round = env::var("RINGPOST_KILL_ROUND").expect("set by the parent");
    actix::System::new().block_on(async {
        let (outbox, _scribe) = started(&folder);
        for n in 0.. {
            let posts = (0..4).map(|lane| {
                let item = by_mail(&format!("{round}-{n}-{lane}@x.test"), USER);
                let key = Key::of(&item.notice);
                let post = outbox.send(Post(item));
                async move { (key, post.await.expect("alive").is_ok()) }
            });
            for (key, committed) in join_all(posts).await {
                assert!(committed, "the disk takes it");
                println!("KEY {key}");
            }
            std::io::stdout().flush().expect("the parent reads");
        }
    });
}

#[test]
fn killed_at_any_moment_it_delivers_every_committed_notice_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let kills = env::var("RINGPOST_KILLS").map_or(60, |kills| kills.parse().expect("a number"));
    let mut committed = BTreeSet::new();
    for round in 0..kills {
        committed.extend(life(folder.path(), round, ["child", "KILL", "KEY "]));
    }
    assert!(committed.len() > 5 * kills, "the children got far enough: {}", committed.len());
    actix::System::new().block_on(async {
        let (_outbox, scribe) = started(folder.path());
        settled(&scribe).await;
        // What was committed just before the kill could not be printed; it counts as well.
        let all = list(&scribe, None).await;
        let kept: BTreeSet<String> =
            all.iter().map(|listed| Key::of(&listed.item.notice).to_string()).collect();
        assert!(committed.is_subset(&kept), "a committed notice is lost");
        let mut files = Vec::new();
        for entry in fs::read_dir(folder.path().join("mail").join(USER).join("new")).expect("a Maildir") {
            let name = entry.expect("an entry").file_name().into_string().expect("hexadecimal");
            files.push(name.strip_suffix(".ringpost").expect("our suffix").to_owned());
        }
        let delivered: BTreeSet<String> = files.iter().cloned().collect();
        assert_eq!((files.len(), &delivered), (kept.len(), &kept), "each once");
        println!("{} notices over {kills} kills, {} of them acknowledged", kept.len(), committed.len());
    });
}

/// The process that is killed while calls gather: digests of three, and what is left after 30 ms.
#[test]
fn gathering_child() {
    let Some(folder) = env::var_os("RINGPOST_GATHER_FOLDER").map(PathBuf::from) else { return };
    let round = env::var("RINGPOST_KILL_ROUND").expect("set by the parent");
    actix::System::new().block_on(async {
        let (outbox, _scribe) = started(&folder);
        for n in 0.. {
            let item = gathers(&format!("{round}-{n}@x.test"));
            let call = item.notice.call_id.clone();
            outbox.send(Post(item)).await.expect("alive").expect("the disk takes it");
            println!("CALL {call}");
            std::io::stdout().flush().expect("the parent reads");
        }
    });
}

fn gathers(call: &str) -> Item {
    let gather = Gather { calls: 3, within: Duration::from_millis(30) };
    Item { wish: Wish { gather: Some(gather), ..Wish::default() }, ..by_mail(call, USER) }
}

#[test]
fn killed_at_any_moment_it_tells_every_call_of_a_digest_in_one_mail_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let kills = env::var("RINGPOST_KILLS").map_or(30, |kills| kills.parse().expect("a number"));
    let committed: BTreeSet<String> = (0..kills)
        .flat_map(|round| life(folder.path(), round, ["gathering_child", "GATHER", "CALL "]))
        .collect();
    actix::System::new().block_on(async {
        let (_outbox, scribe) = started(folder.path());
        settled(&scribe).await;
        let all = list(&scribe, None).await;
        // Which mail tells a call: its own, or that of the digest that its row names.
        let mails: BTreeMap<ItemId, String> =
            all.iter().map(|one| (one.id, Key::of(&one.item.notice).to_string())).collect();
        let calls = all.iter().filter(|one| one.item.notice.kind == Kind::Missed);
        let told: BTreeMap<&str, &str> = calls
            .map(|one| {
                let call = one.item.notice.call_id.as_str();
                (call, mails[&one.told_by.unwrap_or(one.id)].as_str())
            })
            .collect();
        assert!(committed.iter().all(|call| told.contains_key(call.as_str())), "a committed call is lost");
        // Each mail is there, and no other, so that no call was told both by itself and in a digest.
        let wanted: BTreeSet<&str> = told.values().copied().collect();
        let mut there = BTreeSet::new();
        for entry in fs::read_dir(folder.path().join("mail").join(USER).join("new")).expect("a Maildir") {
            let name = entry.expect("an entry").file_name().into_string().expect("hexadecimal");
            there.insert(name.strip_suffix(".ringpost").expect("our suffix").to_owned());
        }
        let there: BTreeSet<&str> = there.iter().map(String::as_str).collect();
        assert_eq!(there, wanted);
        assert!(told.len() > 2 * wanted.len(), "most were told together: {} by {}", told.len(), wanted.len());
        println!("{} calls in {} mails over {kills} kills", told.len(), wanted.len());
    });
}

fn started(folder: &Path) -> (actix::Addr<ringpost_actors::outbox::Outbox>, ringpost_actors::store::Scribe) {
    let maildir = Arc::new(Maildir::new(folder.join("mail"), "um@x.test".into()));
    outbox(Some(&folder.join("store.db")), schedule(Duration::from_secs(3600)), &mail_only(maildir))
}

/// Starts a child, kills it some time later, and gives what it has printed behind `mark`.
fn life(folder: &Path, round: usize, [child, variable, mark]: [&'static str; 3]) -> Vec<String> {
    let mut child = Command::new(env::current_exe().expect("this test"))
        .args([child, "--exact", "--nocapture", "--test-threads=1"])
        .env(format!("RINGPOST_{variable}_FOLDER"), folder)
        .env("RINGPOST_KILL_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("this test starts again");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let (begun, first) = mpsc::channel();
    let reader = thread::spawn(move || {
        let said = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix(mark).map(str::to_owned));
        let said = said.inspect(|_| {
            let _ = begun.send(());
        });
        // The last line may be cut off in the middle.
        said.filter(|said| said.len() == 32 || said.ends_with("@x.test")).collect::<Vec<_>>()
    });
    // Every other one gets as far as some commits, however busy the machine is; the rest may die while they start.
    if round.is_multiple_of(2) {
        for _ in 0..12 {
            first.recv_timeout(Duration::from_secs(30)).expect("a commit");
        }
    }
    thread::sleep(Duration::from_millis(fastrand::u64(15..120)));
    child.kill().expect("it runs");
    child.wait().expect("it has run");
    assert!(Sqlite::view(&folder.join("store.db")).is_ok() || round == 0, "the store survives");
    reader.join().expect("it reads to the end")
}
