//! Answers that cross: each ends as one call, whoever was first (DESIGN decision 2, T36).

use std::{thread, time::Duration};

use crate::{
    office::{ELSEWHERE, Office, Talk, is_cancelled},
    support::{Over, SDP, Site, peer::Dialog, until},
};

const OFF: &str = "missed_calls = \"off\"";

#[test]
fn a_phone_that_answers_while_its_cancel_is_in_flight_wins_until_um_answers() {
    // DESIGN decision 2.
    for over in Over::BOTH {
        let mut office = Office::new(over, "missed_calls = \"off\"\nring_for = \"300ms\"");
        let [invite, desk, soft] = office.rings();
        office.pbx.expect("181");
        let to_um = office.um.expect("INVITE");
        office.um.answer(&to_um, 180);
        office.pbx.next(Duration::from_millis(100));
        let cancel = office.desk.expect("CANCEL");
        office.desk.answer(&cancel, 200);
        let answer = office.desk.answer(&desk, 200);
        office.desk.expect("ACK");
        is_cancelled(&mut office.um, &to_um, ELSEWHERE);
        is_cancelled(&mut office.soft, &soft, "");
        let ok = office.pbx.expect("200");
        let mut dialog = Dialog::caller(&invite, &ok);
        office.pbx.inside(&mut dialog, "ACK", "", "");
        let phone = Dialog::callee(&desk, &answer);
        office.hangs_up(Talk { pbx: dialog, phone });
        office.ends();
    }
}

#[test]
fn a_phone_that_answers_after_the_call_is_over_is_hung_up() {
    for (header, reason) in [("", ""), ("Reason: SIP;cause=200\r\n", ELSEWHERE)] {
        let mut office = Office::new(Over::Udp, OFF);
        let invite = office.pbx.invite("1001");
        let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
        office.desk.answer(&desk, 180);
        office.pbx.expect("180");
        office.pbx.cancel(&invite, header);
        office.pbx.expect("200");
        office.pbx.refused(&invite, 487);
        let cancel = office.desk.expect("CANCEL");
        office.desk.answer(&desk, 200);
        office.desk.answer(&cancel, 200);
        office.desk.expect("ACK");
        let bye = office.desk.expect("BYE");
        assert_eq!(bye.first("Reason"), reason);
        office.desk.answer(&bye, 200);
        // This one has said nothing until now, so its CANCEL waited (RFC 3261 §9.1), Reason and all.
        office.soft.answer(&soft, 180);
        is_cancelled(&mut office.soft, &soft, reason);
        office.ends();
    }
}

#[test]
fn two_phones_answer_in_the_same_instant() {
    // T36: one is connected, the other is acknowledged and hung up with the Reason, nothing is missed.
    let site = Site::new().maildir();
    let mut office = Office::on(site, Over::Udp, "missed_calls = \"mail\"\nmail = \"ada@corp.test\"");
    for run in 0..200 {
        let [invite, desk, soft] = office.rings();
        let tag = format!("r{run}");
        let answers = [
            office.desk.response(&desk, 200, &tag, "", SDP),
            office.soft.response(&soft, 200, &tag, "", SDP),
        ];
        thread::scope(|both| {
            let (one, two) = (&mut office.desk, &mut office.soft);
            both.spawn(|| one.send(&answers[0].raw));
            both.spawn(|| two.send(&answers[1].raw));
        });
        let ok = office.pbx.expect("200");
        let mut dialog = Dialog::caller(&invite, &ok);
        office.pbx.inside(&mut dialog, "ACK", "", "");
        // One keeps its call, the other is acknowledged and hung up; a CANCEL may have crossed its 200.
        let mut heard = [vec![], vec![]];
        until("an ACK for each, and a BYE", || {
            for (phone, heard) in [&mut office.desk, &mut office.soft].into_iter().zip(&mut heard) {
                let Some(message) = phone.next(Duration::from_millis(1)) else { continue };
                if message.what() == "BYE" {
                    assert_eq!(message.first("Reason"), ELSEWHERE);
                }
                if message.what() != "ACK" {
                    phone.answer(&message, 200);
                }
                if message.what() != "CANCEL" {
                    heard.push(message.what().to_owned());
                }
            }
            heard.iter().map(Vec::len).sum::<usize>() == 3
        });
        heard.sort();
        assert_eq!(heard, [vec!["ACK"], vec!["ACK", "BYE"]], "run {run}");
        office.pbx.inside(&mut dialog, "BYE", "", "");
        office.pbx.expect("200");
        until("the one that talked is hung up", || {
            [&mut office.desk, &mut office.soft].into_iter().any(|phone| {
                phone.next(Duration::from_millis(1)).is_some_and(|bye| {
                    phone.answer(&bye, 200);
                    bye.what() == "BYE"
                })
            })
        });
    }
    assert_eq!(office.ringpost.mails("ada@corp.test").len(), 0);
    office.ends();
}

#[test]
fn a_caller_who_gives_up_as_the_phone_answers_is_either_connected_or_missed() {
    let site = Site::new().maildir();
    let mut office = Office::on(site, Over::Udp, "missed_calls = \"mail\"\nmail = \"ada@corp.test\"");
    let mut missed = 0;
    for run in 0..100 {
        let [invite, desk, soft] = office.rings();
        let answer = &office.desk.response(&desk, 200, "t", "", SDP);
        // Now one is first, now the other, by less than Ringpost takes for either. From threads of their own they would come
        // in whatever order a busy machine wakes them in: the same one a hundred times.
        let apart = Duration::from_micros(30 * (run / 2 % 10));
        if run % 2 == 0 {
            office.desk.send(&answer.raw);
            thread::sleep(apart);
            office.pbx.cancel(&invite, "");
        } else {
            office.pbx.cancel(&invite, "");
            thread::sleep(apart);
            office.desk.send(&answer.raw);
        }
        // The 200 for the CANCEL comes in any case.
        let heard = [office.pbx.next(Duration::from_secs(5)), office.pbx.next(Duration::from_secs(5))];
        let heard = heard.map(|message| message.expect("two answers"));
        let last = heard.iter().find(|message| message.one("CSeq").ends_with("INVITE")).expect("a final one");
        let connected = last.what() == "200";
        let mut pbx = Dialog::caller(&invite, last);
        if connected {
            office.pbx.inside(&mut pbx, "ACK", "", "");
            office.pbx.inside(&mut pbx, "BYE", "", "");
            office.pbx.expect("200");
        } else {
            assert_eq!(last.what(), "487");
            office.pbx.acknowledges(&invite, last);
            missed += 1;
        }
        // Either way the phone ends with a BYE, acknowledged before.
        let mut words = vec![];
        while words.last().is_none_or(|word| word != "BYE") {
            let message = office.desk.next(Duration::from_secs(5)).expect("an ACK and a BYE");
            if message.what() != "ACK" {
                office.desk.answer(&message, 200);
            }
            words.push(message.what().to_owned());
        }
        words.retain(|word| word != "CANCEL");
        assert_eq!(words, ["ACK", "BYE"], "run {run}");
        is_cancelled(&mut office.soft, &soft, if connected { ELSEWHERE } else { "" });
        assert_eq!(office.ringpost.has_mails("ada@corp.test", missed).len(), missed, "run {run}");
    }
    assert!((5..95).contains(&missed), "both ways happen: {missed} of 100 were missed");
    office.ends();
}
