//! Entries become persons.

use bytes::Bytes;
use proptest::prelude::*;
use ringpost::directory::{
    ldap::{Attributes, Id, Meaning, Profile, Record},
    people::{Roster, snapshot},
    person::{self, Eum, Kind},
    template::Template,
};

use super::{read, record};

fn whole() -> Record {
    record(
        7,
        &[
            ("displayName", &["Müller, Jörg"]),
            ("givenName", &["Jörg"]),
            ("sn", &["Müller"]),
            ("company", &["Contoso"]),
            ("department", &["Sales"]),
            ("title", &["Dr."]),
            ("mail", &["jm@corp.test"]),
            ("msRTCSIP-PrimaryUserAddress", &["sip:jm@Corp.TEST"]),
            ("msRTCSIP-UserEnabled", &["TRUE"]),
            ("msRTCSIP-Line", &["tel:+4544890101;ext=200"]),
            ("msRTCSIP-LineServer", &["sip:rcc@corp.test"]),
            ("msRTCSIP-OptionFlags", &["385"]),
            ("userAccountControl", &["512"]),
            ("msExchUMEnabledFlags", &["831"]),
            ("msExchUMRecipientDialPlanLink", &["CN=DP-HQ,CN=Services,DC=corp"]),
            (
                "proxyAddresses",
                &[
                    "smtp:alias@corp.test",
                    "SMTP:jm@corp.test",
                    "sip:other@corp.test",
                    "eum:4001;phone-context=DP-HQ.corp.test",
                    "EUM:jm@corp.test;phone-context=DP-HQ.corp.test",
                    "tel:+4533112233",
                    "X400:C=DK;S=M",
                ],
            ),
            ("msExchUMCallingLineIDs", &["+4544890102"]),
            ("telephoneNumber", &["+45 4489 0101"]),
            ("mobile", &["+45 (0) 2011-2233"]),
            ("otherTelephone", &["+45 1", "+45 2"]),
            ("otherMobile", &["+45 3"]),
            ("homePhone", &["+45 4"]),
            ("otherHomePhone", &["+45 5"]),
            ("ipPhone", &["2007"]),
            ("pager", &["99"]),
            ("facsimileTelephoneNumber", &["+45 6"]),
        ],
    )
}

#[test]
fn r7_r13_r24_every_attribute_of_active_directory_is_read() {
    let (person, faults) = read(&whole());
    assert_eq!(faults, []);
    assert_eq!((person.id, person.name.as_str()), (Id([7; 16]), "Müller, Jörg"));
    let texts = [&person.given, &person.surname, &person.company, &person.department, &person.title];
    assert_eq!(texts.map(Option::as_deref), ["Jörg", "Müller", "Contoso", "Sales", "Dr."].map(Some));
    assert_eq!(person.mails, ["jm@corp.test", "alias@corp.test"]);
    assert_eq!(person.sip.as_deref(), Some("sip:jm@corp.test"));
    assert_eq!((person.sip_enabled, person.disabled, person.um_enabled), (Some(true), false, Some(true)));
    assert_eq!(person.um_plan.as_deref(), Some("CN=DP-HQ,CN=Services,DC=corp"));
    let eum =
        |address: &str, primary| Eum { address: address.into(), context: "DP-HQ.corp.test".into(), primary };
    assert_eq!(person.eum, [eum("jm@corp.test", true), eum("4001", false)]);
    let line = person.line.as_ref().expect("a line");
    assert_eq!((line.number.as_str(), line.ext.as_deref()), ("+4544890101", Some("200")));
    assert_eq!(person.extension(), Some("200"));
    let numbers: Vec<_> = person.numbers.iter().map(|number| (number.kind, number.text.as_str())).collect();
    // The order of PROTOCOLS §2.
    let expected = [
        (Kind::Line, "tel:+4544890101;ext=200"),
        (Kind::Proxy, "tel:+4533112233"),
        (Kind::Proxy, "4001"),
        (Kind::CallingLine, "+4544890102"),
        (Kind::Telephone, "+45 4489 0101"),
        (Kind::Mobile, "+45 (0) 2011-2233"),
        (Kind::OtherTelephone, "+45 1"),
        (Kind::OtherTelephone, "+45 2"),
        (Kind::OtherMobile, "+45 3"),
        (Kind::Home, "+45 4"),
        (Kind::OtherHome, "+45 5"),
        (Kind::IpPhone, "2007"),
        (Kind::Pager, "99"),
        (Kind::Fax, "+45 6"),
    ];
    assert_eq!(numbers, expected);
    assert_eq!(person.control.server.as_deref(), Some("sip:rcc@corp.test"));
    assert!(!person.control.is_on() && person.control.has_voice());
}

