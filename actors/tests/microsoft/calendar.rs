//! Calendars of Exchange: a meeting is the user's state while it lasts, free and busy times are told to whom they may be, and
//! an Exchange that is away sticks nothing and stops nobody.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ringpost::presence::microsoft::calendar::{Slot, unpack};
use serde_json::{Value, json};

use crate::{
    emulator::Emulator,
    ocs::{Kept, Ocs},
    program::{Over, Peer, Ringpost, Site, metrics, peer::Dialog, ports, until, within},
};

const USER: &str = "sip:1001@corp.test";
const MEETING: u32 = 4;
const AWAY: u32 = 5;

struct Stage {
    exchange: Option<Emulator>,
    ocs: Ocs,
    pbx: Peer,
    phone: Peer,
    health: SocketAddr,
    ringpost: Ringpost,
    runtime: tokio::runtime::Runtime,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// An event that began a minute ago and lasts an hour.
fn event(busy: &str, subject: Option<&str>) -> Value {
    json!({"events": [[now() - 60, now() + 3_600, busy, subject, true]]})
}

fn started(lines: &str) -> Option<Stage> {
    let site = Site::new();
    let exchange = Emulator::start(site.folder.path())?;
    fs::write(site.folder.path().join("exchange.password"), "pw\n").expect("a file");
    let ocs = Ocs::start(SocketAddr::from(([127, 0, 0, 33], ports(1))), Kept::default());
    let health = SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let (pbx, phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site
        .table(&format!(
            "[metrics]\nlisten = \"{health}\"\n[presence]\nenabled = true\n[presence.publish.ocs]\nkind = \"microsoft\"\n\
             server = \"sip:{};transport=tcp\"\npublish_gap = \"10ms\"\naccess = \"full\"\n[channel.exchange]\nkind = \"ews\"\n\
             url = \"{}\"\nauth = \"basic\"\nuser = \"svc@corp.test\"\npassword_file = \"exchange.password\"\n\
             from = \"um@corp.test\"\nca = \"ca/own.pem\"\nrequest_timeout = \"2s\"\n[presence.calendar.office]\n\
             channel = \"exchange\"\nevery = \"1s\"\n{lines}\n[notices]\nchannels = [\"exchange\"]",
            ocs.address,
            exchange.url()
        ))
        .user("1001", &[&phone], "mail = \"tu@corp.test\"")
        .user("1002", &[], "mail = \"two@corp.test\"")
        .user("1003", &[], "")
        .start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    Some(Stage { exchange: Some(exchange), ocs, pbx, phone, health, ringpost, runtime })
}

impl Stage {
    fn exchange(&self) -> &Emulator {
        self.exchange.as_ref().expect("it runs")
    }

    fn has(&self, calendars: &Value) {
        self.runtime.block_on(self.exchange().schedules(calendars));
    }

    fn count(&self, name: &str) -> u64 {
        self.runtime.block_on(self.exchange().count(name))
    }

    fn is(&self, colour: &str) -> bool {
        let text = metrics::ask(self.health.port(), "GET /health HTTP/1.0\r\n\r\n");
        text.contains(&format!("{colour} calendar office"))
    }

    fn slots(&self) -> Option<Vec<Slot>> {
        let all = self.ocs.category(USER, "calendarData");
        let text = all.iter().find(|((instance, container), _)| *instance != 0 && *container == 200)?.1;
        unpack(text.lines().find(|line| line.starts_with("freeBusy "))?.split(' ').next_back()?)
    }
}

/// R22 R53: a meeting is told as the calendar's state with what it is about, free and busy times to colleagues and to nobody
/// else, working hours beside them; its end ends it, and what does not change is not sent again (R23). Private ones have no
/// subject, and out of office counts as away (R82).
#[test]
fn a_meeting_is_told_while_it_lasts_and_free_and_busy_times_when_they_change() {
    let Some(stage) = started("keep = \"1m\"") else { return };
    stage.has(&json!({"tu@corp.test": event("Busy", Some("Budget")), "two@corp.test": "ErrorMailRecipientNotFound"}));
    stage.ocs.until("a meeting", |ocs| ocs.state(USER, MEETING).is_some());
    let state = stage.ocs.state(USER, MEETING).expect("a meeting");
    for word in [
        "activity token=in-a-meeting minAvailability=6500 maxAvailability=8999",
        "availability 6500",
        "uri=tu@corp.test",
        "meetingSubject Budget",
        "meetingLocation Room 1",
    ] {
        assert!(state.contains(word), "{word}: {state}");
    }
    stage.ocs.until("free and busy times", |ocs| ocs.category(USER, "calendarData").len() == 12);
    let all = stage.ocs.category(USER, "calendarData");
    for ((instance, container), text) in &all {
        let is_told = [200, 300, 400].contains(container);
        let word = if *instance == 0 { "WorkingPeriod" } else { "freeBusy" };
        assert_eq!(text.contains(word), is_told, "{instance} {container}: {text}");
        assert_eq!(text.contains("mailboxID=tu@corp.test"), is_told);
    }
    let slots = stage.slots().expect("slots");
    assert_eq!((slots.len(), slots[0], slots[127]), (128, Slot::Busy, Slot::Free), "32 hours");
    assert!(all.values().any(|text| text.contains("granularity=PT15M encodingVersion=1")), "{all:?}");
    // Whoever has no mailbox is not asked for.
    assert!(stage.ocs.category("sip:1003@corp.test", "calendarData").is_empty());
    let (served, polled) = (stage.ocs.served().len(), stage.count("availability"));
    until("it is asked again and again", || stage.count("availability") >= polled + 3);
    assert_eq!(stage.ocs.served().len(), served, "R23: {:#?}", stage.ocs.served().last());
    stage.has(&json!({"tu@corp.test": event("Busy", Some("Private"))}));
    stage.ocs.until("no subject", |ocs| {
        ocs.state(USER, MEETING).is_some_and(|state| !state.contains("meetingSubject"))
    });
    stage.has(&json!({"tu@corp.test": event("OOF", None)}));
    stage.ocs.until("away", |ocs| ocs.state(USER, AWAY).is_some() && ocs.state(USER, MEETING).is_none());
    assert!(
        stage.ocs.state(USER, AWAY).is_some_and(
            |state| state.contains("token=out-of-office") && state.contains("availability 15500")
        )
    );
    stage.has(&json!({"tu@corp.test": {"events": [[now() - 60, now() + 3_600, "Tentative", null, null]]}}));
    stage.ocs.until("perhaps is free", |ocs| {
        ocs.state(USER, AWAY).is_none() && ocs.state(USER, MEETING).is_none()
    });
    until("a slot that is perhaps", || stage.slots().is_some_and(|slots| slots[0] == Slot::Tentative));
    // Digits alone, as for an account that may see no more; R17: a meeting all the same.
    let mut bare = event("Busy", None);
    bare["bare"] = json!(true);
    stage.has(&json!({"tu@corp.test": bare}));
    stage.ocs.until("a meeting by its slots", |ocs| ocs.state(USER, MEETING).is_some());
    assert_eq!(stage.count("bad_requests"), 0, "each request is as the schema wants it");
    assert_eq!(stage.count("bad_responses"), 0);
    // The end of the meeting needs no question.
    stage.has(&json!({"tu@corp.test": {"events": [[now() - 60, now() + 3, "Busy", "Short", true]]}}));
    stage
        .ocs
        .until("the short one", |ocs| ocs.state(USER, MEETING).is_some_and(|state| state.contains("Short")));
    stage.ocs.until("its end", |ocs| ocs.state(USER, MEETING).is_none());
    stage.ringpost.is_well();
}

/// T24 T31: faults cost nothing but time; an Exchange that is gone keeps nobody in a meeting for longer than `keep`, stops no
/// call, and is asked again when it is back.
#[test]
fn an_exchange_that_is_away_sticks_nothing_and_stops_nobody() {
    let Some(mut stage) = started("keep = \"4s\"\nusers = [\"1001\"]") else { return };
    stage.has(&json!({"tu@corp.test": event("Busy", Some("Budget"))}));
    stage.ocs.until("a meeting", |ocs| ocs.state(USER, MEETING).is_some());
    let faults = [
        json!({"kind": "fault", "value": "ErrorServerBusy"}),
        json!({"kind": "http", "code": 503, "retry_after": 1}),
        json!({"kind": "garbage"}),
        json!({"kind": "drop"}),
    ];
    stage.runtime.block_on(stage.exchange().fails(&faults));
    let before = stage.count("requests");
    within(Duration::from_secs(20), "through every fault", || stage.count("requests") >= before + 6);
    until("green", || stage.is("green"));
    stage.ocs.until("a meeting", |ocs| ocs.state(USER, MEETING).is_some());
    let port = stage.exchange().port;
    // It answers nobody, and then it is gone.
    stage.runtime.block_on(stage.exchange().fails(&[json!({"kind": "hang-after"})]));
    let asked = stage.count("requests");
    until("it hangs", || stage.count("requests") > asked);
    let invite = stage.pbx.invite("1001");
    let ringing = stage.phone.expect("INVITE");
    stage.phone.answer(&ringing, 200);
    let mut talk = Dialog::caller(&invite, &stage.pbx.expect("200"));
    stage.pbx.inside(&mut talk, "ACK", "", "");
    stage.phone.expect("ACK");
    stage.exchange = None;
    stage.pbx.inside(&mut talk, "BYE", "", "");
    stage.pbx.expect("200");
    let bye = stage.phone.expect("BYE");
    stage.phone.answer(&bye, 200);
    until("yellow", || stage.is("yellow"));
    stage.ocs.until("nothing sticks", |ocs| {
        ocs.state(USER, MEETING).is_none() && ocs.category(USER, "calendarData").is_empty()
    });
    stage.exchange = Some(Emulator::again(stage.ringpost.folder.path(), port));
    stage.has(&json!({"tu@corp.test": event("Busy", Some("Budget"))}));
    stage.ocs.until("a meeting again", |ocs| ocs.state(USER, MEETING).is_some());
    until("green", || stage.is("green"));
    stage.ringpost.is_well();
}
