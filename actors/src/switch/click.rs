//! A program has a user call a number.

use std::sync::Arc;

use ringpost::{
    directory::Origin,
    rcc::Refusal,
    settings::User,
    sip::{Message as SipMessage, build::Draft, token::Token},
};

use super::{Switch, dialled::Dialled};
use crate::{call::Reach, leg::Arrival};

impl Switch {
    /// Has the user's telephones ring, and the one that answers call that number; `line` is what the program calls the call.
    ///
    /// # Errors
    /// Why the user's own telephone could not call it, or cannot be called.
    pub fn click(&self, user: &Arc<User>, number: &str, line: Arc<str>) -> Result<(), Refusal> {
        let named = |octet: u8| octet.is_ascii_alphanumeric() || b"+*#.-_".contains(&octet);
        if number.is_empty() || !number.bytes().all(named) {
            return Err(Refusal::InvalidDestination);
        }
        let origin = Origin::User(Arc::clone(user));
        let directory = self.directory();
        let called = format!("sip:{}@{}", number.replace('#', "%23"), directory.site.sip.domain);
        let asks = self.request((&called, &user.address)).ok_or(Refusal::InvalidDestination)?;
        match self.dialled(&directory, &asks, &origin) {
            Ok(Dialled::User { .. }) => {}
            // A feature code is for who dials it.
            Ok(Dialled::Code(..)) | Err(_) => return Err(Refusal::InvalidDestination),
        }
        if self.draining.get() || self.calls() >= self.most {
            return Err(Refusal::Resources);
        }
        if self.devices(user).is_empty() {
            return Err(Refusal::State);
        }
        let rings = self.request((&user.address, &called)).ok_or(Refusal::InvalidDevice)?;
        let arrival = Arrival { origin: origin.clone(), transfers: 0, line: Some(line) };
        let how = ((Reach::Click, vec![]), Some(arrival));
        let opened = self.open_call((origin, Arc::clone(user)), how, &Arc::new(rings), |_| None);
        opened.map(drop).map_err(|_| Refusal::Resources)
    }

    /// An INVITE without an offer, as one of these would send it to the other.
    fn request(&self, (to, from): (&str, &str)) -> Option<SipMessage> {
        let (tag, name) = (self.port.random(), self.port.random());
        let name = Token(u64::from(tag) << 32 | u64::from(name)).text();
        let mut draft = Draft::request(b"INVITE", to.as_bytes());
        draft
            .header("From", &[b"<", from.as_bytes(), b">;tag=", &name])
            .header("To", &[b"<", to.as_bytes(), b">"]);
        draft.header("Call-ID", &[b"click-", &name]).header("CSeq", &[b"1 INVITE"]);
        draft.header("Max-Forwards", &[b"70"]).header("Contact", &[b"<", from.as_bytes(), b">"]);
        SipMessage::read(draft.empty()).ok()
    }
}
