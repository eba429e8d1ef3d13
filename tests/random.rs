//! Random octets, random spellings of one message, and random cuts of a stream.

use bytes::Bytes;
use proptest::prelude::*;
use ringpost::sip::{
    Message, check,
    frame::{Frame, Framer, frame},
};

use survives::message::{LIMIT, said, survives};

mod survives;

proptest! {
    #[test]
    fn random_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        survives(&octets);
    }

    #[test]
    fn octets_that_look_like_sip_never_panic(parts in prop::collection::vec(part(), 0..40)) {
        survives(&parts.concat());
        survives(&[b"INVITE sip:a@h SIP/2.0\r\n", &parts.concat()[..], b"\r\n\r\n"].concat());
        survives(&[b"SIP/2.0 200 OK\r\n", &parts.concat()[..], b"\r\n\r\n"].concat());
    }

    #[test]
    fn a_mutilated_message_never_panics(at in 0usize..400, cut in 0usize..20, put in prop::collection::vec(part(), 0..3)) {
        let mut octets = Spelling::usual().written();
        let at = at.min(octets.len());
        octets.splice(at..(at + cut).min(octets.len()), put.concat());
        survives(&octets);
    }

    #[test]
    fn every_spelling_says_the_same(spelling in spelling()) {
        let octets = spelling.written();
        let message = Message::read(Bytes::from(octets.clone())).expect("a legal message");
        prop_assert_eq!(check::request(&message), Ok(()));
        prop_assert_eq!(said(&message), said(&Message::read(Spelling::usual().written().into()).expect("usual")));
        prop_assert_eq!(frame(&octets, LIMIT, 0), Ok(Frame::Message { length: octets.len() }));
        survives(&octets);
    }

    #[test]
    fn every_cut_of_a_stream_gives_the_same_messages(
        spellings in prop::collection::vec(spelling(), 1..5),
        blanks in prop::collection::vec(prop::sample::select(vec!["", "\r\n", "\r\n\r\n", "\r\n\r\n\r\n", "\n"]), 5),
        cuts in prop::collection::vec(1usize..200, 1..60),
    ) {
        let messages: Vec<Vec<u8>> = spellings.iter().map(Spelling::written).collect();
        let stream: Vec<u8> = messages.iter().zip(&blanks)
            .flat_map(|(message, blank)| [blank.as_bytes(), message].concat())
            .collect();
        let (mut framer, mut buffer, mut found) = (Framer::new(LIMIT), Vec::new(), Vec::new());
        let (mut rest, mut cuts) = (&stream[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*cuts.next().expect("a cycle")).min(rest.len()));
            buffer.extend_from_slice(now);
            rest = later;
            loop {
                let length = match framer.look(&buffer).expect("legal messages only") {
                    Frame::Incomplete => break,
                    Frame::Ping { length } | Frame::Blank { length } => length,
                    Frame::Message { length } => {
                        found.push(buffer[..length].to_vec());
                        length
                    }
                };
                buffer.drain(..length);
            }
        }
        prop_assert_eq!(found, messages);
        prop_assert!(buffer.is_empty());
    }
}

/// Snippets of which trouble is made.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\n",
        "\r\n ",
        ":",
        ";",
        ",",
        "<",
        ">",
        "\"",
        "\\",
        "@",
        "?",
        "=",
        "/",
        "[",
        "]",
        " ",
        "\t",
        "\0",
        "\u{1}",
        "SIP/2.0",
        "INVITE",
        "sip:",
        "tel:",
        "sip:a@h",
        "Via: SIP/2.0/UDP h",
        "v:",
        "From: ",
        "To: ",
        "Contact: ",
        "CSeq: 1 INVITE",
        "Call-ID: x",
        "l: ",
        "Content-Length: ",
        "0",
        "1",
        "99999999999999999999",
        "4294967295",
        "-1",
        ";tag=",
        ";branch=z9hG4bK",
        "*",
        "é",
        "Date: Sat, 13 Nov 2010 23:29:00 GMT",
        "[::1]:5060",
        "%00",
    ];
    prop_oneof![
        4 => prop::sample::select(known.map(|text| text.as_bytes().to_vec()).to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ]
}

