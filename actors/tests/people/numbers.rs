//! Whose a number or a name is.

use std::sync::Arc;

use ringpost::{address::Caller, directory::ldap::Record};
use ringpost_actors::load;

use super::{SITE, entry, id, joined, site, user};

#[test]
fn of_two_with_one_number_or_address_the_first_has_it() {
    let (directory, remarks) = joined(
        &site(SITE),
        &[
            entry(3, "cem", &[("msRTCSIP-Line", "tel:+4544890101"), ("telephoneNumber", "+4544890100")]),
            entry(1, "ada", &[("msRTCSIP-Line", "tel:+4544890101"), ("telephoneNumber", "+4544890100")]),
            entry(2, "ADA", &[("msRTCSIP-Line", "tel:+4544890102")]),
            entry(
                4,
                "dag",
                &[("msRTCSIP-Line", "tel:+4544890199;ext=1"), ("telephoneNumber", "+45 44 89 01 01")],
            ),
            entry(5, "eva", &[("msRTCSIP-Line", "tel:+4544890199;ext=2"), ("telephoneNumber", "nonsense")]),
        ],
        vec![],
    );
    assert_eq!(
        remarks,
        [
            format!(
                "the entry {} has the SIP address of another entry and is no user (sip:ADA@corp.test)",
                id(2)
            ),
            format!(
                "the entry {} has a number that somebody before it has, and is not reached by it (+4544890101)",
                id(3)
            ),
        ]
    );
    let owner = |number: &str| directory.user(number).map(|user| user.address.clone());
    for (number, address) in [
        ("+4544890101", Some("sip:ada@corp.test")),
        ("+4544890100", None),
        ("+4544890199", None),
        ("1", Some("sip:dag@corp.test")),
        ("2", Some("sip:eva@corp.test")),
    ] {
        assert_eq!(owner(number).as_deref(), address, "{number}");
    }
    // What the site file leaves alone stays alone.
    let fax = format!("{SITE}[[bypass]]\nnumbers = [\"+4544890101\"]\ntarget = \"sip:fax@192.0.2.9\"\n");
    let (directory, _) =
        joined(&site(&fax), &[entry(1, "ada", &[("msRTCSIP-Line", "tel:+4544890101")])], vec![]);
    assert_eq!(
        directory.user("+4544890101").map(|user| user.devices.clone()),
        Some(vec!["sip:fax@192.0.2.9".into()])
    );
}

#[test]
fn r205_whoever_is_called_by_a_name_is_nobody_else() {
    // The first by id would have the number of the second as its name, or the name of another domain's namesake.
    let abroad = ("msRTCSIP-PrimaryUserAddress", "sip:cleo@other.test");
    let entries = [
        entry(1, "210", &[]),
        entry(2, "dan", &[("msRTCSIP-Line", "tel:+4544890101;ext=210"), ("telephoneNumber", "211")]),
        Record {
            attributes: vec![
                (abroad.0.into(), vec![abroad.1.into()]),
                ("msRTCSIP-Line".into(), vec![b"tel:213".to_vec()]),
                ("objectGUID".into(), vec![vec![3; 16]]),
            ],
            ..Record::default()
        },
        entry(4, "cleo", &[]),
        entry(5, "j.smith", &[]),
        entry(6, "jsmith", &[]),
        entry(7, "bob", &[("msRTCSIP-Line", "tel:212")]),
    ];
    let own = format!("[sip]\ndomain = \"corp.test\"\n{SITE}[[user]]\naddress = \"sip:212@corp.test\"\n");
    let (directory, remarks) = joined(&site(&own), &entries, vec![]);
    let called = |dialled: &str| directory.user(dialled).map(|user| user.address.as_str());
    for (dialled, who) in [
        ("210", Some("sip:210@corp.test")),
        ("+4544890101;ext=210", Some("sip:dan@corp.test")),
        ("211", Some("sip:dan@corp.test")),
        ("cleo", Some("sip:cleo@corp.test")),
        ("j.smith", Some("sip:j.smith@corp.test")),
        ("jsmith", Some("sip:jsmith@corp.test")),
        ("212", Some("sip:212@corp.test")),
    ] {
        assert_eq!(called(dialled), who, "{dialled}");
    }
    for user in &directory.site.users {
        assert!(
            user.numbers.iter().all(|number| called(number) == Some(&user.address)),
            "{} is reached by {:?}",
            user.address,
            user.numbers
        );
    }
    let abroad = user(&directory, "sip:cleo@other.test");
    assert_eq!(called("213"), Some(&*abroad.address), "namesakes have numbers");
    assert_eq!(
        remarks,
        [
            "the entry 03030303-0303-0303-0303-030303030303 has a SIP address whose user part somebody else is \
             called by, and is reached by its numbers alone (sip:cleo@other.test)",
            "the entry 07070707-0707-0707-0707-070707070707 has a number that somebody before it has, and is not \
             reached by it (212)",
        ]
    );
}

