//! SUBSCRIBE (RFC 6665 §4.2.1): a subscription begins, goes on or ends, and in each case its watcher is told the whole state.

use std::sync::{Arc, atomic::Ordering};

use ringpost::{
    call::wire,
    directory::{Directory, Mailbox, Origin},
    presence::{
        Sight, rlmi,
        subscription::{ALLOW_EVENTS, Pace, Package, Refused, State, Track, Wish},
    },
    settings::User,
    sip::{Message as SipMessage, Name, build, peer::Peer, text::trim, token::Token, uri::Uri},
};

use super::{
    list::Members,
    watchers::{Subscription, Target, Watcher, Watchers},
};
use crate::{metrics::METRICS, port::Port};

impl Watchers {
    /// A SUBSCRIBE has come; `origin` is who sent it, where it is outside any dialog.
    pub fn subscribe(&self, server: Token, request: &SipMessage, from: Peer, origin: Option<Origin>) {
        METRICS.subscribes_total.one();
        let served = match origin {
            Some(origin) => self.begin(server, request, from, &origin),
            None => self.refresh(server, request, from),
        };
        if let Err(refused) = served {
            METRICS.subscriptions_refused_total.one();
            self.refuse(server, request, from, refused);
        }
    }

    pub(super) fn refuse(&self, server: Token, request: &SipMessage, from: Peer, refused: Refused) {
        let (code, phrase) = refused.answer();
        let mut draft = build::response(request, from.address, code, phrase.as_bytes(), &server.text());
        if let Some((name, value)) = refused.header() {
            draft.header(name, &[&value]);
        }
        self.port.respond(server, code, draft.empty());
    }

    fn begin(&self, server: Token, request: &SipMessage, from: Peer, origin: &Origin) -> Result<(), Refused> {
        let directory = self.presence.directory.load_full();
        let settings = &directory.site.presence;
        let wish = Wish::read(request)?;
        // RFC 3261 §8.1.1.8: NOTIFYs go there.
        if request.contact().is_none() {
            return Err(Refused::Bad("Missing Contact"));
        }
        let lasts = settings.terms.grant(wish.expires)?;
        let watcher = Watcher::of(&directory, request, origin);
        let (target, sight) = self.target(&directory, request, (origin, &watcher), &wish)?;
        let tag = self.fresh_tag();
        let peer = way(&self.port, request, from);
        let contact = self.contact(&peer);
        let track = Track::of(request, &Token(tag).text(), &contact, &wish.event);
        let track = track.ok_or(Refused::Bad("Bad Contact"))?;
        if self.merged(track.mark(), track.remote_sequence()) {
            return Err(Refused::Merged);
        }
        if lasts > 0 && self.presence.open.load(Ordering::Relaxed) >= settings.most {
            return Err(Refused::Full);
        }
        let ends = self.presence.now() + u64::from(lasts);
        let lists = matches!(target, Target::Many(_));
        let (package, pace) = (wish.package, Pace::default());
        let (told, armed) = (0, u64::MAX);
        let one = Subscription { track, target, watcher, package, sight, peer, ends, pace, told, armed };
        self.insert(tag, one);
        self.accept(server, request, from, (tag, lasts, lists));
        // RFC 6665 §4.2.1.2: a NOTIFY follows at once, also where it is the only one (R20).
        self.tell(tag, (lasts == 0).then_some(State::Timeout));
        if lasts > 0 {
            self.keep(tag);
            self.arm(tag, self.end_of(ends));
        }
        Ok(())
    }

    fn refresh(&self, server: Token, request: &SipMessage, from: Peer) -> Result<(), Refused> {
        let (tag, found) = self.find(request).ok_or(Refused::NoSubscription)?;
        let directory = self.presence.directory.load();
        let wish = Wish::read(request)?;
        let lasts = directory.site.presence.terms.grant(wish.expires)?;
        if wish.package != found.borrow().package {
            return Err(Refused::BadEvent);
        }
        let peer = way(&self.port, request, from);
        let contact = self.contact(&peer);
        let (ends, lists) = {
            let mut one = found.borrow_mut();
            if !one.track.refresh(request, &contact, &wish.event) {
                return Err(Refused::OutOfOrder);
            }
            if request.count(Name::Contact) > 0 {
                one.peer = peer;
            }
            one.ends = self.presence.now() + u64::from(lasts);
            one.told = 0;
            if let Target::Many(members) = &mut one.target {
                members.tell_all();
            }
            (one.ends, matches!(one.target, Target::Many(_)))
        };
        self.accept(server, request, from, (tag, lasts, lists));
        self.tell(tag, (lasts == 0).then_some(State::Timeout));
        if lasts > 0 {
            self.keep(tag);
            self.arm(tag, self.end_of(ends));
        }
        Ok(())
    }

    fn accept(&self, server: Token, request: &SipMessage, from: Peer, (tag, lasts, lists): (u64, u32, bool)) {
        let mut draft = build::response(request, from.address, 200, b"OK", &Token(tag).text());
        let contact = self.contact(&from);
        draft.header("Contact", &[&contact]).header("Expires", &[lasts.to_string().as_bytes()]);
        draft.copy(request, Name::RecordRoute).header("Allow-Events", &[ALLOW_EVENTS]);
        if lists {
            draft.header("Require", &[b"eventlist"]);
        }
        self.port.respond(server, 200, draft.empty());
    }

