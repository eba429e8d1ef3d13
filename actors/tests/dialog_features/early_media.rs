//! `early_media` of a trunk.

use std::time::Duration;

use crate::{
    office::{ELSEWHERE, Office, is_cancelled},
    support::{Over, SDP, Site, peer::Dialog},
};

#[test]
fn a_trunk_that_wants_no_early_media_hears_that_it_rings() {
    let site = Site::new().trunk_line("early_media = \"ring\"");
    let mut office = Office::on(site, Over::Udp, "missed_calls = \"off\"");
    let invite = office.pbx.invite("1001");
    let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
    office.desk.answer(&desk, 183);
    let ringing = office.pbx.expect("180");
    assert_eq!((ringing.body(), ringing.first("Content-Type")), ("", ""));
    office.desk.answer_with(&desk, 183, "X-Second: yes\r\n", SDP);
    office.soft.answer(&soft, 180);
    office.pbx.silent_for(Duration::from_millis(50));
    office.desk.answer(&desk, 200);
    office.desk.expect("ACK");
    is_cancelled(&mut office.soft, &soft, ELSEWHERE);
    let ok = office.pbx.expect("200");
    assert_eq!(ok.body(), SDP);
    let mut pbx = Dialog::caller(&invite, &ok);
    office.pbx.inside(&mut pbx, "ACK", "", "");
    office.pbx.ends(&mut pbx, &mut office.desk);
    office.ends();
}
