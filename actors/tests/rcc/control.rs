//! What clients do to calls: they dial, answer, hang up, deflect and hold by the desk phone beside them.

use std::time::Duration;

use crate::{
    client::{Client, site, value},
    support::{Over, Peer, Ringpost, SDP, Sip, peer::Dialog},
};

const ALLOWS: &str = "Allow-Events: talk, hold, conference\r\n";

fn with_phones(lines: &str) -> (Ringpost, Peer, Peer, Peer) {
    let site = site(lines);
    let (pbx, desk, other) = (site.peer(Over::Udp), site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&desk], "").user("1002", &[&other], "").start();
    (ringpost, pbx, desk, other)
}

fn client(ringpost: &Ringpost) -> Client {
    let mut client = Client::new(ringpost, Over::Udp, "1001");
    client.opens("");
    client.monitors("tel:1001");
    client
}

fn connection(name: &str, event: &str) -> String {
    let call = value(event, "callID");
    format!("<{name}><callID>{call}</callID><deviceID>tel:1001</deviceID></{name}>")
}

fn make_call(client: &mut Client, to: &str) -> String {
    let inside = format!(
        "<callingDevice>tel:1001</callingDevice><calledDirectoryNumber>{to}</calledDirectoryNumber>\
         <autoOriginate>doNotPrompt</autoOriginate>"
    );
    // The first event may come before the answer.
    let body = client.body("MakeCall", &inside);
    client.inside("INFO", crate::client::KIND, &body);
    let mut made = None;
    let mut originated = false;
    while made.is_none() || !originated {
        let message = client.peer.expect_any();
        match message.what() {
            "INFO" => {
                assert!(message.body().contains("<OriginatedEvent"), "{message}");
                client.peer.answer_with(&message, 200, "", "");
                originated = true;
            }
            _ => made = Some(value(message.body(), "callID").to_owned()),
        }
    }
    made.expect("made")
}

/// Over both legs of a call that talks: the peer that hangs up, the one that is hung up.
fn hung_up(by: &mut Peer, dialog: &mut Dialog, other: &mut Peer) {
    by.inside(dialog, "BYE", "", "");
    by.expect("200");
    let bye = other.expect("BYE");
    other.answer(&bye, 200);
}

/// MakeCall: the desk phone rings first; when it is taken it dials; the media of both ends meet; one call with one name.
#[test]
fn a_click_rings_the_desk_phone_and_then_dials() {
    let (ringpost, _, mut desk, mut other) = with_phones("");
    let mut client = client(&ringpost);
    let call = make_call(&mut client, "tel:1002");
    let ringing = desk.expect("INVITE");
    // The phone shows whom it will call; it is asked for its offer.
    assert!(ringing.one("From").contains("sip:1002@corp.test") && ringing.body().is_empty(), "{ringing}");
    desk.answer(&ringing, 180);
    other.silent_for(Duration::from_millis(200));
    let offer = SDP.replace("a=sendrecv\r\n", "");
    let ok = desk.answer_with(&ringing, 200, "", &offer);
    let ack = desk.expect("ACK");
    assert!(ack.body().contains("a=inactive") && ack.body().contains("m=audio 9 "), "{ack}");
    let invite = other.expect("INVITE");
    assert_eq!(invite.body(), offer);
    assert!(invite.one("From").contains("sip:1001@corp.test"), "{invite}");
    other.answer(&invite, 180);
    let delivered = client.hears("DeliveredEvent");
    assert_eq!(
        (value(&delivered, "callID"), value(&delivered, "localConnectionInfo")),
        (call.as_str(), "connected")
    );
    let answered = other.answer(&invite, 200);
    let meets = desk.expect("INVITE");
    assert_eq!(meets.body(), answered.body());
    desk.answer(&meets, 200);
    desk.expect("ACK");
    let established = client.hears("EstablishedEvent");
    assert_eq!(value(&established, "callID"), call);
    other.expect("ACK");
    let mut talk = Dialog::callee(&ringing, &ok);
    hung_up(&mut desk, &mut talk, &mut other);
    client.hears("ConnectionClearedEvent");
    client.peer.silent_for(Duration::from_millis(200));
    client.inside("BYE", "", "");
    client.peer.expect("200");
    drop(client);
    ringpost.back_to_baseline();
}

