//! The client of a PBX's gateway as a machine, by scripts and by random histories against a gateway that loses things (R52).

use std::{collections::BTreeMap, sync::Arc};

use ringpost::{
    rcc::{
        Connection, Event, Happened, Local, Request, Response,
        client::{Answer, Client, Do, Health, Terms},
        line::Phone,
    },
    sip::session_timer::Session,
};

const TERMS: Terms = Terms { gap: 20, poll: 60_000, patience: 8_000, retry: (1_000, 120_000) };

fn user(number: u32) -> Arc<str> {
    format!("sip:{number}@x").into()
}

fn lines(count: u32) -> Vec<(Arc<str>, String)> {
    (0..count).map(|number| (user(number), format!("tel:{number}"))).collect()
}

fn all(client: &mut Client, now: u64) -> Vec<Do> {
    std::iter::from_fn(|| client.next(now, 7)).collect()
}

fn event(monitor: &str, call: &str, device: &str, happened: Happened) -> Event {
    Event {
        monitor: monitor.into(),
        happened,
        connection: Connection { call: call.into(), device: device.into() },
        device: Some(device.into()),
        calling: Some("tel:+4511".into()),
        called: None,
        redirection: None,
        second: None,
        joined: vec![],
        when: None,
        to: None,
        on: None,
        local: None,
        cause: String::new(),
    }
}

fn started(monitor: &str) -> Answer {
    Answer::Said(Response::MonitorStart { monitor: monitor.into() })
}

const FEATURES: Answer = Answer::Said(Response::Features);

/// Opened, with one line that is monitored and looked at.
fn open() -> Client {
    let mut client = Client::new(TERMS, 0);
    client.follow(lines(1));
    assert_eq!(all(&mut client, 0), [Do::Open]);
    client.opened(true, Some(Session { interval: 1_800, ours: true }), 0, 7);
    assert_eq!(all(&mut client, 0), [Do::Ask(Request::Features)]);
    client.answered(FEATURES, 0, 7);
    assert_eq!(all(&mut client, 0), [Do::Ask(Request::MonitorStart { device: "tel:0".into() })]);
    client.answered(started("m0"), 0, 7);
    assert_eq!(all(&mut client, 0), [Do::Show(user(0))]);
    assert_eq!(all(&mut client, 20), [Do::Ask(Request::SnapshotDevice { device: "tel:0".into() })]);
    client.answered(Answer::Said(Response::Snapshot(vec![])), 20, 7);
    assert_eq!((all(&mut client, 20), client.health()), (vec![], Health::Well));
    assert_eq!(all(&mut client, 40), [Do::Ask(Request::GetForwarding { device: "tel:0".into() })]);
    client.answered(Answer::Said(Response::Forwarding(vec![])), 40, 7);
    assert_eq!(all(&mut client, 60), [Do::Ask(Request::GetDoNotDisturb { device: "tel:0".into() })]);
    client.answered(Answer::Said(Response::DoNotDisturb { on: false }), 60, 7);
    assert_eq!(all(&mut client, 60), [Do::Show(user(0))]);
    client
}

#[test]
fn the_dialog_is_refreshed_a_minute_before_its_end_and_polled_in_between() {
    let mut client = open();
    let mut asked = vec![];
    let mut now = 20;
    while now < 1_800_000 {
        now = client.wake().expect("it waits for something").max(now);
        for what in all(&mut client, now) {
            asked.push((now, what.clone()));
            match what {
                Do::Refresh => client.refreshed(Some(Session { interval: 1_800, ours: true }), now),
                Do::Ask(Request::SnapshotDevice { .. }) => {
                    client.answered(Answer::Said(Response::Snapshot(vec![])), now, 7);
                }
                _ => client.answered(Answer::Said(Response::SystemStatus { normal: true }), now, 7),
            }
        }
    }
    // Each poll looks at a line besides, whatever it does.
    let looks =
        asked.iter().filter(|(_, what)| matches!(what, Do::Ask(Request::SnapshotDevice { .. }))).count();
    assert!((15..=30).contains(&looks), "{looks}");
    let polls =
        asked.iter().filter(|(_, what)| *what == Do::Ask(Request::SystemStatus { line: None })).count();
    let refreshes: Vec<u64> =
        asked.iter().filter(|(_, what)| *what == Do::Refresh).map(|(at, _)| *at).collect();
    assert_eq!((polls, refreshes.as_slice()), (30, &[1_740_000][..]));
}

