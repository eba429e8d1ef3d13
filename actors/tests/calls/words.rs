//! A site's own words (issue 4): templates that a site replaces, broken ones at a reload and at run time, and the card of a caller whom
//! a file knows.

use std::{
    fs,
    net::UdpSocket,
    thread,
    time::{Duration, Instant},
};

use mail_parser::MessageParser;
use ringpost::voicemail::g711::Codec;

use crate::{
    baresip::files,
    media::{HASH, Voice, media_address},
    office::refuses,
    support::{Over, Site, peer::Dialog, until, within},
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

#[test]
fn a_voice_mail_says_where_it_can_be_heard_and_nobody_can_guess_it() {
    let site = Site::new().maildir().plan("own", &["embedded"]);
    let site = site.table("[notices]\nlink = \"https://voicemail.corp.test/{id}.wav\"");
    let mut pbx = site.peer(Over::Udp);
    let user = "um_plan = \"own\"\nmail = \"ada@corp.test\"\n[user.notices]\nvoicemail = \"link\"";
    let ringpost = site.user("1001", &[], user).start();
    let mine = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let offer = format!(
        "v=0\r\no=t 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {} RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
        mine.local_addr().expect("bound").port()
    );
    let invite = pbx.request("INVITE", &format!("sip:1001@{}", ringpost.sip), "", &offer);
    pbx.expect("181");
    let ok = pbx.expect("200");
    let mut voice = Voice { socket: mine, to: media_address(ok.body()), sequence: 0 };
    let mut dialog = Dialog::caller(&invite, &ok);
    pbx.inside(&mut dialog, "ACK", "", "");
    voice.says(101, &HASH);
    let frame = Duration::from_millis(20);
    within(Duration::from_secs(20), "the recording begins", || {
        thread::sleep(frame);
        voice.says(8, &[Codec::Pcma.silence(); 160]);
        ringpost.log().contains("Reported(Recording)")
    });
    let began = Instant::now();
    for (octets, due) in Codec::Pcma.tone(440.0, 0.5, Duration::from_secs(3)).chunks(160).zip(1..) {
        voice.says(8, octets);
        thread::sleep((began + frame * due).saturating_duration_since(Instant::now()));
    }
    pbx.inside(&mut dialog, "BYE", "", "");
    pbx.expect("200");
    let mails = ringpost.has_mails("ada@corp.test", 1);
    let recordings = files(&ringpost.folder.path().join("recordings"), ".wav");
    let stem = recordings[0].file_stem().and_then(|stem| stem.to_str()).expect("a name");
    let random = stem.rsplit('-').next().unwrap_or_default();
    assert!(random.len() == 32 && random.bytes().all(|octet| octet.is_ascii_hexdigit()), "{stem}");
    let mail = MessageParser::default().parse(mails[0].1.as_bytes()).expect("a mail");
    let (text, url) = (mail.body_text(0).expect("a text"), format!("https://voicemail.corp.test/{stem}.wav"));
    assert!(text.contains(&url), "{text}");
    assert_eq!(
        (mail.attachment_count(), mail.header_raw("Content-Class")),
        (0, None),
        "its form could play nothing"
    );
}
