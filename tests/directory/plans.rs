//! R14: dial plans and their servers.

use ringpost::{
    directory::{
        dial_plan::{dial_plans, same_dn},
        ldap::{Attributes, Profile, Record},
    },
    settings::{DirectoryUm, Transport, UmServer},
};

use super::record;

const BASE: &str = "cn=Services,cn=Configuration,dc=corp,dc=test";

fn plan(name: &str, servers: &[&str]) -> Record {
    let servers: Vec<_> = servers.iter().map(|name| format!("CN={name}, {BASE}")).collect();
    let servers: Vec<_> = servers.iter().map(String::as_str).collect();
    let entry = record(1, &[("cn", &[name]), ("msExchUMServerDialPlanBL", &servers)]);
    Record { dn: format!("cn={name},{BASE}"), ..entry }
}

fn server(name: &str, addresses: &[&str], major: i64) -> Record {
    let version = (1 << 30 | major << 22 | 0x8000).to_string();
    let entry = record(2, &[("networkAddress", addresses), ("versionNumber", &[&version])]);
    Record { dn: format!("cn={name},{BASE}"), ..entry }
}

#[test]
fn r14_a_plan_has_its_servers_of_the_highest_version() {
    let servers = [
        server("um1", &["ncacn_vns_spp:UM1", "netbios:UM1", "ncacn_ip_tcp:UM1.corp.test"], 14),
        server("um2", &["ncacn_ip_tcp:um2.corp.test"], 14),
        server("um3", &["ncacn_ip_tcp:um3.corp.test"], 8),
        server("um4", &["netbios:UM4"], 14),
        server("um5", &["ncacn_ip_tcp:um5/../<script>"], 14),
        server("um6", &["um6.corp.test"], 8),
    ];
    let plans = [
        plan("DP-HQ", &["um1", "UM2", "um3", "um1"]),
        plan("DP-Old", &["um3", "um6"]),
        plan("DP-None", &["um4", "um5", "um9"]),
        plan("dp-hq", &["um1"]),
    ];
    let attributes = Attributes::of(Profile::ActiveDirectory);
    let (read, remarks) = dial_plans(&plans, &servers, &attributes, &DirectoryUm::default());
    let found: Vec<_> = read.iter().map(|plan| (plan.name.as_str(), plan.servers.join(" "))).collect();
    assert_eq!(
        found,
        [
            ("DP-HQ", "um1.corp.test um2.corp.test".to_owned()),
            ("DP-Old", "um3.corp.test um6.corp.test".to_owned())
        ]
    );
    assert_eq!(
        remarks,
        [
            "a UM server of the dial plan DP-None is unknown, or has no address",
            "a UM server of the dial plan DP-None is unknown, or has no address",
            "a UM server of the dial plan DP-None is unknown, or has no address",
            "the UM dial plan DP-None has no server and is left out",
            "there are two UM dial plans dp-hq: the first one counts",
        ]
    );
    let all = DirectoryUm { highest_version: false, transport: Transport::Tls, port: 5061 };
    let (read, _) = dial_plans(&plans, &servers, &attributes, &all);
    let settings = read[0].settings(&all);
    assert_eq!(settings.name, "DP-HQ");
    let uri = |name: &str| UmServer::Sip(format!("sip:{name}.corp.test:5061;transport=tls"));
    assert_eq!(settings.servers, ["um1", "um2", "um3"].map(uri));
}

#[test]
fn distinguished_names_are_compared_without_spaces_and_case() {
    for (one, other, same) in [
        ("cn=A,dc=b", "CN=a, DC=B", true),
        (r"cn=A\,b,dc=c", r"CN=a\,B ,dc=c", true),
        (r"cn=A\,b,dc=c", "cn=A,b,dc=c", false),
        ("cn=a,dc=b", "cn=a,dc=b,dc=c", false),
        ("", "", true),
    ] {
        assert_eq!(same_dn(one, other), same, "{one} {other}");
    }
}
