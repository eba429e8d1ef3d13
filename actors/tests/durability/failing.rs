//! T32: every write, or every sync, of the store fails for a while.

use std::time::{Duration, Instant};

use crate::{
    support::{Over, Site, until},
    trace::{self, Attached},
};

#[test]
fn a_store_that_fails_delays_no_answer_for_long_and_loses_and_doubles_no_notice() {
    if !trace::possible() {
        return;
    }
    for (calls, error) in [
        ("fsync,fdatasync", "EIO"),
        ("pwrite64", "EIO"),
        ("pwrite64", "ENOSPC"),
        ("fsync,fdatasync,pwrite64,ftruncate", "EIO"),
    ] {
        let site = Site::new().maildir();
        let folder = site.folder.path().to_owned();
        let (mut pbx, mut desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
        let user = "missed_calls = \"mail\"\nmail = \"ada@corp.test\"";
        let ringpost = site.user("1001", &[&desk], user).start();
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:error={error}"));
        let [db, wal] = ["store.db", "store.db-wal"].map(|name| folder.join(name).display().to_string());
        let failing = Attached::to(
            ringpost.pid(),
            &folder.join("trace"),
            &["-e", &trace, "-e", &inject, "-P", &db, "-P", &wal],
        );
        let missed: Vec<String> = (0..3)
            .map(|_| {
                let since = Instant::now();
                let invite = pbx.invite("1001");
                let ring = desk.expect("INVITE");
                desk.answer(&ring, 486);
                desk.expect("ACK");
                pbx.refused(&invite, 486);
                let took = since.elapsed();
                assert!(took < Duration::from_secs(3), "{calls} {error}: the answer took {took:?}");
                invite.one("Call-ID").to_owned()
            })
            .collect();
        ringpost.is_well();
        ringpost.logs("The store refuses to write");
        assert!(ringpost.mails("ada@corp.test").is_empty(), "what is not on the disk is not told yet");
        drop(failing);
        until("every call is told", || {
            let mails = ringpost.mails("ada@corp.test");
            missed.iter().all(|call| mails.iter().any(|(_, mail)| mail.contains(call)))
        });
        ringpost.has_mails("ada@corp.test", 3);
        ringpost.logs("The store writes again");
    }
}