/// One way to write the same INVITE.
#[derive(Clone, Debug)]
struct Spelling {
    /// Where each field goes; ties keep their order.
    order: [u8; 10],
    compact: [bool; 10],
    upper: [bool; 10],
    /// What stands before and behind each colon.
    colons: [(&'static str, &'static str); 10],
    /// What stands where the grammar allows white space.
    blanks: [&'static str; 6],
    vias_joined: bool,
}

const BLANKS: [&str; 6] = [" ", "  ", "\t", "\r\n ", " \r\n\t", "\r\n  \t"];

fn spelling() -> impl Strategy<Value = Spelling> {
    let before = prop::sample::select(vec!["", " ", "\t "]);
    let behind = prop::sample::select(vec!["", " ", "\t", " \r\n ", "\r\n\t"]);
    (
        any::<[u8; 10]>(),
        any::<[bool; 10]>(),
        any::<[bool; 10]>(),
        prop::array::uniform10((before, behind)),
        prop::array::uniform6(prop::sample::select(BLANKS.to_vec())),
        any::<bool>(),
    )
        .prop_map(|(order, compact, upper, colons, blanks, vias_joined)| Spelling {
            order,
            compact,
            upper,
            colons,
            blanks,
            vias_joined,
        })
}

impl Spelling {
    fn usual() -> Self {
        Self {
            order: [0; 10],
            compact: [false; 10],
            upper: [false; 10],
            colons: [("", " "); 10],
            blanks: [" "; 6],
            vias_joined: false,
        }
    }

    fn written(&self) -> Vec<u8> {
        let [a, b, c, d, e, f] = self.blanks;
        let first = format!("SIP{a}/{b}2.0/UDP{c}[::1]{d}:{e}5062{f};branch={a}z9hG4bK1;rport");
        let second = "SIP/2.0/TLS proxy_1.example.test;branch=z9hG4bK2".to_owned();
        let vias = if self.vias_joined {
            vec![("Via", "v", format!("{first}{b},{c}{second}"))]
        } else {
            vec![("Via", "v", first), ("Via", "v", second)]
        };
        let others = [
            ("From", "f", format!("\"Al, \\\"x\\\"\"{a}<sip:al@h;x=1>{b};{c}tag{d}={e}f1")),
            ("To", "t", format!("sip:%23bob@h{f};tag=t1")),
            ("Call-ID", "i", "id@h".to_owned()),
            ("CSeq", "CSeq", format!("0042{b}INVITE")),
            ("Contact", "m", format!("<sip:al@[::1]:5062>{c};q=0.5")),
            ("Supported", "k", format!("100rel{d},{e}timer")),
            ("Max-Forwards", "Max-Forwards", "70".to_owned()),
            ("Content-Length", "l", "5".to_owned()),
        ];
        let mut fields: Vec<_> = vias.into_iter().chain(others).enumerate().collect();
        // The Vias keep their order among themselves.
        fields.sort_by_key(|(at, (name, ..))| if *name == "Via" { self.order[0] } else { self.order[*at] });
        let mut written = b"INVITE sip:%23bob@h;user=phone SIP/2.0\r\n".to_vec();
        for (at, (long, short, value)) in fields {
            let name = if self.compact[at] { short } else { long };
            let name = if self.upper[at] { name.to_ascii_uppercase() } else { name.to_owned() };
            let (before, behind) = self.colons[at];
            written.extend_from_slice(format!("{name}{before}:{behind}{value}\r\n").as_bytes());
        }
        written.extend_from_slice(b"\r\na\r\n\r\n");
        written
    }
}
