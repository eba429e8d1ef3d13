//! What a line is asked besides its calls, when its monitor has begun: do not disturb, and where calls are forwarded (R52, R113).

use std::sync::Arc;

use ringpost::rcc::{
    Connection, Event, Forwarding, Happened, Request, Response,
    client::{Answer, Client, Do, Health, Terms},
    event,
};

const TERMS: Terms = Terms { gap: 20, poll: 60_000, patience: 8_000, retry: (1_000, 120_000) };
const HALF_AN_HOUR: u64 = 1_800_000;

fn user() -> Arc<str> {
    "sip:0@x".into()
}

fn forwarding() -> Request {
    Request::GetForwarding { device: "tel:0".into() }
}

fn disturbing() -> Request {
    Request::GetDoNotDisturb { device: "tel:0".into() }
}

fn refused() -> Answer {
    Answer::Said(Response::Refused("operation invalidFeature".into()))
}

/// A gateway with one line; what it answers to the two services, `None`: nothing.
struct Played<F> {
    client: Client,
    says: F,
    /// What it was asked of the two, and when.
    asked: Vec<(u64, Request)>,
    lost: usize,
    now: u64,
}

impl<F: FnMut(u64, &Request) -> Option<Answer>> Played<F> {
    fn new(says: F) -> Self {
        let mut client = Client::new(TERMS, 0);
        client.follow([(user(), "tel:0".to_owned())]);
        Self { client, says, asked: vec![], lost: 0, now: 0 }
    }

    fn until(&mut self, end: u64) {
        while self.now < end {
            while let Some(what) = self.client.next(self.now, 7) {
                self.does(what);
            }
            self.now = self.client.wake().unwrap_or(end).clamp(self.now + 1, end.max(self.now + 1));
        }
    }

    fn does(&mut self, what: Do) {
        let now = self.now;
        match what {
            Do::Open => self.client.opened(true, None, now, 7),
            Do::Ask(asked @ (Request::GetForwarding { .. } | Request::GetDoNotDisturb { .. })) => {
                let answer = (self.says)(now, &asked);
                self.asked.push((now, asked));
                answer.into_iter().for_each(|answer| self.client.answered(answer, now, 7));
            }
            Do::Ask(Request::MonitorStart { .. }) => {
                let started = Response::MonitorStart { monitor: "m".into() };
                self.client.answered(Answer::Said(started), now, 7);
            }
            Do::Ask(Request::SnapshotDevice { .. }) => {
                self.client.answered(Answer::Said(Response::Snapshot(vec![])), now, 7);
            }
            Do::Ask(_) => {
                self.client.answered(Answer::Said(Response::SystemStatus { normal: true }), now, 7);
            }
            Do::Close => self.lost += 1,
            _ => {}
        }
    }

    fn line(&self) -> (Option<bool>, Option<String>) {
        let line = self.client.line("sip:0@x").expect("followed");
        (line.do_not_disturb, line.forwarded.clone())
    }

    fn times(&self, of: &Request) -> Vec<u64> {
        self.asked.iter().filter(|(_, asked)| asked == of).map(|(at, _)| *at).collect()
    }
}

fn told(happened: Happened, on: bool, to: Option<&str>) -> Event {
    Event {
        monitor: "m".into(),
        happened,
        connection: Connection::default(),
        device: Some("tel:0".into()),
        calling: None,
        called: None,
        redirection: None,
        second: None,
        joined: vec![],
        when: None,
        to: to.map(str::to_owned),
        on: Some(on),
        local: None,
        cause: String::new(),
    }
}

/// A telephone that was forwarded before the monitor began is known to be, at once and after each new dialog; only what forwards
/// every call counts.
#[test]
fn what_was_set_before_is_learned() {
    let mut played = Played::new(|_, asked| {
        Some(Answer::Said(match asked {
            Request::GetForwarding { .. } => Response::Forwarding(vec![
                (Forwarding::Busy, "tel:8".into()),
                (Forwarding::Immediate, "tel:9".into()),
            ]),
            _ => Response::DoNotDisturb { on: true },
        }))
    });
    played.until(200);
    assert_eq!(played.line(), (Some(true), Some("tel:9".into())));
    assert_eq!((played.times(&forwarding()), played.times(&disturbing())), (vec![40], vec![60]));
    played.client.gone(200, 7);
    assert_eq!(played.line(), (None, None));
    played.until(3_000);
    assert_eq!(played.line(), (Some(true), Some("tel:9".into())));
    assert_eq!((played.times(&forwarding()).len(), played.times(&disturbing()).len()), (2, 2));
}

