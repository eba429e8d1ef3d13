//! What users are told of, when, and who is told of a call that rang several (R201, R209, R211).

use std::{process::Command, time::Duration};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::{
    office::{is_cancelled, refuses},
    support::{Over, Peer, Ringpost, SDP, Sip, Site, metrics, peer::Dialog, ports, until},
};

const ADA: &str = "ada@corp.test";
const BEA: &str = "bea@corp.test";
const CAI: &str = "cai@corp.test";
const FROM: &str = "\"Ada Caller\" <sip:+4544890101@pbx.test>";

/// A call of the PBX with another From.
fn calls_as(pbx: &mut Peer, ringpost: &Ringpost, from: &str, headers: &str) -> Sip {
    let uri = format!("sip:1001@{}", ringpost.sip);
    let draft = pbx.draft("INVITE", &uri, headers, SDP).replace(FROM, from);
    pbx.send(draft.as_bytes());
    Sip::new(draft.as_bytes())
}

#[test]
fn r209_each_filter_keeps_its_calls_to_itself_and_the_log_says_why() {
    let site = Site::new().maildir();
    let [mut pbx, mut desk] = [(); 2].map(|()| site.peer(Over::Udp));
    let table = "[user.notices]\nskip = [\"internal\", \"hidden\", \"spam\"]\nskip_numbers = [\"+49900*\"]\n\
                 own_numbers = [\"0170-12345\"]\n[[user]]\naddress = \"sip:1002@corp.test\"\nnumbers = [\"1002\"]\n\
                 [notices]\nspam_headers = [\"X-Spam: yes\"]\n[outbound]\ncountry = \"49\"";
    let watched = ports(1);
    let ringpost = site
        .user("1001", &[&desk], &format!("mail = {ADA:?}\n{table}"))
        .table(&format!("[metrics]\nlisten = \"127.0.0.1:{watched}\""))
        .start();
    let verstat = "P-Asserted-Identity: <tel:+4544890101;verstat=TN-Validation-Failed>\r\n";
    for (from, headers, reason) in [
        ("<sip:1002@pbx.test>", "", "the user is not told of internal callers"),
        ("<sip:1001@pbx.test>", "", "another device of the user called"),
        ("<sip:anonymous@anonymous.invalid>", "", "the user is not told of callers who hide the number"),
        (FROM, "Privacy: id\r\n", "the user is not told of callers who hide the number"),
        (FROM, verstat, "rejected as spam"),
        (FROM, "X-Spam: Yes; score=9\r\n", "rejected as spam"),
        ("<sip:+4917012345@pbx.test>", "", "another device of the user called"),
        ("<sip:+49900555@pbx.test>", "", "the caller's number is in skip_numbers"),
    ] {
        let invite = calls_as(&mut pbx, &ringpost, from, headers);
        let ring = desk.expect("INVITE");
        refuses(&mut desk, &ring, 486);
        pbx.refused(&invite, 486);
        ringpost.logs(reason);
    }
    // The user's own word, and that of the network that takes the call back.
    let invite = pbx.invite("1001");
    let ring = desk.expect("INVITE");
    refuses(&mut desk, &ring, 607);
    pbx.refused(&invite, 607);
    let invite = pbx.invite("1001");
    let ring = desk.expect("INVITE");
    desk.answer(&ring, 180);
    pbx.expect("180");
    pbx.cancel(&invite, "Reason: SIP;cause=608;text=\"Rejected\"\r\n");
    pbx.expect("200");
    let cancel = desk.expect("CANCEL");
    desk.answer(&cancel, 200);
    desk.answer(&ring, 487);
    desk.expect("ACK");
    pbx.refused(&invite, 487);
    until("the log names all of them", || ringpost.log().matches("missed: rejected as spam").count() == 4);
    // Everybody else is told of as ever.
    let invite = pbx.invite("1001");
    let ring = desk.expect("INVITE");
    refuses(&mut desk, &ring, 486);
    pbx.refused(&invite, 486);
    let mails = ringpost.has_mails(ADA, 1);
    assert!(mails[0].1.contains(invite.one("Call-ID")), "{}", mails[0].1);
    assert_eq!(metrics::number(watched, "notices_filtered_total"), 10);
    drop((pbx, desk));
    ringpost.stops_well();
}

