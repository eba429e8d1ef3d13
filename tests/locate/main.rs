//! Where a URI leads (RFC 3263, RFC 2782): tables of zones and URIs (T23).

mod kept;

use ringpost::sip::{
    locate::{Abilities, Answer, Kind, Locate, Naptr, Question, Srv, Step, Wanted, order},
    uri::Uri,
};

const ALL: Abilities = Abilities { udp: true, tcp: true, tls: true, v4: true, v6: true };
const V4: Abilities = Abilities { v6: false, ..ALL };

/// The services of RFC 3263 §4.1 and the servers of §4.2, with addresses.
const RFC_3263: &str = "
    example.com NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com.
    example.com NAPTR 90 50 s SIP+D2T _sip._tcp.example.com
    example.com NAPTR 100 50 s SIP+D2U _sip._udp.example.com.
    _sips._tcp.example.com SRV 0 1 5061 server1.example.com
    _sip._tcp.example.com SRV 0 1 5060 server1.example.com
    _sip._tcp.example.com SRV 1 2 5060 server2.example.com
    _sip._udp.example.com SRV 0 0 5062 server2.example.com
    server1.example.com A 192.0.2.1
    server2.example.com A 192.0.2.2
    server2.example.com AAAA 2001:db8::2
    example.com A 192.0.2.9";

/// A zone in short: one record in a line.
struct Zone(Vec<(Question, Vec<String>)>);

impl Zone {
    fn read(text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let (name, kind) = (words.next()?, words.next()?);
            let kind = match &kind[..] {
                "NAPTR" => Kind::Naptr,
                "SRV" => Kind::Srv,
                "A" => Kind::A,
                "AAAA" => Kind::Aaaa,
                other => panic!("{other}"),
            };
            Some((Question::new(&name, kind), words.collect()))
        };
        Self(text.lines().filter_map(line).collect())
    }

    fn answer(&self, question: &Question) -> Answer {
        let records: Vec<&Vec<String>> =
            self.0.iter().filter(|(name, _)| name == question).map(|(_, record)| record).collect();
        if records.is_empty() {
            return Answer::Nothing;
        }
        let number = |word: &String| word.parse().expect("a number");
        let bare = |word: &String| word.trim_end_matches('.').into();
        match question.kind {
            _ if records[0][0] == "FAILS" => Answer::Failed,
            Kind::Naptr => {
                let one = |r: &&Vec<String>| Naptr {
                    order: number(&r[0]),
                    preference: number(&r[1]),
                    flags: r[2][..].into(),
                    service: r[3][..].into(),
                    replacement: bare(&r[4]),
                };
                Answer::Naptr(records.iter().map(one).collect())
            }
            Kind::Srv => {
                let one = |r: &&Vec<String>| srv(number(&r[0]), number(&r[1]), number(&r[2]), &bare(&r[3]));
                Answer::Srv(records.iter().map(one).collect())
            }
            Kind::A | Kind::Aaaa => {
                Answer::Addresses(records.iter().map(|r| r[0].parse().expect("an address")).collect())
            }
        }
    }
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Srv {
    Srv { priority, weight, port, target: target.into() }
}

fn locate(uri: &str, able: Abilities, random: u64) -> Locate {
    let uri = Uri::read(uri.as_bytes()).expect("a URI");
    Locate::new(Wanted::of(&uri).expect("a SIP URI"), able, random)
}

/// Asks the zone until it is done: the rounds of questions, and the places.
fn play(uri: &str, able: Abilities, zone: &Zone, random: u64) -> (Vec<String>, String) {
    let mut locate = locate(uri, able, random);
    let mut rounds = vec![];
    loop {
        match locate.next() {
            Step::Ask(questions) => {
                assert!(rounds.len() < 3, "{uri} asks for ever: {rounds:?}");
                let written = questions.iter().map(|q| format!("{:?} {}", q.kind, q.name));
                rounds.push(written.collect::<Vec<_>>().join(", "));
                for question in questions {
                    let answer = zone.answer(&question);
                    locate.hears(question, answer);
                }
            }
            Step::Done(places) => {
                let written = places.iter().map(|p| format!("{} {}", p.transport.name(), p.address));
                return (rounds, written.collect::<Vec<_>>().join(", "));
            }
        }
    }
}

