//! What phones, programs and people fetch of the book, and what they get who may not (R74, R78; T14, T15).

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use rusqlite::Connection;

use crate::{
    fetch::{Answer, Served, basic, office},
    support::{Ringpost, Site, metrics::number, ports, sample, until},
};

const HOSTILE: &str = "</Name><x/> & \\\"]]>\\u202E مريم 👩‍🚀 山田";

/// Ada, Bob and forty others, the first of them with a name that no file should break on.
fn many(listen: &str) -> Site {
    let people: String = (0..40)
        .map(|n| {
            let name = if n == 0 { HOSTILE.to_owned() } else { format!("Person {n:02}") };
            format!(
                "[[user]]\naddress = \"sip:p{n}@corp.test\"\nname = \"{name}\"\nnumbers = [\"+4930555{n:02}\"]\nmissed_calls = \"off\"\n"
            )
        })
        .collect();
    office(listen).table(&people).table("[outbound]\ncountry = \"49\"")
}

fn has_book(served: &Served) {
    until("the book is made", || served.gets("/book/state.json").status == 200);
}

/// Runs a program on what was fetched; `None` where there is no such program.
fn seen_by(program: &str, words: &[&str], octets: &[u8]) -> Option<Output> {
    let spawned = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        println!("skipped: {program} is missing");
        return None;
    };
    let mut input = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, octets).expect("taken");
    drop(input);
    Some(child.wait_with_output().expect("it ends"))
}

