//! R31 R109 R114: what the doctor says of the servers of presence and of remote call control.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::Duration,
};

use ringpost::{
    doctor::{
        Report, Step,
        Verdict::{Failed, Note, Ok, Skipped, Warning},
    },
    rcc::{Edition, Response, response_body},
};
use ringpost_actors::doctor::{Asked, examine};
use tempfile::TempDir;

use crate::{
    authority::{Authority, lasting, params, server_config},
    kamailio::Kamailio,
    support::{
        http::{Reply, Server},
        ports,
    },
    town::step,
};

/// A site with a table more.
struct Site {
    folder: TempDir,
    text: String,
}

impl Site {
    fn with(tables: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("password"), "correct horse\n").expect("written");
        fs::write(folder.path().join("wrong"), "battery staple\n").expect("written");
        let text = format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:{}\", \"tcp:127.0.0.1:{}\"]\ndomain = \"corp.test\"\nlanes = 1\n\
             [presence]\nenabled = true\n\
             [[user]]\naddress = \"sip:1000@corp.test\"\n\
             [[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\nmail = \"ada@corp.test\"\n\
             [mail]\nurl = \"maildir:{}\"\nfrom = \"rp@corp.test\"\n{tables}",
            ports(1),
            ports(1),
            folder.path().join("mail").display()
        );
        town().site(folder.path(), &["corp.test"]);
        Self { folder, text }
    }

    fn report(&self, only: &str) -> Report {
        let file: PathBuf = self.folder.path().join("site.toml");
        fs::write(&file, &self.text).expect("written");
        let (user, only, timeout) = (None, Some(only.to_owned()), Duration::from_secs(2));
        let asked = Asked { file, user, only, timeout };
        let report = actix::System::new().block_on(async { examine(&asked).await });
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        for secret in ["correct horse", "battery staple"] {
            assert!(!report.text(true).contains(secret) && !report.json().contains(secret));
        }
        report
    }
}

/// Who has signed what the site's channels are shown.
fn town() -> &'static Authority {
    static TOWN: OnceLock<&'static Authority> = OnceLock::new();
    TOWN.get_or_init(|| lasting("town"))
}

/// TLS with a certificate that the site's channels believe.
fn believed() -> Option<Arc<rustls::ServerConfig>> {
    Some(server_config(&town().signs(&params(&["127.0.0.1"]))))
}

fn remedy(step: &Step) -> &str {
    step.found.remedy.as_deref().unwrap_or_default()
}

/// What a desk sends for a request.
type Says = dyn FnMut(&str) -> Vec<String> + Send;

/// A SIP server by UDP that sends what a test says; what it was asked.
fn desk(mut says: Box<Says>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (address, asked) = (socket.local_addr().expect("bound"), Arc::new(Mutex::new(vec![])));
    let heard = Arc::clone(&asked);
    thread::spawn(move || {
        let mut octets = [0; 16_384];
        while let std::io::Result::Ok((length, from)) = socket.recv_from(&mut octets) {
            let text = String::from_utf8_lossy(&octets[..length]).into_owned();
            heard.lock().expect("whole").push(text.clone());
            for message in says(&text) {
                socket.send_to(message.as_bytes(), from).expect("loopback");
            }
        }
    });
    (address, asked)
}

fn line<'t>(text: &'t str, name: &str) -> &'t str {
    text.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap_or_default()
}

fn answer(request: &str, code: u16, lines: &str, body: &str) -> String {
    let head: Vec<&str> = ["Via", "From", "Call-ID", "CSeq"].map(|name| line(request, name)).into();
    format!(
        "SIP/2.0 {code} X\r\n{}\r\n{};tag=desk\r\nContact: <sip:desk@127.0.0.1>\r\n{lines}Content-Length: {}\r\n\r\n{body}",
        head.join("\r\n"),
        line(request, "To"),
        body.len()
    )
}