#[test]
fn openldap_has_names_of_its_own_and_a_site_its_own() {
    let attributes = Attributes::of(Profile::OpenLdap)
        .with(Meaning::Sip, vec!["sipAddress".into()])
        .with(Meaning::Number(Kind::Mobile), vec![])
        .with(Meaning::RingFor, vec!["ringTime".into()]);
    let mut entry = record(
        1,
        &[
            ("entryUUID", &["0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"]),
            ("cn", &["Ada"]),
            ("o", &["Contoso"]),
            ("ou", &["Sales"]),
            ("SIPaddress", &["ada@Corp.test"]),
            ("mobile", &["1234"]),
            ("ringTime", &["15s"]),
            ("roomNumber", &["12"]),
        ],
    );
    let (person, faults) = person::person(&entry, &attributes);
    let person = person.expect("it has an entryUUID");
    assert_eq!(faults, []);
    assert_eq!(person.id.to_string(), "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0");
    assert_eq!((person.name.as_str(), person.company.as_deref()), ("Ada", Some("Contoso")));
    assert_eq!(
        (person.department.as_deref(), person.sip.as_deref()),
        (Some("Sales"), Some("sip:ada@corp.test"))
    );
    assert_eq!((person.numbers.len(), person.further("RINGTIME")), (0, Some("15s")));
    assert!(person.further("roomNumber").is_none(), "nobody has asked for it");
    entry.attributes.retain(|(name, _)| name != "entryUUID");
    let (nobody, faults) = person::person(&entry, &attributes);
    assert!(nobody.is_none());
    assert_eq!(faults[0].to_string(), "entryUUID is missing: the entry is left out");
    for names in [attributes.of_persons(), attributes.of_um()] {
        assert!(
            names
                .iter()
                .all(|name| names.iter().filter(|other| other.eq_ignore_ascii_case(name)).count() == 1)
        );
    }
}

#[test]
fn flags_decide_who_is_there() {
    for (attribute, value, sip_enabled, disabled, um) in [
        ("msRTCSIP-UserEnabled", "FALSE", Some(false), false, None),
        ("msRTCSIP-UserEnabled", "true", Some(true), false, None),
        ("msRTCSIP-UserEnabled", "maybe", None, false, None),
        ("userAccountControl", "514", None, true, None),
        ("userAccountControl", "66048", None, false, None),
        ("userAccountControl", "-2147483646", None, true, None),
        ("userAccountControl", "99999999999", None, false, None),
        ("msExchUMEnabledFlags", "0", None, false, Some(false)),
        ("msExchUMEnabledFlags", "831", None, false, Some(true)),
    ] {
        let (person, _) = read(&record(1, &[(attribute, &[value])]));
        assert_eq!(
            (person.sip_enabled, person.disabled, person.um_enabled),
            (sip_enabled, disabled, um),
            "{attribute}={value}"
        );
    }
    let rcc = read(&record(
        1,
        &[("msRTCSIP-LineServer", &["sip:rcc@corp.test"]), ("msRTCSIP-OptionFlags", &["16"])],
    ))
    .0;
    assert!(rcc.control.is_on() && !rcc.control.has_voice());
}

#[test]
fn r13_an_eum_address_names_a_plan() {
    for (written, read) in [
        (
            "EUM:tu@contoso.com;phone-context=Hellerup.contoso.com",
            Some(("tu@contoso.com", "Hellerup.contoso.com", true)),
        ),
        ("eum:4001;phone-context=DP", Some(("4001", "DP", false))),
        ("Eum:4001; PHONE-CONTEXT = DP", Some(("4001", "DP", false))),
        ("EUM:4001;x=y;phone-context=DP", Some(("4001", "DP", true))),
        ("EUM:4001", None),
        ("EUM:;phone-context=DP", None),
        ("EUM:4001;phone-context=", None),
        ("EUM:4001;phone-context=A;phone-context=B", None),
        ("smtp:a@b.test", None),
        ("EU", None),
        ("€UM:1", None),
    ] {
        let eum = Eum::read(written);
        let parts = eum.as_ref().map(|eum| (eum.address.as_str(), eum.context.as_str(), eum.primary));
        assert_eq!(parts, read, "{written}");
    }
    let eum = Eum::read("EUM:1;phone-context=DP-HQ.corp.test").expect("an address");
    for (plan, covers) in [
        ("DP-HQ", Some(5)),
        ("dp-hq.CORP", Some(10)),
        ("DP-HQ.corp.test", Some(15)),
        ("DP-H", None),
        ("", None),
        ("DP-HQ.corp.test.x", None),
    ] {
        assert_eq!(eum.names(plan), covers, "{plan}");
    }
}

