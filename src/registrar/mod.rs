//! Registrations (RFC 3261 §10 with RFC 3327, 5626 and 5627): what a REGISTER makes of a user's bindings, and where
//! calls to the user go.
//!
//! Pure: [`register`] gets the bindings as they are and returns them as they shall be; whoever keeps them puts them in
//! place. Times are seconds since 1970.

mod binding;
mod gruu;
mod lock_out;
mod reach;
mod read;

pub use binding::{Binding, Flow};
pub use gruu::{Gruus, instance_of, pub_gruu};
pub use lock_out::LockOuts;
pub use reach::{Device, devices};
pub use read::{Wanted, Wish};

use std::net::SocketAddr;

use bytes::Bytes;

use crate::sip::{Message, Name, build, peer::Peer};

/// The bounds of a registration.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Seconds that one lasts which asks for no time.
    pub expires: u32,
    /// Who asks for less gets 423.
    pub min: u32,
    /// Who asks for more gets this.
    pub max: u32,
    /// Bindings of one user at once.
    pub most: usize,
}

/// Why a REGISTER changes nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// 400: `Contact: *` with something beside it or without `Expires: 0`, a Contact that nobody can call.
    Bad(&'static str),
    /// 423 with Min-Expires.
    TooBrief(u32),
    /// 500: a REGISTER that has been overtaken by a later one (§10.3 step 7).
    OutOfOrder,
    /// 403: more devices than a user may have.
    TooMany,
    /// 403: calls would go where the sender has nothing to say, such as a trunk.
    Elsewhere,
    /// 439: `reg-id` came through a proxy that does not keep the flow (RFC 5626 §6).
    NoOutbound,
}

impl Refused {
    /// Status code and reason phrase.
    pub fn answer(self) -> (u16, &'static str) {
        match self {
            Self::Bad(phrase) => (400, phrase),
            Self::TooBrief(_) => (423, "Interval Too Brief"),
            Self::OutOfOrder => (500, "CSeq Out Of Order"),
            Self::TooMany => (403, "Too Many Registrations"),
            Self::Elsewhere => (403, "Contact Is Not Yours"),
            Self::NoOutbound => (439, "First Hop Lacks Outbound Support"),
        }
    }
}

/// Applies a REGISTER to a user's bindings: all of it or nothing. `current` may hold ended bindings.
///
/// # Errors
/// How to refuse it.
pub fn register(
    current: &[Binding],
    wish: &Wish,
    from: &Peer,
    rules: &Rules,
    now: u64,
) -> Result<Vec<Binding>, Refused> {
    let mut bindings: Vec<Binding> = current.iter().filter(|b| b.expires > now).cloned().collect();
    if wish.star {
        if bindings.iter().any(|binding| wish.is_overtaken(binding)) {
            return Err(Refused::OutOfOrder);
        }
        return Ok(vec![]);
    }
    for wanted in &wish.contacts {
        let at = bindings.iter().position(|binding| wanted.is_of(binding));
        if at.is_some_and(|at| wish.is_overtaken(&bindings[at])) {
            return Err(Refused::OutOfOrder);
        }
        let lasts = wanted.expires.unwrap_or(rules.expires).min(rules.max);
        if lasts > 0 && lasts < rules.min {
            return Err(Refused::TooBrief(rules.min));
        }
        if let Some(at) = at {
            bindings.remove(at);
        }
        if lasts > 0 {
            bindings.push(wish.binding(wanted, from, now + u64::from(lasts)));
        }
    }
    if bindings.len() > rules.most { Err(Refused::TooMany) } else { Ok(bindings) }
}

/// What a 200 tells besides the bindings.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// To tag.
    pub tag: &'a [u8],
    /// The user's address of record.
    pub address: &'a str,
    /// Makes temporary GRUUs; the number is random.
    pub gruus: (&'a Gruus, u64),
    /// Seconds after which a silent connection is closed.
    pub flow_timer: u64,
}

/// The 200 for a REGISTER: every binding of the user, with what is left of its time (§10.3 step 8).
pub fn accepted(
    request: &Message,
    source: SocketAddr,
    wish: &Wish,
    bindings: &[Binding],
    told: &Told<'_>,
    now: u64,
) -> Bytes {
    let mut draft = build::response(request, source, 200, b"OK", told.tag);
    for binding in bindings.iter().filter(|binding| binding.expires > now) {
        let gruus = binding.instance.as_deref().filter(|_| wish.gruu).map(|instance| {
            let temporary = told.gruus.0.temporary(told.address, instance, &binding.call_id, told.gruus.1);
            format!(";pub-gruu=\"{}\";temp-gruu=\"{temporary}\"", pub_gruu(told.address, instance))
        });
        draft.header("Contact", &[binding.written(now).as_bytes(), gruus.unwrap_or_default().as_bytes()]);
    }
    draft.copy(request, Name::Path);
    let outbound = bindings.iter().any(|binding| binding.reg_id > 0 && wish.made(binding));
    if outbound {
        draft.header("Require", &[b"outbound"]);
        draft.header("Flow-Timer", &[told.flow_timer.to_string().as_bytes()]);
    }
    draft.header("Supported", &[b"path, gruu, outbound"]);
    draft.empty()
}
