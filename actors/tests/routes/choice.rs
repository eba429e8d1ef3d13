//! The choice of the way: tables, and random histories against a model. Time is an input.

use std::{path::Path, sync::LazyLock, time::Duration};

use jiff::Timestamp;
use ringpost::{
    directory::{Behalf, Directory, Fit, NoWay, Ways},
    settings::Site,
    um::health::Sign,
};
use ringpost_actors::load;

const AT: Timestamp = Timestamp::UNIX_EPOCH;

/// Three places with their gateways, and who may use them.
const SITE: &str = r#"
[outbound]
allowed_prefixes = ["+45", "+46", "112"]
country = "45"
national_prefix = ""
[[route]]
name = "primary"
pattern = '\+45'
usages = ["dk-primary"]
gateways = ["a1", "a2", "a3"]
[[route]]
name = "emergency"
pattern = '^112$'
usages = ["emergency"]
gateways = ["b1", "a1"]
[[route]]
name = "secondary"
pattern = '\+45'
usages = ["dk-secondary"]
gateways = ["b1", "a2", "b2"]
[[route]]
name = "world"
pattern = '\+'
usages = ["world"]
gateways = ["b2"]
[voice_policy.dk]
usages = ["emergency", "dk-primary", "dk-secondary"]
[voice_policy.backwards]
usages = ["dk-secondary", "dk-primary"]
[voice_policy.all]
usages = ["emergency", "world", "dk-primary"]
[voice_policy.barred]
usages = []
[routing]
voice_policy = "dk"
"#;

fn site(more: &str) -> String {
    let trunk = |name: &str, host: u8| {
        format!(
            "[[trunk]]\nname = {name:?}\nsources = [\"192.0.2.{host}\"]\ntarget = \"sip:192.0.2.{host}\"\n"
        )
    };
    let trunks = [("a1", 1), ("a2", 2), ("a3", 3), ("b1", 4), ("b2", 5), ("off", 6)];
    let trunks: String = trunks.into_iter().map(|(name, host)| trunk(name, host)).collect();
    let users = ["1001", "1002", "1003", "1004"].map(|number| {
        let policy = match number {
            "1002" => "voice_policy = \"all\"",
            "1003" => "voice_policy = \"barred\"",
            "1004" => "voice_policy = \"backwards\"",
            _ => "",
        };
        format!("[[user]]\naddress = \"sip:{number}@x.test\"\nnumbers = [{number:?}]\n{policy}\n")
    });
    format!("{SITE}{more}\n{trunks}{}", users.concat())
}

fn directory() -> Directory {
    static READ: LazyLock<Site> = LazyLock::new(|| {
        load::text(Path::new("s"), &site("")).unwrap_or_else(|problems| panic!("{problems:?}"))
    });
    Directory::of(READ.clone())
}

fn ways(directory: &Directory, user: &str, number: &str) -> Result<Ways, NoWay> {
    let user = directory.user(user).expect("a user");
    directory.ways_out(number, Behalf::of(user), 0).map(Ways::new)
}

/// The gateways that a call would try if all failed.
fn order(directory: &Directory, user: &str, number: &str) -> Result<String, NoWay> {
    let mut ways = ways(directory, user, number)?;
    let tried = std::iter::from_fn(|| ways.take(directory, 0)).map(|way| way.trunk.name.clone());
    Ok(tried.collect::<Vec<_>>().join(" "))
}

#[test]
fn r35_usages_in_the_order_of_the_policy_then_routes_in_that_of_the_site() {
    for (user, number, expected) in [
        ("1001", "+4533112233", Ok("a1 a2 a3 b1 b2")),
        ("1001", "33112233", Err(NoWay::Unserved)),
        ("1001", "004533112233", Ok("a1 a2 a3 b1 b2")),
        ("1004", "+4533112233", Ok("b1 a2 b2 a1 a3")),
        ("1002", "+4533112233", Ok("b2 a1 a2 a3")),
        ("1001", "112", Ok("b1 a1")),
        ("1001", "1122", Err(NoWay::Unserved)),
        ("1001", "+461", Err(NoWay::NotInPolicy)),
        ("1002", "+461", Ok("b2")),
        ("1004", "112", Err(NoWay::NotInPolicy)),
        ("1003", "+4533112233", Err(NoWay::NotInPolicy)),
        // T19: the routes open nothing that allowed_prefixes closes.
        ("1002", "+1900555", Err(NoWay::Forbidden)),
        ("1002", "001900555", Err(NoWay::Forbidden)),
        ("1001", "bob", Err(NoWay::Unserved)),
        ("1001", "5+4533", Err(NoWay::Unserved)),
    ] {
        let fresh = directory();
        let found = order(&fresh, user, number);
        assert_eq!(found.as_deref().map_err(|why| *why), expected, "{user} dials {number}");
    }
}

