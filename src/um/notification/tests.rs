use proptest::prelude::*;

use super::*;

const SAMPLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<UserNotification>
 <Event type="missed">
  <Priority>normal</Priority><From>sip:+4544890101@contoso.com;user=phone</From><Subject/>
  <New><User>sip:not@this.one</User></New><CallId>7f3c</CallId>
 </Event>
 <Template>RtcDefault</Template>
 <Time>2008-04-11 09:12:33Z</Time>
 <EumProxyAddress>EUM:tu@contoso.com;phone-context=Hellerup.contoso.com</EumProxyAddress>
 <User>sip:tu@contoso.com</User>
</UserNotification>"#;

fn sample() -> Notification {
    Notification {
        user: "sip:tu@contoso.com".into(),
        eum_proxy_address: "EUM:tu@contoso.com;phone-context=Hellerup.contoso.com".into(),
        came_in: "2008-04-11T09:12:33Z".parse().expect("a timestamp"),
        call_id: "7f3c".into(),
        caller: Caller { uri: Some("sip:+4544890101@contoso.com;user=phone".into()), ..Caller::default() },
        rang_for: Duration::ZERO,
        outcome: Outcome::GaveUpRinging,
    }
}

#[test]
fn a_foreign_body_in_any_order_is_read() {
    assert_eq!(read(SAMPLE.as_bytes()), Ok(sample()));
}

#[test]
fn the_body_looks_like_the_format() {
    let full = Notification {
        caller: Caller {
            name: Some("Luka <A> & Søn".into()),
            number: Some("+4544890101".into()),
            ..sample().caller
        },
        rang_for: Duration::from_millis(23_400),
        outcome: Outcome::GaveUpForwarding,
        ..sample()
    };
    assert_eq!(
        full.write(),
        "<UserNotification xmlns:rp=\"urn:ringpost:user-notification:1\"><User>sip:tu@contoso.com</User>\
         <EumProxyAddress>EUM:tu@contoso.com;phone-context=Hellerup.contoso.com</EumProxyAddress>\
         <Time>2008-04-11 09:12:33Z</Time><Template>RtcDefault</Template><Event type=\"missed\"><CallId>7f3c</CallId>\
         <From>sip:+4544890101@contoso.com;user=phone</From><Subject/><Priority>normal</Priority>\
         <rp:FromName>Luka &lt;A&gt; &amp; Søn</rp:FromName><rp:FromNumber>+4544890101</rp:FromNumber>\
         <rp:RangFor>23400</rp:RangFor><rp:Outcome>gave-up-forwarding</rp:Outcome></Event></UserNotification>"
    );
    assert_eq!(read(full.write().as_bytes()), Ok(full));
}

#[test]
fn the_proxy_address_names_user_and_plan() {
    let plan = "Hellerup.contoso.com";
    for (user, address) in [
        ("sip:tu@contoso.com", "EUM:tu@contoso.com;phone-context=Hellerup.contoso.com"),
        ("sips:tu@contoso.com", "EUM:tu@contoso.com;phone-context=Hellerup.contoso.com"),
        ("4711", "EUM:4711;phone-context=Hellerup.contoso.com"),
    ] {
        assert_eq!(eum_proxy_address(user, plan), address);
    }
}

#[test]
fn a_private_caller_stays_private() {
    let private = Notification { caller: Caller { private: true, ..Caller::default() }, ..sample() };
    assert!(private.write().contains(ANONYMOUS));
    assert_eq!(read(private.write().as_bytes()), Ok(private));
}

#[test]
fn a_bad_body_gets_a_clear_error() {
    let with = |from: &str, to: &str| SAMPLE.replacen(from, to, 1).into_bytes();
    let deep = format!("<UserNotification>{}", "<a>".repeat(100_000));
    let laughs =
        "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><UserNotification>&b;</UserNotification>";
    let file = with("<User>sip:tu@contoso.com", "<User>&file;");
    for (body, error) in [
        (vec![b' '; 65_537], ReadError::TooLarge),
        (deep.as_bytes()[..60_000].to_vec(), ReadError::TooDeep),
        (laughs.into(), ReadError::Dtd),
        (file, ReadError::Dtd),
        (with("UTF-8", "UTF-16"), ReadError::NotUtf8),
        (vec![0xFF, 0xFE, b'<', 0], ReadError::NotUtf8),
        (Vec::new(), ReadError::NotANotification),
        (b"<Other/>".to_vec(), ReadError::NotANotification),
        (b"<UserNotification/><UserNotification/>".to_vec(), ReadError::NotANotification),
        (b"<UserNotification><User>".to_vec(), ReadError::NotXml("it ends early".into())),
        (
            with("</UserNotification>", "</UserNotification>x"),
            ReadError::NotXml("there is text outside the root".into()),
        ),
        (with("</User>\n", "</User><User/>"), ReadError::Twice("User")),
        (with("<Event ", "<Event type=\"missed\"/><Event "), ReadError::Twice("Event")),
        (with("<User>sip:tu@contoso.com</User>", ""), ReadError::Missing("User")),
        (with("7f3c", " "), ReadError::Missing("CallId")),
        (with("2008-04-11", "2008-14-11"), ReadError::Bad("Time")),
        (with("\"missed\"", "\"received\""), ReadError::OtherEvent),
        (with("7f3c", "&#1;"), ReadError::NotXml("a forbidden character".into())),
        (
            with("<Subject/>", &format!("<x:RangFor xmlns:x=\"{NAMESPACE}\">-1</x:RangFor>")),
            ReadError::Bad("RangFor"),
        ),
    ] {
        assert_eq!(read(&body), Err(error), "{}", String::from_utf8_lossy(&body[..body.len().min(200)]));
    }
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back(user in "\\PC{1,40}", call_id in any::<String>(), name in any::<String>(), millis in 0_u64..86_400_000) {
        prop_assume!(!user.trim().is_empty() && user.trim() == user);
        let clean: String = call_id.chars().filter(|c| allowed(*c)).collect();
        prop_assume!(!clean.trim().is_empty());
        let notice = Notification {
            user,
            call_id,
            caller: Caller { name: shown(Some(&name)), ..Caller::default() },
            rang_for: Duration::from_millis(millis),
            ..sample()
        };
        let read = read(notice.write().as_bytes());
        prop_assert_eq!(read, Ok(Notification { call_id: clean, ..notice }));
    }

    #[test]
    fn no_octets_make_the_reader_panic(octets in proptest::collection::vec(any::<u8>(), 0..400), cut in 0..SAMPLE.len()) {
        let mut body = SAMPLE.as_bytes()[..cut].to_vec();
        body.extend(octets);
        let _ = read(&body);
    }
}
