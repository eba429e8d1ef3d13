//! Missed calls that are told together, and those that nobody need be told of any more (R209).

use std::process::Command;

use ringpost::{
    notify::{Action, Reason},
    outbox::Status,
};
use ringpost_actors::{
    outbox::TALKED,
    store::{Sqlite, Store},
};

use crate::support::{Over, Peer, Ringpost, SDP, Sip, Site, peer::Dialog, until};

const ADA: &str = "\"Ada Caller\" <sip:+4544890101@pbx.test>";
const BEN: &str = "\"Ben Caller\" <sip:+4544890102@pbx.test>";

/// An INVITE of that caller.
fn calls(pbx: &mut Peer, from: &str, to: &str, ringpost: &Ringpost) -> Sip {
    let draft = pbx.draft("INVITE", &format!("sip:{to}@{}", ringpost.sip), "", SDP).replace(ADA, from);
    pbx.send(draft.as_bytes());
    Sip::new(draft.as_bytes())
}

/// A call to a busy phone.
fn missed((pbx, desk): (&mut Peer, &mut Peer), from: &str, to: &str, ringpost: &Ringpost) {
    let invite = calls(pbx, from, to, ringpost);
    let ring = desk.expect("INVITE");
    desk.answer(&ring, 486);
    desk.expect("ACK");
    pbx.refused(&invite, 486);
}

/// A call that `phone` answers, to its end.
fn talk((pbx, phone): (&mut Peer, &mut Peer), from: &str, to: &str, ringpost: &Ringpost) {
    let invite = calls(pbx, from, to, ringpost);
    let ring = phone.expect("INVITE");
    phone.answer(&ring, 200);
    phone.expect("ACK");
    let ok = pbx.expect("200");
    let mut dialog = Dialog::caller(&invite, &ok);
    pbx.inside(&mut dialog, "ACK", "", "");
    pbx.ends(&mut dialog, phone);
}

fn store(ringpost: &Ringpost) -> Sqlite {
    Sqlite::view(&ringpost.folder.path().join("store.db")).expect("a store")
}

#[test]
fn two_callers_are_told_in_one_mail_though_the_machine_fails_between() {
    let site = Site::new().maildir();
    let (mut pbx, mut desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let user = "missed_calls = \"mail\"\nmail = \"ada@corp.test\"\n\
                [user.notices]\ndigest_calls = 3\ndigest_within = \"1h\"";
    let mut ringpost = site.user("1001", &[&desk], user).start();
    missed((&mut pbx, &mut desk), ADA, "1001", &ringpost);
    missed((&mut pbx, &mut desk), BEN, "1001", &ringpost);
    let listed = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(["outbox", "list", "--config"])
        .arg(ringpost.folder.path().join("site.toml"))
        .output()
        .expect("ringpost runs");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert_eq!(listed.matches("gathers calls until 20").count(), 2, "{listed}");
    ringpost.kill();
    ringpost.restart();
    assert!(ringpost.mails("ada@corp.test").is_empty(), "they gather on");
    missed((&mut pbx, &mut desk), ADA, "1001", &ringpost);
    let mails = ringpost.has_mails("ada@corp.test", 1);
    let (_, mail) = &mails[0];
    assert!(mail.contains("Subject: 3 missed calls from 2 callers\r\n"), "{mail}");
    for line in ["Ada Caller (+4544890101): 2 calls, ", "Ben Caller (+4544890102): 1 call, "] {
        assert!(mail.contains(line), "{mail}");
    }
    let told = || store(&ringpost).list(Some(Status::Delivered), 9).expect("readable").len();
    until("all are told", || told() == 4);
    drop((pbx, desk));
    ringpost.back_to_baseline();
}

#[test]
fn a_call_back_drops_the_notice_and_a_talk_marks_it() {
    let site = Site::new().maildir().trunk_line("transit = true");
    let [mut pbx, mut desk, mut other, mut outside] = [(); 4].map(|()| site.peer(Over::Udp));
    let out = format!(
        "[[trunk]]\nname = \"out\"\nsources = [\"192.0.2.1\"]\ntarget = {:?}\nprefixes = [\"+\"]\n\
         [outbound]\nallowed_prefixes = [\"+\"]",
        outside.uri().replace("peer@", "")
    );
    let user = |name: &str, returned: &str, within: &str| {
        format!(
            "missed_calls = \"mail\"\nmail = \"{name}@corp.test\"\n[user.notices]\nreturned = {returned:?}\n\
             digest_calls = 9\ndigest_within = {within:?}"
        )
    };
    let ringpost = site
        .table(&out)
        .user("1001", &[&desk], &user("ada", "drop", "1h"))
        .user("1002", &[&other], &user("ben", "mark", "3s"))
        .start();
    missed((&mut pbx, &mut desk), ADA, "1001", &ringpost);
    missed((&mut pbx, &mut desk), BEN, "1001", &ringpost);
    missed((&mut pbx, &mut other), ADA, "1002", &ringpost);
    // 1001 calls back, outside; 1002 is called again, and answers.
    talk((&mut pbx, &mut outside), "<sip:1001@pbx.test>", "+4544890101", &ringpost);
    talk((&mut pbx, &mut other), ADA, "1002", &ringpost);
    let closed = || store(&ringpost).list(Some(Status::Delivered), 9).expect("readable");
    until("Ada's notice is dropped", || closed().iter().any(|one| one.reason.as_deref() == Some(TALKED)));
    let mails = ringpost.has_mails("ben@corp.test", 1);
    let mail = mails[0].1.replace("=\r\n", "");
    assert!(mail.contains("You have talked since, on "), "{mail}");
    assert!(ringpost.mails("ada@corp.test").is_empty());
    let waiting = store(&ringpost).list(Some(Status::Delayed), 9).expect("readable");
    let waiting: Vec<_> = waiting.iter().map(|one| one.item.notice.caller.number.as_deref()).collect();
    assert_eq!(waiting, [Some("+4544890102")], "it is about somebody else");
    let lines = || {
        let calls = store(&ringpost).calls(99).expect("readable");
        let returned = calls.into_iter().filter(|line| line.verdict.reason == Reason::CallReturned);
        let mut lines: Vec<_> = returned.map(|line| (line.user, line.verdict.action)).collect();
        lines.sort_by(|one, other| one.0.cmp(&other.0));
        lines
    };
    let wanted =
        [("sip:1001@corp.test".to_owned(), Action::Silent), ("sip:1002@corp.test".to_owned(), Action::Mail)];
    until("the call log says so", || lines() == wanted);
    drop((pbx, desk, other, outside));
    ringpost.back_to_baseline();
}
