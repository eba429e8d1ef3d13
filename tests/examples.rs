//! The examples do what they say.

#[path = "../examples/call_machine.rs"]
#[allow(dead_code, reason = "main is for cargo run")]
mod call_machine;
#[path = "../examples/missed_call_mail.rs"]
#[allow(dead_code, reason = "main is for cargo run")]
mod missed_call_mail;
#[path = "../examples/parse_invite.rs"]
#[allow(dead_code, reason = "main is for cargo run")]
mod parse_invite;

use std::{fs, path::Path};

use ringpost::{
    address::{Language, UserClass},
    notify::Templates,
};

#[test]
fn the_example_templates_are_good_and_their_readme_knows_every_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/templates");
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("readable");
    let names = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("UTF-8")).filter(|name| Templates::is_meant(name));
    let files: Vec<_> = names.map(|name| (name.clone(), read(&name))).collect();
    assert!(files.len() >= 3);
    Templates::read(files).expect("good templates");
    let refused = Templates::read(vec![("missed.txt".into(), "{{ nobody }}".into())]).expect_err("a fault");
    let (_, known) = refused[0].what.split_once("known here: ").expect("the names");
    let readme = read("README.md");
    for name in known.split(", ") {
        assert!(readme.contains(&format!("`{name}`")), "{name} is missing in the README");
    }
}

#[test]
fn the_call_machine_forwards_to_um_and_reports_a_message_once() {
    let told = call_machine::story();
    assert_eq!(told.matches("Report(").count(), 1);
    let last = told.lines().last().expect("the caller hangs up");
    assert!(last.ends_with("[Bye(Um(0), Over), Report(LeftMessage), Leave]"), "{last}");
    assert!(
        told.contains("[Cancel(Phone(0), Over), Cancel(Phone(1), Over), Forwarded, Invite(Um(0))"),
        "{told}"
    );
}

#[test]
fn the_mail_is_written_for_a_mail_user_only() {
    let mail = missed_call_mail::mail(UserClass::Mail, Language::Da).expect("a mail");
    assert!(
        mail.contains("Content-Class: missedcall") && mail.contains("X-CallingTelephoneNumber: +4544890101")
    );
    for class in [UserClass::Pbx, UserClass::Off] {
        assert_eq!(missed_call_mail::mail(class, Language::En), None, "{class:?}");
    }
}

#[test]
fn an_invite_is_read_or_refused_with_its_code() {
    let invite = "INVITE sip:+45;npdi@h SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nf: \"L, x\" <sip:1@h>;tag=t\r\n\
        t: <sip:2@h>\r\ni: c\r\nCSeq: 1 INVITE\r\nm: <sip:1@h>\r\nl: 0\r\n\r\n";
    let read = parse_invite::read(invite);
    assert!(read.starts_with("dialled   +45\ncaller    L, x\ntag       t\nbranch    z9hG4bKx\n"), "{read}");
    assert!(parse_invite::read(&invite.replace("SIP/2.0\r\nv", "SIP/7.0\r\nv")).starts_with("505 "));
    assert!(parse_invite::read("hello").starts_with("no SIP: "));
}
