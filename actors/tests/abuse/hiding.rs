//! Topology: what stands in the network behind one side is not for the other to see, but for SDP.

use crate::{
    office::Office,
    support::{Over, Peer, SDP, Sip, Site, peer::Dialog},
};

/// What is behind the trunk, and what is behind the phone.
const TRUNK: [&str; 3] = ["198.51.100.7", "198.51.100.8", "gw.inside.test"];
const PHONE: [&str; 3] = ["203.0.113.7", "203.0.113.8", "proxy.home.test"];

/// Headers that name the network of whoever sends them.
fn inside([one, other, name]: [&str; 3]) -> String {
    format!(
        "Record-Route: <sip:{one};lr>\r\nRecord-Route: <sip:{name};lr>\r\nWarning: 399 {other} \"x\"\r\n\
         P-Charging-Vector: icid-value=1;icid-generated-at={other}\r\nP-Access-Network-Info: X;host={one}\r\n\
         P-Charging-Function-Addresses: ccf={other}\r\nTimestamp: 1\r\nX-Kept: yes\r\n"
    )
}

/// No line of the head names an address of the other side.
fn hides(message: &Sip, hidden: &[&str]) {
    let text = message.to_string();
    let head = text.split("\r\n\r\n").next().unwrap_or("");
    for hidden in hidden {
        assert!(!head.contains(hidden), "{hidden} in\n{head}");
    }
}

#[test]
fn neither_side_sees_the_addresses_of_the_other() {
    let site = Site::new();
    // The phone has an address of its own, so that it can be told from the trunk's.
    let here = site.sip;
    let mut desk = Peer::new(Over::Udp, "127.0.0.20", here);
    let uri = desk.uri();
    let office = Office::on(
        site.table(&format!(
            "[[user]]\naddress = \"sip:1005@corp.test\"\nnumbers = [\"1005\"]\ndevices = [{uri:?}]\nmissed_calls = \"off\""
        )),
        Over::Udp,
        "missed_calls = \"off\"",
    );
    let mut pbx = Peer::new(Over::Udp, "127.0.0.1", here);
    let (trunk, phone) = (pbx.address.to_string(), desk.address.ip().to_string());
    let to_phone: Vec<&str> = TRUNK.into_iter().chain([&*trunk]).collect();
    let to_trunk: Vec<&str> = PHONE.into_iter().chain([&*phone]).collect();

    let invite = pbx.invite_with("1005", &inside(TRUNK));
    let rung = desk.expect("INVITE");
    hides(&rung, &to_phone);
    assert_eq!(rung.one("X-Kept"), "yes");
    assert_ne!(rung.one("Call-ID"), invite.one("Call-ID"));
    assert_eq!((rung.all("Via").len(), rung.all("Record-Route").len()), (1, 0));
    desk.answer_with(&rung, 180, &inside(PHONE), "");
    let ringing = pbx.expect("180");
    hides(&ringing, &to_trunk);
    // A route would lead where nobody is.
    let lines = inside(PHONE);
    let answer: String =
        lines.split_inclusive('\n').filter(|line| !line.starts_with("Record-Route")).collect();
    let answer = desk.answer_with(&rung, 200, &answer, SDP);
    hides(&desk.expect("ACK"), &to_phone);
    let ok = pbx.expect("200");
    hides(&ok, &to_trunk);
    let mut dialog = Dialog::caller(&invite, &ok);
    dialog.routes.clear();
    pbx.inside(&mut dialog, "ACK", "", "");
    pbx.inside(&mut dialog, "INFO", &inside(TRUNK), "");
    let info = desk.expect("INFO");
    hides(&info, &to_phone);
    desk.answer(&info, 200);
    hides(&pbx.expect("200"), &to_trunk);
    let mut callee = Dialog::callee(&rung, &answer);
    desk.inside(&mut callee, "INVITE", "", SDP);
    let again = pbx.expect("INVITE");
    hides(&again, &to_trunk);
    pbx.answer(&again, 200);
    desk.expect("200");
    desk.inside(&mut callee, "ACK", "", "");
    hides(&pbx.expect("ACK"), &to_trunk);
    desk.inside(&mut callee, "BYE", "", "");
    desk.expect("200");
    let bye = pbx.expect("BYE");
    hides(&bye, &to_trunk);
    pbx.answer(&bye, 200);
    drop((pbx, desk));
    office.ends();
}

#[test]
fn what_both_sides_run_is_not_told_where_the_site_says_something_else() {
    let site = Site::new().table("[security]\nproduct = \"Telephony\"");
    let mut office = Office::on(site, Over::Udp, "missed_calls = \"off\"");
    let invite = office.pbx.invite_with("1001", "User-Agent: OldPBX 1.0\r\n");
    let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
    assert_eq!(desk.one("User-Agent"), "Telephony");
    office.soft.answer(&soft, 180);
    office.pbx.expect("180");
    let answer = office.desk.answer_with(&desk, 200, "Server: OldPhone 2.0\r\n", SDP);
    office.desk.expect("ACK");
    crate::office::is_cancelled(&mut office.soft, &soft, crate::office::ELSEWHERE);
    let ok = office.pbx.expect("200");
    assert_eq!(ok.one("Server"), "Telephony");
    let mut pbx = Dialog::caller(&invite, &ok);
    office.pbx.inside(&mut pbx, "ACK", "", "");
    office.pbx.inside(&mut pbx, "INFO", "User-Agent: OldPBX 1.0\r\n", "");
    let info = office.desk.expect("INFO");
    assert_eq!(info.one("User-Agent"), "Telephony");
    office.desk.answer(&info, 200);
    office.pbx.expect("200");
    office.hangs_up(crate::office::Talk { pbx, phone: Dialog::callee(&desk, &answer) });
    office.ends();
}
