//! Several servers, one that is killed in the middle, and one that refers to another.

use std::{process::Command, sync::Arc, thread, time::Duration};

use ringpost::settings::{Ldap, LdapServer, LdapStrategy, LdapTls};
use ringpost_actors::{
    directory::{mirror::Mirror, servers::Servers},
    metrics::METRICS,
};

use crate::{
    authority::lasting,
    poll, runtime,
    slapd::{self, BASE, Slapd, USERS, names},
};

fn watch(settings: Ldap) -> (Mirror, Servers) {
    let settings = Arc::new(settings);
    let servers = Servers::new(Arc::clone(&settings)).expect("a CA").resolving(&names());
    (Mirror::new(settings, Arc::default()), servers)
}

#[test]
fn a_server_that_is_down_is_passed_over_and_taken_back() {
    if !slapd::is_there() {
        return;
    }
    let ours = lasting("ours");
    let mut one = Slapd::start(ours, &slapd::people(30), "");
    let other = Slapd::start(ours, &slapd::people(30), "");
    for strategy in [LdapStrategy::Order, LdapStrategy::RoundRobin] {
        let mut settings = one.settings();
        settings.servers.push(other.server(LdapTls::Start));
        settings.talk.strategy = strategy;
        let (first, second) = (one.server(LdapTls::Implicit).url(), other.server(LdapTls::Start).url());
        let (mut mirror, mut servers) = watch(settings);
        runtime().block_on(async {
            let mut told = async || {
                let summary = poll(&mut mirror, &mut servers).await.expect("one of them answers");
                (summary.server, summary.whole, summary.added, summary.changed, summary.removed)
            };
            let begun = told().await;
            assert_eq!(begun.2, 30);
            one.dies();
            // Another copy is read as a whole: its times of changes say nothing about this one's.
            let whole = strategy == LdapStrategy::Order || begun.0 == first;
            assert_eq!(told().await, (second.clone(), whole, 0, 0, 0));
            assert_eq!(told().await, (second.clone(), false, 0, 0, 0));
            one.goes_on();
            // In order the first one is asked again at once; going round, whoever works stays.
            match strategy {
                LdapStrategy::Order => assert_eq!(told().await, (first.clone(), true, 0, 0, 0)),
                LdapStrategy::RoundRobin => assert_eq!(told().await, (second.clone(), false, 0, 0, 0)),
            }
        });
    }
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_a_poll_costs_nobody() {
    if !slapd::is_there() {
        return;
    }
    let mut slapd = Slapd::start(lasting("ours"), &slapd::people(2_000), "");
    let (mut mirror, mut servers) = watch(Ldap { page: 20, ..slapd.settings() });
    let mut cut = 0;
    for round in 0..6 {
        let pid = slapd.pid().to_string();
        let killer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20 + 60 * round));
            Command::new("kill").args(["-9", &pid]).status().expect("kill runs")
        });
        let polled = runtime().block_on(poll(&mut mirror, &mut servers));
        cut += usize::from(polled.is_err());
        assert!(killer.join().expect("it ends").success());
        let there = mirror.roster().len();
        assert!(there == 0 || there == 2_000, "{there}");
        slapd.dies();
        slapd.goes_on();
        // The next one may still meet a breaker that has just opened.
        let whole = runtime().block_on(async {
            let session = servers.wait().await.expect("it is back");
            mirror.poll(&servers, session).await
        });
        assert_eq!(whole.expect("it answers").persons, 2_000);
    }
    assert!(cut > 0, "no poll was cut off");
}

#[test]
fn referrals_are_followed_where_the_site_says_so_and_told_once_elsewhere() {
    if !slapd::is_there() {
        return;
    }
    let ours = lasting("ours");
    let there = Slapd::start(ours, &slapd::people(7), "");
    let refers = format!(
        "dn: ou=Far,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: Far\n\
         ref: ldaps://{}:{}/{USERS}??sub\nref: ldaps://{}:{}/{USERS}??sub\n\n\
         dn: ou=Loop,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: Loop\n\
         ref: ldaps://elsewhere.test/{BASE}??sub\n\n",
        slapd::NAME,
        there.ldaps,
        slapd::NAME,
        there.ldaps
    );
    let here = Slapd::start(ours, &(slapd::people(0) + &refers + &slapd::user(100)), "");
    let not_followed = || METRICS.directory_referrals_total.get();
    runtime().block_on(async {
        // The same name, but not the same port: it is no server of the site.
        let by_address =
            |slapd: &Slapd| LdapServer { host: "127.0.0.1".into(), ..slapd.server(LdapTls::Implicit) };
        let (mut mirror, mut servers) = watch(Ldap { servers: vec![by_address(&here)], ..here.settings() });
        let before = not_followed();
        let summary = poll(&mut mirror, &mut servers).await.expect("it answers");
        assert_eq!((summary.persons, not_followed() - before >= 2), (1, true));
        // A host that the site names is logged in at, with the same certificate to show.
        let mut settings = Ldap { servers: vec![by_address(&here)], ..here.settings() };
        settings.talk.referrals = vec![slapd::NAME.to_owned()];
        let (mut mirror, mut servers) = watch(settings.clone());
        for _ in 0..2 {
            let summary = poll(&mut mirror, &mut servers).await.expect("it answers");
            // The numbers of the other server's changes are its own, so everything is read each time.
            assert_eq!((summary.persons, summary.whole), (8, true));
        }
        // Where the other one is down, what it has is not forgotten: the poll fails.
        drop(there);
        let refusal = poll(&mut mirror, &mut servers).await.expect_err("half of it is missing");
        assert!(refusal.to_string().contains("no connection"), "{refusal}");
        assert_eq!(mirror.roster().len(), 8);
    });
}