/// What cannot be dialled is refused; what nobody takes fails; what is busy hangs the phone up; what is cleared is cleared.
#[test]
fn clicks_that_lead_nowhere() {
    let (ringpost, _, mut desk, mut other) = with_phones("");
    let mut client = client(&ringpost);
    for to in ["tel:4711", "tel:+4512345678", "tel:1\"2", "sip:@x"] {
        let inside = format!(
            "<callingDevice>tel:1001</callingDevice><calledDirectoryNumber>{to}</calledDirectoryNumber>"
        );
        client.is_denied("MakeCall", &inside, "invalidDestination");
    }
    let other_device =
        "<callingDevice>tel:1002</callingDevice><calledDirectoryNumber>1001</calledDirectoryNumber>";
    client.is_denied("MakeCall", other_device, "securityViolation");
    desk.silent_for(Duration::from_millis(100));
    // The desk phone does not want it.
    make_call(&mut client, "tel:1002");
    let ringing = desk.expect("INVITE");
    desk.answer(&ringing, 486);
    desk.expect("ACK");
    let failed = client.hears("FailedEvent");
    assert!(
        failed.contains("<failingDevice><deviceIdentifier>tel:1001<"),
        "not the number's doing: {failed}"
    );
    client.hears("ConnectionClearedEvent");
    // The number is busy.
    make_call(&mut client, "tel:1002");
    let ringing = desk.expect("INVITE");
    desk.answer(&ringing, 200);
    desk.expect("ACK");
    let invite = other.expect("INVITE");
    other.answer(&invite, 486);
    other.expect("ACK");
    assert!(client.hears("FailedEvent").contains("<cause>busy<"));
    client.hears("ConnectionClearedEvent");
    let bye = desk.expect("BYE");
    desk.answer(&bye, 200);
    // Cleared while the desk phone rings, and while the number does.
    for dialled in [false, true] {
        let call = make_call(&mut client, "tel:1002");
        let ringing = desk.expect("INVITE");
        let clear = format!(
            "<connectionToBeCleared><callID>{call}</callID><deviceID>tel:1001</deviceID></connectionToBeCleared>"
        );
        let rings = if dialled {
            desk.answer(&ringing, 200);
            desk.expect("ACK");
            let invite = other.expect("INVITE");
            other.answer(&invite, 180);
            client.hears("DeliveredEvent");
            Some(invite)
        } else {
            desk.answer(&ringing, 180);
            std::thread::sleep(Duration::from_millis(50));
            None
        };
        client.does("ClearConnection", &clear);
        let (peer, taken_back) = match &rings {
            Some(invite) => (&mut other, invite),
            None => (&mut desk, &ringing),
        };
        let cancel = peer.expect("CANCEL");
        peer.answer(&cancel, 200);
        peer.answer(taken_back, 487);
        peer.expect("ACK");
        if dialled {
            let bye = desk.expect("BYE");
            desk.answer(&bye, 200);
        }
        client.is_denied("ClearConnection", &clear, "invalidConnectionID");
    }
    client.inside("BYE", "", "");
    client.peer.expect("200");
    drop(client);
    ringpost.back_to_baseline();
}

