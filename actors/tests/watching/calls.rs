//! Lamps of calls that are more than ringing and talking: each state in its order, and nothing sticks (R51, R55).

use std::time::{Duration, Instant};

use crate::{
    device::{PASSWORD, Phone},
    support::{Over, PATIENCE, Peer, Ringpost, SDP, Sip, peer::Dialog},
    watcher::{Watcher, site},
};

/// A lamp that is watched.
struct Lamp {
    watcher: Watcher,
    seen: Vec<String>,
}

/// The states of a document, sorted: `confirmed early`.
fn states(notify: &Sip) -> String {
    let body = notify.body();
    let mut all: Vec<&str> =
        body.split("<state>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
    all.sort_unstable();
    all.join(" ")
}

impl Lamp {
    fn of(ringpost: &Ringpost, user: &str) -> Self {
        let mut watcher = Watcher::new(ringpost, Over::Udp, "1009");
        assert_eq!(states(&watcher.subscribes(user, "dialog", "")), "", "dark at first");
        Self { watcher, seen: vec![] }
    }

    /// Until it shows that; what it shows on the way is kept.
    fn shows(&mut self, wanted: &str) -> Sip {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let notify =
                self.watcher.peer.next(left).unwrap_or_else(|| panic!("never {wanted}: {:?}", self.seen));
            self.watcher.peer.answer_with(&notify, 200, "", "");
            let states = states(&notify);
            if self.seen.last() != Some(&states) {
                self.seen.push(states.clone());
            }
            if states == wanted {
                return notify;
            }
        }
    }

    /// All that it has shown, in order; and it shows nothing more.
    fn has_shown(mut self, all: &[&str]) {
        self.watcher.sees_nothing_for(Duration::from_millis(150));
        assert_eq!(self.seen, all);
        assert_eq!(states(&self.watcher.refreshes(0)), *self.seen.last().expect("something"));
    }
}

fn hung_up(peer: &mut Peer) {
    let bye = peer.expect("BYE");
    peer.answer(&bye, 200);
}

fn cancelled(phone: &mut Peer, invite: &Sip) {
    let cancel = phone.expect("CANCEL");
    phone.answer(&cancel, 200);
    phone.answer(invite, 487);
    phone.expect("ACK");
}

/// The caller's 200, after whatever it was told before.
fn answered(pbx: &mut Peer) -> Sip {
    loop {
        let answer = pbx.expect_any();
        if !answer.what().starts_with('1') {
            assert_eq!(answer.what(), "200", "{answer}");
            return answer;
        }
    }
}

/// The phone answers; both ends.
fn talk(pbx: &mut Peer, phone: &mut Peer, invite: &Sip, ringing: &Sip) -> (Dialog, Dialog) {
    let ok = phone.answer(ringing, 200);
    let mut talk = Dialog::caller(invite, &pbx.expect("200"));
    pbx.inside(&mut talk, "ACK", "", "");
    phone.expect("ACK");
    (talk, Dialog::callee(ringing, &ok))
}

fn rings(pbx: &mut Peer, phone: &mut Peer, user: &str) -> (Sip, Sip) {
    let invite = pbx.invite(user);
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    pbx.expect("180");
    (invite, ringing)
}

const FULL: &str = "users = \"full\"";
const OFF: &str = "missed_calls = \"off\"";

/// Two phones of a user ring: two dialogs; one answers and the other's is gone. What the holder does changes no state.
#[test]
fn a_forked_call_is_two_dialogs_then_one_and_hold_keeps_it() {
    let site = site(FULL);
    let [mut pbx, mut one, mut other] = [(); 3].map(|()| site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&one, &other], OFF).user("1009", &[], "").start();
    let mut lamp = Lamp::of(&ringpost, "1001");
    let invite = pbx.invite("1001");
    let [first, second] = [&mut one, &mut other].map(|phone| {
        let ringing = phone.expect("INVITE");
        phone.answer(&ringing, 180);
        ringing
    });
    lamp.shows("early early");
    let ok = one.answer(&first, 200);
    let mut caller = Dialog::caller(&invite, &answered(&mut pbx));
    pbx.inside(&mut caller, "ACK", "", "");
    one.expect("ACK");
    cancelled(&mut other, &second);
    lamp.shows("confirmed");
    // Held and taken back: it stays confirmed (RFC 4235 §3.7.1 has no word for it).
    let mut callee = Dialog::callee(&first, &ok);
    for direction in ["sendonly", "sendrecv"] {
        one.inside(&mut callee, "INVITE", "", &format!("{SDP}a={direction}\r\n"));
        let renewed = pbx.expect("INVITE");
        pbx.answer(&renewed, 200);
        one.expect("200");
        one.inside(&mut callee, "ACK", "", "");
        pbx.expect("ACK");
    }
    pbx.inside(&mut caller, "BYE", "", "");
    pbx.expect("200");
    hung_up(&mut one);
    lamp.shows("");
    let way = lamp.seen.clone();
    // What changes at once is told at once.
    let way: Vec<&str> =
        way.iter().map(String::as_str).filter(|one| !["early", "confirmed early"].contains(one)).collect();
    assert_eq!(way, ["early early", "confirmed", ""]);
    ringpost.is_well();
}

