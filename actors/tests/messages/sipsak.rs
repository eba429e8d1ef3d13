//! sipsak as a watcher: SUBSCRIBEs of another make, from a PBX whose word for its users is taken; what is told goes to a peer of
//! the test.

use std::process::{Command, Stdio};

use crate::{
    support::{Over, PATIENCE, Peer, Ringpost, Sip, peer::fresh},
    watcher::{lamp, site, telephony},
};

fn is_there() -> bool {
    let there =
        Command::new("sipsak").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        println!("skipped: sipsak is missing");
    }
    there
}

/// Has sipsak send a SUBSCRIBE as 1002; what it printed, which is what it was answered.
fn subscribes(ringpost: &Ringpost, ears: &Peer, (user, lines): (&str, &str)) -> (bool, String) {
    let (address, name) = (ears.address, fresh());
    let text = format!(
        "SUBSCRIBE sip:{user}@corp.test SIP/2.0\r\nFrom: <sip:1002@corp.test>;tag={name}\r\nTo: <sip:{user}@corp.test>\r\n\
         Call-ID: sipsak-{name}\r\nCSeq: 1 SUBSCRIBE\r\nContact: <sip:1002@{address}>\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n"
    );
    let file = ringpost.folder.path().join(format!("subscribe-{name}"));
    std::fs::write(&file, text).expect("written");
    let output = Command::new("sipsak")
        .args(["-vvv", "-L", "-f"])
        .arg(&file)
        .args(["-s", &format!("sip:{user}@{}", ringpost.sip)])
        .output()
        .expect("sipsak runs");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn told(ears: &mut Peer) -> Sip {
    let notify = ears.next(PATIENCE).expect("a NOTIFY");
    assert_eq!(notify.what(), "NOTIFY", "{notify}");
    ears.answer_with(&notify, 200, "", "");
    notify
}

/// R20, R51, R58: a fetch, a lamp that follows a call, and what may not be seen.
#[test]
fn sipsak_fetches_and_watches() {
    if !is_there() {
        return;
    }
    let site = site("users = \"full\"");
    let (mut pbx, mut phone, mut ears) = (site.peer(Over::Udp), site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&phone], "").user("1002", &[], "").start();
    let (taken, answer) = subscribes(&ringpost, &ears, ("1001", "Event: presence\r\nExpires: 0\r\n"));
    assert!(taken && answer.contains("SIP/2.0 200"), "{answer}");
    let once = told(&mut ears);
    assert_eq!(
        (telephony(&once), once.one("Subscription-State")),
        ("available", "terminated;reason=timeout")
    );
    let (taken, answer) = subscribes(&ringpost, &ears, ("1001", "Event: dialog\r\nExpires: 600\r\n"));
    assert!(taken && answer.contains("SIP/2.0 200"), "{answer}");
    assert_eq!(lamp(&told(&mut ears)), "-");
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    assert_eq!(lamp(&told(&mut ears)), "early");
    pbx.cancel(&invite, "");
    assert_eq!(lamp(&told(&mut ears)), "-");
    // Its own count may be seen, that of another not.
    let counts = "Event: message-summary\r\nExpires: 0\r\n";
    let (taken, _) = subscribes(&ringpost, &ears, ("1002", counts));
    assert!(taken && told(&mut ears).body().starts_with("Messages-Waiting: no\r\n"));
    ringpost.reload(&ringpost.site().replace("users = \"full\"", "users = \"reduced\""));
    ringpost.logs("Read the site file again");
    let (taken, answer) = subscribes(&ringpost, &ears, ("1001", counts));
    assert!(!taken && answer.contains("SIP/2.0 403"), "{answer}");
    ringpost.is_well();
}