#[test]
fn a_uri_leads_where_rfc_3263_says() {
    let zone = Zone::read(RFC_3263);
    let plain = Abilities { tls: false, ..V4 };
    let udp = Abilities { tcp: false, ..plain };
    for (what, uri, able, expected) in [
        (
            "NAPTR, then SRV: TLS comes first, as the domain wishes",
            "sip:user@example.com",
            V4,
            "TLS 192.0.2.1:5061, TCP 192.0.2.1:5060, TCP 192.0.2.2:5060, UDP 192.0.2.2:5062",
        ),
        (
            "what this end cannot do is left out",
            "sip:user@example.com",
            plain,
            "TCP 192.0.2.1:5060, TCP 192.0.2.2:5060, UDP 192.0.2.2:5062",
        ),
        ("the only one in common", "sip:user@example.com", udp, "UDP 192.0.2.2:5062"),
        ("sips: nothing but TLS", "sips:user@example.com", V4, "TLS 192.0.2.1:5061"),
        ("sips over TCP is TLS", "sips:user@example.com;transport=tcp", V4, "TLS 192.0.2.1:5061"),
        ("sips without TLS leads nowhere", "sips:user@example.com", plain, ""),
        (
            "a transport asked for: SRV of that one",
            "sip:example.com;transport=TCP",
            V4,
            "TCP 192.0.2.1:5060, TCP 192.0.2.2:5060",
        ),
        ("a transport that this end has not", "sip:example.com;transport=tls", plain, ""),
        ("a WebSocket is never opened", "sip:example.com;transport=ws", V4, ""),
        ("a port: addresses only", "sip:user@example.com:5070", V4, "UDP 192.0.2.9:5070"),
        ("a port and a transport", "sip:Example.COM.:5070;transport=tcp", V4, "TCP 192.0.2.9:5070"),
        ("a port and sips", "sips:example.com:5070", V4, "TLS 192.0.2.9:5070"),
        ("an address asks nobody", "sip:192.0.2.7", V4, "UDP 192.0.2.7:5060"),
        ("nor with sips", "sips:192.0.2.7", V4, "TLS 192.0.2.7:5061"),
        ("nor in IPv6", "sip:[2001:db8::7]:5065;transport=tcp", ALL, "TCP [2001:db8::7]:5065"),
        ("maddr is the target", "sip:elsewhere.test;maddr=192.0.2.8", V4, "UDP 192.0.2.8:5060"),
        ("maddr by name", "sip:192.0.2.7:5066;maddr=example.com", V4, "UDP 192.0.2.9:5066"),
        (
            "IPv6 before IPv4",
            "sip:server2.example.com:5060",
            ALL,
            "UDP [2001:db8::2]:5060, UDP 192.0.2.2:5060",
        ),
        ("no such name", "sip:nobody.example.com", V4, ""),
    ] {
        assert_eq!(play(uri, able, &zone, 1).1, expected, "{what}");
    }
}

#[test]
fn it_asks_no_more_than_it_needs() {
    let zone = Zone::read(RFC_3263);
    let every = "Srv _sip._udp.nobody.test, Srv _sip._tcp.nobody.test, Srv _sips._tcp.nobody.test";
    for (uri, able, expected) in [
        ("sip:192.0.2.7", V4, vec![]),
        ("sip:x;maddr=192.0.2.7", V4, vec![]),
        ("sip:example.com:5070", V4, vec!["A example.com"]),
        ("sip:example.com:5070", ALL, vec!["Aaaa example.com, A example.com"]),
        (
            "sip:example.com;transport=tcp",
            V4,
            vec!["Srv _sip._tcp.example.com", "A server1.example.com, A server2.example.com"],
        ),
        (
            "sips:EXAMPLE.com",
            V4,
            vec!["Naptr example.com", "Srv _sips._tcp.example.com", "A server1.example.com"],
        ),
        ("sip:nobody.test", V4, vec!["Naptr nobody.test", every, "A nobody.test"]),
    ] {
        assert_eq!(play(uri, able, &zone, 1).0, expected, "{uri}");
    }
}

