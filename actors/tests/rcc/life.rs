//! How dialogs live and end: refresh, expiry, loss, bounds.

use std::time::Duration;

use crate::{
    client::{Client, site},
    support::{Over, Sip, peer::Dialog},
};

/// A client refreshes by re-INVITE; a session too short is refused; one event at a time, in order.
#[test]
fn a_dialog_is_refreshed_and_events_keep_their_order() {
    let site = site("");
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&phone], "").start();
    let mut client = Client::new(&ringpost, Over::Udp, "1001");
    let text = client.invite("Session-Expires: 30\r\n", &client.body("RequestSystemStatus", ""));
    client.peer.send(text.as_bytes());
    assert_eq!(client.peer.expect("422").one("Min-SE"), "90");
    client.opens("Session-Expires: 90;refresher=uac\r\n");
    client.monitors("tel:1001");
    let headers = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
    client.inside("INVITE", headers, "");
    let ok = client.peer.expect("200");
    assert!(ok.one("Session-Expires").starts_with("90") && ok.body().is_empty(), "{ok}");
    client.inside("ACK", "", "");
    // Refused at once: three events, of which the second waits for the answer to the first.
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    pbx.expect("180");
    let delivered = client.peer.expect("INFO");
    phone.answer(&ringing, 486);
    phone.expect("ACK");
    pbx.refused(&invite, 486);
    client.peer.silent_for(Duration::from_millis(200));
    client.peer.answer_with(&delivered, 200, "", "");
    client.hears("ConnectionClearedEvent");
    ringpost.is_well();
}

/// A client that does not know its dialog any more loses it, and nothing else: others go on, and so do calls.
#[test]
fn a_lost_dialog_costs_nothing_else() {
    let site = site("max_dialogs = 3\nmax_user_dialogs = 2");
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&phone], "").user("1002", &[], "").user("1003", &[], "").start();
    let mut gone = Client::new(&ringpost, Over::Udp, "1001");
    gone.opens("");
    gone.monitors("tel:1001");
    let mut stays = Client::new(&ringpost, Over::Udp, "1001");
    stays.opens("");
    stays.monitors("tel:1001");
    let third = |user: &str| {
        let mut client = Client::new(&ringpost, Over::Udp, user);
        let text = client.invite("", &client.body("RequestSystemStatus", ""));
        client.peer.send(text.as_bytes());
        let answer = client.peer.expect_any();
        if answer.what() == "200" {
            client.dialog = Some(Dialog::caller(&Sip::new(text.as_bytes()), &answer));
            client.inside("ACK", "", "");
        }
        (client, answer)
    };
    let (_, full) = third("1001");
    assert_eq!((full.what(), full.one("Retry-After")), ("503", "30"));
    let (mut other, _) = third("1002");
    assert_eq!(third("1003").1.what(), "503");
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    pbx.expect("180");
    let event = gone.peer.expect("INFO");
    gone.peer.answer_with(&event, 481, "", "");
    gone.is_ended();
    stays.hears("DeliveredEvent");
    phone.answer(&ringing, 486);
    phone.expect("ACK");
    pbx.refused(&invite, 486);
    stays.hears("ConnectionClearedEvent");
    // Its place is free again.
    let (mut again, _) = third("1003");
    for client in [&mut again, &mut other, &mut stays] {
        client.inside("BYE", "", "");
        client.peer.expect("200");
    }
    // Its dialog is no more.
    let body = again.body("GetCSTAFeatures", "");
    again.inside("INFO", crate::client::KIND, &body);
    again.peer.expect("481");
    ringpost.back_to_baseline();
}

/// A client that never refreshes is cleared, with its monitors. Takes a minute, so only with `RINGPOST_LONG=1`.
#[test]
fn a_session_that_nobody_refreshes_ends() {
    if std::env::var_os("RINGPOST_LONG").is_none() {
        return println!("skipped: takes a minute, see RINGPOST_LONG");
    }
    let ringpost = site("").user("1001", &[], "").start();
    let mut client = Client::new(&ringpost, Over::Udp, "1001");
    client.opens("Session-Expires: 90;refresher=uac\r\n");
    client.monitors("tel:1001");
    // Ringpost refreshes the session of a client that leaves it to Ringpost, as long as that one answers.
    let mut idle = Client::new(&ringpost, Over::Udp, "1001");
    idle.opens("Session-Expires: 90;refresher=uas\r\n");
    let refresh = idle.peer.next(Duration::from_secs(60)).expect("a refresh");
    assert_eq!(refresh.what(), "UPDATE");
    idle.peer.answer_with(&refresh, 200, "Session-Expires: 90;refresher=uac\r\n", "");
    let bye = client.peer.next(Duration::from_secs(60)).expect("the end");
    assert_eq!(bye.what(), "BYE");
    client.peer.answer(&bye, 200);
    ringpost.logs("was not refreshed");
    drop(client);
    idle.inside("BYE", "", "");
    idle.peer.expect("200");
    drop(idle);
    ringpost.back_to_baseline();
}
