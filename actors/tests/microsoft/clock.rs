//! T34: the machine's clock is put right while Ringpost runs, as after a start without a network: meetings begin and end by the
//! clock that is right. Needs libfaketime.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    authority::{Authority, params, server_config},
    ocs::{Kept, Ocs},
    program::{Over, Site, faketime, ports, within},
    support::http::{Reply, Server},
};

const USER: &str = "sip:1001@corp.test";
const MEETING: u32 = 4;

/// The program's clock shows so many seconds more than the test's.
fn is_ahead(file: &Path, seconds: i64) {
    let new = file.with_extension("new");
    fs::write(&new, format!("{seconds:+}\n")).expect("written");
    fs::rename(new, file).expect("renamed");
}

#[test]
fn t34_meetings_go_by_a_clock_that_was_put_right() {
    let Some(library) = faketime() else { return };
    let site = Site::new();
    let ours = Authority::new("ours");
    ours.site(site.folder.path(), &["127.0.0.1"]);
    fs::write(site.folder.path().join("exchange.password"), "pw\n").expect("a file");
    let now = Timestamp::now();
    let at =
        |seconds: i64| (now + SignedDuration::from_secs(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    // In three hours.
    let event = format!(
        "<CalendarEvent><StartTime>{}</StartTime><EndTime>{}</EndTime><BusyType>Busy</BusyType></CalendarEvent>",
        at(3 * 3_600 - 60),
        at(4 * 3_600)
    );
    let body = format!(
        "<Envelope><Body><FreeBusyResponse><ResponseMessage><ResponseCode>NoError</ResponseCode></ResponseMessage><FreeBusyView>\
         <MergedFreeBusy>0000</MergedFreeBusy><CalendarEventArray>{event}</CalendarEventArray></FreeBusyView>\
         </FreeBusyResponse></Body></Envelope>"
    );
    let tls = server_config(&ours.signs(&params(&["127.0.0.1"])));
    let exchange = Server::start(Some(tls), move |_| Reply::Say(200, vec![], body.clone().into_bytes()));
    let ocs = Ocs::start(SocketAddr::from(([127, 0, 0, 39], ports(1))), Kept::default());
    let clock = site.folder.path().join("clock");
    is_ahead(&clock, 0);
    let phone = site.peer(Over::Udp);
    let ringpost = site
        .env("LD_PRELOAD", &library.display().to_string())
        .env("FAKETIME_TIMESTAMP_FILE", &clock.display().to_string())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("NO_FAKE_STAT", "1")
        .table(&format!(
            "[presence]\nenabled = true\n[presence.publish.ocs]\nkind = \"microsoft\"\nserver = \"sip:{};transport=tcp\"\n\
             publish_gap = \"10ms\"\n[channel.exchange]\nkind = \"ews\"\nurl = \"https://127.0.0.1:{}/EWS/Exchange.asmx\"\n\
             auth = \"basic\"\nuser = \"svc@corp.test\"\npassword_file = \"exchange.password\"\nfrom = \"um@corp.test\"\n\
             ca = \"ca/own.pem\"\n[presence.calendar.office]\nchannel = \"exchange\"\nevery = \"3m\"\n[notices]\n\
             channels = [\"exchange\"]",
            ocs.address, exchange.port
        ))
        .user("1001", &[&phone], "mail = \"tu@corp.test\"")
        .start();
    ocs.until("a calendar", |ocs| !ocs.category(USER, "calendarData").is_empty());
    assert_eq!(ocs.state(USER, MEETING), None);
    is_ahead(&clock, 3 * 3_600);
    within(Duration::from_secs(12), "the meeting", || ocs.state(USER, MEETING).is_some());
    is_ahead(&clock, 2 * 3_600);
    within(Duration::from_secs(12), "no meeting yet", || ocs.state(USER, MEETING).is_none());
    is_ahead(&clock, 4 * 3_600 + 60);
    within(Duration::from_secs(12), "it is asked again", || exchange.asked().len() >= 4);
    assert_eq!(ocs.state(USER, MEETING), None, "it is over");
    ringpost.is_well();
}
