//! INVITEs with Replaces from outside (RFC 3891): who may talk in whose place, and with whom.

use std::time::Duration;

use crate::{
    office::{ELSEWHERE, Office, Talk, is_cancelled},
    support::{Over, Peer, SDP, Sip, Site, peer::Dialog},
};

const MAIL: &str = "missed_calls = \"mail\"\nmail = \"ada@corp.test\"";

/// An office, a newcomer at the PBX's address, and one that is another trunk's. Their messages come on two lanes.
fn office(over: Over) -> (Office, Peer, Peer) {
    let far = "[[trunk]]\nname = \"far\"\nsources = [\"127.0.0.7\"]";
    let site = Site::new().sip("lanes = 2").maildir().table(far);
    let (new, other) = (site.peer(over), Peer::new(over, "127.0.0.7", site.sip));
    (Office::on(site, over, MAIL), new, other)
}

fn new_sdp() -> String {
    SDP.replace("40000", "40400")
}

/// Replaces for the far end of a peer's dialog.
fn replaces(dialog: &Dialog) -> String {
    let tag = |address: &str| address.split(";tag=").nth(1).expect("a tag").to_owned();
    let (to, from) = (tag(&dialog.remote), tag(&dialog.local));
    format!("Replaces: {};to-tag={to};from-tag={from}\r\n", dialog.call_id)
}

fn wants(peer: &mut Peer, office: &Office, headers: &str, body: &str) -> Sip {
    peer.request("INVITE", &format!("sip:1001@{}", office.ringpost.sip), headers, body)
}

fn hung_up(peer: &mut Peer) {
    let bye = peer.expect("BYE");
    peer.answer(&bye, 200);
}

/// The newcomer has its answer, and talks with the party that stayed.
fn talks_on(new: &mut Peer, invite: &Sip, stays: &mut Peer, their: &mut Dialog) {
    let ok = new.expect("200");
    assert_eq!(ok.body(), SDP);
    let mut own = Dialog::caller(invite, &ok);
    new.inside(&mut own, "ACK", "", "");
    stays.expect("ACK");
    new.inside(&mut own, "INFO", "Content-Type: x/y\r\n", "hello");
    let info = stays.expect("INFO");
    stays.answer(&info, 200);
    new.expect("200");
    stays.inside(their, "BYE", "", "");
    stays.expect("200");
    hung_up(new);
}

#[test]
fn either_party_is_replaced_while_the_other_talks_on() {
    for over in Over::BOTH {
        let (mut office, mut new, other) = office(over);
        for _ in 0..6 {
            // The phone, and its caller talks on.
            let mut talk = office.talks();
            let invite = wants(&mut new, &office, &replaces(&talk.phone), &new_sdp());
            let renewed = office.pbx.expect("INVITE");
            assert_eq!((renewed.body(), renewed.first("Replaces")), (&*new_sdp(), ""));
            office.pbx.answer(&renewed, 200);
            hung_up(&mut office.desk);
            talks_on(&mut new, &invite, &mut office.pbx, &mut talk.pbx);
            // The caller, and its phone talks on.
            let mut talk = office.talks();
            let headers = format!("{}Require: replaces\r\n", replaces(&talk.pbx));
            let invite = wants(&mut new, &office, &headers, &new_sdp());
            let renewed = office.desk.expect("INVITE");
            office.desk.answer(&renewed, 200);
            hung_up(&mut office.pbx);
            talks_on(&mut new, &invite, &mut office.desk, &mut talk.phone);
        }
        drop((new, other));
        office.ends();
    }
}

#[test]
fn an_offer_may_come_from_the_party_that_stays() {
    let (mut office, mut new, other) = office(Over::Udp);
    let mut talk = office.talks();
    let invite = wants(&mut new, &office, &replaces(&talk.phone), "");
    let renewed = office.pbx.expect("INVITE");
    assert_eq!(renewed.body(), "");
    office.pbx.answer(&renewed, 200);
    hung_up(&mut office.desk);
    let ok = new.expect("200");
    new.inside(&mut Dialog::caller(&invite, &ok), "ACK", "", &new_sdp());
    assert_eq!(office.pbx.expect("ACK").body(), new_sdp());
    office.pbx.inside(&mut talk.pbx, "BYE", "", "");
    office.pbx.expect("200");
    hung_up(&mut new);
    drop((new, other));
    office.ends();
}

