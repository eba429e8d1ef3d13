//! Two lanes: the same calls, wherever their messages arrive (DESIGN decision 6).

use std::collections::BTreeSet;

use crate::{
    office::{ELSEWHERE, Office, Talk, is_cancelled},
    support::{Over, Site, peer::Dialog},
};

#[test]
fn calls_of_one_source_spread_over_the_lanes_and_keep_theirs() {
    for over in Over::BOTH {
        let site = Site::new().sip("lanes = 2");
        let mut office = Office::on(site, over, "missed_calls = \"off\"\nring_for = \"60s\"");
        let mut lanes = BTreeSet::new();
        for run in 0..24 {
            let [invite, desk, soft] = office.rings();
            // Tags begin with the number of their lane.
            lanes.insert(desk.one("Call-ID")[..2].to_owned());
            match run % 3 {
                0 => {
                    office.pbx.cancel(&invite, "");
                    office.pbx.expect("200");
                    is_cancelled(&mut office.desk, &desk, "");
                    is_cancelled(&mut office.soft, &soft, "");
                    office.pbx.refused(&invite, 487);
                }
                1 => {
                    let answer = office.desk.answer(&desk, 200);
                    office.desk.expect("ACK");
                    is_cancelled(&mut office.soft, &soft, ELSEWHERE);
                    let ok = office.pbx.expect("200");
                    let mut pbx = Dialog::caller(&invite, &ok);
                    office.pbx.inside(&mut pbx, "ACK", "", "");
                    office.hangs_up(Talk { pbx, phone: Dialog::callee(&desk, &answer) });
                }
                _ => {
                    for (phone, invite) in [(&mut office.desk, &desk), (&mut office.soft, &soft)] {
                        phone.answer(invite, 486);
                        phone.expect("ACK");
                    }
                    office.pbx.expect("181");
                    let (_, talk) = office.um_takes(&invite);
                    office.um_hangs_up(talk);
                }
            }
        }
        assert_eq!(lanes, BTreeSet::from(["00".to_owned(), "01".to_owned()]));
        office.ends();
    }
}
