//! Issue 5.2, R7, R205: whose a number is.

use std::sync::Arc;

use proptest::prelude::*;
use ringpost::{
    directory::{
        people::{Change, People, Roster},
        person::{Kind, Person},
        reverse::Rule,
    },
    identity::contact,
    numbers::Numbering,
};

use super::{of, somebody};

fn here() -> Numbering {
    Numbering { country: Some("45".into()), national: "0".into(), international: "00".into() }
}

fn people(persons: impl IntoIterator<Item = Person>, last_digits: usize) -> People {
    let normal = |number: &str| contact::normal(number, &here());
    People::of(Arc::new(Roster::of(persons, vec![], vec![])), &Rule { normal: &normal, last_digits })
}

fn name<'p>(people: &'p People, number: &str) -> Option<&'p str> {
    people.name(number, |number| here().normal(number))
}

#[test]
fn r205_whole_number_then_extension_then_the_last_digits() {
    let persons = [
        somebody(1, "Ada", &[(Kind::Line, "tel:+4544890101;ext=200"), (Kind::Mobile, "+45 (0) 2011-2233")]),
        somebody(2, "Bob", &[(Kind::Telephone, "00 45 4489 0102"), (Kind::IpPhone, "0201")]),
        somebody(
            3,
            "Cem",
            &[(Kind::Telephone, "044890103 ext. 77"), (Kind::Pager, "202"), (Kind::Fax, "+4570000000")],
        ),
        somebody(4, "Dag", &[(Kind::Home, "0033 1 23 45 67 89")]),
    ];
    let exact = people(persons.clone(), 0);
    let by_end = people(persons, 7);
    for (number, named, by_last_seven) in [
        ("+4544890101", Some("Ada"), Some("Ada")),
        ("+4544890101;ext=200", Some("Ada"), Some("Ada")),
        ("+4599999999;ext=200", Some("Ada"), Some("Ada")),
        ("200", Some("Ada"), Some("Ada")),
        ("+4520112233", Some("Ada"), Some("Ada")),
        ("004544890102", Some("Bob"), Some("Bob")),
        ("044890102", Some("Bob"), Some("Bob")),
        ("0201", Some("Bob"), Some("Bob")),
        ("+45201", Some("Bob"), Some("Bob")),
        ("44890102", None, Some("Bob")),
        ("4890102", None, Some("Bob")),
        ("890102", None, None),
        ("+4644890102", None, Some("Bob")),
        ("77", Some("Cem"), Some("Cem")),
        ("202", Some("Cem"), Some("Cem")),
        ("+4570000000", None, None),
        ("+33123456789", Some("Dag"), Some("Dag")),
        ("0123456789", None, Some("Dag")),
        ("bob", None, None),
        ("", None, None),
        ("+", None, None),
        ("+99999999999999999999999999", None, None),
        ("*98#", None, None),
    ] {
        assert_eq!(name(&exact, number), named, "{number}");
        assert_eq!(name(&by_end, number), by_last_seven, "{number} by its last digits");
    }
    assert_eq!(exact.owner("200", |number| here().normal(number)).map(|person| person.id), Some(of(1)));
}

#[test]
fn r205_a_shared_number_has_a_name_only_where_all_are_called_the_same() {
    let numbers = [(Kind::Telephone, "+4544890100")];
    let same = |id| somebody(id, "Reception", &[(Kind::Telephone, "+4544890200")]);
    let people = people(
        [
            somebody(1, "Ada", &numbers),
            somebody(2, "Bob", &numbers),
            same(3),
            same(4),
            // The line of one counts before what another has only written down.
            somebody(5, "Cem", &[(Kind::Mobile, "+4544890300")]),
            somebody(6, "Dag", &[(Kind::Line, "tel:+4544890300")]),
            // The number before an extension is the office's.
            somebody(7, "Eva", &[(Kind::Line, "tel:+4544890400;ext=1")]),
            somebody(8, "Fay", &[(Kind::Line, "tel:+4544890400;ext=2")]),
            somebody(9, "Front desk", &[(Kind::Line, "tel:+4544890400")]),
            somebody(10, "", &[(Kind::Line, "tel:+4544890500")]),
            // Twice the same number of one person.
            somebody(11, "Gus", &[(Kind::Telephone, "+45 44890600"), (Kind::Mobile, "004544890600")]),
        ],
        6,
    );
    for (number, named) in [
        ("+4544890100", None),
        ("+4544890200", Some("Reception")),
        ("+4544890300", Some("Dag")),
        ("+4544890400", Some("Front desk")),
        ("1", Some("Eva")),
        ("+4544890400;ext=2", Some("Fay")),
        ("+4544890500", None),
        ("+4544890600", Some("Gus")),
        // By the last six digits: one person, several of one name, several.
        ("+1890600", Some("Gus")),
        ("+1890200", Some("Reception")),
        ("+1890300", None),
        ("+1890100", None),
    ] {
        assert_eq!(name(&people, number), named, "{number}");
    }
}

