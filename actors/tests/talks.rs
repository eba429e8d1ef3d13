//! Who has talked with whom (R209): the users who want to know, and the numbers by which the other is found in a notice.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use ringpost::{
    address::Caller,
    directory::{Directory, Origin, Talk},
    notify::{Kind, Notice},
    outbox::{Fate, Wish},
    settings::User,
};
use ringpost_actors::load;

const SITE: &str = r#"
[sip]
domain = "corp.test"
[[trunk]]
name = "pbx"
sources = ["192.0.2.1"]
[[trunk]]
name = "public"
sources = ["192.0.2.2"]
trust_identity = false
[outbound]
country = "49"
[notices]
returned = "mark"
digest_calls = 4
[[user]]
address = "sip:ada@corp.test"
numbers = ["201", "+4930201"]
[user.notices]
returned = "drop"
digest_within = "5m"
[[user]]
address = "sip:202@corp.test"
[[user]]
address = "sip:203@corp.test"
[user.notices]
returned = "keep"
digest_calls = 0
[[user]]
address = "sip:204@corp.test"
[user.notices]
quiet = ["22:00-07:00"]
"#;

fn directory() -> Directory {
    Directory::of(load::text(Path::new("site.toml"), SITE).expect("a good site"))
}

fn caller(number: &str) -> Caller {
    Caller { number: Some(number.into()), ..Caller::default() }
}

fn user(directory: &Directory, number: &str) -> Arc<User> {
    directory.user(number).expect("a user").clone()
}

fn notice(caller: Caller) -> Notice {
    Notice {
        kind: Kind::Missed,
        user: String::new(),
        user_name: None,
        mail: None,
        language: Default::default(),
        time_zone: "UTC".into(),
        call_id: "1".into(),
        caller,
        came_in: Timestamp::UNIX_EPOCH,
        rang_for: std::time::Duration::ZERO,
        outcome: ringpost::call::Outcome::GaveUpRinging,
        talked: None,
        called: None,
    }
}

/// Each as `USER with NUMBERS`.
fn said(talks: &[Talk]) -> Vec<String> {
    talks.iter().map(|talk| format!("{} with {}", talk.user, talk.with.join(" "))).collect()
}

#[test]
fn both_ends_of_a_talk_are_told_as_far_as_they_are_known_and_want_it() {
    let directory = directory();
    let [pbx, public] = [0, 1].map(|at| Origin::Trunk(Arc::new(directory.site.trunks[at].clone())));
    let ada = || Origin::User(user(&directory, "201"));
    let outside = User { address: "sip:+4930999@corp.test".into(), ..User::default() };
    let (first, second, third) = (user(&directory, "201"), user(&directory, "202"), user(&directory, "203"));
    let private = Caller { private: true, ..Caller::default() };
    let ada_with_outside = "sip:ada@corp.test with +4930999@corp.test +4930999";
    let ada_is_called = "sip:ada@corp.test with +4930999";
    let all_of_ada = "201 +4930201 ada@corp.test ada";
    let second_with_ada = format!("sip:202@corp.test with {all_of_ada} 201");
    for (what, origin, caller, callee, talks) in [
        ("her phone calls back", &ada(), caller("201"), &outside, vec![ada_with_outside.to_owned()]),
        ("by way of the PBX", &pbx, caller("201"), &outside, vec![ada_with_outside.to_owned()]),
        ("as anybody may claim", &public, caller("201"), &outside, vec![]),
        ("she is called again", &pbx, caller("030999"), &first, vec![ada_is_called.to_owned()]),
        (
            "a colleague",
            &ada(),
            caller("201"),
            &second,
            vec![second_with_ada, "sip:ada@corp.test with 202@corp.test 202".to_owned()],
        ),
        ("who does not want to know", &pbx, caller("+4930999"), &third, vec![]),
        ("who asks not to be named", &pbx, private, &first, vec![]),
    ] {
        assert_eq!(said(&directory.talks(origin, &caller, callee)), talks, "{what}");
    }
}

#[test]
fn a_user_wants_what_is_said_there_or_for_the_site() {
    let directory = directory();
    for (number, fate, calls, minutes) in
        [("201", Some(Fate::Drop), 4, 5), ("202", Some(Fate::Mark), 4, 30), ("203", None, 0, 0)]
    {
        let user = user(&directory, number);
        let wish = directory.wish(&user, &notice(caller("030999")), Timestamp::UNIX_EPOCH);
        let gather = wish.gather.map_or((0, 0), |gather| (gather.calls, gather.within.as_secs() / 60));
        assert_eq!((wish.returned.as_ref().map(|returned| returned.fate), gather), (fate, (calls, minutes)));
        let numbers = wish.returned.map(|returned| returned.numbers).unwrap_or_default();
        assert!(numbers.iter().all(|number| number.as_deref() == Some("+4930999")), "{numbers:?}");
        let hidden = Caller { private: true, ..caller("030999") };
        assert_eq!(directory.wish(&user, &notice(hidden), Timestamp::UNIX_EPOCH).returned, None);
        let kind = Kind::VoiceMail { recording: "x".into(), duration: Default::default(), urgent: false };
        let message = Notice { kind, ..notice(caller("030999")) };
        assert!(
            directory.wish(&user, &message, Timestamp::UNIX_EPOCH).is_none(),
            "a message waits for nothing"
        );
    }
}

#[test]
fn a_digest_that_is_due_at_night_waits_for_the_morning_unless_it_is_full_before() {
    let directory = directory();
    let user = user(&directory, "204");
    for (posted, until, hold) in [
        ("2026-03-02T21:29:00Z", "2026-03-02T21:59:00Z", None),
        ("2026-03-02T21:45:00Z", "2026-03-03T07:00:00Z", None),
        ("2026-03-02T22:45:00Z", "2026-03-03T07:00:00Z", Some("2026-03-03T07:00:00Z")),
        ("2026-03-03T06:45:00Z", "2026-03-03T07:15:00Z", Some("2026-03-03T07:00:00Z")),
    ] {
        let posted: Timestamp = posted.parse().expect("a timestamp");
        let wish = directory.wish(&user, &notice(caller("030999")), posted);
        let (due, _) = Wish { hold: None, ..wish.clone() }.reason(posted).expect("it gathers");
        assert_eq!(due.to_string(), until, "{posted}");
        assert_eq!(wish.hold.map(|hold| hold.until.to_string()).as_deref(), hold, "{posted}");
    }
}
