//! T17: what anybody sends can end no filter.

use proptest::prelude::*;
use ringpost::directory::ldap::{
    Filter,
    filter::{escaped, is_description, is_filter},
};

#[test]
fn t17_hostile_values_stay_values() {
    let ten_kilobytes = "*)(".repeat(3413);
    for (value, text) in [
        ("tu", "(sip=tu)"),
        ("*)(objectClass=*", r"(sip=\2a\29\28objectClass=\2a)"),
        (r"\2a", r"(sip=\5c2a)"),
        ("a\0b", r"(sip=a\00b)"),
        ("*", r"(sip=\2a)"),
        ("Müller", r"(sip=M\c3\bcller)"),
        ("a\r\nb", r"(sip=a\0d\0ab)"),
        ("", "(sip=)"),
    ] {
        assert_eq!(Filter::equal("sip", value).to_string(), text);
    }
    let filter = Filter::equal("sip", &ten_kilobytes).to_string();
    assert!(is_filter(&filter) && !filter.contains('*') && filter.matches(['(', ')']).count() == 2);
}

#[test]
fn t17_a_name_that_is_none_asks_for_an_attribute_that_nobody_has() {
    for name in ["", "a)(b", "a=b", "*", "a b", "1.2.x", "ü", "a;", ";a"] {
        assert!(!is_description(name), "{name}");
        assert_eq!(Filter::Present(name.to_owned()).to_string(), "(1.1=*)", "{name}");
    }
    for name in [
        "cn",
        "msRTCSIP-Line",
        "1.2.840.113556.1.4.221",
        "member;range=0-1499".split('=').next().expect("a part"),
        "cn;lang-de",
    ] {
        assert!(is_description(name), "{name}");
    }
}

#[test]
fn filters_are_built_of_parts() {
    let persons = Filter::Written("(objectClass=user)".into());
    let changed = persons
        .and(Filter::at_least("uSNChanged", "4711"))
        .and(Filter::Not(Box::new(Filter::Present("x".into()))));
    assert_eq!(changed.to_string(), "(&(objectClass=user)(uSNChanged>=4711)(!(x=*)))");
    let either =
        Filter::Or(vec![Filter::equal("a", "1"), Filter::begins("b", "EUM:"), Filter::begins("c", "")]);
    assert_eq!(either.to_string(), "(|(a=1)(b=EUM:*)(c=*))");
    assert!(is_filter(&changed.to_string()) && is_filter(&either.to_string()));
}

#[test]
fn a_sites_filter_is_one_whole_filter() {
    for good in ["(a=1)", "(&(a=1)(b=*))", "(|(a=1)(!(b=2)))", r"(cn=\2a\28)", "(a>=1)", "(cn=a&b|c!)"] {
        assert!(is_filter(good), "{good}");
    }
    for bad in [
        "",
        "a=1",
        "()",
        "(a=1",
        "a=1)",
        "(a=1)(b=2)",
        "(a=1)x",
        "x(a=1)",
        "(a=(b=1))",
        "(a=1))",
        "(a)",
        "(a=\0)",
    ] {
        assert!(!is_filter(bad), "{bad}");
    }
}

proptest! {
    #[test]
    fn t17_any_octets_come_back_from_their_escaped_form(octets: Vec<u8>) {
        let text = escaped(&octets);
        prop_assert!(text.bytes().all(|octet| (b' '..=b'~').contains(&octet) && !b"*()".contains(&octet)));
        let (mut back, mut rest) = (vec![], text.as_bytes());
        while let [first, tail @ ..] = rest {
            let (octet, tail) = match first {
                b'\\' => {
                    let digits = std::str::from_utf8(&tail[..2]).expect("two digits");
                    (u8::from_str_radix(digits, 16).expect("hexadecimal"), &tail[2..])
                }
                plain => (*plain, tail),
            };
            back.push(octet);
            rest = tail;
        }
        prop_assert_eq!(back, octets);
    }
}