#[test]
fn no_entry_takes_the_calls_to_emergency_and_foreign_numbers() {
    let entries = [
        entry(1, "mal", &[("telephoneNumber", "112"), ("msRTCSIP-Line", "tel:911")]),
        entry(2, "999", &[]),
        entry(
            3,
            "eve",
            &[("telephoneNumber", "+45 33 11 22 33"), ("msRTCSIP-Line", "tel:+4544890101;ext=200")],
        ),
    ];
    let called = |text: &str, dialled: &str| {
        let (directory, _) = joined(&site(text), &entries, vec![]);
        directory.user(dialled).map(|user| user.address.clone())
    };
    for number in ["112", "911", "999"] {
        assert_eq!(called(SITE, number), None, "{number}");
    }
    assert!(called(SITE, "+4533112233").is_some());
    let within =
        SITE.replace("ring_for = \"25s\"", "numbers_within = [\"+4544890\"]\nnumbers_not = [\"200\"]");
    assert_eq!(called(&within, "+4533112233"), None);
    assert_eq!(called(&within, "200"), None);
    assert_eq!(called(&within, "+4544890101;ext=200").as_deref(), Some("sip:eve@corp.test"));
    assert_eq!(called(&within, "112").as_deref(), Some("sip:mal@corp.test"), "the site says so");
}

/// Ten thousand users: a lookup by address is no walk through all of them.
#[test]
fn ten_thousand_users_are_found_by_address_and_number() {
    let entries: Vec<_> = (0..10_000_u32)
        .map(|at| {
            let mut one = entry(0, &format!("user{at}"), &[("msRTCSIP-Line", &format!("tel:+4544{at:06}"))]);
            one.attributes.last_mut().expect("an id").1 = vec![u128::from(at).to_be_bytes().to_vec()];
            one
        })
        .collect();
    let (directory, remarks) = joined(&site(SITE), &entries, vec![]);
    assert_eq!((directory.site.users.len(), remarks.len()), (10_000, 0));
    for at in 0..10_000_u32 {
        let address = format!("sip:user{at}@corp.test");
        let found = directory.user(&format!("+4544{at:06}")).map(|user| user.address.as_str());
        assert_eq!(found, Some(address.as_str()));
        assert!(directory.by_address(&address).is_some());
    }
    assert!(directory.by_address("sip:user10000@corp.test").is_none());
}

/// R205: "users", "directory", then the others; a site may let the callee's own contacts win.
#[test]
fn r205_the_directory_is_a_source_of_names_at_its_place_in_the_order() {
    let contacts = "[channel.exchange]\nkind = \"ews\"\nurl = \"https://mail.corp.test/EWS/Exchange.asmx\"\nauth = \"basic\"\n\
         user = \"ringpost\"\npassword_file = \"word\"\nfrom = \"r@corp.test\"\n[identity.source.contacts]\nkind = \"ews\"\nchannel = \"exchange\"\n";
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("word"), "secret\n").expect("the folder can be written");
    let read = |order: &str| {
        let text = format!("{SITE}{contacts}[identity]\n{order}\n");
        let read = load::text(&folder.path().join("site.toml"), &text);
        Arc::new(read.unwrap_or_else(|problems| panic!("{problems:?}")))
    };
    let entries = [entry(1, "ada", &[("mobile", "+45 2011 2233")])];
    let caller = || Caller { number: Some("+4520112233".into()), ..Caller::default() };
    for (order, asked_before) in [
        ("", 0),
        ("order = [\"users\", \"directory\", \"contacts\"]", 0),
        ("order = [\"contacts\", \"directory\"]", 1),
    ] {
        let (directory, _) = joined(&read(order), &entries, vec![]);
        let named = directory.named(caller());
        assert_eq!(named.name.as_deref(), Some("ada"), "{order}");
        // Servers that may know better are asked while the phone rings, see actors/tests/identity.
        let before = directory.site.identity.before(named.source.as_ref()).count();
        assert_eq!(before, asked_before, "{order}");
    }
    let (directory, _) = joined(&read("order = [\"users\", \"contacts\"]"), &entries, vec![]);
    assert_eq!(directory.named(caller()).name, None, "a source that is left out is not asked");
}
