//! The plan of a call: what the pure policy needs to know, and who its legs stand for.

use std::{cell::RefCell, sync::Arc};

use ringpost::{
    call::{Leg, Plan, wire::Diverted},
    directory::{Behalf, Directory, NoWay, Origin, Target, Ways},
    policy::{Ask, Party, Past, Planned, plan},
    registrar::Device,
    settings::{Policy, UmServer, User},
    sip::Message as SipMessage,
};
use smallvec::SmallVec;

use super::{CallActor, Reach};
use crate::{metrics::METRICS, pool::now, switch::Switch};

/// Plans a call, and says where its legs `Phone(0)` and so on go; whoever has no policy of the own costs one look.
pub(super) fn planned(
    switch: &Switch,
    (directory, user, own): (&Directory, &Arc<User>, Vec<Device>),
    (invite, origin): (&SipMessage, &Origin),
    reach: Reach,
    servers: usize,
) -> (Planned, Vec<Device>) {
    let policies = switch.policies();
    let wanted = match reach {
        Reach::Rings => policies.of(user),
        // It is the user who calls: nothing is forwarded, nobody else rings.
        Reach::Click => None,
        // Straight to UM, or to the desk that says that a feature code is taken or asks for an extension.
        Reach::VoiceMail | Reach::Code | Reach::Attendant | Reach::Mailbox { .. } => Some(Policy::default()),
    };
    let Some(policy) = wanted else {
        return (Planned { plan: Plan::of(user, own.len(), servers), ..Planned::default() }, own);
    };
    let voicemail = reach != Reach::Rings;
    by_policy(switch, (directory, user, own), (invite, origin), (&policy, voicemail, servers))
}

/// What a policy makes of a call.
pub(super) fn by_policy(
    switch: &Switch,
    (directory, user, own): (&Directory, &Arc<User>, Vec<Device>),
    (invite, origin): (&SipMessage, &Origin),
    (policy, voicemail, servers): (&Policy, bool, usize),
) -> (Planned, Vec<Device>) {
    let policies = switch.policies();
    let known = RefCell::new(vec![(Arc::clone(user), own)]);
    let ask = Ask {
        directory,
        user,
        policy,
        servers,
        voicemail,
        past: Past::of((invite, origin), directory, user),
        room: directory.site.policy.max_outside.saturating_sub(policies.outside(user)),
        devices: &|user| devices_of(switch, &known, user),
        is_quiet: &|user| policies.of(user).is_some_and(|policy| policy.do_not_disturb.is_some()),
        ways_out: &|number| ways_out(directory, user, number),
    };
    let planned = plan(&ask);
    if planned.outside > 0 {
        policies.went_outside(user, planned.outside);
    }
    let call = String::from_utf8_lossy(invite.call_id());
    planned.rules.iter().for_each(|rule| tracing::info!(%call, %rule, "Policy"));
    let known = known.into_inner();
    let device = |party: &Party| match party {
        Party::Device(of, number) => {
            let (_, devices) = known.iter().find(|(user, _)| user.address == of.address)?;
            devices.get(*number).cloned()
        }
        Party::Outside(ways) => ways.first().map(|way| Device::fixed(&way.uri)),
    };
    let devices = planned.parties.iter().filter_map(device).collect();
    (planned, devices)
}

/// The trunks that lead to a number outside; one that a user wants and the site forbids is counted (T19).
fn ways_out(directory: &Directory, user: &User, number: &str) -> Vec<Target> {
    directory.ways_out(number, Behalf::of(user), now()).unwrap_or_else(|why| {
        match why {
            NoWay::Forbidden => METRICS.calls_refused_toll_total.one(),
            NoWay::NotInPolicy => METRICS.calls_refused_voice_policy_total.one(),
            NoWay::Unserved | NoWay::Down => {}
        }
        vec![]
    })
}

/// How many devices a user has, looked up once for a call.
fn devices_of(switch: &Switch, known: &RefCell<Vec<(Arc<User>, Vec<Device>)>>, user: &Arc<User>) -> usize {
    let mut known = known.borrow_mut();
    if let Some((_, devices)) = known.iter().find(|(other, _)| other.address == user.address) {
        return devices.len();
    }
    let devices = switch.devices(user);
    let count = devices.len();
    known.push((Arc::clone(user), devices));
    count
}

/// The trunks that each leg to a number outside has to try, as they leave the plan for the call.
pub(super) fn ways(planned: &Planned) -> Vec<(Leg, Ways)> {
    if planned.outside == 0 {
        return vec![];
    }
    let parties = planned.parties.iter().enumerate();
    let outside = parties.filter_map(|(number, party)| match party {
        Party::Outside(ways) => Some((Leg::Phone(number as u8), Ways::new(ways.clone()))),
        Party::Device(..) => None,
    });
    outside.collect()
}

impl CallActor {
    /// Why the call is diverted to that leg: to UM (PROTOCOLS §2) or to whom it is forwarded to (RFC 5806); `None` where it
    /// is not, and where the owner calls the own mailbox.
    pub(super) fn diverted(&self, leg: Leg) -> Option<Diverted> {
        let forwarded = match leg {
            Leg::Um(_) => !self.reach.is_desk(),
            Leg::Phone(_) => self.machine.plan().is_forwarded(leg),
            Leg::Caller => false,
        };
        let own = || self.caller.number.as_deref().and_then(|number| self.directory.user(number));
        if !forwarded || own().is_some_and(|user| user.address == self.user.address) {
            return None;
        }
        let quiet = self.planned.rules.contains(&ringpost::policy::Rule::DoNotDisturb);
        Some(if quiet {
            Diverted::DoNotDisturb
        } else if self.planned.unconditional || self.reach == Reach::VoiceMail {
            Diverted::Unconditional
        } else if self.own_devices() == 0 {
            Diverted::Unavailable
        } else if self.user.forward_to_voicemail {
            Diverted::Unconditional
        } else {
            let others = self.machine.plan().others;
            let own =
                self.refusals.iter().filter(|(leg, _)| matches!(leg, Leg::Phone(_)) && !others.has(*leg));
            let codes: SmallVec<[u16; 8]> = own.filter_map(|(_, refusal)| refusal.code()).collect();
            Diverted::by(&codes, self.own_devices())
        })
    }

    fn own_devices(&self) -> usize {
        let others = self.machine.plan().others;
        (0..self.devices.len()).filter(|number| !others.has(Leg::Phone(*number as u8))).count()
    }

    /// Ringpost's own UM is told what happened before.
    pub(super) fn is_own_um(&self, leg: Leg) -> bool {
        matches!(leg, Leg::Um(number) if self.um.get(usize::from(number)).is_some_and(|um| um.server == UmServer::Embedded))
    }
}
