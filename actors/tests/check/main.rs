//! The program on the command line: what it says and how it exits.

mod faults;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use faults::{GOOD, faults};

#[test]
fn a_good_site_is_summed_up() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let checked = ringpost(folder.path(), &["check", "--config", &written(folder.path(), GOOD.as_bytes())]);
    let summary = "site.toml: ok
  listens on udp:127.0.0.1:5060, tcp:127.0.0.1:5060
  1 trunk, 1 UM plan, 1 user with 2 devices
  mail: SMTP to 127.0.0.1 port 1025, TLS never
  store: in memory
";
    assert_eq!(spoken(&checked), (Some(0), summary.to_owned(), String::new()));
}

#[test]
fn every_fault_is_named_with_its_line_and_exits_64() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (what, old, new, lines) in faults() {
        assert!(GOOD.contains(old), "{what}: the good site holds {old:?}");
        let site = written(folder.path(), GOOD.replacen(old, new, 1).as_bytes());
        let expected = (Some(64), String::new(), format!("{}\n", lines.join("\n")));
        assert_eq!(spoken(&ringpost(folder.path(), &["check", "--config", &site])), expected, "{what}");
        // `serve` finds the same before it opens a port.
        assert_eq!(
            spoken(&ringpost(folder.path(), &["serve", "--config", &site])),
            expected,
            "{what}, serve"
        );
    }
}

#[test]
fn every_fault_of_a_template_is_named_with_its_file_and_line() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let site = GOOD.replacen("[store]", "[notices]\ntemplates = \"words\"\n[store]", 1);
    let site = written(folder.path(), site.as_bytes());
    let words = folder.path().join("words");
    fs::create_dir_all(&words).expect("the folder can be written");
    let write = |name: &str, source: &[u8]| fs::write(words.join(name), source).expect("written");
    write("missed.subject", b"{{ who }}");
    write("voice-mail.da.html", b"<p>{{ length }}</p>");
    write("README.md", b"{{ not a template");
    let checked = spoken(&ringpost(folder.path(), &["check", "--config", &site]));
    assert_eq!((checked.0, checked.2.as_str()), (Some(0), ""));
    write("missed.de.txt", b"a\n{{ number }}\n{{ who.name.x }}");
    write("missed.html", b"<p>{{ name }}\n{{ rang }}{{ whoo }}");
    write("missed.nl.txt", b"");
    write("missed.txt", b"\xff");
    let (code, said, complaints) = spoken(&ringpost(folder.path(), &["check", "--config", &site]));
    assert_eq!((code, said.as_str()), (Some(64), ""));
    for fault in [
        "words/missed.txt: cannot be read: stream did not contain valid UTF-8",
        "words/missed.de.txt:3: undefined value",
        "words/missed.html:2: unknown variable \"rang\"; known here: call_id, ",
        "words/missed.html:2: unknown variable \"whoo\"; known here: call_id, ",
        "words/missed.nl.txt: no name of a template: wants KIND.LANGUAGE.PART or KIND.PART, of missed, ",
    ] {
        assert!(
            complaints.contains(&format!("site.toml:23: notices.templates: {fault}")),
            "{fault}\n{complaints}"
        );
    }
    assert_eq!(complaints.lines().count(), 5, "{complaints}");
}

#[test]
fn what_is_not_toml_at_all_exits_64_with_a_line() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (what, octets, opening) in [
        ("prose", &b"[sip]\ndomain = \"a\"\nthis is no TOML\n"[..], "site.toml:3: not TOML: "),
        ("a key twice", b"[sip]\ndomain = \"a\"\ndomain = \"b\"\n", "site.toml:3: not TOML: "),
        ("an open string", b"\n[sip]\ndomain = \"a\n", "site.toml:3: not TOML: "),
        ("not UTF-8", b"[sip]\ndomain = \"\xff\"\n", "site.toml:2: not UTF-8"),
    ] {
        let site = written(folder.path(), octets);
        let (code, said, complaint) = spoken(&ringpost(folder.path(), &["check", "--config", &site]));
        assert_eq!(
            (code, said.as_str(), complaint.lines().count()),
            (Some(64), "", 1),
            "{what}: {complaint}"
        );
        assert!(complaint.starts_with(opening), "{what}: {complaint}");
    }
}

