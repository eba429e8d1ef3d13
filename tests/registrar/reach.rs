//! Where calls go: fixed and registered devices together, each once (R1), a dead flow's stand-ins behind it.

use ringpost::registrar::{Binding, Device, devices};

use crate::NOW;

fn binding(uri: &str, instance: Option<&str>, q: u16, expires: u64) -> Binding {
    Binding {
        uri: uri.into(),
        path: String::new(),
        instance: instance.map(str::to_owned),
        reg_id: 0,
        q,
        call_id: "a".into(),
        cseq: 1,
        expires,
        flow: None,
        trusted: false,
    }
}

fn shown(devices: &[Device]) -> Vec<String> {
    let others = |device: &Device| device.others.iter().map(|o| format!("|{}", o.uri)).collect::<String>();
    devices.iter().map(|device| format!("{}{}", device.uri, others(device))).collect()
}

#[test]
fn each_device_rings_once() {
    let fixed = ["sip:1@desk".to_owned(), "sip:1@soft;transport=tcp".to_owned()];
    let all = [
        binding("sip:1@low", None, 100, NOW + 90),
        binding("sip:1@DESK;x=y", None, 1_000, NOW + 90),
        binding("sip:1@soft", None, 900, NOW + 90),
        binding("sip:1@old", Some("i"), 1_000, NOW + 50),
        binding("sip:1@new", Some("i"), 1_000, NOW + 60),
        binding("sip:1@ended", None, 1_000, NOW),
    ];
    let rows: [(&[String], Option<&str>, &[&str]); 4] = [
        (
            &fixed,
            None,
            &["sip:1@desk", "sip:1@soft;transport=tcp", "sip:1@new|sip:1@old", "sip:1@soft", "sip:1@low"],
        ),
        (&[], None, &["sip:1@DESK;x=y", "sip:1@new|sip:1@old", "sip:1@soft", "sip:1@low"]),
        (&fixed, Some("i"), &["sip:1@new|sip:1@old"]),
        (&fixed, Some("none"), &[]),
    ];
    for (fixed, instance, expected) in rows {
        assert_eq!(shown(&devices(fixed, &all, instance, NOW)), expected, "{instance:?}");
    }
    assert_eq!(shown(&devices(&fixed, &[], None, NOW)), fixed);
    assert!(devices(&[], &all, None, NOW + 100).is_empty(), "offline (R8)");
}
