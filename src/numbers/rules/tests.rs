//! The table of every form of rule (R32), and of what .NET does otherwise than other dialects.

use super::*;

fn rules(pattern: &str, translation: &str) -> Result<Rules, Vec<BadRule>> {
    Rules::of([Written { pattern: pattern.into(), translation: translation.into(), ..Written::default() }])
}

/// What one rule makes of a number: `None` where it does not match, empty where it makes no number.
fn made(pattern: &str, translation: &str, number: &str) -> Option<String> {
    let rules =
        rules(pattern, translation).unwrap_or_else(|bad| panic!("{pattern} {translation}: {}", bad[0]));
    rules.translate(number).map(|found| found.number.unwrap_or_default())
}

#[test]
fn each_form_of_rule_makes_what_dot_net_makes() {
    for (pattern, translation, number, becomes) in [
        // PROTOCOLS §10.
        (r"^(\d{4})$", "+454489$1", "0101", Some("+4544890101")),
        (r"^(\d{4})$", "+454489$1", "01010", None),
        (r"^00(\d+)$", "+$1", "00453312", Some("+453312")),
        (r"^(\d{3})$", "+4544890101;ext=$1", "200", Some("+4544890101;ext=200")),
        (r"^(?<last>\d{4})$", "+454489${last}", "0101", Some("+4544890101")),
        (r"^(?'last'\d{4})$", "+454489${last}", "0101", Some("+4544890101")),
        // Digits behind a group: $1 and 5, never group 15.
        (r"^(\d\d)$", "${1}5", "20", Some("205")),
        (r"^(\d\d)$", "$1x5", "20", Some("20x5")),
        (r"^(\d)(\d)(\d)(\d)(\d)(\d)(\d)(\d)(\d)(\d)$", "$10$1", "1234567890", Some("01")),
        // Groups without a name are counted first.
        (r"^(?<a>\d)(\d)$", "$1-$2", "12", Some("2-1")),
        (r"^(?:0)(\d)$", "$1", "07", Some("7")),
        ("^1$", "$$$&", "1", Some("$1")),
        ("^(1)(2)(3)$", "$+", "123", Some("3")),
        ("2", "[$`|$'|$_]", "123", Some("1[1|3|123]3")),
        (r"^0(\d)?$", "+$1", "0", Some("+")),
        (r"^$0?0(\d+)$", "$0", "00", None),
        (r"^0(\d+)$", "$0", "012", Some("012")),
        // Regex.Replace: what is not matched stays, each match is replaced.
        ("^00", "+", "004530", Some("+4530")),
        (r"[ ().-]", "", "(44) 89-01.01", Some("44890101")),
        ("0", "00", "1010", Some("100100")),
        (r"\d*", "x", "12", Some("xx")),
        ("x?", "-", "12", Some("-1-2-")),
        // Nothing is left: no number.
        (".*", "", "12", Some("")),
        // The end is the end; \d is a digit that can be dialled; a class of .NET's own.
        (r"^\d+\Z", "+$&", "12", Some("+12")),
        (r"\A\d+\z", "+$&", "12", Some("+12")),
        (r"^\d$", "+1", "\u{661}", None),
        (r"^[\d*#]+$", "$&", "*98#", Some("*98#")),
        (r"^[0-9-[4]]+$", "$&", "123", Some("123")),
        (r"^[0-9-[4]]+$", "$&", "143", None),
        (r"^[^0-9-[*]]+$", "x", "*", None),
        (r"^[]a]+$", "1", "]a", Some("1")),
        (r"^[[:x]+]$", "1", "[:x]", Some("1")),
        (r"^[a-c-9]+$", "1", "b-9", Some("1")),
        (r"^[&&~~-]+$", "1", "&~-", Some("1")),
        (r"^[\b\t]$", "1", "b", None),
        (r"^\p{Nd}\P{L}$", "1", "12", Some("1")),
        (r"^\w\W\s?\S$", "1", "a-b", Some("1")),
        // Braces that count nothing stand for themselves.
        (r"^a{x}{,3}$", "1", "a{x}{,3}", Some("1")),
        (r"^1{2}2{1,}3{0,1}$", "9", "1122", Some("9")),
        (r"^(\d+?)(0*)$", "$1", "1200", Some("12")),
        // Escapes.
        (r"^\+(\d+)\#$", "$1", "+45#", Some("45")),
        (r"^\x31\u0032\063\e?$", "9", "123", Some("9")),
        (r"^\cA?1$", "9", "1", Some("9")),
        // Options.
        ("(?i)^abc$", "1", "aBC", Some("1")),
        ("^a(?i:b)c$", "1", "aBc", Some("1")),
        ("^a(?i:b)c$", "1", "aBC", None),
        ("^(?i-s)a|b$", "1", "B", Some("1")),
        // The culture is none: a Turkish i is no i.
        ("(?i)^i$", "1", "\u{130}", None),
        // The first alternative that matches, not the longest.
        (r"(?:^0|^00)(\d*)$", "+$1", "0045", Some("+045")),
    ] {
        assert_eq!(
            made(pattern, translation, number).as_deref(),
            becomes,
            "{pattern} {translation} {number}"
        );
    }
}