/// The NOTIFY that a SUBSCRIBE brings.
fn notify(subscribe: &str, kind: &str, body: &str) -> String {
    let swapped = |name: &str, other: &str| line(subscribe, name).replacen(name, other, 1);
    format!(
        "NOTIFY sip:ringpost@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKn;rport\r\nMax-Forwards: 70\r\n\
         {};tag=desk\r\n{}\r\n{}\r\nCSeq: 1 NOTIFY\r\nContact: <sip:desk@127.0.0.1>\r\n{}\r\n\
         Subscription-State: terminated;reason=timeout\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        swapped("To", "From"),
        swapped("From", "To"),
        line(subscribe, "Call-ID"),
        line(subscribe, "Event"),
        body.len()
    )
}

fn connector(address: SocketAddr, lines: &str) -> String {
    format!(
        "[[presence.connector]]\nname = \"pbx\"\nserver = \"{address}\"\ntransport = \"udp\"\ndomain = \"pbx.test\"\n{lines}\n"
    )
}

const LOGIN: &str = "login = \"ringpost\"\nrealm = \"corp.test\"\npassword_file = \"password\"\n";

/// R31 R109: Kamailio is told of and asked by UDP and TCP; a wrong password, another realm and no login each have their remedy.
#[test]
fn r31_a_presence_server_is_looked_at_by_what_connectors_and_publishers_send() {
    let address = SocketAddr::from(([127, 0, 0, 34], ports(1)));
    let Some(kamailio) = Kamailio::start(address, &["DIGEST=1"]) else { return };
    let table = |transport: &str, login: &str| {
        connector(address, login)
            .replace("pbx.test", "corp.test")
            .replace("\"udp\"", &format!("\"{transport}\""))
    };
    for transport in ["udp", "tcp"] {
        let publisher =
            format!("[presence.publish.pres]\nserver = \"sip:{address};transport={transport}\"\n");
        let site = Site::with(&(table(transport, LOGIN) + &publisher));
        let asked = site.report("connector.pbx");
        let text = asked.text(false);
        let of = |name: &str| step(&asked, name).found.verdict;
        assert_eq!(
            ["dns", "options", "user"].map(|word| of(&format!("connector.pbx.{word}"))),
            [Ok; 3],
            "{text}"
        );
        assert!(
            text.contains("presence of sip:1001@corp.test") && text.contains("the login is taken"),
            "{text}"
        );
        let told = site.report("publish.pres");
        assert_eq!(step(&told, "publish.pres.user").found.verdict, Ok, "{}", told.text(false));
        assert!(
            told.text(false).contains("presence of sip:1000@corp.test: understood (412"),
            "{}",
            told.text(false)
        );
    }
    for (login, words) in [
        (
            LOGIN.replace("\"password\"", "\"wrong\""),
            ["does not take the login", "password_file of connector pbx"],
        ),
        (
            LOGIN.replace("realm = \"corp", "realm = \"else"),
            ["another realm, \"corp.test\"", "Set realm = \"corp.test\""],
        ),
        (String::new(), ["asks for a login, and has none", "Name login and password_file"]),
    ] {
        let report = Site::with(&table("udp", &login)).report("connector.pbx");
        let user = step(&report, "connector.pbx.user");
        assert_eq!(user.found.verdict, Failed, "{}", report.text(false));
        assert!(user.found.said.contains(words[0]), "{}", user.found.said);
        assert!(remedy(user).contains(words[1]), "{}", remedy(user));
    }
    drop(kamailio);
    let report = Site::with(&table("udp", LOGIN)).report("connector.pbx");
    let found = ["options", "user"].map(|word| step(&report, &format!("connector.pbx.{word}")).found.verdict);
    assert_eq!(found, [Note, Failed], "{}", report.text(false));
}

const BUSY: &str = "<?xml version=\"1.0\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:1001@pbx.test\"><tuple id=\"t\">\
                    <status><basic>closed</basic></status></tuple></presence>";

