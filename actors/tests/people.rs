//! Issue 5.1, 5.2: a site and its directory become one (R7 R13 R14 R24 R25 R205): who is a user, what the site file says
//! before the directory, whose a number is.

use std::{path::Path, sync::Arc};

use ringpost::{
    address::{Caller, Language, UserClass},
    directory::{
        Directory,
        dial_plan::DialPlan,
        ldap::{Id, Meaning, Profile, Record},
        people::{People, Roster},
        person,
        reverse::Rule,
    },
    identity::contact,
    settings::{Site, UmServer, User},
};
use ringpost_actors::load;

const SITE: &str = r#"
[outbound]
country = "45"
national_prefix = "0"
international_prefix = "00"
[mail]
url = "smtp://localhost"
from = "r@corp.test"
[um.plan.local]
servers = ["embedded"]
[directory]
servers = ["ldaps://dc1.corp.test"]
bases = ["dc=corp,dc=test"]
[directory.attributes]
ring_for = ["extensionAttribute3"]
missed_calls = ["extensionAttribute5"]
time_zone = ["extensionAttribute4"]
auth_name = ["extensionAttribute1"]
password = ["extensionAttribute2"]
[directory.users]
devices = ["sip:{extension}@192.0.2.10"]
ring_for = "25s"
time_zone = "Europe/Copenhagen"
"#;

/// An entry with that id, beside a SIP address of that name.
fn entry(id: u8, user: &str, attributes: &[(&str, &str)]) -> Record {
    let sip = format!("sip:{user}@corp.test");
    let mut record = Record { dn: format!("cn={user},ou=Users,dc=corp,dc=test"), attributes: vec![] };
    let own = [("displayName", user), ("msRTCSIP-PrimaryUserAddress", &sip)];
    for (name, value) in own.iter().chain(attributes) {
        let known = record.attributes.iter_mut().find(|(known, _)| known == name);
        match known {
            Some((_, values)) => values.push(value.as_bytes().to_vec()),
            None => record.attributes.push(((*name).to_owned(), vec![value.as_bytes().to_vec()])),
        }
    }
    record.attributes.push(("objectGUID".into(), vec![vec![id; 16]]));
    record
}

fn site(text: &str) -> Arc<Site> {
    let read = load::text(Path::new("folder/site.toml"), text);
    Arc::new(read.unwrap_or_else(|problems| panic!("{problems:?}")))
}

/// The directory of a site with entries, and what could not be used.
fn joined(site: &Arc<Site>, entries: &[Record], plans: Vec<DialPlan>) -> (Directory, Vec<String>) {
    let ldap = site.ldap.as_ref().expect("[directory]");
    let persons = entries.iter().filter_map(|entry| person::person(entry, &ldap.attributes).0);
    let roster = Arc::new(Roster::of(persons, plans, vec![]));
    let normal = |number: &str| contact::normal(number, &site.outbound.numbering);
    let people = People::of(roster, &Rule { normal: &normal, last_digits: ldap.last_digits });
    let (directory, remarks) = Directory::joined(Arc::clone(site), Arc::new(people));
    (directory, remarks.iter().map(|remark| format!("{remark} ({})", remark.value)).collect())
}

fn hq() -> DialPlan {
    DialPlan {
        name: "DP-HQ".into(),
        dn: "cn=DP-HQ,cn=Services".into(),
        servers: vec!["um1.corp.test".into()],
    }
}

fn id(octet: u8) -> Id {
    Id([octet; 16])
}

fn user<'d>(directory: &'d Directory, address: &str) -> &'d User {
    directory.by_address(address).unwrap_or_else(|| panic!("{address} is a user"))
}

