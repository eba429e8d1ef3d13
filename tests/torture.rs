//! The torture messages of RFC 4475 and RFC 5118: what becomes of each, by datagram and by stream (T1).

use std::path::{Path, PathBuf};

use bytes::Bytes;
use ringpost::sip::{
    Message, Name, check,
    frame::{Frame, Unframed, frame},
};

use Fate::{Accepted, Dropped, NotSip, Processed, Rejected};

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// A request that goes on to a transaction.
    Accepted,
    /// A request that is answered with this code and phrase.
    Rejected(u16, &'static str),
    /// A response that goes on to a transaction.
    Processed,
    /// A response that is dropped.
    Dropped,
    /// Nothing that could be answered.
    NotSip,
}

const RFC_4475: [(&str, Fate); 50] = [
    // Valid (§3.1.1).
    ("wsinv", Accepted),
    ("intmeth", Accepted),
    ("esc01", Accepted),
    ("escnull", Accepted),
    ("esc02", Accepted),
    ("lwsdisp", Accepted),
    ("longreq", Accepted),
    ("dblreq", Accepted),
    ("semiuri", Accepted),
    ("transports", Accepted),
    ("mpart01", Accepted),
    ("unreason", Processed),
    ("noreason", Processed),
    // Invalid (§3.1.2).
    ("badinv01", Rejected(400, "Bad Via")),
    ("clerr", Rejected(400, "Bad Content-Length")),
    ("ncl", Rejected(400, "Bad Content-Length")),
    ("scalar02", Rejected(400, "Bad CSeq")),
    ("scalarlg", Dropped),
    ("quotbal", Rejected(400, "Bad To")),
    ("ltgtruri", Rejected(400, "Bad Request-URI")),
    ("lwsruri", Rejected(400, "Bad Start Line")),
    ("lwsstart", Rejected(400, "Bad Start Line")),
    ("trws", Rejected(400, "Bad Start Line")),
    ("escruri", Rejected(400, "Headers In Request-URI")),
    ("baddate", Rejected(400, "Bad Date")),
    ("regbadct", Rejected(400, "Bad Contact")),
    ("badaspec", Rejected(400, "Bad To")),
    // The file lacks the empty line besides.
    ("baddn", Rejected(400, "Header Not Ended")),
    ("badvers", Rejected(505, "Version Not Supported")),
    ("mismatch01", Rejected(400, "CSeq Method Mismatch")),
    // The method is unknown besides: either answer is allowed (§3.1.2.18).
    ("mismatch02", Rejected(400, "CSeq Method Mismatch")),
    ("bigcode", NotSip),
    // A branch that is the cookie alone: the transaction layer matches it as RFC 2543 did (§3.2.1).
    ("badbranch", Accepted),
    // Application layer (§3.3).
    ("insuf", Rejected(400, "Missing From")),
    ("unkscm", Rejected(416, "Unsupported URI Scheme")),
    ("novelsc", Rejected(416, "Unsupported URI Scheme")),
    ("unksm2", Accepted),
    // 420 is for the caller of check to say.
    ("bext01", Accepted),
    // So is 415.
    ("invut", Accepted),
    ("regaut01", Accepted),
    ("multi01", Rejected(400, "More Than One CSeq")),
    ("mcl01", Rejected(400, "Bad Content-Length")),
    ("bcast", Dropped),
    // And 483.
    ("zeromf", Accepted),
    ("cparam01", Accepted),
    ("cparam02", Accepted),
    ("regescrt", Accepted),
    ("sdp01", Accepted),
    ("inv2543", Accepted),
    // In the archive, not in the text: the Request-Line has no version.
    ("test", NotSip),
];

const RFC_5118: [(&str, Fate); 12] = [
    ("ipv6-good", Accepted),
    ("ipv6-bad", Rejected(400, "Bad Request-URI")),
    // Legal, though its sender may have meant a port (§4.3).
    ("port-ambiguous", Accepted),
    ("port-unambiguous", Accepted),
    ("via-received-param-with-delim", Accepted),
    ("via-received-param-no-delim", Accepted),
    ("ipv6-in-sdp", Accepted),
    ("mult-ip-in-header", Accepted),
    ("mult-ip-in-sdp", Accepted),
    ("ipv4-mapped-ipv6", Accepted),
    // Three colons come from a fault in the grammar of RFC 3261, and are to be forgiven (§4.10).
    ("ipv6-bug-abnf-3-colons", Accepted),
    ("ipv6-correct-abnf-2-colons", Accepted),
];

#[test]
fn every_torture_message_meets_its_fate() {
    for (name, expected, octets) in torture() {
        assert_eq!(fate(octets), expected, "{name}");
    }
}