/// AnswerCall, HoldCall, RetrieveCall: the telephone is asked by NOTIFY, where it has said that it does such things; the
/// events come from what it then does.
#[test]
fn a_telephone_is_asked_to_answer_and_to_hold() {
    let (ringpost, mut pbx, mut desk, _) = with_phones("");
    let mut client = client(&ringpost);
    let invite = pbx.invite("1001");
    let ringing = desk.expect("INVITE");
    desk.answer_with(&ringing, 180, ALLOWS, "");
    pbx.expect("180");
    let delivered = client.hears("DeliveredEvent");
    client.is_denied("HoldCall", &connection("callToBeHeld", &delivered), "invalidConnectionState");
    client.does("AnswerCall", &connection("callToBeAnswered", &delivered));
    let notify = desk.expect("NOTIFY");
    assert_eq!((notify.one("Event"), notify.one("Call-ID")), ("talk", ringing.one("Call-ID")));
    assert!(notify.one("CSeq").starts_with("2 "), "{notify}");
    desk.answer(&notify, 200);
    let ok = desk.answer(&ringing, 200);
    let mut talk = Dialog::caller(&invite, &pbx.expect("200"));
    pbx.inside(&mut talk, "ACK", "", "");
    desk.expect("ACK");
    client.hears("EstablishedEvent");
    client.does("HoldCall", &connection("callToBeHeld", &delivered));
    let notify = desk.expect("NOTIFY");
    assert!(notify.one("Event") == "hold" && notify.one("CSeq").starts_with("3 "), "{notify}");
    desk.answer(&notify, 200);
    let mut own = Dialog::callee(&ringing, &ok);
    for (direction, event) in [("sendonly", "HeldEvent"), ("sendrecv", "RetrievedEvent")] {
        if direction == "sendrecv" {
            client.does("RetrieveCall", &connection("callToBeRetrieved", &delivered));
            let notify = desk.expect("NOTIFY");
            assert_eq!(notify.one("Event"), "talk");
            desk.answer(&notify, 200);
        }
        let body = format!("{}a={direction}\r\n", SDP.replace("a=sendrecv\r\n", ""));
        desk.inside(&mut own, "INVITE", "", &body);
        let again = pbx.expect("INVITE");
        pbx.answer(&again, 200);
        desk.expect("200");
        desk.inside(&mut own, "ACK", "", "");
        pbx.expect("ACK");
        client.hears(event);
    }
    // ClearConnection of a call that talks: BYE on both sides.
    client.does("ClearConnection", &connection("connectionToBeCleared", &delivered));
    for peer in [&mut desk, &mut pbx] {
        let bye = peer.expect("BYE");
        peer.answer(&bye, 200);
    }
    // A telephone that has said nothing of it is not asked, and rings on.
    let invite = pbx.invite("1001");
    let ringing = desk.expect("INVITE");
    desk.answer(&ringing, 180);
    pbx.expect("180");
    let mut delivered = client.peer.expect("INFO");
    while !delivered.body().contains("<DeliveredEvent") {
        client.peer.answer_with(&delivered, 200, "", "");
        delivered = client.peer.expect("INFO");
    }
    client.peer.answer_with(&delivered, 200, "", "");
    let delivered = delivered.body().to_owned();
    client.is_denied("AnswerCall", &connection("callToBeAnswered", &delivered), "invalidFeature");
    desk.silent_for(Duration::from_millis(100));
    // ClearConnection of a call that rings: as if it were declined.
    client.does("ClearConnection", &connection("connectionToBeCleared", &delivered));
    let cancel = desk.expect("CANCEL");
    desk.answer(&cancel, 200);
    desk.answer(&ringing, 487);
    desk.expect("ACK");
    pbx.refused(&invite, 480);
    client.is_denied("AnswerCall", &connection("callToBeAnswered", &delivered), "invalidConnectionID");
    ringpost.is_well();
}

/// DeflectCall: the call that rings goes to a colleague as if the user forwarded it, and never where a user's policy may not
/// send it (T19).
#[test]
fn a_ringing_call_is_deflected() {
    let (ringpost, mut pbx, mut desk, mut other) = with_phones("");
    let mut client = client(&ringpost);
    let invite = pbx.invite("1001");
    let ringing = desk.expect("INVITE");
    desk.answer(&ringing, 180);
    pbx.expect("180");
    let delivered = client.hears("DeliveredEvent");
    let to = |number: &str| {
        format!("{}<newDestination>{number}</newDestination>", connection("callToBeDiverted", &delivered))
    };
    for number in ["tel:+4512345678", "tel:1001", "tel:4711"] {
        client.is_denied("DeflectCall", &to(number), "invalidDestination");
    }
    let body = client.body("DeflectCall", &to("tel:1002"));
    client.inside("INFO", crate::client::KIND, &body);
    let mut done = false;
    let mut diverted = String::new();
    while !done || diverted.is_empty() {
        let message = client.peer.expect_any();
        match message.what() {
            "INFO" => {
                client.peer.answer_with(&message, 200, "", "");
                diverted = message.body().to_owned();
            }
            _ => done = message.body().contains("DeflectCallResponse"),
        }
    }
    assert!(diverted.contains("<DivertedEvent") && diverted.contains("tel:1002"), "{diverted}");
    let cancel = desk.expect("CANCEL");
    desk.answer(&cancel, 200);
    desk.answer(&ringing, 487);
    desk.expect("ACK");
    assert_eq!(pbx.expect_any().what(), "181");
    let forwarded = other.expect("INVITE");
    assert!(forwarded.one("Diversion").contains("sip:1001@corp.test"), "{forwarded}");
    let mut talk = pbx.talks(&invite, &mut other, &forwarded);
    hung_up(&mut pbx, &mut talk, &mut other);
    let gone: Sip = client.asks("DeflectCall", &to("tel:1002"));
    assert!(gone.body().contains("invalidConnectionID"), "{gone}");
    client.inside("BYE", "", "");
    client.peer.expect("200");
    drop(client);
    ringpost.back_to_baseline();
}

