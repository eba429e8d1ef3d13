//! ROBUSTNESS T28: SIGKILL at any moment loses no committed notice and doubles none.

mod support;

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use ringpost::outbox::Key;
use ringpost_actors::{channel::Maildir, outbox::Post, store::Sqlite};
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
        committed.extend(one_life(folder.path(), round));
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

fn started(folder: &Path) -> (actix::Addr<ringpost_actors::outbox::Outbox>, ringpost_actors::store::Scribe) {
    let maildir = Arc::new(Maildir::new(folder.join("mail"), "um@x.test".into()));
    outbox(Some(&folder.join("store.db")), schedule(Duration::from_secs(3600)), &mail_only(maildir))
}

/// Starts a child, kills it some time after its first commit, and gives the keys that it has printed.
fn one_life(folder: &Path, round: usize) -> Vec<String> {
    let mut child = Command::new(env::current_exe().expect("this test"))
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env("RINGPOST_KILL_FOLDER", folder)
        .env("RINGPOST_KILL_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("this test starts again");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let reader = thread::spawn(move || {
        // The last line may be cut off in the middle.
        let keys =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("KEY ").map(str::to_owned));
        keys.filter(|key| key.len() == 32).collect::<Vec<_>>()
    });
    thread::sleep(Duration::from_millis(fastrand::u64(15..120)));
    child.kill().expect("it runs");
    child.wait().expect("it has run");
    assert!(Sqlite::view(&folder.join("store.db")).is_ok() || round == 0, "the store survives");
    reader.join().expect("it reads to the end")
}
