//! What the notice calls the caller: the site's users, then files of contacts, then what the PBX says (R205).

use std::{fs, time::Duration};

use crate::{
    office::refuses,
    support::{Over, Site, until},
};

#[test]
fn a_notice_has_the_name_of_the_contacts_and_never_a_wrong_one() {
    let mut site = Site::new().maildir().table("[identity]\nfiles = [\"team.csv\", \"all.vcf\"]");
    let write = |folder: &std::path::Path, name: &str| {
        fs::write(folder.join("team.csv"), format!("name,number\n{name},+45 44 89 01 01\n"))
            .expect("written");
    };
    write(site.folder.path(), "Ida Contact");
    let cards = "BEGIN:VCARD\nVERSION:4.0\nFN:Bo Later\nTEL:+4544890101\nEND:VCARD\n";
    fs::write(site.folder.path().join("all.vcf"), cards).expect("written");
    let (mut pbx, mut desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
    site = site.user("1001", &[&desk], "missed_calls = \"mail\"\nmail = \"ada@corp.test\"");
    let ringpost = site.start();
    let mut subject = |count: usize| {
        let invite = pbx.invite("1001");
        let called = desk.expect("INVITE");
        refuses(&mut desk, &called, 486);
        pbx.refused(&invite, 486);
        let mails = ringpost.has_mails("ada@corp.test", count);
        let own = mails.iter().find(|(_, mail)| mail.contains(invite.one("Call-ID")));
        let (_, mail) = own.expect("told");
        mail.lines().find(|line| line.starts_with("Subject:")).unwrap_or_default().to_owned()
    };
    let told = subject(1);
    assert!(told.contains("Ida Contact"), "before what the PBX says, and the first file wins: {told}");
    // Two who share the number: neither is named, and what the PBX says stays.
    let both = "name,number\nIda Contact,+4544890101\nEva Contact,+4544890101\n";
    fs::write(ringpost.folder.path().join("team.csv"), both).expect("written");
    ringpost.signal("HUP");
    ringpost.logs("Read the site file again");
    let told = subject(2);
    assert!(!told.contains("Contact") && !told.contains("Bo Later") && told.contains("Ada Caller"), "{told}");
    // A file that is broken changes nothing.
    fs::write(ringpost.folder.path().join("team.csv"), "name,number\nIda\n").expect("written");
    ringpost.signal("HUP");
    until("it is told with its line", || ringpost.log().contains("line 2: has 1 columns, the header has 2"));
    assert!(subject(3).contains("Ada Caller"));
    desk.silent_for(Duration::from_millis(20));
}
