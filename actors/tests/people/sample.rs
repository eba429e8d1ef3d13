//! What the site says of its directory: the names of attributes, and the sample site with entries in the shape of its own.

use std::{path::Path, sync::Arc};

use ringpost::{
    address::{Caller, UserClass},
    directory::ldap::{Meaning, Profile},
};
use ringpost_actors::load;

use super::{entry, hq, joined, site};

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
