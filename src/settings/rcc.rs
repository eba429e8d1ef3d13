//! `[rcc]`: who may control telephones, and which PBXs tell what telephones do.

use std::time::Duration;

use super::{TrunkLogin, User};
use crate::rcc::{Edition, client::Terms};

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
    /// `make_call`: whether only the telephone rings that the user has used last when a program has the user call somebody; else
    /// all do. Default false, `all`.
    pub last_used: bool,
    /// `[[rcc.delegate]]`.
    pub delegates: Vec<Delegate>,
    /// `[rcc.gateway.NAME]`: by name. They count also where `enabled` is false.
    pub gateways: Vec<Gateway>,
}

/// `[rcc.gateway.NAME]`: a PBX's CSTA gateway that tells what users' telephones do (R52, R114).
#[derive(Clone, Debug)]
pub struct Gateway {
    /// NAME: in the health report, and as the source of what it tells.
    pub name: String,
    /// `server`: its SIP URI, as it is written.
    pub target: String,
    /// `login`, `password_file`, `realm`: what its challenges are answered with.
    pub login: Option<TrunkLogin>,
    /// `from`: the URI in From. Default `sip:ringpost@` and the domain.
    pub from: Option<String>,
    /// `users`: by number or address; `None`: all who have a number.
    pub users: Option<Vec<String>>,
    /// `device`: how it calls a user's telephone, with `{number}` and `{address}`. Default `tel:{number}`.
    pub device: String,
    /// `trunk`: the trunk by whose rules the numbers in its events are read.
    pub trunk: Option<String>,
    /// `dialog_per_user`: whether each line has a dialog of its own. Default false.
    pub per_user: bool,
    /// `edition`: of ECMA-323, in which it is spoken to. Default 3.
    pub edition: Edition,
    /// `session`: how long a dialog lasts without a refresh, in seconds. Default 30 min.
    pub session: u32,
    /// `poll`: how often it is asked whether it works. Default 1 min.
    pub poll: Duration,
    /// `monitor_gap`: the time between two monitors that begin. Default 20 ms.
    pub gap: Duration,
    /// `timeout`: how long an answer may take. Default 8 s.
    pub timeout: Duration,
    /// `retry`, `longest_retry`: how soon it is tried again, at first and at last. Default 1 s and 2 min.
    pub retry: (Duration, Duration),
}

impl Gateway {
    /// How it is asked.
    pub fn terms(&self) -> Terms {
        let ms = |time: Duration| time.as_millis() as u64;
        let retry = (ms(self.retry.0), ms(self.retry.1));
        Terms { gap: ms(self.gap), poll: ms(self.poll), patience: ms(self.timeout), retry }
    }

    /// Whether a dialog that was opened by the other one may stay.
    pub fn is_called_as(&self, other: &Self) -> bool {
        let login = |one: &Self| {
            let login = one.login.as_ref();
            login.map(|with| (with.login.user.clone(), with.login.password.0.clone(), with.realm.clone()))
        };
        let place =
            |one: &Self| (one.name.clone(), one.target.clone(), one.from.clone(), one.edition, one.session);
        place(self) == place(other) && login(self) == login(other) && self.per_user == other.per_user
    }

    /// How it calls the telephone of a user; `None`: by a number, and the user has none.
    pub fn device_of(&self, user: &User) -> Option<String> {
        let number = user.numbers.first();
        if self.device.contains("{number}") && number.is_none() {
            return None;
        }
        let device = self.device.replace("{number}", number.map_or("", String::as_str));
        Some(device.replace("{address}", &user.address))
    }
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

    /// Whether the calls of users are followed: for programs, or to know which of them a PBX tells of too.
    pub fn follows_calls(&self) -> bool {
        self.enabled || !self.gateways.is_empty()
    }

    /// Whether a trunk controls every user.
    pub fn is_trusted(&self, trunk: &str) -> bool {
        self.trunks.iter().any(|name| name == trunk)
    }
}

fn is(user: &User, named: &str) -> bool {
    user.address.eq_ignore_ascii_case(named) || user.numbers.iter().any(|number| number == named)
}
