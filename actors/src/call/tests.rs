//! A fault in one of a call's actors (T39), with real datagrams on loopback.

use std::{
    net::{SocketAddr, UdpSocket},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use ringpost::settings::{self, Listen, Transport};
use tokio::time::timeout;

use super::*;
use crate::{
    channel::Recorded,
    guard::Break,
    load,
    outbox::{Asking, ChannelUse, Channels},
    policies::Policies,
    port::{
        Listener,
        door::Gatehouse,
        lanes::Lanes,
        stream::{Limits, Streams},
    },
    presence::Presence,
    store::{Late, Scribe, Sqlite},
    switch::{Questions, Shared},
    voicemail::{Greetings, PortPool},
};

/// Who breaks.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
enum Fault {
    Call,
    Leg(Leg),
}

impl Handler<Fault> for CallActor {
    type Result = ();

    fn handle(&mut self, fault: Fault, ctx: &mut Context<Self>) {
        match fault {
            Fault::Call => self.guarded(ctx, |_, _| panic!("broken by the test")),
            Fault::Leg(leg) => {
                self.legs.iter().filter(|(of, _)| *of == leg).for_each(|(_, a)| a.do_send(Break))
            }
        }
    }
}

#[test]
fn a_fault_ends_its_own_call_cleanly() {
    let phone = Leg::Phone(0);
    for (answered, fault, to_caller, to_phone, mails) in [
        (false, Fault::Call, "SIP/2.0 503", "CANCEL ", 1),
        (false, Fault::Leg(phone), "SIP/2.0 503", "CANCEL ", 1),
        (false, Fault::Leg(Leg::Caller), "SIP/2.0 503", "CANCEL ", 1),
        (true, Fault::Call, "BYE ", "BYE ", 0),
        (true, Fault::Leg(phone), "BYE ", "BYE ", 0),
        (true, Fault::Leg(Leg::Caller), "BYE ", "BYE ", 0),
    ] {
        System::new().block_on(async {
            let lane = Lane::open().await;
            let [broken, other] = [lane.call("1", answered).await, lane.call("2", answered).await];
            let (call, legs) = lane.switch.look();
            assert_eq!((lane.switch.calls(), legs), (2, 4));
            call.expect("it runs").send(fault).await.expect("it survives its own fault");
            broken.0.hears(to_caller).await;
            broken.1.hears(to_phone).await;
            let context = format!("answered: {answered}, {fault:?}");
            until(|| lane.switch.calls() == 1 && lane.switch.look().1 == 2, &context).await;
            assert_eq!(lane.open.load(Ordering::Relaxed), 1, "{context}");
            until(|| lane.mail.tries().len() == mails, &context).await;
            // The other call goes on as if nothing had happened.
            lane.switch.end_all();
            other.0.hears(to_caller).await;
            other.1.hears(to_phone).await;
            until(|| lane.open.load(Ordering::Relaxed) == 0 && lane.switch.look().1 == 0, &context).await;
        });
    }
}

async fn until(true_at_last: impl Fn() -> bool, context: &str) {
    let waits = async {
        while !true_at_last() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(5), waits).await.unwrap_or_else(|_| panic!("it never came to it: {context}"));
}

/// A lane with one user, whose two phones are told apart by the call.
struct Lane {
    address: SocketAddr,
    switch: Rc<Switch>,
    mail: Arc<Recorded>,
    open: Arc<AtomicUsize>,
    phones: [Rc<tokio::net::UdpSocket>; 2],
}

struct End(Rc<tokio::net::UdpSocket>, SocketAddr);

fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_nonblocking(true).expect("a socket");
    let address = socket.local_addr().expect("bound");
    (socket, address)
}

