//! Documents of enemies (T5, T6, T31): refused or read within bounds, never believed.

use ringpost::{
    presence::{
        dialog_info,
        input::Said,
        pidf, published, rlmi,
        subscription::Package,
        summary::{Counts, Summary},
    },
    xml::XmlError,
};

#[test]
fn t6_no_entity_depth_or_size_is_believed() {
    let laughs = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]>";
    let outside = "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>";
    let deep = "<x>".repeat(100_000);
    let wide = "<x/>".repeat(400_000);
    for root in ["presence", "dialog-info", "resource-lists"] {
        for (body, error) in [
            (format!("{laughs}<{root}>&c;</{root}>"), XmlError::Dtd),
            (format!("{outside}<{root}>&b;</{root}>"), XmlError::Dtd),
            (format!("<{root}>{deep}"), XmlError::TooLarge),
            (format!("<{root}>{wide}</{root}>"), XmlError::TooLarge),
            (format!("<?xml version='1.0' encoding='utf-7'?><{root}/>"), XmlError::NotXml),
            (format!("<{root}><broken"), XmlError::NotXml),
            ("<other/>".to_owned(), XmlError::NotXml),
            (String::new(), XmlError::NotXml),
        ] {
            let refused = match root {
                "presence" => pidf::read(body.as_bytes()).map(drop),
                "dialog-info" => dialog_info::read(body.as_bytes()).map(drop),
                _ => rlmi::read(body.as_bytes(), 10).map(drop),
            };
            assert_eq!(refused, Err(error), "{body:.60}");
        }
    }
}

#[test]
fn too_many_calls_or_entries_are_too_large() {
    let dialogs: String =
        (0..257).map(|n| format!("<dialog id='{n}'><state>early</state></dialog>")).collect();
    let document = format!("<dialog-info version='0' state='full' entity='sip:a@b'>{dialogs}</dialog-info>");
    assert_eq!(dialog_info::read(document.as_bytes()), Err(XmlError::TooLarge));
    let entries: String = (0..11).map(|n| format!("<entry uri='sip:{n}@b'/>")).collect();
    let document = format!("<resource-lists><list>{entries}</list></resource-lists>");
    assert_eq!(rlmi::read(document.as_bytes(), 10), Err(XmlError::TooLarge));
    assert_eq!(rlmi::read(document.as_bytes(), 11).map(|uris| uris.len()), Ok(11));
}

#[test]
fn t5_counts_and_accounts_out_of_bounds_break_nothing() {
    let counts = |value: &str| {
        Summary::read(format!("Messages-Waiting: yes\r\nVoice-Message: {value}\r\n").as_bytes())
    };
    let most = Counts { new: u32::MAX, old: u32::MAX, urgent_new: 0, urgent_old: 0 };
    let huge = "18446744073709551616/99999999999999999999999999";
    assert_eq!(counts(huge).expect("readable").voice, Some(most));
    for odd in ["", "1", "/", "-1/2", "1/2 (", "1/2 (3", "a/b", "1/2 (3/4) (5/6)", "٣/٤"] {
        assert!(counts(odd).is_ok_and(|summary| summary.voice.is_none_or(|voice| voice.new <= 1)), "{odd}");
    }
    let account = "a".repeat(100_000);
    let long = format!("Messages-Waiting: yes\r\nMessage-Account: sip:{account}@b\r\n");
    assert!(Summary::read(long.as_bytes()).is_err());
    for bad in
        [&b""[..], b"\r\n", b"\xff", b"Voice-Message: 1/1\r\n", b"no colon", b"Messages-Waiting: yes\r\nx"]
    {
        assert!(Summary::read(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_document_of_another_package_is_refused() {
    let pidf = b"<presence entity='sip:a@b'/>";
    assert!(published::read(Package::Presence, pidf, |_| None, (0, 1)).is_ok());
    assert!(published::read(Package::Dialog, pidf, |_| None, (0, 1)).is_err());
    assert!(published::read(Package::MessageSummary, pidf, |_| None, (0, 1)).is_err());
    let counts = b"Messages-Waiting: yes\r\n";
    assert_eq!(published::read(Package::MessageSummary, counts, |_| None, (0, 1)), Ok(Said::default()));
}
