//! R32 R33: libphonenumber's own example numbers, each as it is dialled and written at home and abroad, become E.164.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::PathBuf,
};

use phonenumber::{Mode, country::Id};
use ringpost::numbers::country::Country;

/// Where the crate's own parser takes the first digit of the number for the trunk prefix, though it is none behind a country
/// code: it would write another number, so these are not asked for their writings.
const MISREAD: [&str; 7] = [
    "+3758011234567",
    "+78001234567",
    "+78091234567",
    "+78081234567",
    "+37080012345",
    "+37080812345",
    "+37080123456",
];

fn examples() -> Option<Vec<(String, String, String)>> {
    let shared = std::env::var_os("RINGPOST_CORPORA").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let file = shared.unwrap_or(beside).join("e164/examples.tsv");
    let text = fs::read_to_string(file).ok()?;
    let row = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let [region, _code, kind, number] = std::array::from_fn(|_| fields.next().expect("four fields"));
        (region, kind, number)
    };
    Some(text.lines().map(row).collect())
}

#[test]
fn every_example_number_becomes_e164_in_every_writing() {
    let Some(examples) = examples() else {
        return println!("skipped: the shared corpora are missing");
    };
    assert!(examples.len() > 1_000, "{}", examples.len());
    let (mut countries, mut wrong, mut misread) = (HashMap::new(), vec![], BTreeSet::new());
    for (region, kind, number) in &examples {
        // The numbers of no region (satellites, +800) are dialled by their code alone.
        let nowhere = region == "001";
        let region = if nowhere { "DK" } else { region.as_str() };
        let country =
            countries.entry(region.to_owned()).or_insert_with(|| Country::of(region).expect(region));
        let id: Id = region.parse().expect("a region");
        let parsed = phonenumber::parse(Some(id), number).expect(number);
        let mut writings = vec![number.clone(), number.replace('+', "+ ").replace('1', "1.")];
        if parsed.format().mode(Mode::E164).to_string() == *number {
            writings.push(parsed.format().mode(Mode::International).to_string());
            writings.extend((!nowhere).then(|| parsed.format().mode(Mode::National).to_string()));
        } else {
            misread.insert(number.as_str());
        }
        writings.extend(prefix(country).map(|prefix| number.replace('+', &prefix)));
        for written in writings {
            let becomes = country.normal(&written);
            if becomes.as_deref() != Some(number.as_str()) {
                wrong.push(format!("{region} {kind} {number}: {written} becomes {becomes:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(misread, BTreeSet::from(MISREAD));
}

/// What the country dials before other countries' codes, where that is one thing.
fn prefix(country: &Country) -> Option<String> {
    let abroad = country.rules().first().filter(|rule| rule.name.ends_with("abroad"))?;
    let prefix = abroad.pattern.trim_start_matches("^(?:").split(')').next()?;
    prefix.bytes().all(|octet| octet.is_ascii_digit()).then(|| prefix.to_owned())
}
