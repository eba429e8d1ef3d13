//! Calls of the whole program by routes: turns, failover, and whose policy counts.

use std::time::{Duration, Instant};

use crate::{
    gateways::{Exchange, Mode, ONE_BY_ONE, WORKS},
    phone::{PASSWORD, Phone},
    support::{
        Over, Peer, Site,
        metrics::{ask, number},
        peer::Dialog,
        ports, until,
    },
};

const QUICK: &str = "timeout = \"300ms\"\nring_timeout = \"700ms\"";

#[test]
fn r34_a_hundred_calls_go_round_on_two_lanes_and_keep_going_round_without_the_dead() {
    let routes = "[[route]]\nname = \"all\"\npattern = '\\+'\nusages = [\"all\"]\ngateways = [\"gw0\", \"gw1\", \"gw2\"]\n\
        [voice_policy.all]\nusages = [\"all\"]\n[routing]\nvoice_policy = \"all\"\nprobe_after = \"1h\"\nprobe_longest = \"1h\"";
    let mut exchange = Exchange::new(Site::new().sip("lanes = 2"), 3, ("", QUICK), routes);
    let counts = |exchange: &Exchange| exchange.gateways.iter().map(|one| one.calls()).collect::<Vec<_>>();
    for call in 0..100 {
        assert_eq!(exchange.calls("+4930123").0, 486);
        let expected: Vec<usize> = (0..3).map(|at| (call + 3 - at) / 3).collect();
        assert_eq!(counts(&exchange), expected, "after call {call}");
    }
    assert_eq!(number(exchange.metrics, "routed_total"), 100);
    // gw1 dies: the one call whose turn it is goes on to gw2, the others never see it, and the two share the calls.
    exchange.gateways[1].does(Mode::Dead);
    let before = counts(&exchange);
    for _ in 0..21 {
        assert_eq!(exchange.calls("+4930123").0, 486);
    }
    let after: Vec<usize> =
        counts(&exchange).iter().zip(&before).map(|(after, before)| after - before).collect();
    assert_eq!(after[0] + after[2], 21, "{after:?}");
    assert!(after[1] == 1 && after[0].abs_diff(after[2]) <= 2, "{after:?}");
    assert_eq!(number(exchange.metrics, "trunk_next_total"), 1);
    assert_eq!(number(exchange.metrics, "gateways_out_total"), 1);
    let shown = ask(exchange.metrics, "GET /metrics HTTP/1.0\r\n\r\n");
    assert!(shown.contains("ringpost_route_failures_total{route=\"all\",gateway=\"gw1\"} 1\n"), "{shown}");
    assert!(shown.contains("ringpost_route_calls_total{route=\"all\",gateway=\"gw1\"} 34\n"), "{shown}");
    let log = exchange.ringpost.log();
    assert!(log.contains("route=\"all\" gateway=\"gw1\"") && log.contains("A gateway is out"), "{log}");
    exchange.ringpost.stops_well();
}

