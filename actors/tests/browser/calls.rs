//! Calls to, from and between browsers.

use std::net::{Ipv6Addr, SocketAddr};

use crate::{
    authority::Authority,
    chromium::Chromium,
    office::ELSEWHERE,
    support::{Over, Ringpost, SDP, Sip, Site, peer::Dialog, ports},
};

/// SIP.js knows no digest but MD5, and takes the first that it is offered.
const MD5: &str = "[registrar]\nalgorithms = [\"MD5\"]";
const LOGIN: &str = "password = \"secret\"\nmissed_calls = \"off\"";

/// Browsers come from ::1, so that they are no trunk and have to prove who they are.
fn site(transport: &str) -> (Site, String) {
    let site = Site::new();
    let web = SocketAddr::from((Ipv6Addr::LOCALHOST, ports(1)));
    let listen = format!("[\"udp:{}\", \"{transport}:{web}\"]", site.sip);
    (site.listen(&listen).trunk_at(&["127.0.0.1"]).table(MD5), format!("{transport}://{web}"))
}

/// 1001 has a desk phone besides the browser's; R201: which of them loses hears why.
fn rings_and_is_cancelled((site, server): (Site, String)) {
    let (mut pbx, mut desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost: Ringpost = site.user("1001", &[&desk], LOGIN).start();
    let Some(browser) = Chromium::new(&server, "1001") else { return };
    let page = &browser.page;
    page.tells("1001", "registration", "Registered");
    // The desk phone answers first.
    let invite = pbx.invite("1001");
    let called = desk.expect("INVITE");
    let at_browser = Sip::new(page.tells("1001", "invite", "INVITE").as_bytes());
    assert_eq!(at_browser.body(), SDP, "what the media are is none of our business");
    pbx.expect("180");
    desk.answer(&called, 180);
    desk.answer(&called, 200);
    desk.expect("ACK");
    let ok = pbx.expect("200");
    let mut talk = Dialog::caller(&invite, &ok);
    pbx.inside(&mut talk, "ACK", "", "");
    let cancel = Sip::new(page.tells("1001", "cancel", "CANCEL").as_bytes());
    assert_eq!(cancel.first("Reason"), ELSEWHERE);
    assert_eq!(cancel.one("Call-ID"), at_browser.one("Call-ID"));
    page.tells("1001", "state", "Terminated");
    pbx.ends(&mut talk, &mut desk);
    // The browser declines for everybody.
    let invite = pbx.invite("1001");
    let called = desk.expect("INVITE");
    desk.answer(&called, 180);
    pbx.expect("180");
    page.tells("1001", "invite", "INVITE");
    page.order("reject 1001 603");
    crate::office::is_cancelled(&mut desk, &called, "");
    pbx.refused(&invite, 603);
    // The caller gives up.
    let invite = pbx.invite("1001");
    let called = desk.expect("INVITE");
    page.tells("1001", "invite", "INVITE");
    desk.answer(&called, 180);
    pbx.expect("180");
    pbx.cancel(&invite, "");
    pbx.expect("200");
    crate::office::is_cancelled(&mut desk, &called, "");
    pbx.refused(&invite, 487);
    let cancel = Sip::new(page.tells("1001", "cancel", "CANCEL").as_bytes());
    assert_eq!(cancel.first("Reason"), "");
    drop((browser, pbx, desk));
    ringpost.back_to_baseline();
}

#[test]
fn a_browser_phone_rings_and_is_cancelled_because_the_call_was_completed_elsewhere() {
    rings_and_is_cancelled(site("ws"));
}

#[test]
fn the_same_over_wss() {
    let authority = Authority::new("own");
    let (site, server) = site("wss");
    let keys = authority.site(site.folder.path(), &["::1"]);
    rings_and_is_cancelled((site.table(&keys), server));
}

#[test]
fn browsers_call_each_other_over_wss_and_hear_each_other() {
    let authority = Authority::new("own");
    let (site, server) = site("wss");
    let keys = authority.site(site.folder.path(), &["::1"]);
    let ringpost: Ringpost = site.table(&keys).user("1001", &[], LOGIN).user("1002", &[], LOGIN).start();
    let Some(browser) = Chromium::new(&server, "1001,1002") else { return };
    let page = &browser.page;
    page.tells("1001", "registration", "Registered");
    page.tells("1002", "registration", "Registered");
    page.order("call 1002 sip:1001@corp.test");
    let invite = Sip::new(page.tells("1001", "invite", "INVITE").as_bytes());
    assert!(invite.one("From").contains("sip:1002@"), "{invite}");
    page.order("answer 1001");
    for user in ["1001", "1002"] {
        page.tells(user, "state", "Established");
        // ICE and DTLS from one to the other: both have understood what the other has said through us.
        page.tells(user, "media", "connected");
    }
    page.order("hangup 1002");
    page.tells("1001", "bye", "BYE");
    page.tells("1001", "state", "Terminated");
    ringpost.logs("outcome=Talked");
    drop(browser);
    ringpost.back_to_baseline();
}