/// What ends a dialog, whether we say BYE, and when it is tried again.
#[test]
fn whatever_ends_the_dialog_hides_every_line() {
    type End = fn(&mut Client);
    let ends: [(&str, End, bool); 7] = [
        ("BYE", |client| client.gone(60_000, 7), false),
        ("481", |client| client.answered(Answer::Refused(481), 60_000, 7), false),
        ("408", |client| client.answered(Answer::Refused(408), 60_000, 7), true),
        ("503", |client| client.answered(Answer::Refused(503), 60_000, 7), true),
        ("401", |client| client.answered(Answer::Refused(401), 60_000, 7), true),
        (
            "disabled",
            |client| client.answered(Answer::Said(Response::SystemStatus { normal: false }), 60_000, 7),
            true,
        ),
        ("silence", |_| {}, true),
    ];
    for (what, end, says_bye) in ends {
        let mut client = open();
        client.event(&event("m0", "c1", "tel:0", Happened::Originated), 30);
        assert_eq!(all(&mut client, 30), [Do::Show(user(0))]);
        assert_eq!(client.line("sip:0@x").map(|line| line.phone()), Some(Phone::Calling));
        assert_eq!(all(&mut client, 60_000), [Do::Ask(Request::SystemStatus { line: None })]);
        end(&mut client);
        let done = all(&mut client, 68_000);
        let expected = match says_bye {
            true => vec![Do::Hide(user(0)), Do::Close],
            false => vec![Do::Hide(user(0))],
        };
        assert_eq!(done[..expected.len()], expected, "{what}");
        assert_eq!(client.line("sip:0@x").map(|line| line.phone()), Some(Phone::Idle), "{what}");
        let again = if done.contains(&Do::Open) { 68_000 } else { client.wake().expect("it tries again") };
        assert!(again <= 70_000, "{what} at {again}");
    }
    // What does not: a refusal of one service, or an answer that cannot be read.
    for answer in [Answer::Refused(500), Answer::Refused(415), Answer::Unread] {
        let mut client = open();
        assert_eq!(all(&mut client, 60_020).len(), 1);
        client.answered(answer, 60_020, 7);
        let look = Do::Ask(Request::SnapshotDevice { device: "tel:0".into() });
        assert_eq!((all(&mut client, 60_020), client.health()), (vec![look], Health::Well));
    }
}

/// The pause doubles up to its longest, and nobody comes back at the same moment.
#[test]
fn a_gateway_that_is_away_is_called_ever_more_seldom() {
    for random in [0, 1, 499, u32::MAX] {
        let mut client = Client::new(TERMS, 0);
        client.follow(lines(1));
        let (mut now, mut pauses) = (0, vec![]);
        for _ in 0..12 {
            assert_eq!(client.next(now, random), Some(Do::Open));
            client.failed("it is away", None, now, random);
            let again = client.wake().expect("it is tried again");
            pauses.push(again - now);
            now = again;
        }
        for (count, pause) in pauses.iter().enumerate() {
            let whole = (1_000 << count).min(120_000);
            assert!((whole / 2..=whole).contains(pause), "{count}: {pause}");
        }
    }
    // Retry-After is heeded.
    let mut client = Client::new(TERMS, 0);
    client.follow(lines(1));
    client.next(0, 0);
    client.failed("503", Some(90_000), 0, 0);
    assert_eq!(client.wake(), Some(90_000));
    // As long as it is meant for somebody who is to come back.
    assert_eq!(client.next(90_000, 0), Some(Do::Open));
    client.failed("503", Some(u64::from(u32::MAX) * 1_000), 90_000, 0);
    assert_eq!(client.wake(), Some(90_000 + 3_600_000));
}