/// R31 R109 R111: what a PBX answers to the SUBSCRIBE of one user, with what to do about it; and OPTIONS may stay unanswered.
#[test]
fn r31_what_a_pbx_says_of_one_user_decides_what_an_admin_is_advised() {
    for (code, says, verdict, words) in [
        (200, Some(("application/pidf+xml", BUSY)), Ok, ["presence of sip:1001@pbx.test: offline", ""]),
        (202, None, Warning, ["no NOTIFY has come", "firewall"]),
        (200, Some(("text/plain", "hello")), Failed, ["tells text/plain", "Choose another package"]),
        (
            200,
            Some(("application/pidf+xml", "<presence")),
            Failed,
            ["cannot be read", "Choose another package"],
        ),
        (403, None, Failed, ["answers 403", "Let that server allow it"]),
        (404, None, Failed, ["answers 404", "domain of connector pbx (pbx.test)"]),
        (489, None, Failed, ["answers 489", "does not know presence"]),
        (405, None, Failed, ["answers 405", "takes no subscriptions"]),
        (503, None, Failed, ["answers 503", "cannot work now"]),
    ] {
        // Some never answer OPTIONS.
        let is_silent = code == 200;
        let (address, asked) = desk(Box::new(move |request: &str| {
            if request.starts_with("OPTIONS ") && !is_silent {
                return vec![answer(request, 200, "", "")];
            }
            let subscribe = request.starts_with("SUBSCRIBE ");
            let told = says.map(|(kind, body)| notify(request, kind, body));
            let taken = subscribe.then(|| answer(request, code, "Expires: 0\r\n", ""));
            taken.into_iter().chain(told.filter(|_| subscribe)).collect()
        }));
        let report = Site::with(&connector(address, "")).report("connector.pbx");
        let (options, user) = (step(&report, "connector.pbx.options"), step(&report, "connector.pbx.user"));
        let lives = if is_silent { Note } else { Ok };
        assert_eq!(
            (options.found.verdict, user.found.verdict),
            (lives, verdict),
            "{code}: {}",
            report.text(false)
        );
        assert!(user.found.said.contains(words[0]), "{}", user.found.said);
        assert!(remedy(user).contains(words[1]), "{}", remedy(user));
        let asked = asked.lock().expect("whole");
        let subscribed = |text: &&String| text.starts_with("SUBSCRIBE sip:1001@pbx.test ");
        let first = asked.iter().find(subscribed).expect("a SUBSCRIBE");
        assert!(first.contains("\r\nExpires: 0\r\n") && first.contains("\r\nEvent: presence\r\n"), "{first}");
    }
    let off = Site::with(&connector(([127, 0, 0, 1], 9).into(), "enabled = false")).report("connector");
    assert_eq!(step(&off, "connector.pbx.user").found.verdict, Skipped, "{}", off.text(false));
}