#[test]
fn r209_a_filter_holds_for_a_caller_who_hangs_up_in_the_greeting_of_our_own_um() {
    let site = Site::new().maildir().plan("own", &["embedded"]);
    let [mut pbx, mut desk] = [(); 2].map(|()| site.peer(Over::Udp));
    let lines = format!("mail = {ADA:?}\num_plan = \"own\"\n[user.notices]\nskip_numbers = [\"+4544*\"]");
    let ringpost = site.user("1001", &[&desk], &lines).start();
    for (from, told) in [(FROM, 0), ("<sip:+4930123@pbx.test>", 1)] {
        let invite = calls_as(&mut pbx, &ringpost, from, "");
        let ring = desk.expect("INVITE");
        refuses(&mut desk, &ring, 486);
        let ok = loop {
            let heard = pbx.expect_any();
            if heard.what() == "200" {
                break heard;
            }
        };
        let mut dialog = Dialog::caller(&invite, &ok);
        pbx.inside(&mut dialog, "ACK", "", "");
        pbx.inside(&mut dialog, "BYE", "", "");
        pbx.expect("200");
        until("UM has decided", || ringpost.log().matches("UM decided").count() == told + 1);
        ringpost.has_mails(ADA, told);
    }
    ringpost.logs("the caller's number is in skip_numbers");
    drop((pbx, desk));
    ringpost.stops_well();
}

/// The time on the wall in that zone, as a window has it.
fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

fn outbox(ringpost: &Ringpost, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(["outbox", args[0], "--config", "site.toml"])
        .args(&args[1..])
        .current_dir(ringpost.folder.path())
        .output()
        .expect("ringpost runs");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A call that the desk refuses.
fn missed(pbx: &mut Peer, desk: &mut Peer) {
    let invite = pbx.invite("1001");
    let ring = desk.expect("INVITE");
    refuses(desk, &ring, 486);
    pbx.refused(&invite, 486);
}

#[test]
fn r209_in_quiet_hours_a_notice_waits_over_a_restart_and_an_admin_sees_until_when() {
    let zone = TimeZone::get("Asia/Kathmandu").expect("a zone");
    let hour = SignedDuration::from_hours(1);
    let now = Timestamp::now();
    let end = Timestamp::from_second((now + hour).as_second()).expect("a moment");
    let window = format!("{}-{}", clock(now - hour, &zone), clock(end, &zone));
    let site = Site::new().maildir();
    let [mut pbx, mut desk] = [(); 2].map(|()| site.peer(Over::Udp));
    let lines =
        format!("mail = {ADA:?}\ntime_zone = \"Asia/Kathmandu\"\n[user.notices]\nquiet = [{window:?}]");
    let mut ringpost = site.user("1001", &[&desk], &lines).start();
    missed(&mut pbx, &mut desk);
    for restart in [true, false] {
        let listed = outbox(&ringpost, &["list", "--status", "delayed"]);
        assert!(listed.contains(&format!("quiet hours until {end}")), "{listed}");
        let shown: serde_json::Value =
            serde_json::from_str(&outbox(&ringpost, &["show", "1"])).expect("JSON");
        assert_eq!((&shown["due"], &shown["tries"]), (&end.to_string().into(), &0.into()), "{shown}");
        assert_eq!(ringpost.mails(ADA).len(), 0);
        if restart {
            ringpost.kill();
            ringpost.restart();
        }
    }
    assert_eq!(outbox(&ringpost, &["retry", "1"]), "1 of 1 done\n");
    ringpost.has_mails(ADA, 1);
    drop((pbx, desk));
    ringpost.stops_well();
}

#[test]
fn r209_when_the_quiet_hours_end_the_notice_comes() {
    let site = Site::new().maildir();
    let [mut pbx, mut desk] = [(); 2].map(|()| site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&desk], &format!("mail = {ADA:?}")).start();
    let now = Timestamp::now();
    let end = Timestamp::from_second(now.as_second() + 4).expect("a moment");
    let begin = clock(now - SignedDuration::from_hours(1), &TimeZone::UTC);
    let quiet = format!("[notices]\nquiet = [\"{begin}-{}\"]\n", clock(end, &TimeZone::UTC));
    ringpost.reload(&(ringpost.site() + &quiet));
    ringpost.logs("Read the site file again");
    missed(&mut pbx, &mut desk);
    assert!(outbox(&ringpost, &["list"]).contains("quiet hours until"), "the machine is too slow for this");
    ringpost.has_mails(ADA, 1);
    assert!(Timestamp::now() >= end, "it came before the end");
    // After the end nothing waits.
    missed(&mut pbx, &mut desk);
    ringpost.has_mails(ADA, 2);
    drop((pbx, desk));
    ringpost.stops_well();
}

