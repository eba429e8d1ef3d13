//! What it costs to read a dialled number by a location: ten rules, and the country behind them.
//!
//! `cargo bench -p ringpost --bench numbers`; the call path pays it only where a location is configured.

use std::hint::black_box;

use divan::Bencher;
use ringpost::numbers::{
    country::Country,
    location::Profile,
    rules::{Rules, Written},
};

fn main() {
    divan::main();
}

fn profile() -> Profile {
    let rules = (1..=10).map(|number| Written {
        pattern: format!("^{number}(\\d{{4}})$"),
        translation: "+454489$1".to_owned(),
        ..Written::default()
    });
    Profile {
        name: "hq".to_owned(),
        description: String::new(),
        rules: Rules::of(rules).expect("good rules"),
        country: Country::of("DE"),
    }
}

/// Which rule matches, or how far the number goes: the first, the tenth, the country by its trunk prefix and by 00, nobody.
#[divan::bench(args = ["10101", "100101", "030123456", "004544890101", "+4544890101", "112"])]
fn make(bencher: Bencher<'_, '_>, dialled: &str) {
    let profile = profile();
    bencher.bench(|| profile.make(black_box(dialled)));
}

/// What a reload pays for each location with a country.
#[divan::bench(args = ["DK", "DE", "US", "AR"])]
fn compile(region: &str) -> Option<Country> {
    Country::of(black_box(region))
}
