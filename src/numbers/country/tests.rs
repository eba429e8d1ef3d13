use super::*;

#[test]
fn numbers_are_read_as_they_are_dialled_in_the_country() {
    for (region, written, normal) in [
        ("DK", "44 89 01 01", Some("+4544890101")),
        ("DK", "0045 44890101", Some("+4544890101")),
        ("DK", "+45 44-89-01-01", Some("+4544890101")),
        ("DK", "112", None),
        ("DK", "4489", None),
        ("DE", "030 123456", Some("+4930123456")),
        ("DE", "+49 (0) 30 123456", Some("+4930123456")),
        ("DE", "0049 30/123456", Some("+4930123456")),
        // At home in Hamburg this is a number of Hamburg.
        ("DE", "30123456", None),
        ("US", "(650) 253-0000", Some("+16502530000")),
        ("US", "1-650-253-0000", Some("+16502530000")),
        ("US", "011 45 44890101", Some("+4544890101")),
        // A number of Canada, of the same code.
        ("US", "416 555 0123", Some("+14165550123")),
        ("US", "911", None),
        ("IT", "02 3661 8300", Some("+390236618300")),
        ("IT", "+39 02 3661 8300", Some("+390236618300")),
        ("GB", "(020) 7031 3000", Some("+442070313000")),
        ("FR", "01 42 68 53 00", Some("+33142685300")),
        ("FR", "＋33 1 42 68 53 00", Some("+33142685300")),
        ("AR", "011 15-2345-6789", Some("+5491123456789")),
        ("BR", "0 15 11 96123-4567", Some("+5511961234567")),
        ("MX", "55 5123 4567", Some("+525551234567")),
        ("RU", "8 (495) 123-45-67", Some("+74951234567")),
        ("RU", "8 (800) 123-45-67", Some("+78001234567")),
        ("RU", "810 45 44890101", Some("+4544890101")),
        ("DK", "alice", None),
        ("DK", "+", None),
        ("DK", "+0045", None),
        ("DK", "", None),
        ("DK", "+45448901014489010144", None),
    ] {
        let country = Country::of(region).expect(region);
        assert_eq!(country.normal(written).as_deref(), normal, "{region} {written}");
    }
    assert!(Country::of("XX").is_none() && Country::of("").is_none());
}

#[test]
fn a_country_in_rules_reads_what_is_dialled_as_the_country_does() {
    for (region, dialled) in [
        ("DK", "44890101"),
        ("DK", "004544890101"),
        ("DE", "030123456"),
        ("US", "16502530000"),
        ("US", "0114544890101"),
        ("FR", "0142685300"),
        ("GB", "02070313000"),
    ] {
        let country = Country::of(region).expect(region);
        let rules = super::super::rules::Rules::of(country.rules().to_vec()).expect("good rules");
        let made = rules.translate(dialled).and_then(|found| found.number);
        assert_eq!(made, country.normal(dialled), "{region} {dialled}");
    }
}

#[test]
fn every_country_can_be_had_and_told() {
    let regions = (1..=999u16).filter_map(|code| DATABASE.region(&code)).flatten().map(str::to_owned);
    let regions: Vec<_> = regions.filter(|region| region.len() == 2).collect();
    assert!(regions.len() > 240, "{}", regions.len());
    // One of each code: those that share one share most of it.
    let mut codes = std::collections::HashSet::new();
    for region in &regions {
        let data = DATABASE.by_id(region.as_str()).expect(region);
        if codes.insert(data.country_code()) {
            let country = Country::of(region).unwrap_or_else(|| panic!("{region}"));
            let told = super::super::rules::Rules::of(country.rules().to_vec());
            assert!(told.is_ok(), "{region}: {:?}", told.err());
        }
    }
}
