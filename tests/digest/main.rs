//! Digest authentication against the RFCs' own examples and against what an attacker sends (T11, T14).

mod server;

use ringpost::{
    settings::Secret,
    sip::digest::{Asked, Challenge, Credentials, Denied, Doorkeeper, Login, Secrets},
};

/// User, password, challenge, more of it, method with digest-uri and cnonce, response.
type Row = (&'static str, &'static str, &'static str, &'static str, [&'static str; 3], &'static str);

const LION: &str = "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
     nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
const BILOXI: &str = "realm=\"biloxi.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
const BODY: &str = "v=0\r\no=bob 2890844526 2890844526 IN IP4 media.biloxi.com\r\ns=-\r\nc=IN IP4 media.biloxi.com\r\n\
     t=0 0\r\nm=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 51372 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\n\
     m=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\n";

/// RFC 7616 §3.9.1, RFC 2617 §3.5, and the SIP examples of draft-smith-sip-auth-examples-00.
fn rows() -> Vec<(Row, &'static str)> {
    let lion = ["GET", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"];
    let invite = ["INVITE", "sip:bob@biloxi.com", "0a4f113b"];
    vec![
        (("Mufasa", "Circle of Life", LION, "algorithm=MD5", lion, "8ca523f5e9506fed4657c9700eebdbec"), ""),
        (
            (
                "Mufasa",
                "Circle of Life",
                LION,
                "algorithm=SHA-256",
                lion,
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
            "",
        ),
        (("bob", "zanzibar", BILOXI, "algorithm=md5", invite, "bf57e4e0d0bffc0fbaedce64d59add5e"), BODY),
        (("bob", "zanzibar", BILOXI, "qop=\"auth\"", invite, "89eb0059246c02b2f6ee02c7961d5ea3"), BODY),
        (("bob", "zanzibar", BILOXI, "qop=\"auth-int\"", invite, "bdbeebb2da6adb6bca02599c2239e192"), BODY),
        (
            (
                "bob",
                "zanzibar",
                BILOXI,
                "algorithm=MD5-sess, qop=auth",
                invite,
                "e4e4ea61d186d07a92c9e1f6919902e9",
            ),
            BODY,
        ),
    ]
}

#[test]
fn the_rfcs_examples_come_out_on_both_sides() {
    for ((user, password, server, more, [method, uri, cnonce], expected), body) in rows() {
        let challenge = Challenge::read(format!("Digest {server}, {more}").as_bytes());
        let [challenge] = &challenge[..] else { panic!("one challenge: {more}") };
        let login = Login { user: user.to_owned(), password: Secret(password.to_owned()) };
        let asked = Asked { method: method.as_bytes(), uri: uri.as_bytes(), body: body.as_bytes() };
        let value = challenge.answer(&login, &asked, 1, cnonce);
        let credentials = Credentials::read(&value).expect(more);
        assert_eq!(String::from_utf8_lossy(credentials.response), expected, "{more}");
        let realm = String::from_utf8_lossy(&challenge.realm).into_owned();
        let algorithm = vec![challenge.algorithm];
        let keeper = Doorkeeper::new(&realm, &[7; 32], algorithm, 60).with_rfc_2069(true);
        let secrets = Secrets::of(user, &realm, &login.password);
        // Right, but with a nonce that this server has never given.
        assert_eq!(keeper.check(&credentials, &asked, Some(&secrets), 0), Err(Denied::Stale), "{more}");
        assert_eq!(keeper.check(&credentials, &asked, None, 0), Err(Denied::Wrong), "{more}");
    }
}

/// The printed response of RFC 7616 §3.9.2 comes of another function than it names: the known answer here is of
/// FIPS 180-4's SHA-512/256, computed with another implementation.
#[test]
fn sha_512_256_has_its_own_start_values() {
    let challenge = Challenge::read(
        b"Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, \
          nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", charset=UTF-8, userhash=true",
    );
    let login = Login { user: "J\u{e4}s\u{f8}n Doe".into(), password: Secret("Secret, or not?".into()) };
    let asked = Asked { method: b"GET", uri: b"/doe.json", body: b"" };
    let value = challenge[0].answer(&login, &asked, 1, "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm");
    let credentials = Credentials::read(&value).expect("credentials");
    assert_eq!(String::from_utf8_lossy(credentials.response), KNOWN_SHA_512_256);
}

const KNOWN_SHA_512_256: &str = "7a4e1192babbba02e91182d2895bfdbf7adafc6e48d4e517ca301974843d840c";

#[test]
fn challenges_are_read_in_every_shape() {
    /// The header; realm, algorithm and `stale` of what is read.
    type Row = (&'static str, &'static [(&'static str, &'static str, bool)]);
    let rows: [Row; 9] = [
        (r#"Digest realm="a", nonce="n""#, &[("a", "MD5", false)]),
        (
            r#"Digest realm="a, b", nonce="n", algorithm=SHA-256, stale=TRUE, qop="auth" , Digest realm="c",nonce="m",x=y"#,
            &[("a, b", "SHA-256", true), ("c", "MD5", false)],
        ),
        (r#"Basic realm="a", Digest realm="b", nonce="n""#, &[("b", "MD5", false)]),
        (r#"digest  realm = "a" ,nonce="n",algorithm="SHA-512-256",unknown"#, &[]),
        (r#"DIGEST realm = "a" ,nonce="n",algorithm="SHA-512-256""#, &[("a", "SHA-512-256", false)]),
        (r#"Digest realm="a", nonce="n", algorithm=AKAv1-MD5"#, &[]),
        (r#"Digest realm="a", nonce="n", qop="token""#, &[]),
        (r#"Digest realm="a""#, &[]),
        ("", &[]),
    ];
    for (written, expected) in rows {
        let read = Challenge::read(written.as_bytes());
        let read: Vec<_> = read
            .iter()
            .map(|one| (String::from_utf8_lossy(&one.realm).into_owned(), one.algorithm.name(), one.stale))
            .collect();
        let read: Vec<_> = read.iter().map(|(realm, name, stale)| (realm.as_str(), *name, *stale)).collect();
        assert_eq!(read, expected, "{written}");
    }
}
