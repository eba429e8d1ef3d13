//! Who rings, for how long, and how often UM is tried.

use crate::{
    call::Legs,
    settings::{UmPlan, UmServer, User},
};

/// The plan of one call, as the machine needs it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Plan {
    /// How many devices ring.
    pub phones: u8,
    /// How many UM servers are tried, one after the other; 0: the user has no UM.
    pub um_servers: u8,
}

impl Plan {
    /// The plan for a call to `user`, who has so many `devices`, fixed and registered, and whose dial plan has `servers`
    /// to try (R8, R15).
    pub fn of(user: &User, devices: usize, servers: usize) -> Self {
        let devices = if user.forward_to_voicemail && servers > 0 { 0 } else { devices };
        Self { phones: devices.min(usize::from(Legs::MOST)) as u8, um_servers: servers.min(16) as u8 }
    }
}

/// The servers of a dial plan in the order they are tried: a random first pick, then its successors, `attempts` at most
/// and none twice (R15). `pick` is any random number.
pub fn um_order(plan: &UmPlan, attempts: u8, pick: u32) -> Vec<UmServer> {
    let count = plan.servers.len();
    let first = if count == 0 { 0 } else { pick as usize % count };
    plan.servers.iter().cycle().skip(first).take(count.min(usize::from(attempts))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::address::{Language, UserClass};

    #[test]
    fn who_forwards_to_voice_mail_rings_nowhere_unless_there_is_no_um() {
        for (devices, forwards, servers, phones, um_servers) in [
            (2, false, 2, 2, 2),
            (2, true, 2, 0, 2),
            (2, true, 0, 2, 0),
            (0, false, 1, 0, 1),
            (0, true, 0, 0, 0),
            (1_000, false, 1_000, 32, 16),
        ] {
            let user = user(forwards);
            assert_eq!(
                Plan::of(&user, devices, servers),
                Plan { phones, um_servers },
                "{devices} {forwards} {servers}"
            );
        }
    }

    #[test]
    fn two_attempts_never_a_third_and_never_the_same_server() {
        let plan =
            UmPlan { name: "lab".into(), servers: ["a", "b", "c"].map(|s| UmServer::Sip(s.into())).to_vec() };
        let names = |attempts, pick| -> String {
            um_order(&plan, attempts, pick)
                .iter()
                .map(|s| match s {
                    UmServer::Sip(uri) => uri.as_str(),
                    UmServer::Embedded => "embedded",
                })
                .collect()
        };
        for (attempts, pick, order) in
            [(2, 0, "ab"), (2, 1, "bc"), (2, 2, "ca"), (2, 3, "ab"), (9, 1, "bca"), (0, 0, "")]
        {
            assert_eq!(names(attempts, pick), order);
        }
        assert!(um_order(&UmPlan { name: "none".into(), servers: vec![] }, 2, 7).is_empty());
    }

    fn user(forward_to_voicemail: bool) -> User {
        User {
            address: "sip:1001@lab.test".into(),
            name: None,
            numbers: vec![],
            devices: vec![],
            login: None,
            ring_for: Duration::from_secs(20),
            um_plan: None,
            missed_calls: UserClass::Mail,
            forward_to_voicemail,
            min_ring: Duration::ZERO,
            mail_if_um_refuses: true,
            mail: None,
            time_zone: "UTC".into(),
            language: Language::En,
            greeting: None,
        }
    }
}
