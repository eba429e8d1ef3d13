//! Counts for users whose phones hang at a PBX: by NOTIFY that it has not asked for (PROTOCOLS §5).

use std::{fs, time::Duration};

use crate::{
    support::{Over, Peer, Ringpost, Sip, Site, until},
    watcher::site,
};

/// The PBX is at 127.0.0.6 over that transport, the UM at 127.0.0.7. 1001 has a phone at the PBX, 200 neither a phone nor a
/// password; 1003 has a phone elsewhere.
fn started(over: Over, lines: &str) -> (Ringpost, Peer, Peer) {
    let site = site("messages_from = [\"um\"]\nmessages_to = [\"house\"]");
    fs::write(site.folder.path().join("password"), "correct horse\n").expect("written");
    let house = Peer::new(over, "127.0.0.6", site.sip);
    let um = Peer::new(Over::Udp, "127.0.0.7", site.sip);
    let elsewhere = Peer::new(Over::Udp, "127.0.0.8", site.sip);
    let target = house.uri().replace("peer@", "");
    let desk = Peer::uri(&house).replace("peer@", "desk-7@");
    let site: Site = site
        .table(&format!(
            "[[trunk]]\nname = \"um\"\nsources = [\"127.0.0.7\"]\n\
             [[trunk]]\nname = \"house\"\nsources = [\"127.0.0.6\"]\ntarget = {target:?}\n{lines}"
        ))
        .user("200", &[], "missed_calls = \"off\"")
        .user("1003", &[&elsewhere], "");
    let ringpost = site
        .table(&format!(
            "[[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\ndevices = [{desk:?}]"
        ))
        .start();
    (ringpost, house, um)
}

fn tells(um: &mut Peer, user: &str, new: u32) {
    let lines = "Event: message-summary\r\nContent-Type: application/simple-message-summary\r\n";
    let body = format!("Messages-Waiting: yes\r\nVoice-Message: {new}/0\r\n");
    um.request("NOTIFY", &format!("sip:{user}@corp.test"), lines, &body);
    assert_eq!(um.expect_any().what(), "200");
}

/// The NOTIFYs of both users, in any order; each is answered so.
fn both(house: &mut Peer, code: u16) -> Vec<Sip> {
    let mut all = [(); 2].map(|()| {
        let notify = house.expect("NOTIFY");
        house.answer_with(&notify, code, "", "");
        notify
    });
    all.sort_by_key(|notify| notify.uri().to_owned());
    all.to_vec()
}

/// After the start each user once, then every change; over a kill the latest.
#[test]
fn r207_a_pbx_is_told_what_waits_unasked() {
    for over in Over::BOTH {
        let (mut ringpost, mut house, mut um) = started(over, "");
        let first = both(&mut house, 200);
        assert!(first[0].uri().starts_with("sip:200@127.0.0.6"), "{}", first[0]);
        assert!(first[1].uri().starts_with("sip:desk-7@127.0.0.6"), "{}", first[1]);
        for (notify, user) in first.iter().zip(["200", "1001"]) {
            let address = format!("<sip:{user}@corp.test>");
            assert!(notify.one("From").starts_with(&address) && notify.one("To") == address, "{notify}");
            assert_eq!((notify.one("Event"), notify.one("CSeq")), ("message-summary", "1 NOTIFY"));
            assert!(notify.one("Subscription-State").starts_with("terminated"), "{notify}");
            assert_eq!(notify.one("Content-Type"), "application/simple-message-summary");
            assert!(notify.body().starts_with("Messages-Waiting: no\r\n"), "{notify}");
        }
        tells(&mut um, "200", 2);
        let notify = house.expect("NOTIFY");
        assert!(notify.body().contains("Voice-Message: 2/0 (0/0)"), "{notify}");
        // Killed before the PBX has answered: what waits is told again, and is the latest.
        tells(&mut um, "200", 3);
        ringpost.kill();
        house.hangs_up();
        ringpost.restart();
        let again = loop {
            let notify = house.expect("NOTIFY");
            house.answer_with(&notify, 200, "", "");
            if notify.uri().starts_with("sip:200@") && notify.body().contains("3/0") {
                break notify;
            }
        };
        assert_ne!(again.one("Call-ID"), notify.one("Call-ID"));
        while let Some(notify) = house.next(Duration::from_millis(300)) {
            house.answer_with(&notify, 200, "", "");
        }
        // Neither the same counts again nor the same users are news; a user who is new is.
        tells(&mut um, "200", 3);
        let site = ringpost.site();
        ringpost.reload(&format!("{site}\n# the same\n"));
        ringpost.logs("Read the site file again");
        house.silent_for(Duration::from_millis(700));
        let user = "[[user]]\naddress = \"sip:201@corp.test\"\nnumbers = [\"201\"]\nmissed_calls = \"off\"\n";
        ringpost.reload(&format!("{site}\n{user}"));
        let notify = house.expect("NOTIFY");
        house.answer_with(&notify, 200, "", "");
        assert!(notify.uri().starts_with("sip:201@"), "{notify}");
        house.silent_for(Duration::from_millis(300));
        ringpost.is_well();
    }
}

/// 481, 405, 489: it wants to be asked only, which the log says once, and is left alone until the site is read again (or an hour
/// later): whoever has put it right there is told of everybody then.
#[test]
fn r207_a_pbx_that_takes_nothing_unasked_is_left_alone() {
    for code in [481, 405, 489] {
        let (ringpost, mut house, mut um) = started(Over::Udp, "");
        both(&mut house, code);
        let words = "A PBX takes no message counts that it has not subscribed to";
        ringpost.logs(words);
        tells(&mut um, "200", 2);
        house.silent_for(Duration::from_millis(500));
        // Reading the site again tries it with one user.
        ringpost.reload(&ringpost.site());
        let tried = house.expect("NOTIFY");
        house.answer_with(&tried, code, "", "");
        tells(&mut um, "200", 3);
        house.silent_for(Duration::from_millis(500));
        assert_eq!(ringpost.log().matches(words).count(), 1);
        ringpost.reload(&ringpost.site());
        let told = both(&mut house, 200);
        assert!(told[0].body().contains("3/0"), "{told:?}");
        ringpost.is_well();
    }
}

/// A PBX that is silent or ill is told later, and the latest only; one that asks for a password gets it.
#[test]
fn r207_a_pbx_that_is_not_well_is_told_later_and_one_that_challenges_gets_the_login() {
    let login = "login = \"ringpost\"\npassword_file = \"password\"\nrealm = \"house.test\"";
    let (ringpost, mut house, mut um) = started(Over::Udp, login);
    both(&mut house, 503);
    tells(&mut um, "200", 2);
    tells(&mut um, "200", 3);
    let mut told = vec![];
    while told.len() < 2 {
        let notify = house.expect("NOTIFY");
        match notify.all("Authorization").first() {
            Some(proof) => {
                assert!(
                    proof.contains("username=\"ringpost\"") && proof.contains("realm=\"house.test\""),
                    "{proof}"
                );
                house.answer_with(&notify, 200, "", "");
                told.push(notify);
            }
            None => {
                let challenge = "WWW-Authenticate: Digest realm=\"house.test\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n";
                house.answer_with(&notify, 401, challenge, "");
            }
        }
    }
    told.sort_by_key(|notify| notify.uri().to_owned());
    assert!(told[0].body().contains("3/0") && told[1].body().contains("0/0"), "{told:?}");
    house.silent_for(Duration::from_millis(200));
    until("nothing went wrong", || !ringpost.log().contains("panicked"));
    ringpost.is_well();
}
