//! What is agreed over offers, good, odd and hostile (ROBUSTNESS T4).

use std::net::SocketAddr;

use proptest::prelude::*;
use ringpost::sip::sdp::{
    Codec, Direction, Origin, Refusal, accept_answer, answer, could_answer, hold, holds, offer,
};

const LOCAL: &str = "192.0.2.9:16384";
const LOCAL6: &str = "[2001:db8::9]:16384";

#[test]
fn an_answer_is_written_line_by_line() {
    let offer = "v=0\r\no=pbx 1 1 IN IP4 192.0.2.1\r\ns=call\r\nc=IN IP4 192.0.2.1\r\nt=3 4\r\n\
                 m=video 5000 RTP/AVP 31 32\r\na=rtpmap:31 H261/90000\r\n\
                 m=audio 4000 RTP/AVP 3 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\na=sendonly\r\n\
                 m=audio 4002 RTP/AVP 8\r\nm=image 0 udptl t38\r\n";
    let answer = answer(offer.as_bytes(), local(LOCAL), Origin { id: 77, version: 2 }).expect("an answer");
    let expected = "v=0\r\no=- 77 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=3 4\r\n\
                    m=video 0 RTP/AVP 31 32\r\n\
                    m=audio 16384 RTP/AVP 0 96\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:96 telephone-event/8000\r\n\
                    a=fmtp:96 0-16\r\na=ptime:20\r\na=recvonly\r\n\
                    m=audio 0 RTP/AVP 8\r\nm=image 0 udptl t38\r\n";
    assert_eq!(std::str::from_utf8(&answer.sdp), Ok(expected));
    assert_eq!(answer.agreed.remote, Some(local("192.0.2.1:4000")));
    assert_eq!(answer.agreed.accepted.as_slice(), [(0, Codec::Pcmu)]);
}

#[test]
fn codec_and_events_follow_the_offerer() {
    use Codec::{Pcma, Pcmu};
    let table = [
        ("8 0 101", "a=rtpmap:101 telephone-event/8000", Ok((Pcma, 8, Some(101)))),
        ("0 8", "", Ok((Pcmu, 0, None))),
        ("18 9 8", "a=rtpmap:9 G722/8000", Ok((Pcma, 8, None))),
        ("97 101", "a=rtpmap:97 pcma/8000/1\na=rtpmap:101 TELEPHONE-EVENT/8000", Ok((Pcma, 97, Some(101)))),
        ("8 101", "a=rtpmap:101 telephone-event/16000", Ok((Pcma, 8, None))),
        ("8 0", "a=rtpmap:8 PCMA/16000", Ok((Pcmu, 0, None))),
        ("97", "a=rtpmap:97 PCMU/8000/2", Err(Refusal::Codec)),
        ("18", "", Err(Refusal::Codec)),
        ("65535", "a=rtpmap:65535 PCMA/8000", Err(Refusal::Codec)),
        ("65535 8", "", Ok((Pcma, 8, None))),
        ("101", "a=rtpmap:101 telephone-event/8000", Err(Refusal::Codec)),
    ];
    for (formats, attributes, expected) in table {
        let offer = audio(&format!("m=audio 4000 RTP/AVP {formats}\n{attributes}\n"));
        let agreed = answer(&offer, local(LOCAL), 1).map(|answer| answer.agreed);
        assert_eq!(
            agreed.map(|a| (a.codec, a.payload_type, a.telephone_event)),
            expected,
            "{formats} {attributes}"
        );
    }
}

