//! Exchange Online and Teams by Microsoft Graph: calendars and automatic replies (R53, R82), and who is in a call.
//!
//! The emulator of the shared services checks setPresence against Microsoft's CSDL; it knows no getSchedule and no mailbox
//! settings, so these are answered by a small Graph of the test's own, by what Microsoft's pages say of them.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    authority::{Authority, params, server_config},
    checked::Checked,
    ocs::{Kept, Ocs},
    program::{Over, Peer, Ringpost, Site, metrics, peer::Dialog, ports, until, within},
    support::{
        free_port,
        http::{Asked, Reply, Server},
    },
};

const USER: &str = "sip:1001@corp.test";
const MEETING: u32 = 4;
const AWAY: u32 = 5;

/// `[channel.online]` at that port.
fn channel(port: u16) -> String {
    format!(
        "[channel.online]\nkind = \"graph\"\nurl = \"https://localhost:{port}/v1.0\"\nfrom = \"um@corp.test\"\nca = \"ca/own.pem\"\n\
         token_url = \"https://localhost:{port}/t/oauth2/v2.0/token\"\nclient_id = \"app\"\nclient_secret_file = \"secret\"\n\
         [notices]\nchannels = [\"online\"]\n"
    )
}

/// Calls of 1001.
struct Phones {
    pbx: Peer,
    phone: Peer,
}

impl Phones {
    fn call(&mut self) -> Dialog {
        let invite = self.pbx.invite("1001");
        let ring = self.phone.expect("INVITE");
        self.pbx.talks(&invite, &mut self.phone, &ring)
    }

    fn hang_up(&mut self, mut talk: Dialog) {
        self.pbx.ends(&mut talk, &mut self.phone);
    }
}

impl Checked {
    /// What the user is doing, by our session.
    fn doing(&self) -> Value {
        self.asked("/state", None)["presence"]["tu@corp.test"].clone()
    }

    fn requests(&self) -> u64 {
        self.asked("/state", None)["stats"]["requests"].as_u64().expect("a number")
    }

    fn is_in_a_call(&self) -> bool {
        self.doing() == json!({"availability": "Busy", "activity": "InACall", "sessionId": "app"})
    }
}

/// Busy in a call and cleared after it, on change only; 429 is waited out, a Graph that is away and back has the state of now,
/// and everything is as Microsoft's CSDL wants it.
#[test]
fn whoever_is_in_a_call_is_busy_in_teams() {
    let site = Site::new();
    let folder = site.folder.path();
    Authority::new("ours").site(folder, &["localhost"]);
    std::fs::write(folder.join("secret"), "s3cret\n").expect("a file");
    let port = free_port();
    let Some(mut graph) = Checked::start(folder, port) else { return };
    let health = SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let mut phones = Phones { pbx: site.peer(Over::Udp), phone: site.peer(Over::Udp) };
    let ringpost = site
        .table(&format!(
            "[metrics]\nlisten = \"{health}\"\n[presence]\nenabled = true\n[presence.publish.teams]\nkind = \"teams\"\nchannel = \"online\"\n\
             publish_gap = \"10ms\"\n{}",
            channel(port)
        ))
        .user("1001", &[&phones.phone], "mail = \"tu@corp.test\"")
        .user("1002", &[], "")
        .start();
    let before = graph.requests();
    for round in 1..=2 {
        let call = phones.call();
        until("in a call", || graph.is_in_a_call());
        phones.hang_up(call);
        until("not any more", || graph.doing().is_null());
        assert_eq!(graph.requests(), before + 2 * round, "only on change");
    }
    // Throttled, at the beginning and at the end; the wait is what it asks for.
    graph.asked("/fault", Some(json!({"next": [{"code": 429, "retry_after": 1}]})));
    let call = phones.call();
    until("in a call", || graph.is_in_a_call());
    graph.asked("/fault", Some(json!({"next": [{"code": 429, "retry_after": 1}, {"code": 503}]})));
    phones.hang_up(call);
    until("not any more", || graph.doing().is_null());
    // Gone while a call begins, and back.
    graph.running = None;
    let call = phones.call();
    until("tried in vain", || metrics::number(health.port(), "publish_failures_total") >= 4);
    let is = |colour: &str| {
        metrics::ask(health.port(), "GET /health HTTP/1.0\r\n\r\n")
            .contains(&format!("{colour} presence server teams"))
    };
    // It is asked ever more seldom, and whoever looks is told.
    until("yellow", || is("yellow"));
    graph.again(ringpost.folder.path());
    until("in a call", || graph.is_in_a_call());
    until("green", || is("green"));
    phones.hang_up(call);
    until("not any more", || graph.doing().is_null());
    // Whoever stops takes it back.
    let state = graph.asked("/state", None);
    assert_eq!(state["stats"]["bad"], 0, "{state}");
    drop(phones);
    ringpost.stops_well();
}

