//! Reads a request as the hot path does, checks it, and hands it to rsip's types.
//!
//!     cargo run -p ringpost --example parse_invite
//!
//! The view copies nothing: every value printed is a piece of the datagram.

use bytes::Bytes;
use ringpost::sip::{Message, Name, check, uri::Uri};

const INVITE: &str = "INVITE sip:+4544890101;npdi@pbx.example.test;user=phone SIP/2.0\r\n\
    v: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK776asdhds\r\n\
    f: \"Luka, \\\"the\\\" caller\" <sip:1042@example.test>;tag=1928301774\r\n\
    t: <sip:+4544890101@pbx.example.test>\r\n\
    i: a84b4c76e66710\r\n\
    CSeq: 314159 INVITE\r\n\
    m: <sip:1042@192.0.2.10>\r\n\
    Max-Forwards: 70\r\n\
    X-Vendor: kept\r\n\
    \u{20}as it is\r\n\
    l: 0\r\n\r\n";

fn main() {
    print!("{}", read(INVITE));
}

/// What is read of a request, line by line.
pub fn read(text: &str) -> String {
    let message = match Message::read(Bytes::from(text.to_owned())) {
        Ok(message) => message,
        Err(error) => return format!("no SIP: {error}\n"),
    };
    if let Err(rejection) = check::request(&message) {
        return format!("{} {}\n", rejection.code, rejection.phrase);
    }
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let from = message.from().expect("checked");
    let uri = Uri::read(message.uri()).expect("checked");
    let second = match rsip::SipMessage::try_from(&message) {
        Ok(_) => "rsip reads it too",
        Err(_) => "rsip cannot read it",
    };
    format!(
        "dialled   {}\ncaller    {}\ntag       {}\nbranch    {}\nfields    {}\nCall-ID   {}\nsecond    {second}\n",
        text(uri.bare_user().unwrap_or_default()),
        from.display_text().unwrap_or_default(),
        text(from.tag().unwrap_or_default()),
        text(message.via().and_then(|via| via.branch()).unwrap_or_default()),
        message.fields().count(),
        text(message.first(Name::CallId).unwrap_or_default()),
    )
}
