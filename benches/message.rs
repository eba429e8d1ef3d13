//! Reading a 903-octet INVITE: the lazy view, the check, and rsip on the same octets beside them.
//!
//! `cargo bench -p ringpost --bench message`; the columns of allocations come from divan's profiler.

use std::hint::black_box;

use bytes::Bytes;
use divan::{AllocProfiler, Bencher};
use ringpost::sip::{
    Message, Name, check,
    frame::{Frame, frame},
};
use rsip::prelude::*;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

/// As a phone behind a PBX sends it, with an offer: 15 header fields, 903 octets.
const INVITE: &str = concat!(
    "INVITE sip:4711@pbx.example.test;user=phone SIP/2.0\r\n",
    "Via: SIP/2.0/UDP 192.0.2.41:5060;branch=z9hG4bK776asdhds7;rport\r\n",
    "Max-Forwards: 70\r\n",
    "From: \"Alice Example\" <sip:alice@pbx.example.test>;tag=1928301774\r\n",
    "To: <sip:4711@pbx.example.test;user=phone>\r\n",
    "Call-ID: a84b4c76e66710@192.0.2.41\r\n",
    "CSeq: 314159 INVITE\r\n",
    "Contact: <sip:alice@192.0.2.41:5060;transport=udp>\r\n",
    "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, REFER, NOTIFY\r\n",
    "Supported: replaces, timer, 100rel\r\n",
    "P-Asserted-Identity: \"Alice Example\" <sip:+4544123456@pbx.example.test>\r\n",
    "Session-Expires: 1800;refresher=uac\r\n",
    "User-Agent: Example-Phone/7.4.1\r\n",
    "Content-Type: application/sdp\r\n",
    "Content-Length: 201\r\n",
    "\r\n",
    "v=0\r\n",
    "o=alice 2890844526 2890844526 IN IP4 192.0.2.41\r\n",
    "s=-\r\n",
    "c=IN IP4 192.0.2.41\r\n",
    "t=0 0\r\n",
    "m=audio 49170 RTP/AVP 8 0 101\r\n",
    "a=rtpmap:101 telephone-event/8000\r\n",
    "a=fmtp:101 0-16\r\n",
    "a=ptime:20\r\n",
    "a=sendrecv\r\n",
    "a=x:",
);

fn main() {
    divan::main();
}

/// Stretched or cut to 903 octets behind a Content-Length that says so.
fn invite() -> Bytes {
    let header = INVITE.find("\r\n\r\n").expect("an end of header") + 4;
    let mut text = INVITE.replace("Content-Length: 201", &format!("Content-Length: {}", 903 - header));
    while text.len() < 903 {
        text.push('x');
    }
    assert_eq!(text.len(), 903);
    Bytes::from(text)
}

#[divan::bench]
fn view_read(bencher: Bencher) {
    let octets = invite();
    bencher.bench(|| Message::read(black_box(octets.clone())).expect("an INVITE"));
}

#[divan::bench]
fn view_read_and_five_fields(bencher: Bencher) {
    let octets = invite();
    bencher.bench(|| {
        let message = Message::read(black_box(octets.clone())).expect("an INVITE");
        black_box(message.via().and_then(|via| via.branch()));
        black_box(message.from().and_then(|from| from.tag()));
        black_box(message.to().map(|to| to.uri));
        black_box(message.call_id());
        black_box(message.cseq());
    });
}

#[divan::bench]
fn view_check(bencher: Bencher) {
    let message = Message::read(invite()).expect("an INVITE");
    bencher.bench(|| check::request(black_box(&message)).expect("a good one"));
}

#[divan::bench]
fn view_read_and_check(bencher: Bencher) {
    let octets = invite();
    bencher.bench(|| {
        let message = Message::read(black_box(octets.clone())).expect("an INVITE");
        check::request(&message).expect("a good one");
    });
}

#[divan::bench]
fn frame_from_a_stream(bencher: Bencher) {
    let octets = invite();
    bencher.bench(|| assert_eq!(frame(black_box(&octets), 65_536, 0), Ok(Frame::Message { length: 903 })));
}

#[divan::bench]
fn names(bencher: Bencher) {
    let message = Message::read(invite()).expect("an INVITE");
    let names: Vec<&[u8]> = message.fields().map(|field| message.written_name(field)).collect();
    bencher.bench(|| names.iter().filter(|name| Name::of(black_box(name)) == Name::Other).count());
}

#[divan::bench]
fn rsip_read(bencher: Bencher) {
    let octets = invite();
    bencher.bench(|| rsip::SipMessage::try_from(black_box(octets.clone())).expect("an INVITE"));
}

#[divan::bench]
fn rsip_read_and_five_fields(bencher: Bencher) {
    let octets = invite();
    bencher.bench(|| {
        let message = rsip::SipMessage::try_from(black_box(octets.clone())).expect("an INVITE");
        black_box(message.via_header().and_then(|via| via.typed()).map(|via| via.branch().cloned())).ok();
        black_box(message.from_header().and_then(|from| from.typed()).map(|from| from.tag().cloned())).ok();
        black_box(message.to_header().and_then(|to| to.typed()).map(|to| to.uri)).ok();
        black_box(message.call_id_header()).ok();
        black_box(message.cseq_header().and_then(|cseq| cseq.typed())).ok();
    });
}