/// Users 1001, 1002 and 1003 with a phone and a mailbox each, and the group 1000, which rings them; `group` are lines of
/// the group, its policy and its `[user.notices]`.
struct Group {
    pbx: Peer,
    phones: [Peer; 3],
    ringpost: Ringpost,
}

impl Group {
    fn new(group: &str, bea: &str) -> Self {
        let site = Site::new().maildir();
        let pbx = site.peer(Over::Udp);
        let phones = [(); 3].map(|()| site.peer(Over::Udp));
        let [ada, bea_phone, cai] = &phones;
        let ringpost = site
            .user("1001", &[ada], &format!("mail = {ADA:?}\nring_for = \"400ms\"\n{group}"))
            .user("1002", &[bea_phone], &format!("mail = {BEA:?}\n{bea}"))
            .user("1003", &[cai], &format!("mail = {CAI:?}"))
            .start();
        Self { pbx, phones, ringpost }
    }

    /// That phone rings, and is taken back.
    fn rings(&mut self, phone: usize) {
        let phone = &mut self.phones[phone];
        let ring = phone.expect("INVITE");
        phone.answer(&ring, 180);
        is_cancelled(phone, &ring, "");
    }

    fn refused(&mut self, invite: &Sip) {
        let refusal = loop {
            let heard = self.pbx.expect_any();
            if heard.what().starts_with(['4', '5', '6']) {
                break heard;
            }
        };
        self.pbx.acknowledges(invite, &refusal);
    }

    /// Exactly these have a mail, one each, and nobody's phone is left ringing.
    fn told(mut self, told: &[&str]) {
        for user in told {
            self.ringpost.has_mails(user, 1);
        }
        for phone in &mut self.phones {
            phone.silent_for(Duration::from_millis(30));
        }
        for user in [ADA, BEA, CAI, "sales@corp.test"] {
            let count = usize::from(told.contains(&user));
            assert_eq!(self.ringpost.mails(user).len(), count, "{user}, told {told:?}");
        }
        drop((self.pbx, self.phones));
        self.ringpost.stops_well();
    }
}

const HUNT: &str = "[user.policy]\nhunt = [\"1002\", \"1003\"]\nhunt_step = \"400ms\"\n[user.notices]";

#[test]
fn r201_of_a_hunt_that_nobody_answers_those_are_told_whom_the_site_names() {
    for (tell, told) in [
        ("first", &[ADA][..]),
        ("last", &[CAI]),
        ("all", &[ADA, BEA, CAI]),
        ("sales@corp.test", &["sales@corp.test"]),
    ] {
        let mut group = Group::new(&format!("{HUNT}\ntell = {tell:?}"), "");
        let invite = group.pbx.invite("1001");
        (0..3).for_each(|phone| group.rings(phone));
        group.refused(&invite);
        // Whoever was not called reads whom the call was for.
        for user in told.iter().filter(|user| [BEA, CAI].contains(user)) {
            let mails = group.ringpost.has_mails(user, 1);
            assert!(mails[0].1.contains("Call for: User 1001"), "{}", mails[0].1);
        }
        group.told(told);
    }
}

#[test]
fn r202_where_the_one_named_is_told_nothing_the_user_who_was_called_is() {
    let policy = "[user.policy]\nhunt = [\"1002\"]\nhunt_step = \"400ms\"\n[user.notices]\ntell = \"last\"";
    for bea in ["missed_calls = \"off\"", "[user.notices]\nskip_numbers = [\"+4544*\"]"] {
        let mut group = Group::new(policy, bea);
        let invite = group.pbx.invite("1001");
        (0..2).for_each(|phone| group.rings(phone));
        group.refused(&invite);
        group.told(&[ADA]);
    }
}

#[test]
fn r201_a_colleague_with_a_um_is_told_by_it() {
    let site = Site::new().maildir();
    let [mut pbx, mut desk, mut other, mut um] = [(); 4].map(|()| site.peer(Over::Udp));
    let lines =
        format!("mail = {ADA:?}\n[user.policy]\nring_also = [\"1002\"]\n[user.notices]\ntell = \"all\"");
    let uri = um.uri();
    let ringpost = site
        .plan("lab", &[&uri])
        .user("1001", &[&desk], &lines)
        .user("1002", &[&other], "um_plan = \"lab\"")
        .start();
    let invite = pbx.invite("1001");
    let rings = [desk.expect("INVITE"), other.expect("INVITE")];
    for (phone, ring) in [&mut desk, &mut other].into_iter().zip(&rings) {
        phone.answer(ring, 180);
    }
    pbx.expect("180");
    pbx.cancel(&invite, "");
    pbx.expect("200");
    is_cancelled(&mut desk, &rings[0], "");
    is_cancelled(&mut other, &rings[1], "");
    pbx.refused(&invite, 487);
    let info = um.expect("INFO");
    assert!(info.body().contains("EUM:1002@corp.test;phone-context=lab"), "{info}");
    um.answer(&info, 200);
    ringpost.has_mails(ADA, 1);
    um.silent_for(Duration::from_millis(30));
    drop((pbx, desk, other, um));
    ringpost.stops_well();
}