#[test]
fn what_is_accepted_prints_as_it_came() {
    for (name, _, octets) in torture().into_iter().filter(|(_, fate, _)| matches!(fate, Accepted | Processed))
    {
        let message = Message::read(octets).expect(&name);
        let start = message.raw().iter().position(|o| *o == b'\n').expect("a start line") + 1;
        let mut printed = message.raw()[..start].to_vec();
        message.fields().for_each(|field| printed.extend_from_slice(message.written(field)));
        printed.extend_from_slice(if printed.ends_with(b"\r\n") { b"\r\n" } else { b"\n" });
        printed.extend_from_slice(&message.body());
        assert_eq!(&printed, message.raw(), "{name}");

        let again = Message::read(Bytes::from(printed)).expect("what was printed");
        assert_eq!(again.fault(), None, "{name}");
        assert_eq!(fields(&again), fields(&message), "{name}");
        assert_eq!(again.body(), message.body(), "{name}");
    }
}

#[test]
fn a_stream_is_cut_where_a_datagram_ends() {
    for (name, _, octets) in torture() {
        let framed = frame(&octets, 65_536, 0);
        let Ok(message) = Message::read(octets.clone()) else { continue };
        let whole = Ok(Frame::Message { length: message.raw().len() });
        match name.as_str() {
            "clerr" | "baddn" => assert_eq!(framed, Ok(Frame::Incomplete), "{name}"),
            "ncl" | "mcl01" | "inv2543" => {
                assert!(matches!(framed, Err(Unframed::Length { .. })), "{name}: {framed:?}");
            }
            _ => assert_eq!(framed, whole, "{name}"),
        }
    }
}

#[test]
fn the_short_tortuous_invite_is_understood() {
    let Some(folder) = corpora() else { return };
    let message = Message::read(one(&folder, "rfc4475/wsinv.dat")).expect("wsinv");
    assert_eq!(message.cseq(), Some((9, &b"INVITE"[..])));
    assert_eq!(message.to().and_then(|to| to.tag()), Some(&b"1918181833n"[..]));
    assert_eq!(message.from().and_then(|from| from.tag()), Some(&b"98asjd8"[..]));
    let from = message.from().and_then(|from| from.display_text());
    assert_eq!(from.as_deref(), Some("J Rosenberg \\\""));
    let via = message.via().expect("a Via over three lines");
    assert_eq!((via.transport, via.host, via.port), (&b"UDP"[..], &b"192.0.2.2"[..], None));
    assert_eq!(via.branch(), Some(&b"390skdjuw"[..]));
    assert_eq!(message.list(Name::Via).count(), 3);
    assert_eq!(message.contact(), Some(&b"sip:jdrosen@example.com"[..]));
    assert_eq!(message.body().len(), 150);
}

fn fate(octets: Bytes) -> Fate {
    let Ok(message) = Message::read(octets) else { return NotSip };
    if message.code().is_some() {
        return if check::response(&message) { Processed } else { Dropped };
    }
    match check::request(&message) {
        Ok(()) => Accepted,
        Err(rejection) => Rejected(rejection.code, rejection.phrase),
    }
}

fn fields(message: &Message) -> Vec<(Name, Vec<u8>, Vec<u8>)> {
    let copy = |field| (message.written_name(field).to_vec(), message.value(field).to_vec());
    message.fields().map(|field| (field.name, copy(field).0, copy(field).1)).collect()
}

/// Every message with its name and fate; none where the corpora are not there.
fn torture() -> Vec<(String, Fate, Bytes)> {
    let Some(folder) = corpora() else { return Vec::new() };
    let old = RFC_4475.iter().map(|(name, fate)| (format!("rfc4475/{name}.dat"), name, *fate));
    let new = RFC_5118.iter().map(|(name, fate)| (format!("rfc5118/{name}"), name, *fate));
    old.chain(new).map(|(path, name, fate)| ((*name).to_owned(), fate, one(&folder, &path))).collect()
}

fn one(folder: &Path, path: &str) -> Bytes {
    let octets = std::fs::read(folder.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    Bytes::from(if path.starts_with("rfc5118/") { mended(octets) } else { octets })
}

/// The archive of RFC 5118 is not exact: two messages lack the empty line, and Content-Lengths are off by a few.
fn mended(octets: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(octets).expect("RFC 5118 is ASCII");
    let (header, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let (before, _) = header.split_once("Content-Length:").expect("the last field of each message");
    format!("{before}Content-Length: {}\n\n{body}", body.len()).into_bytes()
}

fn corpora() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let folder = std::env::var_os("RINGPOST_CORPORA").map_or_else(beside, PathBuf::from);
    if folder.join("rfc4475").is_dir() {
        return Some(folder);
    }
    println!("skipped: no torture messages in {}", folder.display());
    None
}