/// T15 T18: each value costs itself, says why without showing itself, and what is left survives the snapshot.
#[test]
fn t15_t18_a_hostile_value_costs_itself() {
    let (huge, long) = ("A".repeat(1 << 20), "1".repeat(70));
    let rows: [(&str, &[u8], &str); 14] = [
        ("displayName", b"\xff\xfe", "displayName has a value that is not UTF-8"),
        ("displayName", huge.as_bytes(), "displayName has a value of more than 4096 octets"),
        ("telephoneNumber", b"call me", "telephoneNumber has a value that is no number, or too many"),
        ("telephoneNumber", long.as_bytes(), "telephoneNumber has a value that is no number, or too many"),
        ("msRTCSIP-Line", b"tel:", "msRTCSIP-Line is no tel: URI"),
        ("msRTCSIP-Line", b"sip:x@y", "msRTCSIP-Line is no tel: URI"),
        ("msRTCSIP-PrimaryUserAddress", b"sip:", "msRTCSIP-PrimaryUserAddress is no SIP address"),
        ("msRTCSIP-PrimaryUserAddress", b"sip:a@b;x=\">", "msRTCSIP-PrimaryUserAddress is no SIP address"),
        ("msRTCSIP-PrimaryUserAddress", b"http://x/", "msRTCSIP-PrimaryUserAddress is no SIP address"),
        ("mail", b"nobody", "mail has a value that is no mail address"),
        ("mail", b"a@b\r\nBcc: c@d.test", "mail has a value that is no mail address"),
        ("proxyAddresses", b"EUM:1", "proxyAddresses has an EUM address without a dial plan"),
        ("userAccountControl", b"many", "userAccountControl is no whole number"),
        ("msRTCSIP-UserEnabled", b"\0", ""),
    ];
    for (attribute, value, fault) in rows {
        let mut entry = record(1, &[("title", &["Dr."]), ("cn", &["Ada"])]);
        entry.attributes.push((attribute.to_owned(), vec![value.to_vec()]));
        let (person, faults) = read(&entry);
        assert_eq!(
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            fault,
            "{attribute}"
        );
        assert_eq!((person.name.as_str(), person.title.as_deref()), ("Ada", Some("Dr.")), "{attribute}");
    }
    for (name, clean) in [
        ("Ada\r\nBcc: x", "Ada Bcc: x"),
        ("\u{202E}adA\0\u{1}", "adA"),
        ("*)(objectClass=*", "*)(objectClass=*"),
        ("'); DROP TABLE users;--", "'); DROP TABLE users;--"),
        ("<b>{{ 7*7 }}</b>", "<b>{{ 7*7 }}</b>"),
        ("👩‍👩‍👧 山田 太郎", "👩‍👩‍👧 山田 太郎"),
    ] {
        let (person, faults) = read(&record(1, &[("displayName", &[name])]));
        assert_eq!((person.name.as_str(), faults), (clean, vec![]));
        let roster = Roster::of([person.clone()], vec![], vec![]);
        let back = snapshot::decode(Bytes::from(snapshot::encode(&roster))).expect("a snapshot");
        assert_eq!(back.persons().collect::<Vec<_>>(), [person]);
    }
}

