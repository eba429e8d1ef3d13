//! Who is told about a call, from the caller's phone to the mailbox (R4–R6, R10–R12, R71, R201).

use std::time::Duration;

use crate::{
    office::{Office, is_cancelled, refuses},
    support::{Over, SDP, Sip, Site, peer::Dialog, until},
};

const MAIL: &str = "ada@corp.test";

/// Where the caller is when the call ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Ringing,
    Forwarding,
    UmRefuses,
    Talked,
    TakenByUm,
    Elsewhere,
}

#[test]
fn each_class_and_state_is_told_as_the_table_says() {
    // R12; the columns are um, mail, pbx and off. I: one INFO to UM, M: one mail, -: nothing.
    let table = [
        (End::Ringing, "IM--"),
        (End::Forwarding, "IM--"),
        (End::UmRefuses, "IM--"),
        (End::Talked, "----"),
        (End::TakenByUm, "----"),
        (End::Elsewhere, "----"),
    ];
    for (column, class) in ["um", "mail", "pbx", "off"].iter().enumerate() {
        let mut office = site_of(class);
        let mut mails = 0;
        for (end, row) in table {
            let invite = ends_at(&mut office, end);
            match &row[column..=column] {
                "I" => {
                    let info = office.um.expect("INFO");
                    names_both(&info, &invite);
                    office.um.answer(&info, 200);
                    office.ringpost.logs("A notice is delivered");
                }
                "M" => mails += 1,
                _ => {}
            }
            office.um.silent_for(Duration::from_millis(40));
            let kept = office.ringpost.has_mails(MAIL, mails);
            let own = kept.iter().filter(|(_, mail)| mail.contains(invite.one("Call-ID"))).count();
            assert_eq!(own, usize::from(&row[column..=column] == "M"), "{class} {end:?}");
        }
        office.ends();
    }
}

fn site_of(class: &str) -> Office {
    let user = format!("missed_calls = {class:?}\nmail = {MAIL:?}\nring_for = \"400ms\"");
    Office::on(Site::new().maildir(), Over::Udp, &user)
}

/// Plays a call that ends there; gives its INVITE.
fn ends_at(office: &mut Office, end: End) -> Sip {
    let [invite, desk, soft] = office.rings();
    match end {
        End::Ringing | End::Elsewhere => {
            let elsewhere = matches!(end, End::Elsewhere);
            let why =
                if elsewhere { "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n" } else { "" };
            office.pbx.cancel(&invite, why);
            office.pbx.expect("200");
            for (phone, invite) in [(&mut office.desk, &desk), (&mut office.soft, &soft)] {
                is_cancelled(phone, invite, if elsewhere { crate::office::ELSEWHERE } else { "" });
            }
            office.pbx.refused(&invite, 487);
            return invite;
        }
        End::Talked => {
            let answer = office.desk.answer(&desk, 200);
            office.desk.expect("ACK");
            is_cancelled(&mut office.soft, &soft, crate::office::ELSEWHERE);
            let ok = office.pbx.expect("200");
            let mut pbx = Dialog::caller(&invite, &ok);
            office.pbx.inside(&mut pbx, "ACK", "", "");
            office.hangs_up(crate::office::Talk { pbx, phone: Dialog::callee(&desk, &answer) });
            return invite;
        }
        End::Forwarding | End::UmRefuses | End::TakenByUm => {}
    }
    office.pbx.expect("181");
    is_cancelled(&mut office.desk, &desk, "");
    is_cancelled(&mut office.soft, &soft, "");
    match end {
        End::Forwarding => {
            let to_um = office.um.expect("INVITE");
            office.um.answer(&to_um, 100);
            office.um.answer(&to_um, 180);
            office.pbx.next(Duration::from_millis(50));
            office.pbx.cancel(&invite, "");
            office.pbx.expect("200");
            is_cancelled(&mut office.um, &to_um, "");
            office.pbx.refused(&invite, 487);
        }
        End::UmRefuses => {
            let to_um = office.um.expect("INVITE");
            refuses(&mut office.um, &to_um, 503);
            office.pbx.refused(&invite, 480);
        }
        _ => {
            let (_, talk) = office.um_takes(&invite);
            office.um_hangs_up(talk);
        }
    }
    invite
}

fn names_both(info: &Sip, invite: &Sip) {
    assert_eq!(info.one("Content-Type"), "application/ms-rtc-usernotification+xml");
    for part in [
        "<User>sip:1001@corp.test</User>",
        "<EumProxyAddress>EUM:1001@corp.test;phone-context=lab</EumProxyAddress>",
        "<Event type=\"missed\">",
        "<From>sip:+4544890101@pbx.test</From>",
        &format!("<CallId>{}</CallId>", invite.one("Call-ID")),
    ] {
        assert!(info.body().contains(part), "{part} in\n{info}");
    }
}

#[test]
fn an_info_that_um_refuses_becomes_a_mail_of_our_own() {
    let mut office = site_of("um");
    for (count, code) in [415, 404, 501].into_iter().enumerate() {
        let invite = ends_at(&mut office, End::Ringing);
        let info = office.um.expect("INFO");
        office.um.answer(&info, code);
        let mails = office.ringpost.has_mails(MAIL, count + 1);
        assert!(mails.iter().any(|(_, mail)| mail.contains(invite.one("Call-ID"))), "{mails:?}");
    }
    office.ends();
}

