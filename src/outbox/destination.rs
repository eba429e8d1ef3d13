//! Whom a channel's notices are for, as far as one may fail where the others do not.

/// What the notices of a channel share their fate with, beside the channel's own server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Towards {
    /// Nothing: all go to the same place.
    #[default]
    One,
    /// The notices to the same mail domain: a relay defers one domain and takes another.
    Domain,
    /// The notices to the same mailbox.
    Mailbox,
}

impl Towards {
    /// The name of an item's destination, of its user's mail address.
    pub fn of(self, mail: Option<&str>) -> Option<&str> {
        match self {
            Self::One => None,
            Self::Domain => Some(mail?.rsplit_once('@')?.1),
            Self::Mailbox => mail,
        }
    }
}

/// How many of a channel's tries at once one destination may have, so that a slow one leaves room for the others: all but
/// a quarter.
pub fn share(at_once: usize) -> usize {
    match at_once {
        0 | 1 => 1,
        _ => at_once - (at_once / 4).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_domain_a_mailbox_or_none() {
        for (towards, mail, destination) in [
            (Towards::One, Some("a@x.test"), None),
            (Towards::Domain, Some("a@x.test"), Some("x.test")),
            (Towards::Domain, Some("\"a@b\"@x.test"), Some("x.test")),
            (Towards::Domain, Some("nonsense"), None),
            (Towards::Domain, None, None),
            (Towards::Mailbox, Some("a@x.test"), Some("a@x.test")),
            (Towards::Mailbox, None, None),
        ] {
            assert_eq!(towards.of(mail), destination, "{towards:?} {mail:?}");
        }
    }

    #[test]
    fn one_destination_never_has_all_tries_but_the_only_one() {
        for (at_once, allowed) in [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (16, 12), (32, 24), (1000, 750)] {
            assert_eq!(share(at_once), allowed, "{at_once}");
        }
    }
}