/// Blind: the referrer's lamp goes out when the other talks, whose lamp follows its own phone.
#[test]
fn a_transferred_call_moves_from_lamp_to_lamp() {
    let site = site(FULL);
    let [mut pbx, mut desk, mut third] = [(); 3].map(|()| site.peer(Over::Udp));
    let ringpost =
        site.user("1001", &[&desk], OFF).user("1005", &[&third], OFF).user("1009", &[], "").start();
    let (mut from, mut to) = (Lamp::of(&ringpost, "1001"), Lamp::of(&ringpost, "1005"));
    let (invite, ringing) = rings(&mut pbx, &mut desk, "1001");
    from.shows("early");
    let (mut caller, mut phone) = talk(&mut pbx, &mut desk, &invite, &ringing);
    from.shows("confirmed");
    desk.inside(&mut phone, "REFER", &format!("Refer-To: <sip:1005@{}>\r\n", ringpost.sip), "");
    desk.expect("202");
    let notified = |desk: &mut Peer| {
        let notify = desk.expect("NOTIFY");
        desk.answer(&notify, 200);
    };
    notified(&mut desk);
    let moved = third.expect("INVITE");
    third.answer(&moved, 180);
    notified(&mut desk);
    to.shows("early");
    third.answer(&moved, 200);
    third.expect("ACK");
    let renewed = pbx.expect("INVITE");
    pbx.answer(&renewed, 200);
    pbx.expect("ACK");
    notified(&mut desk);
    hung_up(&mut desk);
    to.shows("confirmed");
    from.shows("");
    pbx.inside(&mut caller, "BYE", "", "");
    pbx.expect("200");
    hung_up(&mut third);
    to.shows("");
    from.has_shown(&["early", "confirmed", ""]);
    to.has_shown(&["early", "confirmed", ""]);
    ringpost.is_well();
}

/// A colleague takes a call that rings elsewhere by what the lamp says (RFC 5359 §2.16: in the place of the phone that rings): one lamp goes out, the other is lit.
#[test]
fn a_picked_up_call_moves_from_lamp_to_lamp() {
    let site = site(FULL);
    let [mut pbx, mut desk] = [(); 2].map(|()| site.peer(Over::Udp));
    let login = format!("{OFF}\npassword = \"{PASSWORD}\"");
    let ringpost = site.user("1001", &[&desk], OFF).user("1005", &[], &login).user("1009", &[], "").start();
    let (mut from, mut to) = (Lamp::of(&ringpost, "1001"), Lamp::of(&ringpost, "1005"));
    let (invite, ringing) = rings(&mut pbx, &mut desk, "1001");
    let lit = from.shows("early");
    let attribute = |name: &str| {
        let body = lit.body().to_owned();
        let value = body.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        value.map(str::to_owned).unwrap_or_else(|| panic!("no {name}: {lit}"))
    };
    let replaces = format!(
        "Replaces: {};to-tag={};from-tag={}\r\n",
        attribute("call-id"),
        attribute("remote-tag"),
        attribute("local-tag")
    );
    let mut colleague = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1005");
    let contact = format!("Contact: {}\r\n{replaces}", colleague.contact);
    let (sent, ok) = colleague.asks("INVITE", "sip:1001@corp.test", &contact, SDP, 0);
    assert_eq!(ok.what(), "200", "{ok}");
    let mut picked = Dialog { sequence: colleague.sequence, ..Dialog::caller(&sent, &ok) };
    colleague.peer.inside(&mut picked, "ACK", "", "");
    cancelled(&mut desk, &ringing);
    let mut caller = Dialog::caller(&invite, &pbx.expect("200"));
    pbx.inside(&mut caller, "ACK", "", "");
    from.shows("");
    to.shows("confirmed");
    pbx.inside(&mut caller, "BYE", "", "");
    pbx.expect("200");
    hung_up(&mut colleague.peer);
    to.shows("");
    from.has_shown(&["early", ""]);
    to.has_shown(&["confirmed", ""]);
    ringpost.is_well();
}

/// A hunt rings one after the other: one lamp at a time.
#[test]
fn a_hunted_call_lights_one_lamp_after_the_other() {
    let site = site(FULL);
    let [mut pbx, mut first, mut second] = [(); 3].map(|()| site.peer(Over::Udp));
    let policy = format!("{OFF}\n[user.policy]\nhunt = [\"1005\", \"1006\"]\nhunt_step = \"600ms\"");
    let ringpost = site
        .user("1001", &[], &policy)
        .user("1005", &[&first], OFF)
        .user("1006", &[&second], OFF)
        .user("1009", &[], "")
        .start();
    let [mut whole, mut one, mut two] = ["1001", "1005", "1006"].map(|user| Lamp::of(&ringpost, user));
    let invite = pbx.invite("1001");
    let ringing = first.expect("INVITE");
    first.answer(&ringing, 180);
    one.shows("early");
    cancelled(&mut first, &ringing);
    one.shows("");
    let ringing = second.expect("INVITE");
    second.answer(&ringing, 180);
    two.shows("early");
    let ok = second.answer(&ringing, 200);
    let mut caller = Dialog::caller(&invite, &answered(&mut pbx));
    pbx.inside(&mut caller, "ACK", "", "");
    second.expect("ACK");
    two.shows("confirmed");
    let mut callee = Dialog::callee(&ringing, &ok);
    second.inside(&mut callee, "BYE", "", "");
    second.expect("200");
    hung_up(&mut pbx);
    two.shows("");
    one.has_shown(&["early", ""]);
    two.has_shown(&["early", "confirmed", ""]);
    // Whose call it is, but on whose phone nothing rings, is free.
    whole.watcher.sees_nothing_for(Duration::from_millis(50));
    ringpost.is_well();
}
