//! What a call shows of the gateways of its routes.

use ringpost::{call::Leg, um::health::Sign};

use super::CallActor;

impl CallActor {
    /// It rings behind the gateway of a leg, or the telephone network has spoken.
    pub(super) fn gateway_works(&self, leg: Leg) {
        let ways = self.ways.iter().find(|(of, ways)| *of == leg && ways.are_routed());
        if let Some(way) = ways.and_then(|(_, ways)| ways.at()) {
            self.switch.note_gateway(&way.trunk.name, Sign::Good);
        }
    }

    /// Whether the number outside that was dialled is out of reach, because every gateway has failed.
    pub(super) fn gateways_failed(&self) -> bool {
        self.planned.parties.is_empty() && self.ways.iter().any(|(_, ways)| ways.have_failed())
    }
}