#[test]
fn r7_names_of_any_script_come_back_as_they_are() {
    let names =
        ["山田 太郎", "Müller, Jörg", "محمد عبد الله", "Ωμέγα", "👩‍👩‍👧", "דוד", "O’Brien (Sales) *", "भारत"];
    let persons = names
        .iter()
        .zip(1_u32..)
        .map(|(name, id)| somebody(id, name, &[(Kind::Line, &format!("tel:+454489{id:04}"))]));
    let people = people(persons, 0);
    for (wanted, id) in names.iter().zip(1_u32..) {
        assert_eq!(name(&people, &format!("+454489{id:04}")), Some(*wanted));
    }
}

#[test]
fn changes_make_the_next_roster() {
    let person = |id, name: &str| somebody(id, name, &[(Kind::Line, &format!("tel:+4544890{id:03}"))]);
    let first =
        Roster::of([person(5, "E"), person(2, "B"), person(5, "E again"), person(9, "I")], vec![], vec![1]);
    assert_eq!(first.persons().map(|one| one.name).collect::<Vec<_>>(), ["B", "E again", "I"]);
    let changes = [
        Change::Put(Box::new(person(1, "A"))),
        Change::Put(Box::new(person(5, "Eve"))),
        Change::Remove(of(2)),
        Change::Remove(of(3)),
        Change::Put(Box::new(person(10, "J"))),
        Change::Remove(of(10)),
        Change::Put(Box::new(person(11, "K"))),
    ];
    let second = first.with(changes, None, vec![2]);
    assert_eq!(second.persons().map(|one| one.name).collect::<Vec<_>>(), ["A", "Eve", "I", "K"]);
    assert_eq!(second.ids().collect::<Vec<_>>(), [1, 5, 9, 11].map(of));
    assert_eq!((second.state.as_slice(), first.len(), second.len()), (&[2][..], 3, 4));
    assert_eq!(second.find(of(9)), Some(person(9, "I")));
    assert_eq!(second.find(of(2)), None);
    assert!(Roster::default().find(of(1)).is_none() && Roster::default().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Against a list that is searched from its beginning.
    #[test]
    fn r205_the_index_says_what_a_plain_list_says(
        owners in proptest::collection::vec((0..400_u32, 0..6_u32), 1..200),
        last in 0..6_usize,
    ) {
        let last = if last < 2 { 0 } else { last };
        let persons = owners.iter().zip(1_u32..).map(|((number, owner), id)| {
            somebody(id, &format!("n{owner}"), &[(Kind::Telephone, &format!("+4530{number:04}"))])
        });
        let people = people(persons, last);
        for number in 0..450_u32 {
            for asked in [format!("+4530{number:04}"), format!("+4630{number:04}"), format!("30{number:04}")] {
                let mut fits: Vec<u32> = owners.iter().filter(|_| asked.starts_with("+45")).filter(|(own, _)| *own == number).map(|(_, owner)| *owner).collect();
                if fits.is_empty() && last > 0 {
                    let end = &asked[asked.len() - last..];
                    fits = owners.iter().filter(|(own, _)| format!("4530{own:04}").ends_with(end)).map(|(_, owner)| *owner).collect();
                }
                fits.sort_unstable();
                fits.dedup();
                let expected = match fits.as_slice() { [one] => Some(format!("n{one}")), _ => None };
                prop_assert_eq!(name(&people, &asked).map(str::to_owned), expected, "{} by {}", asked, last);
            }
        }
    }
}