/// The Graph of the test's own.
#[derive(Default)]
struct Online {
    /// Busy now, by mailbox.
    busy: Vec<(String, &'static str)>,
    replies: Vec<(String, Value)>,
    /// Mailboxes that are not there, may not be spoken for, or fail.
    closed: Vec<(&'static str, u16)>,
    faults: VecDeque<u16>,
    asked: usize,
    largest: usize,
}

fn moment(seconds: u64) -> Value {
    let at = Timestamp::from_second(i64::try_from(seconds).expect("a time")).expect("a time");
    json!({"dateTime": at.strftime("%Y-%m-%dT%H:%M:%S.0000000").to_string(), "timeZone": "UTC"})
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

impl Online {
    fn answer(&mut self, asked: &Asked) -> Reply {
        if asked.path.ends_with("/oauth2/v2.0/token") {
            let token = json!({"token_type": "Bearer", "expires_in": 3_600, "access_token": "good"});
            return Reply::json(200, &token);
        }
        assert_eq!(asked.header("authorization"), Some("Bearer good"));
        if let Some(code) = self.faults.pop_front() {
            let error = json!({"error": {"code": "TooManyRequests", "message": "injected"}});
            return match Reply::json(code, &error) {
                Reply::Say(code, mut headers, body) => {
                    headers.push(("Retry-After", "1".into()));
                    Reply::Say(code, headers, body)
                }
                other => other,
            };
        }
        let path: Vec<&str> = asked.path.split('/').skip(3).collect();
        let user = path.first().map(|user| user.replace("%40", "@"));
        let code = self
            .closed
            .iter()
            .find(|(of, _)| user.as_deref().and_then(|user| user.strip_suffix("@corp.test")) == Some(of));
        let code = code.map(|(_, code)| *code);
        if let Some(code) = code.filter(|code| *code < 429 || path.contains(&"mailboxSettings")) {
            return Reply::json(code, &json!({"error": {"code": "Closed", "message": "injected"}}));
        }
        match path[..] {
            [_, "calendar", "getSchedule"] => self.schedules(asked),
            [user, "mailboxSettings", "automaticRepliesSetting"] => {
                let user = user.replace("%40", "@");
                let known = self.replies.iter().find(|(of, _)| *of == user);
                let setting =
                    known.map_or_else(|| json!({"status": "disabled"}), |(_, setting)| setting.clone());
                Reply::json(200, &setting)
            }
            _ => Reply::json(400, &json!({"error": {"code": "BadRequest", "message": asked.path}})),
        }
    }

    fn schedules(&mut self, asked: &Asked) -> Reply {
        let body: Value = serde_json::from_slice(&asked.body).expect("JSON");
        let schedules = body["schedules"].as_array().expect("mailboxes");
        self.asked += 1;
        self.largest = self.largest.max(schedules.len());
        assert!(schedules.len() <= 20 && body["availabilityViewInterval"] == 15, "{body}");
        assert!(body["startTime"]["timeZone"] == "UTC" && body["endTime"]["timeZone"] == "UTC");
        let value: Vec<Value> = schedules
            .iter()
            .map(|id| {
                let busy = self.busy.iter().find(|(of, _)| id == of);
                let digit = match busy {
                    Some((_, "oof")) => "3",
                    Some(_) => "2",
                    None => "0",
                };
                let items: Vec<_> = busy
                    .iter()
                    .map(|(_, status)| {
                        json!({"status": status, "subject": "Budget", "isPrivate": false, "isMeeting": true,
                               "start": moment(now() - 60), "end": moment(now() + 3_600)})
                    })
                    .collect();
                json!({"scheduleId": id, "availabilityView": format!("{digit}{}", "0".repeat(127)), "scheduleItems": items})
            })
            .collect();
        Reply::json(200, &json!({ "value": value }))
    }
}

struct Cloud {
    online: Arc<Mutex<Online>>,
    ocs: Ocs,
    health: SocketAddr,
    ringpost: Ringpost,
    _graph: Server,
}

impl Cloud {
    /// Users of these numbers, of whom 1001 is told of.
    fn of(address: &str, users: impl Iterator<Item = u32>) -> Self {
        let site = Site::new();
        let ours = Authority::new("ours");
        ours.site(site.folder.path(), &["localhost"]);
        std::fs::write(site.folder.path().join("secret"), "s3cret\n").expect("a file");
        let online = Arc::new(Mutex::new(Online::default()));
        let answers = Arc::clone(&online);
        let tls = server_config(&ours.signs(&params(&["localhost"])));
        let graph = Server::start(Some(tls), move |asked| {
            answers.lock().unwrap_or_else(PoisonError::into_inner).answer(asked)
        });
        let ocs =
            Ocs::start(SocketAddr::new(address.parse().expect("an address"), ports(1)), Kept::default());
        let health = SocketAddr::from(([127, 0, 0, 1], ports(1)));
        let site = site.table(&format!(
            "[metrics]\nlisten = \"{health}\"\n[presence]\nenabled = true\n[presence.publish.ocs]\nkind = \"microsoft\"\n\
             server = \"sip:{};transport=tcp\"\npublish_gap = \"10ms\"\nusers = [\"1001\"]\naccess = \"full\"\n[presence.calendar.online]\n\
             channel = \"online\"\nevery = \"1s\"\nkeep = \"1m\"\n{}",
            ocs.address,
            channel(graph.port)
        ));
        let site =
            users.fold(site, |site, n| site.user(&n.to_string(), &[], &format!("mail = \"u{n}@corp.test\"")));
        Self { online, ocs, health, ringpost: site.start(), _graph: graph }
    }

    fn with(&self, change: impl FnOnce(&mut Online)) {
        change(&mut self.online.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Whoever has no mailbox there, whom we may not speak for, or of whom Graph fails to tell something hides nobody else's
/// calendar: neither in one question nor in those behind it.
#[test]
fn r53_one_mailbox_that_is_closed_hides_no_other() {
    const REFUSED: [&str; 20] = [
        "u100", "u101", "u102", "u103", "u104", "u105", "u106", "u107", "u108", "u109", "u110", "u111",
        "u112", "u113", "u114", "u115", "u116", "u117", "u118", "u119",
    ];
    let cloud = Cloud::of("127.0.0.36", (100..120).chain([998, 999, 1_000, 1_001]));
    cloud.with(|online| {
        // A whole question of mailboxes that are not ours to speak for.
        online.closed = REFUSED.iter().map(|name| (*name, 403)).collect();
        online.closed.extend([("u1000", 404), ("u999", 500), ("u998", 429)]);
        online.busy = vec![("u1001@corp.test".into(), "busy")];
    });
    cloud.ocs.until("a meeting", |ocs| ocs.state(USER, MEETING).is_some());
    // Whoever is away stays so while Graph cannot say it.
    cloud.with(|online| {
        online.busy.clear();
        online.replies = vec![("u1001@corp.test".into(), json!({"status": "alwaysEnabled"}))];
    });
    cloud.ocs.until("away", |ocs| ocs.state(USER, AWAY).is_some() && ocs.state(USER, MEETING).is_none());
    cloud.with(|online| {
        online.closed.push(("u1001", 500));
        online.busy = vec![("u1001@corp.test".into(), "oof")];
        online.asked = 0;
    });
    until("asked again and again", || cloud.online.lock().is_ok_and(|online| online.asked >= 6));
    assert!(cloud.ocs.state(USER, AWAY).is_some());
    let health = metrics::ask(cloud.health.port(), "GET /health HTTP/1.0\r\n\r\n");
    assert!(health.contains("green calendar online"), "{health}");
    cloud.ringpost.is_well();
}

/// Where nobody's calendar may be seen, that is no outage, but whoever looks is told why.
#[test]
fn r53_an_application_without_the_right_is_said_to_have_none() {
    let cloud = Cloud::of("127.0.0.37", [1_001, 1_002].into_iter());
    cloud.with(|online| online.closed = vec![("u1001", 403), ("u1002", 403)]);
    until("yellow", || {
        let health = metrics::ask(cloud.health.port(), "GET /health HTTP/1.0\r\n\r\n");
        health.contains("yellow calendar online") && health.contains("403")
    });
    // Whoever is asked for no more is no trouble any more.
    let site = cloud.ringpost.site();
    let without: Vec<&str> = site.lines().filter(|line| !line.starts_with("mail = ")).collect();
    assert!(without.len() < site.lines().count(), "{site}");
    cloud.ringpost.reload(&(without.join("\n") + "\n"));
    within(Duration::from_secs(5), "green", || {
        metrics::ask(cloud.health.port(), "GET /health HTTP/1.0\r\n\r\n").contains("green calendar online")
    });
    cloud.ringpost.is_well();
}

/// Twenty mailboxes to a question, automatic replies as away, 429 waited out.
#[test]
fn calendars_of_exchange_online_are_asked_for_by_graph() {
    let cloud = Cloud::of("127.0.0.34", 1_001..1_026);
    let Cloud { online, ocs, health, ringpost, .. } = &cloud;
    let with =
        |change: &dyn Fn(&mut Online)| change(&mut online.lock().unwrap_or_else(PoisonError::into_inner));
    with(&|online| online.busy = vec![("u1001@corp.test".into(), "busy")]);
    ocs.until("a meeting", |ocs| {
        ocs.state(USER, MEETING).is_some_and(|state| state.contains("meetingSubject Budget"))
    });
    until("all are asked for", || metrics::number(health.port(), "calendars") == 25);
    with(&|online| assert_eq!(online.largest, 20));
    // R82: automatic replies are away, without anything in the calendar.
    with(&|online| {
        online.busy.clear();
        let setting = json!({"status": "scheduled", "scheduledStartDateTime": moment(now() - 60), "scheduledEndDateTime": moment(now() + 3_600)});
        online.replies = vec![("u1001@corp.test".into(), setting)];
    });
    ocs.until("away", |ocs| ocs.state(USER, AWAY).is_some() && ocs.state(USER, MEETING).is_none());
    with(&|online| {
        online.replies.clear();
        online.faults = [429, 503, 500].into();
    });
    ocs.until("back", |ocs| ocs.state(USER, AWAY).is_none());
    within(Duration::from_secs(5), "green", || {
        metrics::ask(health.port(), "GET /health HTTP/1.0\r\n\r\n").contains("green calendar online")
    });
    assert!(metrics::number(health.port(), "calendar_failures_total") >= 1);
    ringpost.is_well();
}
