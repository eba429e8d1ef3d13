//! R32 R33: what is dialled at a place, and how clients learn it: by calls, by SIP and HTTP, by the command line, and while it runs.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
};

use crate::{
    lines::calls,
    phone::{PASSWORD, Phone},
    support::{Over, Peer, Ringpost, Site, ports, until},
};

const FILE: &str = "<LocationProfileDescription xmlns=\"http://schemas.microsoft.com/2007/03/locationProfileDescription\">\
    <Name>other</Name><Rule><Pattern>^7(\\d{3})$</Pattern><Translation>+49302$1</Translation>\
    <InternalEnterpriseExtension>true</InternalEnterpriseExtension></Rule></LocationProfileDescription>";

/// A provider that writes `+E.164`, a PBX that reads by `hq`, 2001 at `hq` and 2002 where the site's location is, `berlin`.
struct Place {
    provider: Peer,
    ringpost: Ringpost,
    web: u16,
}

fn place() -> Place {
    let site = Site::new();
    let web = ports(1);
    let provider = Peer::new(Over::Udp, "127.0.0.71", site.sip);
    let target = provider.uri().replace("peer@", "");
    fs::write(site.folder.path().join("hq.xml"), FILE).expect("written");
    let user = |number: &str, lines: &str| {
        format!(
            "[[user]]\naddress = \"sip:{number}@corp.test\"\nnumbers = [{number:?}, \"+4930{number}\"]\n\
             password = \"{PASSWORD}\"\nmissed_calls = \"off\"\n{lines}"
        )
    };
    let ringpost = site
        .table(&format!("[http]\nlisten = [\"http:127.0.0.1:{web}\"]\nschemes = [\"basic\"]"))
        .table("[outbound]\nallowed_prefixes = [\"+\", \"112\"]\nlocation = \"berlin\"\nrules_poll = \"100ms\"")
        .table("[location.berlin]\ncountry = \"DE\"")
        .table("[location.hq]\ncountry = \"DK\"\nrules_file = \"hq.xml\"")
        .table("[[location.hq.rule]]\nname = \"short\"\npattern = '^(\\d{2})$'\ntranslation = \"+45448901$1\"\nfor_devices = true")
        .table("[[location.hq.rule]]\npattern = '^9(\\d+)$'\ntranslation = \"$1\"")
        .table("[[location.hq.rule]]\npattern = '^66$|^666$'\ntranslation = \"\"")
        .table(&format!(
            "[[trunk]]\nname = \"provider\"\nsources = [\"127.0.0.71\"]\ntarget = {target:?}\nprefixes = [\"+\", \"1\"]\ne164 = \"plus\"\n\
             called_location = \"berlin\"\ncaller_location = \"hq\""
        ))
        .table(&user("2001", "location = \"hq\""))
        .table(&user("2002", ""))
        .start();
    Place { provider, ringpost, web }
}

#[test]
fn r32_what_is_dialled_means_what_it_means_at_the_place() {
    let Place { mut provider, ringpost, .. } = place();
    let mut phone = Phone::new(Over::Udp, "127.0.0.72", &ringpost, "2001");
    let mut berlin = Phone::new(Over::Udp, "127.0.0.73", &ringpost, "2002");
    for (at_hq, dialled, number) in [
        (true, "01", "+4544890101"),
        (true, "44-89-01-02", "+4544890102"),
        (true, "004930123456", "+4930123456"),
        (true, "7123", "+49302123"),
        (true, "112", "112"),
        (true, "030123456;phone-context=berlin", "+4930123456"),
        (false, "030123456", "+4930123456"),
        (false, "0044 20 7031 3000".replace(' ', "-").as_str(), "+442070313000"),
        (false, "01;phone-context=HQ", "+4544890101"),
    ] {
        let phone = if at_hq { &mut phone } else { &mut berlin };
        let out = calls(phone, dialled, &mut provider);
        assert!(out.uri().starts_with(&format!("sip:{number}@")), "{dialled}: {}", out.uri());
    }
    for (dialled, code) in [
        // Nobody's, here and as a rule says.
        ("93333", "404"),
        ("666", "404"),
        ("4711", "404"),
        // Digits that are still to be translated, and nobody knows how.
        ("4711;phone-context=dialstring", "484"),
    ] {
        assert_eq!(phone.calls(dialled).1.what(), code, "{dialled}");
    }
    // What a rule makes is a colleague's number; and one whose number is dialled as it stands.
    for number in ["92002", "2002"] {
        assert_eq!(phone.calls(number).1.what(), "480", "{number}");
    }
    drop(provider);
    ringpost.stops_well();
}

#[test]
fn r32_a_trunk_is_read_by_its_locations() {
    let Place { mut provider, ringpost, .. } = place();
    let uri = format!("sip:030-2001@{}", ringpost.sip);
    // The caller's number is read by hq: the rule of two digits.
    let text = provider.draft("INVITE", &uri, "", "").replace("sip:+4544890101@pbx.test", "sip:77@pbx.test");
    provider.send(text.as_bytes());
    provider.refused(&crate::support::Sip::new(text.as_bytes()), 480);
    let invite = provider.request("INVITE", &format!("sip:44890101@{}", ringpost.sip), "", "");
    provider.refused(&invite, 404);
    ringpost.stops_well();
}

/// The answer to `GET`, its header and body.
fn get(web: u16, path: &str, login: Option<&str>, headers: &str) -> (String, String) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let login =
        login.map(|login| format!("Authorization: Basic {}\r\n", STANDARD.encode(login))).unwrap_or_default();
    let mut stream = TcpStream::connect(("127.0.0.1", web)).expect("it serves");
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{login}{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a header");
    (head.to_lowercase(), body.to_owned())
}