#[test]
fn a_file_that_is_not_there_exits_64() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (file, why) in
        [("none.toml", "No such file or directory (os error 2)"), (".", "Is a directory (os error 21)")]
    {
        let expected = format!("{file}: the site file cannot be read: {why}\n");
        let spoken = spoken(&ringpost(folder.path(), &["check", "--config", file]));
        assert_eq!(spoken, (Some(64), String::new(), expected));
    }
}

#[test]
fn a_fault_in_the_environment_names_its_variable_and_keeps_the_secret() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let site = written(folder.path(), GOOD.as_bytes());
    for (variable, value, complaint) in [
        (
            "RINGPOST_SIP__DRAIN",
            "5x",
            "wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", not \"5x\"",
        ),
        ("RINGPOST_MAIL__URL", "smtp://me:hunter2@mail.example:0", "port 0 is no port"),
        (
            "RINGPOST_MAIL__ULR",
            "x",
            "unknown key; known here: url, from, password_file, password, auth, ca, password_rest, at_once, first_retry, longest_retry, give_up_after, patience",
        ),
        ("RINGPOST_STORE_PATH", "x", "two underscores stand between section and key: RINGPOST_STORE__PATH"),
        ("RINGPOST_USER__NAME", "x", "wants tables [[user]], not a table"),
    ] {
        let mut command = command(folder.path(), &["check", "--config", &site]);
        let (code, said, complaints) =
            spoken(&command.env(variable, value).output().expect("the binary starts"));
        assert_eq!((code, said.as_str()), (Some(64), ""), "{variable}");
        assert!(complaints.contains(&format!("{variable}: {complaint}\n")), "{variable}: {complaints}");
        assert!(!complaints.contains("hunter2"), "{variable}: {complaints}");
    }
    let mut command = command(folder.path(), &["check", "--config", &site]);
    command.env("RINGPOST_STORE__PATH", "elsewhere.db").env("RINGPOST_CORPORA", "not a setting");
    let (code, said, complaints) = spoken(&command.output().expect("the binary starts"));
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    assert!(said.contains("  store: elsewhere.db\n"), "{said}");
}

#[test]
fn without_arguments_it_prints_help_that_names_demo_first() {
    let (code, help, complaint) = spoken(&ringpost(Path::new("."), &[]));
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    let at = |word: &str| help.find(word).unwrap_or_else(|| panic!("the help names {word}: {help}"));
    assert!(at("  demo") < at("  serve"), "{help}");
    assert!(at("  serve") < at("  check"), "{help}");
}

#[test]
fn version_completions_and_slips_of_the_pen() {
    for (arguments, code, says) in [
        (&["--version"][..], 0, "ringpost 0.1.0\n"),
        (&["completions", "bash"], 0, "_ringpost() {"),
        (&["completions", "zsh"], 0, "#compdef ringpost"),
        (&["completions", "fish"], 0, "complete -c ringpost"),
        (&["serve"], 2, ""),
        (&["sreve"], 2, ""),
        (&["demo", "--log-level", "la=la=la"], 64, ""),
        (&["demo", "--log-level", "debgu"], 64, ""),
    ] {
        let (exit, said, complaint) = spoken(&ringpost(Path::new("."), arguments));
        assert_eq!(exit, Some(code), "{arguments:?}: {complaint}");
        assert!(said.contains(says), "{arguments:?}: {said}");
        assert_eq!(complaint.is_empty(), code == 0, "{arguments:?}: {complaint}");
    }
}

fn written(folder: &Path, octets: &[u8]) -> String {
    fs::write(folder.join("site.toml"), octets).expect("the temporary folder can be written");
    "site.toml".to_owned()
}

fn ringpost(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the binary starts")
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    command.args(arguments).current_dir(folder).env_clear();
    command
}

fn spoken(output: &Output) -> (Option<i32>, String, String) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("what it says is UTF-8");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}
