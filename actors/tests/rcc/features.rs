//! Forwarding and do not disturb: the same as by feature codes, set and seen by clients (R110).

use crate::{
    client::{Client, site, value},
    support::Over,
};

#[test]
fn forwarding_and_do_not_disturb_are_set_and_seen() {
    let site = site("");
    let (mut pbx, mut phone, mut other) = (site.peer(Over::Udp), site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&phone], "").user("1002", &[&other], "").start();
    let mut client = Client::new(&ringpost, Over::Udp, "1001");
    client.opens("");
    client.monitors("tel:1001");
    // The event may come before the answer; another client sees it.
    let mut second = Client::new(&ringpost, Over::Udp, "1001");
    second.opens("");
    second.monitors("tel:1001");
    let device = "<device>tel:1001</device>";
    assert_eq!(value(&client.does("GetDoNotDisturb", device), "doNotDisturbOn"), "false");
    client.does("SetDoNotDisturb", &format!("{device}<doNotDisturbOn>true</doNotDisturbOn>"));
    assert_eq!(value(&second.hears("DoNotDisturbEvent"), "doNotDisturbOn"), "true");
    assert_eq!(value(&client.does("GetDoNotDisturb", device), "doNotDisturbOn"), "true");
    let invite = pbx.invite("1001");
    pbx.refused(&invite, 486);
    client.does("SetDoNotDisturb", &format!("{device}<doNotDisturbOn>false</doNotDisturbOn>"));
    second.hears("DoNotDisturbEvent");
    let forward = |on: bool, kind: &str, to: &str| {
        format!(
            "{device}<activateForward>{on}</activateForward><forwardingType>{kind}</forwardingType><forwardDN>{to}</forwardDN>"
        )
    };
    client.does("SetForwarding", &forward(true, "forwardImmediate", "tel:1002"));
    let event = second.hears("ForwardingEvent");
    assert!(event.contains("<forwardStatus>true<") && event.contains("tel:1002"), "{event}");
    client.does("SetForwarding", &forward(true, "forwardBusy", "tel:1002"));
    let event = second.hears("ForwardingEvent");
    assert!(event.contains("<forwardingType>forwardBusy<") && event.contains("tel:1002"), "{event}");
    let list = client.does("GetForwarding", device);
    assert!(
        list.contains("forwardImmediate") && list.contains("forwardBusy") && !list.contains("NoAns"),
        "{list}"
    );
    let invite = pbx.invite("1001");
    pbx.expect("181");
    let ringing = other.expect("INVITE");
    other.answer(&ringing, 486);
    other.expect("ACK");
    pbx.refused(&invite, 486);
    client.does("SetForwarding", &forward(false, "forwardImmediate", "tel:1002"));
    assert!(second.hears("ForwardingEvent").contains("<forwardStatus>false<"));
    // What no feature code may do, no client may (T19).
    for to in ["tel:1001", "tel:+4512345678", ""] {
        let word = if to.is_empty() { "generic" } else { "invalidDestination" };
        client.is_denied("SetForwarding", &forward(true, "forwardImmediate", to), word);
    }
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 603);
    phone.expect("ACK");
    pbx.refused(&invite, 603);
    ringpost.is_well();
}
