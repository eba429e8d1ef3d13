//! Which trunk a number leaves by, and whether it may (T19: what is not allowed cannot be called in any spelling).

use std::path::Path;

use jiff::Timestamp;
use ringpost::directory::{Behalf, Directory, NoWay};
use ringpost_actors::load;

const SITE: &str = r#"
[outbound]
allowed_prefixes = ["+49", "+45", "112"]
country = "49"
[[trunk]]
name = "pbx"
sources = ["192.0.2.1"]
[[trunk]]
name = "one"
sources = ["192.0.2.2"]
target = "sip:192.0.2.2:5070;transport=tcp"
prefixes = ["+49"]
numbers = ["112"]
e164 = "national"
[[trunk]]
name = "two"
sources = ["192.0.2.3"]
target = "sip:192.0.2.3"
prefixes = ["+"]
"#;

#[test]
fn each_number_has_its_ways_in_the_order_of_the_site() {
    let directory = Directory::of(load::text(Path::new("s"), SITE).expect("the site is right"));
    let ways = |number: &str, from: Option<usize>| {
        let from = from.map(|at| &directory.site.trunks[at]);
        let uris = |ways: Vec<ringpost::directory::Target>| {
            ways.into_iter().map(|way| way.uri).collect::<Vec<_>>().join(" ")
        };
        directory.ways_out(number, Behalf { user: None, from }, 0).map(uris)
    };
    let (one, two) = ("sip:030123@192.0.2.2:5070;transport=tcp", "sip:+4930123@192.0.2.3");
    for dialled in ["+4930123", "004930123", "030123", "+49-(30)1.23"] {
        assert_eq!(ways(dialled, None), Ok(format!("{one} {two}")), "{dialled}");
    }
    assert_eq!(ways("030123", Some(1)), Ok(two.to_owned()), "never back by the trunk that it came by");
    assert_eq!(ways("112", None), Ok("sip:112@192.0.2.2:5070;transport=tcp".to_owned()));
    assert_eq!(ways("004544890101", None), Ok("sip:+4544890101@192.0.2.3".to_owned()));
    for premium in ["+8835100012", "008835100012", "+1900555", "0019005550100"] {
        assert_eq!(ways(premium, None), Err(NoWay::Forbidden), "{premium}");
    }
    for nobody in ["1001", "bob", "", "+", "0049x", "%2b4930123", "49@evil"] {
        assert_eq!(ways(nobody, None), Err(NoWay::Unserved), "{nobody}");
    }
    directory.set_trunk("one", false, Timestamp::UNIX_EPOCH);
    assert_eq!(ways("030123", None), Ok(two.to_owned()));
    assert_eq!(ways("112", None), Err(NoWay::Down));
    let later = Directory::of(load::text(Path::new("s"), SITE).expect("the site is right"));
    later.remember(&directory);
    assert!(!later.trunk_is_up("one") && later.trunk_is_up("two"), "a reload forgets nothing");
    later.set_trunk("one", true, Timestamp::UNIX_EPOCH);
    let ways = later.ways_out("112", Behalf::default(), 0).expect("a way");
    assert_eq!(ways[0].trunk.name, "one");
}

#[test]
fn nothing_leaves_where_nothing_is_allowed() {
    let closed = SITE.replace("allowed_prefixes = [\"+49\", \"+45\", \"112\"]", "");
    let directory = Directory::of(load::text(Path::new("s"), &closed).expect("the site is right"));
    for number in ["+4930123", "030123", "112", "+1900555"] {
        assert_eq!(
            directory.ways_out(number, Behalf::default(), 0).err(),
            Some(NoWay::Forbidden),
            "{number}"
        );
    }
}