#[test]
fn um_that_is_busy_is_told_again_until_it_takes_the_notice() {
    // R203.
    let site = Site::new().maildir().table("[outbox]\nfirst_retry = \"50ms\"\nlongest_retry = \"100ms\"");
    let user = format!("missed_calls = \"um\"\nmail = {MAIL:?}");
    let mut office = Office::on(site, Over::Udp, &user);
    let invite = ends_at(&mut office, End::Ringing);
    let mut ids = vec![];
    for code in [503, 500, 200] {
        let info = office.um.expect("INFO");
        names_both(&info, &invite);
        office.um.answer(&info, code);
        ids.push(info.one("Call-ID").to_owned());
    }
    office.ringpost.logs("A notice is delivered");
    assert_eq!(office.ringpost.mails(MAIL).len(), 0);
    office.ends();
}

#[test]
fn a_caller_without_a_name_or_number_is_unknown_and_a_private_one_stays_so() {
    // R71; RFC 3325 §9.3. The last row names the caller, so that the others mean something.
    let rows = [
        ("<sip:anonymous@anonymous.invalid>", "", "unknown caller"),
        ("<sip:unknown@pbx.test>", "", "unknown caller"),
        ("<sip:pbx.test>", "", "unknown caller"),
        ("\"Ada\" <sip:+4544890101@pbx.test>", "Privacy: id\r\n", "unknown caller"),
        ("\"Ada\" <sip:+4544890101@pbx.test>", "", "Ada"),
    ];
    let mut office = site_of("mail");
    for (count, (from, lines, shown)) in rows.into_iter().enumerate() {
        let uri = format!("sip:1001@{}", office.ringpost.sip);
        let draft = office.pbx.draft("INVITE", &uri, lines, SDP);
        let draft = draft.replace("\"Ada Caller\" <sip:+4544890101@pbx.test>", from);
        office.pbx.send(draft.as_bytes());
        let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
        refuses(&mut office.desk, &desk, 486);
        refuses(&mut office.soft, &soft, 486);
        office.pbx.expect("181");
        let to_um = office.um.expect("INVITE");
        refuses(&mut office.um, &to_um, 486);
        office.pbx.refused(&Sip::new(draft.as_bytes()), 486);
        let mails = office.ringpost.has_mails(MAIL, count + 1);
        let id = Sip::new(draft.as_bytes()).one("Call-ID").to_owned();
        let (_, mail) = mails.iter().find(|(_, mail)| mail.contains(&id)).expect("told");
        let subject = mail.lines().find(|line| line.starts_with("Subject:")).unwrap_or("");
        assert!(subject.contains(shown), "{from} {lines}: {subject}");
        assert_eq!(mail.contains("4544890101"), shown == "Ada", "{mail}");
    }
    office.ends();
}

#[test]
fn a_caller_who_hangs_up_in_the_greeting_of_our_own_um_is_one_missed_call() {
    // R6, R8.
    let site = Site::new().maildir().plan("own", &["embedded"]);
    let mut pbx = site.peer(Over::Udp);
    let user = format!("um_plan = \"own\"\nmail = {MAIL:?}");
    let ringpost = site.user("1001", &[], &user).start();
    let invite = pbx.invite("1001");
    pbx.expect("181");
    let ok = pbx.expect("200");
    assert!(ok.body().contains("PCMA/8000"), "{ok}");
    let mut dialog = Dialog::caller(&invite, &ok);
    pbx.inside(&mut dialog, "ACK", "", "");
    pbx.silent_for(Duration::from_millis(300));
    pbx.inside(&mut dialog, "BYE", "", "");
    pbx.expect("200");
    let mails = ringpost.has_mails(MAIL, 1);
    assert!(mails[0].1.contains("Content-Class: missedcall"), "{}", mails[0].1);
    assert!(mails[0].1.contains(invite.one("Call-ID")), "the caller's own Call-ID");
    ringpost.logs("action=Silent");
    assert_eq!(ringpost.mails(MAIL).len(), 1);
    drop(pbx);
    ringpost.back_to_baseline();
}

#[test]
fn a_call_missed_before_our_own_um_had_it_is_one_mail() {
    // R5 with the UM that is the default: the INFO goes to ourselves and ends as a mail.
    let site = Site::new().maildir().plan("own", &["embedded"]);
    let (mut pbx, mut desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let user = format!("um_plan = \"own\"\nmissed_calls = \"um\"\nmail = {MAIL:?}");
    let ringpost = site.user("1001", &[&desk], &user).start();
    let invite = pbx.invite("1001");
    let called = desk.expect("INVITE");
    desk.answer(&called, 180);
    pbx.expect("180");
    pbx.cancel(&invite, "");
    pbx.expect("200");
    is_cancelled(&mut desk, &called, "");
    pbx.refused(&invite, 487);
    let mails = ringpost.has_mails(MAIL, 1);
    let (_, mail) = &mails[0];
    assert!(mail.contains(invite.one("Call-ID")) && mail.contains("+4544890101"), "{mail}");
    assert!(mail.contains("Content-Class: missedcall"), "{mail}");
    until("both the INFO and the mail are delivered", || {
        ringpost.log().matches("A notice is delivered").count() == 2
    });
    assert_eq!(ringpost.mails(MAIL).len(), 1);
    drop((pbx, desk));
    ringpost.back_to_baseline();
}
