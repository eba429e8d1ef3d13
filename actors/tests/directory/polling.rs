//! What polls read of slapd, in pages, and what they leave alone.

use std::{collections::BTreeMap, sync::Arc};

use base64::Engine;
use ringpost::directory::{
    people::{
        Roster,
        snapshot::{decode, encode},
    },
    person::Person,
};
use ringpost::settings::{Ldap, LdapTls};
use ringpost_actors::directory::{mirror::Mirror, servers::Servers};

use crate::{
    authority::lasting,
    poll, runtime,
    slapd::{self, BASE, Slapd, USERS, names, shared, user},
};

/// What has changed: whole, added, changed, removed.
type Told = (bool, usize, usize, usize);

struct Watch {
    mirror: Mirror,
    servers: Servers,
}

impl Watch {
    fn new(settings: Ldap) -> Self {
        let settings = shared(settings);
        let servers = Servers::new(Arc::clone(&settings)).expect("a CA").resolving(&names());
        Self { mirror: Mirror::new(settings, Arc::new(Roster::default())), servers }
    }

    async fn told(&mut self) -> Told {
        let summary = poll(&mut self.mirror, &mut self.servers).await.expect("it answers");
        (summary.whole, summary.added, summary.changed, summary.removed)
    }

    fn by_name(&self) -> BTreeMap<String, Person> {
        self.mirror.roster().persons().map(|person| (person.name.clone(), person)).collect()
    }
}

#[test]
fn ten_thousand_users_come_in_pages_of_any_size_by_ldaps_and_starttls() {
    if !slapd::is_there() {
        return;
    }
    let slapd = Slapd::start(lasting("ours"), &slapd::people(10_000), "");
    runtime().block_on(async {
        for (page, tls) in [(1000, LdapTls::Implicit), (333, LdapTls::Start), (100, LdapTls::Implicit)] {
            let mut watch = Watch::new(Ldap { page, servers: vec![slapd.server(tls)], ..slapd.settings() });
            assert_eq!(watch.told().await, (true, 10_000, 0, 0), "pages of {page} by {tls:?}");
            assert_eq!(watch.told().await, (false, 0, 0, 0), "pages of {page} by {tls:?}");
        }
        // Without pages the server ends it at its limit, and nothing is taken over.
        let mut watch = Watch::new(Ldap { page: 0, ..slapd.settings() });
        let refusal = poll(&mut watch.mirror, &mut watch.servers).await.expect_err("too many at once");
        assert!(refusal.to_string().contains("size limit ends the search"), "{refusal}");
        assert!(watch.mirror.roster().is_empty());
        // Nor where the site wants fewer.
        let mut settings = slapd.settings();
        settings.talk.max_entries = 9_999;
        let mut watch = Watch::new(settings);
        let refusal = poll(&mut watch.mirror, &mut watch.servers).await.expect_err("more than allowed");
        assert!(refusal.to_string().contains("max_entries"), "{refusal}");
    });
}

#[test]
fn what_comes_changes_moves_and_goes_is_told_by_the_next_poll() {
    if !slapd::is_there() {
        return;
    }
    let slapd = Slapd::start(lasting("ours"), &slapd::people(200), "");
    runtime().block_on(async {
        let mut watch = Watch::new(Ldap { page: 50, ..slapd.settings() });
        assert_eq!(watch.told().await, (true, 200, 0, 0));
        let before = watch.by_name();
        slapd.changes(&format!("{}{}", user(201).replace("objectClass", "changetype: add\nobjectClass"), ""));
        assert_eq!(watch.told().await, (false, 1, 0, 0));
        slapd.changes(&format!(
            "dn: cn=User 1,{USERS}\nchangetype: modify\nreplace: displayName\ndisplayName: Ångström\n"
        ));
        assert_eq!(watch.told().await, (false, 0, 1, 0));
        // Renamed and moved: the same person by another name.
        slapd.changes(&format!(
            "dn: cn=User 2,{USERS}\nchangetype: modrdn\nnewrdn: cn=Renamed\ndeleteoldrdn: 1\nnewsuperior: ou=Left,{BASE}\n"
        ));
        assert_eq!(watch.told().await, (false, 0, 1, 0));
        slapd.changes(&format!("dn: cn=User 3,{USERS}\nchangetype: delete\n"));
        assert_eq!(watch.told().await, (false, 0, 0, 1));
        // No person any more.
        slapd.changes(&format!(
            "dn: cn=User 4,{USERS}\nchangetype: delete\n\ndn: cn=User 5,{USERS}\nchangetype: modify\n\
             replace: telephoneNumber\ntelephoneNumber: +49 30 1\n\n{}",
            user(202).replace("objectClass", "changetype: add\nobjectClass")
        ));
        assert_eq!(watch.told().await, (false, 1, 1, 1));
        assert_eq!(watch.told().await, (false, 0, 0, 0));
        let after = watch.by_name();
        assert_eq!(after["Ångström"].id, before["First1 Last1"].id);
        assert_eq!(after["First2 Last2"].id, before["First2 Last2"].id);
        assert_eq!(after["First2 Last2"].dn, format!("cn=Renamed,ou=Left,{BASE}"));
        assert!(!after.contains_key("First3 Last3"));
        assert_eq!(after.len(), 200);
        // Where everybody goes at once, somebody has taken a right or a base away: nobody is forgotten.
        let mut all = String::new();
        for person in after.values() {
            all += &format!("dn: {}\nchangetype: delete\n\n", person.dn);
        }
        slapd.changes(&all);
        let refusal = poll(&mut watch.mirror, &mut watch.servers).await.expect_err("nobody is left");
        assert!(refusal.to_string().contains("nobody any more"), "{refusal}");
        assert_eq!(watch.mirror.roster().len(), 200);
    });
}

#[test]
fn t18_hostile_values_come_through_slapd_and_the_snapshot_as_they_are_or_not_at_all() {
    if !slapd::is_there() {
        return;
    }
    let long = "x".repeat(20_000);
    let hostile = [
        "'; DROP TABLE users; --",
        "*)(objectClass=*",
        "\\2a\\00",
        "山田 太郎",
        "a\u{202e}b",
        "{{ 7 * 7 }}",
        "\u{1f4de} Bell",
        "<script>alert(1)</script>",
        "line\r\nBcc: x@y.test",
        long.as_str(),
    ];
    let mut ldif = slapd::people(0);
    for (number, value) in hostile.iter().enumerate() {
        let name = base64::engine::general_purpose::STANDARD.encode(value);
        let own = user(number)
            .replace(&format!("displayName: First{number} Last{number}"), &format!("displayName:: {name}"));
        ldif += &own;
    }
    let slapd = Slapd::start(lasting("ours"), &ldif, "");
    runtime().block_on(async {
        let mut watch = Watch::new(slapd.settings());
        assert_eq!(watch.told().await, (true, hostile.len(), 0, 0));
        let roster = watch.mirror.roster();
        let again = decode(encode(roster).into()).expect("a snapshot");
        let (persons, again): (Vec<_>, Vec<_>) = (roster.persons().collect(), again.persons().collect());
        assert_eq!(persons, again);
        for value in &hostile[..4] {
            assert!(persons.iter().any(|person| person.name == *value), "{value}");
        }
        for person in &persons {
            assert!(
                !person.name.contains(['\r', '\n', '\0']) && person.name.len() <= 1024,
                "{:?}",
                person.name
            );
        }
    });
}
