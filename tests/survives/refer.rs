//! REFERs: what is taken can be called, and says in the new INVITE what it said in the old request.

use bytes::Bytes;
use ringpost::sip::{Message, Name, build::Draft, check, refer::Refer};

/// The octets are the lines of a REFER that are its own.
pub fn survives(octets: &[u8]) {
    let mut draft = Draft::request(b"REFER", b"sip:u@h");
    draft
        .header("Via", &[b"SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1"])
        .header("From", &[b"<sip:p@h>;tag=p"])
        .header("To", &[b"<sip:u@h>;tag=us"])
        .header("Call-ID", &[b"x"])
        .header("CSeq", &[b"7 REFER"])
        .lines(octets);
    let Ok(request) = Message::read(draft.empty()) else { return };
    if check::request(&request).is_err() {
        return;
    }
    let Ok(refer) = Refer::read(&request) else { return };
    let mut draft = Draft::request(b"INVITE", &refer.uri);
    draft.header("To", &[b"<", &refer.uri, b">"]).header("Call-ID", &[b"x"]);
    let invite: Bytes = draft.empty();
    let invite = Message::read(invite).expect("an INVITE");
    assert_eq!((invite.fault(), invite.fields().count()), (None, 3), "{:?}", refer.uri);
    assert_eq!(invite.uri(), &refer.uri[..]);
    assert_eq!(invite.to().map(|to| to.uri), Some(&refer.uri[..]));
    assert!(invite.first(Name::CallId) == Some(b"x"));
}
