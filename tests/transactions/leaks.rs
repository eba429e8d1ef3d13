//! Whatever comes in whatever order: no panic, and once everything has ended nothing is left.

use proptest::prelude::*;

use crate::lane::Lane;
use ringpost::sip::token::Token;

/// One thing that happens to a lane.
#[derive(Clone, Debug)]
enum Step {
    Invite,
    Request,
    /// A response to the client transaction of that number.
    Response {
        which: usize,
        code: u16,
        method: u8,
        tag: u8,
    },
    /// A request with that branch.
    Incoming {
        method: u8,
        branch: u8,
        old: bool,
        tag: bool,
    },
    Respond {
        which: usize,
        code: u16,
    },
    Acknowledge {
        which: usize,
        tag: u8,
    },
    Acknowledged {
        which: usize,
    },
    Cancel {
        which: usize,
    },
    Orphan {
        which: usize,
    },
    Undeliverable {
        which: usize,
    },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let code = prop_oneof![100..200u16, 200..204u16, 300..700u16];
    let which = 0..6usize;
    prop_oneof![
        Just(Step::Invite),
        Just(Step::Request),
        (which.clone(), code.clone(), 0..4u8, 0..3u8).prop_map(|(which, code, method, tag)| Step::Response {
            which,
            code,
            method,
            tag
        }),
        (which.clone(), code.clone(), 0..4u8, 0..3u8).prop_map(|(which, code, method, tag)| Step::Response {
            which,
            code,
            method,
            tag
        }),
        (0..6u8, 0..3u8, any::<bool>(), any::<bool>())
            .prop_map(|(method, branch, old, tag)| Step::Incoming { method, branch, old, tag }),
        (which.clone(), code).prop_map(|(which, code)| Step::Respond { which, code }),
        (which.clone(), 0..3u8).prop_map(|(which, tag)| Step::Acknowledge { which, tag }),
        which.clone().prop_map(|which| Step::Acknowledged { which }),
        which.clone().prop_map(|which| Step::Cancel { which }),
        which.clone().prop_map(|which| Step::Orphan { which }),
        which.prop_map(|which| Step::Undeliverable { which }),
        prop_oneof![0..600u64, 600..40_000u64].prop_map(Step::Wait),
    ]
}

const METHODS: [&str; 6] = ["INVITE", "CANCEL", "INFO", "BYE", "ACK", "OPTIONS"];

fn perform(lane: &mut Lane, clients: &mut Vec<Token>, servers: &mut Vec<Token>, step: Step) {
    let client = |which: usize| clients.get(which % clients.len().max(1)).copied().unwrap_or(Token(9));
    let there = lane.peer;
    match step {
        Step::Invite => clients.push(lane.invite()),
        Step::Request => clients.push(lane.request("INFO")),
        Step::Response { which, code, method, tag } => {
            lane.response(
                client(which),
                code,
                METHODS[usize::from(method)],
                ["", "a", "b"][usize::from(tag)],
            );
        }
        Step::Incoming { method, branch, old, tag } => {
            let method = METHODS[usize::from(method)];
            let cookie = if old { "" } else { "z9hG4bK" };
            let tag = if tag { ";tag=us" } else { "" };
            lane.receive(&format!(
                "{method} sip:1001@lab.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch={cookie}{branch}\r\n\
                 From: <sip:p@h>;tag=p\r\nTo: <sip:u@h>{tag}\r\nCall-ID: {branch}\r\nCSeq: 3 {method}\r\n\r\n"
            ));
            servers.push(lane.server);
        }
        Step::Respond { which, code } => {
            if let Some(server) = servers.get(which % servers.len().max(1)) {
                lane.server = *server;
                lane.respond(code);
            }
        }
        Step::Acknowledge { which, tag } => {
            let tag = ["", "a", "b"][usize::from(tag)];
            lane.acknowledge(client(which), there, tag);
        }
        Step::Acknowledged { which } => {
            let server = servers.get(which % servers.len().max(1)).copied();
            lane.transactions.acknowledged(server.unwrap_or(client(which)));
        }
        Step::Cancel { which } => {
            let client = client(which);
            lane.with(|it, now, out| it.cancel(client, None, now, out));
        }
        Step::Orphan { which } => lane.transactions.orphan(client(which), None),
        Step::Undeliverable { which } => {
            let client = client(which);
            lane.with(|it, now, out| it.undeliverable(client, now, out));
        }
        Step::Wait(time) => lane.until(lane.now + time),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_leaks_whatever_comes(tcp: bool, steps in prop::collection::vec(step(), 1..40)) {
        let mut lane = if tcp { Lane::tcp() } else { Lane::udp() };
        let (mut clients, mut servers) = (vec![], vec![]);
        for step in steps {
            perform(&mut lane, &mut clients, &mut servers, step);
        }
        // The transaction users end what they began, as each of them must.
        for client in &clients {
            lane.transactions.orphan(*client, None);
        }
        for server in servers {
            lane.server = server;
            lane.respond(500);
        }
        // CANCEL, its 64*T1, and the BYE of an answer at its end with another 64*T1.
        lane.until(lane.now + 65_000);
        prop_assert_eq!(lane.len(), 0);
        // Timers of what is gone go with the next turn of the wheel.
        lane.until(lane.now + 110_000);
        prop_assert_eq!(lane.transactions.due(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_forgotten_ends_too(tcp: bool, steps in prop::collection::vec(step(), 1..30)) {
        let mut lane = if tcp { Lane::tcp() } else { Lane::udp() };
        let (mut clients, mut servers) = (vec![], vec![]);
        for step in steps {
            perform(&mut lane, &mut clients, &mut servers, step);
        }
        lane.until(lane.now + 3_700_000);
        prop_assert_eq!(lane.len(), 0);
    }
}
