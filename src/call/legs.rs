//! The legs of a call and sets of them.

/// One dialog of the call, or what may become one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Leg {
    /// Towards the PBX: the one that Ringpost answers.
    Caller,
    /// Towards one of the user's devices, or whoever rings instead, numbered as in the plan.
    Phone(u8),
    /// Towards a UM server, numbered by the try.
    Um(u8),
}

/// A set of devices.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Legs(u32);

impl Legs {
    /// No device.
    pub const NONE: Self = Self(0);
    /// How many devices one user may have.
    pub const MOST: u8 = 32;

    /// The devices 0 to `count` - 1; more than [`Legs::MOST`] are cut off.
    pub fn first(count: u8) -> Self {
        Self(u32::MAX.checked_shr(u32::from(Self::MOST.saturating_sub(count))).unwrap_or(0))
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the leg is a device of the set.
    pub fn has(self, leg: Leg) -> bool {
        self.0 & bit(leg) != 0
    }

    /// Takes the leg out.
    pub fn remove(&mut self, leg: Leg) {
        self.0 &= !bit(leg);
    }

    /// Puts the leg in.
    pub fn add(&mut self, leg: Leg) {
        self.0 |= bit(leg);
    }

    /// Both sets together.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The legs that are not in the other set.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The same devices, each with a number that is larger by that.
    pub fn after(self, count: u8) -> Self {
        Self(self.0.checked_shl(u32::from(count)).unwrap_or(0))
    }

    /// The devices, lowest number first.
    pub fn iter(self) -> impl Iterator<Item = Leg> {
        (0..Self::MOST).map(Leg::Phone).filter(move |leg| self.has(*leg))
    }
}

fn bit(leg: Leg) -> u32 {
    match leg {
        Leg::Phone(number) => 1u32.checked_shl(u32::from(number)).unwrap_or(0),
        Leg::Caller | Leg::Um(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        for (count, size) in [(0, 0), (1, 1), (2, 2), (31, 31), (32, 32), (200, 32)] {
            assert_eq!(Legs::first(count).iter().count(), size, "{count}");
        }
        let mut legs = Legs::first(3);
        legs.remove(Leg::Phone(1));
        assert_eq!(legs.iter().collect::<Vec<_>>(), [Leg::Phone(0), Leg::Phone(2)]);
        assert!(!legs.has(Leg::Caller) && !legs.has(Leg::Um(0)) && !legs.has(Leg::Phone(99)));
    }
}