#[test]
fn r13_r14_r24_a_person_becomes_a_user_with_line_plan_and_the_sites_defaults() {
    let (directory, remarks) = joined(
        &site(SITE),
        &[entry(
            1,
            "ada",
            &[
                ("msRTCSIP-Line", "tel:+4544890101;ext=200"),
                ("telephoneNumber", "+45 4489 0155"),
                ("mobile", "+45 2011 2233"),
                ("proxyAddresses", "EUM:4001;phone-context=DP-HQ.corp.test"),
                ("mail", "ada@corp.test"),
                ("preferredLanguage", "da-DK, en;q=0.5"),
                ("extensionAttribute1", "ada-phone"),
                ("extensionAttribute2", "secret  word"),
            ],
        )],
        vec![hq()],
    );
    assert_eq!(remarks, [""; 0]);
    let ada = user(&directory, "SIP:Ada@corp.test");
    assert_eq!((ada.name.as_deref(), ada.mail.as_deref()), (Some("ada"), Some("ada@corp.test")));
    assert_eq!(ada.numbers, ["+4544890101;ext=200", "4001", "+4544890101", "200", "+4544890155"]);
    assert_eq!(ada.devices, ["sip:200@192.0.2.10"]);
    assert_eq!((ada.um_plan.as_deref(), ada.missed_calls), (Some("DP-HQ"), UserClass::Um));
    assert_eq!((ada.ring_for.as_secs(), ada.language), (25, Language::Da));
    assert_eq!(ada.time_zone, "Europe/Copenhagen");
    assert_eq!(ada.line.as_ref().map(ToString::to_string).as_deref(), Some("tel:+4544890101;ext=200"));
    let login = ada.login.as_ref().expect("a password");
    assert_eq!((login.name.as_str(), login.password.0.as_str()), ("ada-phone", "secret  word"));
    assert!(ada.mail_if_um_refuses, "the site's channels carry the mail");
    for number in ["200", "4001", "+4544890155", "+45-4489-0155", "ada"] {
        assert_eq!(
            directory.user(number).map(|user| user.address.as_str()),
            Some("sip:ada@corp.test"),
            "{number}"
        );
    }
    assert!(directory.user("+4520112233").is_none(), "a mobile rings by itself");
    let pool = directory.pool(ada).expect("the plan has a pool");
    let server = UmServer::Sip("sip:um1.corp.test:5060;transport=tcp".into());
    assert_eq!(pool.members().iter().map(|member| member.server.clone()).collect::<Vec<_>>(), [server]);
    assert!(directory.pool_named("local").is_some(), "the site's own plans stay");
}

#[test]
fn r13_the_plan_is_the_phone_context_else_the_link_and_an_unknown_one_leaves_no_um() {
    let long =
        DialPlan { name: "DP-HQ.corp".into(), dn: "cn=long,cn=Services".into(), servers: vec!["um2".into()] };
    let with_plan = SITE.replace("ring_for = \"25s\"", "um_plan = \"local\"");
    let eum = |context: &str| format!("EUM:4001;phone-context={context}");
    for (attributes, plan, remarked) in [
        (vec![("proxyAddresses", eum("DP-HQ"))], Some("DP-HQ"), false),
        (vec![("proxyAddresses", eum("dp-hq.test"))], Some("DP-HQ"), false),
        (vec![("proxyAddresses", eum("DP-HQ.corp.test"))], Some("DP-HQ.corp"), false),
        (vec![("proxyAddresses", eum("LOCAL.corp.test"))], Some("local"), false),
        (vec![("proxyAddresses", eum("DP-Gone.corp.test"))], None, true),
        (
            vec![
                ("proxyAddresses", eum("DP-Gone")),
                ("msExchUMRecipientDialPlanLink", "CN=dp-hq, cn=services".into()),
            ],
            Some("DP-HQ"),
            false,
        ),
        (vec![("msExchUMRecipientDialPlanLink", "cn=long,cn=Services".into())], Some("DP-HQ.corp"), false),
        (vec![("msExchUMRecipientDialPlanLink", "cn=local,cn=Elsewhere".into())], Some("local"), false),
        (vec![("msExchUMRecipientDialPlanLink", "cn=gone,cn=Services".into())], None, true),
        (vec![("msExchUMEnabledFlags", "0".into()), ("proxyAddresses", eum("DP-HQ"))], None, false),
        (vec![], Some("local"), false),
    ] {
        let attributes: Vec<_> = attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (directory, remarks) =
            joined(&site(&with_plan), &[entry(1, "ada", &attributes)], vec![hq(), long.clone()]);
        let ada = user(&directory, "sip:ada@corp.test");
        assert_eq!(
            (ada.um_plan.as_deref(), remarks.len()),
            (plan, usize::from(remarked)),
            "{attributes:?} {remarks:?}"
        );
        assert_eq!(
            ada.missed_calls,
            if plan.is_some() { UserClass::Um } else { UserClass::Off },
            "{attributes:?}"
        );
        assert!(directory.user("ada").is_some(), "the call has somebody to reach, UM or not");
    }
    let unknown = format!(
        "{SITE}[[user]]\naddress = \"sip:bob@corp.test\"\num_plan = \"later\"\nmissed_calls = \"um\"\n"
    );
    let (directory, remarks) = joined(&site(&unknown), &[], vec![]);
    assert_eq!(
        remarks,
        [
            "a user of the site file has a UM dial plan that neither the site file nor the directory knows with a server, and no UM (later)"
        ]
    );
    assert_eq!(user(&directory, "sip:bob@corp.test").missed_calls, UserClass::Off);
}

