//! The ports of the site: free, held by its own Ringpost, or by somebody else.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener, UdpSocket},
    rc::Rc,
};

use ringpost::{doctor::advice, settings::Transport};

use super::{
    Ward,
    chain::{Chain, End, Sheet, beside},
    sockets::{Table, Taken, owners, taken},
};

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    let site = &ward.site;
    let sip = site.sip.listen.iter().map(|listen| {
        let table = if listen.transport == Transport::Udp { Table::Udp } else { Table::Tcp };
        (listen.transport.name().to_ascii_lowercase(), table, listen.address, "sip.listen")
    });
    let metrics =
        site.metrics.listen.map(|address| ("metrics".to_owned(), Table::Tcp, address, "metrics.listen"));
    let http = site.http.listen.iter();
    let http = http.map(|listen| (listen.scheme().to_owned(), Table::Tcp, listen.address, "http.listen"));
    let chain = |(name, table, address, key): (String, Table, SocketAddr, &'static str)| {
        let ward = Rc::clone(ward);
        Chain::one(&format!("port.{name}:{address}"), move |sheet| async move {
            judged(&sheet, &ward, (table, address, key)).await
        })
    };
    sip.chain(metrics).chain(http).map(chain).collect()
}

/// Where a Ringpost runs, only the kernel is asked: nothing is opened that it might want.
async fn judged(sheet: &Sheet, ward: &Ward, (table, address, key): (Table, SocketAddr, &str)) -> End {
    if !ward.program.runs() {
        match opens(table, address).map_err(|error| (error.kind(), error)) {
            Ok(()) => {
                sheet.ok("free");
                return Some(());
            }
            Err((ErrorKind::AddrInUse, _)) => {}
            Err((kind, error)) => return sheet.failed(&told(kind, &error), remedy(kind, key)),
        }
    }
    let holders = beside(move || {
        let held: Vec<Taken> = taken(table).into_iter().flatten().collect();
        let in_the_way = |one: &&Taken| one.is_in_the_way_of(address.ip(), address.port());
        let held: Vec<&Taken> = held.iter().filter(in_the_way).collect();
        (!held.is_empty(), owners(&held))
    });
    let (held, by) = holders.await;
    let others: Vec<String> = by
        .iter()
        .filter(|(pid, _)| Some(*pid) != ward.program.pid)
        .map(|(pid, name)| format!("{name} (process {pid})"))
        .collect();
    match (others.is_empty(), by.is_empty(), ward.program.runs()) {
        (false, ..) => {
            return sheet.failed(&format!("held by {}", others.join(", ")), advice::port_taken(key));
        }
        (true, false, _) => sheet.ok("held by the Ringpost that runs"),
        (true, true, true) if held => {
            sheet.note("held, most likely by the Ringpost that runs; this user may not see by whom", None);
        }
        (true, true, true) => {
            let remedy = "Restart Ringpost: it opens listeners only when it starts.".to_owned();
            sheet.note("the Ringpost that runs does not hold it", Some(remedy));
        }
        (true, true, false) => {
            let said = "held by somebody whom this user may not see, and no Ringpost of this site runs";
            return sheet.failed(said, advice::port_taken(key));
        }
    }
    Some(())
}

fn opens(table: Table, address: SocketAddr) -> io::Result<()> {
    match table {
        Table::Udp => UdpSocket::bind(address).map(drop),
        Table::Tcp => TcpListener::bind(address).map(drop),
    }
}

fn told(kind: ErrorKind, error: &io::Error) -> String {
    match kind {
        ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        ErrorKind::PermissionDenied => "this user may not open it".to_owned(),
        _ => format!("it cannot be opened: {error}"),
    }
}

fn remedy(kind: ErrorKind, key: &str) -> String {
    match kind {
        ErrorKind::AddrNotAvailable => {
            format!("Name an address of this machine in {key} (ip address), or 0.0.0.0 for all of them.")
        }
        ErrorKind::PermissionDenied => {
            "Give the service AmbientCapabilities=CAP_NET_BIND_SERVICE, or choose a port from 1024 on."
                .to_owned()
        }
        _ => advice::port_taken(key),
    }
}