#[test]
fn hold_is_understood() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let here = Some(local("192.0.2.1:4000"));
    let table = [
        ("", SendRecv, here),
        ("a=sendrecv", SendRecv, here),
        ("a=sendonly", RecvOnly, here),
        ("a=recvonly", SendOnly, here),
        ("a=inactive", Inactive, here),
        ("c=IN IP4 0.0.0.0", RecvOnly, None),
        ("c=IN IP4 0.0.0.0\na=inactive", Inactive, None),
        ("c=IN IP4 pbx.example.test", SendRecv, None),
        ("c=IN IP4 233.252.0.1/127", SendRecv, None),
        ("c=IN IP4 192.0.2.7", SendRecv, Some(local("192.0.2.7:4000"))),
    ];
    for (lines, direction, remote) in table {
        let offer = audio(&format!("m=audio 4000 RTP/AVP 8\n{lines}\n"));
        let answer = answer(&offer, local(LOCAL), 1).expect("an answer");
        assert_eq!((answer.agreed.direction, answer.agreed.remote), (direction, remote), "{lines}");
        assert!(answer.sdp.ends_with(format!("a={direction}\r\n").as_bytes()), "{lines}");
    }
    let held_as_a_whole = b"v=0\na=sendonly\nm=audio 4000 RTP/AVP 8\n";
    let held = answer(held_as_a_whole, local(LOCAL), 1).expect("an answer");
    assert_eq!(held.agreed.direction, RecvOnly);
}

#[test]
fn an_offer_that_cannot_be_spoken_is_refused_with_its_reason() {
    let table = [
        ("", Refusal::NoAudio),
        ("m=video 4000 RTP/AVP 31\n", Refusal::NoAudio),
        ("m=audio 0 RTP/AVP 8\n", Refusal::NoAudio),
        ("m=audio 4000 RTP/SAVP 8\n", Refusal::Transport),
        ("m=audio 4000 UDP/TLS/RTP/SAVPF 8\n", Refusal::Transport),
        ("m=audio 4000 RTP/AVP 18\n", Refusal::Codec),
        ("m=audio 4000 RTP/AVP 8\nc=IN IP6 2001:db8::1\n", Refusal::AddressFamily),
        ("m=audio 65536 RTP/AVP 8\n", Refusal::NotSdp),
        ("m=audio -1 RTP/AVP 8\n", Refusal::NotSdp),
        ("m=audio 4000 RTP/AVP\n", Refusal::NotSdp),
        ("m=audio\n", Refusal::NotSdp),
        ("m=\n", Refusal::NotSdp),
        ("m=aud\u{1}io 0 RTP/AVP 8\n", Refusal::NotSdp),
    ];
    for (streams, refusal) in table {
        assert_eq!(answer(&audio(streams), local(LOCAL), 1), Err(refusal), "{streams:?}");
    }
    for body in [&b""[..], b"\r\n\r\n", b"<xml/>", b"\xFF\xFE\0"] {
        assert_eq!(answer(body, local(LOCAL), 1), Err(Refusal::NotSdp), "{body:?}");
    }
}

#[test]
fn encrypted_audio_may_stand_beside_plain_audio() {
    let offer = audio("m=audio 4000 RTP/SAVP 8\nm=audio 4002 RTP/AVP 8\n");
    let answer = answer(&offer, local(LOCAL), 1).expect("an answer");
    assert_eq!(answer.agreed.remote, Some(local("192.0.2.1:4002")));
    let sdp = String::from_utf8_lossy(&answer.sdp);
    let streams: Vec<&str> = sdp.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(streams, ["m=audio 0 RTP/SAVP 8", "m=audio 16384 RTP/AVP 8"]);
}

#[test]
fn ipv6_is_answered_in_kind() {
    let offer = b"v=0\nc=IN IP6 2001:db8::1\nm=audio 4000 RTP/AVPF 0\n";
    let answer = answer(offer, local(LOCAL6), 1).expect("an answer");
    assert_eq!(answer.agreed.remote, Some(local("[2001:db8::1]:4000")));
    let sdp = String::from_utf8_lossy(&answer.sdp);
    assert!(
        sdp.contains("c=IN IP6 2001:db8::9\r\n") && sdp.contains("m=audio 16384 RTP/AVPF 0\r\n"),
        "{sdp}"
    );
}

