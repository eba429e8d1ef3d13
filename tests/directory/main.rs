//! Issue 5.1, 5.2: what a directory says of people, and whose a number is (R7 R13 R14 R24–R26 R103 R205, T15 T17 T18).

mod filter;
mod persons;
mod plans;
mod reverse;
mod snapshot;
mod tel;

use ringpost::directory::{
    ldap::{Attributes, Id, Profile, Record},
    person::{self, Fault, Kind, Number, Person},
};

/// An entry with that many octets of `id` as its objectGUID.
fn record(id: u8, attributes: &[(&str, &[&str])]) -> Record {
    let given = attributes.iter().map(|(name, values)| {
        ((*name).to_owned(), values.iter().map(|value| value.as_bytes().to_vec()).collect())
    });
    let id = ("objectGUID".to_owned(), vec![vec![id; 16]]);
    Record {
        dn: format!("cn=user{},ou=Users,dc=corp,dc=test", id.1[0][0]),
        attributes: given.chain([id]).collect(),
    }
}

/// The person of an entry of Active Directory, and what was left out.
fn read(record: &Record) -> (Person, Vec<Fault>) {
    let (person, faults) = person::person(record, &Attributes::of(Profile::ActiveDirectory));
    (person.expect("the entry has an id"), faults)
}

/// Somebody with these numbers.
fn somebody(id: u32, name: &str, numbers: &[(Kind, &str)]) -> Person {
    let numbers = numbers.iter().map(|(kind, text)| Number { kind: *kind, text: (*text).to_owned() });
    Person { id: of(id), name: name.to_owned(), numbers: numbers.collect(), ..Person::default() }
}

fn of(id: u32) -> Id {
    Id(u128::from(id).to_be_bytes())
}
