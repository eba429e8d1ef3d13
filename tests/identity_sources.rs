//! Several sources of callers' names (R205, R7): which answer counts, how long one waits, who is left alone, what is
//! remembered, and what servers say of contacts (T24, T35). Time is an input.

use std::{sync::Arc, time::Duration};

use ringpost::{
    address::{Caller, SourceName},
    identity::{
        Book, Contact,
        breaker::{Breaker, Rules, Turn},
        contact::normal,
        memory::{Asked, Bounds, Memory},
        race::{Race, Standing},
    },
    notify::{
        ews::contacts::read,
        graph::{Place, contacts},
    },
    numbers::{
        Numbering,
        country::Country,
        location::Profile,
        rules::{Rules as NumberRules, Written},
    },
    settings::Outbound,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What happens in a race: (when, who says what); `None`: nobody does.
type Said = (u64, Option<(usize, Option<&'static str>)>);

#[test]
fn the_first_in_order_who_knows_wins_and_nobody_waits_longer_than_needed() {
    // Three sources with 1 s, 2 s and 3 s, asked at 0.5 s.
    let rows: [(&str, &[Said], Standing<'_>); 10] = [
        ("nothing yet", &[(600, None)], Standing::Open(ms(1500))),
        ("the first answer ends it at once", &[(600, Some((0, Some("A"))))], Standing::Won(0, "A")),
        ("a lower one waits", &[(600, Some((2, Some("C"))))], Standing::Open(ms(1500))),
        (
            "until the first has had its time",
            &[(600, Some((2, Some("C")))), (1500, None)],
            Standing::Open(ms(2500)),
        ),
        ("and the second", &[(600, Some((2, Some("C")))), (2500, None)], Standing::Won(2, "C")),
        (
            "a higher one that comes meanwhile wins",
            &[(600, Some((2, Some("C")))), (900, Some((0, None))), (1000, Some((1, Some("B"))))],
            Standing::Won(1, "B"),
        ),
        (
            "who knows nothing is waited for no more",
            &[(600, Some((0, None))), (700, Some((1, None))), (800, Some((2, Some("C"))))],
            Standing::Won(2, "C"),
        ),
        (
            "all know nothing",
            &[(600, Some((0, None))), (700, Some((1, None))), (800, Some((2, None)))],
            Standing::Nobody,
        ),
        ("all are dead", &[(3500, None)], Standing::Nobody),
        (
            "late, but still open",
            &[(1600, Some((2, Some("C")))), (1700, Some((0, Some("A"))))],
            Standing::Won(0, "A"),
        ),
    ];
    for (what, said, standing) in rows {
        let mut race = Race::start(ms(500), [ms(1000), ms(2000), ms(3000)]);
        let mut now = ms(500);
        for (at, says) in said {
            now = ms(*at);
            if let Some((source, name)) = says {
                race.says(*source, name.map(str::to_owned));
            }
        }
        assert_eq!(race.standing(now), standing, "{what}");
    }
    assert_eq!(Race::start(ms(0), []).standing(ms(0)), Standing::Nobody, "nobody is asked");
}

#[test]
fn t35_a_dead_source_is_left_alone_but_for_one_question_per_rest() {
    let rules = Rules { failures: 3, rest: ms(4000) };
    let mut breaker = Breaker::default();
    assert_eq!([breaker.failed(ms(0), rules), breaker.failed(ms(1), rules)], [Turn::None, Turn::None]);
    assert_eq!(breaker.reached(), Turn::None, "in a row, not altogether");
    for turn in [Turn::None, Turn::None, Turn::Opened] {
        assert!(breaker.admits(ms(10), rules));
        assert_eq!(breaker.failed(ms(10), rules), turn);
    }
    let admitted = |breaker: &mut Breaker, from: u64| {
        (from..from + 4000).filter(|now| breaker.admits(ms(*now), rules)).count()
    };
    assert_eq!(admitted(&mut breaker, 10), 0);
    assert_eq!(admitted(&mut breaker, 4010), 1, "one probe, whether it is ever answered or not");
    assert!(breaker.admits(ms(8010), rules));
    assert_eq!(breaker.failed(ms(9010), rules), Turn::None);
    assert!(!breaker.admits(ms(12_009), rules));
    assert!(
        breaker.admits(ms(12_010), rules),
        "a slow failure makes nobody wait longer: it may be back by now"
    );
    assert_eq!(breaker.reached(), Turn::Closed);
    assert!((0..100).all(|_| breaker.admits(ms(13_020), rules)));
}

#[test]
fn answers_serve_their_time_and_are_bounded() {
    let bounds = Bounds { keep: ms(1000), keep_unknown: ms(100), most: 20 };
    let asked = |callee: &str, number: usize| Asked {
        source: SourceName::from("own"),
        callee: (!callee.is_empty()).then(|| callee.to_owned()),
        number: number.to_string(),
    };
    let mut memory = Memory::new(bounds);
    memory.note(asked("ada", 1), Some("Bo".into()), ms(0));
    memory.note(asked("bob", 1), None, ms(0));
    assert_eq!(memory.recall(&asked("ada", 1), ms(999)), Some(Some("Bo".into())));
    assert_eq!(memory.recall(&asked("ada", 1), ms(1000)), None);
    assert_eq!(
        memory.recall(&asked("bob", 1), ms(99)),
        Some(None),
        "no private contact of ada's is told to bob"
    );
    assert_eq!(memory.recall(&asked("bob", 1), ms(100)), None);
    assert_eq!(memory.recall(&asked("", 1), ms(0)), None);
    // What is asked for stays, the others go.
    let mut memory = Memory::new(bounds);
    for number in 0..1000 {
        memory.note(asked("ada", number), Some("Bo".into()), ms(0));
        assert!(memory.recall(&asked("ada", 0), ms(1)).is_some(), "{number}");
        assert!(memory.len() <= 20, "{}", memory.len());
    }
    assert_eq!(memory.recall(&asked("ada", 500), ms(1)), None);
}

fn germany() -> Numbering {
    Numbering { country: Some("49".into()), national: "0".into(), international: "00".into() }
}

#[test]
fn r205_every_number_of_a_contact_is_found_however_it_was_typed() {
    for (typed, number) in [
        ("+49 (0) 30 / 123-456", Some("+4930123456")),
        ("0049 30 123456", Some("+4930123456")),
        ("(030) 123456", Some("+4930123456")),
        ("tel:+4930123456", Some("+4930123456")),
        ("+45\u{a0}44 89 01 01", Some("+4544890101")),
        ("1001", Some("1001")),
        ("+49 30 123 ext. 5", None),
        ("call reception", None),
        ("", None),
        ("+", None),
    ] {
        assert_eq!(normal(typed, &germany()).as_deref(), number, "{typed:?}");
    }
    let contact = |name: &str, numbers: &[&str]| {
        Contact::new(name, numbers.iter().map(|number| (*number).to_owned())).expect("a contact")
    };
    let book = Book::of(
        &[
            contact("Ida", &["030 1", "+49 170 22"]),
            contact("Bo", &["0170 33", "030/1"]),
            contact("Bo", &["0049 170 33"]),
        ],
        |number| normal(number, &germany()),
    );
    for (number, name) in [
        ("+491", None),
        ("+4930", None),
        ("+49301", None),
        ("+4917022", Some("Ida")),
        ("+4917033", Some("Bo")),
    ] {
        assert_eq!(book.name(number), name, "{number}: a number of two is nobody's");
    }
    // A file's numbers, too, whoever writes them how.
    let file = Book::csv("name,number\nIda,(030) 77\nEva,+49 30 88\nFay,0049-30-88\n")
        .expect("a good file")
        .normal(|number| normal(number, &germany()));
    for (number, name) in
        [("03077", Some("Ida")), ("+493077", Some("Ida")), ("00493077", Some("Ida")), ("+493088", None)]
    {
        assert_eq!(file.find(number, |number| germany().normal(number)), name, "{number}");
    }
}

#[test]
fn r32_contacts_are_read_by_the_rules_and_the_country_of_the_location() {
    let rule = |pattern: &str, translation: &str| Written {
        pattern: pattern.into(),
        translation: translation.into(),
        ..Written::default()
    };
    let profile = |name: &str, rules: Vec<Written>, country: &str| Profile {
        name: name.into(),
        description: String::new(),
        rules: NumberRules::of(rules).expect("good rules"),
        country: Country::of(country),
    };
    let odense = profile("odense", vec![rule(r"^7(\d{3})$", "004544897$1")], "DK");
    let hamburg = profile("hamburg", vec![], "DE");
    let outbound = |location: Option<&Profile>| Outbound {
        numbering: germany(),
        location: location.map(|profile| Arc::new(profile.clone())),
        ..Outbound::default()
    };
    let (site, none) = (outbound(Some(&odense)), outbound(None));
    for (typed, there, without, in_hamburg) in [
        ("7123", "+4544897123", "7123", "7123"),
        ("33 11 22 33", "+4533112233", "33112233", "33112233"),
        ("+45 33 11 22 33", "+4533112233", "+4533112233", "+4533112233"),
        ("+49 (0) 40 123456", "+4940123456", "+4940123456", "+4940123456"),
        ("040 / 123456", "+4940123456", "+4940123456", "+4940123456"),
        ("112", "112", "112", "112"),
    ] {
        assert_eq!(site.contact(typed).as_deref(), Some(there), "{typed}");
        assert_eq!(none.contact(typed).as_deref(), Some(without), "{typed}");
        assert_eq!(site.contact_at(Some(&hamburg), typed).as_deref(), Some(in_hamburg), "{typed}");
    }
    let book = Book::csv("name,number\nIda,33 11 22 33\nBo,7123\n").expect("a good file");
    let book = book.normal(|typed| site.contact(typed));
    // A trunk that writes numbers as they are dialled there says less than the whole of them.
    for (calls, name) in [
        ("+4533112233", "Ida"),
        ("33112233", "Ida"),
        ("004533112233", "Ida"),
        ("7123", "Bo"),
        ("+4544897123", "Bo"),
    ] {
        assert_eq!(book.find(calls, |number| site.caller(number)), Some(name), "{calls}");
    }
    assert_eq!(book.find("+4544897124", |number| site.caller(number)), None);
}

/// An answer of Exchange with these contacts.
fn exchange(folder: &str, contacts: &str) -> String {
    format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><m:FindItemResponse xmlns:m="m" xmlns:t="t">
        <m:ResponseMessages><m:FindItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>
        <m:RootFolder {folder}><t:Items>{contacts}</t:Items></m:RootFolder></m:FindItemResponseMessage></m:ResponseMessages>
        </m:FindItemResponse></s:Body></s:Envelope>"#
    )
}

#[test]
fn t24_what_exchange_says_of_contacts_is_read_within_bounds() {
    let list = exchange(
        r#"IndexedPagingOffset="2" TotalItemsInView="9" IncludesLastItemInRange="false""#,
        &format!(
            r#"<t:Contact><t:FileAs>A, Ida</t:FileAs><t:DisplayName>Ida&#13;&#10;Bcc: x@y &lt;b&gt;</t:DisplayName><t:PhoneNumbers>
               <t:Entry Key="MobilePhone">+45 1</t:Entry><t:Entry Key="AssistantPhone">+45 2</t:Entry></t:PhoneNumbers></t:Contact>
               <t:DistributionList><t:DisplayName>All</t:DisplayName></t:DistributionList>
               <t:Contact><t:DisplayName>Nobody</t:DisplayName></t:Contact>
               <t:Contact><t:CompanyName>{}</t:CompanyName><t:PhoneNumbers><t:Entry Key="CompanyMainPhone">3</t:Entry></t:PhoneNumbers></t:Contact>"#,
            "x".repeat(10_240)
        ),
    );
    let page = read(list.as_bytes(), None).expect("a list");
    let names: Vec<_> =
        page.contacts.iter().map(|contact| contact.name.chars().take(20).collect::<String>()).collect();
    assert_eq!(names, ["Ida Bcc: x@y <b>", "xxxxxxxxxxxxxxxxxxxx"]);
    assert_eq!(page.contacts[0].numbers, ["+45 1"], "the assistant is somebody else");
    assert_eq!(page.contacts[1].name.chars().count(), 200);
    assert_eq!(page.next.as_deref(), Some("2"));
    // A server that turns in circles is not followed.
    assert_eq!(read(list.as_bytes(), Some("2")).expect("a list").next, None);
    let last = exchange(r#"IndexedPagingOffset="9" IncludesLastItemInRange="true""#, "");
    assert_eq!(read(last.as_bytes(), Some("2")).expect("a list"), ringpost::identity::Page::default());
    for noise in ["", "<html>proxy error", "<html><body/></html>", "<a><RootFolder", "{\"value\": []}"] {
        assert!(read(noise.as_bytes(), None).is_err(), "{noise}");
    }
    assert!(read(&list.as_bytes()[..list.len() / 2], None).is_err());
    assert!(read(exchange("", &"<t:Contact/>".repeat(200_000)).as_bytes(), None).is_err(), "more than 1 MiB");
}

#[test]
fn t24_what_graph_says_of_contacts_is_read_and_its_links_lead_nowhere_else() {
    let page = contacts(
        br#"{"@odata.context": "x", "@odata.nextLink": "https://graph.test/v1.0/users/a/contacts?$skip=2", "value": [
            {"displayName": "Ida\u0000\u202e", "businessPhones": ["+45 1", null], "homePhones": [], "mobilePhone": null},
            {"displayName": null, "fileAs": "", "companyName": "Acme", "mobilePhone": "+45 2", "homePhones": null},
            {"displayName": "Nobody"}, {"mobilePhone": "+45 3"}]}"#,
    );
    let page = page.expect("a list");
    let read: Vec<_> = page.contacts.iter().map(|one| (one.name.as_str(), one.numbers.join(" "))).collect();
    assert_eq!(read, [("Ida", "+45 1".to_owned()), ("Acme", "+45 2".to_owned())]);
    let place = Place { url: "https://graph.test/v1.0", mailbox: "ada@x.test" };
    assert!(
        place
            .contacts()
            .starts_with("https://graph.test/v1.0/users/ada@x.test/contacts?$select=displayName,")
    );
    for (link, ours) in [
        (page.next.as_deref().expect("a link"), true),
        ("https://graph.test.evil.test/v1.0/users", false),
        ("https://graph.test/v1.0.evil/users", false),
        ("http://graph.test/v1.0/users", false),
        ("https://evil.test/v1.0/", false),
        ("", false),
    ] {
        assert_eq!(place.holds(link), ours, "{link}");
    }
    for noise in
        ["", "<html>", "[]", "{\"value\": 1}", "{\"value\": [1]}", "{\"value\": [{\"displayName\": {}}]}"]
    {
        assert!(contacts(noise.as_bytes()).is_none(), "{noise}");
    }
}

#[test]
fn a_name_that_is_found_takes_the_place_of_the_one_at_hand() {
    let caller = Caller { name: Some("PBX".into()), sought: true, ..Caller::default() };
    let found = caller.clone().named(Some(("own".into(), "Ida".into())));
    assert_eq!(
        (found.name.as_deref(), found.source.as_ref().map(SourceName::as_str)),
        (Some("Ida"), Some("own"))
    );
    assert!(!found.sought);
    assert_eq!(caller.named(None), Caller { name: Some("PBX".into()), ..Caller::default() });
    // What earlier versions have written is read, and what is not set is not written.
    let old = r#"{"name":"A","number":null,"uri":null,"private":false}"#;
    let read: Caller = serde_json::from_str(old).expect("an old one");
    assert_eq!(serde_json::to_string(&read).expect("plain data"), old);
}