#[test]
fn the_site_file_counts_before_the_directory_key_by_key() {
    let own = format!(
        "{SITE}[[user]]\naddress = \"sip:ADA@corp.test\"\nname = \"Ada L.\"\nring_for = \"9s\"\nmissed_calls = \"mail\"\n\
         [[user]]\naddress = \"sip:bob@corp.test\"\nnumbers = [\"+4544890101\"]\ndevices = [\"sip:bob@192.0.2.7\"]\n\
         time_zone = \"UTC\"\nlanguage = \"de\"\nmail = \"bob@home.test\"\npassword = \"own\"\nauth_name = \"x\"\n\
         [[user]]\naddress = \"sip:lobby@corp.test\"\nnumbers = [\"100\"]\ndevices = [\"sip:lobby@192.0.2.8\"]\n"
    );
    let all = |line: &'static str, mail: &'static str| {
        [
            ("msRTCSIP-Line", line),
            ("mail", mail),
            ("proxyAddresses", "EUM:x@corp.test;phone-context=DP-HQ"),
            ("preferredLanguage", "fr"),
            ("extensionAttribute1", "x"),
            ("extensionAttribute2", "of the directory"),
        ]
    };
    let (directory, remarks) = joined(
        &site(&own),
        &[
            entry(1, "ada", &all("tel:+4544890101;ext=200", "ada@corp.test")),
            entry(2, "bob", &all("tel:+4544890102;ext=201", "bob@corp.test")),
        ],
        vec![hq()],
    );
    let ada = user(&directory, "sip:ada@corp.test");
    assert_eq!(ada.address, "sip:ADA@corp.test");
    assert_eq!(
        (ada.name.as_deref(), ada.ring_for.as_secs(), ada.missed_calls),
        (Some("Ada L."), 9, UserClass::Mail)
    );
    // The rest is the directory's; the number before the extension is Bob's by the site file.
    assert_eq!((ada.numbers.join(" "), ada.language), ("+4544890101;ext=200 200".to_owned(), Language::Fr));
    assert_eq!((ada.um_plan.as_deref(), ada.time_zone.as_str()), (Some("DP-HQ"), "Europe/Copenhagen"));
    assert!(ada.login.is_none(), "the name is Bob's");
    assert_eq!(
        remarks,
        [format!(
            "the entry {} has a name for devices that somebody before it has, and no device may register (x)",
            id(1)
        )]
    );
    let bob = user(&directory, "sip:bob@corp.test");
    assert_eq!((bob.name.as_deref(), bob.numbers.as_slice()), (Some("bob"), &["+4544890101".to_owned()][..]));
    assert_eq!(
        (bob.devices.as_slice(), bob.mail.as_deref()),
        (&["sip:bob@192.0.2.7".to_owned()][..], Some("bob@home.test"))
    );
    assert_eq!(
        (bob.time_zone.as_str(), bob.language, bob.um_plan.as_deref()),
        ("UTC", Language::De, Some("DP-HQ"))
    );
    assert_eq!(bob.login.as_ref().map(|login| login.password.0.as_str()), Some("own"));
    let lobby = user(&directory, "sip:lobby@corp.test");
    assert_eq!(
        (lobby.ring_for.as_secs(), lobby.missed_calls),
        (20, UserClass::Off),
        "the site file alone says it"
    );
    assert_eq!(directory.site.users.len(), 3);
    assert_eq!(directory.bare().users.len(), 3);
    assert_eq!(
        directory.bare().users[0].numbers.len(),
        0,
        "what the next directory is joined to is the file's"
    );
}

