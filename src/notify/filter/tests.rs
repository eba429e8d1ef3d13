//! R209: which filter catches which call.

use bytes::Bytes;

use super::*;

fn invite(lines: &str) -> Message {
    let text = format!("INVITE sip:1001@h SIP/2.0\r\nFrom: <sip:+4930123@h>;tag=1\r\n{lines}\r\n\r\n");
    Message::read(Bytes::from(text)).expect("a request")
}

fn caller(number: &str) -> Caller {
    Caller {
        number: Some(number).filter(|number| !number.is_empty()).map(str::to_owned),
        ..Caller::default()
    }
}

fn here() -> Numbering {
    Numbering { country: Some("49".into()), national: "0".into(), international: "00".into() }
}

fn caught(filters: &Filters, number: &str, internal: bool, lines: &str) -> Option<Filter> {
    let (caller, invite) = (caller(number), invite(lines));
    filters.catch(
        &Seen { caller: &caller, internal, own: false, invite: Some(&invite), unwanted: false },
        &here(),
    )
}

#[test]
fn each_filter_catches_its_own_and_says_so() {
    let none = Filters::default();
    let spam = "Reason: SIP;cause=608";
    let header = SpamHeader { name: "X-Spam".into(), value: "yes".into() };
    let all = Filters {
        internal: true,
        hidden: true,
        spam: true,
        numbers: vec![Listed::from("+49900*"), Listed::from("030 555".replace(' ', "").as_str())],
        own_numbers: vec!["0170-12345".into()],
        spam_headers: vec![header],
        voice_mail: false,
    };
    assert!(none.are_none() && !all.are_none());
    for (number, internal, lines, filter) in [
        ("+4930123", false, "", None),
        ("+4917012345", false, "", Some(Filter::OwnDevice)),
        ("017012345", true, spam, Some(Filter::OwnDevice)),
        ("1002", true, spam, Some(Filter::Internal)),
        ("", true, "", Some(Filter::Internal)),
        ("", false, spam, Some(Filter::Hidden)),
        ("+4930123", false, spam, Some(Filter::Spam)),
        ("+4930123", false, "x-spam:  YES, score 9", Some(Filter::Spam)),
        ("+4930123", false, "X-Spam: no", None),
        ("+49900555", false, spam, Some(Filter::Spam)),
        ("+49900555", false, "", Some(Filter::Listed)),
        ("0900555", false, "", Some(Filter::Listed)),
        ("+4930555", false, "", Some(Filter::Listed)),
        ("+49305555", false, "", None),
        ("ada@corp.test", false, "", None),
    ] {
        assert_eq!(caught(&all, number, internal, lines), filter, "{number} {internal} {lines}");
        assert_eq!(caught(&none, number, internal, lines), None, "{number}: nothing is skipped by default");
    }
    // Only the header does nothing where spam is told of.
    let header_alone =
        Filters { spam: false, numbers: vec![], own_numbers: vec![], internal: false, hidden: false, ..all };
    assert!(header_alone.are_none());
}

#[test]
fn spam_is_what_a_trunk_or_the_users_own_device_says_is() {
    let filters = Filters { spam: true, ..Filters::default() };
    let is = |lines: &str| caught(&filters, "+4930123", false, lines) == Some(Filter::Spam);
    for (lines, spam) in [
        ("P-Asserted-Identity: <tel:+4930123;verstat=TN-Validation-Failed>", true),
        ("P-Asserted-Identity: \"X\" <sip:+4930123;verstat=tn-validation-failed@h;user=phone>", true),
        ("P-Asserted-Identity: <sip:+4930123@h;user=phone;verstat=TN-Validation-Failed-B>", true),
        ("P-Asserted-Identity: <sip:a@h>, <tel:+4930123;verstat=TN-Validation-Failed>", true),
        ("P-Asserted-Identity: <tel:+4930123;verstat=TN-Validation-Passed>", false),
        ("P-Asserted-Identity: <tel:+4930123;verstat=No-TN-Validation>", false),
        ("P-Asserted-Identity: <tel:+4930123;verstat>", false),
        ("Reason: STIR;cause=438;text=\"Invalid Identity Header\"", true),
        ("Reason: SIP;cause=607", true),
        ("Reason: SIP;cause=486", false),
    ] {
        assert_eq!(is(lines), spam, "{lines}");
    }
    let from = Message::read(Bytes::from_static(
        b"INVITE sip:1@h SIP/2.0\r\nFrom: <sip:+4930123;verstat=TN-Validation-Failed@h>;tag=1\r\n\r\n",
    ))
    .expect("a request");
    let caller = caller("+4930123");
    let seen = |invite, unwanted| Seen { caller: &caller, internal: false, own: false, invite, unwanted };
    assert_eq!(filters.catch(&seen(Some(&from), false), &here()), Some(Filter::Spam));
    // A phone of the site says nothing about spam; who is called does.
    assert_eq!(filters.catch(&seen(None, false), &here()), None);
    assert_eq!(filters.catch(&seen(None, true), &here()), Some(Filter::Spam));
}

#[test]
fn the_users_own_number_is_an_own_device_where_those_or_internal_callers_are_skipped() {
    let (caller, invite) = (caller("1001"), invite(""));
    let seen = Seen { caller: &caller, internal: true, own: true, invite: Some(&invite), unwanted: false };
    for (internal, own_numbers, filter) in [
        (false, vec![], None),
        (true, vec![], Some(Filter::OwnDevice)),
        (false, vec!["+4917012345".to_owned()], Some(Filter::OwnDevice)),
    ] {
        // A filter of another kind, so that there is one at all.
        let filters = Filters { internal, own_numbers, spam: true, ..Filters::default() };
        assert_eq!(filters.catch(&seen, &here()), filter, "{filters:?}");
    }
}
