//! Names of callers from files (R205): a wrong one is never given.

use ringpost::identity::{Book, Fault};

const CSV: &str = "\u{feff}Name,Company,Number,Number 2\r\n\"Åse \"\"Q\"\" Lund, Dr\",Lab,+45 44 89 01 01,(030) 12-34\r\n\
                   Bo,,+4511,\r\nBo,,+4511,\r\nCai,,+4522,\r\nDea,,+4522,+4533\r\n\r\n";

const CARDS: &str = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ida\\, the\r\n  First\r\nTEL;VALUE=uri:tel:+45-44;ext=2\r\n\
                     item1.TEL:+45 55\r\nPHOTO:data:x\r\nEND:VCARD\r\n\
                     BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:S=C3=B8rensen;=\nUlla\nTEL;CELL:+4566\nEND:VCARD\n";

#[test]
fn every_number_of_a_contact_leads_to_its_name_and_a_shared_one_to_none() {
    let csv = Book::csv(CSV).expect("a good file");
    for (number, name) in [
        ("+4544890101", Some("Åse \"Q\" Lund, Dr")),
        ("+45-4489-0101", Some("Åse \"Q\" Lund, Dr")),
        ("0301234", Some("Åse \"Q\" Lund, Dr")),
        ("+4511", Some("Bo")),
        ("+4522", None),
        ("+4533", Some("Dea")),
        ("+45", None),
        ("", None),
    ] {
        assert_eq!(csv.name(number), name, "{number}");
    }
    let cards = Book::vcard(CARDS).expect("good cards");
    for (number, name) in [
        ("+4544", Some("Ida, the First")),
        ("+4555", Some("Ida, the First")),
        ("+4566", Some("Ulla Sørensen")),
    ] {
        assert_eq!(cards.name(number), name, "{number}");
    }
    assert_eq!((csv.len(), cards.len()), (5, 3));
    // What is named first wins, and its doubt too.
    let both = csv.then(Book::csv("name;number\nEva;+4522\nFay;+4577\n").expect("a good file"));
    assert_eq!((both.name("+4522"), both.name("+4577")), (None, Some("Fay")));
}

/// What was read, and its faults.
type Row<'r> = (Result<Book, Vec<Fault>>, &'r [&'r str]);

#[test]
fn faults_have_their_lines() {
    let rows: [Row<'_>; 8] = [
        (
            Book::csv(""),
            &["line 1: wants a header with a column \"name\" and one or more that begin with \"number\""],
        ),
        (
            Book::csv("name,number\nA,1,2\n,3\n"),
            &["line 2: has 3 columns, the header has 2", "line 3: a number without a name"],
        ),
        (Book::csv("name,number\n\"A\nB\",1\nC,\"2\n"), &["line 4: a quotation mark that is never closed"]),
        (Book::vcard("BEGIN:VCARD\nFN:A\n"), &["line 1: a card that never ends"]),
        (
            Book::vcard("FN:A\nBEGIN:VCARD\nTEL:1\nEND:VCARD\nEND:VCARD\n"),
            &[
                "line 1: FN outside a card",
                "line 2: a card with TEL but neither FN nor N",
                "line 5: END outside a card",
            ],
        ),
        (Book::vcard("BEGIN:VCARD\nhello\nEND:VCARD\n"), &["line 2: no property: a colon is missing"]),
        (
            Book::vcard("BEGIN:VCARD\nFN;ENCODING=QUOTED-PRINTABLE:=FF\nEND:VCARD\n"),
            &["line 2: FN is no quoted-printable UTF-8"],
        ),
        (Book::vcard("BEGIN:VCARD\nBEGIN:VCARD\nEND:VCARD\n"), &["line 2: BEGIN inside a card"]),
    ];
    for (read, faults) in rows {
        let read: Vec<String> = read.expect_err("a fault").iter().map(Fault::to_string).collect();
        assert_eq!(read, faults);
    }
}

#[test]
fn noise_is_refused_and_harms_nobody() {
    for length in 0..CARDS.len() {
        if let Some(cut) = CARDS.get(..length) {
            drop(Book::vcard(cut));
        }
    }
    for length in 0..CSV.len() {
        if let Some(cut) = CSV.get(..length) {
            drop(Book::csv(cut));
        }
    }
    for text in
        ["=", "a:=", "\u{1F600}:x", " \u{1F600}", "BEGIN:\n\u{e9}\u{e9}TEL:\u{20ac}\u{20ac}", ";;;:\\"]
    {
        drop((Book::vcard(text), Book::csv(text)));
    }
}
