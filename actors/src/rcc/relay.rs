//! What a PBX's gateway tells of a telephone, for the programs that monitor the same user here: off the hook at the desk shows
//! on the softphone. Calls that come or go through Ringpost as well are told as its own.

use std::{collections::HashMap, sync::Arc};

use ringpost::{
    directory::Directory,
    rcc::{
        line::{How, Left, Line, State},
        view::{End, Seen, Why},
    },
    settings::RccGateway,
};

use super::{Live, Look, Rcc, Times, missed};

/// The calls that programs know, by their users; `None`: one that is told as Ringpost's own.
#[derive(Default)]
pub(super) struct Relay(HashMap<Arc<str>, HashMap<String, Option<Live>>, ahash::RandomState>);

impl Relay {
    /// A line is so now.
    pub fn tells(
        &mut self,
        directory: &Directory,
        rcc: &Rcc,
        gateway: &RccGateway,
        (user, line): (&Arc<str>, &Line),
    ) {
        if !directory.site.rcc.enabled {
            return;
        }
        let known = self.0.entry(Arc::clone(user)).or_default();
        let gone: Vec<_> =
            known.keys().filter(|id| !line.calls().any(|(call, _)| call == *id)).cloned().collect();
        for id in gone {
            over(rcc, user, known.remove(&id).flatten(), End::Cleared);
        }
        for (id, call) in line.calls() {
            let state = match call.state {
                State::Dialling => Seen::Dialled,
                State::RingsHere | State::RingsThere => Seen::Rings,
                State::Talks => Seen::Talks,
                State::Held => Seen::Held,
                State::Failed => Seen::Over(End::Busy),
            };
            let other = missed::caller(directory, gateway, call.other.as_deref());
            let other: Option<Arc<str>> = other.number.or(other.uri).map(Into::into);
            let look = Look { incoming: call.incoming, other, redirected: None, state };
            let is_new = !known.contains_key(id);
            let live = known.entry(id.to_owned()).or_insert_with(|| {
                let name: Arc<str> = format!("{}-{id}", gateway.name).into();
                let new = Live { id: name, look: look.clone(), times: Times::now(), call: None };
                (!rcc.carries(user, look.incoming, look.other.as_deref())).then_some(new)
            });
            if let Some(live) = live.as_mut().filter(|live| is_new || live.look != look) {
                live.look = look;
                rcc.call(user, live.clone());
            }
        }
        if known.is_empty() {
            self.0.remove(user);
        }
    }

    /// A call has left, in that way.
    pub fn left(&mut self, rcc: &Rcc, user: &Arc<str>, left: &Left) {
        let known = self.0.get_mut(user).and_then(|known| known.remove(&left.call)).flatten();
        let end = match &left.how {
            How::Done | How::Missed | How::Unknown => End::Cleared,
            How::Diverted(to) => End::Diverted(to.clone(), Why::Redirected),
            How::Elsewhere => End::Elsewhere,
        };
        over(rcc, user, known, end);
    }

    /// Nothing is known of the line any more.
    pub fn forgets(&mut self, rcc: &Rcc, user: &Arc<str>) {
        for (_, live) in self.0.remove(user).unwrap_or_default() {
            over(rcc, user, live, End::Cleared);
        }
    }
}

fn over(rcc: &Rcc, user: &Arc<str>, live: Option<Live>, end: End) {
    if let Some(live) = live {
        rcc.call(user, Live { look: Look { state: Seen::Over(end), ..live.look }, ..live });
    }
}