#[test]
fn hostile_descriptions_are_bounded() {
    let many =
        |line: &str, times: usize| [audio("m=audio 4000 RTP/AVP 8\n"), line.repeat(times).into()].concat();
    let formats: String = (0..500).map(|n| format!(" {n}")).collect();
    let table = [
        ("10,000 attributes", many("a=x\n", 10_000), None),
        ("4,000 rtpmaps", many("a=rtpmap:8 X\n", 4_000), Some(Refusal::Codec)),
        ("a megabyte", many("a=x\n", 250_000), Some(Refusal::TooLarge)),
        ("1,000 streams", many("m=audio 0 RTP/AVP 8\n", 1_000), Some(Refusal::TooLarge)),
        ("500 formats", audio(&format!("m=audio 4000 RTP/AVP{formats}\n")), Some(Refusal::TooLarge)),
        ("a long word", audio(&format!("m=audio 4000 {} 8\n", "R".repeat(9_000))), Some(Refusal::NotSdp)),
        ("rtpmap without m=", b"a=rtpmap:8 PCMA/8000\n".to_vec(), Some(Refusal::NoAudio)),
        ("rtpmap before m=", b"a=rtpmap:0 PCMA/8000\nm=audio 4000 RTP/AVP 8\n".to_vec(), None),
        ("Latin-1", [b"v=0\ns=\xE9\xE8\n".to_vec(), many("", 0)].concat(), None),
    ];
    for (name, offer, refusal) in table {
        assert_eq!(answer(&offer, local(LOCAL), 1).err(), refusal, "{name}");
    }
}

#[test]
fn an_invite_without_offer_is_offered_and_its_ack_answers() {
    let offered = offer(local(LOCAL), 5);
    let expected = "v=0\r\no=- 5 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
                    m=audio 16384 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
                    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";
    assert_eq!(std::str::from_utf8(&offered), Ok(expected));

    let ack = audio("m=audio 4000 RTP/AVP 0 8 96\na=rtpmap:96 telephone-event/8000\n");
    let agreed = accept_answer(&ack, local(LOCAL)).expect("agreed");
    assert_eq!(agreed.accepted.as_slice(), [(0, Codec::Pcmu), (8, Codec::Pcma)]);
    assert_eq!((agreed.codec, agreed.telephone_event), (Codec::Pcmu, Some(101)));

    let table = [
        ("", Refusal::NoAudio),
        ("m=audio 0 RTP/AVP 8\n", Refusal::NoAudio),
        ("m=audio 4000 RTP/AVP 18\n", Refusal::Codec),
        ("m=audio 4000 RTP/AVP 8\nm=audio 4002 RTP/AVP 8\n", Refusal::NotAnAnswer),
    ];
    for (streams, refusal) in table {
        assert_eq!(accept_answer(&audio(streams), local(LOCAL)), Err(refusal), "{streams}");
    }
}

#[test]
fn our_own_offer_is_one_that_we_would_answer() {
    let agreed = answer(&offer(local(LOCAL), 5), local(LOCAL), 6).expect("an answer").agreed;
    assert_eq!(
        (agreed.codec, agreed.telephone_event, agreed.remote),
        (Codec::Pcma, Some(101), Some(local(LOCAL)))
    );
}

#[test]
fn an_offer_that_could_be_the_answer_to_another() {
    let rows = [
        ("m=audio 4000 RTP/AVP 8 0\n", "m=audio 5000 RTP/AVP 0 101\n", true),
        ("m=audio 4000 RTP/AVP 8\n", "m=audio 5000 RTP/AVP 0\n", false),
        // The same number need not be the same codec.
        ("m=audio 4000 RTP/AVP 96\n", "m=audio 5000 RTP/AVP 96\n", false),
        ("m=audio 4000 RTP/SAVP 8\n", "m=audio 5000 RTP/AVP 8\n", false),
        ("m=audio 4000 RTP/AVP 8\n", "m=audio 5000 RTP/AVP 8\nm=video 5002 RTP/AVP 31\n", false),
        ("m=image 4000 udptl t38\n", "m=image 5000 udptl t38\n", true),
        ("m=audio 4000 RTP/AVP 8\n", "m=audio 5000 RTP/AVP 8\na=setup:actpass\n", false),
        ("", "", false),
    ];
    for (offer, other, fits) in rows {
        assert_eq!(could_answer(&audio(offer), &audio(other)), fits, "{offer} {other}");
    }
    assert!(!could_answer(b"", &audio("m=audio 4000 RTP/AVP 8\n")));
}

