//! Issue 5.1, 5.2: a site and its directory become one (R7 R13 R14 R24 R25 R205): who is a user, what the site file says
//! before the directory, whose a number is.

mod numbers;
mod sample;

use std::{path::Path, sync::Arc};

use ringpost::{
    address::{Caller, Language, UserClass},
    directory::{
        Directory,
        dial_plan::DialPlan,
        ldap::{Id, Record},
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