#[test]
fn r36_another_gateway_only_where_this_one_failed_and_nobody_has_rung() {
    let mut exchange = Exchange::new(Site::new(), 2, ("", QUICK), ONE_BY_ONE);
    let mut back = 0;
    let says = |code| Mode::Says(code, "");
    for (mode, goes_on, out) in [
        // What the telephone network says of the number is its answer.
        (says(404), false, false),
        (says(408), false, false),
        (says(480), false, false),
        (says(484), false, false),
        (says(488), false, false),
        (says(603), false, false),
        (Mode::Rings(500), false, false),
        (Mode::Rings(503), false, false),
        // Its own failures are not; three of them speak of the request alone.
        (says(500), true, true),
        (says(501), true, false),
        (says(502), true, true),
        (says(503), true, true),
        (says(504), true, true),
        (says(505), true, false),
        (says(513), true, false),
        (Mode::Dead, true, true),
        (Mode::Tries, true, true),
    ] {
        let before: Vec<usize> = exchange.gateways.iter().map(|one| one.calls()).collect();
        exchange.gateways[0].does(mode.clone());
        let (code, heard) = exchange.calls("+4930123");
        let tried: Vec<usize> =
            exchange.gateways.iter().zip(before).map(|(one, before)| one.calls() - before).collect();
        assert_eq!(tried, [1, usize::from(goes_on)], "{mode:?}");
        match (&mode, goes_on) {
            (_, true) => assert_eq!((code, heard.len()), (486, 0), "{mode:?}: {heard:?}"),
            (Mode::Says(said, _), false) if *said != 408 => assert_eq!(code, *said, "{mode:?}"),
            (Mode::Rings(_), false) => assert_eq!(heard, ["180"], "{mode:?}"),
            _ => assert!(code >= 400, "{mode:?}"),
        }
        if out {
            // The next call does not try it first, unless OPTIONS have found it well meanwhile.
            let well = matches!(mode, Mode::Dead);
            if well {
                let before = exchange.gateways[0].calls();
                assert_eq!(exchange.calls("+4930123").0, 486);
                assert_eq!(exchange.gateways[0].calls(), before);
            }
            exchange.gateways[0].does(WORKS);
            back += 1;
            exchange.came_back(back);
        }
    }
    let cancelled = exchange.gateways[0].heard().iter().filter(|heard| heard.what() == "CANCEL").count();
    assert_eq!(cancelled, 1, "what only tries is taken back");
    // Nobody is left: the caller's side may look for another way itself.
    exchange.gateways.iter().for_each(|one| one.does(Mode::Dead));
    assert_eq!(exchange.calls("+4930123").0, 503);
    assert_eq!(exchange.calls("+4930123").0, 503, "and at once where all are known to be down");
    assert_eq!(number(exchange.metrics, "routes_failed_total"), 1);
    exchange.ringpost.stops_well();
}

#[test]
fn a_gateway_that_asks_for_a_rest_gets_it() {
    let routes = ONE_BY_ONE.replace("200ms", "300ms");
    let mut exchange = Exchange::new(Site::new(), 2, ("", QUICK), &routes);
    exchange.gateways[0].does(Mode::Says(503, "Retry-After: 2 (busy)\r\n"));
    let since = Instant::now();
    assert_eq!(exchange.calls("+4930123").0, 486);
    exchange.gateways[0].does(WORKS);
    exchange.came_back(1);
    assert!(since.elapsed() >= Duration::from_secs(2), "{:?}", since.elapsed());
    assert_eq!(exchange.gateways[0].calls(), 1);
    exchange.ringpost.stops_well();
}

#[test]
fn whose_policy_counts_and_what_number_is_shown() {
    let routes = "[[route]]\nname = \"germany\"\npattern = '\\+49'\nusages = [\"de\"]\ngateways = [\"gw0\"]\n\
        [[route]]\nname = \"denmark\"\npattern = '\\+45'\nusages = [\"dk\"]\ngateways = [\"gw1\"]\ncaller_number = \"+49307770\"\n\
        [voice_policy.de]\nusages = [\"de\"]\n[voice_policy.dk]\nusages = [\"dk\"]\n[voice_policy.none]\nusages = []";
    let user = |number: &str, policy: &str| {
        format!(
            "[[user]]\naddress = \"sip:{number}@corp.test\"\nnumbers = [{number:?}, \"+4930777{number}\"]\n{policy}\n"
        )
    };
    let tables = [routes, &user("1001", "voice_policy = \"dk\""), &user("1002", "")]
        .concat()
        .replace("usages = []", "usages = []\n");
    let mut exchange = Exchange::new(Site::new(), 2, ("voice_policy = \"de\"", QUICK), &tables);
    let by = |user: &str| format!("P-Asserted-Identity: <sip:{user}@pbx.test>\r\n");
    for (headers, number, code) in [
        // Nobody that is known: by the trunk's own policy.
        (String::new(), "+4930123", 486),
        (String::new(), "+4544", 403),
        (by("1001"), "+4544", 486),
        (by("1001"), "+4930123", 403),
        // A user without a policy where the site has no usual one, and a transfer that the PBX's user did not ask for.
        (by("1002"), "+4930123", 403),
        (by("1001") + "Referred-By: <sip:x@pbx.test>\r\n", "+4544", 403),
        (by("1001"), "+4612", 403),
        (String::new(), "1777", 404),
    ] {
        let invite = exchange.pbx.invite_with(number, &headers);
        assert_eq!(exchange.hears(&invite).0, code, "{headers}{number}");
    }
    assert_eq!(exchange.gateways.iter().map(|one| one.calls()).collect::<Vec<_>>(), [1, 1]);
    let (shown, own) = (exchange.gateways[1].invite(), exchange.gateways[0].invite());
    assert!(shown.one("From").contains("<sip:+49307770@corp.test>"), "{shown}");
    assert!(own.one("From").contains("<sip:+4544890101@corp.test>"), "{own}");
    assert_eq!(number(exchange.metrics, "calls_refused_voice_policy_total"), 5);
    exchange.ringpost.stops_well();
}

