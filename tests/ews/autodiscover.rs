//! The order of R28, redirects, and where credentials may go.

use std::time::Duration;

use ringpost::{
    notify::ews::autodiscover::{Ask, Heard, Next, Search, https_host},
    settings::{Autodiscover, Place},
};

fn settings(order: &[Place]) -> Autodiscover {
    Autodiscover {
        order: order.to_vec(),
        hosts: vec!["mail.partner.test".into()],
        keep: Duration::from_secs(3600),
        ports: (443, 80),
    }
}

fn settings_response(inner: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="urn:r"><Response xmlns="urn:s"><Account>{inner}</Account></Response></Autodiscover>"#
    )
}

/// What the world answers: URL, status, Location or body.
type World<'w> = &'w [(&'w str, u16, &'w str)];

/// Every URL that is asked, `GET ` before those without credentials, and how it ends.
fn played(settings: &Autodiscover, world: World<'_>) -> (Vec<String>, Next) {
    let mut search = Search::new(settings, "tu@x.test");
    let (mut asked, mut next) = (Vec::new(), search.start());
    loop {
        let ask = match next {
            Next::Ask(ask) => ask,
            end => return (asked, end),
        };
        let url = match &ask {
            Ask::Post { url, body } => {
                assert!(url.starts_with("https://"), "credentials to {url}");
                assert!(body.contains("<EMailAddress>tu@"), "{body}");
                asked.push(url.clone());
                url
            }
            Ask::Get { url } => {
                asked.push(format!("GET {url}"));
                url
            }
        };
        assert!(asked.len() < 30, "it never ends: {asked:?}");
        let heard = world.iter().find(|(known, ..)| known == url);
        next = search.heard(match heard {
            Some((_, status @ 300..400, location)) => {
                Heard::Answer { status: *status, location: Some(location), body: b"" }
            }
            Some((_, status, body)) => {
                Heard::Answer { status: *status, location: None, body: body.as_bytes() }
            }
            None => Heard::Nothing("no such name"),
        });
    }
}

const DOMAIN: &str = "https://x.test/autodiscover/autodiscover.xml";
const HOST: &str = "https://autodiscover.x.test/autodiscover/autodiscover.xml";
const PLAIN: &str = "http://autodiscover.x.test/autodiscover/autodiscover.xml";
const EWS: &str = "https://mail.x.test/EWS/Exchange.asmx";

fn found() -> String {
    settings_response(&format!(
        "<Action>settings</Action><Protocol><Type>EXPR</Type><EwsUrl>https://outside.x.test/e</EwsUrl></Protocol><Protocol><Type>EXCH</Type><EwsUrl>{EWS}</EwsUrl></Protocol>"
    ))
}

#[test]
fn r28_places_are_asked_in_their_order() {
    let found = found();
    let all = settings(&Place::ALL);
    let plain = format!("GET {PLAIN}");
    let redirected = "https://cas.x.test/autodiscover/autodiscover.xml";
    for (world, asked) in [
        (&[(DOMAIN, 200, found.as_str())][..], &[DOMAIN][..]),
        (&[(DOMAIN, 404, ""), (HOST, 200, &found)], &[DOMAIN, HOST]),
        (&[(DOMAIN, 200, "<html>our company</html>"), (HOST, 200, &found)], &[DOMAIN, HOST]),
        (&[(DOMAIN, 401, ""), (HOST, 200, &found)], &[DOMAIN, HOST]),
        (&[(PLAIN, 302, redirected), (redirected, 200, &found)], &[DOMAIN, HOST, &plain, redirected]),
    ] {
        assert_eq!(
            played(&all, world),
            (asked.iter().map(|url| (*url).to_owned()).collect(), Next::Found(EWS.into()))
        );
    }
    let other = settings(&[Place::Host, Place::Domain]);
    let (asked, _) = played(&other, &[]);
    assert_eq!(asked, [HOST, DOMAIN]);
    let (asked, end) = played(&all, &[]);
    assert_eq!(asked, [DOMAIN, HOST, &plain]);
    assert_eq!(end, Next::Nowhere("Autodiscover finds no server: no such name".into()));
}

#[test]
fn redirects_are_followed_to_https_only_and_not_for_ever() {
    let found = found();
    let all = settings(&Place::ALL);
    let to_url = settings_response("<Action>redirectUrl</Action><RedirectUrl>https://c.test/a</RedirectUrl>");
    let to_plain =
        settings_response("<Action>redirectUrl</Action><RedirectUrl>http://c.test/a</RedirectUrl>");
    let to_mail = settings_response("<Action>redirectAddr</Action><RedirectAddr>tu@y.test</RedirectAddr>");
    let plain_ews =
        settings_response("<Protocol><Type>EXCH</Type><EwsUrl>http://mail.x.test/e</EwsUrl></Protocol>");
    let other = "https://y.test/autodiscover/autodiscover.xml";
    let gets = format!("GET {PLAIN}");
    for (world, wanted, ends_well) in [
        (
            &[(DOMAIN, 302, "https://c.test/a"), ("https://c.test/a", 200, found.as_str())][..],
            &[DOMAIN, "https://c.test/a"][..],
            true,
        ),
        (&[(DOMAIN, 200, &to_url), ("https://c.test/a", 200, &found)], &[DOMAIN, "https://c.test/a"], true),
        (&[(DOMAIN, 200, &to_mail), (other, 200, &found)], &[DOMAIN, other], true),
        (&[(DOMAIN, 302, "http://x.test/a"), (HOST, 200, &found)], &[DOMAIN, HOST], true),
        (&[(DOMAIN, 200, &to_plain), (HOST, 200, &found)], &[DOMAIN, HOST], true),
        (&[(DOMAIN, 200, &plain_ews)], &[DOMAIN, HOST, &gets], false),
        (&[(DOMAIN, 302, DOMAIN)], &[DOMAIN, HOST, &gets], false),
        (
            &[(PLAIN, 302, "https://evil.test/a"), ("https://evil.test/a", 200, &found)],
            &[DOMAIN, HOST, &gets],
            false,
        ),
        (
            &[(PLAIN, 302, "https://evilx.test/a"), ("https://evilx.test/a", 200, &found)],
            &[DOMAIN, HOST, &gets],
            false,
        ),
        (&[(PLAIN, 302, "https://x.test@evil.test/a")], &[DOMAIN, HOST, &gets], false),
        (&[(PLAIN, 302, "https://evil.test\\.x.test/a")], &[DOMAIN, HOST, &gets], false),
        (&[(PLAIN, 302, "http://autodiscover.x.test/b")], &[DOMAIN, HOST, &gets], false),
        (&[(PLAIN, 200, &found)], &[DOMAIN, HOST, &gets], false),
        (
            &[(PLAIN, 302, "https://mail.partner.test/a"), ("https://mail.partner.test/a", 200, &found)],
            &[DOMAIN, HOST, &gets, "https://mail.partner.test/a"],
            true,
        ),
    ] {
        let (asked, end) = played(&all, world);
        assert_eq!(asked, wanted, "{world:?}");
        assert_eq!(end == Next::Found(EWS.into()), ends_well, "{world:?}: {end:?}");
    }
}

