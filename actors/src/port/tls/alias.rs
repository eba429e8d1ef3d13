//! Connections that their openers let be used the other way round (RFC 5923): a peer that has shown a certificate of the
//! name in its Via and says `alias` is called on its own connection, from every lane.

use std::{collections::HashMap, net::SocketAddr};

use ahash::RandomState;

/// Whom a connection stands for: the number of a name that its certificate is of, and the address there.
type End = (u32, SocketAddr);

/// The connections, by whom they lead to; one end for each.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    connections: HashMap<End, u64, RandomState>,
    ends: HashMap<u64, End, RandomState>,
}

impl Aliases {
    /// From now on that connection leads there.
    pub fn note(&mut self, end: End, connection: u64) {
        self.forget(connection);
        self.connections.insert(end, connection);
        self.ends.insert(connection, end);
    }

    /// The connection that leads there.
    pub fn find(&self, end: End) -> Option<u64> {
        self.connections.get(&end).copied()
    }

    /// A connection has closed.
    pub fn forget(&mut self, connection: u64) {
        if let Some(end) = self.ends.remove(&connection)
            && self.connections.get(&end) == Some(&connection)
        {
            self.connections.remove(&end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_stands_for_one_end_as_long_as_it_is_open() {
        let place = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let mut aliases = Aliases::default();
        aliases.note((1, place(5061)), 7);
        assert_eq!(aliases.find((1, place(5061))), Some(7));
        assert_eq!(aliases.find((2, place(5061))), None, "another name");
        assert_eq!(aliases.find((1, place(5062))), None, "another port");
        // A newer connection takes its place, and its end does not undo that.
        aliases.note((1, place(5061)), 8);
        aliases.forget(7);
        assert_eq!(aliases.find((1, place(5061))), Some(8));
        aliases.note((1, place(5062)), 8);
        assert_eq!(aliases.find((1, place(5061))), None, "one end for each connection");
        aliases.forget(8);
        assert_eq!((aliases.connections.len(), aliases.ends.len()), (0, 0));
    }
}
