//! What RFC 3261 asks of dialogs and no ordinary peer provokes.

use crate::{
    office::{Office, Talk, is_cancelled},
    support::{Over, SDP, peer::Dialog},
};

const OFF: &str = "missed_calls = \"off\"";

#[test]
fn a_caller_that_says_bye_while_it_rings_ends_the_call() {
    // §15: a caller may say BYE in an early dialog.
    let mut office = Office::new(Over::Udp, OFF);
    let invite = office.pbx.invite("1001");
    let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
    office.desk.answer(&desk, 180);
    let ringing = office.pbx.expect("180");
    office.soft.answer(&soft, 180);
    let mut early = Dialog::caller(&invite, &ringing);
    office.pbx.inside(&mut early, "BYE", "", "");
    office.pbx.expect("200");
    office.pbx.refused(&invite, 487);
    is_cancelled(&mut office.desk, &desk, "");
    is_cancelled(&mut office.soft, &soft, "");
    office.ends();
}

#[test]
fn a_caller_without_contact_can_hang_up() {
    let mut office = Office::new(Over::Udp, OFF);
    let uri = format!("sip:1001@{}", office.ringpost.sip);
    let text = office.pbx.draft("INVITE", &uri, "", SDP);
    let text: String = text.split_inclusive("\r\n").filter(|line| !line.starts_with("Contact:")).collect();
    office.pbx.send(text.as_bytes());
    let invite = crate::support::Sip::new(text.as_bytes());
    let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
    office.soft.answer(&soft, 180);
    office.pbx.expect("180");
    let answer = office.desk.answer(&desk, 200);
    office.desk.expect("ACK");
    is_cancelled(&mut office.soft, &soft, crate::office::ELSEWHERE);
    let ok = office.pbx.expect("200");
    let mut pbx = Dialog::caller(&invite, &ok);
    office.pbx.inside(&mut pbx, "ACK", "", "");
    office.hangs_up(Talk { pbx, phone: Dialog::callee(&desk, &answer) });
    office.ends();
}

#[test]
fn the_ack_of_a_re_invite_names_its_number_whatever_was_asked_meanwhile() {
    let mut office = Office::new(Over::Udp, OFF);
    let mut talk = office.talks();
    office.pbx.inside(&mut talk.pbx, "INVITE", "", SDP);
    let renewed = talk.pbx.clone();
    let again = office.desk.expect("INVITE");
    office.pbx.inside(&mut talk.pbx, "INFO", "Content-Type: x/y\r\n", "1");
    let info = office.desk.expect("INFO");
    office.desk.answer(&info, 200);
    office.pbx.expect("200");
    // §14.2: a second one while the first is open.
    let second = office.pbx.inside(&mut talk.pbx, "INVITE", "", SDP);
    assert_ne!(office.pbx.refused(&second, 500).first("Retry-After"), "");
    // What no leg understands does not cross (§8.2.2.3).
    let extended = office.pbx.inside(&mut talk.pbx, "INFO", "Require: nothing-known\r\n", "");
    assert_eq!(office.pbx.expect("420").one("Unsupported"), "nothing-known", "{extended}");
    office.desk.answer(&again, 200);
    office.pbx.expect("200");
    let mut ack = renewed;
    office.pbx.inside(&mut ack, "ACK", "", "");
    let passed = office.desk.expect("ACK");
    let number = again.one("CSeq").trim_end_matches(" INVITE");
    assert_eq!(passed.one("CSeq"), format!("{number} ACK"));
    office.hangs_up(talk);
    office.ends();
}

#[test]
fn a_re_invite_is_taken_back_and_what_is_open_at_the_end_is_refused() {
    let mut office = Office::new(Over::Udp, OFF);
    let mut talk = office.talks();
    let first = office.pbx.inside(&mut talk.pbx, "INVITE", "", SDP);
    let passed = office.desk.expect("INVITE");
    office.desk.answer(&passed, 100);
    office.pbx.gives_up(&first, &mut office.desk, &passed);
    office.pbx.inside(&mut talk.pbx, "OPTIONS", "", "");
    office.desk.expect("OPTIONS");
    office.pbx.inside(&mut talk.pbx, "BYE", "", "");
    let mut answers = [office.pbx.next(crate::support::PATIENCE), office.pbx.next(crate::support::PATIENCE)]
        .map(|answer| answer.expect("two answers"))
        .map(|answer| format!("{} {}", answer.what(), answer.one("CSeq").split(' ').nth(1).unwrap_or("")));
    answers.sort();
    assert_eq!(answers, ["200 BYE", "487 OPTIONS"]);
    let bye = office.desk.expect("BYE");
    office.desk.answer(&bye, 200);
    office.ends();
}

#[test]
fn an_identity_crosses_inside_the_call_from_a_trusted_trunk_only() {
    let mut office = Office::new(Over::Udp, OFF);
    let mut talk = office.talks();
    let asserted =
        "P-Asserted-Identity: <sip:boss@pbx.test>\r\nP-Preferred-Identity: <sip:boss@pbx.test>\r\n";
    office.pbx.inside(&mut talk.pbx, "INFO", asserted, "");
    let info = office.desk.expect("INFO");
    assert_eq!(info.one("P-Asserted-Identity"), "<sip:boss@pbx.test>");
    assert_eq!(info.all("P-Preferred-Identity").len(), 0, "RFC 3325 §9.2");
    office.desk.answer(&info, 200);
    office.pbx.expect("200");
    office.desk.inside(&mut talk.phone, "INFO", asserted, "");
    let info = office.pbx.expect("INFO");
    assert!(!info.to_string().contains("boss"), "{info}");
    office.pbx.answer(&info, 200);
    office.desk.expect("200");
    office.hangs_up(talk);
    office.ends();
}

#[test]
fn a_contact_that_cannot_be_called_back_is_refused() {
    let mut office = Office::new(Over::Udp, OFF);
    let uri = format!("sip:1001@{}", office.ringpost.sip);
    let contact = format!("Contact: <{}>", office.pbx.uri());
    let folded =
        office.pbx.draft("INVITE", &uri, "", SDP).replace(&contact, "Contact: <sip:a\r\n Evil: b@h>");
    office.pbx.send(folded.as_bytes());
    office.pbx.expect("400");
    office.ends();
}
