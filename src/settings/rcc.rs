//! `[rcc]`: who may control telephones.

use super::User;

/// `[rcc]`.
#[derive(Clone, Debug)]
pub struct Rcc {
    /// `enabled`: whether anybody may. Default false.
    pub enabled: bool,
    /// `session`: how long a dialog lasts without a refresh, in seconds, where the client leaves it to us. Default 30 min.
    pub session: u32,
    /// `max_dialogs`: in all. Default 10,000.
    pub most: usize,
    /// `max_user_dialogs`: of one user or trunk. Default 10; trunks that control every user have no such limit.
    pub per_user: usize,
    /// `trunks`: those that control the telephones of every user. Default none.
    pub trunks: Vec<String>,
    /// `[[rcc.delegate]]`.
    pub delegates: Vec<Delegate>,
}

/// `[[rcc.delegate]]`: a user who controls the telephones of others.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Delegate {
    /// `user`: by address or number.
    pub user: String,
    /// `lines`: whose, by address or number.
    pub lines: Vec<String>,
}

/// Who wants to control a telephone.
#[derive(Clone, Copy, Debug)]
pub enum Controller<'a> {
    /// A user.
    User(&'a User),
    /// A trunk, by its name.
    Trunk(&'a str),
}

impl Rcc {
    /// Whether it may (T12): everybody the own one, others as the site says.
    pub fn may(&self, who: Controller<'_>, of: &User) -> bool {
        match who {
            Controller::Trunk(name) => self.is_trusted(name),
            Controller::User(user) if user.address == of.address => true,
            Controller::User(user) => {
                let named = |delegate: &&Delegate| is(user, &delegate.user);
                self.delegates.iter().filter(named).any(|one| one.lines.iter().any(|line| is(of, line)))
            }
        }
    }

    /// Whether a trunk controls every user.
    pub fn is_trusted(&self, trunk: &str) -> bool {
        self.trunks.iter().any(|name| name == trunk)
    }
}

fn is(user: &User, named: &str) -> bool {
    user.address.eq_ignore_ascii_case(named) || user.numbers.iter().any(|number| number == named)
}
