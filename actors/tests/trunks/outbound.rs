//! Calls to numbers outside: who may, by which trunk, and what that trunk reads (R67, R71, R72; T19).

use std::time::Duration;

use crate::{
    Exchange,
    phone::{PASSWORD, Phone},
    support::{Over, Sip, peer::Dialog},
};

const TRANSIT: &str = "transit = true";

fn refuses(exchange: &mut Exchange, trunk: usize, invite: &Sip, code: u16) {
    exchange.trunks[trunk].answer(invite, code);
    exchange.trunks[trunk].expect("ACK");
}

#[test]
fn a_call_leaves_and_ends_like_any_other() {
    for over in Over::BOTH {
        let mut exchange = Exchange::new(over, TRANSIT, &["e164 = \"national\""]);
        let invite = exchange.pbx.invite("004930123");
        let trunk = &mut exchange.trunks[0];
        let out = trunk.expect("INVITE");
        assert!(out.uri().starts_with(&format!("sip:030123@{}", trunk.address)), "{}", out.uri());
        assert_eq!(out.one("To"), format!("<sip:030123@{}>", trunk.address));
        assert_eq!(out.body(), invite.body(), "an early offer stays what it is");
        trunk.answer(&out, 183);
        exchange.pbx.expect("183");
        let answer = trunk.answer(&out, 200);
        trunk.expect("ACK");
        let ok = exchange.pbx.expect("200");
        let mut dialog = Dialog::caller(&invite, &ok);
        exchange.pbx.inside(&mut dialog, "ACK", "", "");
        let mut theirs = Dialog::callee(&out, &answer);
        trunk.ends(&mut theirs, &mut exchange.pbx);
        drop((exchange.pbx, exchange.trunks));
        exchange.ringpost.back_to_baseline();
    }
}

#[test]
fn an_offer_that_comes_late_comes_late_on_the_trunk_as_well() {
    let mut exchange = Exchange::new(Over::Udp, TRANSIT, &[""]);
    let uri = format!("sip:+4930123@{}", exchange.ringpost.sip);
    let invite = exchange.pbx.request("INVITE", &uri, "", "");
    let out = exchange.trunks[0].expect("INVITE");
    assert_eq!(out.body(), "");
    exchange.trunks[0].answer(&out, 200);
    let ok = exchange.pbx.expect("200");
    assert!(ok.body().starts_with("v=0"));
    let mut dialog = Dialog::caller(&invite, &ok);
    exchange.pbx.inside(&mut dialog, "ACK", "", "v=0\r\nanswer\r\n");
    assert_eq!(exchange.trunks[0].expect("ACK").body(), "v=0\r\nanswer\r\n");
}

#[test]
fn nobody_calls_through_ringpost_unless_the_site_says_so() {
    // T19.
    let mut exchange = Exchange::new(Over::Udp, "", &[""]);
    for number in ["+4930123", "004930123", "+1900555"] {
        let invite = exchange.pbx.invite(number);
        exchange.pbx.refused(&invite, 404);
    }
    let mut exchange = Exchange::new(Over::Udp, TRANSIT, &[""]);
    for (number, code) in [("+1900555", 403), ("001900555", 403), ("+8835", 403), ("bob", 404), ("1777", 404)]
    {
        let invite = exchange.pbx.invite(number);
        exchange.pbx.refused(&invite, code);
    }
    // A trunk without transit is as deaf to +4930123 as it ever was.
    let uri = format!("sip:+4930123@{}", exchange.ringpost.sip);
    let invite = exchange.trunks[0].request("INVITE", &uri, "", "");
    exchange.trunks[0].refused(&invite, 404);
    exchange.trunks[0].silent_for(Duration::from_millis(50));
}

#[test]
fn the_next_trunk_takes_what_the_first_does_not() {
    let mut exchange = Exchange::new(Over::Udp, TRANSIT, &["timeout = \"300ms\"", "", ""]);
    // The first says nothing at all, the second is overloaded, the third takes it.
    let invite = exchange.pbx.invite("+4930123");
    let first = exchange.trunks[0].expect("INVITE");
    let second = exchange.trunks[1].expect("INVITE");
    refuses(&mut exchange, 1, &second, 503);
    let third = exchange.trunks[2].expect("INVITE");
    assert_ne!(first.one("Call-ID"), third.one("Call-ID"));
    exchange.trunks[2].answer(&third, 180);
    exchange.pbx.expect("180");
    // Once it rings, a failure is the call's.
    refuses(&mut exchange, 2, &third, 500);
    exchange.pbx.refused(&invite, 500);
    // A late 200 of the one that was given up is hung up.
    exchange.trunks[0].answer(&first, 200);
    exchange.trunks[0].expect("ACK");
    let bye = exchange.trunks[0].expect("BYE");
    exchange.trunks[0].answer(&bye, 200);
    // Busy is an answer: no other trunk is asked.
    let invite = exchange.pbx.invite("+4930124");
    let first = exchange.trunks[0].expect("INVITE");
    refuses(&mut exchange, 0, &first, 486);
    exchange.pbx.refused(&invite, 486);
    exchange.trunks[1].silent_for(Duration::from_millis(50));
    // Taken back while the first is silent: the second is not called.
    let invite = exchange.pbx.invite("+4930125");
    exchange.trunks[0].expect("INVITE");
    exchange.pbx.cancel(&invite, "");
    exchange.pbx.expect("200");
    exchange.pbx.refused(&invite, 487);
    exchange.trunks[1].silent_for(Duration::from_millis(500));
}