/// R10: a snapshot that was made before a call came, and is read after that, takes no call away and brings none back.
#[test]
fn r10_a_snapshot_that_events_overtake_is_asked_for_again() {
    let look = || Do::Ask(Request::SnapshotDevice { device: "tel:0".into() });
    let rings = || Connection { call: "c1".into(), device: "tel:0".into() };
    for (before, after) in [(vec![], Phone::Ringing), (vec![(rings(), Local::Alerting)], Phone::Idle)] {
        let mut client = open();
        let had = !before.is_empty();
        if had {
            client.event(&event("m0", "c1", "tel:0", Happened::Delivered), 100);
        }
        all(&mut client, 60_000);
        client.answered(Answer::Said(Response::SystemStatus { normal: true }), 60_000, 7);
        assert_eq!(all(&mut client, 60_000), [look()]);
        let happens = if had { Happened::ConnectionCleared } else { Happened::Delivered };
        client.event(&event("m0", "c1", "tel:0", happens), 60_001);
        client.answered(Answer::Said(Response::Snapshot(before)), 60_002, 7);
        assert_eq!(client.line("sip:0@x").map(|line| line.phone()), Some(after));
        assert!(all(&mut client, 60_020).contains(&look()));
        let now = if had { vec![] } else { vec![(rings(), Local::Alerting)] };
        client.answered(Answer::Said(Response::Snapshot(now)), 60_030, 7);
        assert_eq!(client.line("sip:0@x").map(|line| line.phone()), Some(after));
        assert!(!all(&mut client, 60_040).contains(&look()));
    }
}

/// A reading of the site gives a user another telephone while the old one is asked for.
#[test]
fn the_monitor_of_a_telephone_that_is_nobodys_is_stopped() {
    let mut client = Client::new(TERMS, 0);
    client.follow(lines(1));
    client.next(0, 7);
    client.opened(true, None, 0, 7);
    client.next(0, 7);
    client.answered(FEATURES, 0, 7);
    client.next(0, 7);
    client.follow([(user(0), "tel:9".to_owned())]);
    client.answered(started("m0"), 10, 7);
    assert_eq!(client.monitored(), 0);
    assert_eq!(all(&mut client, 10), [Do::Ask(Request::MonitorStop { monitor: "m0".into() })]);
    client.answered(Answer::Said(Response::Done("MonitorStop".into())), 20, 7);
    assert_eq!(all(&mut client, 20), [Do::Ask(Request::MonitorStart { device: "tel:9".into() })]);
}

/// A line that is refused is asked for again later, and counts as lacking; thousands begin one after the other.
#[test]
fn refused_lines_and_many_lines() {
    let mut client = Client::new(TERMS, 0);
    client.follow(lines(3_000));
    assert_eq!(client.next(0, 7), Some(Do::Open));
    client.opened(true, None, 0, 7);
    let (mut now, mut starts) = (0, vec![]);
    while now < 200_000 {
        now = client.wake().expect("more").max(now);
        while let Some(what) = client.next(now, 7) {
            match what {
                Do::Ask(Request::MonitorStart { device }) if device == "tel:7" && now < 100_000 => {
                    client.answered(Answer::Said(Response::Refused("operation".into())), now, 7);
                }
                Do::Ask(Request::MonitorStart { device }) => {
                    starts.push(now);
                    client.answered(started(&device), now, 7);
                }
                // One that knows no snapshots is asked thrice.
                Do::Ask(Request::SnapshotDevice { .. }) => client.answered(Answer::Unread, now, 7),
                Do::Ask(_) => client.answered(FEATURES, now, 7),
                _ => {}
            }
        }
        if now > 90_000 && now < 100_000 {
            assert_eq!((client.health(), client.monitored()), (Health::Lacks(1), 2_999));
        }
    }
    assert_eq!((client.health(), client.monitored(), starts.len()), (Health::Well, 3_000, 3_000));
    assert!(starts.windows(2).all(|two| two[1] >= two[0] + TERMS.gap));
    assert!(starts[2_998] < 65_000, "{}", starts[2_998]);
}

/// An event that overtakes the answer that names its monitor is not lost; one of nobody's monitor is nothing.
#[test]
fn events_that_come_early() {
    let mut client = Client::new(TERMS, 0);
    client.follow(lines(2));
    client.next(0, 7);
    client.opened(true, None, 0, 7);
    client.next(0, 7);
    client.answered(FEATURES, 0, 7);
    client.next(0, 7);
    client.event(&event("m0", "c1", "tel:0", Happened::Delivered), 0);
    client.event(&event("m9", "c1", "tel:0", Happened::Delivered), 0);
    client.answered(started("m0"), 0, 7);
    assert_eq!(client.line("sip:0@x").map(|line| line.phone()), Some(Phone::Ringing));
}