    fn contact(&self, peer: &Peer) -> Vec<u8> {
        let sent_by = &self.port.listeners[usize::from(peer.listener)].sent_by;
        wire::contact(peer.transport, b"presence", sent_by, None)
    }

    /// Whom a SUBSCRIBE is about, and what its watcher may see.
    fn target(
        &self,
        directory: &Directory,
        request: &SipMessage,
        (origin, watcher): (&Origin, &Watcher),
        wish: &Wish,
    ) -> Result<(Target, Sight), Refused> {
        if let Some(members) = self.members(directory, request, wish)? {
            return Ok((Target::Many(Box::new(members)), Sight::Full));
        }
        if let Some(cell) = self.presence.foreign(directory, &String::from_utf8_lossy(request.uri())) {
            let sight = sight_of_strangers(watcher, wish.package).ok_or(Refused::Denied)?;
            return Ok((Target::One(cell), sight));
        }
        let user = directory.callee(request.uri(), origin);
        let user = user.or_else(|| mailbox(directory, request.uri(), (origin, watcher), wish.package));
        let user = user.ok_or(Refused::NoUser)?;
        let sight = sight(directory, watcher, &user, wish.package).ok_or(Refused::Denied)?;
        Ok((Target::One(self.presence.of(&user)), sight))
    }

    /// The users of a list: one of the site's, or one that the request brings (RFC 5367).
    fn members(
        &self,
        directory: &Directory,
        request: &SipMessage,
        wish: &Wish,
    ) -> Result<Option<Members>, Refused> {
        let settings = &directory.site.presence;
        let uri = String::from_utf8_lossy(request.uri()).into_owned();
        if request.has_body() {
            let kind = request.first(Name::ContentType).unwrap_or(b"");
            let kind = trim(kind.split(|octet| *octet == b';').next().unwrap_or(b""));
            if !kind.eq_ignore_ascii_case(rlmi::LIST.as_bytes()) {
                // Filters (RFC 4660) and the like only ask for less than there is.
                return Ok(None);
            }
            if !wish.lists {
                return Err(Refused::NotAccepted);
            }
            let uris = rlmi::read(&request.body(), settings.longest_list);
            let uris = uris.map_err(|_| Refused::Bad("Bad Resource List"))?;
            return Ok(Some(Members::new(&self.presence, directory, &uri, &uris)));
        }
        let asked = Uri::read(request.uri()).and_then(|uri| uri.bare_user());
        let named = |list: &&ringpost::settings::PresenceList| {
            let own = Uri::read(list.address.as_bytes()).and_then(|uri| uri.bare_user());
            asked.is_some() && own == asked
        };
        let Some(list) = settings.lists.iter().find(named) else { return Ok(None) };
        // RFC 4662 §4.2: who does not know lists cannot subscribe to one.
        if !wish.lists {
            return Err(Refused::NeedsList);
        }
        Ok(Some(Members::of_site(&self.presence, directory, list)))
    }

    /// A name for a subscription: the lane in front, then what nobody can guess.
    fn fresh_tag(&self) -> u64 {
        loop {
            let random = u64::from(self.port.random()) << 32 | u64::from(self.port.random());
            let tag = u64::from(self.port.lane) << 56 | random >> 8;
            if !self.all.borrow().contains_key(&tag) {
                return tag;
            }
        }
    }
}

/// Whose mailbox it is that a number of voice mail means to a watcher: phones ask for the counts where they call for the messages.
fn mailbox(
    directory: &Directory,
    uri: &[u8],
    (origin, watcher): (&Origin, &Watcher),
    package: Package,
) -> Option<Arc<User>> {
    let (number, _) = directory.called_number(uri, origin).filter(|_| package == Package::MessageSummary)?;
    match (directory.mailbox_by(&number, origin)?, watcher) {
        (Mailbox::Of(owner), _) => Some(Arc::clone(owner)),
        (Mailbox::Pilot, Watcher::User(address)) => directory.of_address(address).cloned(),
        (Mailbox::Pilot, Watcher::Trunk(_)) | (Mailbox::Reception(_), _) => None,
    }
}

/// What a watcher may see of a user. Counts are for those who see all.
pub(super) fn sight(
    directory: &Directory,
    watcher: &Watcher,
    user: &Arc<User>,
    package: Package,
) -> Option<Sight> {
    let sight = watcher.sight(directory, user)?;
    (package != Package::MessageSummary || sight == Sight::Full).then_some(sight)
}

/// What a watcher may see of people elsewhere: users see what their servers show us, and no counts.
pub(super) fn sight_of_strangers(watcher: &Watcher, package: Package) -> Option<Sight> {
    (matches!(watcher, Watcher::User(_)) && package != Package::MessageSummary).then_some(Sight::Full)
}

/// Where the NOTIFYs go: along a connection back the way the request came, else to the first route or the Contact; where
/// that is no address of this network, or the watcher sits behind a NAT, to where the request came from.
pub(crate) fn way(port: &Port, request: &SipMessage, from: Peer) -> Peer {
    let back = build::reply_peer(request, from);
    if from.is_reliable() {
        return from;
    }
    let route = request.list(Name::RecordRoute).next().and_then(ringpost::sip::uri::NameAddr::read);
    let via = request.via().and_then(|via| build::literal(via.host, via.port));
    let direct = via.is_some_and(|via| via.ip() == from.address.ip());
    let next = match &route {
        Some(route) => Some(route.uri),
        None => request.contact().filter(|_| direct),
    };
    next.and_then(|uri| port.peer(uri)).unwrap_or(back)
}
