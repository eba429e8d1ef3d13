//! Dial plans and their UM servers (R14): who is asked for whom.

use std::time::{Duration, Instant};

use crate::{
    support::{Over, Site},
    um_pool::takes,
};

#[test]
fn r14_each_dial_plan_has_its_servers_and_what_is_known_of_one_is_known_to_all() {
    let site = Site::new();
    let [mut pbx, mut shared, mut labs, mut branchs] = [(); 4].map(|()| site.peer(Over::Udp));
    let ringpost = site
        .table("[um]\nstrategy = \"round-robin\"\ntimeout = \"2s\"\nprobe_after = \"10m\"\nprobe_longest = \"10m\"")
        .plan("lab", &[&shared.uri(), &labs.uri()])
        .plan("branch", &[&shared.uri(), &branchs.uri()])
        .user("1001", &[], "um_plan = \"lab\"\nmissed_calls = \"off\"")
        .user("1002", &[], "um_plan = \"branch\"\nmissed_calls = \"off\"")
        .start();
    // A call of the lab finds out that the shared one is dead.
    let invite = pbx.invite("1001");
    pbx.expect("181");
    shared.expect("INVITE");
    let to_um = labs.expect("INVITE");
    takes(&mut pbx, &mut labs, &invite, &to_um);
    // The branch has not to find it out again, and has nothing to do with the lab's other one.
    for _ in 0..4 {
        let since = Instant::now();
        let invite = pbx.invite("1002");
        pbx.expect("181");
        let to_um = branchs.expect("INVITE");
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
        takes(&mut pbx, &mut branchs, &invite, &to_um);
    }
    shared.silent_for(Duration::from_millis(30));
    labs.silent_for(Duration::from_millis(30));
    drop((pbx, shared, labs, branchs));
    ringpost.stops_well();
}