/// R31 R52 R114: a CSTA gateway is asked whether it works, and of one telephone; nothing stays open there.
#[test]
fn r31_a_csta_gateway_is_asked_whether_it_works_and_tells_of_a_telephone() {
    let body = |response: &Response| response_body(Edition(3), response);
    let (works, monitors) = (
        body(&Response::SystemStatus { normal: true }),
        body(&Response::MonitorStart { monitor: "m1".into() }),
    );
    let rows: [(u16, &str, u16, &str, [_; 2], &str); 5] = [
        (200, &works, 200, &monitors, [Ok, Ok], "it tells what happens at tel:1001"),
        (415, "", 200, "", [Failed, Skipped], "and not its SIP trunk"),
        (200, "v=0", 200, "", [Failed, Skipped], "and not its SIP trunk"),
        (200, &works, 404, "", [Ok, Failed], "device of [rcc.gateway.pbx]"),
        (401, "", 200, "", [Failed, Skipped], "Name login and password_file in [rcc.gateway.pbx]"),
    ];
    for (invited, status, informed, monitor, verdicts, words) in rows {
        let (status, says) = (status.to_owned(), monitor.to_owned());
        let (address, asked) = desk(Box::new(move |request: &str| match request.split(' ').next() {
            Some("INVITE") if invited == 401 => {
                vec![answer(request, 401, "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n\"\r\n", "")]
            }
            Some("INVITE") => vec![answer(request, invited, "", &status)],
            Some("INFO") if request.contains("MonitorStop") => vec![answer(request, 200, "", "")],
            Some("INFO") => vec![answer(request, informed, "", &says)],
            Some("BYE") => vec![answer(request, 200, "", "")],
            _ => vec![],
        }));
        let table = format!("[rcc.gateway.pbx]\nserver = \"sip:csta@{address};transport=udp\"\n");
        let report = Site::with(&table).report("gateway.pbx");
        let found = ["csta", "user"].map(|word| step(&report, &format!("gateway.pbx.{word}")).found.verdict);
        assert_eq!(found, verdicts, "{}", report.text(false));
        assert!(report.text(false).contains(words), "{}", report.text(false));
        let asked = asked.lock().expect("whole");
        let count =
            |method: &str| asked.iter().filter(|text| text.starts_with(&format!("{method} "))).count();
        assert_eq!((count("INVITE"), count("ACK")), (1, 1), "{asked:#?}");
        assert_eq!(count("BYE"), usize::from(invited == 200), "{asked:#?}");
        assert_eq!(count("INFO"), if monitor.is_empty() { usize::from(informed == 404) } else { 2 });
    }
}

fn exchange(port: u16, password: &str) -> String {
    format!(
        "[channel.exchange]\nkind = \"ews\"\nurl = \"https://127.0.0.1:{port}/EWS/Exchange.asmx\"\nauth = \"basic\"\nuser = \"svc\"\n\
         password_file = \"{password}\"\nfrom = \"rp@corp.test\"\nca = \"ca/own.pem\"\n[presence.calendar.staff]\nchannel = \"exchange\"\n"
    )
}

/// R31 R53: one user's free and busy times are asked for, by a password that is shown once in all.
#[test]
fn r31_a_calendar_server_is_asked_for_one_user() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let open = |says: &'static str| {
        Server::start(believed(), move |asked| {
            let login = format!("Basic {}", STANDARD.encode("svc:correct horse"));
            if asked.header("authorization") != Some(&login) {
                return Reply::Say(401, vec![("WWW-Authenticate", "Basic".into())], vec![]);
            }
            let body = match asked.text().contains("GetUserAvailability") {
                true => format!(
                    "<Envelope><Body><GetUserAvailabilityResponse><FreeBusyResponseArray><FreeBusyResponse>{says}</FreeBusyResponse>\
                     </FreeBusyResponseArray></GetUserAvailabilityResponse></Body></Envelope>"
                ),
                false => crate::town::OPEN.to_owned(),
            };
            Reply::Say(200, vec![], body.into_bytes())
        })
    };
    let free = "<ResponseMessage ResponseClass=\"Success\"><ResponseCode>NoError</ResponseCode></ResponseMessage><FreeBusyView>\
                <FreeBusyViewType>FreeBusyMerged</FreeBusyViewType><MergedFreeBusy>0022</MergedFreeBusy></FreeBusyView>";
    let closed = "<ResponseMessage ResponseClass=\"Error\"><MessageText>no</MessageText>\
                  <ResponseCode>ErrorNoFreeBusyAccess</ResponseCode></ResponseMessage>";
    for (says, password, verdict, words) in [
        (free, "password", Ok, "free and busy times of a user are told"),
        (closed, "password", Failed, "Calendars.Read"),
        (free, "wrong", Failed, "See the steps of channel.exchange"),
    ] {
        let server = open(says);
        let site = Site::with(&exchange(server.port, password));
        let report = site.report("calendar");
        let user = step(&report, "calendar.staff.user");
        assert_eq!(user.found.verdict, verdict, "{}", report.text(false));
        assert!(report.text(false).contains(words), "{}", report.text(false));
    }
}