proptest! {
    #[test]
    fn no_octets_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = answer(&body, local(LOCAL), 1);
    }

    #[test]
    fn no_mixture_of_lines_panics_and_every_answer_has_the_streams_of_its_offer(
        lines in prop::collection::vec(prop_oneof![
            "[vostcbma]=[ -~]{0,40}",
            "m=(audio|video) [0-9]{1,5}(/2)? RTP/(AVP|SAVP)( (0|8|13|101|999))+",
            "a=rtpmap:[0-9]{1,4} (PCMA|PCMU|telephone-event)/(8000|16000)",
            "a=(sendonly|inactive|recvonly)",
            "c=IN IP[46] (0\\.0\\.0\\.0|::|192\\.0\\.2\\.1|x)(/1)?",
        ], 0..20),
        end in "\r?\n",
    ) {
        let offer = lines.join(&end);
        if let Ok(answer) = answer(offer.as_bytes(), local(LOCAL), 1) {
            let sdp = String::from_utf8_lossy(&answer.sdp).into_owned();
            let count = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
            prop_assert_eq!(count(&sdp), count(&offer));
            prop_assert!(accept_answer(&answer.sdp, local(LOCAL)).is_ok() || count(&sdp) > 1);
        }
    }
}

fn audio(streams: &str) -> Vec<u8> {
    format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{streams}").into_bytes()
}

fn local(address: &str) -> SocketAddr {
    address.parse().expect("a socket address")
}

/// Who waits for a party gets the first plain audio stream, and nothing in it (RFC 3264 §8.4).
#[test]
fn an_offer_is_answered_on_hold() {
    let local = "192.0.2.1:5060".parse().expect("an address");
    let head = "v=0\r\no=a 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";
    let streams = "m=video 4000 RTP/AVP 96\r\nm=audio 4002 RTP/AVP 101 9 8\r\nm=audio 4004 RTP/SAVP 0\r\n";
    let answered = hold(format!("{head}{streams}").as_bytes(), local, 7).expect("an answer");
    let text = String::from_utf8_lossy(&answered).into_owned();
    let lines = "m=video 0 RTP/AVP 96\r\nm=audio 9 RTP/AVP 9\r\na=inactive\r\nm=audio 0 RTP/SAVP 0\r\n";
    assert!(text.ends_with(lines), "{text}");
    assert!(matches!(
        hold(format!("{head}m=audio 4004 RTP/SAVP 0\r\n").as_bytes(), local, 7),
        Err(Refusal::NoAudio)
    ));
    assert!(hold(b"", local, 7).is_err());
}

#[test]
fn an_offer_holds_or_does_not() {
    let sdp = |address: &str, rest: &str| {
        let head = format!("v=0\r\no=a 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n");
        holds(format!("{head}{rest}").as_bytes())
    };
    let audio = "m=audio 4002 RTP/AVP 8\r\n";
    for (address, rest, holding) in [
        ("192.0.2.9", audio.to_owned(), Some(false)),
        ("0.0.0.0", audio.to_owned(), Some(true)),
        ("192.0.2.9", format!("{audio}a=sendonly\r\n"), Some(true)),
        ("192.0.2.9", format!("{audio}a=inactive\r\n"), Some(true)),
        ("192.0.2.9", format!("{audio}a=recvonly\r\n"), Some(false)),
        ("192.0.2.9", format!("{audio}a=inactive\r\n{audio}"), Some(false)),
        ("192.0.2.9", "m=image 4002 udptl t38\r\n".to_owned(), None),
    ] {
        assert_eq!(sdp(address, &rest), holding, "{address} {rest}");
    }
    assert_eq!(holds(b""), None);
}
