//! The server's side: what it takes, what it refuses, and how.

use ringpost::{
    settings::Secret,
    sip::digest::{
        Algorithm, Asked, Challenge, Count, Credentials, Denied, Doorkeeper, Login, Passed, Secrets,
        Unreadable, Window,
    },
};

const ASKED: Asked<'_> = Asked { method: b"REGISTER", uri: b"sip:lab.test", body: b"" };
const NOW: u64 = 1_800_000_000;

fn keeper() -> Doorkeeper {
    Doorkeeper::new("lab.test", &[9; 32], vec![Algorithm::Sha256, Algorithm::Md5], 300)
}

fn login(password: &str) -> Login {
    Login { user: "1001".into(), password: Secret(password.into()) }
}

fn secrets() -> Secrets {
    Secrets::of("1001", "lab.test", &Secret("s3cret".into()))
}

fn challenge(keeper: &Doorkeeper) -> Vec<Challenge> {
    keeper.challenges(NOW, 42, false).flat_map(|value| Challenge::read(&value)).collect()
}

#[test]
fn the_strongest_algorithm_stands_first_and_each_opens_the_door() {
    let keeper = keeper();
    let offered = challenge(&keeper);
    let names: Vec<_> = offered.iter().map(|one| one.algorithm.name()).collect();
    assert_eq!(names, ["SHA-256", "MD5"]);
    for one in offered {
        let value = one.answer(&login("s3cret"), &ASKED, 1, "abc");
        let credentials = Credentials::read(&value).expect("credentials");
        let passed = keeper.check(&credentials, &ASKED, Some(&secrets()), NOW + 300).expect("right");
        assert_eq!((passed.count, passed.until), (1, NOW + 300));
        assert_eq!(
            keeper.check(&credentials, &ASKED, Some(&secrets()), NOW + 301),
            Err(Denied::Stale),
            "a nonce lives as long as it is told"
        );
    }
}

/// T11: every way to be wrong, and what becomes of it; T14: nobody learns whether the user exists.
#[test]
fn wrong_credentials_open_nothing() {
    let keeper = keeper();
    let value = challenge(&keeper)[0].answer(&login("s3cret"), &ASKED, 1, "abc");
    let good = String::from_utf8(value).expect("text");
    let nonce = good.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a nonce");
    let forged = format!("{}A{}", &nonce[..2], &nonce[3..]);
    let rows = [
        ("lab.test\"", "other.test\"", Denied::NotOurs),
        ("=SHA-256", "=SHA-512-256", Denied::NotOurs),
        ("=SHA-256", "=AKAv1-MD5", Denied::NotOurs),
        (", qop=auth, nc=00000001", "", Denied::NotOurs),
        ("uri=\"sip:lab.test", "uri=\"sip:lab.example", Denied::WrongUri),
        ("uri=\"sip:lab.test", "uri=\"sip:lab.test;x=y", Denied::Wrong),
        ("nc=00000001", "nc=00000002", Denied::Wrong),
        ("response=\"", "response=\"0", Denied::Wrong),
        (nonce, &forged, Denied::Wrong),
        ("cnonce=\"abc", "cnonce=\"abd", Denied::Wrong),
        ("qop=auth,", "qop=auth-int,", Denied::Wrong),
    ];
    let read = |text: &str, secrets: Option<&Secrets>| {
        let credentials = Credentials::read(text.as_bytes()).expect(text);
        keeper.check(&credentials, &ASKED, secrets, NOW)
    };
    assert!(read(&good, Some(&secrets())).is_ok());
    for (from, to, denied) in rows {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good);
        assert_eq!(read(&text, Some(&secrets())), Err(denied), "{from} -> {to}");
        assert_eq!(read(&text, None), Err(denied), "an unknown user: {from} -> {to}");
    }
    assert_eq!(read(&good, None), Err(Denied::Wrong));
    // Even one who guesses what stands in for an unknown user's password.
    let empty = challenge(&keeper)[0].answer(&Login { user: String::new(), ..login("") }, &ASKED, 1, "abc");
    let empty = String::from_utf8(empty).expect("text").replacen("username=\"\"", "username=\"x\"", 1);
    assert_eq!(read(&empty, None), Err(Denied::Wrong));
}

#[test]
fn credentials_that_cannot_be_read_say_why() {
    let whole = "Digest username=\"1\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"0\"";
    let huge = format!("{whole}, x=\"{}\"", "x".repeat(64_000));
    let many = format!("{whole}{}", (0..40).map(|n| format!(", x{n}=1")).collect::<String>());
    let rows = [
        (String::new(), Unreadable::Scheme),
        ("Basic eDp5".into(), Unreadable::Scheme),
        ("Digest".into(), Unreadable::Missing("username")),
        ("Digest username".into(), Unreadable::Syntax),
        (format!("{whole}, realm=\"s\""), Unreadable::Syntax),
        (format!("{whole}, USERNAME=\"2\""), Unreadable::Syntax),
        (format!("{whole}, x=\"open"), Unreadable::Syntax),
        (many, Unreadable::Syntax),
        (huge, Unreadable::TooLong),
        (format!("{whole}, qop=token"), Unreadable::Bad("qop")),
        (format!("{whole}, qop=auth"), Unreadable::Missing("nc")),
        (format!("{whole}, qop=auth, nc=1"), Unreadable::Bad("nc")),
        (format!("{whole}, qop=auth, nc=0000000g"), Unreadable::Bad("nc")),
        (format!("{whole}, qop=auth, nc=00000001"), Unreadable::Missing("cnonce")),
        (whole.replace("nonce=\"n\"", "nonce=\"\""), Unreadable::Missing("nonce")),
        (whole.replace(", response=\"0\"", ""), Unreadable::Missing("response")),
    ];
    for (value, why) in rows {
        assert_eq!(Credentials::read(value.as_bytes()).map(|_| ()), Err(why), "{value:.90}");
    }
    assert!(Credentials::read(whole.as_bytes()).is_ok());
}

#[test]
fn a_count_serves_once_and_memory_is_bounded() {
    let passed = |nonce, count| Passed { nonce, count, until: NOW + 300 };
    let mut window = Window::new(3);
    let rows = [
        (0, Count::Used),
        (1, Count::Fresh),
        (1, Count::Used),
        (3, Count::Fresh),
        (2, Count::Fresh),
        (2, Count::Used),
        (100, Count::Fresh),
        (37, Count::Fresh),
        (36, Count::Used),
        (u32::MAX, Count::Fresh),
        (100, Count::Used),
    ];
    for (count, verdict) in rows {
        assert_eq!(window.note(&passed(1, count), NOW), verdict, "{count}");
    }
    assert_eq!(window.note(&passed(2, 1), NOW), Count::Fresh);
    assert_eq!(window.note(&passed(3, 1), NOW), Count::Fresh);
    assert_eq!(window.note(&passed(4, 1), NOW), Count::Full);
    assert_eq!(window.note(&passed(2, 2), NOW), Count::Fresh, "those that are known go on");
    assert_eq!(window.note(&passed(4, 1), NOW + 301), Count::Fresh, "ended ones make room");
    assert_eq!(window.len(), 1);
}