#[test]
fn where_the_party_that_stays_refuses_or_the_newcomer_gives_up_all_is_as_before() {
    let (mut office, mut new, other) = office(Over::Udp);
    let talk = office.talks();
    let invite = wants(&mut new, &office, &replaces(&talk.phone), &new_sdp());
    let renewed = office.pbx.expect("INVITE");
    // One at a time.
    let second = wants(&mut new, &office, &replaces(&talk.phone), &new_sdp());
    new.refused(&second, 491);
    office.pbx.answer(&renewed, 488);
    office.pbx.expect("ACK");
    new.refused(&invite, 488);
    let invite = wants(&mut new, &office, &replaces(&talk.phone), &new_sdp());
    let renewed = office.pbx.expect("INVITE");
    office.pbx.answer(&renewed, 100);
    new.cancel(&invite, "");
    new.expect("200");
    is_cancelled(&mut office.pbx, &renewed, "");
    new.refused(&invite, 487);
    // Whoever talks hangs up meanwhile: nobody is left to talk with.
    let invite = wants(&mut new, &office, &replaces(&talk.phone), &new_sdp());
    let renewed = office.pbx.expect("INVITE");
    let mut phone = talk.phone;
    office.desk.inside(&mut phone, "BYE", "", "");
    office.desk.expect("200");
    hung_up(&mut office.pbx);
    new.refused(&invite, 481);
    office.pbx.answer(&renewed, 487);
    office.pbx.expect("ACK");
    drop((new, other));
    office.ends();
}

#[test]
fn who_hangs_up_as_it_is_replaced_ends_the_call_or_nothing() {
    let (mut office, mut new, other) = office(Over::Udp);
    let mut replaced = 0;
    for run in 0..40 {
        let mut talk = office.talks();
        let invite = wants(&mut new, &office, &replaces(&talk.phone), &new_sdp());
        let renewed = office.pbx.expect("INVITE");
        let apart = Duration::from_micros(20 * (run / 2 % 10));
        if run % 2 == 0 {
            office.pbx.answer(&renewed, 200);
            std::thread::sleep(apart);
            office.desk.inside(&mut talk.phone, "BYE", "", "");
        } else {
            office.desk.inside(&mut talk.phone, "BYE", "", "");
            std::thread::sleep(apart);
            office.pbx.answer(&renewed, 200);
        }
        // Its own BYE is answered, by 481 where it came too late; where Ringpost's has crossed it, now or later, that one is too.
        loop {
            let message = office.desk.expect_any();
            match message.what() {
                "BYE" => drop(office.desk.answer(&message, 200)),
                code => break assert!(matches!(code, "200" | "481"), "run {run}: {code}"),
            }
        }
        let answer = new.expect_any();
        if answer.what() == "200" {
            replaced += 1;
            let mut own = Dialog::caller(&invite, &answer);
            new.inside(&mut own, "ACK", "", "");
            office.pbx.expect("ACK");
            new.inside(&mut own, "BYE", "", "");
            new.expect("200");
            hung_up(&mut office.pbx);
        } else {
            new.acknowledges(&invite, &answer);
            assert_eq!(answer.what(), "481", "run {run}");
            // The 200 came too late: its call is over, acknowledged or not.
            let mut words = vec![];
            while !words.iter().any(|word| word == "BYE") {
                let message = office.pbx.expect_any();
                if message.what() == "BYE" {
                    office.pbx.answer(&message, 200);
                }
                words.push(message.what().to_owned());
            }
            while let Some(message) = office.pbx.next(Duration::from_millis(200)) {
                if message.what() == "BYE" {
                    office.pbx.answer(&message, 200);
                }
            }
        }
        while let Some(message) = office.desk.next(Duration::from_millis(10)) {
            assert_eq!(message.what(), "BYE", "run {run}");
            office.desk.answer(&message, 200);
        }
    }
    assert!((5..40).contains(&replaced), "{replaced} of 40");
    drop((new, other));
    office.ends();
}