/// What libxml2 makes of an XPath expression.
fn xpath(answer: &Answer, expression: &str) -> Option<String> {
    let output = seen_by("xmllint", &["--nonet", "--xpath", expression, "-"], &answer.body)?;
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), answer.text());
    Some(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

#[test]
fn t15_every_phone_gets_the_book_in_its_own_well_formed_shape() {
    let served = Served::start(many);
    has_book(&served);
    let hostile = "</Name><x/> & \"]]> مريم 👩‍🚀 山田";
    let yealink = served.gets("/book/yealink.xml");
    assert_eq!((yealink.status, yealink.one("content-type")), (200, "text/xml; charset=utf-8"));
    let Some(count) = xpath(&yealink, "count(/YealinkIPPhoneDirectory/DirectoryEntry)") else { return };
    assert_eq!(count, "42");
    let named = format!("//DirectoryEntry[Telephone='+493055500']/Name/text()='{hostile}'");
    assert_eq!(xpath(&yealink, &named).as_deref(), Some("true"), "{}", yealink.text());

    let found = served.gets("/book/yealink.xml?search=PERSON%2007");
    assert_eq!(
        xpath(&found, "string(/YealinkIPPhoneDirectory[count(DirectoryEntry)=1]//Telephone)").as_deref(),
        Some("+493055507")
    );
    for (search, count) in [
        ("555%2012", "1"),
        ("3055", "40"),
        ("nobody", "0"),
        ("%27%25_", "0"),
        ("", "42"),
        ("%D9%85%D8%B1%D9%8A%D9%85", "1"),
    ] {
        let found = served.gets(&format!("/book/yealink.xml?search={search}"));
        assert_eq!(xpath(&found, "count(//DirectoryEntry)").as_deref(), Some(count), "{search}");
    }

    // A Cisco phone follows its Next key to the end.
    let (mut path, mut names, mut pages) = ("/book/cisco.xml".to_owned(), 0, 0);
    loop {
        let page = served.gets(&path);
        let entries = xpath(&page, "count(/CiscoIPPhoneDirectory/DirectoryEntry)").expect("xmllint");
        let entries: usize = entries.parse().expect("a number");
        assert!(entries <= 32);
        (names, pages) = (names + entries, pages + 1);
        let next = xpath(&page, "string(//SoftKeyItem[Name='Next'][Position='4']/URL)").expect("xmllint");
        if next.is_empty() {
            assert_eq!(xpath(&page, "count(//SoftKeyItem)").as_deref(), Some("0"), "the phone's own keys");
            break;
        }
        let here = "https://book.test/book/";
        assert!(next.starts_with(here), "{next}");
        path = next.replacen("https://book.test", "", 1);
    }
    assert_eq!((names, pages), (42, 2));
    let page = served.gets("/book/cisco.xml?search=person&start=32");
    assert_eq!(xpath(&page, "concat(count(//DirectoryEntry), ' ', //Prompt)").as_deref(), Some("7 33-39"));
    let page = served.gets("/book/cisco.xml?search=person%20%26");
    assert_eq!((page.status, xpath(&page, "string(//Prompt)").as_deref()), (200, Some("0")));
    let snom = served.gets("/book/snom.xml");
    assert_eq!(xpath(&snom, "count(/SnomIPPhoneDirectory/DirectoryEntry)").as_deref(), Some("42"));
    assert_eq!(xpath(&snom, "count(//SoftKeyItem)").as_deref(), Some("0"));
    for wrong in ["/book/cisco.xml?start=-1", "/book/cisco.xml?start=x", "/book/snom.xml?start=1&start=2"] {
        assert_eq!(served.gets(wrong).status, 400, "{wrong}");
    }
    assert_eq!(
        xpath(&served.gets("/book/cisco.xml?start=99999999999"), "count(//DirectoryEntry)").as_deref(),
        Some("0")
    );
    served.ringpost.stops_well();
}

const CARDS: &str = "
import sys, vobject
cards = list(vobject.readComponents(sys.stdin.buffer.read().decode('utf-8')))
for card in cards:
    print(card.uid.value, card.fn.value, '|'.join(tel.value for tel in card.contents.get('tel', [])), card.impp.value, sep='\\t')
";

#[test]
fn contacts_are_vcards_that_another_program_reads() {
    let served = Served::start(many);
    has_book(&served);
    let cards = served.gets("/book/contacts.vcf");
    assert_eq!(cards.one("content-type"), "text/vcard; charset=utf-8");
    let Some(output) = seen_by("/usr/bin/python3", &["-c", CARDS], &cards.body) else { return };
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if String::from_utf8_lossy(&output.stderr).contains("No module named") {
        println!("skipped: Python has no vobject");
        return;
    }
    assert_eq!(told.lines().count(), 42, "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("\tUser 1001\t1001\tsip:1001@corp.test"), "{told}");
    assert!(told.contains("\t</Name><x/> & \"]]> مريم 👩‍🚀 山田\t+493055500\t"), "{told}");
    served.ringpost.stops_well();
}

#[test]
fn a_program_with_the_full_file_gets_what_has_changed_since() {
    let served = Served::start(many);
    has_book(&served);
    let state = |served: &Served| -> serde_json::Value {
        serde_json::from_slice(&served.gets("/book/state.json").body).expect("JSON")
    };
    let first = state(&served);
    let full = served.gets("/book/full.sqlite");
    assert_eq!(full.one("content-type"), "application/vnd.sqlite3");
    assert_eq!(first["full"]["size"], full.body.len(), "{first}");
    let own = served.ringpost.folder.path().join("reader.sqlite");
    fs::write(&own, &full.body).expect("written");
    assert_eq!(rows(&own, "SELECT count(*) FROM entry"), "42");
    assert_eq!(rows(&own, "SELECT value FROM meta WHERE key = 'version'"), first["version"].to_string());
    let next: jiff::Timestamp = first["next"].as_str().and_then(|next| next.parse().ok()).expect("a time");
    assert!(next > jiff::Timestamp::now());

    // ETag, and HEAD.
    let tag = format!("{}If-None-Match: \"x\", {}\r\n", basic("1001", "secret"), full.one("etag"));
    let same = served.asks("GET /book/full.sqlite", &tag);
    assert_eq!((same.status, same.body.len(), same.one("etag")), (304, 0, full.one("etag")));
    let head = served.asks("HEAD /book/full.sqlite", &basic("1001", "secret"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.one("content-length"), full.body.len().to_string());

    let version = first["version"].to_string();
    assert_eq!(served.gets(&format!("/book/delta/{version}.sqlite")).status, 204, "nothing has changed");
    for (path, status) in [
        ("1.sqlite", 410),
        ("x.sqlite", 404),
        ("1.vcf", 404),
        ("..%2Fbook.db", 404),
        ("99999999999999999999.sqlite", 404),
    ] {
        assert_eq!(served.gets(&format!("/book/delta/{path}")).status, status, "{path}");
    }
    // The book of tomorrow, made by a start with another site and a clock of yesterday's file.
    let mut served = served;
    let site = served.ringpost.site().replace("Person 01", "Person One").replace("sip:p39@", "sip:q39@");
    served.ringpost.kill();
    fs::write(served.ringpost.folder.path().join("site.toml"), site).expect("written");
    fs::write(served.ringpost.folder.path().join("book/looked"), "2026-01-01T00:00:00Z").expect("written");
    served.ringpost.restart();
    until("there is another version", || state(&served)["version"] != first["version"]);
    let second = state(&served);
    let delta = served.gets(&format!("/book/delta/{version}.sqlite"));
    assert_eq!((delta.status, second["deltas"][0]["size"].to_string()), (200, delta.body.len().to_string()));
    let changes = own.with_file_name("delta.sqlite");
    fs::write(&changes, &delta.body).expect("written");
    assert_eq!(rows(&changes, "SELECT (SELECT count(*) FROM entry), (SELECT count(*) FROM gone)"), "2 1");
    ringpost_actors::book::apply(&own, &changes).expect("applied");
    let fresh = own.with_file_name("fresh.sqlite");
    fs::write(&fresh, served.gets("/book/full.sqlite").body).expect("written");
    for table in ["entry", "number", "meta"] {
        let all = format!("SELECT * FROM {table} ORDER BY 1, 2");
        assert_eq!(rows(&own, &all), rows(&fresh, &all), "{table}");
    }
    assert_eq!(served.gets("/book/full.sqlite").all("etag").len(), 1);
    assert_ne!(served.gets("/book/full.sqlite").one("etag"), full.one("etag"));
    served.ringpost.stops_well();
}

fn rows(file: &Path, question: &str) -> String {
    let db = Connection::open(file).expect("SQLite");
    let mut rows = db.prepare(question).expect("a question");
    let columns = rows.column_count();
    let value = |row: &rusqlite::Row<'_>, at| -> String {
        let value = row.get_ref(at).expect("a value");
        value.as_str().map_or_else(|_| value.as_i64().map_or("-".into(), |n| n.to_string()), str::to_owned)
    };
    let rows =
        rows.query_map([], |row| Ok((0..columns).map(|at| value(row, at)).collect::<Vec<_>>().join(" ")));
    rows.expect("rows").collect::<Result<Vec<_>, _>>().expect("rows").join("\n")
}

#[test]
fn curl_and_python_are_let_in_by_basic_and_digest_and_nobody_by_a_wrong_password() {
    let served =
        Served::start(|listen| many(listen).table("[registrar]\nalgorithms = [\"SHA-256\", \"MD5\"]"));
    has_book(&served);
    let (ca, url) = (served.ca().display().to_string(), served.url("/book/state.json"));
    let curl = |words: &[&str]| -> String {
        let common = ["-sS", "--cacert", &ca, "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10"];
        let output = Command::new("curl").args(common).args(words).arg(&url).output().expect("curl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for (words, code) in [
        (&["--basic", "-u", "1001:secret"][..], "200"),
        (&["--digest", "-u", "1001:secret"], "200"),
        (&["--anyauth", "-u", "1001:secret"], "200"),
        (&["--digest", "-u", "1001:wrong"], "401"),
        (&["--basic", "-u", "1001:wrong"], "401"),
        (&["--basic", "-u", "nobody:secret"], "401"),
        (&[], "401"),
    ] {
        assert_eq!(curl(words), code, "{words:?}");
    }
    let python = format!(
        "import ssl, urllib.request as u\nm = u.HTTPPasswordMgrWithDefaultRealm()\nm.add_password(None, '{url}', '1002', 'secret')\n\
         o = u.build_opener(u.HTTPSHandler(context=ssl.create_default_context(cafile='{ca}')), u.HTTPBasicAuthHandler(m))\n\
         print(o.open('{url}').status)"
    );
    let output = Command::new("python3").args(["-c", &python]).output().expect("python3");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "200",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Nobody goes by a certificate of somebody else.
    let other = crate::authority::Authority::new("other");
    let pem: PathBuf = served.ca().with_file_name("other.pem");
    fs::write(&pem, other.pem()).expect("written");
    let refused = Command::new("curl").args(["-sS", "--cacert"]).arg(&pem).arg(&url).output().expect("curl");
    assert_eq!(refused.status.code(), Some(60), "{}", String::from_utf8_lossy(&refused.stderr));
    served.ringpost.stops_well();
}

#[test]
fn who_is_hidden_is_in_no_file_and_clients_read_what_they_may() {
    let served = Served::start(|listen| {
        let site = many(listen).table(
            "[book]\nhide = [\"sip:p3?@*\", \"+49305551*\", \"name=User 1002\"]\ntitle = \"Corp <& Co>\"",
        );
        for name in ["lobby", "other"] {
            fs::write(site.folder.path().join(name), "s3cret\n").expect("written");
        }
        site.table("[[http.client]]\nname = \"lobby\"\npassword_file = \"lobby\"\nmay = [\"book\"]")
            .table("[[http.client]]\nname = \"other\"\npassword_file = \"other\"\nmay = [\"locations\"]")
    });
    has_book(&served);
    let lobby = served.asks("GET /book/cisco.xml", &basic("lobby", "s3cret"));
    assert_eq!(lobby.status, 200);
    assert_eq!(served.asks("GET /book/cisco.xml", &basic("other", "s3cret")).status, 403);
    for path in ["/book/full.sqlite", "/book/contacts.vcf", "/book/yealink.xml", "/book/snom.xml"] {
        let told = String::from_utf8_lossy(&served.gets(path).body).into_owned();
        assert!(
            told.contains("User 1001") && !told.contains("User 1002") && !told.contains("+493055511"),
            "{path}"
        );
    }
    assert!(lobby.text().contains("<Title>Corp &lt;&amp; Co&gt;</Title>"), "{}", lobby.text());
    assert_eq!(number(served.metrics, "book_entries"), 31);
    // Nothing of it is in the log, not even who has fetched it.
    let log = served.ringpost.log();
    let loud = log.lines().filter(|line| !line.contains("DEBUG") && !line.contains("TRACE"));
    assert!(loud.clone().all(|line| !line.contains("s3cret") && !line.contains("Person 0")), "{log}");
    served.ringpost.stops_well();
}

#[test]
fn sigkill_while_it_is_made_leaves_a_book_that_is_whole() {
    let mut served = Served::start(|listen| {
        let people: String = (0..400)
            .map(|n| format!("[[user]]\naddress = \"sip:p{n}@corp.test\"\nname = \"Person {n}\"\nnumbers = [\"+49305{n:04}\"]\nmissed_calls = \"off\"\n"))
            .collect();
        office(listen).table(&people).log_level("info")
    });
    until("its folder is there", || served.ringpost.folder.path().join("book").is_dir());
    for round in 0..8 {
        served.ringpost.kill();
        let site = served.ringpost.site().replace(&format!("\"Person 7{round}\""), "\"Changed\"");
        fs::write(served.ringpost.folder.path().join("site.toml"), site).expect("written");
        fs::write(served.ringpost.folder.path().join("book/looked"), "2026-01-01T00:00:00Z")
            .expect("written");
        served.ringpost.restart();
        std::thread::sleep(Duration::from_millis(round * 7));
    }
    until("the book is made", || {
        let state = served.gets("/book/state.json");
        state.status == 200 && number(served.metrics, "book_made") > 0
    });
    let full = served.gets("/book/full.sqlite");
    let own = served.ringpost.folder.path().join("reader.sqlite");
    fs::write(&own, &full.body).expect("written");
    assert_eq!(rows(&own, "PRAGMA integrity_check"), "ok");
    assert_eq!(rows(&own, "SELECT count(*) FROM entry"), "402");
    assert_eq!(rows(&own, "SELECT count(*) FROM entry WHERE name = 'Changed'"), "8");
    served.ringpost.stops_well();
}

#[test]
fn r78_the_sample_site_serves_its_book_and_makes_it_when_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (sip, https) = (SocketAddr::from(([127, 0, 0, 1], ports(1))), ports(1));
    let authority = crate::authority::lasting("own");
    authority.signs(&crate::authority::params(&["localhost"])).writes(folder.path(), "book");
    fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
    for name in ["lobby.password", "1001.password"] {
        fs::write(folder.path().join(name), "s3cret\n").expect("written");
    }
    let site = sample("address-book.toml")
        .replace("192.0.2.5:5060", &sip.to_string())
        .replace("192.0.2.5:8443", &format!("127.0.0.1:{https}"))
        .replace("[\"192.0.2.10\"]", "[\"127.0.0.1\"]");
    let ringpost = Ringpost::of(folder, sip, &site);
    let ca = ringpost.folder.path().join("ca.pem").display().to_string();
    let fetched = |login: &str, path: &str| {
        let url = format!("https://localhost:{https}/book/{path}");
        let words = ["-sS", "--cacert", &ca, "-u", login, "--max-time", "10", &url];
        String::from_utf8_lossy(&Command::new("curl").args(words).output().expect("curl").stdout).into_owned()
    };
    until("the book is made", || fetched("lobby:s3cret", "state.json").contains("\"entries\":1"));
    let page = fetched("1001:s3cret", "cisco.xml");
    assert!(
        page.contains("<Title>Corp</Title>") && page.contains("<Telephone>+49301001</Telephone>"),
        "{page}"
    );
    assert!(!page.contains("Bo Example"), "{page}");
    ringpost.reload(&site.replace("\"Ada Example\"", "\"Ada Other\""));
    ringpost.logs("Read the site file again");
    let config = ringpost.folder.path().join("site.toml");
    let told = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(["directory", "sync-now", "--config"])
        .arg(config)
        .output();
    let told = told.expect("it runs");
    assert_eq!(String::from_utf8_lossy(&told.stdout), "1 entry in the address book\n", "{told:?}");
    assert!(fetched("1001:s3cret", "yealink.xml").contains("<Name>Ada Other</Name>"));
    ringpost.stops_well();
}