#[test]
fn r33_clients_get_the_profile_by_http_and_by_sip() {
    let Place { ringpost, web, .. } = place();
    let login = format!("2001:{PASSWORD}");
    let (head, xml) = get(web, "/location/hq", Some(&login), "");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: application/ms-location-profile-definition+xml"), "{head}");
    assert!(head.contains("cache-control: private, max-age=28800"), "{head}");
    assert!(xml.contains("<Pattern>^7(\\d{3})$</Pattern><Translation>+49302$1</Translation>"), "{xml}");
    let tag =
        head.split("etag: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a tag").to_owned();
    let (head, body) = get(web, "/location/hq", Some(&login), &format!("If-None-Match: {tag}\r\n"));
    assert!(head.starts_with("http/1.1 304") && body.is_empty(), "{head}");
    let (_, json) = get(web, "/location/default", Some(&login), "Accept: application/json\r\n");
    assert!(json.starts_with("{\"name\":\"hq\""), "{json}");
    let other = format!("2002:{PASSWORD}");
    assert!(get(web, "/location/default", Some(&other), "").1.contains("<Name>berlin</Name>"));
    for (path, login, code) in [("/location/none", Some(&login), "404"), ("/location/hq", None, "401")] {
        let (head, _) = get(web, path, login.map(String::as_str), "");
        assert!(head.starts_with(&format!("http/1.1 {code}")), "{path}: {head}");
    }
    let mut phone = Phone::new(Over::Tcp, "127.0.0.72", &ringpost, "2001");
    for (uri, code, name) in [
        ("sip:2001@corp.test;gruu;opaque=app:locationprofile:get;default", "200", "hq"),
        ("sip:2002@corp.test;gruu;opaque=app:locationprofile:get;default", "200", "berlin"),
        ("sip:2001@corp.test;gruu;opaque=app:locationprofile:get;phone-context=Berlin", "200", "berlin"),
        ("sip:2001@corp.test;gruu;opaque=app:locationprofile:get;phone-context=none", "404", ""),
        ("sip:2001@corp.test;gruu;opaque=app:locationprofile:get", "485", ""),
        ("sip:nobody@corp.test;gruu;opaque=app:locationprofile:get;default", "404", ""),
        ("sip:2001@corp.test;gruu;opaque=app:voicemail", "405", ""),
    ] {
        let (_, answer) =
            phone.asks("SERVICE", uri, "Accept: application/ms-location-profile-definition+xml\r\n", "", 0);
        assert_eq!(answer.what(), code, "{uri}: {answer}");
        assert!(
            answer.body().contains(&format!("<Name>{name}</Name>")) || name.is_empty(),
            "{uri}: {answer}"
        );
    }
    let mut stranger = Phone::new(Over::Udp, "127.0.0.75", &ringpost, "2001").peer;
    stranger.request("SERVICE", "sip:2001@corp.test;gruu;opaque=app:locationprofile:get;default", "", "");
    assert_eq!(
        stranger.next(crate::support::PATIENCE).map(|one| one.what().to_owned()).as_deref(),
        Some("401")
    );
    drop((phone, stranger));
    ringpost.stops_well();
}

fn told(ringpost: &Ringpost, words: &[&str]) -> (Option<i32>, String) {
    let site = ringpost.folder.path().join("site.toml");
    let out = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .arg("number")
        .args(words)
        .arg("--config")
        .arg(site)
        .output();
    let out = out.expect("ringpost runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    (out.status.code(), text)
}

#[test]
fn r32_an_admin_sees_by_which_rule_and_rules_files_are_read_while_it_runs() {
    let Place { mut provider, ringpost, .. } = place();
    let (code, text) = told(&ringpost, &["9-2002", "--location", "hq"]);
    let expected = "92002 at hq\n  rule 1: ^7(\\d{3})$ -> +49302$1: no match\n  \
                    rule 2  short: ^(\\d{2})$ -> +45448901$1: no match\n  rule 3: ^9(\\d+)$ -> $1: matches\n  is 2002\n";
    assert_eq!((code, text.as_str()), (Some(0), expected));
    assert_eq!(
        told(&ringpost, &["00453312"]),
        (Some(1), "00453312 at berlin\n  country DE: not known; it stays as it is dialled\n".into())
    );
    assert_eq!(
        told(&ringpost, &["004544890101"]).1,
        "004544890101 at berlin\n  country DE: is +4544890101\n"
    );
    assert_eq!(
        told(&ringpost, &["44 89 01 01 ext. 7", "--location", "hq", "--contact"]).1,
        "44 89 01 01 ext. 7\n  is +4544890101;ext=7\n"
    );
    let (code, text) = told(&ringpost, &["1", "--location", "moon"]);
    assert_eq!(code, Some(64));
    assert!(text.contains("no location \"moon\"; it has: berlin, hq"), "{text}");
    // The file changes: within a poll the phones of hq dial by it, and a broken one changes nothing.
    let mut phone = Phone::new(Over::Udp, "127.0.0.72", &ringpost, "2001");
    let file = ringpost.folder.path().join("hq.xml");
    fs::write(&file, FILE.replace("+49302$1", "+493033$1")).expect("written");
    ringpost.logs("Read the site file again");
    let out = calls(&mut phone, "7123", &mut provider);
    assert!(out.uri().starts_with("sip:+493033123@"), "{}", out.uri());
    fs::write(&file, FILE.replace("^7", "(?=7)")).expect("written");
    ringpost.logs("look-ahead would need more than linear time");
    let out = calls(&mut phone, "7123", &mut provider);
    assert!(out.uri().starts_with("sip:+493033123@"), "{}", out.uri());
    fs::write(&file, FILE).expect("written");
    until("the file is read again", || ringpost.log().matches("Read the site file again").count() == 2);
}