/// A user with two telephones: both ring, or the one that was used last, by answering or by dialling.
#[test]
fn a_click_rings_the_telephone_that_was_used_last() {
    for narrowed in [false, true] {
        let site = site(if narrowed { "make_call = \"last-used\"" } else { "" });
        let (mut pbx, mut desk, mut mobile, other) =
            (site.peer(Over::Udp), site.peer(Over::Udp), site.peer(Over::Udp), site.peer(Over::Udp));
        let ringpost = site.user("1001", &[&desk, &mobile], "").user("1002", &[&other], "").start();
        let mut client = client(&ringpost);
        let declined = |phone: &mut Peer| {
            let ringing = phone.expect("INVITE");
            phone.answer(&ringing, 486);
            phone.expect("ACK");
        };
        // Nobody has used any yet.
        make_call(&mut client, "tel:1002");
        declined(&mut desk);
        declined(&mut mobile);
        client.hears("FailedEvent");
        client.hears("ConnectionClearedEvent");
        // The mobile takes a call.
        let invite = pbx.invite("1001");
        let (ringing, on_desk) = (mobile.expect("INVITE"), desk.expect("INVITE"));
        desk.answer(&on_desk, 180);
        mobile.answer(&ringing, 200);
        let mut talk = Dialog::caller(&invite, &pbx.next_but("180"));
        pbx.inside(&mut talk, "ACK", "", "");
        mobile.expect("ACK");
        let cancel = desk.expect("CANCEL");
        desk.answer(&cancel, 200);
        desk.answer(&on_desk, 487);
        desk.expect("ACK");
        hung_up(&mut pbx, &mut talk, &mut mobile);
        for event in ["DeliveredEvent", "EstablishedEvent", "ConnectionClearedEvent"] {
            client.hears(event);
        }
        make_call(&mut client, "tel:1002");
        declined(&mut mobile);
        if !narrowed {
            declined(&mut desk);
        }
        client.hears("FailedEvent");
        client.hears("ConnectionClearedEvent");
        desk.silent_for(Duration::from_millis(100));
        // The desk phone dials.
        let text = desk.draft("INVITE", "sip:1002@corp.test", "", SDP);
        let text = text.replace("\"Ada Caller\" <sip:+4544890101@pbx.test>", "<sip:1001@corp.test>");
        desk.send(text.as_bytes());
        client.hears("OriginatedEvent");
        let dialled = Sip::new(text.as_bytes());
        desk.cancel(&dialled, "");
        let refusal = desk.next_but("200");
        desk.acknowledges(&dialled, &refusal);
        client.hears("ConnectionClearedEvent");
        make_call(&mut client, "tel:1002");
        declined(&mut desk);
        if !narrowed {
            declined(&mut mobile);
        }
        mobile.silent_for(Duration::from_millis(100));
        ringpost.is_well();
    }
}

impl Peer {
    /// The next message but those.
    fn next_but(&mut self, what: &str) -> Sip {
        loop {
            let message = self.expect_any();
            if message.what() != what {
                return message;
            }
        }
    }
}
