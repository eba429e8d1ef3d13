//! Faults and losses of a lane (T39).

use actix::System;
use tokio::sync::mpsc::Receiver;

use super::*;

fn port(lane: u8, lanes: Lanes) -> Rc<Port> {
    let limits = stream::Limits {
        connections: 9,
        message: 1_000,
        idle: Duration::from_secs(1),
        udp_fallback: Duration::from_secs(1),
        origins: vec![],
    };
    let address = "127.0.0.1:5060".parse().expect("an address");
    let bound = Listen { transport: Transport::Tcp, address };
    let listener = Listener { bound, sent_by: Box::from(&b"127.0.0.1:5060"[..]), internal: false };
    Port::new(lane, vec![listener], lanes, Streams::new(lane, limits), Duration::from_secs(32))
}

#[test]
fn a_fault_costs_one_message_and_not_the_lane() {
    let (lanes, _inboxes) = Lanes::new(1);
    let port = port(0, lanes);
    port.guarded(|| {
        let _held = port.transactions.borrow_mut();
        panic!("injected");
    });
    let mut went_on = false;
    port.guarded(|| went_on = port.transactions.try_borrow_mut().is_ok());
    assert!(went_on, "the table is free again");
}

/// Notes what fails.
#[derive(Default)]
struct Failures(RefCell<Vec<u16>>);

impl TransactionUser for Failures {
    fn admits(&self, _: &Message, _: &Peer) -> Result<(), Refusal> {
        Ok(())
    }

    fn hears(&self, news: News) {
        if let News::Failed { code, .. } = news {
            self.0.borrow_mut().push(code);
        }
    }

    fn rings(&self, _: Alarm) {}
}

/// Does the next thing in a lane's inbox.
async fn unpack(port: &Rc<Port>, inbox: &mut Receiver<Parcel>) {
    match inbox.recv().await.expect("the other lane lives") {
        Parcel::Transmit(transmit) => port.transmit(transmit),
        Parcel::Undelivered(octets) => port.undeliverable(octets),
        other => panic!("nobody sends {other:?}"),
    }
}

#[test]
fn a_message_that_another_lane_cannot_deliver_fails_on_its_own_lane() {
    System::new().block_on(async {
        let (lanes, mut inboxes) = Lanes::new(2);
        let (mine, other) = (port(0, lanes.clone()), port(1, lanes));
        let failures = Rc::new(Failures::default());
        mine.serve(failures.clone());
        other.serve(Rc::new(Failures::default()));
        // A port that nobody listens on, by way of a connection of the other lane that has gone.
        let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|probe| probe.local_addr());
        let address = gone.expect("a port");
        let peer = Peer { transport: Transport::Tcp, address, listener: 0, connection: 1 << 56 | 77 };
        let sent = mine.invite(peer, Owner::Leg(Token(5)), |branch| {
            let branch = String::from_utf8_lossy(&branch.text()).into_owned();
            Bytes::from(format!(
                "INVITE sip:a@h SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bK{branch}\r\n\
                 From: <sip:b@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
            ))
        });
        assert!(sent.is_some());
        let (mut for_other, mut for_mine) = (inboxes.pop().expect("two"), inboxes.pop().expect("two"));
        let there_and_back = async {
            unpack(&other, &mut for_other).await;
            unpack(&mine, &mut for_mine).await;
        };
        tokio::time::timeout(Duration::from_secs(5), there_and_back).await.expect("it comes back");
        assert_eq!(*failures.0.borrow(), [503]);
    });
}
