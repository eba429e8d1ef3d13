//! A site's own words (issue 4): templates that a site replaces, broken ones at a reload and at run time, and the card of a caller whom
//! a file knows.

use std::{fs, time::Duration};

use crate::{
    office::refuses,
    support::{Over, Site, until},
};

#[test]
fn a_site_words_its_notices_and_no_broken_template_loses_one() {
    let site = Site::new()
        .maildir()
        .table("[identity]\nfiles = [\"team.csv\"]\n[notices]\ntemplates = \"templates\"");
    let templates = site.folder.path().join("templates");
    fs::create_dir_all(&templates).expect("a folder");
    let write = |name: &str, source: &str| fs::write(templates.join(name), source).expect("written");
    write("missed.subject", "Ring {{ who }} back");
    write("notes.md", "{{ whatever");
    fs::write(site.folder.path().join("team.csv"), "name,number\nIda Contact,+4544890101\n")
        .expect("written");
    let (mut pbx, mut desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let site = site.user("1001", &[&desk], "missed_calls = \"mail\"\nmail = \"ada@corp.test\"");
    let ringpost = site.start();
    let mut missed = |count: usize| {
        let invite = pbx.invite("1001");
        let called = desk.expect("INVITE");
        refuses(&mut desk, &called, 486);
        pbx.refused(&invite, 486);
        let mails = ringpost.has_mails("ada@corp.test", count);
        let own = mails.into_iter().find(|(_, mail)| mail.contains(invite.one("Call-ID")));
        own.expect("told").1
    };
    let mail = missed(1);
    assert!(mail.contains("Subject: Ring Ida Contact back"), "{mail}");
    for part in ["text/vcard", "contact.vcf"] {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    // Broken at a reload: every fault with file and line, and the old ones stay.
    write("missed.subject", "Ring\n{{ whoo }} back");
    write("missed.da.txt", "{% if %}");
    ringpost.signal("HUP");
    until("both are told", || {
        let log = ringpost.log();
        log.contains("templates/missed.subject:2: unknown variable \"whoo\"")
            && log.contains("templates/missed.da.txt:1: syntax error")
            && log.contains("the users stay as they were")
    });
    assert!(missed(2).contains("Subject: Ring Ida Contact back"));
    // Good for every sample and bad for this caller: Ringpost's own words, and one warning.
    fs::remove_file(templates.join("missed.da.txt")).expect("there");
    write("missed.subject", "{% if name == 'Ida Contact' %}{{ 1 + name }}{% endif %}Ring {{ who }} back");
    ringpost.signal("HUP");
    ringpost.logs("Read the site file again");
    for count in [3, 4] {
        assert!(missed(count).contains("Subject: Missed call from Ida Contact"));
    }
    let warnings = ringpost.log().matches("A template failed").count();
    assert_eq!(warnings, 1, "{}", ringpost.log());
    desk.silent_for(Duration::from_millis(20));
}