#[test]
fn a_trunk_that_is_not_there_costs_the_call_nothing() {
    // TCP: nobody listens where the first trunk should be.
    let mut exchange = Exchange::new(Over::Tcp, TRANSIT, &["", ""]);
    drop(exchange.trunks.remove(0));
    let invite = exchange.pbx.invite("+4930123");
    let out = exchange.trunks[0].expect("INVITE");
    exchange.trunks[0].answer(&out, 486);
    exchange.trunks[0].expect("ACK");
    exchange.pbx.refused(&invite, 486);
}

#[test]
fn each_trunk_reads_the_caller_where_it_looks_for_it() {
    let register = |way: &str| format!("caller_id = {way:?}\nhost = \"sbc.corp.test\"");
    let [from, pai, rpid] = ["from", "pai", "rpid"].map(register);
    let private = "Privacy: id\r\nP-Asserted-Identity: <sip:+4544890101@pbx.test>\r\n";
    let named = "P-Asserted-Identity: \"Tor \\\"T\\\" U\" <sip:+4544890199@pbx.test>\r\n";
    let hidden = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
    let tor = "\"Tor \\\"T\\\" U\" <sip:+4544890199@sbc.corp.test>";
    let ada = "\"Ada Caller\" <sip:+4544890101@sbc.corp.test>";
    for (lines, headers, in_from, asserted, party) in [
        (&from, "", ada, "", String::new()),
        (&from, named, tor, "", String::new()),
        (&pai, named, tor, tor, String::new()),
        (&rpid, named, tor, "", format!("{tor};party=calling;screen=yes;privacy=off")),
        (&from, private, hidden, "", String::new()),
        (&pai, private, hidden, ada, String::new()),
        (&rpid, private, hidden, "", format!("{ada};party=calling;screen=yes;privacy=full")),
    ] {
        let mut exchange = Exchange::new(Over::Udp, TRANSIT, &[lines]);
        let invite = exchange.pbx.invite_with("+4930123", headers);
        let out = exchange.trunks[0].expect("INVITE");
        let what = format!("{lines} {headers}");
        assert_eq!(out.one("From").split(";tag=").next(), Some(in_from), "{what}");
        assert_eq!(out.first("P-Asserted-Identity"), asserted, "{what}");
        assert_eq!(out.first("Remote-Party-ID"), party, "{what}");
        assert_eq!(out.first("Privacy"), invite.first("Privacy"), "{what}");
        assert!(out.contact().contains("@sbc.corp.test:"), "{what}");
        refuses(&mut exchange, 0, &out, 486);
        exchange.pbx.refused(&invite, 486);
    }
}

#[test]
fn a_caller_without_number_calls_all_the_same() {
    // R71.
    let mut exchange = Exchange::new(Over::Udp, TRANSIT, &["caller_id = \"pai\""]);
    let uri = format!("sip:+4930123@{}", exchange.ringpost.sip);
    let draft = exchange.pbx.draft("INVITE", &uri, "", "");
    let draft = draft.replace("\"Ada Caller\" <sip:+4544890101@pbx.test>", "<sip:unknown@gw.test>");
    exchange.pbx.send(draft.as_bytes());
    let out = exchange.trunks[0].expect("INVITE");
    assert!(out.one("From").starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="));
    assert_eq!((out.first("P-Asserted-Identity"), out.first("Privacy")), ("", ""));
}

#[test]
fn numbers_that_come_in_are_read_as_the_trunk_writes_them() {
    let mut exchange = Exchange::new(Over::Udp, "strip_in = 1", &["e164 = \"digits\""]);
    let invite = exchange.pbx.invite("91001");
    // 1001's phone is a socket that nobody reads any more; that it is called is what counts here.
    exchange.ringpost.answers_within(Duration::from_secs(1)).expect("it is well");
    exchange.pbx.silent_for(Duration::from_millis(50));
    exchange.pbx.cancel(&invite, "");
    exchange.pbx.expect("200");
    exchange.pbx.refused(&invite, 487);
    let invite = exchange.pbx.invite("95555");
    exchange.pbx.refused(&invite, 404);
}

#[test]
fn a_users_own_device_calls_out_under_the_users_number() {
    let user = format!(
        "[[user]]\naddress = \"sip:2001@corp.test\"\nname = \"Tor U\"\nnumbers = [\"2001\", \"+49302001\"]\n\
         password = \"{PASSWORD}\"\nmissed_calls = \"off\""
    );
    let mut exchange = Exchange::new(Over::Udp, &user, &["caller_id = \"pai\""]);
    let mut phone = Phone::new(Over::Udp, "127.0.0.40", &exchange.ringpost, "2001");
    let trunk = &mut exchange.trunks[0];
    let called = |trunk: &mut crate::support::Peer| {
        let out = trunk.expect("INVITE");
        trunk.answer(&out, 486);
        trunk.expect("ACK");
        out
    };
    let (out, answer) = std::thread::scope(|scope| {
        let trunk = scope.spawn(|| called(trunk));
        let (_, answer) = phone.calls("030777");
        (trunk.join().expect("it is called"), answer)
    });
    assert_eq!(answer.what(), "486");
    assert!(out.uri().starts_with("sip:+4930777@"), "{}", out.uri());
    let tor = "\"Tor U\" <sip:+49302001@corp.test>";
    assert_eq!((out.one("P-Asserted-Identity"), out.first("Authorization")), (tor, ""));
    // T19: what is not allowed is refused to a known user, too; who is not known is asked who he is.
    let (_, answer) = phone.calls("001900555");
    assert_eq!(answer.what(), "403");
    let stranger = Phone::new(Over::Udp, "127.0.0.41", &exchange.ringpost, "2001").peer;
    let mut stranger = stranger;
    stranger.invite("+4930777");
    assert!(matches!(
        stranger.next(Duration::from_secs(5)).map(|a| a.what().to_owned()).as_deref(),
        Some("401" | "403")
    ));
    exchange.trunks[0].silent_for(Duration::from_millis(50));
}
