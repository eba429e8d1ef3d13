//! Microsoft's enhanced presence: the published samples, and the vector of the bit order (R22).

use std::fs;

use ringpost::{
    presence::{
        Standard,
        microsoft::{
            calendar::{self, SLOTS, Slot},
            state::{Endpoint, Kind, ON_THE_PHONE, OUT_OF_OFFICE, State, availability},
        },
    },
    xml::{Element, elements},
};

use crate::corpus;

#[test]
fn r22_slots_lie_in_the_lowest_bits_first() {
    let slots: Option<Vec<Slot>> = "0000022221111333300".chars().map(Slot::of_digit).collect();
    let slots = slots.expect("digits");
    assert_eq!(calendar::pack(&slots), "AKhW/QM=");
    let back = calendar::unpack("AKhW/QM=").expect("Base64");
    assert_eq!(back[..19], slots);
    assert_eq!(back[19..], [Slot::Free], "four to an octet");
    assert_eq!(
        (Slot::of_digit('4'), Slot::of_digit('5'), Slot::of_digit('x')),
        (Some(Slot::Free), None, None)
    );
    assert_eq!(calendar::pack(&[]), "");
    assert_eq!(calendar::unpack("A"), None);
    assert_eq!(calendar::unpack(&calendar::pack(&[Slot::Busy; SLOTS])), Some(vec![Slot::Busy; SLOTS]));
}

fn names(element: &Element) -> Vec<&str> {
    let mut names: Vec<_> = element.attributes.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn calendar_data_is_of_the_form_of_the_sample() {
    let start = "2009-10-27T07:00:00Z".parse().expect("a time");
    let ours = calendar::write("bob@contoso.com", start, &[Slot::Free; SLOTS]);
    let ours = elements(ours.as_bytes()).expect("XML");
    assert_eq!(elements(calendar::nothing().as_bytes()).expect("XML").len(), 1);
    let Some(file) = corpus("ms-presence/calendardata-category-instance-value-element-2.xml") else { return };
    let sample = elements(&fs::read(file).expect("readable")).expect("XML");
    for (ours, sample) in ours.iter().zip(&sample) {
        assert_eq!((&ours.name, names(ours)), (&sample.name, names(sample)));
        for name in ["startTime", "granularity", "encodingVersion", "mailboxID"] {
            assert_eq!(ours.attribute(name), sample.attribute(name));
        }
    }
    let slots = calendar::unpack(&sample[1].text).expect("Base64");
    assert_eq!(calendar::pack(&slots), sample[1].text);
    assert!(slots.contains(&Slot::Busy) && slots.contains(&Slot::Tentative), "{slots:?}");
}

fn busy() -> State {
    State { availability: availability(Standard::Busy), activity: Some(ON_THE_PHONE), meeting: None }
}

#[test]
fn a_state_is_of_the_form_of_the_sample() {
    let body = Endpoint::new("sip:tu@contoso.com", 0).write(&[(Kind::Phone, Some(busy()))]);
    let all = elements(body.as_bytes()).expect("XML");
    let publications: Vec<_> = all.iter().filter(|one| one.name == "publication").collect();
    let containers: Vec<_> = publications.iter().filter_map(|one| one.attribute("container")).collect();
    assert_eq!(containers, ["2", "3"]);
    for one in publications {
        assert_eq!(one.attribute("instance"), Some("2147483648"));
        assert_eq!((one.attribute("version"), one.attribute("expireType")), (Some("0"), Some("endpoint")));
    }
    let Some(file) = corpus("ms-presence/state-element_1-1.xml") else { return };
    let sample = elements(&fs::read(file).expect("readable")).expect("XML");
    let ours = all.iter().skip_while(|one| one.name != "state").take(3);
    for (ours, sample) in ours.zip(&sample) {
        assert_eq!((&ours.name, names(ours)), (&sample.name, names(sample)));
    }
    assert_eq!(
        all.iter().find(|one| one.name == "state").and_then(|one| one.attribute("type")),
        sample[0].attribute("type")
    );
}

#[test]
fn instances_carry_their_kind_and_the_endpoint() {
    for (kind, instance) in [
        (Kind::User, 0x2000_0000),
        (Kind::Machine, 0x3ABC_DEF0),
        (Kind::Calendar, 0x4ABC_DEF0),
        (Kind::OutOfOffice, 0x5ABC_DEF0),
        (Kind::Phone, 0x8ABC_DEF0),
    ] {
        assert_eq!(kind.instance(0xFABC_DEF0), instance);
    }
    let states: Vec<_> = Standard::ALL.into_iter().map(availability).collect();
    assert_eq!(states, [3_500, 5_000, 15_500, 12_500, 6_500, 9_500, 18_500]);
}

fn versions(endpoint: &Endpoint, states: &[(Kind, Option<State>)]) -> Vec<String> {
    let all = elements(endpoint.write(states).as_bytes()).expect("XML");
    all.iter().filter_map(|one| one.attribute("version")).map(str::to_owned).collect()
}

#[test]
fn versions_follow_the_server() {
    let mut endpoint = Endpoint::new("sip:a&b@contoso.com", 7);
    let away = State {
        availability: availability(Standard::Away),
        activity: Some(OUT_OF_OFFICE),
        meeting: Some(("<Budget>".into(), "R&D".into())),
    };
    let states = [(Kind::Phone, Some(busy())), (Kind::OutOfOffice, Some(away))];
    endpoint.taken(&states);
    assert_eq!(versions(&endpoint, &states), ["1", "1", "1", "1"]);
    let fault = "<Fault xmlns=\"http://schemas.microsoft.com/2006/09/sip/service-fault\">\
                 <Faultcode>Client.BadCall.WrongDelta</Faultcode><details>\
                 <operation index=\"2\" version=\"1\" curVersion=\"5\"/><operation index=\"4\" version=\"1\" curVersion=\"0\"/>\
                 <operation index=\"0\" curVersion=\"9\"/><operation index=\"99\" curVersion=\"9\"/><operation index=\"x\"/>\
                 </details></Fault>";
    assert_eq!(endpoint.refused(&states, fault.as_bytes()), Ok(true));
    assert_eq!(versions(&endpoint, &states), ["1", "5", "1", "0"]);
    assert_eq!(endpoint.refused(&states, fault.as_bytes()), Ok(false), "the same again would go in a circle");
    let other = fault.replace("WrongDelta", "NotAuthorized");
    assert_eq!(endpoint.refused(&states, other.as_bytes()), Ok(false));
    assert!(endpoint.refused(&states, b"<!DOCTYPE x><x/>").is_err(), "T6");
    let gone = [(Kind::Phone, None)];
    let body = endpoint.write(&gone);
    assert_eq!(body.matches(" expires=\"0\"/>").count(), 2);
    assert_eq!(versions(&endpoint, &gone), ["1", "5"]);
    endpoint.taken(&gone);
    assert_eq!(versions(&endpoint, &states), ["0", "0", "1", "0"]);
}
