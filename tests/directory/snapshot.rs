//! The copy of a directory as a file.

use bytes::Bytes;
use proptest::prelude::*;
use ringpost::directory::{
    dial_plan::DialPlan,
    people::{
        Change, Roster,
        snapshot::{Unreadable, decode, encode},
    },
};

use super::{read, record, somebody};

fn roster() -> Roster {
    let (whole, _) = read(&record(
        3,
        &[
            ("displayName", &["山田 太郎"]),
            ("msRTCSIP-Line", &["tel:+4544890101;ext=200"]),
            ("proxyAddresses", &["EUM:jm@corp.test;phone-context=DP-HQ", "SMTP:jm@corp.test"]),
            ("msExchUMEnabledFlags", &["1"]),
            ("msRTCSIP-OptionFlags", &["4294967295"]),
            ("company", &["Contoso"]),
            ("telephoneNumber", &["+45 1"]),
        ],
    ));
    let plan =
        DialPlan { name: "DP-HQ".into(), dn: "cn=DP-HQ".into(), servers: vec!["um1.corp.test".into()] };
    Roster::of([whole, somebody(1, "Ada", &[])], vec![plan], b"usn 4711".to_vec())
}

fn same(one: &Roster, other: &Roster) -> bool {
    one.persons().eq(other.persons()) && one.plans == other.plans && one.state == other.state
}

#[test]
fn a_snapshot_comes_back_as_it_was() {
    for roster in [
        Roster::default(),
        roster(),
        roster().with([], None, vec![]),
        roster().with([Change::Remove(super::of(1))], Some(vec![]), vec![9]),
    ] {
        let file = encode(&roster);
        let back = decode(Bytes::from(file.clone())).expect("a snapshot");
        assert!(same(&back, &roster));
        assert_eq!(encode(&back), file, "the same once more");
    }
}

#[test]
fn t15_a_snapshot_torn_at_any_octet_is_refused_as_a_whole() {
    let file = encode(&roster());
    for end in 0..file.len() {
        let fault = decode(Bytes::copy_from_slice(&file[..end])).expect_err("a part is no snapshot");
        let expected = if end == 0 { Unreadable::Foreign } else { Unreadable::Torn };
        assert_eq!(fault, expected, "{end} of {}", file.len());
    }
    let longer = [file.as_slice(), b"x"].concat();
    assert_eq!(decode(longer.into()).err(), Some(Unreadable::Torn));
}

#[test]
fn a_snapshot_with_any_octet_changed_is_refused() {
    let file = encode(&roster());
    for at in 0..file.len() {
        let mut spoilt = file.clone();
        spoilt[at] ^= 0x41;
        let fault = decode(spoilt.into()).expect_err("it was changed");
        let fits = match at {
            0..8 => fault == Unreadable::Foreign,
            8..12 => matches!(fault, Unreadable::Version(_)),
            12..20 => fault == Unreadable::Torn,
            _ => fault == Unreadable::Damaged,
        };
        assert!(fits, "{at}: {fault}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (file, said) in [
        (&b"SQLite format 3\0"[..], "it is no snapshot of a directory"),
        (b"RINGPEOP\x02\0\0\0", "it is of version 2, this Ringpost reads version 1"),
        (b"RINGPEOP\x01\0\0\0", "it is not whole"),
    ] {
        assert_eq!(decode(Bytes::from_static(file)).expect_err("no snapshot").to_string(), said);
    }
}

proptest! {
    /// With a digest that fits, so that the body itself is read.
    #[test]
    fn t15_no_octets_make_the_reader_fall_over(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8), cut in 0..200_usize) {
        use sha2::{Digest, Sha256};
        let mut file = encode(&roster());
        file.truncate(file.len() - 32);
        let body = file.len() - 20;
        for (at, octet) in changes {
            file[20 + at % body] = octet;
        }
        file.truncate(file.len() - cut.min(body));
        let length = (file.len() - 20) as u64;
        file[12..20].copy_from_slice(&length.to_le_bytes());
        let digest = Sha256::digest(&file);
        file.extend_from_slice(&digest);
        if let Ok(read) = decode(file.into()) {
            prop_assert_eq!(read.persons().count(), read.len());
        }
    }
}
