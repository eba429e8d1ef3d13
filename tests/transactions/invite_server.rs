//! The INVITE server transaction (RFC 3261 §17.2.1, RFC 6026 §7.1) and the repetition of its 2xx (§13.3.1.4).

use ringpost::sip::{Name, transaction::Owner};

use crate::lane::{LEG, Lane};

const INVITE: &str = "INVITE sip:1001@lab.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKin\r\n\
    From: <sip:pbx@lab.test>;tag=p\r\nTo: <sip:1001@lab.test>\r\nCall-ID: in-1\r\nCSeq: 3 INVITE\r\n\
    Contact: <sip:pbx@192.0.2.9:5070>\r\nContent-Length: 0\r\n\r\n";

fn ack() -> String {
    INVITE.replace("INVITE", "ACK").replace("To: <sip:1001@lab.test>", "To: <sip:1001@lab.test>;tag=us")
}

fn cancel() -> String {
    INVITE.replace("INVITE", "CANCEL").replace("\r\nContact", "\r\nReason: SIP;cause=487\r\nContact")
}

fn called(mut lane: Lane) -> Lane {
    lane.receive(INVITE);
    let server = lane.server;
    lane.transactions.adopt(server, LEG);
    assert_eq!(lane.log(), ["0 * Request INVITE"]);
    lane
}

#[test]
fn trying_goes_out_only_after_a_silence() {
    let mut lane = called(Lane::udp());
    lane.until(140);
    assert_eq!(lane.log(), [""; 0]);
    lane.until(10_000);
    assert_eq!(lane.log(), ["150 > 100 INVITE"]);
    assert_eq!(lane.last("SIP/2.0 100").first(Name::To), Some(&b"<sip:1001@lab.test>"[..]));

    let mut quick = called(Lane::udp());
    quick.until(140);
    quick.respond(180);
    quick.until(10_000);
    assert_eq!(quick.log(), ["140 > 180 INVITE"]);
}

#[test]
fn a_repeated_invite_gets_the_latest_response() {
    let mut lane = called(Lane::udp());
    lane.until(20);
    lane.receive(INVITE);
    lane.until(500);
    lane.receive(INVITE);
    lane.respond(180);
    lane.receive(INVITE);
    lane.respond(183);
    lane.receive(INVITE);
    lane.respond(486);
    lane.receive(INVITE);
    assert_eq!(
        lane.log(),
        [
            "20 > 100 INVITE",
            "500 > 100 INVITE",
            "500 > 180 INVITE",
            "500 > 180 INVITE",
            "500 > 183 INVITE",
            "500 > 183 INVITE",
            "500 > 486 INVITE",
            "500 > 486 INVITE"
        ]
    );
}

#[test]
fn a_failure_is_repeated_on_udp_until_its_ack() {
    let mut lane = called(Lane::udp());
    lane.respond(486);
    lane.until(12_000);
    lane.receive(&ack());
    lane.receive(&ack());
    lane.receive(INVITE);
    assert_eq!(
        lane.log(),
        [
            "0 > 486 INVITE",
            "500 > 486 INVITE",
            "1500 > 486 INVITE",
            "3500 > 486 INVITE",
            "7500 > 486 INVITE",
            "11500 > 486 INVITE"
        ]
    );
    lane.until(16_980);
    assert_eq!(lane.len(), 1, "Confirmed swallows ACKs for T4");
    lane.until(17_000);
    assert_eq!((lane.log(), lane.len()), (vec![], 0));
}

#[test]
fn a_failure_without_ack_ends_by_timer_h() {
    let mut lane = called(Lane::udp());
    lane.respond(603);
    lane.until(31_980);
    assert_eq!((lane.log().len(), lane.len()), (11, 1));
    lane.until(32_000);
    assert_eq!((lane.log(), lane.len()), (vec![], 0));
}

#[test]
fn a_failure_on_tcp_is_said_once() {
    let mut lane = called(Lane::tcp());
    lane.respond(486);
    lane.until(10_000);
    lane.receive(&ack());
    lane.until(10_050);
    assert_eq!((lane.log(), lane.len()), (vec!["0 > 486 INVITE".into()], 0));
}

