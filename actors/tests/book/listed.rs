//! Who is in the book: of the site file, of the directory, with which numbers.

use std::{fs, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use arc_swap::ArcSwap;
use ringpost::{
    book::{Entry, Number},
    directory::Directory,
};
use ringpost_actors::{
    book::{Book, Site, Source, stored},
    load,
};
use rusqlite::Connection;

use crate::desk::at;

#[test]
fn the_site_file_and_the_directory_make_one_list_with_one_entry_for_each() {
    use ringpost::directory::{
        ldap::Id,
        people::{People, Roster},
        person::{self, Person},
        reverse::Rule,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let site = format!(
        "[store]\npath = {:?}\n[outbound]\ncountry = \"49\"\n\
         [[user]]\naddress = \"sip:ada@corp.test\"\nname = \"Ada of the file\"\nnumbers = [\"11\"]\n\
         [[user]]\naddress = \"sip:boss@corp.test\"\nnumbers = [\"12\"]\n\
         [[user]]\naddress = \"sip:lobby@corp.test\"\nnumbers = [\"13\"]\n\
         [book]\nhide = [\"department=Secret\", \"12\", \"flag=TRUE\"]\n",
        folder.path().join("store.db")
    );
    let site = load::text(Path::new("site.toml"), &site).expect("a site");
    let person = |id: u8, name: &str, sip: Option<&str>| Person {
        id: Id([id; 16]),
        name: name.into(),
        sip: sip.map(str::to_owned),
        department: Some(if id == 4 { "Secret" } else { "Sales" }.to_owned()),
        disabled: id == 5,
        further: vec![("Flag".into(), if id == 6 { "true" } else { "false" }.into())],
        numbers: vec![
            person::Number { kind: person::Kind::Line, text: format!("tel:+4930123{id};ext={id}") },
            person::Number { kind: person::Kind::Mobile, text: format!("0170 / 55-{id}") },
        ],
        ..Person::default()
    };
    let persons = [
        person(1, "Ada of the directory", Some("sip:Ada@corp.test")),
        person(2, "Boss", Some("sip:boss@corp.test")),
        person(3, "Nobody's phone", None),
        person(4, "Agent", None),
        person(5, "Disabled", None),
        person(6, "Flagged", None),
        person(255, "", None),
    ];
    let roster = Roster::of(persons, vec![], vec![1]);
    let rule = Rule { normal: &|number| Some(number.to_owned()), last_digits: 0 };
    let people = Arc::new(People::of(Arc::new(roster), &rule));
    let directory = joined(site, people);
    let source = ringpost_actors::book::Site(Arc::new(ArcSwap::from_pointee(directory)));
    let hide = source.0.load().site.book.hide.clone();
    let entries: Vec<Entry> =
        source.entries(&hide).expect("entries").collect::<Result<_, _>>().expect("all of them");
    let told = |entry: &Entry| {
        let numbers: Vec<&str> = entry.numbers.iter().map(Number::dialled).collect();
        format!("{}: {}", entry.name, numbers.join(" "))
    };
    let mut told: Vec<String> = entries.iter().map(told).collect();
    assert!(entries.windows(2).all(|pair| pair[0].id < pair[1].id), "in order");
    told.sort();
    assert_eq!(
        told,
        [
            "+4930123255: 255 +4917055255",
            "Ada of the file: 11 1 +49170551",
            "Nobody's phone: 3 +49170553",
            "lobby: 13"
        ]
    );
}

#[test]
fn a_directory_that_has_not_been_read_takes_nobody_out_of_the_book() {
    let site =
        load::text(Path::new("site.toml"), "[[user]]\naddress = \"sip:ada@corp.test\"").expect("a site");
    let source = |directory| ringpost_actors::book::Site(Arc::new(ArcSwap::from_pointee(directory)));
    assert_eq!(source(Directory::of(site.clone())).entries(&[]).map(Iterator::count), Ok(1));
    let unread = source(joined(site, Arc::default())).entries(&[]).map(Iterator::count);
    assert_eq!(unread, Err("the directory has not been read yet, or has no persons".to_owned()));
}

/// A site that has such people, as it is joined with a directory.
fn joined(site: ringpost::settings::Site, people: Arc<ringpost::directory::people::People>) -> Directory {
    let ldap = "[directory]\nservers = [\"ldap://127.0.0.1\"]\nbases = [\"dc=corp\"]\n";
    let other = load::text(Path::new("site.toml"), ldap).expect("a site with a directory");
    Directory::joined(Arc::new(ringpost::settings::Site { ldap: other.ldap, ..site }), people).0
}

/// R24, R69: an entry has the extension behind its main number; and whoever is hidden by a number is hidden however that number is
/// written where it comes from. All of it is personal data, so nobody else on the machine reads it.
#[test]
fn lines_keep_their_extensions_hidden_numbers_are_hidden_and_files_are_private() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store.db");
    let site = format!(
        r#"
        [store]
        path = {store:?}
        [outbound]
        country = "45"
        national_prefix = ""
        location = "hq"
        [location.hq]
        country = "DK"
        [[location.hq.rule]]
        pattern = '^7(\d\d)$'
        translation = '+45448970$1'
        [book]
        hide = ["+453311*", "+4544897042", "+4544890101;ext=202"]
        [[user]]
        address = "sip:tor@corp.test"
        line = "tel:+4544890101;ext=200"
        missed_calls = "off"
        [[user]]
        address = "sip:bo@corp.test"
        line = "tel:+4544890101;ext=202"
        missed_calls = "off"
        [[user]]
        address = "sip:ada@corp.test"
        numbers = ["1001", "004533221122"]
        missed_calls = "off"
        [[user]]
        address = "sip:eva@corp.test"
        numbers = ["004533111122"]
        missed_calls = "off"
        [[user]]
        address = "sip:fay@corp.test"
        numbers = ["33111123"]
        missed_calls = "off"
        [[user]]
        address = "sip:gus@corp.test"
        numbers = ["742"]
        missed_calls = "off"
        "#
    );
    let site = load::text(Path::new("site.toml"), &site).expect("a site");
    let directory = Arc::new(ArcSwap::from_pointee(Directory::of(site)));
    let book = Book::of(Arc::clone(&directory), Box::new(Site(directory)));
    book.make(at("2026-11-21T00:00:01Z")).expect("made");
    let state = book.published().expect("it was made");
    let db = Connection::open(folder.path().join("book").join(stored(&state, "full.sqlite"))).expect("ours");
    let mut rows = db
        .prepare("SELECT e.name, n.number, n.ext FROM entry e JOIN number n ON n.entry = e.id ORDER BY e.name, n.place")
        .expect("tables");
    let rows: Vec<(String, String, Option<String>)> = rows
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .expect("rows")
        .collect::<Result<_, _>>()
        .expect("values");
    let row = |name: &str, number: &str, ext: Option<&str>| {
        (name.to_owned(), number.to_owned(), ext.map(str::to_owned))
    };
    assert_eq!(
        rows,
        [row("ada", "1001", None), row("ada", "+4533221122", None), row("tor", "+4544890101", Some("200"))]
    );
    let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
    let made = folder.path().join("book");
    assert_eq!(mode(&made), 0o700);
    for file in fs::read_dir(&made).expect("a folder").flatten() {
        assert_eq!(mode(&file.path()), 0o600, "{}", file.path().display());
    }
}
