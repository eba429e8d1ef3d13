//! Whether the server lives. OPTIONS tells that fastest; but whatever it answers or sends is life, and one that never answers
//! OPTIONS is asked by one SUBSCRIBE at a time.

use super::Connector;

/// One that has answered OPTIONS before and is silent is asked by a SUBSCRIBE too, once in so many times: it may answer OPTIONS
/// no more.
const SELDOM: u32 = 12;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Health {
    #[default]
    Unknown,
    Well,
    Silent,
}

/// What is known of its life.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub health: Health,
    /// It has ever answered OPTIONS.
    answers: bool,
    /// Something has come since it was last asked by OPTIONS.
    heard: bool,
    /// How often in a row OPTIONS got no answer though something else has come meanwhile.
    deaf: u32,
    /// How often in a row OPTIONS got no answer and nothing has come.
    silent: u32,
    /// One request may find out.
    probes: bool,
}

impl Life {
    /// So many requests may be under way now.
    pub fn room(&self, at_once: usize) -> usize {
        match self.health {
            Health::Well => at_once,
            Health::Silent => usize::from(self.probes),
            Health::Unknown => 0,
        }
    }

    /// A request has been made.
    pub fn asks_more(&mut self) {
        self.probes = false;
    }

    /// Whether it does not answer OPTIONS while it lives, so that no answer means nothing.
    fn is_deaf(&self) -> bool {
        !self.answers || self.deaf > 1
    }
}

impl Connector {
    /// Whether it is taken to live.
    pub fn lives(&self) -> bool {
        self.life.health == Health::Well
    }

    /// OPTIONS is sent: what comes from now on shows that the server lives.
    pub fn asks(&mut self) {
        self.life.heard = false;
    }

    /// The server has answered OPTIONS, or has not.
    pub fn answers(&mut self, answers: bool) {
        if answers {
            (self.life.answers, self.life.deaf) = (true, 0);
            let was_well = self.lives();
            self.hears_of_it(None);
            // One after the other, so that a server that was fast to come back is found out.
            if was_well {
                self.doubt_next();
            }
            return;
        }
        if self.life.heard {
            self.life.deaf += 1;
        } else if self.lives() && self.life.is_deaf() {
            self.life.silent += 1;
        } else {
            return self.falls_silent(true);
        }
        // What it is asked instead, and whether it has lost its memory.
        self.doubt_next();
    }

    /// OPTIONS did not even get there: neither would anything else.
    pub fn is_not_reached(&mut self) {
        if !self.life.heard {
            self.falls_silent(false);
        }
    }

    /// Something has come from it; `about`: that subscription needs no doubt.
    pub(super) fn hears_of_it(&mut self, about: Option<usize>) {
        (self.life.heard, self.life.silent) = (true, 0);
        if !self.lives() {
            self.life.health = Health::Well;
            // Those may wait for their own time-outs yet.
            (self.under_way, self.rest) = (0, 0);
            self.doubt_all(about);
            self.note_all();
        }
    }

    /// A request got no answer: of one that does not answer OPTIONS either that is silence.
    pub(super) fn misses_it(&mut self) {
        if self.lives() && self.life.is_deaf() && self.life.silent > 0 {
            self.falls_silent(true);
        }
    }

    fn falls_silent(&mut self, is_reached: bool) {
        self.life.silent += 1;
        if self.life.health != Health::Silent {
            self.life.health = Health::Silent;
            self.life.silent = 1;
            self.forget_all();
        }
        let may = !self.life.answers || self.life.silent.is_multiple_of(SELDOM);
        if is_reached && may {
            self.life.probes = true;
            if self.ready.is_empty() {
                self.doubt_next();
            }
        }
    }

    /// The next subscription that the server should hold is prolonged.
    fn doubt_next(&mut self) {
        let all = self.slots.len();
        let held = |at: &usize| self.slots[*at].as_ref().is_some_and(|slot| slot.machine.is_held());
        if let Some(at) = (1..=all).map(|more| (self.turn + more) % all).find(held) {
            self.turn = at;
            self.doubt(at);
        }
    }
}
