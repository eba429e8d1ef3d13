//! PUBLISH (RFC 3903): what endpoints and other systems say of users.

use ringpost::{
    directory::{Directory, Origin},
    presence::{
        Kind, Source, published,
        subscription::{Package, Publish, Refused},
    },
    settings::User,
    sip::{Message as SipMessage, build, peer::Peer, token::Token},
};

use super::{
    Presence,
    cell::{Known, Publication},
    keep,
    watchers::{Watcher, Watchers},
};
use crate::metrics::METRICS;

/// What a request that is taken does to a publication.
struct Taken {
    tag: u64,
    name: String,
}

impl Watchers {
    /// A PUBLISH has come.
    pub fn publish(&self, server: Token, request: &SipMessage, from: Peer, origin: &Origin) {
        METRICS.publishes_total.one();
        match self.presence.publish(request, origin) {
            Ok((tag, lasts)) => {
                let mut draft = build::response(request, from.address, 200, b"OK", &server.text());
                draft.header("SIP-ETag", &[&Token(tag).text()]);
                draft.header("Expires", &[lasts.to_string().as_bytes()]);
                self.port.respond(server, 200, draft.empty());
            }
            Err(refused) => self.refuse(server, request, from, refused),
        }
    }
}

impl Presence {
    /// The entity tag and the seconds that it is good for.
    pub(super) fn publish(&self, request: &SipMessage, origin: &Origin) -> Result<(u64, u32), Refused> {
        let directory = self.directory.load_full();
        let wish = Publish::read(request)?;
        let user = directory.callee(request.uri(), origin).ok_or(Refused::NoUser)?;
        let source = publisher(&directory, request, (origin, wish.package), &user)?;
        let lasts = directory.site.presence.terms.grant(wish.expires)?;
        let now = self.now();
        let ends = now + u64::from(lasts);
        let body = request.body();
        let said = match wish.has_body {
            true => {
                let states = &directory.site.presence.states;
                let custom = |name: &str| states.get(name).copied();
                let said = published::read(wish.package, &body, custom, (now, ends));
                Some(said.map_err(|_| Refused::Bad("Bad Document"))?)
            }
            false => None,
        };
        let most = directory.site.presence.publications;
        let text = || String::from_utf8_lossy(&body).into_owned().into_boxed_str();
        let taken = self.change(&self.of(&user), |known| {
            self.forget(known.take_ended(now));
            let taken = known.take(&wish, source, (lasts, ends), most)?;
            let found = known.publications.iter_mut().find(|one| one.tag == taken.tag);
            let row = match (found, said) {
                (Some(found), said) => {
                    let source = found.source.clone();
                    if said.is_some() {
                        found.body = text();
                    }
                    let row = keep::published(found, &user.address);
                    said.into_iter().for_each(|said| known.inputs.put(&source, said, ends));
                    row
                }
                (None, _) => keep::removed(&taken.name),
            };
            self.write(row);
            Ok(taken.tag)
        });
        let taken = taken?;
        // Phones and PBXs may have to be told of it unasked.
        if wish.package == Package::MessageSummary {
            self.counted(&user.address);
        }
        Ok((taken, lasts))
    }
}

impl Known {
    /// Applies a PUBLISH to the list of publications.
    fn take(
        &mut self,
        wish: &Publish,
        source: Source,
        (lasts, ends): (u32, u64),
        most: usize,
    ) -> Result<Taken, Refused> {
        let tag = self.inputs.changed();
        let Some(meant) = &wish.tag else {
            let name = Token(tag).text();
            let name = String::from_utf8_lossy(&name).into_owned();
            if lasts == 0 {
                return Ok(Taken { tag, name });
            }
            if self.publications.len() >= most {
                return Err(Refused::Full);
            }
            let source = Source { name: format!("{}{name}", source.name).into(), ..source };
            let name = source.name.to_string();
            let (package, body) = (wish.package, "".into());
            self.publications.push(Publication { tag, source, package, ends, body });
            METRICS.publications.up();
            return Ok(Taken { tag, name });
        };
        let is_meant = |one: &Publication| Token::read(meant.as_bytes()) == Some(Token(one.tag));
        let at = self.publications.iter().position(|one| is_meant(one) && one.package == wish.package);
        // Whose it is besides: a trunk's publications are not the user's, nor the other way round.
        let at = at.filter(|at| {
            let known = &self.publications[*at].source;
            known.kind == source.kind && known.name.starts_with(&*source.name)
        });
        let at = at.ok_or(Refused::NoPublication)?;
        let one = &mut self.publications[at];
        let name = one.source.name.to_string();
        if lasts == 0 {
            let one = self.publications.remove(at);
            METRICS.publications.down();
            self.inputs.remove(&one.source);
        } else {
            (one.tag, one.ends) = (tag, ends);
            self.inputs.prolong(&one.source, ends);
        }
        Ok(Taken { tag, name })
    }
}

/// Who publishes: a device for its own user (T12), or a trunk that the site allows to (R63); message counts also a UM that may
/// tell them by NOTIFY.
fn publisher(
    directory: &Directory,
    request: &SipMessage,
    (origin, package): (&Origin, Package),
    user: &User,
) -> Result<Source, Refused> {
    let may = |name: &String| {
        let settings = &directory.site.presence;
        settings.publishers.contains(name)
            || package == Package::MessageSummary && settings.messages_from.contains(name)
    };
    if let Origin::Trunk(trunk) = origin
        && may(&trunk.name)
    {
        return Ok(Source::new(Kind::Sip, &format!("{} ", trunk.name)));
    }
    match Watcher::of(directory, request, origin) {
        Watcher::User(address) if *address == *user.address => Ok(Source::new(Kind::Endpoint, "")),
        Watcher::User(_) | Watcher::Trunk(_) => Err(Refused::Denied),
    }
}