/// The end: monitors are stopped one by one, then BYE; nothing is opened any more.
#[test]
fn everything_ends() {
    let mut client = open();
    client.end();
    assert_eq!(
        all(&mut client, 30),
        [Do::Hide(user(0)), Do::Ask(Request::MonitorStop { monitor: "m0".into() })]
    );
    client.answered(Answer::Said(Response::Done("MonitorStop".into())), 31, 7);
    assert_eq!(all(&mut client, 31), [Do::Close]);
    assert!(client.is_over());
    let mut never = Client::new(TERMS, 0);
    never.follow(lines(1));
    never.end();
    assert_eq!(all(&mut never, 0), []);
    assert!(never.is_over());
}

struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// A gateway of three telephones that loses requests, answers, events and its memory.
#[derive(Default)]
struct Gateway {
    quiet: [bool; 3],
    monitors: BTreeMap<String, usize>,
    count: u32,
    calls: [Option<u32>; 3],
    open: bool,
}

impl Gateway {
    fn serves(&mut self, asks: &Request) -> Answer {
        let at = |device: &str| device.trim_start_matches("tel:").parse::<usize>().expect("one of ours");
        match asks {
            _ if !self.open => Answer::Refused(481),
            Request::MonitorStart { device } => {
                self.count += 1;
                let monitor = format!("m{}", self.count);
                self.monitors.insert(monitor.clone(), at(device));
                started(&monitor)
            }
            Request::MonitorStop { monitor } => {
                self.monitors.remove(monitor);
                Answer::Said(Response::Done("MonitorStop".into()))
            }
            Request::SnapshotDevice { device } => {
                let call = self.calls[at(device)].map(|call| {
                    (Connection { call: call.to_string(), device: device.clone() }, Local::Connected)
                });
                Answer::Said(Response::Snapshot(call.into_iter().collect()))
            }
            Request::GetDoNotDisturb { device } => {
                Answer::Said(Response::DoNotDisturb { on: self.quiet[at(device)] })
            }
            // It knows no forwarding.
            Request::GetForwarding { .. } => Answer::Said(Response::Refused("operation".into())),
            _ => Answer::Said(Response::SystemStatus { normal: true }),
        }
    }
}

/// 300 histories, of a gateway that knows no forwarding besides: never two requests at once, what is shown is never of a line without a monitor, and as soon as nothing is lost
/// any more, every line is shown as it is.
#[test]
fn random_histories_end_in_the_truth() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let (mut client, mut gateway) = (Client::new(TERMS, 0), Gateway::default());
        client.follow(lines(3));
        let (mut now, mut asked, mut opening, mut dialog) = (0, None::<(Option<Request>, u64)>, None, false);
        let mut shown = [false; 3];
        let index = |user: &Arc<str>| usize::from(user.as_bytes()[4] - b'0');
        while now < 4_500_000 {
            let calm = now > 2_000_000;
            let lost = |dice: &mut Dice| !calm && dice.next(8) == 0;
            while let Some(what) = client.next(now, dice.next(1 << 31) as u32) {
                match what {
                    Do::Open => {
                        assert!(!dialog && opening.is_none(), "{seed}: one dialog at a time");
                        (opening, asked) = (Some(now + 50), None);
                    }
                    Do::Ask(request) => {
                        assert!(dialog && asked.is_none(), "{seed}: one request at a time");
                        asked = Some((Some(request), now + 10));
                    }
                    Do::Refresh => asked = Some((None, now + 10)),
                    Do::Close => {
                        (dialog, asked, gateway.open) = (false, None, gateway.open && dice.next(2) == 0)
                    }
                    Do::Show(user) => shown[index(&user)] = true,
                    Do::Hide(user) => shown[index(&user)] = false,
                    Do::Left(..) => {}
                }
            }
            if !client.has_dialog() {
                (dialog, asked, opening) = (false, None, None);
                assert_eq!(shown, [false; 3], "{seed}: nothing outlives the dialog");
            }
            now += 1 + dice.next(300);
            if opening.is_some_and(|at| at <= now) {
                opening = None;
                if !lost(&mut dice) {
                    (gateway.open, dialog) = (true, true);
                    gateway.monitors.clear();
                    client.opened(true, Some(Session { interval: 600, ours: true }), now, 7);
                }
            }
            if let Some((request, _)) = asked.take_if(|(_, at)| *at <= now) {
                let answer = request.as_ref().map(|request| gateway.serves(request));
                match answer {
                    _ if lost(&mut dice) => {}
                    Some(answer) => client.answered(answer, now, dice.next(1 << 31) as u32),
                    None if gateway.open => {
                        client.refreshed(Some(Session { interval: 600, ours: true }), now)
                    }
                    None => client.answered(Answer::Refused(481), now, 7),
                }
            }
            if !calm && dice.next(40) == 0 {
                let at = dice.next(3) as usize;
                let (happened, call) = match gateway.calls[at] {
                    Some(call) => (Happened::ConnectionCleared, call),
                    None => (Happened::Established, now as u32),
                };
                gateway.calls[at] = (happened == Happened::Established).then_some(call);
                let monitors = gateway.monitors.iter().filter(|(_, of)| **of == at && gateway.open);
                for (monitor, _) in monitors {
                    if !lost(&mut dice) {
                        client.event(&event(monitor, &call.to_string(), &format!("tel:{at}"), happened), now);
                    }
                }
            }
            if !calm && dice.next(60) == 0 {
                let at = dice.next(3) as usize;
                gateway.quiet[at] = !gateway.quiet[at];
                for (monitor, _) in gateway.monitors.iter().filter(|(_, of)| **of == at && gateway.open) {
                    if !lost(&mut dice) {
                        let device = format!("tel:{at}");
                        let told = event(monitor, "", &device, Happened::DoNotDisturb);
                        client.event(&Event { on: Some(gateway.quiet[at]), ..told }, now);
                    }
                }
            }
            if !calm && dice.next(2_000) == 0 {
                gateway = Gateway { calls: gateway.calls, quiet: gateway.quiet, ..Gateway::default() };
                if dice.next(2) == 0 {
                    client.gone(now, 7);
                }
            }
        }
        for (at, call) in gateway.calls.iter().enumerate() {
            let phone = client.line(&user(at as u32)).map(|line| line.phone());
            let truth = if call.is_some() { Phone::Talking } else { Phone::Idle };
            assert_eq!((phone, shown[at]), (Some(truth), true), "{seed}: telephone {at}");
            let quiet = client.line(&user(at as u32)).and_then(|line| line.do_not_disturb);
            assert_eq!(quiet, Some(gateway.quiet[at]), "{seed}: telephone {at}");
        }
    }
}

