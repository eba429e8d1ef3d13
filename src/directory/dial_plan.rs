//! UM dial plans of the directory and their servers (R14).

use super::{
    ldap::{Attributes, Meaning, Record},
    person::Cleaned,
};
use crate::settings::{DirectoryUm, UmPlan, UmServer};

/// A dial plan, and where its servers are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DialPlan {
    /// Its name, `DP-HQ`.
    pub name: String,
    /// Its distinguished name.
    pub dn: String,
    /// Host names of its servers.
    pub servers: Vec<String>,
}

impl DialPlan {
    /// The plan as the call path knows it.
    pub fn settings(&self, um: &DirectoryUm) -> UmPlan {
        let transport = um.transport.name().to_ascii_lowercase();
        let uri = |host: &String| UmServer::Sip(format!("sip:{host}:{};transport={transport}", um.port));
        UmPlan { name: self.name.clone(), servers: self.servers.iter().map(uri).collect() }
    }
}

/// A UM server.
struct Server<'r> {
    dn: &'r str,
    host: String,
    /// The major version: 8 is Exchange 2007, 14 is 2010; `None`: the directory does not say.
    major: Option<u32>,
}

/// Reads the entries of dial plans and of UM servers. A plan without a name or a server is left out. And what is wrong,
/// each a sentence for the log without any value but the plan's name.
pub fn dial_plans(
    plans: &[Record],
    servers: &[Record],
    attributes: &Attributes,
    um: &DirectoryUm,
) -> (Vec<DialPlan>, Vec<String>) {
    let servers: Vec<_> = servers.iter().filter_map(|record| server(record, attributes)).collect();
    let (mut read, mut remarks): (Vec<DialPlan>, Vec<String>) = (vec![], vec![]);
    for record in plans {
        let mut values = Cleaned::new(record);
        let Some(name) = values.first(attributes.names(Meaning::PlanName)) else {
            remarks.push("a UM dial plan has no name and is left out".to_owned());
            continue;
        };
        let linked = values.all(attributes.names(Meaning::PlanServers));
        let mut own: Vec<&Server<'_>> = vec![];
        for dn in &linked {
            match servers.iter().find(|server| same_dn(server.dn, dn)) {
                Some(server) if own.iter().any(|known| known.host == server.host) => {}
                Some(server) => own.push(server),
                None => {
                    remarks.push(format!("a UM server of the dial plan {name} is unknown, or has no address"))
                }
            }
        }
        // MS-EUMR §3.1.5, 7: of servers of several versions only those of the highest one are used.
        let highest = own.iter().filter_map(|server| server.major).max();
        if um.highest_version && highest.is_some() {
            own.retain(|server| server.major == highest);
        }
        let hosts: Vec<_> = own.into_iter().map(|server| server.host.clone()).collect();
        if hosts.is_empty() {
            remarks.push(format!("the UM dial plan {name} has no server and is left out"));
        } else if read.iter().any(|known| known.name.eq_ignore_ascii_case(&name)) {
            remarks.push(format!("there are two UM dial plans {name}: the first one counts"));
        } else {
            read.push(DialPlan { name, dn: record.dn.clone(), servers: hosts });
        }
    }
    (read, remarks)
}

fn server<'r>(record: &'r Record, attributes: &Attributes) -> Option<Server<'r>> {
    let mut values = Cleaned::new(record);
    let addresses = values.all(attributes.names(Meaning::ServerAddress));
    // `ncacn_ip_tcp:fqdn` among others of other protocols, or a bare name.
    let of_tcp = addresses.iter().find_map(|address| {
        let (protocol, host) = address.split_once(':')?;
        protocol.eq_ignore_ascii_case("ncacn_ip_tcp").then_some(host)
    });
    let bare = || addresses.iter().map(String::as_str).find(|address| !address.contains(':'));
    let host = of_tcp.or_else(bare).filter(|host| is_host(host))?.to_ascii_lowercase();
    let version = values.first(attributes.names(Meaning::ServerVersion));
    let major = version.and_then(|version| version.parse::<i64>().ok());
    let major = major.and_then(|version| u32::try_from((version >> 22) & 0x3F).ok());
    Some(Server { dn: &record.dn, host, major })
}

fn is_host(text: &str) -> bool {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    !text.is_empty() && text.len() <= 253 && text.bytes().all(fits)
}

/// Whether two distinguished names are one: without the spaces between their parts, in either case.
pub fn same_dn(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || folded_dn(one) == folded_dn(other)
}

/// A distinguished name in the form in which it is compared.
pub fn folded_dn(dn: &str) -> String {
    let mut parts: Vec<String> = vec![];
    let mut part = String::new();
    let mut escaped = false;
    for c in dn.chars() {
        match c {
            ',' | ';' if !escaped => parts.push(std::mem::take(&mut part)),
            c => part.extend(c.to_lowercase()),
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(part);
    let tidy = |part: &String| match part.split_once('=') {
        Some((name, value)) => format!("{}={}", name.trim(), value.trim()),
        None => part.trim().to_owned(),
    };
    parts.iter().map(tidy).collect::<Vec<_>>().join(",")
}
