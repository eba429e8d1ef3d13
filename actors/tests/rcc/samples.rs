//! The shared uaCSTA samples, sent to the running program: each gets the right answer, in both roles.

use std::{env, fs, path::PathBuf};

use crate::{
    client::{Client, KIND, root, site, value},
    pbx::Pbx,
    support::{Over, peer::Dialog},
    watcher::{Watcher, lamp},
};

/// The bodies by their names; `None`, and a word about it, where they are missing.
fn samples() -> Option<impl Fn(&str) -> String> {
    let folder =
        env::var_os("RINGPOST_CORPORA").map_or_else(|| PathBuf::from("../../shared/corpora"), PathBuf::from);
    let folder = folder.join("uacsta");
    if !folder.is_dir() {
        println!("skipped: the shared uaCSTA samples are missing");
        return None;
    }
    Some(move |name: &str| fs::read_to_string(folder.join(format!("{name}.xml"))).expect("a sample"))
}

/// The name of the next call that rings; events of those before it are answered.
fn delivered(client: &mut Client) -> String {
    loop {
        let info = client.peer.expect("INFO");
        client.peer.answer_with(&info, 200, "", "");
        if root(&info) == "DeliveredEvent" {
            return value(info.body(), "callID").to_owned();
        }
    }
}

#[test]
fn the_shared_samples_are_answered() {
    let Some(sample) = samples() else { return };
    let site = site("");
    let (mut caller, mut desk, mut nine) = (site.peer(Over::Udp), site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.user("200", &[&desk], "").user("9", &[&nine], "").start();
    let mut client = Client::new(&ringpost, Over::Udp, "200");
    let text = client.invite("", &sample("RequestSystemStatus"));
    client.peer.send(text.as_bytes());
    let ok = client.peer.expect("200");
    assert_eq!(
        (root(&ok).as_str(), value(ok.body(), "systemStatus")),
        ("RequestSystemStatusResponse", "normal")
    );
    client.dialog = Some(Dialog::caller(&crate::support::Sip::new(text.as_bytes()), &ok));
    client.inside("ACK", "", "");
    let says = |client: &mut Client, body: &str| {
        let sent = client.inside("INFO", KIND, body);
        loop {
            let message = client.peer.expect_any();
            if message.one("CSeq") == sent.one("CSeq") && message.what() != "INFO" {
                assert_eq!(message.what(), "200", "{message}");
                return (root(&message), message.body().to_owned());
            }
            client.peer.answer_with(&message, 200, "", "");
        }
    };
    // Answers and events are no services.
    for name in ["DeliveredEvent", "MakeCallResponse", "MonitorStartResponse", "RequestSystemStatusResponse"]
    {
        let (element, body) = says(&mut client, &sample(name));
        assert!(element == "CSTAErrorCode" && body.contains(">invalidFeature<"), "{name}: {body}");
    }
    // There is no such call, and no way to that number.
    for (name, word) in [
        ("AnswerCall", "invalidConnectionID"),
        ("ClearConnection", "invalidConnectionID"),
        ("DeflectCall", "invalidConnectionID"),
        ("MakeCall", "invalidDestination"),
    ] {
        let (element, body) = says(&mut client, &sample(name));
        assert!(element == "CSTAErrorCode" && body.contains(&format!(">{word}<")), "{name}: {body}");
    }
    assert_eq!(says(&mut client, &sample("MonitorStart")).0, "MonitorStartResponse");
    // Now there is a call of that name, as far as it has one.
    let invite = caller.invite("200");
    let ringing = desk.expect("INVITE");
    desk.answer_with(&ringing, 180, "Allow-Events: talk, hold\r\n", "");
    caller.expect("180");
    let call = delivered(&mut client);
    let named = |name: &str| sample(name).replace(">c1<", &format!(">{call}<"));
    assert_eq!(says(&mut client, &named("AnswerCall")).0, "AnswerCallResponse");
    let notify = desk.expect("NOTIFY");
    desk.answer(&notify, 200);
    assert_eq!(says(&mut client, &named("DeflectCall")).0, "DeflectCallResponse");
    let cancel = desk.expect("CANCEL");
    desk.answer(&cancel, 200);
    desk.answer(&ringing, 487);
    desk.expect("ACK");
    let forwarded = nine.expect("INVITE");
    nine.answer(&forwarded, 180);
    caller.cancel(&invite, "");
    let cancel = nine.expect("CANCEL");
    nine.answer(&cancel, 200);
    nine.answer(&forwarded, 487);
    nine.expect("ACK");
    let invite = caller.invite("200");
    let ringing = desk.expect("INVITE");
    desk.answer(&ringing, 180);
    let call = delivered(&mut client);
    let clear = sample("ClearConnection").replace(">c1<", &format!(">{call}<"));
    assert_eq!(says(&mut client, &clear).0, "ClearConnectionResponse");
    let cancel = desk.expect("CANCEL");
    desk.answer(&cancel, 200);
    desk.answer(&ringing, 487);
    desk.expect("ACK");
    drop(invite);
    assert_eq!(says(&mut client, &sample("SetForwarding")).0, "SetForwardingResponse");
    let forwarding = client.does("GetForwarding", "<device>tel:200</device>");
    assert_eq!(value(&forwarding, "forwardDN"), "tel:9");
    ringpost.is_well();
}

/// A gateway that says no more than the samples: the answers of one service each, and the event of a call that rings.
#[test]
fn a_gateway_that_speaks_in_samples() {
    let Some(sample) = samples() else { return };
    let site = crate::watcher::site("users = \"full\"");
    let mut pbx = Pbx::new(&site, Over::Udp);
    let table = pbx.table("users = [\"200\"]");
    let ringpost = site.table(&table).user("200", &[], "").user("1002", &[], "").start();
    let invite = pbx.peer.expect("INVITE");
    let ok = pbx.peer.answer_with(&invite, 200, KIND, &sample("RequestSystemStatusResponse"));
    pbx.peer.expect("ACK");
    let mut dialog = Dialog::callee(&invite, &ok);
    let features = pbx.peer.expect("INFO");
    pbx.peer.answer_with(&features, 200, "", "");
    let start = pbx.peer.expect("INFO");
    assert_eq!(root(&start), "MonitorStart");
    pbx.peer.answer_with(&start, 200, KIND, &sample("MonitorStartResponse"));
    // Of what else is asked it knows nothing.
    for asked in ["SnapshotDevice", "GetForwarding", "GetDoNotDisturb"] {
        let info = pbx.peer.expect("INFO");
        assert_eq!(root(&info), asked);
        pbx.peer.answer_with(&info, 200, KIND, &sample("MakeCallResponse"));
    }
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("200", "dialog", "");
    pbx.peer.inside(&mut dialog, "INFO", KIND, &sample("DeliveredEvent"));
    pbx.peer.expect("200");
    let rings = watcher.notified();
    assert!(lamp(&rings) == "early" && rings.body().contains("tel:+4511"), "{rings}");
}