#[test]
fn zones_of_every_kind_lead_somewhere_or_nowhere() {
    let host = "\n h.test A 192.0.2.1";
    for (what, records, expected) in [
        ("addresses only: UDP at 5060", "", "UDP 192.0.2.1:5060"),
        ("an SRV without NAPTR", "_sip._tcp.h.test SRV 0 0 5080 h.test", "TCP 192.0.2.1:5080"),
        (
            "SRVs of all transports: UDP first",
            "_sips._tcp.h.test SRV 0 0 5081 h.test\n _sip._udp.h.test SRV 0 0 5080 h.test",
            "UDP 192.0.2.1:5080, TLS 192.0.2.1:5081",
        ),
        ("\".\": not offered, whatever addresses there are", "_sip._udp.h.test SRV 0 0 0 .", ""),
        (
            "\".\" for one of two transports",
            "_sip._udp.h.test SRV 0 0 0 .\n _sip._tcp.h.test SRV 0 0 5060 h.test",
            "TCP 192.0.2.1:5060",
        ),
        (
            "a NAPTR whose SRV records are missing: the name itself, by that transport",
            "h.test NAPTR 1 1 s SIP+D2T _sip._tcp.h.test",
            "TCP 192.0.2.1:5060",
        ),
        (
            "order before preference, letters in any case",
            "h.test NAPTR 2 1 S sip+d2u _a\n h.test NAPTR 1 9 s SIP+d2t _b\n _a SRV 0 0 1 h.test\n _b SRV 0 0 2 h.test",
            "TCP 192.0.2.1:2, UDP 192.0.2.1:1",
        ),
        (
            "NAPTRs of other uses: as if there were none",
            "h.test NAPTR 1 1 u E2U+sip x.test\n h.test NAPTR 1 2 a SIP+D2T h.test\n h.test NAPTR 1 3 s SIP+D2W _c\n \
             h.test NAPTR 1 4 s SIP+D2S _d\n h.test NAPTR 1 5 s SIP+D2U .",
            "UDP 192.0.2.1:5060",
        ),
        ("a NAPTR that leads to itself", "h.test NAPTR 1 1 s SIP+D2U h.test", "UDP 192.0.2.1:5060"),
        ("an SRV that leads to itself", "_sip._udp.h.test SRV 0 0 5 _sip._udp.h.test", ""),
        ("a server without address", "_sip._udp.h.test SRV 0 0 5 gone.test", ""),
        (
            "one without address, one with",
            "_sip._udp.h.test SRV 0 0 5 gone.test\n _sip._udp.h.test SRV 1 0 6 h.test",
            "UDP 192.0.2.1:6",
        ),
        ("no port at all", "_sip._udp.h.test SRV 0 0 0 h.test", ""),
        (
            "no answer for services: on without",
            "h.test NAPTR FAILS\n _sip._udp.h.test SRV FAILS",
            "UDP 192.0.2.1:5060",
        ),
    ] {
        let zone = Zone::read(&format!("{records}{host}"));
        assert_eq!(play("sip:h.test", V4, &zone, 1).1, expected, "{what}");
    }
}

#[test]
fn what_nobody_answers_in_time_is_done_without() {
    // T23: the AAAA question is never answered; the A record serves.
    let zone = Zone::read("h.test A 192.0.2.1");
    let mut locate = locate("sip:h.test:5060", ALL, 1);
    let Step::Ask(questions) = locate.next() else { panic!("it asks") };
    let (v4, v6): (Vec<_>, Vec<_>) = questions.into_iter().partition(|q| q.kind == Kind::A);
    for question in v4 {
        let answer = zone.answer(&question);
        locate.hears(question, answer);
    }
    assert_eq!(locate.next(), Step::Ask(v6.clone()));
    v6.into_iter().for_each(|question| locate.hears(question, Answer::Failed));
    assert!(matches!(locate.next(), Step::Done(places) if places.len() == 1));
}

#[test]
fn a_zone_of_any_size_is_tried_within_bounds() {
    let mut records = String::from("h.test NAPTR 1 1 s SIP+D2U _s\n");
    for n in 0..200 {
        records += &format!(
            "h.test NAPTR 1 2 s SIP+D2T _s{n}\n _s SRV 0 {n} 5060 t{n}\n t{n} A 192.0.2.{n}\n t{n} A 198.51.100.{n}\n"
        );
    }
    let (rounds, places) = play("sip:h.test", V4, &Zone::read(&records), 1);
    assert!(rounds.iter().all(|round| round.split(", ").count() <= 12), "{rounds:?}");
    assert_eq!(places.split(", ").count(), 12);
    for name in [&"x".repeat(64)[..], &"x.".repeat(200), "a..b", ".a"] {
        let uri = format!("sip:{name}");
        assert!(Uri::read(uri.as_bytes()).is_none_or(|uri| Wanted::of(&uri).is_none()), "{name}");
    }
}

#[test]
fn a_certificate_has_to_be_of_the_name_in_the_uri() {
    for (uri, host) in [
        ("sips:Example.com", Some("example.com")),
        ("sip:example.com.;transport=tls;maddr=192.0.2.1", Some("example.com")),
        ("sips:192.0.2.1", None),
        ("sips:192.0.2.1;maddr=example.com", None),
    ] {
        assert_eq!(locate(uri, ALL, 1).host(), host, "{uri}");
    }
}

