//! What a telephone is asked to do by a program: a NOTIFY without subscription, as desk phones (Polycom, Yealink, Snom) know it
//! that say `Allow-Events: talk, hold`. The phone then answers, or sends the re-INVITE, itself.

use ringpost::sip::{dialog::Dialog, transaction::Owner};

use super::{LegActor, Side};

impl LegActor {
    /// Asks for what that event package means: to talk, or to hold.
    pub(super) fn ask_telephone(&mut self, package: &'static str) {
        let (port, mut peer, contact) = (std::rc::Rc::clone(&self.port), self.peer, self.stand().contact());
        if self.dialog.is_none() {
            let Some(hop) = self.rung_dialog().map(|early| early.next_hop().to_vec()) else { return };
            peer = port.peer(&hop).map_or(peer, |hop| self.toward(hop));
        }
        let draft = match &mut self.dialog {
            Some(dialog) => Some(dialog.request(b"NOTIFY")),
            None => self.rung_dialog().map(|early| early.request(b"NOTIFY")),
        };
        let Some(mut draft) = draft else { return };
        port.ask(peer, Owner::Nobody, |branch| {
            port.via(&mut draft, &peer, branch);
            draft.header("Contact", &[&contact]).header("Event", &[package.as_bytes()]);
            draft.header("Subscription-State", &[b"active;expires=60"]);
            draft.empty()
        });
    }

    /// The early dialog with a device that rings.
    fn rung_dialog(&mut self) -> Option<&mut Dialog> {
        let Side::Called { client, answered: false, .. } = self.side else { return None };
        let rang = self.rang.clone()?;
        if self.reliable_dialog(&rang).is_some() {
            return self.reliable_dialog(&rang);
        }
        if self.rung.as_ref().is_none_or(|early| !early.is_with(&rang)) {
            let invite = self.port.sent_invite(client)?;
            self.rung = Dialog::uac(&invite, &rang).map(Box::new);
        }
        self.rung.as_deref_mut()
    }
}