/// R31: what the application of a Teams publisher may is read of its token, before the first call.
#[test]
fn r31_the_right_to_say_who_is_in_a_call_stands_in_the_token() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    for (roles, verdict, words) in [
        ("[\"Presence.ReadWrite.All\"]", Ok, "the application has Presence.ReadWrite.All"),
        ("[\"Mail.Send\"]", Failed, "Grant the application Presence.ReadWrite.All"),
    ] {
        let token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(format!("{{\"roles\":{roles}}}")));
        let server = Server::start(believed(), move |_| {
            Reply::json(200, &serde_json::json!({"access_token": token, "expires_in": 3599}))
        });
        let url = format!("https://127.0.0.1:{}", server.port);
        let site = Site::with(&format!(
            "[channel.online]\nkind = \"graph\"\nurl = \"{url}/v1.0\"\nfrom = \"rp@corp.test\"\ntoken_url = \"{url}/t/token\"\n\
             client_id = \"app\"\nclient_secret_file = \"password\"\nca = \"ca/own.pem\"\n[presence.publish.teams]\nkind = \"teams\"\nchannel = \"online\"\n"
        ));
        let report = site.report("publish.teams");
        assert_eq!(step(&report, "publish.teams.rights").found.verdict, verdict, "{}", report.text(false));
        assert!(report.text(false).contains(words), "{}", report.text(false));
    }
}

/// A mistyped name is told of, with its key; people elsewhere may be named; tables that do nothing are told of, too.
#[test]
fn r120_whoever_is_named_and_is_nobody_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let found = |presence: &str| {
        let file = folder.path().join("site.toml");
        let user = |number: &str| {
            format!(
                "[[user]]\naddress = \"sip:{number}@corp.test\"\nnumbers = [\"{number}\"]\nmissed_calls = \"off\"\n"
            )
        };
        let site = format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:5099\"]\ndomain = \"corp.test\"\n{}{}{presence}",
            user("1001"),
            user("1002")
        );
        std::fs::write(&file, site).expect("written");
        let asked =
            Asked { file, user: None, only: Some("config.users".into()), timeout: Duration::from_secs(5) };
        let report = actix::System::new().block_on(async { examine(&asked).await });
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        (report.steps[0].found.verdict, report.steps[0].found.said.clone())
    };
    let seen =
        "[presence]\nenabled = true\nfull = [\"1001\", \"sip:1002@corp.test\", \"sip:eve@partner.test\"";
    assert_eq!(found(&format!("{seen}]")).0, Ok);
    let list = "[[presence.list]]\naddress = \"sip:team@corp.test\"\nmembers = [\"1002\", \"1020\"]\n";
    let delegate = "[[rcc.delegate]]\nuser = \"1001\"\nlines = [\"1oo2\"]\n";
    for (presence, words) in [
        (format!("{seen}, \"l001\"]"), "presence.full names \"l001\""),
        (format!("{seen}, \"trunk:pbx\"]"), "presence.full names \"trunk:pbx\""),
        (
            format!("[user.presence]\nblock = [\"1003\"]\n{list}"),
            "user sip:1002@corp.test presence.block names \"1003\"",
        ),
        (format!("{list}{delegate}"), "names \"1020\", who is nobody here, and 1 more"),
        (delegate.to_owned(), "rcc.delegate.lines names \"1oo2\""),
        (list.replace("1020", "1001"), "[presence] is off, so these do nothing: [[presence.list]]"),
    ] {
        let (verdict, said) = found(&presence);
        assert!(verdict == Warning && said.contains(words), "{presence}: {said}");
    }
}