#[test]
fn servers_come_in_the_order_of_rfc_2782() {
    let records = [
        srv(1, 0, 1, "backup"),
        srv(0, 0, 2, "zero"),
        srv(0, 1, 3, "one"),
        srv(0, 3, 4, "three"),
        srv(0, 0, 5, ""),
    ];
    // The number drawn among 0..=sum, for each choice in turn.
    for (draws, expected) in [
        ([0, 0, 0, 0], "zero one three backup"),
        ([1, 1, 0, 0], "one three zero backup"),
        ([4, 0, 1, 0], "three zero one backup"),
        ([2, 1, 9, 9], "three one zero backup"),
    ] {
        let mut draws = draws.into_iter();
        let ordered = order(&records, |_| draws.next().unwrap_or(0));
        let names: Vec<&str> = ordered.iter().map(|record| &record.target[..]).collect();
        assert_eq!(names.join(" "), expected);
    }
    let sums = std::cell::RefCell::new(vec![]);
    order(&records, |most| {
        sums.borrow_mut().push(most);
        0
    });
    assert_eq!(*sums.borrow(), [4, 4, 3, 0], "what is left of the weights");
}

#[test]
fn weights_share_the_calls() {
    // T23: of 10,000 calls three fifths go to weight 3; weight 0 comes first only by a draw of 0, and is never lost.
    let zone = Zone::read(
        "_sip._udp.h.test SRV 0 3 5060 a\n _sip._udp.h.test SRV 0 1 5060 b\n _sip._udp.h.test SRV 0 0 5060 c\n \
         a A 192.0.2.1\n b A 192.0.2.2\n c A 192.0.2.3",
    );
    let mut first = [0; 3];
    for seed in 0..10_000 {
        let (_, places) = play("sip:h.test;transport=udp", V4, &zone, seed * 7_919);
        let mut places: Vec<&str> = places.split(", ").collect();
        let at = (1..=3).position(|n| places[0].contains(&format!("192.0.2.{n}:"))).expect("one of three");
        first[at] += 1;
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 3);
    }
    // A draw of 0 among 0..=4 chooses weight 0, of 1 weight 1, of 2 to 4 weight 3.
    assert!((5_700..6_300).contains(&first[0]) && (1_700..2_300).contains(&first[1]), "{first:?}");
    let all_zero = Zone::read(
        "_sip._udp.h.test SRV 0 0 5060 a\n _sip._udp.h.test SRV 0 0 5060 b\n a A 192.0.2.1\n b A 192.0.2.2",
    );
    assert_eq!(
        play("sip:h.test;transport=udp", V4, &all_zero, 5).1,
        "UDP 192.0.2.1:5060, UDP 192.0.2.2:5060"
    );
}

#[test]
fn no_answer_whatever_it_says_makes_it_ask_or_try_without_end() {
    // T23: answers of a hostile DNS, drawn at random: of any kind, to any question, with names that lead back.
    let mut dice = fastrand::Rng::with_seed(23);
    let names = ["h.test", "_sip._udp.h.test", "_sip._tcp.h.test", "a.test", "", "x"];
    let hosts =
        ["sip:h.test", "sips:h.test", "sip:h.test;transport=tcp", "sip:h.test:5", "sip:h.test;maddr=a.test"];
    for round in 0..5_000 {
        let able = Abilities {
            udp: dice.bool(),
            tcp: dice.bool(),
            tls: dice.bool(),
            v4: dice.bool(),
            v6: dice.bool(),
        };
        let mut locate = locate(hosts[dice.usize(..hosts.len())], able, dice.u64(..));
        let mut rounds = 0;
        let places = loop {
            let questions = match locate.next() {
                Step::Ask(questions) => questions,
                Step::Done(places) => break places,
            };
            rounds += 1;
            assert!(rounds <= 3 && questions.len() <= 24, "{round}: {questions:?}");
            for question in questions {
                let answer = any(&mut dice, &names);
                locate.hears(question, answer);
            }
        };
        assert!(
            places.len() <= 12 && places.iter().all(|place| able.has(place.transport)),
            "{round}: {places:?}"
        );
    }
}

fn any(dice: &mut fastrand::Rng, names: &[&str]) -> Answer {
    let count = dice.usize(..20);
    let name = |dice: &mut fastrand::Rng| names[dice.usize(..names.len())];
    match dice.u8(..6) {
        0 => Answer::Nothing,
        1 => Answer::Failed,
        2 => Answer::Addresses((0..count).map(|_| dice.u32(..).to_be_bytes().into()).collect()),
        3 => {
            let one = |_| {
                let services = ["SIP+D2U", "sip+d2t", "SIPS+D2T", "SIPS+D2W", "E2U+sip", ""];
                Naptr {
                    order: dice.u16(..),
                    preference: dice.u16(..),
                    flags: ["s", "S", "a", ""][dice.usize(..4)].into(),
                    service: services[dice.usize(..6)].into(),
                    replacement: name(dice).into(),
                }
            };
            Answer::Naptr((0..count).map(one).collect())
        }
        _ => {
            let one = |_| srv(dice.u16(..3), dice.u16(..), dice.u16(..), name(dice));
            Answer::Srv((0..count).map(one).collect())
        }
    }
}