/// An event between question and answer is newer than the answer; one that does not say where calls go has it asked for.
#[test]
fn events_and_answers_cross() {
    let mut client = Client::new(TERMS, 0);
    client.follow([(user(), "tel:0".to_owned())]);
    let says = |client: &mut Client, now, response| client.answered(Answer::Said(response), now, 7);
    assert_eq!(client.next(0, 7), Some(Do::Open));
    client.opened(true, None, 0, 7);
    let all = |client: &mut Client, now| -> Vec<Do> {
        std::iter::from_fn(|| client.next(now, 7)).filter(|what| matches!(what, Do::Ask(_))).collect()
    };
    all(&mut client, 0);
    says(&mut client, 0, Response::Features);
    all(&mut client, 0);
    says(&mut client, 0, Response::MonitorStart { monitor: "m".into() });
    all(&mut client, 20);
    says(&mut client, 20, Response::Snapshot(vec![]));
    assert_eq!(all(&mut client, 40), [Do::Ask(forwarding())]);
    client.event(&told(Happened::Forwarding, false, None), 45);
    says(&mut client, 50, Response::Forwarding(vec![(Forwarding::Immediate, "tel:9".into())]));
    assert_eq!(client.line("sip:0@x").and_then(|line| line.forwarded.clone()), None);
    assert_eq!(all(&mut client, 60), [Do::Ask(disturbing())]);
    says(&mut client, 60, Response::DoNotDisturb { on: false });
    assert_eq!(all(&mut client, 80), [Do::Ask(forwarding())]);
    says(&mut client, 80, Response::Forwarding(vec![]));
    assert_eq!(all(&mut client, 100), []);
    client.event(&told(Happened::Forwarding, true, None), 110);
    assert_eq!(all(&mut client, 120), [Do::Ask(forwarding())]);
    says(&mut client, 120, Response::Forwarding(vec![(Forwarding::Immediate, "tel:7".into())]));
    let line = client.line("sip:0@x").expect("followed");
    assert_eq!((line.do_not_disturb, line.forwarded.as_deref()), (Some(false), Some("tel:7")));
}

/// Who does not know the services is left alone with them for half an hour, says so by whatever words or by none, and loses no
/// dialog by it; who has learned them meanwhile is asked again.
#[test]
fn who_does_not_know_them_is_left_alone() {
    for answer in
        [Some(refused()), Some(Answer::Unread), Some(Answer::Refused(415)), Some(Answer::Refused(408)), None]
    {
        let mut played = Played::new(|now, asked| match asked {
            Request::GetDoNotDisturb { .. } if now > HALF_AN_HOUR => {
                Some(Answer::Said(Response::DoNotDisturb { on: true }))
            }
            _ => answer.clone(),
        });
        played.until(1_000_000);
        assert_eq!(
            (played.times(&forwarding()).len(), played.times(&disturbing()).len()),
            (3, 3),
            "{answer:?}"
        );
        assert_eq!(
            (played.client.health(), played.lost, played.line()),
            (Health::Well, 0, (None, None)),
            "{answer:?}"
        );
        // Neither does a new dialog bring it back.
        played.client.gone(1_000_000, 7);
        played.until(1_003_000);
        assert_eq!((played.client.health(), played.asked.len()), (Health::Well, 6), "{answer:?}");
        played.until(2 * HALF_AN_HOUR);
        assert_eq!((played.times(&forwarding()).len(), played.line().0), (4, Some(true)), "{answer:?}");
    }
}

/// Who has answered once knows them: refusals are then of that line, and silence is that of the whole gateway.
#[test]
fn who_has_answered_once_knows_them() {
    let mut played = Played::new(|now, _| match now {
        ..1_000 => Some(Answer::Said(Response::DoNotDisturb { on: false })),
        1_000..400_000 => Some(refused()),
        _ => None,
    });
    played.until(400_000);
    assert_eq!(played.times(&disturbing()).len(), 4);
    played.until(530_000);
    assert!(played.lost > 0);
}

/// Calls ring all the same where only some are forwarded.
#[test]
fn only_what_forwards_every_call_is_forwarded() {
    let body = |kind: &str| {
        format!(
            "<ForwardingEvent xmlns=\"http://www.ecma-international.org/standards/ecma-323/csta/ed4\"><monitorCrossRefID>m\
             </monitorCrossRefID><device><deviceIdentifier>tel:0</deviceIdentifier></device>{kind}\
             <forwardStatus>true</forwardStatus><forwardTo>tel:9</forwardTo></ForwardingEvent>"
        )
    };
    for (kind, follows) in [
        ("", true),
        ("<forwardingType>forwardImmediate</forwardingType>", true),
        ("<forwardingType>forwardImmediateInt</forwardingType>", true),
        ("<forwardingType>forwardBusy</forwardingType>", false),
        ("<forwardingType>forwardNoAnsExt</forwardingType>", false),
        ("<forwardingType>forwardDND</forwardingType>", false),
    ] {
        let read = event(body(kind).as_bytes()).expect("an event");
        assert_eq!(read.map(|event| event.to), follows.then(|| Some("tel:9".to_owned())), "{kind}");
    }
}