impl Lane {
    async fn open() -> Self {
        let ((own, address), phones) = (socket(), [socket(), socket()]);
        let user = |number: usize| {
            format!(
                "[[user]]\naddress = \"sip:{number}@lab.test\"\nnumbers = [\"{number}\"]\n\
                 devices = [\"sip:desk@{}\"]\nmissed_calls = \"mail\"\nmail = \"{number}@lab.test\"\n",
                phones[number - 1].1
            )
        };
        let site = format!(
            "[sip]\nlisten = [\"udp:{address}\"]\n[[trunk]]\nname = \"pbx\"\nsources = [\"127.0.0.1\"]\n\
             [mail]\nurl = \"maildir:mail\"\nfrom = \"ringpost@lab.test\"\n{}{}",
            user(1),
            user(2)
        );
        let site = load::text(Path::new("/lab/site.toml"), &site).expect("a good site");
        let limits = Limits {
            connections: 0,
            message: 65_536,
            idle: Duration::from_secs(1),
            udp_fallback: Duration::from_secs(1),
            origins: vec![],
        };
        let bound = Listen { transport: Transport::Udp, address };
        let listener = Listener { bound, sent_by: address.to_string().into_bytes().into(), internal: false };
        let port =
            Port::new(0, vec![listener], Lanes::new(1).0, Streams::new(0, limits), Duration::from_secs(32));
        let (mail, open) = (Arc::new(Recorded::default()), Arc::new(AtomicUsize::new(0)));
        let (scribe, late) = Scribe::start(Box::new(Sqlite::open(None).expect("a store"))).expect("a thread");
        let policies = Policies::load(scribe.clone()).await;
        let outbox = outbox(site.outbox.clone(), (scribe, late), mail.clone());
        let registrar = Arc::new(crate::registrar::Registrar::new(&site, None));
        let tls = crate::port::tls::Tls::new(&site).expect("no certificate, none that is bad");
        let names = Arc::new(crate::names::Names::new(site.dns.clone()).0);
        let directory = Arc::new(ArcSwap::from_pointee(Directory::of(site)));
        let both = (Arc::clone(&policies), Arc::clone(&registrar));
        let presence = Presence::new(Arc::clone(&directory), both, 1, None);
        let shared = Shared {
            presence,
            rcc: crate::rcc::Rcc::new(Arc::clone(&directory), 1),
            asking: Asking::default(),
            outbox,
            gatehouse: Gatehouse::new(Arc::clone(&directory)),
            tls,
            names,
            directory,
            embedded_um: None,
            marks: ahash::RandomState::new(),
            calls: Arc::clone(&open),
            policies,
            questions: Arc::new(Questions {
                ports: PortPool::new(address.ip(), address.ip(), (20_000, 20_010)),
                words: Greetings::accept(),
            }),
            registrar,
            identity: None,
        };
        let switch = Switch::new(Rc::clone(&port), shared, 10);
        port.serve(switch.clone());
        let (keeper, _) = crate::keeper::Keeper::new();
        port.open_udp(0, own, (&keeper, "lab".into())).expect("it can be watched");
        actix::spawn(port.keep_time());
        let watched =
            |(socket, _)| Rc::new(tokio::net::UdpSocket::from_std(socket).expect("it can be watched"));
        Self { address, switch, mail, open, phones: phones.map(watched) }
    }

    /// Calls a user, whose phone rings or answers; the caller's end and the phone's.
    async fn call(&self, number: &str, answered: bool) -> (End, End) {
        let (caller, own) = socket();
        let caller = Rc::new(tokio::net::UdpSocket::from_std(caller).expect("it can be watched"));
        let ends = (
            End(caller, self.address),
            End(Rc::clone(&self.phones[usize::from(number == "2")]), self.address),
        );
        let head = format!("From: <sip:a@h>;tag={number}\r\nCall-ID: {number}\r\nMax-Forwards: 70\r\n");
        let via = |branch| format!("Via: SIP/2.0/UDP {own};branch=z9hG4bK{number}{branch};rport\r\n");
        let invite = format!(
            "INVITE sip:{number}@lab.test SIP/2.0\r\n{}{head}To: <sip:{number}@lab.test>\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:a@{own}>\r\nContent-Length: 0\r\n\r\n",
            via(1)
        );
        ends.0.says(&invite).await;
        let rings = ends.1.hears("INVITE ").await;
        ends.1.says(&response(&rings, if answered { "200 OK" } else { "180 Ringing" })).await;
        let heard = ends.0.hears(if answered { "SIP/2.0 200" } else { "SIP/2.0 180" }).await;
        if answered {
            let to = heard.split("\r\n").find(|line| line.starts_with("To: ")).expect("a To");
            let ack = format!("{}{head}{to}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n", via(2));
            ends.0.says(&format!("ACK sip:r@{} SIP/2.0\r\n{ack}", self.address)).await;
            ends.1.hears("ACK ").await;
        }
        ends
    }
}

fn response(request: &str, status: &str) -> String {
    let copied =
        |line: &&str| ["Via: ", "From: ", "Call-ID: ", "CSeq: "].iter().any(|name| line.starts_with(name));
    let lines: String = request.split_inclusive("\r\n").filter(copied).collect();
    format!("SIP/2.0 {status}\r\n{lines}To: <sip:u@lab.test>;tag=phone\r\nContent-Length: 0\r\n\r\n")
}

fn outbox(
    schedule: settings::Outbox,
    scribe: (Scribe, tokio::sync::mpsc::UnboundedReceiver<Late>),
    mail: Arc<Recorded>,
) -> Addr<Outbox> {
    let used = ChannelUse { channel: Some(mail), at_once: 8, schedule: schedule.clone() };
    Outbox::new(schedule, scribe, Channels::default().with("mail", used)).start_apart()
}

impl End {
    async fn says(&self, text: &str) {
        self.0.send_to(text.as_bytes(), self.1).await.expect("loopback takes it");
    }

    async fn hears(&self, start: &str) -> String {
        let mut buffer = [0; 65_536];
        let heard = async {
            loop {
                let (length, _) = self.0.recv_from(&mut buffer).await.expect("a datagram");
                let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if message.starts_with(start) {
                    return message;
                }
            }
        };
        timeout(Duration::from_secs(5), heard).await.unwrap_or_else(|_| panic!("{start:?} did not come"))
    }
}