#[test]
fn t15_ten_thousand_values_are_cut_off() {
    let numbers: Vec<String> = (0..10_000).map(|at| format!("+45{at:08}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let (person, faults) = read(&record(1, &[("otherTelephone", &numbers), ("mobile", &["+45 1"])]));
    assert!(person.numbers.len() <= 64 && person.numbers[0].kind == Kind::Mobile);
    assert!(
        faults.len() <= 2 && faults[0].to_string().starts_with("otherTelephone has more than 500"),
        "{faults:?}"
    );
}

#[test]
fn a_password_is_taken_to_the_letter_and_never_shown() {
    let attributes = Attributes::of(Profile::ActiveDirectory).with(Meaning::Password, vec!["secret".into()]);
    for (value, taken) in [("a  b ", true), ("{SSHA}xyz", false), ("", false), ("a\nb", false)] {
        let (person, faults) = person::person(&record(1, &[("secret", &[value])]), &attributes);
        let person = person.expect("a person");
        assert_eq!(person.password.as_ref().map(|password| password.0.as_str()), taken.then_some(value));
        assert_eq!(faults.is_empty(), taken);
        assert!(!taken || !format!("{person:?}").contains(value));
    }
}

#[test]
fn ranged_attributes_are_asked_for_until_their_end() {
    let values = |from: u32, to: u32| (from..to).map(|at| at.to_string().into_bytes()).collect::<Vec<_>>();
    let mut whole = record(1, &[("cn", &["plan"])]);
    whole.attributes.push(("servers;range=0-1499".into(), values(0, 1500)));
    assert_eq!(whole.missing(), ["servers;range=1500-*"]);
    let part = |name: &str, values| Record { dn: whole.dn.clone(), attributes: vec![(name.into(), values)] };
    let (second, last) = (
        part("servers;range=1500-2999", values(1500, 3000)),
        part("Servers;Range=3000-*", values(3000, 3100)),
    );
    assert!(whole.clone().extend(second.clone()));
    whole.extend(second.clone());
    assert_eq!(whole.missing(), ["servers;range=3000-*"]);
    assert!(!whole.clone().extend(second), "the same once more brings nothing on");
    assert!(whole.extend(last));
    assert_eq!((whole.missing().len(), whole.values("SERVERS").count()), (0, 3100));
    for odd in ["a;range=", "a;range=1", "a;range=x-y", "a;range=5-4294967295", "range=0-1"] {
        let one = Record { dn: String::new(), attributes: vec![(odd.into(), vec![])] };
        assert_eq!(one.missing().len(), 0, "{odd}");
    }
}

#[test]
fn an_id_is_16_octets_a_uuid_or_a_digest() {
    let text = "00112233-4455-6677-8899-aabbccddeeff";
    let uuid = Id::of(text.as_bytes());
    assert_eq!(uuid.to_string(), text);
    assert_eq!(Id::of(format!("{{{}}}", text.to_uppercase()).as_bytes()), uuid);
    assert_eq!(Id::of(&uuid.0), uuid);
    assert_eq!(Id::of(b"uid=ada"), Id::of(b"uid=ada"));
    assert_ne!(Id::of(b"uid=ada"), Id::of(b"uid=bob"));
    for odd in ["0011223344556677-8899-aabb-ccdd-eeff0011", "+0112233-4455-6677-8899-aabbccddeeff", "", "é"]
    {
        assert_eq!(Id::read(odd), None, "{odd}");
    }
}

#[test]
fn templates_are_filled_with_what_fits_into_a_uri() {
    let (mut person, _) = read(&whole());
    person.further.push(("room".into(), "12 a".into()));
    person.further.push(("desk".into(), "d-7".into()));
    for (template, filled) in [
        ("sip:{extension}@192.0.2.10", Some("sip:200@192.0.2.10")),
        ("sip:{user}@{domain};x={DESK}", Some("sip:jm@corp.test;x=d-7")),
        ("sip:{number}@pbx", Some("sip:+4544890101@pbx")),
        ("sip:{mail_user}@pbx", Some("sip:jm@pbx")),
        ("sip:desk@pbx", Some("sip:desk@pbx")),
        ("sip:{room}@pbx", None),
        ("sip:{mail}@pbx", None),
        ("sip:{missing}@pbx", None),
    ] {
        let template = Template::read(template).expect("a template");
        assert_eq!(template.fill(&person).as_deref(), filled, "{template}");
    }
    for bad in ["sip:{", "sip:{}", "sip:}", "sip:{a b}", "sip:{a}}"] {
        assert!(Template::read(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn t15_no_entry_makes_the_reader_fall_over(
        entries in proptest::collection::vec((0..40_usize, proptest::collection::vec(any::<Vec<u8>>(), 0..4)), 0..12),
    ) {
        let attributes = Attributes::of(Profile::ActiveDirectory);
        let names = attributes.of_persons();
        let given = entries.into_iter().map(|(at, values)| (names[at % names.len()].to_owned(), values));
        let entry = Record { dn: "cn=x".into(), attributes: given.collect() };
        if let (Some(person), _) = person::person(&entry, &attributes) {
            let roster = Roster::of([person.clone()], vec![], vec![]);
            prop_assert_eq!(roster.persons().collect::<Vec<_>>(), vec![person]);
        }
    }
}