#[test]
fn a_2xx_is_repeated_on_every_transport_until_it_is_acknowledged() {
    for lane in [Lane::udp(), Lane::tcp()] {
        let mut lane = called(lane);
        lane.respond(200);
        lane.until(12_000);
        lane.receive(INVITE);
        let server = lane.server;
        assert!(lane.transactions.acknowledged(server), "the first ACK");
        assert!(!lane.transactions.acknowledged(server), "a repeated ACK");
        lane.until(31_980);
        lane.receive(INVITE);
        assert_eq!(
            lane.log(),
            [
                "0 > 200 INVITE",
                "500 > 200 INVITE",
                "1500 > 200 INVITE",
                "3500 > 200 INVITE",
                "7500 > 200 INVITE",
                "11500 > 200 INVITE"
            ]
        );
        assert_eq!(lane.len(), 1, "Timer L swallows repeated INVITEs");
        lane.until(32_000);
        assert_eq!((lane.log(), lane.len()), (vec![], 0));
    }
}

#[test]
fn a_2xx_that_nobody_acknowledges_is_told() {
    let mut lane = called(Lane::tcp());
    lane.respond(200);
    lane.until(40_000);
    let log = lane.log();
    assert_eq!((log.len(), log.last().map(String::as_str)), (12, Some("32000 * Unacknowledged")));
    assert_eq!(lane.len(), 0);
}

#[test]
fn nothing_goes_out_after_a_final_response() {
    for code in [200, 302, 486, 600] {
        let mut lane = called(Lane::tcp());
        lane.respond(code);
        for late in [100, 180, 200, 486] {
            lane.respond(late);
        }
        assert_eq!(lane.log(), [format!("0 > {code} INVITE")]);
    }
}

#[test]
fn a_cancel_is_answered_at_once_and_told_while_the_call_is_open() {
    let mut lane = called(Lane::udp());
    lane.respond(180);
    lane.receive(&cancel());
    assert_eq!(lane.log(), ["0 > 180 INVITE", "0 > 200 CANCEL", "0 * Cancelled"]);
    // RFC 3261 §9.2: the To tag of the responses to the INVITE, which is the owner's name.
    let to = lane.last("SIP/2.0 200").first(Name::To).map(<[u8]>::to_vec);
    assert_eq!(to.as_deref(), Some(&b"<sip:1001@lab.test>;tag=0200000100000042"[..]));
    lane.respond(487);
    lane.receive(&cancel());
    lane.receive(&ack());
    lane.receive(&cancel());
    assert_eq!(lane.log(), ["0 > 487 INVITE", "0 > 200 CANCEL", "0 > 200 CANCEL"]);
}

#[test]
fn a_cancel_that_crosses_the_answer_changes_nothing() {
    let mut lane = called(Lane::udp());
    lane.respond(200);
    lane.receive(&cancel());
    assert_eq!(lane.log(), ["0 > 200 INVITE", "0 > 200 CANCEL"]);
}

#[test]
fn a_cancel_before_anybody_adopted_the_invite_is_still_told() {
    let mut lane = Lane::udp();
    lane.receive(INVITE);
    lane.receive(&cancel());
    assert_eq!(lane.log(), ["0 * Request INVITE", "0 > 200 CANCEL", "0 * Cancelled to somebody else"]);
}

#[test]
fn the_ack_for_a_2xx_is_the_owners() {
    let mut lane = called(Lane::udp());
    lane.respond(200);
    // A new branch, as RFC 3261 §13.2.2.4 has it, and the INVITE's, as RFC 2543 had it.
    lane.receive(&ack().replace("z9hG4bKin", "z9hG4bKnew"));
    lane.receive(&ack());
    assert_eq!(lane.log(), ["0 > 200 INVITE", "0 * Ack", "0 * Ack"]);
}

#[test]
fn the_ack_for_a_failure_is_nobodys_business() {
    let mut lane = called(Lane::udp());
    lane.receive(&ack());
    lane.respond(404);
    lane.receive(&ack());
    lane.receive(&ack());
    assert_eq!(lane.log(), ["0 > 404 INVITE"]);
}

#[test]
fn an_invite_that_everybody_forgot_ends_after_an_hour() {
    let mut lane = called(Lane::udp());
    lane.until(1_000_000);
    lane.respond(180);
    lane.until(4_599_980);
    assert_eq!(lane.len(), 1, "each response counts anew");
    lane.until(4_600_000);
    assert_eq!((lane.log().len(), lane.len()), (2, 0));
}

#[test]
fn an_owner_is_only_told_of_its_own() {
    let mut lane = called(Lane::udp());
    let server = lane.server;
    lane.transactions.adopt(server, Owner::Nobody);
    lane.respond(200);
    lane.until(40_000);
    assert_eq!(lane.log().last().map(String::as_str), Some("32000 * Unacknowledged to somebody else"));
}