#[test]
fn what_cannot_be_done_in_linear_time_or_is_wrong_is_refused_with_its_place() {
    for (pattern, translation, part, at, why) in [
        ("^(?=1)", "1", "pattern", 1, "look-ahead"),
        ("^(?!1)", "1", "pattern", 1, "look-ahead"),
        ("(?<=1)2", "1", "pattern", 0, "look-behind"),
        ("(?<!1)2", "1", "pattern", 0, "look-behind"),
        (r"(1)\1", "1", "pattern", 3, "back-reference"),
        (r"(?<a>1)\k<a>", "1", "pattern", 7, "back-reference"),
        ("(?>1+)", "1", "pattern", 0, "atomic"),
        ("(?(1)2|3)", "1", "pattern", 0, "conditional"),
        ("(?<a-b>1)", "1", "pattern", 0, "balancing"),
        ("(?<-b>1)", "1", "pattern", 0, "balancing"),
        ("1(?#one)", "1", "pattern", 1, "comments"),
        ("(?x) 1", "1", "pattern", 0, "options"),
        ("(?n)(1)", "1", "pattern", 0, "options"),
        ("(?q)1", "1", "pattern", 0, "no such group"),
        ("1++", "1", "pattern", 2, "possessive"),
        ("1{2}{3}", "1", "pattern", 4, "possessive"),
        ("*1", "1", "pattern", 0, "nothing to repeat"),
        ("(+1)", "1", "pattern", 1, "nothing to repeat"),
        ("1|?", "1", "pattern", 2, "nothing to repeat"),
        ("1{3,2}", "1", "pattern", 1, "backwards"),
        ("(?<1>2)", "1", "pattern", 0, "give it a name"),
        ("(?<a>1)(?<a>2)", "1", "pattern", 7, "same name"),
        ("(1", "1", "pattern", 0, "not closed"),
        ("1)", "1", "pattern", 1, "closes nothing"),
        ("[1", "1", "pattern", 0, "not closed"),
        ("[9-1]", "1", "pattern", 1, "backwards"),
        (r"[\d-9]", "1", "pattern", 1, "both ends"),
        ("[a-z-[b]c]", "1", "pattern", 4, "the last"),
        (r"\p{IsGreek}", "1", "pattern", 0, "named blocks"),
        (r"\p{Digit}", "1", "pattern", 0, "no such category"),
        (r"\q", "1", "pattern", 0, "no such escape"),
        (r"\xZZ", "1", "pattern", 0, "hexadecimal"),
        (r"\uD800", "1", "pattern", 0, "surrogate"),
        (r"\G1", "1", "pattern", 0, "\\G"),
        ("1\\", "1", "pattern", 1, "at the end"),
        (r"(\w{1000}){1000}", "1", "pattern", 0, "too large"),
        (r"^(\d)$", "$15", "translation", 0, "write ${1}5"),
        (r"^(\d)$", "+${2}", "translation", 1, "no group of that number"),
        (r"^(\d)$", "+${name}", "translation", 1, "no group of that name"),
        (r"^(\d)$", "+$name", "translation", 1, "write $$"),
        (r"^(\d)$", "+$", "translation", 1, "write $$"),
        (r"^(\d)$", "${1", "translation", 0, "not closed"),
        (r"^(\d)$", "+45 $1", "translation", 3, "no number holds"),
        (r"^(\d)$", "$1\r\nX: y", "translation", 2, "no number holds"),
        (r"^(\d)$", "$99999999999999999999", "translation", 0, "no group of that number"),
    ] {
        let bad = rules(pattern, translation).expect_err(pattern).remove(0);
        assert_eq!((bad.part, bad.fault.at), (part, at), "{pattern} {translation}: {bad}");
        assert!(bad.to_string().contains(why), "{pattern} {translation}: {bad}");
    }
}

#[test]
fn limits_hold() {
    let long = "1".repeat(1_001);
    assert_eq!(rules(&long, "1").expect_err("too long")[0].part, "pattern");
    assert_eq!(rules("1", &long).expect_err("too long")[0].part, "translation");
    assert_eq!(
        rules(&"(".repeat(40), "1").expect_err("too deep")[0].fault.what,
        "too many groups in each other"
    );
    assert_eq!(made(".*", "1", &"1".repeat(LONGEST_NUMBER + 1)), None, "no number is that long");
    assert_eq!(made("1", "$_$_$_", &"1".repeat(30)), Some(String::new()), "what comes out is bounded");
    assert_eq!(made(".*", "1", "1\n"), None, "no number holds a line end");
    assert_eq!(made("^1.*", "$&", "1@h"), Some(String::new()), "what comes out is no number");
    // A pattern that others take exponential time for.
    assert_eq!(made("^(1+)+$", "1", &("1".repeat(120) + "x")), None);
}

#[test]
fn the_first_match_wins_and_the_others_are_told() {
    let written = [("^1", "a"), ("^12", "b"), ("^(3)", "c$1")];
    let rules = Rules::of(written.map(|(pattern, translation)| Written {
        pattern: pattern.into(),
        translation: translation.into(),
        ..Written::default()
    }))
    .expect("good rules");
    let number =
        |dialled| rules.translate(dialled).map(|found| (found.rule, found.number.unwrap_or_default()));
    assert_eq!(number("12"), Some((0, "a2".into())));
    assert_eq!(number("34"), Some((2, "c34".into())));
    assert_eq!(number("9"), None);
    let tried = |dialled| rules.tried(dialled).iter().map(|one| one.matched).collect::<Vec<_>>();
    assert_eq!(tried("12"), [true]);
    assert_eq!(tried("34"), [false, false, true]);
    assert_eq!(tried("9"), [false, false, false]);
}

#[test]
fn a_bad_rule_is_named_without_what_it_may_hide() {
    let written = Written { name: "to\nfax".into(), pattern: "(?=".into(), ..Written::default() };
    let bad = Rules::of([Written::default(), written]).expect_err("look-ahead");
    assert_eq!(
        bad[0].to_string(),
        "the pattern of rule \"to fax\": look-ahead would need more than linear time (at character 1)"
    );
}
