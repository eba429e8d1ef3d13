//! `tel:` URIs (RFC 3966).

use ringpost::numbers::{Tel, tel::NoTel};

#[test]
fn r24_r25_a_line_is_read_with_its_extension() {
    for (written, number, ext, context) in [
        ("tel:+4544890101", "+4544890101", None, None),
        ("TEL:+45-44.89(01)01", "+4544890101", None, None),
        ("tel:+4544890101;ext=200", "+4544890101", Some("200"), None),
        ("tel:+4544890101;EXT=2-0-0", "+4544890101", Some("200"), None),
        ("tel:73124;phone-context=dialstring", "73124", None, Some("dialstring")),
        ("tel:7042;phone-context=Example.COM.", "7042", None, Some("example.com")),
        ("tel:863-1234;phone-context=+1-914-555", "8631234", None, Some("+1914555")),
        ("tel:200", "200", None, None),
        ("tel:*98%23;phone-context=x.test", "*98#", None, Some("x.test")),
        ("tel:+1-201-555-0123;isub=12345;foo;bar=b%20c", "+12015550123", None, None),
    ] {
        let tel = Tel::read(written).unwrap_or_else(|fault| panic!("{written}: {fault}"));
        assert_eq!(
            (tel.number.as_str(), tel.ext.as_deref(), tel.context.as_deref()),
            (number, ext, context),
            "{written}"
        );
        let again = Tel::read(&tel.to_string()).expect("what is written can be read");
        assert!(tel.is(&again) && tel == again, "{written} {tel}");
        assert_eq!(tel.is_global(), number.starts_with('+'));
    }
}

#[test]
fn what_is_no_tel_uri_is_refused_with_the_reason() {
    let long = format!("tel:{}", "1".repeat(600));
    for (written, fault) in [
        ("sip:200@x.test", NoTel::Scheme),
        ("", NoTel::Scheme),
        ("tel", NoTel::Scheme),
        ("täl:1", NoTel::Scheme),
        ("tel:", NoTel::Number),
        ("tel:+", NoTel::Number),
        ("tel:+45x", NoTel::Number),
        ("tel:+45*1", NoTel::Number),
        ("tel:+45 44", NoTel::Number),
        ("tel:-.()", NoTel::Number),
        ("tel:abc", NoTel::Number),
        ("tel:+45;ext=", NoTel::Parameter),
        ("tel:+45;ext", NoTel::Parameter),
        ("tel:+45;ext=a", NoTel::Parameter),
        ("tel:+45;ext=1;ext=2", NoTel::Parameter),
        ("tel:+45;x=1;X=2", NoTel::Parameter),
        ("tel:+45;", NoTel::Parameter),
        ("tel:+45;x=a b", NoTel::Parameter),
        ("tel:+45;x=\"", NoTel::Parameter),
        ("tel:45;phone-context=+4x", NoTel::Parameter),
        (&long, NoTel::Long),
    ] {
        assert_eq!(Tel::read(written), Err(fault), "{written}");
    }
}

#[test]
fn two_uris_are_compared_as_rfc_3966_says() {
    for (one, other, same) in [
        ("tel:+4544890101", "tel:+45-4489-0101", true),
        ("tel:+4544890101", "tel:4544890101", false),
        ("tel:+4544890101;ext=200", "tel:+4544890101;ext=2.00", true),
        ("tel:+4544890101;ext=200", "tel:+4544890101", false),
        ("tel:200;phone-context=A.test", "tel:200;phone-context=a.TEST", true),
        ("tel:200;phone-context=a.test", "tel:200;phone-context=b.test", false),
        ("tel:+45;a=1;b=2", "tel:+45;b=2;A=1", true),
        ("tel:+45;a=1", "tel:+45;a", false),
        ("tel:+45;a", "tel:+45", false),
        ("tel:+45;isub=AB", "tel:+45;isub=ab", true),
    ] {
        let [one_read, other_read] = [one, other].map(|tel| Tel::read(tel).expect("a tel: URI"));
        assert_eq!((one_read.is(&other_read), other_read.is(&one_read)), (same, same), "{one} {other}");
    }
}
