//! What a number means to who has dialled or sent it. The steps in their order, the first that knows it deciding:
//!
//! 1. from a trunk: what `strip_in` cuts off and `prefix_in` adds;
//! 2. an extension: of the trunk that it comes from; of the main number of the user who dials;
//! 3. the rules of the location profile (`called_location`, `caller_location`; a user's `location`, else that of `[outbound]`);
//! 4. the country of that profile;
//! 5. from a trunk: how it writes numbers (`e164`); to a trunk, and where numbers are compared: `[outbound]`.
//!
//! What 2 and 3 say is meant and nothing else; where 4 or 5 reads a number that is nobody's, it may be somebody's as it stands.

use std::{borrow::Cow, sync::Arc};

use super::{Directory, Origin};
use crate::{
    address::Caller,
    call::wire::strip_visual,
    numbers::{
        lines,
        location::{Made, Profile},
    },
    settings::{Trunk, User},
    sip::{
        Message, Name,
        relay::is_private,
        uri::{NameAddr, Uri},
    },
};

/// The phone-context of digits that are still to be translated (PROTOCOLS §10).
const DIAL_STRING: &[u8] = b"dialstring";

/// What a number means.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Meaning {
    /// What it says.
    #[default]
    AsWritten,
    /// This line behind a main number.
    Line(String),
    /// This number.
    Is(String),
    /// This number, or what it says.
    MayBe(String),
    /// Nothing: a rule makes no number of it.
    Nothing,
}

impl Meaning {
    /// The number that it stands for, where that is another one.
    pub fn stated(&self) -> Option<&str> {
        match self {
            Self::Line(number) | Self::Is(number) | Self::MayBe(number) => Some(number),
            Self::AsWritten | Self::Nothing => None,
        }
    }

    /// The number that it stands for, `written` where it means what it says; `None` where it means nothing.
    pub fn number<'a>(&'a self, written: &'a str) -> Option<&'a str> {
        match self {
            Self::AsWritten => Some(written),
            Self::Line(number) | Self::Is(number) | Self::MayBe(number) => Some(number),
            Self::Nothing => None,
        }
    }
}

/// The identities of a call whose caller or callee is a line behind a main number, towards devices and UM: the extension alone
/// would be somebody else's elsewhere (R25).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rebuilt {
    /// The value of From without tag, and of P-Asserted-Identity.
    pub from: Option<Vec<u8>>,
    /// The value of To.
    pub to: Option<Vec<u8>>,
}

impl Trunk {
    fn reads(&self) -> bool {
        !self.rules.are_none() || self.called_location.is_some() || self.caller_location.is_some()
    }
}

impl Directory {
    /// What a called URI means to who calls it; with the number as it is written. `None`: it names nobody.
    pub fn called_number(&self, uri: &[u8], origin: &Origin) -> Option<(String, Meaning)> {
        let uri = Uri::read(uri)?;
        let written = uri.number().filter(|number| !number.is_empty())?.into_owned();
        let meaning = match origin {
            Origin::Trunk(trunk) if !trunk.reads() => Meaning::AsWritten,
            Origin::Trunk(trunk) => self.read_of_trunk(trunk, trunk.called_location.as_deref(), &written),
            Origin::User(user) => match self.location_of(&uri) {
                Some(profile) => located(Some(profile), &written),
                None => self.meaning_for(user, &written),
            },
        };
        Some((written, meaning))
    }

    /// Whether a URI holds digits that nobody has translated yet.
    pub fn is_dial_string(uri: &[u8]) -> bool {
        let context = Uri::read(uri).and_then(|uri| uri.user_param("phone-context"));
        context.is_some_and(|context| context.eq_ignore_ascii_case(DIAL_STRING))
    }

    /// Who has a number that was written like this and means that.
    pub(super) fn meant(&self, written: &str, meaning: &Meaning) -> Option<&Arc<User>> {
        match meaning {
            Meaning::AsWritten => self.user(written),
            Meaning::Line(number) | Meaning::Is(number) => self.user(number),
            Meaning::MayBe(number) => self.user(number).or_else(|| self.user(written)),
            Meaning::Nothing => None,
        }
    }

    fn read_of_trunk(&self, trunk: &Trunk, location: Option<&Profile>, written: &str) -> Meaning {
        let here = &self.site.outbound.numbering;
        let cut = trunk.rules.cut(written);
        if let Some(line) = trunk.rules.line(&cut) {
            return Meaning::Line(line);
        }
        match located(location, &cut) {
            Meaning::AsWritten if trunk.rules.are_none() => Meaning::AsWritten,
            Meaning::AsWritten => Meaning::MayBe(trunk.rules.read(written, here)),
            known => known,
        }
    }

    /// What a number means that a user dials, or has named as a target.
    pub(super) fn meaning_for(&self, user: &User, written: &str) -> Meaning {
        if !self.lines.is_empty()
            && let Some(line) = self.line_beside(user, written)
        {
            return Meaning::Line(line);
        }
        located(self.location_for(user).map(Arc::as_ref), written)
    }

