//! How a leg ends: whatever its peer still waits for it gets first.

use std::sync::Arc;

use actix::prelude::*;
use ringpost::{
    call::{Event, Why},
    sip::{Message as SipMessage, Name, transaction::Owner},
};

use super::{LegActor, Side};
use crate::{call::What, guard::caught};

impl LegActor {
    /// Ends the dialog, for the reason that the other leg's peer has `said`. RFC 3261 §15: the one that was called says
    /// no BYE before the ACK.
    pub(super) fn bye(&mut self, why: Why, said: Option<Arc<SipMessage>>) {
        if self.drops_answer(480) {
            return;
        }
        match &mut self.side {
            Side::Caller { acked: false, bye, .. } => {
                *bye = Some((why, said));
                return;
            }
            Side::Called { client, acked: acked @ false, .. } => {
                *acked = true;
                let client = *client;
                self.send_ack(client, self.sequence, None);
            }
            Side::Caller { .. } | Side::Called { .. } => {}
        }
        let Some(mut dialog) = self.dialog.take() else { return };
        let mut draft = dialog.request(b"BYE");
        let peer = self.peer;
        self.port.ask(peer, Owner::Nobody, |branch| {
            self.port.via(&mut draft, &peer, branch);
            if let Some(reason) = why.reason() {
                draft.header("Reason", &[reason.as_bytes()]);
            } else if let Some(said) = &said {
                for reason in said.values(Name::Reason) {
                    draft.header("Reason", &[reason]);
                }
            }
            draft.empty()
        });
    }

    /// No ACK for an answer of ours within 64*T1: BYE all the same (RFC 3261 §13.3.1.4).
    pub(super) fn unacknowledged(&mut self) {
        let mut owed = None;
        if let Side::Caller { acked, bye, .. } = &mut self.side {
            *acked = true;
            owed = bye.take();
        }
        self.tell(What::Event(Event::Lost(self.leg), None));
        if let Some((why, said)) = owed {
            self.bye(why, said);
        }
    }

    /// Leaves as soon as nothing is owed.
    pub(super) fn go(&mut self, ctx: &mut Context<Self>) {
        self.leaving = true;
        if !self.guarded(ctx, Self::leave) {
            // Its end broke as well: the caller is told if that is possible, and the leg forgotten.
            let _ = caught(|| self.respond(500, None, b""));
            self.switch.forget_leg(self.token);
            ctx.stop();
        }
    }

    fn leave(&mut self, ctx: &mut Context<Self>) {
        self.drops_answer(480);
        self.forget_session(ctx);
        self.refuse_asked(ctx);
        let why = match self.side {
            Side::Called { cancelled, .. } => cancelled,
            Side::Caller { .. } => Why::Over,
        };
        if self.dialog.is_some() && !self.owes_bye() {
            // The call had gone when it was told of this answer: nobody else hangs the peer up.
            self.bye(why, None);
        }
        if self.owes_bye() {
            return;
        }
        if let Side::Called { client, .. } = self.side {
            self.port.orphan(client, why.reason());
        }
        for passed in &self.passed {
            self.port.orphan(passed.client, None);
        }
        self.switch.forget_leg(self.token);
        ctx.stop();
    }

    fn owes_bye(&self) -> bool {
        matches!(self.side, Side::Caller { bye: Some(_), acked: false, .. }) && self.dialog.is_some()
    }
}