#[test]
fn what_rings_elsewhere_is_picked_up() {
    for over in Over::BOTH {
        let (mut office, mut new, other) = office(over);
        let [invite, desk, soft] = office.rings();
        let ringing = Dialog::callee(&desk, &office.desk.response(&desk, 180, &tag_of(&office.desk), "", ""));
        // Without a common codec neither offer could be the answer to the other.
        let foreign = SDP.replace(" 8\r\n", " 9\r\n");
        let wrong = wants(&mut new, &office, &replaces(&ringing), &foreign);
        new.refused(&wrong, 488);
        let early_only = replaces(&ringing).replace("\r\n", ";early-only\r\n");
        let pickup = wants(&mut new, &office, &early_only, &new_sdp());
        let ok = new.expect("200");
        assert_eq!(ok.body(), SDP, "the caller's media");
        let mut own = Dialog::caller(&pickup, &ok);
        new.inside(&mut own, "ACK", "", "");
        is_cancelled(&mut office.desk, &desk, ELSEWHERE);
        is_cancelled(&mut office.soft, &soft, ELSEWHERE);
        let ok = office.pbx.expect("200");
        assert_eq!(ok.body(), new_sdp());
        let mut pbx = Dialog::caller(&invite, &ok);
        office.pbx.inside(&mut pbx, "ACK", "", "");
        new.inside(&mut own, "INVITE", "", &new_sdp());
        let renewed = office.pbx.expect("INVITE");
        office.pbx.answer(&renewed, 200);
        new.expect("200");
        new.inside(&mut own, "ACK", "", "");
        office.pbx.expect("ACK");
        office.pbx.inside(&mut pbx, "BYE", "", "");
        office.pbx.expect("200");
        hung_up(&mut new);
        assert_eq!(office.ringpost.mails("ada@corp.test").len(), 0, "somebody took it");
        drop((new, other));
        office.ends();
    }
}

#[test]
fn a_name_that_does_not_fit_is_refused_as_rfc_3891_says() {
    let (mut office, mut new, other) = office(Over::Udp);
    let [invite, desk, soft] = office.rings();
    // The caller's own early dialog is not one that Ringpost has begun.
    let caller = format!("Replaces: {};to-tag=0000000000000000;from-tag=x\r\n", invite.one("Call-ID"));
    let refused = |office: &Office, new: &mut Peer, headers: &str, code: u16| {
        let invite = wants(new, office, headers, SDP);
        new.refused(&invite, code);
    };
    refused(&office, &mut new, &caller, 481);
    let answer = office.desk.answer(&desk, 200);
    office.desk.expect("ACK");
    is_cancelled(&mut office.soft, &soft, ELSEWHERE);
    let ok = office.pbx.expect("200");
    let mut pbx = Dialog::caller(&invite, &ok);
    office.pbx.inside(&mut pbx, "ACK", "", "");
    let talk = Talk { pbx, phone: Dialog::callee(&desk, &answer) };
    let named = replaces(&talk.phone);
    refused(&office, &mut new, &named.replace("\r\n", ";early-only\r\n"), 486);
    refused(&office, &mut new, &named.replace("from-tag=", "from-tag=x"), 481);
    refused(&office, &mut new, &named.replace("Replaces: ", "Replaces: x"), 481);
    refused(&office, &mut new, &format!("{named}{named}"), 400);
    refused(&office, &mut new, &format!("{named}Join: a;to-tag=b;from-tag=c\r\n"), 400);
    refused(&office, &mut new, "Replaces: nobody\r\n", 400);
    new.request("OPTIONS", &format!("sip:{}", office.ringpost.sip), &named, "");
    new.expect("400");
    office.hangs_up(talk);
    refused(&office, &mut new, &named, 481);
    drop((new, other));
    office.ends();
}

#[test]
fn nobody_takes_a_place_whose_call_was_not_for_them() {
    // T19.
    let (mut office, new, mut other) = office(Over::Udp);
    let mut talk = office.talks();
    // A stranger has no call here at all, whatever it knows.
    let mut stranger = Peer::new(Over::Udp, "127.0.0.9", office.ringpost.sip);
    let invite = wants(&mut stranger, &office, &replaces(&talk.phone), SDP);
    stranger.refused(&invite, 403);
    // The caller is one of the PBX's: another trunk could not have called it through Ringpost.
    let invite = wants(&mut other, &office, &replaces(&talk.phone), SDP);
    other.refused(&invite, 403);
    office.pbx.silent_for(Duration::from_millis(50));
    // The phone is a user's, whom any trunk may call.
    let invite = wants(&mut other, &office, &replaces(&talk.pbx), &new_sdp());
    let renewed = office.desk.expect("INVITE");
    office.desk.answer(&renewed, 200);
    hung_up(&mut office.pbx);
    talks_on(&mut other, &invite, &mut office.desk, &mut talk.phone);
    drop((new, other, stranger));
    office.ends();
}

/// The To tag with which a peer answers.
fn tag_of(peer: &Peer) -> String {
    format!("t{}", peer.address.port())
}