    /// The profile of what a user dials.
    pub fn location_for<'a>(&'a self, user: &'a User) -> Option<&'a Arc<Profile>> {
        user.location.as_ref().or(self.site.outbound.location.as_ref())
    }

    /// The profile by which the owner of a mailbox writes numbers down.
    pub fn location_of_mailbox(&self, mailbox: &str) -> Option<&Profile> {
        if self.site.locations.is_empty() {
            return None;
        }
        let owns = |user: &&User| user.mail.as_deref().is_some_and(|mail| mail.eq_ignore_ascii_case(mailbox));
        let owner = self.site.users.iter().find(owns);
        owner.and_then(|owner| owner.location.as_deref()).or(self.site.outbound.location.as_deref())
    }

    /// The profile of that name.
    pub fn location_named(&self, name: &str) -> Option<&Arc<Profile>> {
        self.site.locations.iter().find(|profile| profile.name.eq_ignore_ascii_case(name))
    }

    /// The profile that a URI names by its phone-context.
    fn location_of(&self, uri: &Uri<'_>) -> Option<&Arc<Profile>> {
        if self.site.locations.is_empty() {
            return None;
        }
        self.location_named(std::str::from_utf8(uri.user_param("phone-context")?).ok()?)
    }

    /// The line of an extension that a user dials who has a line behind the same main number.
    fn line_beside(&self, user: &User, written: &str) -> Option<String> {
        let main = user.numbers.iter().find_map(|number| Some(lines::split(number)?.0))?;
        let ext = strip_visual(written);
        if !ext.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        let line = lines::with_extension(main, &ext);
        let pbx = |trunk: &Arc<Trunk>| trunk.rules.lines.as_ref().is_some_and(|lines| lines.has(&line));
        let known =
            self.users.contains_key(&line) || self.user(written).is_none() && self.trunks.iter().any(pbx);
        known.then_some(line)
    }

    /// A caller's number as Ringpost writes it, where the trunk that it came by has rules.
    pub fn readable(&self, caller: Caller, origin: &Origin) -> Caller {
        let (Origin::Trunk(trunk), Some(number)) = (origin, &caller.number) else { return caller };
        if !trunk.reads() {
            return caller;
        }
        let meaning = self.read_of_trunk(trunk, trunk.caller_location.as_deref(), number);
        let uri = match &meaning {
            Meaning::Line(line) => Some(self.uri_of(line)),
            _ => caller.uri,
        };
        // Whoever a rule makes nobody of has called all the same.
        let number = meaning.number(number).map(str::to_owned).or(caller.number);
        Caller { number, uri, ..caller }
    }

    /// The SIP form of a line (PROTOCOLS §10).
    fn uri_of(&self, line: &str) -> String {
        format!("sip:{line}@{};user=phone", self.site.sip.domain)
    }

    /// The identities that devices and UM get in place of the call's own; `None` where those serve.
    pub fn rebuilt(&self, invite: &Message, origin: &Origin, caller: &Caller) -> Option<Rebuilt> {
        let Origin::Trunk(trunk) = origin else { return None };
        trunk.rules.lines.as_ref()?;
        let line =
            caller.number.as_deref().filter(|number| !caller.private && lines::split(number).is_some());
        let from = line.filter(|_| !is_private(invite)).map(|line| {
            let display = invite.from().map_or(&b""[..], |from| from.display);
            let space: &[u8] = if display.is_empty() { b"" } else { b" " };
            [display, space, b"<", self.uri_of(line).as_bytes(), b">"].concat()
        });
        let written = Uri::read(invite.uri()).and_then(|uri| uri.number().map(Cow::into_owned));
        let to = written.and_then(|written| trunk.rules.line(&trunk.rules.cut(&written)));
        let to = to.map(|line| format!("<{}>", self.uri_of(&line)).into_bytes());
        (from.is_some() || to.is_some()).then_some(Rebuilt { from, to })
    }

    /// The address of a user who diverts a call, as a trunk knows it: the extension where it has the user's line.
    pub fn address_towards<'u>(&self, user: &'u User, trunk: &Trunk) -> Cow<'u, str> {
        let lines = trunk.rules.lines.as_ref();
        let ext = lines.and_then(|lines| user.numbers.iter().find_map(|number| lines.extension(number)));
        match ext {
            Some(ext) => Cow::Owned(format!("sip:{ext}@{}", self.site.sip.domain)),
            None => Cow::Borrowed(&user.address),
        }
    }

    /// The user behind the first Diversion of a call (RFC 5806).
    pub fn diverting(&self, invite: &Message, origin: &Origin) -> Option<Arc<User>> {
        let entry = invite.list(Name::Diversion).next().and_then(NameAddr::read)?;
        self.callee(entry.uri, origin)
    }
}

/// What a profile says of a number.
fn located(location: Option<&Profile>, written: &str) -> Meaning {
    match location.map_or(Made::Unmatched, |profile| profile.make(written)) {
        Made::ByRule(_, Some(number)) => Meaning::Is(number),
        Made::ByRule(_, None) => Meaning::Nothing,
        Made::ByCountry(number) => Meaning::MayBe(number),
        Made::Unmatched => Meaning::AsWritten,
    }
}