#[test]
fn who_is_no_user_is_only_named() {
    let told = SITE.replace(
        "ring_for = \"25s\"",
        "below = [\"OU=Users, dc=corp,dc=test\"]\nonly = [\"department=sales\", \"mail=*\"]",
    );
    let sales = [("department", "Sales"), ("mail", "a@corp.test")];
    let with = |more: &[(&'static str, &'static str)]| [&sales[..], more].concat();
    let mut elsewhere = entry(7, "gus", &sales);
    elsewhere.dn = "cn=gus,ou=Guests,dc=corp,dc=test".into();
    let mut without = entry(8, "hal", &with(&[("telephoneNumber", "+4544890808")]));
    without.attributes.retain(|(name, _)| name != "msRTCSIP-PrimaryUserAddress");
    let entries = [
        entry(1, "ada", &sales),
        entry(2, "bob", &with(&[("userAccountControl", "514"), ("telephoneNumber", "+4544890202")])),
        entry(3, "cem", &with(&[("msRTCSIP-UserEnabled", "FALSE")])),
        entry(4, "dag", &[("department", "Research"), ("mail", "d@corp.test")]),
        entry(5, "eva", &[("department", "Sales")]),
        entry(6, "fay", &with(&[("msRTCSIP-UserEnabled", "TRUE")])),
        elsewhere,
        without,
    ];
    let users = |text: &str| {
        let (directory, remarks) = joined(&site(text), &entries, vec![]);
        assert_eq!(remarks.len(), 0);
        let name = |user: &User| user.address.replace("sip:", "").replace("@corp.test", "");
        directory.site.users.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(users(&told), ["ada", "fay"]);
    assert_eq!(users(&told.replace("below =", "must_be_enabled = true\nbelow =")), ["fay"]);
    assert_eq!(
        users(&told.replace("below =", "address = \"sip:{mail_user}@phones.test\"\nbelow =")),
        ["ada", "fay", "sip:a@phones.test".replace("sip:", "").as_str()]
    );
    let users_off = told.split("[directory.users]").next().expect("the head");
    assert_eq!(users(users_off), [""; 0]);
    let (directory, _) = joined(&site(&told), &entries, vec![]);
    for (number, name) in [("+4544890808", "hal"), ("0044890202", ""), ("+4544890202", "bob")] {
        let caller = Caller { number: Some(number.into()), ..Caller::default() };
        let named = directory.named(caller);
        assert_eq!(named.name.as_deref().unwrap_or_default(), name);
        assert_eq!(named.source.is_some_and(|source| source.as_str() == "directory"), !name.is_empty());
    }
}

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
fn wishes_that_make_no_sense_are_told_and_left_out() {
    for (attribute, value, what) in [
        ("extensionAttribute3", "15", ""),
        ("extensionAttribute3", "15s", ""),
        ("extensionAttribute3", "0", "has a ring_for that is no time up to ten minutes"),
        ("extensionAttribute3", "soon", "has a ring_for that is no time up to ten minutes"),
        ("extensionAttribute3", "2h", "has a ring_for that is no time up to ten minutes"),
        ("extensionAttribute3", "99999999999999999999", "has a ring_for that is no time up to ten minutes"),
        ("extensionAttribute4", "UTC", ""),
        ("extensionAttribute4", "Romance Standard Time", "has a time zone that is no IANA name"),
        ("extensionAttribute5", "PBX", ""),
        ("extensionAttribute5", "nobody", "has a missed_calls that is none of um, mail, pbx, off"),
        ("preferredLanguage", "tlh", "has a language that there is not"),
        ("preferredLanguage", "é", "has a language that there is not"),
        ("preferredLanguage", "sv, de-AT", ""),
    ] {
        let (directory, remarks) = joined(&site(SITE), &[entry(1, "ada", &[(attribute, value)])], vec![]);
        let expected =
            if what.is_empty() { vec![] } else { vec![format!("the entry {} {what} ({value})", id(1))] };
        assert_eq!(remarks, expected, "{attribute}={value}");
        let ada = user(&directory, "sip:ada@corp.test");
        let ring_for = if what.is_empty() && attribute == "extensionAttribute3" { 15 } else { 25 };
        assert_eq!(ada.ring_for.as_secs(), ring_for);
        assert_eq!(ada.missed_calls, if value == "PBX" { UserClass::Pbx } else { UserClass::Off });
        assert_eq!(ada.language, if value == "sv, de-AT" { Language::De } else { Language::En });
    }
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

#[test]
fn a_site_says_what_attributes_are_called_and_asks_only_for_what_it_needs() {
    let text = "[directory]\nservers = [\"ldap://127.0.0.1?starttls=never\"]\nbases = [\"dc=x\"]\nprofile = \"openldap\"\n\
         last_digits = 8\n[directory.attributes]\nsip = [\"sipAddress\", \"uid\"]\npager = []\n\
         [directory.users]\nonly = [\"l=Hellerup\"]\ndevices = [\"sip:{deskPhone}@pbx.test\"]\n";
    let site = site(text);
    let ldap = site.ldap.as_ref().expect("[directory]");
    assert_eq!(
        (ldap.profile, ldap.last_digits, ldap.filter.to_string().as_str()),
        (Profile::OpenLdap, 8, "(objectClass=inetOrgPerson)")
    );
    let asked = ldap.attributes.of_persons();
    for name in ["sipAddress", "uid", "l", "deskPhone", "entryUUID", "modifyTimestamp"] {
        assert!(asked.contains(&name), "{name} of {asked:?}");
    }
    for name in ["pager", "objectGUID", "networkAddress", "msRTCSIP-PrimaryUserAddress"] {
        assert!(!asked.contains(&name), "{name} of {asked:?}");
    }
    assert_eq!(ldap.attributes.names(Meaning::Sip), ["sipAddress", "uid"]);
    assert_eq!(ldap.snapshot, Path::new("folder/directory.snapshot"));
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

/// The sample site, with entries in the shape of its directory.
#[test]
fn the_sample_site_by_active_directory_has_its_users() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("directory.password"), "secret\n").expect("the folder can be written");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/sites/active-directory.toml");
    let text = std::fs::read_to_string(sample).expect("the sample is there");
    let read = load::text(&folder.path().join("site.toml"), &text);
    let site = Arc::new(read.unwrap_or_else(|problems| panic!("{problems:?}")));
    let staff = |octet, name: &str, attributes: &[(&str, &str)]| {
        let address = format!("sip:{name}@corp.example");
        let own = [("msRTCSIP-PrimaryUserAddress", address.as_str()), ("msRTCSIP-UserEnabled", "TRUE")];
        let mut one = entry(octet, name, attributes);
        one.attributes.retain(|(known, _)| known != own[0].0);
        for (known, value) in own {
            one.attributes.push((known.to_owned(), vec![value.as_bytes().to_vec()]));
        }
        one.dn = format!("CN={name},OU=Sales,OU=Staff,DC=corp,DC=example");
        one
    };
    let mut guest = staff(4, "guest", &[("telephoneNumber", "+45 44 89 09 99")]);
    guest.dn = "CN=guest,OU=Guests,DC=corp,DC=example".into();
    let entries = [
        staff(
            1,
            "ada",
            &[
                ("msRTCSIP-Line", "tel:+4544890101"),
                ("mail", "ada@corp.example"),
                ("proxyAddresses", "EUM:ada@corp.example;phone-context=DP-HQ.corp.example"),
            ],
        ),
        staff(2, "bo", &[("msRTCSIP-Line", "tel:+4544890100;ext=202"), ("mail", "bo@corp.example")]),
        staff(
            3,
            "cy",
            &[("msRTCSIP-Line", "tel:+4544890100;ext=203"), ("extensionAttribute4", "Asia/Tokyo")],
        ),
        guest,
    ];
    let (directory, remarks) = joined(&site, &entries, vec![hq()]);
    assert_eq!(remarks, [""; 0]);
    let users = directory.site.users.iter().map(|user| {
        let name = user.address.replace("sip:", "").replace("@corp.example", "");
        let devices = user.devices.join(" ").replace("sip:", "");
        (
            name,
            user.numbers.join(" "),
            devices,
            user.missed_calls,
            user.ring_for.as_secs(),
            user.time_zone.clone(),
        )
    });
    let row = |name: &str, numbers: &str, devices: &str, class, ring: u64, zone: &str| {
        (name.to_owned(), numbers.to_owned(), devices.to_owned(), class, ring, zone.to_owned())
    };
    let expected = [
        // A line without an extension has no desk phone by one: Ada's devices register.
        row("ada", "+4544890101", "", UserClass::Um, 35, "Europe/Copenhagen"),
        row("lobby", "100", "lobby@192.0.2.31", UserClass::Off, 20, "UTC"),
        row("bo", "+4544890100;ext=202 202", "202@192.0.2.10", UserClass::Mail, 20, "Europe/Copenhagen"),
        row("cy", "+4544890100;ext=203 203", "203@192.0.2.10", UserClass::Off, 20, "Asia/Tokyo"),
    ];
    assert_eq!(users.collect::<Vec<_>>(), expected);
    for (number, name) in [("+4544890999", Some("guest")), ("44890999", Some("guest")), ("+4544890100", None)]
    {
        let caller = Caller { number: Some(number.into()), ..Caller::default() };
        assert_eq!(directory.named(caller).name.as_deref(), name, "{number}");
    }
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