#[test]
fn a_forwarded_call_goes_on_to_the_next_route_and_is_told_once() {
    let site = Site::new().maildir();
    let mut desk = site.peer(Over::Udp);
    let user =
        "missed_calls = \"mail\"\nmail = \"ada@corp.test\"\n[user.policy]\nforward_busy = \"+4917012345\"";
    let site = site.user("1001", &[&desk], user);
    let mut exchange = Exchange::new(site, 2, ("", QUICK), ONE_BY_ONE);
    exchange.gateways[0].does(Mode::Dead);
    exchange.gateways[1].does(Mode::Rings(486));
    let invite = exchange.pbx.invite("1001");
    let ring = desk.expect("INVITE");
    desk.answer(&ring, 486);
    desk.expect("ACK");
    let (code, heard) = exchange.hears(&invite);
    assert_eq!((code, heard.iter().filter(|heard| *heard == "180").count()), (486, 1), "{heard:?}");
    for gateway in &exchange.gateways {
        assert_eq!(gateway.calls(), 1);
        let out = gateway.invite();
        assert!(out.one("Diversion").contains("1001@corp.test"), "{out}");
    }
    assert_ne!(exchange.gateways[0].invite().one("Call-ID"), exchange.gateways[1].invite().one("Call-ID"));
    exchange.ringpost.has_mails("ada@corp.test", 1);
    // A user whose policy has no way: the number is left out, as one that is not allowed.
    exchange.ringpost.stops_well();
}

#[test]
fn a_phone_that_rings_along_is_found_behind_the_second_route_and_taken_back() {
    let site = Site::new().maildir();
    let mut desk = site.peer(Over::Udp);
    let user = "missed_calls = \"mail\"\nmail = \"ada@corp.test\"\n[user.policy]\nring_also = [\"+4917012345\"]\naccept_key = false";
    let site = site.user("1001", &[&desk], user);
    let mut exchange = Exchange::new(site, 2, ("", QUICK), ONE_BY_ONE);
    exchange.gateways[0].does(Mode::Says(500, ""));
    exchange.gateways[1].does(Mode::Tries);
    let invite = exchange.pbx.invite("1001");
    let ring = desk.expect("INVITE");
    until("the second route is tried", || exchange.gateways[1].calls() == 1);
    desk.answer(&ring, 200);
    desk.expect("ACK");
    let ok = exchange.pbx.expect("200");
    let mut dialog = Dialog::caller(&invite, &ok);
    exchange.pbx.inside(&mut dialog, "ACK", "", "");
    until("it is taken back", || exchange.gateways[1].heard().iter().any(|heard| heard.what() == "CANCEL"));
    exchange.pbx.ends(&mut dialog, &mut desk);
    exchange.ringpost.logs("outcome=Talked");
    assert_eq!((exchange.gateways[0].calls(), exchange.gateways[1].calls()), (1, 1));
    assert_eq!(exchange.ringpost.mails("ada@corp.test").len(), 0);
    exchange.ringpost.stops_well();
}

