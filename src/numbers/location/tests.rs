use super::*;

fn profile() -> Profile {
    let rule = |pattern: &str, translation: &str| Written {
        pattern: pattern.into(),
        translation: translation.into(),
        internal: true,
        ..Written::default()
    };
    let rules = [rule(r"^(\d{4})$", "+454489$1"), rule(r"^9(\d{8})$", "+45$1"), rule("^0$", "")];
    Profile {
        name: "hq".into(),
        description: "R&D <Hellerup>".into(),
        rules: Rules::of(rules).expect("good rules"),
        country: Country::of("DK"),
    }
}

#[test]
fn rules_come_first_then_the_country() {
    let profile = profile();
    for (dialled, made) in [
        ("0101", Made::ByRule(0, Some("+4544890101".into()))),
        ("01-01", Made::ByRule(0, Some("+4544890101".into()))),
        ("9 44 89 01 01", Made::ByRule(1, Some("+4544890101".into()))),
        ("44 89 01 01", Made::ByCountry("+4544890101".into())),
        ("0049 30 123456", Made::ByCountry("+4930123456".into())),
        ("0", Made::ByRule(2, None)),
        ("112", Made::Unmatched),
        ("alice", Made::Unmatched),
    ] {
        assert_eq!(profile.make(dialled), made, "{dialled}");
    }
    let trace = profile.trace("9 44 89 01 01");
    assert_eq!(trace.number, "944890101");
    assert_eq!(trace.tried.iter().map(|one| one.matched).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn numbers_of_directories_are_read_as_people_type_them() {
    let profile = profile();
    for (written, number) in [
        ("+45 44 89 01 01", Some("+4544890101")),
        ("tel:+45-44-89-01-01", Some("+4544890101")),
        ("tel:+4544890101;ext=200", Some("+4544890101;ext=200")),
        ("44 89 01 01 ext. 200", Some("+4544890101;ext=200")),
        ("44890101 x200", Some("+4544890101;ext=200")),
        ("44 89 01 01, Ext: 7", Some("+4544890101;ext=7")),
        ("+4544890101#200", Some("+4544890101;ext=200")),
        ("TEL:+4544890101", Some("+4544890101")),
        ("+49 (0) 30 123456", Some("+4930123456")),
        ("0049 (0)30 123456", Some("+4930123456")),
        ("0101", Some("+4544890101")),
        ("0101x5", Some("+4544890101;ext=5")),
        ("x200", None),
        ("#200", None),
        ("ext", None),
        ("44 89 01 01 x", None),
        ("", None),
        ("Søren 200", None),
    ] {
        assert_eq!(profile.contact(written).as_deref(), number, "{written}");
    }
}

#[test]
fn r33_a_profile_is_written_and_read_again() {
    let profile = profile();
    let document = described::xml(&profile);
    let read = described::read(document.as_bytes()).expect(&document);
    assert_eq!(read.name, "hq");
    let without_names: Vec<Written> =
        profile.described().map(|rule| Written { name: String::new(), ..rule.clone() }).collect();
    assert_eq!(read.rules, without_names);
    assert!(read.rules.len() > 3, "the country's are told, too");
    assert!(
        described::json(&profile)
            .contains(r#""pattern":"^(\\d{4})$","translation":"+454489$1","internal":true"#)
    );
    assert_eq!(described::etag(&document).len(), 26);
    assert_ne!(described::etag(&document), described::etag(&described::json(&profile)));
}

#[test]
fn r33_clients_ask_by_a_gruu() {
    use described::Wanted::*;
    let gruu = "sip:alice@h;gruu;opaque=app:locationprofile:get";
    for (uri, wanted) in [
        (format!("{gruu};default"), Some(Default)),
        (format!("{gruu};phone-context=hq"), Some(Named("hq".into()))),
        (gruu.to_owned(), Some(Ambiguous)),
        ("sip:alice@h;gruu;opaque=app:voicemail;default".to_owned(), None),
        ("sip:h;gruu;opaque=app:locationprofile:get".to_owned(), None),
    ] {
        let expected = wanted.map(|wanted| ("alice".to_owned(), wanted));
        assert_eq!(described::wanted(uri.as_bytes()), expected, "{uri}");
    }
}

#[test]
fn documents_of_others_are_read_and_bad_ones_refused() {
    let rule = |inside: &str| {
        format!(
            "<l:LocationProfileDescription xmlns:l=\"x\"><Rule>{inside}</Rule></l:LocationProfileDescription>"
        )
    };
    let whole = "<Translation>+1$1</Translation><Unknown><Pattern>no</Pattern></Unknown>\
                 <ApplicableForDeviceDialing>1</ApplicableForDeviceDialing><Pattern>^(\\d{4})&amp;?$</Pattern>";
    let read = described::read(rule(whole).as_bytes()).expect("a profile");
    assert_eq!((read.rules[0].pattern.as_str(), read.rules[0].for_devices), (r"^(\d{4})&?$", true));
    for (document, why) in [
        (rule("<Pattern>1</Pattern>"), "rule 1: it has no Translation"),
        (rule("<Translation>1</Translation>"), "rule 1: it has no Pattern"),
        (rule(&format!("{whole}<Pattern>2</Pattern>")), "rule 1: an element is there twice"),
        (
            rule(&format!("{whole}<InternalEnterpriseExtension>yes</InternalEnterpriseExtension>")),
            "rule 1: a truth",
        ),
        ("<Other/>".to_owned(), "it is no LocationProfileDescription"),
        ("<LocationProfileDescription>".to_owned(), "it cannot be read as XML"),
        ("<!DOCTYPE a><LocationProfileDescription/>".to_owned(), "it cannot be read as XML"),
        (
            format!(
                "<LocationProfileDescription>{}</LocationProfileDescription>",
                format!("<Rule>{whole}</Rule>").repeat(1_001)
            ),
            "it has more than 1,000 rules",
        ),
    ] {
        let refused = described::read(document.as_bytes()).expect_err(&document).to_string();
        assert!(refused.starts_with(why), "{refused}");
    }
}
