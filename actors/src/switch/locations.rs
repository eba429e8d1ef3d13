//! Location profiles for who asks by SIP (R33): SERVICE, as OCS clients send it at sign-in and every eight hours.

use ringpost::{
    directory::Directory,
    numbers::location::described::{self, Wanted},
    sip::{Message as SipMessage, build, peer::Peer, token::Token},
};

use super::Switch;

impl Switch {
    /// Whether a request asks for a location profile.
    pub(super) fn asks_location(request: &SipMessage) -> bool {
        request.method_name() == b"SERVICE" && described::wanted(request.uri()).is_some()
    }

    /// Answers it; who sent it has been let in as for any other request.
    pub(super) fn tells_location(&self, server: Token, request: &SipMessage, from: Peer) {
        let directory = self.shared.directory.load();
        match told(&directory, request.uri()) {
            Ok(document) => {
                let tag = server.text();
                let mut draft = build::response(request, from.address, 200, b"OK", &tag);
                draft.header("Content-Type", &[described::MEDIA_TYPE.as_bytes()]);
                self.port.respond(server, 200, draft.body(document.as_bytes()));
            }
            Err(code) => self.turn_away(server, request, from, code),
        }
    }
}

fn told(directory: &Directory, uri: &[u8]) -> Result<String, u16> {
    let (address, wanted) = described::wanted(uri).ok_or(404u16)?;
    let user = directory.user(&address).ok_or(404u16)?;
    let profile = match wanted {
        Wanted::Default => directory.location_for(user),
        Wanted::Named(name) => directory.location_named(&name),
        // [MS-SIPRE] §3.8.5.1.
        Wanted::Ambiguous => return Err(485),
    };
    profile.map(|profile| described::xml(profile)).ok_or(404)
}
