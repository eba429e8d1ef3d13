//! Several Exchange servers behind one `[presence.calendar.NAME]`, found by Autodiscover (R28, R53): one that does not answer
//! delays nobody at another.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use ringpost::xml::escaped;

use crate::{
    authority::{Authority, params, server_config},
    ocs::{Kept, Ocs},
    program::{Over, Ringpost, Site, metrics, ports, until, within},
    support::http::{Asked, Reply, Server},
};

/// The mail domain: an address, so that no DNS is wanted, and a port of 443 that nobody else has.
const DOMAIN: &str = "127.0.0.41";
const MEETING: u32 = 4;
const ADA: &str = "sip:1001@corp.test";
const BOB: &str = "sip:1002@corp.test";

/// One Exchange.
#[derive(Default)]
struct Exchange {
    hangs: AtomicBool,
    busy: AtomicBool,
    asked: AtomicUsize,
}

impl Exchange {
    fn answer(&self, asked: &Asked) -> Reply {
        self.asked.fetch_add(1, SeqCst);
        if self.hangs.load(SeqCst) {
            return Reply::Hang;
        }
        let view = format!(
            "<FreeBusyResponse><ResponseMessage><ResponseCode>NoError</ResponseCode></ResponseMessage><FreeBusyView>\
             <MergedFreeBusy>{}</MergedFreeBusy></FreeBusyView></FreeBusyResponse>",
            if self.busy.load(SeqCst) { "2222" } else { "0000" }
        );
        let views = view.repeat(asked.text().matches("<t:Address>").count());
        Reply::Say(200, vec![], format!("<Envelope><Body>{views}</Body></Envelope>").into_bytes())
    }
}

struct Stage {
    exchanges: [Arc<Exchange>; 2],
    ocs: Ocs,
    health: SocketAddr,
    ringpost: Ringpost,
    _servers: Vec<Server>,
}

/// Ada is at the first Exchange, Bob at the second one.
fn started() -> Option<Stage> {
    let Ok(listener) = TcpListener::bind((DOMAIN, 443)) else {
        println!("skipped: port 443 cannot be had here");
        return None;
    };
    let site = Site::new();
    let ours = Authority::new("ours");
    ours.site(site.folder.path(), &["127.0.0.1"]);
    fs::write(site.folder.path().join("exchange.password"), "pw\n").expect("a file");
    let tls = server_config(&ours.signs(&params(&["127.0.0.1", DOMAIN])));
    let exchanges = [(); 2].map(|()| Arc::new(Exchange::default()));
    let mut servers: Vec<_> = exchanges
        .iter()
        .map(|one| {
            let one = Arc::clone(one);
            Server::start(Some(Arc::clone(&tls)), move |asked| one.answer(asked))
        })
        .collect();
    let urls: Vec<_> =
        servers.iter().map(|one| format!("https://127.0.0.1:{}/EWS/Exchange.asmx", one.port)).collect();
    servers.push(Server::on(listener, Some(tls), move |asked| {
        let url = &urls[usize::from(asked.text().contains("<EMailAddress>bob@"))];
        let found = format!(
            "<Autodiscover><Response><Account><Protocol><Type>EXCH</Type><EwsUrl>{}</EwsUrl></Protocol></Account></Response>\
             </Autodiscover>",
            escaped(url)
        );
        Reply::Say(200, vec![], found.into_bytes())
    }));
    let ocs = Ocs::start(SocketAddr::from(([127, 0, 0, 38], ports(1))), Kept::default());
    let health = SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let phone = site.peer(Over::Udp);
    let ringpost = site
        .table(&format!(
            "[metrics]\nlisten = \"{health}\"\n[presence]\nenabled = true\n[presence.publish.ocs]\nkind = \"microsoft\"\n\
             server = \"sip:{};transport=tcp\"\npublish_gap = \"10ms\"\n[channel.exchange]\nkind = \"ews\"\n\
             auth = \"basic\"\nuser = \"svc@corp.test\"\npassword_file = \"exchange.password\"\nfrom = \"um@corp.test\"\n\
             ca = \"ca/own.pem\"\nrequest_timeout = \"12s\"\n[presence.calendar.office]\nchannel = \"exchange\"\nevery = \"1s\"\n\
             keep = \"10m\"\n[notices]\nchannels = [\"exchange\"]",
            ocs.address
        ))
        .user("1001", &[&phone], &format!("mail = \"ada@{DOMAIN}\""))
        .user("1002", &[], &format!("mail = \"bob@{DOMAIN}\""))
        .start();
    Some(Stage { exchanges, ocs, health, ringpost, _servers: servers })
}

/// While one server hangs, the other one's calendars are as fresh as ever; nothing that was known is lost meanwhile, and health
/// says that something is missing.
#[test]
fn r53_a_server_that_hangs_delays_nobody_at_another() {
    let Some(stage) = started() else { return };
    let [first, second] = &stage.exchanges;
    second.busy.store(true, SeqCst);
    stage.ocs.until("Bob's meeting", |ocs| ocs.state(BOB, MEETING).is_some());
    until("both are asked", || first.asked.load(SeqCst) >= 2);
    second.hangs.store(true, SeqCst);
    let before = second.asked.load(SeqCst);
    until("it hangs", || second.asked.load(SeqCst) > before);
    let asked = first.asked.load(SeqCst);
    first.busy.store(true, SeqCst);
    within(Duration::from_secs(8), "Ada's meeting", || stage.ocs.state(ADA, MEETING).is_some());
    within(Duration::from_secs(8), "asked at its pace", || first.asked.load(SeqCst) >= asked + 4);
    first.busy.store(false, SeqCst);
    within(Duration::from_secs(8), "Ada's meeting is over", || stage.ocs.state(ADA, MEETING).is_none());
    assert!(second.asked.load(SeqCst) <= before + 2, "one question at a time is under way there");
    assert!(stage.ocs.state(BOB, MEETING).is_some());
    within(Duration::from_secs(25), "yellow", || {
        let health = metrics::ask(stage.health.port(), "GET /health HTTP/1.0\r\n\r\n");
        health.contains("yellow calendar office")
    });
    stage.ringpost.is_well();
}
