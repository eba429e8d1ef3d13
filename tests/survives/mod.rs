//! What must hold of any octets; shared by the property tests and the fuzz target.

use bytes::Bytes;
use ringpost::sip::{
    Message, Name, check,
    frame::{Frame, frame},
    message::Fault,
    uri::Uri,
};

/// The largest message in octets.
pub const LIMIT: usize = 65_536;

/// Whatever is asked of whatever has come: no panic, and no two answers that disagree.
pub fn survives(octets: Bytes) {
    let framed = frame(&octets, LIMIT, 0);
    let Ok(message) = Message::read(octets.clone()) else { return };
    let _ = (check::request(&message), check::response(&message));
    said(&message);
    let whole: usize = message.fields().map(|field| message.written(field).len()).sum();
    assert!(whole + message.body().len() <= message.raw().len());
    for field in message.fields() {
        assert!(!message.written_name(field).is_empty());
        assert_eq!(Name::of(message.written_name(field)), field.name);
        for uri in [message.value(field)].into_iter().chain(message.contact()) {
            let _ = Uri::read(uri).map(|u| (u.bare_user(), u.param("x")));
        }
    }
    let counted = message.count(Name::ContentLength) > 0 && octets.first() == message.raw().first();
    match framed {
        Ok(Frame::Message { length }) if message.fault() != Some(Fault::TooMany) => {
            assert_eq!(message.raw().len(), length, "the view and the framer disagree");
        }
        Ok(Frame::Message { .. } | Frame::Ping { .. } | Frame::Blank { .. }) => {}
        Ok(Frame::Incomplete) | Err(_) => {
            assert!(!counted || message.fault().is_some(), "the framer refused what the view took");
        }
    }
}

/// Every typed value of a message.
pub fn said(message: &Message) -> Vec<Option<Vec<u8>>> {
    let own = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
    let (via, from, to) = (message.via(), message.from(), message.to());
    let mut said = vec![
        own(Some(message.method_name())),
        own(Some(message.uri())),
        own(Some(message.reason_phrase())),
        own(Some(message.call_id())),
        own(message.contact()),
        own(via.map(|v| v.transport)),
        own(via.map(|v| v.host)),
        own(via.and_then(|v| v.branch())),
        own(from.map(|a| a.uri)),
        own(from.and_then(|a| a.tag())),
        own(to.map(|a| a.uri)),
        own(to.and_then(|a| a.tag())),
        own(message.cseq().map(|(_, method)| method)),
        message.cseq().map(|(number, _)| number.to_be_bytes().to_vec()),
        message.from().and_then(|a| a.display_text()).map(String::into_bytes),
        Some(message.body().to_vec()),
    ];
    said.extend(message.list(Name::Via).map(|via| Some(via.to_vec())).map(squeezed));
    said.extend(message.list(Name::Supported).map(|tag| Some(tag.to_vec())));
    said
}

/// Without white space, which says nothing between the parts of a Via.
fn squeezed(value: Option<Vec<u8>>) -> Option<Vec<u8>> {
    value.map(|v| v.into_iter().filter(|o| !o.is_ascii_whitespace()).collect())
}