#[test]
fn a_referrer_pays_for_a_transfer() {
    let site = Site::new();
    let mut desk = site.peer(Over::Udp);
    let site = site.user("1001", &[&desk], "missed_calls = \"off\"\nvoice_policy = \"all\"");
    // The PBX's callers may call nobody; who transfers them to a number outside may.
    let routes = ONE_BY_ONE.replace("voice_policy = \"all\"\n", "voice_policy = \"none\"\n")
        + "\n[voice_policy.none]\nusages = []";
    let mut exchange = Exchange::new(site, 2, ("", QUICK), &routes);
    assert_eq!(exchange.calls("+4930123").0, 403);
    let invite = exchange.pbx.invite("1001");
    let ring = desk.expect("INVITE");
    let answer = desk.answer(&ring, 200);
    desk.expect("ACK");
    let ok = exchange.pbx.expect("200");
    let mut caller = Dialog::caller(&invite, &ok);
    exchange.pbx.inside(&mut caller, "ACK", "", "");
    let mut called = Dialog::callee(&ring, &answer);
    for (peer, dialog, code) in [(&mut exchange.pbx, &mut caller, 403), (&mut desk, &mut called, 486)] {
        let host = dialog.target.rsplit('@').next().expect("a host").to_owned();
        peer.inside(dialog, "REFER", &format!("Refer-To: <sip:+4930123@{host}>\r\n"), "");
        peer.expect("202");
        let told = (0..3).find_map(|_| told(peer).filter(|told| *told >= 300));
        assert_eq!(told, Some(code));
    }
    assert_eq!(exchange.gateways[0].calls(), 1);
}

#[test]
fn r70_a_users_own_phone_needs_no_pbx() {
    let user = |number: &str, policy: &str| {
        format!(
            "[[user]]\naddress = \"sip:{number}@corp.test\"\nnumbers = [{number:?}, \"+4930777{number}\"]\n\
             password = \"{PASSWORD}\"\nmissed_calls = \"off\"\n{policy}\n"
        )
    };
    let routes = ONE_BY_ONE.replace("voice_policy = \"all\"\n", "");
    let tables = [user("2001", "voice_policy = \"all\""), user("2002", ""), routes].concat();
    let exchange = Exchange::new(Site::new(), 2, ("", QUICK), &tables);
    exchange.gateways[0].does(Mode::Says(503, ""));
    for (number, code) in [("2001", "486"), ("2002", "403")] {
        let mut phone = Phone::new(Over::Udp, "127.0.0.40", &exchange.ringpost, number);
        assert_eq!(phone.calls("030123").1.what(), code, "{number}");
    }
    assert!(exchange.gateways[1].invite().one("From").contains("+49307772001@"));
    assert_eq!((exchange.gateways[0].calls(), exchange.gateways[1].calls()), (1, 1));
}

#[test]
fn t35_a_gateway_that_is_gone_costs_the_call_nothing_and_a_silent_one_only_the_first() {
    let routes = ONE_BY_ONE.replace("gateways = [\"gw0\"]", "gateways = [\"gone\"]").replace("gw1", "gw0");
    let gone = format!(
        "{routes}\n[[trunk]]\nname = \"gone\"\nsources = [\"127.0.0.30\"]\ntarget = \"sip:127.0.0.30:{};transport=tcp\"\n",
        ports(1)
    );
    let mut exchange = Exchange::new(Site::new(), 1, ("", QUICK), &gone);
    let since = Instant::now();
    assert_eq!(exchange.calls("+4930123").0, 486);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert_eq!(exchange.calls("+4930123").0, 486);
    assert_eq!((exchange.gateways[0].calls(), number(exchange.metrics, "trunk_next_total")), (2, 1));
    exchange.ringpost.stops_well();
}

/// What a NOTIFY tells of a transfer.
fn told(peer: &mut Peer) -> Option<u16> {
    let notify = peer.expect("NOTIFY");
    peer.answer(&notify, 200);
    notify.body().split(' ').nth(1)?.parse().ok()
}