#[test]
fn r34_gateways_take_turns_and_those_that_are_out_have_none() {
    let directory = directory();
    let first = |count: usize| -> String {
        let one = || {
            let mut ways = ways(&directory, "1001", "+4533112233").expect("a way");
            ways.take(&directory, 0).expect("a way").trunk.name.clone()
        };
        (0..count).map(|_| one()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(first(7), "a1 a2 a3 a1 a2 a3 a1");
    // The turns of the two that are left are fair: none of them inherits those of the dead one.
    directory.note_gateway("a2", Sign::Silent, (0, AT));
    let taken = first(100);
    let count = |name: &str| taken.matches(name).count();
    assert_eq!((count("a1"), count("a2"), count("a3")), (50, 0, 50));
    // One that answers 5xx is the last of all, behind those of the next route.
    directory.note_gateway("a3", Sign::Failed, (0, AT));
    directory.note_gateway("a1", Sign::Busy(Duration::from_secs(60)), (0, AT));
    assert_eq!(order(&directory, "1001", "+4533112233").as_deref(), Ok("b1 b2 a3"));
    // Answered OPTIONS bring one back, the next failure takes it out for longer.
    directory.gateway_answered("a2", (6_000, AT));
    assert_eq!(order(&directory, "1001", "+4533112233").as_deref(), Ok("a2 b2 b1 a3"));
    directory.note_gateway("a2", Sign::Silent, (6_000, AT));
    assert!(!directory.gateway_is_due("a2", 13_999) && directory.gateway_is_due("a2", 14_000));
    // While it is silent it is asked every time the same pause is over, so that it is soon back (T35).
    for round in 0..100 {
        let now = 14_000 + round * 4_000;
        assert!(!directory.gateway_is_due("a2", now - 1) && directory.gateway_is_due("a2", now), "{round}");
        directory.gateway_is_silent("a2", (now, AT));
    }
    assert_eq!(directory.gateway("a2", 1_000_000), Fit::Down);
    // A keep-alive that goes unanswered counts as well.
    for name in ["b1", "b2", "a3"] {
        directory.set_trunk(name, false, AT);
    }
    assert_eq!(order(&directory, "1001", "+4533112233").err(), Some(NoWay::Down));
}

#[test]
fn a_reload_forgets_neither_who_is_out_nor_whose_turn_it_is() {
    let (before, after) = (directory(), directory());
    before.note_gateway("a1", Sign::Silent, (0, AT));
    assert_eq!(order(&before, "1001", "+4533").as_deref(), Ok("a2 a3 b1 b2"));
    after.remember(&before);
    assert_eq!(after.gateway("a1", 0), Fit::Down);
    assert_eq!(order(&after, "1001", "+4533").as_deref(), Ok("a3 a2 b2 b1"));
}

#[test]
fn a_trunk_pays_by_its_own_policy_and_never_gets_its_call_back() {
    let more = "[[trunk]]\nname = \"pbx\"\nsources = [\"192.0.2.9\"]\ntransit = true\nvoice_policy = \"all\"";
    let site = load::text(Path::new("s"), &site(more)).expect("the site is right");
    let directory = Directory::of(site);
    let trunk = |name: &str| directory.site.trunks.iter().find(|trunk| trunk.name == name);
    let by = |from: &str, user: Option<&str>| {
        let user = user.and_then(|user| directory.user(user)).map(|user| &**user);
        let ways = directory.ways_out("+4533", Behalf { user, from: trunk(from) }, 0);
        ways.map(|ways| ways.iter().map(|way| way.trunk.name.as_str()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(by("pbx", None).as_deref(), Ok("b2 a1 a2 a3"));
    assert_eq!(by("pbx", Some("1001")).as_deref(), Ok("a1 a2 a3 b1 b2"), "a known user's own policy");
    assert_eq!(by("a1", None).as_deref(), Ok("a2 a3 b1 b2"));
    assert_eq!(by("pbx", Some("1003")), Err(NoWay::NotInPolicy));
}

/// Random gateways in random states, which change while calls fail over.
#[test]
fn no_gateway_twice_no_down_one_ever_and_routes_in_order() {
    let mut dice = fastrand::Rng::with_seed(5_535);
    let groups = [&["a1", "a2", "a3"][..], &["b1", "b2"]];
    let names = groups.concat();
    let (mut calls, mut failovers) = (0, 0);
    for history in 0..3_000 {
        let directory = directory();
        let mut now = 0;
        let mut change = |now: &mut u64| {
            *now += dice.u64(..4_000);
            let name = names[dice.usize(..names.len())];
            let at = (*now, AT);
            match dice.u8(..6) {
                0 => drop(directory.note_gateway(name, Sign::Silent, at)),
                1 => drop(directory.note_gateway(name, Sign::Failed, at)),
                2 => drop(directory.note_gateway(name, Sign::Busy(Duration::from_secs(9)), at)),
                3 => drop(directory.note_gateway(name, Sign::Good, at)),
                4 => drop(directory.gateway_answered(name, at)),
                _ => directory.set_trunk(name, dice.bool(), AT),
            }
        };
        (0..8).for_each(|_| change(&mut now));
        let user = directory.user("1001").expect("a user");
        let Ok(planned) = directory.ways_out("+4533", Behalf::of(user), now) else {
            assert!(names.iter().all(|name| directory.gateway(name, now) == Fit::Down), "{history}");
            continue;
        };
        let (mut ways, mut left) = (Ways::new(planned.clone()), vec![]);
        left.extend(planned.iter().map(|way| way.trunk.name.as_str()));
        calls += 1;
        loop {
            let fit = |name: &str| directory.gateway(name, now);
            let is_up = |name: &&str| left.contains(name) && fit(name) == Fit::Up;
            let group = groups.iter().find(|group| group.iter().any(&is_up));
            let last = left.iter().any(|name| fit(name) == Fit::Last);
            let Some(way) = ways.take(&directory, now) else {
                assert!(group.is_none() && !last, "{history}: {left:?} are left");
                break;
            };
            let name = way.trunk.name.as_str();
            assert!(left.contains(&name), "{history}: {name} comes twice");
            match group {
                Some(group) => {
                    assert!(group.contains(&name) && is_up(&name), "{history}: {name} of {left:?}")
                }
                None => assert_eq!(fit(name), Fit::Last, "{history}: {name} of {left:?}"),
            }
            left.retain(|one| *one != name);
            failovers += 1;
            if history % 2 == 1 {
                change(&mut now);
            }
        }
    }
    assert!(calls > 1_000 && failovers > 3 * calls / 2, "{calls} calls, {failovers} ways");
}
