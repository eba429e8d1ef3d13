//! Starts the threads that carry calls, and the one of the embedded UM.

use std::{rc::Rc, sync::Arc};

use actix::prelude::*;
use ringpost::settings::{Listen, Transport};
use tokio::sync::{Mutex, mpsc};

use super::{
    StartError,
    sockets::{Bound, LaneSockets},
};
use crate::{
    keeper::Keeper,
    port::{
        Listener, Port, TransactionUser,
        door::Door,
        lanes::{Lanes, Parcel},
        stream::{Limits, Streams},
    },
    switch::{Shared, Switch},
    um::{Desk, Office},
};

/// Starts every lane; each thread opens its own sockets.
pub fn start_all(
    lanes: &Lanes,
    inboxes: Vec<mpsc::Receiver<Parcel>>,
    sockets: Vec<LaneSockets>,
    shared: &Shared,
    keeper: &Keeper,
) -> Result<(), StartError> {
    for (lane, (inbox, sockets)) in inboxes.into_iter().zip(sockets).enumerate() {
        let (lanes, shared, keeper) = (lanes.clone(), shared.clone(), keeper.clone());
        let (ready, opened) = std::sync::mpsc::channel();
        Arbiter::new().spawn_fn(move || {
            // Nobody waits any more only if the start has failed already.
            let _ = ready.send(start((lane as u8, lanes, keeper), inbox, sockets, shared));
        });
        opened
            .recv()
            .unwrap_or_else(|_| Err(std::io::Error::other("the lane's thread ended")))
            .map_err(opening)?;
    }
    Ok(())
}

fn opening(source: std::io::Error) -> StartError {
    StartError::Io { doing: "starting a lane".into(), source }
}

fn start(
    (lane, lanes, keeper): (u8, Lanes, Keeper),
    inbox: mpsc::Receiver<Parcel>,
    sockets: LaneSockets,
    shared: Shared,
) -> std::io::Result<()> {
    let settings = shared.directory.load().site.sip.clone();
    let limits = Limits {
        connections: settings.max_connections.div_ceil(lanes.count()),
        message: settings.max_message,
        idle: settings.idle_timeout,
        udp_fallback: settings.udp_fallback,
        origins: settings.origins.clone(),
    };
    let most = settings.max_calls.div_ceil(lanes.count());
    let port = Port::new(lane, sockets.listeners, lanes, Streams::new(lane, limits), settings.silence);
    port.secure(Arc::clone(&shared.tls));
    port.look_up(Arc::clone(&shared.names));
    port.limit(&settings);
    port.guard(Door::new(Arc::clone(&shared.gatehouse)));
    let (shared_presence, shared_rcc) = (Arc::clone(&shared.presence), Arc::clone(&shared.rcc));
    let switch = Switch::new(Rc::clone(&port), shared, most);
    let name = format!("lane {lane}");
    switch.watchers().take_up();
    open(&port, switch.clone(), sockets.bound, (&keeper, &name))?;
    if let Some(orders) = shared_presence.inbox(lane) {
        let (orders, watchers) = (Rc::new(Mutex::new(orders)), Rc::clone(switch.watchers()));
        keeper.keep(format!("{name} watchers"), move || Rc::clone(&watchers).work(Rc::clone(&orders)));
    }
    if let Some(orders) = shared_rcc.inbox(lane) {
        let (orders, dialogs) = (Rc::new(Mutex::new(orders)), Rc::clone(switch.dialogs()));
        keeper.keep(format!("{name} remote call control"), move || {
            Rc::clone(&dialogs).work(Rc::clone(&orders))
        });
    }
    if lane == 0 {
        let (gateways, kept) = (Rc::clone(switch.gateways()), keeper.clone());
        keeper.keep("rcc gateways".to_owned(), move || Rc::clone(&gateways).run(kept.clone()));
    }
    let inbox = Rc::new(Mutex::new(inbox));
    keeper.keep(format!("{name} inbox"), move || {
        unpack(Rc::clone(&port), Rc::clone(&switch), Rc::clone(&inbox))
    });
    Ok(())
}

/// `name` is the lane's in the health report.
fn open(
    port: &Rc<Port>,
    user: Rc<dyn TransactionUser>,
    sockets: Vec<Bound>,
    (keeper, name): (&Keeper, &str),
) -> std::io::Result<()> {
    port.serve(user);
    for (listener, socket) in sockets.into_iter().enumerate() {
        let Listen { transport, address } = port.listeners[listener].bound;
        let part = format!("{name} {} {address}", format!("{transport:?}").to_lowercase());
        match socket {
            Bound::Udp(socket) => port.open_udp(listener as u16, socket, (keeper, part))?,
            Bound::Tcp(socket) => port.open_tcp(listener as u16, socket, (keeper, part))?,
        }
    }
    let port = Rc::clone(port);
    keeper.keep(format!("{name} clock"), move || Rc::clone(&port).keep_time());
    Ok(())
}

/// Takes what other threads have for this lane.
async fn unpack(port: Rc<Port>, switch: Rc<Switch>, inbox: Rc<Mutex<mpsc::Receiver<Parcel>>>) {
    let mut inbox = inbox.lock().await;
    while let Some(parcel) = inbox.recv().await {
        match parcel {
            Parcel::Message(octets, from) => port.guarded(|| port.received(octets, from)),
            Parcel::Transmit(transmit) => port.guarded(|| port.transmit(transmit)),
            Parcel::Undelivered(octets) => port.guarded(|| port.undeliverable(octets)),
            Parcel::Errand(errand) => Rc::clone(&port).run(*errand),
            Parcel::Respond(server, code, bytes) => port.guarded(|| port.respond(server, code, bytes)),
            Parcel::Seek(leg, answer) => {
                if let Some(leg) = switch.leg(leg) {
                    // Nobody waits any more: nothing to tell.
                    let _ = answer.send(leg);
                }
            }
            Parcel::Drain(done) => port.guarded(|| switch.drain(done)),
            Parcel::Stop => port.guarded(|| switch.end_all()),
        }
    }
}

/// Starts the embedded UM on a thread of its own.
pub fn start_um(office: Arc<Office>, socket: std::net::UdpSocket, keeper: Keeper) -> Result<(), StartError> {
    let (ready, opened) = std::sync::mpsc::channel();
    Arbiter::new().spawn_fn(move || {
        let _ = ready.send(open_um(office, socket, &keeper));
    });
    opened.recv().unwrap_or_else(|_| Err(std::io::Error::other("the UM's thread ended"))).map_err(opening)
}

fn open_um(office: Arc<Office>, socket: std::net::UdpSocket, keeper: &Keeper) -> std::io::Result<()> {
    let address = socket.local_addr()?;
    let bound = Listen { transport: Transport::Udp, address };
    let listener = Listener { bound, sent_by: address.to_string().into_bytes().into(), internal: false };
    let settings = office.directory.load().site.sip.clone();
    let limits = Limits {
        connections: 0,
        message: settings.max_message,
        idle: settings.idle_timeout,
        udp_fallback: settings.udp_fallback,
        origins: vec![],
    };
    // The UM's port is a lane of its own world: nobody else hands it anything.
    let (lanes, _) = Lanes::new(1);
    let port = Port::new(0, vec![listener], lanes, Streams::new(0, limits), settings.silence);
    let desk = Desk::new(Rc::clone(&port), office);
    open(&port, desk, vec![Bound::Udp(socket)], (keeper, "um"))
}
