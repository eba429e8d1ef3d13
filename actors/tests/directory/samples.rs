//! The sample sites with a directory, played by calls.

use std::{fmt::Write as _, fs};

use crate::{
    authority::lasting,
    calls::Town,
    program::{self, Over, Peer, Ringpost, ports},
    slapd::{self, BASE, PASSWORD, READER, Slapd},
};

/// A sample with the names and addresses of this machine; `lines` come last into its `[directory]`.
fn town(sample: &str, slapd: Slapd, lines: &str) -> Town {
    let mut site = program::sample(sample);
    let sip = ([127, 0, 0, 1], ports(1)).into();
    let (pbx, desk) = (Peer::new(Over::Udp, "127.0.0.1", sip), Peer::new(Over::Udp, "127.0.0.1", sip));
    let metrics = format!("127.0.0.1:{}", ports(1));
    let server = format!("ldaps://127.0.0.1:{}", slapd.ldaps);
    let ca = format!("bases = [\"{BASE}\"]\nca = {:?}\n{lines}", slapd.file("ca.pem"));
    let device = desk.uri();
    let device = device.rsplit('@').next().unwrap_or_default();
    let others = [
        ("192.0.2.5:5060", format!("{sip}")),
        ("sources = [\"192.0.2.10\"]", "sources = [\"127.0.0.1\"]".to_owned()),
        ("@192.0.2.10\"", format!("@{device}\"")),
        ("\"ldaps://ldap1.corp.example\", \"ldap://ldap2.corp.example\"", format!("{server:?}")),
        ("\"ldaps://dc1.corp.example\", \"ldaps://dc2.corp.example\"", format!("{server:?}")),
        ("bind_name = \"cn=ringpost,ou=Services,dc=corp,dc=example\"", format!("bind_name = {READER:?}")),
        ("bind_name = \"ringpost@corp.example\"", format!("bind_name = {READER:?}")),
        ("bases = [\"ou=People,dc=corp,dc=example\"]", ca.clone()),
        ("bases = [\"dc=corp,dc=example\"]", ca),
        ("dc=corp,dc=example", BASE.to_owned()),
        ("smtp://mail.corp.example", "maildir:mail".to_owned()),
        ("smtp://192.0.2.6:25", "maildir:mail".to_owned()),
        ("127.0.0.1:9460", metrics),
        ("corp.example", "corp.test".to_owned()),
    ];
    for (in_sample, here) in others {
        site = site.replace(in_sample, &here);
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("directory.password"), PASSWORD).expect("a file");
    let ringpost = Ringpost::of(folder, sip, &site);
    Town { slapd, ringpost, pbx, desk }
}

#[test]
fn the_sample_with_openldap_calls_and_tells_who_is_in_the_directory() {
    if !slapd::is_there() {
        return;
    }
    let slapd = Slapd::start(lasting("ours"), &slapd::people(20), "");
    let mut town = town("openldap.toml", slapd, "");
    town.read(1);
    let invite = town.pbx.invite_with("+493090000001", "P-Asserted-Identity: <tel:+493090000002>\r\n");
    let rings = town.desk.expect("INVITE");
    assert!(rings.uri().starts_with("sip:70001@"), "{}", rings.uri());
    town.desk.answer(&rings, 486);
    town.desk.expect("ACK");
    town.pbx.refused(&invite, 486);
    let mails = town.ringpost.has_mails("user1@corp.test", 1);
    assert!(
        mails[0].1.contains("First2 Last2") && mails[0].1.contains("Content-Language: de"),
        "{}",
        mails[0].1
    );
}

const STAFF: &str = "ou=Staff,dc=corp,dc=test";

/// What Active Directory with Exchange and Lync would have.
fn active_directory(count: usize) -> String {
    let mut ldif = slapd::people(0);
    let services = format!("cn=Services,cn=Configuration,{BASE}");
    for (name, above) in
        [("Configuration", BASE.to_owned()), ("Services", format!("cn=Configuration,{BASE}"))]
    {
        write!(ldif, "dn: cn={name},{above}\nobjectClass: applicationProcess\ncn: {name}\n\n")
            .expect("a string");
    }
    write!(
        ldif,
        "dn: cn=EXUM1,{services}\nobjectClass: msExchExchangeServer\ncn: EXUM1\nnetworkAddress: ncacn_ip_tcp:um1.corp.test\n\
         versionNumber: 58720256\n\n\
         dn: cn=DP-HQ,{services}\nobjectClass: msExchUMDialPlan\ncn: DP-HQ\nmsExchUMServerDialPlanBL: cn=EXUM1,{services}\n\n"
    )
    .expect("a string");
    write!(ldif, "dn: {STAFF}\nobjectClass: organizationalUnit\nou: Staff\n\n").expect("a string");
    for number in 1..=count {
        write!(
            ldif,
            "dn: cn=User {number},{STAFF}\nobjectClass: user\nobjectCategory: person\ncn: User {number}\nsn: Last{number}\n\
             displayName: Last{number}, First{number}\nmail: user{number}@corp.test\nobjectGUID: {number:016}\n\
             uSNChanged: {number}\nmsRTCSIP-PrimaryUserAddress: sip:user{number}@corp.test\nmsRTCSIP-UserEnabled: TRUE\n\
             msRTCSIP-Line: tel:+493090{number:06};ext={}\nuserAccountControl: 512\n\
             proxyAddresses: EUM:user{number}@corp.test;phone-context=DP-HQ.corp.test\n\n",
            2000 + number
        )
        .expect("a string");
    }
    ldif
}

#[test]
fn the_sample_with_active_directory_has_its_lines_and_dial_plans() {
    if !slapd::is_there() {
        return;
    }
    let slapd = Slapd::start(lasting("ours"), &active_directory(12), "");
    let mut town = town("active-directory.toml", slapd, "poll = \"400ms\"");
    town.read(1);
    let invite = town.pbx.invite("+493090000003");
    let rings = town.desk.expect("INVITE");
    assert!(rings.uri().starts_with("sip:2003@"), "{}", rings.uri());
    town.desk.answer(&rings, 180);
    town.pbx.expect("180");
    town.pbx.cancel(&invite, "");
    let cancel = town.desk.expect("CANCEL");
    town.desk.answer(&cancel, 200);
    town.desk.answer(&rings, 487);
    town.desk.expect("ACK");
    town.pbx.expect("200");
    town.pbx.refused(&invite, 487);
    let (code, shown, complaint) = town.asks(&["show", "user3@corp.test"]);
    assert_eq!(code, 0, "{complaint}");
    assert!(shown.contains("UM plan    DP-HQ") && shown.contains("missed by  um"), "{shown}");
    // Found by its number of changes, which whoever changes it sets here.
    town.slapd.changes(&format!(
        "dn: cn=User 4,{STAFF}\nchangetype: modify\nreplace: msRTCSIP-UserEnabled\nmsRTCSIP-UserEnabled: FALSE\n-\n\
         replace: uSNChanged\nuSNChanged: 13\n"
    ));
    town.read(2);
    assert!(
        town.ringpost.log().contains("added=0 changed=1 removed=0 whole=false"),
        "{}",
        town.ringpost.log()
    );
    let invite = town.pbx.invite("+493090000004");
    town.pbx.refused(&invite, 404);
    let (code, shown, _) = town.asks(&["show", "user4@corp.test"]);
    assert!(code == 0 && shown.contains("no: the SIP address is not enabled"), "{shown}");
}
