//! Several channels for one user, from the site file to what the receivers get (R203). The HTTP client keeps its connections
//! for a while, so that nothing here is back to a baseline at once.

use crate::{
    http::{Reply, Server},
    support::{Over, Site, metrics, ports, until},
};

const MAIL: &str = "ada@corp.test";

#[test]
fn a_missed_call_is_told_by_every_entry_and_by_the_next_of_a_chain() {
    let refuses = Server::start(None, |_| Reply::Say(410, vec![], vec![]));
    let takes = Server::start(None, |_| Reply::Say(202, vec![], vec![]));
    let watched = ports(1);
    let site = Site::new()
        .maildir()
        .table(&format!("[metrics]\nlisten = \"127.0.0.1:{watched}\""))
        .table(&format!("[channel.gone]\nkind = \"webhook\"\nurl = {:?}", refuses.url("/")))
        .table(&format!("[channel.hook]\nkind = \"webhook\"\nurl = {:?}", takes.url("/")))
        .table("[notices]\nchannels = [[\"gone\", \"mail\"], \"hook\"]");
    let (mut pbx, mut desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let user = format!("missed_calls = \"mail\"\nmail = {MAIL:?}");
    let ringpost = site.user("1001", &[&desk], &user).start();
    let invite = pbx.invite("1001");
    let ring = desk.expect("INVITE");
    desk.answer(&ring, 486);
    desk.expect("ACK");
    pbx.refused(&invite, 486);
    let mails = ringpost.has_mails(MAIL, 1);
    until("the event", || !takes.asked().is_empty());
    let event: serde_json::Value = serde_json::from_slice(&takes.asked()[0].body).expect("JSON");
    assert_eq!(event["data"]["call_id"], invite.one("Call-ID"));
    let id = event["id"].as_str().expect("an id");
    assert!(mails[0].1.contains(&format!("Message-ID: <{id}@corp.test>")), "one key for all: {}", mails[0].1);
    // One that refuses for good is asked once.
    assert_eq!(refuses.asked().len(), 1);
    let numbers = || metrics::ask(watched, "GET /metrics HTTP/1.0\r\n\r\n");
    for line in [
        "ringpost_notices_delivered_total{channel=\"hook\"} 1",
        "ringpost_notices_delivered_total{channel=\"mail\"} 1",
        "ringpost_notices_delivered_total{channel=\"gone\"} 0",
        "ringpost_notices_moved_total{channel=\"gone\"} 1",
        "ringpost_notices_open{channel=\"mail\"} 0",
        "ringpost_channel_down{channel=\"gone\"} 0",
    ] {
        until(line, || numbers().contains(line));
    }
}

#[test]
fn um_that_refuses_is_replaced_by_all_channels_of_the_user() {
    let takes = Server::start(None, |_| Reply::Say(204, vec![], vec![]));
    let site = Site::new()
        .maildir()
        .table(&format!("[channel.hook]\nkind = \"webhook\"\nurl = {:?}", takes.url("/")));
    let [mut pbx, mut desk, mut um] = [(); 3].map(|()| site.peer(Over::Udp));
    let um_uri = um.uri();
    let user = format!("um_plan = \"lab\"\nmail = {MAIL:?}\nchannels = [\"mail\", \"hook\"]");
    let ringpost = site.plan("lab", &[&um_uri]).user("1001", &[&desk], &user).start();
    let invite = pbx.invite("1001");
    let ring = desk.expect("INVITE");
    desk.answer(&ring, 180);
    pbx.expect("180");
    pbx.cancel(&invite, "");
    pbx.expect("200");
    let cancel = desk.expect("CANCEL");
    desk.answer(&cancel, 200);
    desk.answer(&ring, 487);
    desk.expect("ACK");
    pbx.refused(&invite, 487);
    let info = um.expect("INFO");
    um.answer(&info, 415);
    ringpost.has_mails(MAIL, 1);
    until("the event", || takes.asked().len() == 1);
}