#[test]
fn r201_who_rings_twice_is_told_once() {
    // 1002 rings along and is the last of the hunt as well.
    let policy = "[user.policy]\nring_also = [\"1002\"]\nhunt = [\"1003\", \"1002\"]\nhunt_step = \"400ms\"\n\
                  [user.notices]";
    for (tell, told) in [("all", &[ADA, BEA, CAI][..]), ("last", &[BEA])] {
        let mut group = Group::new(&format!("{policy}\ntell = {tell:?}"), "");
        let invite = group.pbx.invite("1001");
        let rings = [0, 1].map(|phone| {
            let ring = group.phones[phone].expect("INVITE");
            group.phones[phone].answer(&ring, 180);
            ring
        });
        rings.iter().zip(&mut group.phones).for_each(|(ring, phone)| is_cancelled(phone, ring, ""));
        group.rings(2);
        group.rings(1);
        group.refused(&invite);
        group.told(told);
    }
}

#[test]
fn r201_nobody_is_told_whose_phone_did_not_ring() {
    // The caller gives up while the second one rings; the third has not been called.
    let mut group = Group::new(&format!("{HUNT}\ntell = \"all\""), "");
    let invite = group.pbx.invite("1001");
    group.rings(0);
    let ring = group.phones[1].expect("INVITE");
    group.phones[1].answer(&ring, 180);
    group.pbx.cancel(&invite, "");
    is_cancelled(&mut group.phones[1], &ring, "");
    group.refused(&invite);
    group.told(&[ADA, BEA]);
    // One is busy and another cannot be reached: neither has rung.
    let mut group = Group::new(&format!("{HUNT}\ntell = \"all\""), "");
    let invite = group.pbx.invite("1001");
    group.rings(0);
    for (phone, code) in [(1, 486), (2, 503)] {
        let ring = group.phones[phone].expect("INVITE");
        refuses(&mut group.phones[phone], &ring, code);
    }
    group.refused(&invite);
    group.told(&[ADA]);
}

#[test]
fn r201_nobody_at_all_is_told_when_anybody_answers() {
    for tell in ["first", "last", "all", "sales@corp.test"] {
        let mut group = Group::new(&format!("{HUNT}\ntell = {tell:?}"), "");
        let invite = group.pbx.invite("1001");
        (0..2).for_each(|phone| group.rings(phone));
        let ring = group.phones[2].expect("INVITE");
        group.phones[2].answer(&ring, 180);
        let answer = group.phones[2].answer(&ring, 200);
        group.phones[2].expect("ACK");
        let ok = loop {
            let heard = group.pbx.expect_any();
            if heard.what() == "200" {
                break heard;
            }
        };
        let mut dialog = Dialog::caller(&invite, &ok);
        group.pbx.inside(&mut dialog, "ACK", "", "");
        group.phones[2].inside(&mut Dialog::callee(&ring, &answer), "BYE", "", "");
        group.phones[2].expect("200");
        let bye = group.pbx.expect("BYE");
        group.pbx.answer(&bye, 200);
        group.ringpost.logs("outcome=TakenByOther");
        group.told(&[]);
    }
}

#[test]
fn r201_each_of_a_group_is_told_as_that_user_wants() {
    // 1002 is not told of this caller, and 1003 is a delegate who rings later.
    let policy = "[user.policy]\nring_also = [\"1002\"]\ndelegates = [\"1003\"]\ndelegates_after = \"100ms\"\n\
                  [user.notices]\ntell = \"all\"";
    let mut group = Group::new(policy, "[user.notices]\nskip_numbers = [\"+4544*\"]");
    let invite = group.pbx.invite("1001");
    (0..3).for_each(|phone| {
        let ring = group.phones[phone].expect("INVITE");
        group.phones[phone].answer(&ring, 180);
    });
    for phone in &mut group.phones {
        let cancel = phone.expect("CANCEL");
        phone.answer(&cancel, 200);
    }
    group.refused(&invite);
    group.ringpost.logs("the caller's number is in skip_numbers");
    group.told(&[ADA, CAI]);
}