/// A gateway that answers more slowly than it is to be asked: what it is to be asked does not grow for ever, so a line that comes
/// hours later is monitored soon, and lines in a call are looked at again and again.
#[test]
fn a_slow_gateway_is_not_asked_ever_more() {
    let mut client = Client::new(Terms { poll: 1_000, ..TERMS }, 0);
    client.follow(lines(10));
    let (mut now, mut asked, mut coming) = (0, vec![], None);
    while now < 3_700_000 {
        if now == 3_600_000 {
            asked.clear();
            client.follow(lines(11));
        }
        if let Some((answer, _)) = coming.take_if(|(_, at)| *at <= now) {
            client.answered(answer, now, 7);
        }
        for what in all(&mut client, now) {
            let answer = match &what {
                Do::Open => {
                    client.opened(true, None, now, 7);
                    continue;
                }
                Do::Ask(Request::MonitorStart { device }) => started(&format!("m{device}")),
                Do::Ask(Request::SnapshotDevice { device }) => {
                    let connection = Connection { call: format!("c{device}"), device: device.clone() };
                    Answer::Said(Response::Snapshot(vec![(connection, Local::Connected)]))
                }
                Do::Ask(Request::GetForwarding { .. }) => Answer::Said(Response::Forwarding(vec![])),
                Do::Ask(Request::GetDoNotDisturb { .. }) => {
                    Answer::Said(Response::DoNotDisturb { on: false })
                }
                Do::Ask(_) => Answer::Said(Response::SystemStatus { normal: true }),
                _ => continue,
            };
            coming = Some((answer, now + 500));
            asked.push((now, what));
        }
        now += 20;
    }
    let first = |wanted: &Request| asked.iter().find(|(_, what)| *what == Do::Ask(wanted.clone()));
    for number in 0..11 {
        let device = format!("tel:{number}");
        let (at, _) = first(&Request::SnapshotDevice { device: device.clone() }).expect(&device);
        assert!(*at < 3_660_000, "{device} at {at}");
    }
    let (at, _) = first(&Request::MonitorStart { device: "tel:10".into() }).expect("monitored");
    assert!(*at < 3_660_000, "{at}");
}