/// R31: an error of the service shows that it lives, so that the reason helps whoever looks for the fault.
#[test]
fn what_is_no_answer_leads_to_the_next_place_and_its_reason_is_told() {
    let error = |code: &str| {
        format!(
            r#"<Autodiscover xmlns="urn:r"><Response><Error Time="1" Id="2"><ErrorCode>{code}</ErrorCode><Message>Invalid Request</Message></Error></Response></Autodiscover>"#
        )
    };
    let (e600, e500) = (error("600"), error("500"));
    let nobody = settings_response("<Action>settings</Action>");
    for (status, body, reason) in [
        (200, e600.as_str(), "error 600: Autodiscover lives, but does not understand the request"),
        (200, &e500, "error 500"),
        (200, &nobody, "the answer names no server"),
        (200, "<html>our company", "the answer is no XML"),
        (401, "", "the credentials are refused"),
        (403, "", "the credentials are refused"),
        (404, "", "HTTP 404"),
        (503, "", "HTTP 503"),
    ] {
        let found = found();
        let world = [(DOMAIN, status, body), (HOST, 200, found.as_str())];
        let (asked, end) = played(&settings(&Place::ALL), &world);
        assert_eq!((asked.len(), end), (2, Next::Found(EWS.into())), "{status} {body}");
        let (_, end) = played(&settings(&[Place::Domain]), &world);
        assert_eq!(end, Next::Nowhere(format!("Autodiscover finds no server: {reason}")));
    }
}

/// A circle of two, of URLs or of addresses, ends as soon as it has closed.
#[test]
fn circles_of_redirects_end() {
    let answers = |mail: &str| settings_response(&format!("<RedirectAddr>{mail}</RedirectAddr>"));
    let (to_y, to_x) = (answers("tu@y.test"), answers("tu@x.test"));
    let other = "https://y.test/autodiscover/autodiscover.xml";
    let url = settings_response("<RedirectUrl>https://x.test/autodiscover/autodiscover.xml</RedirectUrl>");
    for (world, most) in [
        (&[(DOMAIN, 302, "https://b.test/a"), ("https://b.test/a", 302, DOMAIN)][..], 2),
        (&[(DOMAIN, 200, to_y.as_str()), (other, 200, &to_x)], 2),
        (&[(DOMAIN, 302, "https://b.test/a"), ("https://b.test/a", 200, &url)], 2),
    ] {
        let (asked, end) = played(&settings(&[Place::Domain]), world);
        assert!(asked.len() <= most && matches!(end, Next::Nowhere(_)), "{asked:?} {end:?}");
    }
}

#[test]
fn ten_redirects_and_no_more_for_one_mailbox() {
    let steps: Vec<(String, String)> =
        (0..20).map(|n| (format!("https://x.test/{n}"), format!("https://x.test/{}", n + 1))).collect();
    let mut world = vec![(DOMAIN, 302, "https://x.test/0")];
    world.extend(steps.iter().map(|(from, to)| (from.as_str(), 302, to.as_str())));
    let (asked, end) = played(&settings(&[Place::Domain]), &world);
    assert_eq!(asked.len(), 11, "the place and ten redirects: {asked:?}");
    assert_eq!(end, Next::Nowhere("Autodiscover finds no server: one redirect too many".into()));
    let addresses = settings_response("<RedirectAddr>tu@x.test</RedirectAddr>");
    let (asked, end) = played(&settings(&[Place::Domain]), &[(DOMAIN, 200, &addresses)]);
    assert_eq!(
        (asked.len(), matches!(end, Next::Nowhere(_))),
        (1, true),
        "an address that redirects to itself"
    );
}

#[test]
fn only_plain_https_urls_have_a_host() {
    for (url, host) in [
        ("https://mail.x.test/EWS/Exchange.asmx", Some("mail.x.test")),
        ("HTTPS://mail.x.test:4443/e?a=b", Some("mail.x.test")),
        ("http://mail.x.test/", None),
        ("https://user@mail.x.test/", None),
        ("https://mail.x.test:99999/", None),
        ("https:///e", None),
        ("https://mail.x.test /", None),
        ("https://mail.x.test\r\n/", None),
        ("https://mäil.test/", None),
        ("ftp://x", None),
        ("", None),
    ] {
        assert_eq!(https_host(url), host, "{url:?}");
    }
}
